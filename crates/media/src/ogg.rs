//! Recordings as Ogg Opus: small files that every player opens. Each channel is a stream of its own (channel mapping family
//! 1, no coupling), so that nothing of one voice is heard in the other's channel. Called by the interface for downloads.
//!
//! Source: RFC 3533 (pages), RFC 7845 (Opus in Ogg), RFC 6716 appendix B (all streams but the last tell their length).
use crate::codec::FRAME;
use crate::opus::Encoder;

/// Granule positions count at 48 kHz whatever the input's rate (RFC 7845 §4).
const GRANULES: u64 = 48_000 / crate::RATE as u64;
/// What decoders are to drop at the beginning: the encoder looks 6.5 ms ahead.
const PRE_SKIP: u16 = 312;
/// A second: players seek by pages, and few of them cost little.
const PACKETS_A_PAGE: usize = 50;
const VENDOR: &[u8] = b"Cordboard";

const CONTINUED_NEVER: u8 = 0;
const BEGINNING: u8 = 2;
const END: u8 = 4;

/// One file, made piece by piece. What it returns is to be written in that order.
pub struct OggOpus {
    serial: u32,
    page: u32,
    encoders: Vec<Encoder>,
    /// Interleaved samples that do not fill a frame yet.
    left: Vec<i16>,
    /// Of each channel, so far.
    samples: u64,
    packets: u64,
    /// Of the page being filled: lengths and bytes.
    lengths: Vec<usize>,
    body: Vec<u8>,
    begun: bool,
}

impl OggOpus {
    /// `channels`: one or two; more are cut to two. `serial`: any number, of this file.
    pub fn new(channels: usize, serial: u32) -> OggOpus {
        let encoders = (0..channels.clamp(1, 2)).map(|_| Encoder::default()).collect();
        OggOpus {
            serial,
            page: 0,
            encoders,
            left: Vec::new(),
            samples: 0,
            packets: 0,
            lengths: Vec::new(),
            body: Vec::new(),
            begun: false,
        }
    }

    /// Takes interleaved samples at 8 kHz.
    pub fn push(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut out = self.head();
        self.left.extend_from_slice(samples);
        let whole = FRAME * self.encoders.len();
        let ready = self.left.len() / whole * whole;
        let frames: Vec<i16> = self.left.drain(..ready).collect();
        for frame in frames.chunks_exact(whole) {
            self.samples += FRAME as u64;
            self.packet(frame);
            if self.lengths.len() == PACKETS_A_PAGE {
                let at = self.packets * FRAME as u64 * GRANULES;
                self.flush(CONTINUED_NEVER, at, &mut out);
            }
        }
        out
    }

    /// The rest, with the page that ends the file. Its position says how much of the last packet is sound (RFC 7845 §4.4).
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = self.head();
        let channels = self.encoders.len();
        self.samples += (self.left.len() / channels) as u64;
        let end = u64::from(PRE_SKIP) + self.samples * GRANULES;
        // Until the encoder has given back all that it was given.
        while self.packets * (FRAME as u64) * GRANULES < end || self.lengths.is_empty() {
            let mut frame: Vec<i16> = std::mem::take(&mut self.left);
            frame.resize(FRAME * channels, 0);
            self.packet(&frame);
        }
        self.flush(END, end, &mut out);
        out
    }

    fn packet(&mut self, interleaved: &[i16]) {
        let channels = self.encoders.len();
        let start = self.body.len();
        for (channel, encoder) in self.encoders.iter_mut().enumerate() {
            let mut frame = [0; FRAME];
            for (to, from) in frame.iter_mut().zip(interleaved.iter().skip(channel).step_by(channels)) {
                *to = *from;
            }
            let mut packet = Vec::new();
            encoder.encode(&frame, &mut packet);
            if channel + 1 < channels {
                delimited(&packet, &mut self.body);
            } else if packet.is_empty() {
                self.body.push(SILENCE);
            } else {
                self.body.extend_from_slice(&packet);
            }
        }
        self.packets += 1;
        self.lengths.push(self.body.len() - start);
    }

    /// The two header packets, each on a page of its own (RFC 7845 §3), before anything else.
    fn head(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if std::mem::replace(&mut self.begun, true) {
            return out;
        }
        let channels = self.encoders.len() as u8;
        let mut head = b"OpusHead\x01".to_vec();
        head.push(channels);
        head.extend(PRE_SKIP.to_le_bytes());
        head.extend(crate::RATE.to_le_bytes());
        // Gain.
        head.extend([0, 0]);
        if channels == 1 {
            head.push(0);
        } else {
            // Family 1: two streams, none coupled, left is the first.
            head.extend([1, 2, 0, 0, 1]);
        }
        self.whole(head, BEGINNING, &mut out);
        let mut tags = b"OpusTags".to_vec();
        tags.extend((VENDOR.len() as u32).to_le_bytes());
        tags.extend(VENDOR);
        tags.extend(0_u32.to_le_bytes());
        self.whole(tags, CONTINUED_NEVER, &mut out);
        out
    }

    fn whole(&mut self, packet: Vec<u8>, kind: u8, out: &mut Vec<u8>) {
        self.lengths.push(packet.len());
        self.body = packet;
        self.flush(kind, 0, out);
    }

    /// One page (RFC 3533 §6): a packet of each length, as the lacing values say.
    fn flush(&mut self, kind: u8, granules: u64, out: &mut Vec<u8>) {
        let lacing: Vec<u8> = self.lengths.drain(..).flat_map(lacing).collect();
        let start = out.len();
        out.extend(b"OggS\0");
        out.push(kind);
        out.extend(granules.to_le_bytes());
        out.extend(self.serial.to_le_bytes());
        out.extend(self.page.to_le_bytes());
        let checksum = out.len();
        out.extend([0; 4]);
        // At most 50 packets of 640 octets and a length a channel: 50 times 6.
        out.push(u8::try_from(lacing.len()).unwrap_or(u8::MAX));
        out.extend(lacing);
        out.append(&mut self.body);
        let sum = crc(&out[start..]);
        out[checksum..checksum + 4].copy_from_slice(&sum.to_le_bytes());
        self.page += 1;
    }
}

/// A packet of 20 ms at 8 kHz in which nothing is: the decoder conceals (RFC 6716 §3.2.1: a frame of no octets).
const SILENCE: u8 = 0x08;

/// A packet with its length within (RFC 6716 appendix B). The encoder makes packets of one frame, code 0.
fn delimited(packet: &[u8], out: &mut Vec<u8>) {
    let (toc, frame) = packet.split_first().map_or((SILENCE, &[][..]), |(toc, frame)| (*toc, frame));
    out.push(toc);
    let length = frame.len();
    // RFC 6716 §3.2.1.
    if length < 252 {
        out.push(length as u8);
    } else {
        let first = 252 + (length & 3);
        out.push(first as u8);
        out.push(((length - first) >> 2) as u8);
    }
    out.extend_from_slice(frame);
}

fn lacing(length: usize) -> impl Iterator<Item = u8> {
    std::iter::repeat_n(255, length / 255).chain([(length % 255) as u8])
}

/// RFC 3533 §6: polynomial 0x04c11db7, from zero, nothing reflected.
fn crc(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let (mut r, mut bit) = ((n as u32) << 24, 0);
            while bit < 8 {
                r = (r << 1) ^ if r & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
                bit += 1;
            }
            table[n] = r;
            n += 1;
        }
        table
    };
    bytes.iter().fold(0, |sum: u32, byte| (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opus::Decoder;
    use crate::tone::{self, Tone};

    /// Packets of a file, and the position of its last page; every checksum and page number is right.
    fn read(mut bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let (mut packets, mut packet, mut position, mut pages) = (Vec::new(), Vec::new(), 0, 0);
        while !bytes.is_empty() {
            assert_eq!(&bytes[..5], b"OggS\0");
            let number = u32::from_le_bytes(bytes[18..22].try_into().unwrap());
            assert_eq!(number, pages);
            pages += 1;
            position = u64::from_le_bytes(bytes[6..14].try_into().unwrap());
            let segments = usize::from(bytes[26]);
            let mut at = 27 + segments;
            for n in 0..segments {
                let length = usize::from(bytes[27 + n]);
                packet.extend_from_slice(&bytes[at..at + length]);
                at += length;
                if length < 255 {
                    packets.push(std::mem::take(&mut packet));
                }
            }
            let mut page = bytes[..at].to_vec();
            let sum = u32::from_le_bytes(page[22..26].try_into().unwrap());
            page[22..26].fill(0);
            assert_eq!(crc(&page), sum);
            assert_eq!(bytes[5] & END != 0, at == bytes.len(), "the end stands on the last page alone");
            bytes = &bytes[at..];
        }
        (packets, position)
    }

    /// The two streams of a packet.
    fn split(packet: &[u8]) -> [Vec<u8>; 2] {
        let (length, head) = match packet[1] {
            n @ 0..=251 => (usize::from(n), 2),
            n => (usize::from(packet[2]) * 4 + usize::from(n), 3),
        };
        let first = [&packet[..1], &packet[head..head + length]].concat();
        [first, packet[head + length..].to_vec()]
    }

    #[test]
    fn each_channel_comes_back_alone_and_whole() {
        let (left, right) = (Tone::dual(300.0, 900.0).samples(2_530), Tone::dual(500.0, 1_300.0).samples(2_530));
        let sound: Vec<i16> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
        let mut ogg = OggOpus::new(2, 7);
        // In odd pieces, as they come from a disk.
        let mut file: Vec<u8> = sound.chunks(999).flat_map(|piece| ogg.push(piece)).collect();
        file.extend(ogg.finish());
        assert!(file.len() < sound.len() / 3, "{} octets", file.len());
        let (packets, end) = read(&file);
        assert_eq!(packets[0], b"OpusHead\x01\x02\x38\x01\x40\x1f\0\0\0\0\x01\x02\0\0\x01");
        assert!(packets[1].starts_with(b"OpusTags\x09\0\0\0Cordboard"));
        assert_eq!(end, u64::from(PRE_SKIP) + left.len() as u64 * GRANULES);
        let (mut decoders, mut back) = ([Decoder::default(), Decoder::default()], [Vec::new(), Vec::new()]);
        for packet in &packets[2..] {
            for ((stream, decoder), out) in split(packet).iter().zip(&mut decoders).zip(&mut back) {
                decoder.decode(stream, out);
            }
        }
        let skip = usize::from(PRE_SKIP) / GRANULES as usize;
        for (sound, own, other) in
            [(&back[0], [300.0, 900.0], [500.0, 1_300.0]), (&back[1], [500.0, 1_300.0], [300.0, 900.0])]
        {
            assert!(sound.len() >= skip + left.len(), "nothing is cut off");
            let middle = &sound[4_000..16_000];
            assert!(own.iter().all(|hz| tone::has_tone(middle, *hz)));
            assert!(!other.iter().any(|hz| tone::has_tone(middle, *hz)), "the other's voice is not in it");
        }
    }

    #[test]
    fn a_message_is_mono_and_nothing_at_all_is_a_whole_file() {
        let mut ogg = OggOpus::new(1, 1);
        let mut file = ogg.push(&Tone::dual(300.0, 900.0).samples(1_000));
        file.extend(ogg.finish());
        let (packets, _) = read(&file);
        assert_eq!(packets[0][9], 1);
        let (mut decoder, mut back) = (Decoder::default(), Vec::new());
        packets[2..].iter().for_each(|packet| decoder.decode(packet, &mut back));
        assert!(tone::has_tone(&back[2_000..8_000], 300.0));
        let (packets, end) = read(&OggOpus::new(2, 1).finish());
        assert_eq!((packets.len(), end), (3, u64::from(PRE_SKIP)));
    }
}
