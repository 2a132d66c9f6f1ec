//! Inputs that are a sequence of steps: records of one octet that says what to do, one that says to whom, a length in two
//! octets (big-endian) and that many octets. Anything is a valid sequence; the last record is cut short if it must be.

/// Most steps of one input.
pub const MAX: usize = 64;

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub op: u8,
    pub arg: u8,
    pub data: &'a [u8],
}

/// The steps of an input.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (&[op, arg, high, low], rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let data;
        (data, bytes) = rest.split_at(length);
        Some(Record { op, arg, data })
    })
    .take(MAX)
}

/// Appends a step.
pub fn write(out: &mut Vec<u8>, op: u8, arg: u8, data: &[u8]) {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    out.extend([op, arg]);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(&data[..usize::from(length)]);
}
