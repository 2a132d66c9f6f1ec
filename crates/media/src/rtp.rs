//! RTP packets: parsing hostile bytes and writing our own. Called by the plane, by telephony (to hand packets to the
//! WebRTC stack) and by tests that play an independent peer. Nothing here keeps state.
//!
//! Source: RFC 3550 §5.1 (header), §5.3.1 (extension); RFC 5761 §4 (telling RTP from RTCP on one port).

use thiserror::Error;

/// Octets of a header without CSRCs and extension.
pub const HEADER_LEN: usize = 12;
/// Octets that whoever encrypts a written packet can append without moving it.
pub(crate) const SEAL_ROOM: usize = 16;

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RtpError {
    #[error("packet is shorter than its RTP header says")]
    Truncated,
    #[error("RTP version is not 2")]
    Version,
    #[error("padding count exceeds the payload")]
    Padding,
}

/// The fixed header fields that matter once the packet is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    pub marker: bool,
    /// 0–127; wider values are masked when written.
    pub payload_type: u8,
    pub sequence: u16,
    /// In units of the payload's clock (8,000 per second for telephony).
    pub timestamp: u32,
    pub ssrc: u32,
}

/// The header extension as it lies in the packet: 16-bit profile word and its data (a multiple of four octets).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    pub profile: u16,
    pub data: &'a [u8],
}

/// A parsed packet borrowing from the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub header: Header,
    /// The CSRC list as big-endian words, at most 15 of them; see [`Packet::csrcs`].
    csrc_bytes: &'a [u8],
    pub extension: Option<Extension<'a>>,
    /// Payload without padding.
    pub payload: &'a [u8],
}

/// Is this datagram RTCP rather than RTP? Looks at the second octet only, RFC 5761 §4.
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(192..=223))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

impl Header {
    /// The header of a packet and the octets before its payload (header, CSRCs, extension), for packets whose rest is
    /// encrypted. `None` if it is no RTP.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let fixed: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut end = HEADER_LEN + usize::from(fixed[0] & 0x0f) * 4;
        if fixed[0] & 0x10 != 0 {
            end += 4 + usize::from(be16(bytes, end + 2)?) * 4;
        }
        let header = Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        (end <= bytes.len()).then_some((header, end))
    }

    /// As it is sent, without CSRCs and extension.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = 0x80;
        out[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        out
    }
}

impl<'a> Packet<'a> {
    /// A packet ready to be written, without CSRCs or extension.
    pub fn new(header: Header, payload: &'a [u8]) -> Self {
        Self { header, csrc_bytes: &[], extension: None, payload }
    }

    /// Takes a datagram apart.
    ///
    /// # Errors
    /// [`RtpError`] when the version is wrong or any length field points outside the datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        if bytes.len() >= HEADER_LEN && bytes[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let (header, payload_start) = Header::parse(bytes).ok_or(RtpError::Truncated)?;
        let csrc_end = HEADER_LEN + usize::from(bytes[0] & 0x0f) * 4;
        let csrc_bytes = bytes.get(HEADER_LEN..csrc_end).ok_or(RtpError::Truncated)?;
        let mut extension = None;
        if bytes[0] & 0x10 != 0 {
            let profile = be16(bytes, csrc_end).ok_or(RtpError::Truncated)?;
            let data = bytes.get(csrc_end + 4..payload_start).ok_or(RtpError::Truncated)?;
            extension = Some(Extension { profile, data });
        }
        let mut payload = bytes.get(payload_start..).ok_or(RtpError::Truncated)?;
        if bytes[0] & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(RtpError::Padding)?);
            if padding == 0 || padding > payload.len() {
                return Err(RtpError::Padding);
            }
            payload = &payload[..payload.len() - padding];
        }
        Ok(Self { header, csrc_bytes, extension, payload })
    }

    /// The contributing sources in packet order.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrc_bytes.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word))
    }

    /// Appends the packet to `out`, with its CSRCs and extension and without padding. An extension whose data is not
    /// a multiple of four octets, or longer than its length field can say, is left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let extension = self.extension.filter(|e| e.data.len() % 4 == 0 && e.data.len() / 4 <= usize::from(u16::MAX));
        out.reserve(
            HEADER_LEN
                + self.csrc_bytes.len()
                + extension.map_or(0, |e| e.data.len() + 4)
                + self.payload.len()
                + SEAL_ROOM,
        );
        let csrc_count = (self.csrc_bytes.len() / 4) as u8;
        let mut header = self.header.to_bytes();
        header[0] |= if extension.is_some() { 0x10 } else { 0 } | csrc_count;
        out.extend_from_slice(&header);
        out.extend_from_slice(self.csrc_bytes);
        if let Some(extension) = extension {
            out.extend_from_slice(&extension.profile.to_be_bytes());
            out.extend_from_slice(&((extension.data.len() / 4) as u16).to_be_bytes());
            out.extend_from_slice(extension.data);
        }
        out.extend_from_slice(self.payload);
    }

    /// The packet as fresh bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn csrcs_extension_and_padding_are_taken_apart() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 2, 0x80 | 8];
        bytes.extend([0x12, 0x34, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd]);
        bytes.extend([0, 0, 0, 7, 0, 0, 0, 9]);
        bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend([9, 9, 9, 0, 0, 3]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(
            packet.header,
            Header { marker: true, payload_type: 8, sequence: 0x1234, timestamp: 1, ssrc: 0xaabbccdd }
        );
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [7, 9]);
        assert_eq!(packet.extension, Some(Extension { profile: 0xbede, data: &[1, 2, 3, 4] }));
        assert_eq!(packet.payload, [9, 9, 9]);
        let again = packet.to_vec();
        assert_eq!(Packet::parse(&again).unwrap(), packet);
    }

    #[test]
    fn lengths_that_point_outside_are_refused() {
        assert_eq!(Packet::parse(&[0x80; 11]), Err(RtpError::Truncated));
        let mut plain = Packet::new(Header::default(), &[1, 2, 3]).to_vec();
        plain[0] = 0x8f;
        assert_eq!(Packet::parse(&plain), Err(RtpError::Truncated));
        plain[0] = 0xa0;
        plain[14] = 4;
        assert_eq!(Packet::parse(&plain), Err(RtpError::Padding));
        plain[14] = 0;
        assert_eq!(Packet::parse(&plain), Err(RtpError::Padding));
        plain[0] = 0x40;
        assert_eq!(Packet::parse(&plain), Err(RtpError::Version));
    }

    #[test]
    fn rtcp_is_told_apart_by_its_packet_type() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(!is_rtcp(&[0x80, 0x80 | 101]));
        assert!(!is_rtcp(&[0x80]));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                let written = packet.to_vec();
                prop_assert_eq!(Packet::parse(&written), Ok(packet));
            }
        }
    }
}
