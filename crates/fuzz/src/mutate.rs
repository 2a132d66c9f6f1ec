//! Random changes of inputs, repeatable by seed: of octets, of numbers, of header lines. Used by [`crate::driver`].

/// A small generator (xorshift64*), seeded and the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

/// Pieces that parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\r\n\t",
    b" ",
    b"\t",
    b"\0",
    b"\"",
    b"\\",
    b"\\\"",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"?",
    b"=",
    b"%",
    b"%00",
    b"%4",
    b"[::1]",
    b"[",
    b"]",
    b"*",
    b"-1",
    b"0",
    b"1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"2147483648",
    b"4294967296",
    b"99999999999999999999",
    b"\xff\xfe",
    "é世".as_bytes(),
    b"sip:",
    b"sips:",
    b"tel:",
    b"SIP/2.0",
    b";tag=",
    b";branch=z9hG4bK",
    b";rport",
    b";lr",
    b"Content-Length: 0\r\n",
    b"l: 5\r\n",
    b"Via: SIP/2.0/UDP h\r\n",
    b"Route: <sip:a;lr>\r\n",
    b"Contact: *\r\n",
    b"Require: x\r\n",
    b"Expires: 0\r\n",
    b"INVITE",
    b"BYE",
    b"CANCEL",
    b"ACK",
    b"REGISTER",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"a=rtpmap:96 opus/48000/2\r\n",
    b"RTP/SAVP",
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n",
    b"AEAD_AES_256_GCM inline:",
    b"c=IN IP4 0.0.0.0\r\n",
    b"a=inactive\r\n",
];

/// Changes `input` in one to six ways; `other` is an input to take pieces from.
pub fn mutate(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8], is_text: bool) {
    for _ in 0..=dice.below(6) {
        if is_text && dice.below(3) > 0 {
            change_lines(dice, input, other);
        } else {
            change_octets(dice, input, other);
        }
    }
}

fn change_octets(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8]) {
    let at = dice.below(input.len() + 1);
    let end = (at + 1 + dice.below(32)).min(input.len());
    match dice.below(9) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.below(256) as u8,
        2 => input.truncate(at),
        3 if at < end => drop(input.drain(at..end)),
        4 if at < end => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        5 | 6 => drop(input.splice(at..at, TOKENS[dice.below(TOKENS.len())].iter().copied())),
        7 => {
            let from = dice.below(other.len() + 1);
            let piece = &other[from..(from + dice.below(200)).min(other.len())];
            input.splice(at..end.max(at), piece.iter().copied());
        }
        _ => change_number(dice, input),
    }
}

/// Puts an awkward number in the place of one.
fn change_number(dice: &mut Dice, input: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..input.len())
        .filter(|at| input[*at].is_ascii_digit() && (*at == 0 || !input[*at - 1].is_ascii_digit()))
        .take(500)
        .collect();
    let Some(&start) = starts.get(dice.below(starts.len())) else { return };
    let length = input[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    let numbers: [&[u8]; 8] =
        [b"0", b"1", b"255", b"256", b"65536", b"2147483648", b"00000000000000000001", b"18446744073709551616"];
    input.splice(start..start + length, numbers[dice.below(numbers.len())].iter().copied());
}

/// Changes by whole header lines, so that the result still looks like a message.
fn change_lines(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8]) {
    let mut lines: Vec<Vec<u8>> = input.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let theirs: Vec<&[u8]> = other.split_inclusive(|b| *b == b'\n').collect();
    let at = dice.below(lines.len());
    let to = dice.below(lines.len());
    let Some(line) = lines.get_mut(at) else { return };
    let colon = line.iter().position(|b| *b == b':' || *b == b'=').unwrap_or(0);
    match dice.below(11) {
        // Twice, away, elsewhere, another message's.
        0 => {
            let copy = line.clone();
            lines.insert(to, copy);
        }
        1 => drop(lines.remove(at)),
        2 => lines.swap(at, to),
        3 if !theirs.is_empty() => lines.insert(at, theirs[dice.below(theirs.len())].to_vec()),
        4 if !theirs.is_empty() => lines[at] = theirs[dice.below(theirs.len())].to_vec(),
        // The name of one with the value of another.
        5 if !theirs.is_empty() => {
            let value = theirs[dice.below(theirs.len())];
            let from = value.iter().position(|b| *b == b':' || *b == b'=').unwrap_or(0);
            line.truncate(colon);
            line.extend_from_slice(&value[from..]);
        }
        // Folded at a blank, other line ends, other letters.
        6 => {
            if let Some(blank) = line.iter().skip(colon).position(|b| *b == b' ') {
                line.splice(colon + blank..colon + blank, *b"\r\n");
            }
        }
        7 => line.retain(|b| *b != b'\r'),
        8 => line[..colon].iter_mut().for_each(|b| b.make_ascii_lowercase()),
        // The value again behind a comma, or many times over.
        9 => {
            let value = line[(colon + 1).min(line.len())..].to_vec();
            let end = line.len() - line.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
            line.truncate(end);
            for _ in 0..1 << dice.below(5) {
                line.push(b',');
                line.extend(value.iter().filter(|b| !matches!(b, b'\r' | b'\n')));
            }
            line.extend(b"\r\n");
        }
        _ => change_number(dice, line),
    }
    *input = lines.concat();
}
