//! Opus at the plane's 8 kHz, mono: what is above 4 kHz passes through relays alone, where nothing is decoded. Losses are
//! mended from the redundancy that the next packet carries (in-band FEC), else concealed by the decoder; a pause of the
//! sender (DTX) is filled with the decoder's comfort noise. Called by [`crate::codec`] and the jitter buffer.
//!
//! Source: RFC 6716 (codec; §3.1 for the first octet), RFC 7587 (payload).

use crate::codec::FRAME;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest packet: 120 ms.
const PACKET_SAMPLES_MAX: usize = 6 * FRAME;
/// Longest payload we make: of 20 ms at 24 kbit/s it has a tenth.
const PAYLOAD_MAX: usize = 640;
/// Enough for a clear telephone voice and its redundancy.
const BITS_PER_SECOND: i32 = 24_000;
/// The losses for which redundancy is added.
const LOSS_PERCENT: i32 = 10;
/// Of 0 to 10: each step costs time, and at 8 kHz those above bring little that is heard.
const COMPLEXITY: i32 = 3;

/// How many 8 kHz samples a packet lasts; 0 if it breaks the rules of RFC 6716 §3.4.
pub fn samples(packet: &[u8]) -> usize {
    let Some(&toc) = packet.first() else { return 0 };
    let frame = match toc >> 3 {
        silk @ 0..=11 => [80, 160, 320, 480][usize::from(silk & 3)],
        hybrid @ 12..=15 => [80, 160][usize::from(hybrid & 1)],
        celt => [20, 40, 80, 160][usize::from(celt & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(packet.get(1).copied().unwrap_or(0) & 0x3f),
    };
    Some(frame * frames).filter(|&samples| samples <= PACKET_SAMPLES_MAX).unwrap_or(0)
}

/// One source's packets, in their order.
pub struct Decoder {
    /// `None` if it could not be made; then everything is silence.
    inner: Option<opus_rs::OpusDecoder>,
    samples: Box<[f32; PACKET_SAMPLES_MAX]>,
}

impl Default for Decoder {
    fn default() -> Self {
        let inner = opus_rs::OpusDecoder::new(crate::RATE as i32, 1).ok();
        Self { inner, samples: Box::new([0.0; PACKET_SAMPLES_MAX]) }
    }
}

impl Decoder {
    /// Appends the samples of a packet; nothing if it is damaged.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) {
        let length = samples(packet);
        self.run(out, length, |decoder, room| decoder.decode(packet, length, room));
    }

    /// Appends the last `length` samples before the packet `next`, which were lost: from what it says of them, as far as it
    /// does. `length` is a multiple of 20.
    pub fn recover(&mut self, next: &[u8], length: usize, out: &mut Vec<i16>) {
        self.run(out, length, |decoder, room| decoder.decode_fec(next, length, room));
    }

    /// Appends `length` samples in place of those lost, or not sent because nobody speaks. A multiple of 20.
    pub fn conceal(&mut self, length: usize, out: &mut Vec<i16>) {
        self.run(out, length, |decoder, room| decoder.decode(&[], length, room));
    }

    fn run(
        &mut self,
        out: &mut Vec<i16>,
        length: usize,
        decode: impl FnOnce(&mut opus_rs::OpusDecoder, &mut [f32]) -> Result<usize, &'static str>,
    ) {
        let (Some(decoder), Some(room)) = (&mut self.inner, self.samples.get_mut(..length)) else { return };
        // The bytes are a stranger's and the decoder is large: one that fails is replaced, and the call goes on.
        match catch_unwind(AssertUnwindSafe(|| decode(decoder, room))) {
            Ok(Ok(count)) => out.extend(room.iter().take(count).map(|&sample| (sample * 32_768.0) as i16)),
            Ok(Err(_)) => {}
            Err(_) => self.inner = opus_rs::OpusDecoder::new(crate::RATE as i32, 1).ok(),
        }
    }
}

/// One stream's packets of 20 ms.
pub struct Encoder(Option<opus_rs::OpusEncoder>);

impl Default for Encoder {
    fn default() -> Self {
        let made = opus_rs::OpusEncoder::new(crate::RATE as i32, 1, opus_rs::Application::Voip);
        Self(made.ok().map(|mut encoder| {
            encoder.bitrate_bps = BITS_PER_SECOND;
            encoder.complexity = COMPLEXITY;
            encoder.use_inband_fec = true;
            encoder.packet_loss_perc = LOSS_PERCENT;
            encoder
        }))
    }
}

impl Encoder {
    /// Appends the packet of one tick's samples.
    pub fn encode(&mut self, samples: &[i16; FRAME], out: &mut Vec<u8>) {
        let Some(encoder) = &mut self.0 else { return };
        let start = out.len();
        out.resize(start + PAYLOAD_MAX, 0);
        let length = encoder.encode_i16(samples, FRAME, &mut out[start..]).unwrap_or(0);
        out.truncate(start + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{self, Tone};
    use proptest::prelude::*;

    fn packets(samples: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::default();
        let encode = |frame: &[i16; FRAME]| {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            packet
        };
        samples.as_chunks::<FRAME>().0.iter().map(encode).collect()
    }

    #[test]
    fn a_voice_comes_back() {
        let packets = packets(&Tone::dual(300.0, 900.0).samples(1000));
        assert!(packets.iter().all(|packet| samples(packet) == FRAME && packet.len() < 160));
        let (mut decoder, mut back) = (Decoder::default(), Vec::new());
        packets.iter().for_each(|packet| decoder.decode(packet, &mut back));
        assert_eq!(back.len(), 8000);
        assert!(tone::has_tone(&back[2000..], 300.0) && tone::has_tone(&back[2000..], 900.0));
        assert!((tone::rms(&back[2000..]) - 0.2).abs() < 0.03);
    }

    #[test]
    fn what_is_lost_is_recovered_from_the_next_packet_or_concealed() {
        let packets = packets(&Tone::dual(250.0, 750.0).samples(600));
        let (mut decoder, mut back) = (Decoder::default(), Vec::new());
        packets[..15].iter().for_each(|packet| decoder.decode(packet, &mut back));
        let mut hole = Vec::new();
        decoder.conceal(FRAME, &mut hole);
        decoder.recover(&packets[17], FRAME, &mut hole);
        assert_eq!(hole.len(), 2 * FRAME);
        assert!(hole.chunks(FRAME).all(|frame| tone::rms(frame) > 0.08));
    }

    #[test]
    fn lengths_follow_from_the_first_octets() {
        for (packet, length) in [
            (&[][..], 0),
            (&[0x08, 1], 160),
            (&[0x19, 1], 960),
            (&[0x0b, 3], 480),
            (&[0x1b, 3], 0),
            (&[0xfb, 0x86], 960),
            (&[0x80], 20),
            (&[0x03], 0),
        ] {
            assert_eq!(samples(packet), length, "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_decode_to_their_length_or_nothing(
            packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()), 1..12)
        ) {
            let mut decoder = Decoder::default();
            for (packet, recover) in packets {
                let mut out = Vec::new();
                if recover {
                    decoder.recover(&packet, FRAME, &mut out);
                    prop_assert!(out.len() <= FRAME);
                } else {
                    decoder.decode(&packet, &mut out);
                    prop_assert!(out.is_empty() || out.len() == samples(&packet));
                }
            }
        }
    }
}
