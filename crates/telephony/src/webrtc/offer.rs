//! What a browser's offer must look like before str0m sees it, and what of it we take. Pure. Called by [`super`].
use str0m::format::{Codec, CodecConfig, FormatParams};
use str0m::media::Frequency;
use switch::PeerAudio;

/// Chromium's audio offer is 2–4 KiB.
const SDP_MAX: usize = 64 * 1024;
/// It lists some ten formats.
const FORMATS_MAX: usize = 64;

/// The audio of an acceptable offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    codec: media::CodecParams,
    dtmf: Option<media::DtmfParams>,
}

/// Reads an offer; of its codecs the first of `wished` is taken, or G.711 before others. The error is a stable code.
pub(super) fn read(sdp: &str, wished: &[media::Codec]) -> Result<Wanted, &'static str> {
    let audio = Audio::read(sdp)?;
    let find = |codec: &media::Codec| audio.codecs.iter().find(|params| params.codec == *codec);
    let g711 = || audio.codecs.iter().find(|params| params.codec.law().is_some());
    // Whatever the company wishes, an agent who cannot do it is not shut out.
    audio.wanted(wished.iter().find_map(find).or_else(g711))
}

/// Reads the answer to an offer of ours: its first codec is the one it will use (RFC 3264 §6.1).
pub(super) fn read_answer(sdp: &str) -> Result<Wanted, &'static str> {
    Audio::read(sdp)?.wanted(None)
}

/// All that we offer to somebody who speaks `codecs`, and which of it stands first.
pub(super) fn all(codecs: &[media::Codec]) -> (Vec<media::CodecParams>, Wanted) {
    let usual = [media::Codec::Pcma, media::Codec::Pcmu];
    let codecs = if codecs.is_empty() { &usual } else { codecs };
    let all: Vec<media::CodecParams> = codecs.iter().map(|c| media::CodecParams::new(*c, c.payload_type())).collect();
    let first = all.first().copied().unwrap_or(media::CodecParams::new(media::Codec::Pcma, 8));
    (all, Wanted { codec: first, dtmf: None })
}

/// Offers str0m all of these, and digits beside them.
pub(super) fn configure_all(codecs: &[media::CodecParams], config: &mut CodecConfig) {
    for codec in codecs {
        enable(codec, config);
    }
    enable_digits(media::DtmfParams { payload_type: 101, clock: media::RATE }, config);
    if codecs.iter().any(|codec| codec.codec == media::Codec::Opus) {
        enable_digits(media::DtmfParams { payload_type: 110, clock: media::RATE * media::Codec::Opus.units() }, config);
    }
}

/// The one audio line of a description: what we know of what it lists, in its order.
struct Audio<'a> {
    codecs: Vec<media::CodecParams>,
    maps: Vec<(u8, &'a str)>,
}

impl<'a> Audio<'a> {
    fn read(sdp: &'a str) -> Result<Self, &'static str> {
        if sdp.len() > SDP_MAX {
            return Err("device.bad_sdp");
        }
        let mut media = sdp.lines().filter_map(|line| line.strip_prefix("m="));
        let (Some(audio), None) = (media.next(), media.next()) else { return Err("device.bad_sdp") };
        let mut fields = audio.split_ascii_whitespace();
        if fields.next() != Some("audio") {
            return Err("device.bad_sdp");
        }
        let maps: Vec<(u8, &str)> = sdp.lines().filter_map(rtpmap).take(FORMATS_MAX).collect();
        let codecs = fields
            .skip(2)
            .take(FORMATS_MAX)
            .filter_map(|format| {
                let payload_type: u8 = format.parse().ok()?;
                let mapped = maps.iter().find(|(number, _)| *number == payload_type).map(|(_, encoding)| *encoding);
                Some(media::CodecParams::new(codec_of(payload_type, mapped)?, payload_type))
            })
            .collect();
        Ok(Audio { codecs, maps })
    }

    /// This codec, or the first of the line, with the digits that go with it.
    fn wanted(&self, codec: Option<&media::CodecParams>) -> Result<Wanted, &'static str> {
        // The browser's order of preference counts, where ours does not.
        let codec = codec.or(self.codecs.first()).ok_or("device.no_codec")?;
        // RFC 4733 wants the clock of the sound that digits interrupt; that of a telephone goes with any.
        let digits = |clock: u32| {
            let is_meant = |encoding: &str| {
                let (name, rate) = encoding.split_once('/').unwrap_or((encoding, ""));
                name.eq_ignore_ascii_case("telephone-event") && rate.parse() == Ok(clock)
            };
            let found = self.maps.iter().find(|(number, encoding)| (96..=127).contains(number) && is_meant(encoding));
            found.map(|(payload_type, _)| media::DtmfParams { payload_type: *payload_type, clock })
        };
        let dtmf = digits(media::RATE * codec.codec.units()).or_else(|| digits(media::RATE));
        Ok(Wanted { codec: *codec, dtmf })
    }
}

fn rtpmap(line: &str) -> Option<(u8, &str)> {
    let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    Some((payload_type.parse().ok()?, encoding.trim()))
}

/// Static payload types are what they are (RFC 3551 §6).
fn codec_of(payload_type: u8, mapped: Option<&str>) -> Option<media::Codec> {
    match (payload_type, mapped) {
        (0, _) => Some(media::Codec::Pcmu),
        (8, _) => Some(media::Codec::Pcma),
        (9, _) => Some(media::Codec::G722),
        (96..=127, Some(encoding)) if encoding.eq_ignore_ascii_case("opus/48000/2") => Some(media::Codec::Opus),
        _ => None,
    }
}

fn enable(codec: &media::CodecParams, config: &mut CodecConfig) {
    match codec.codec {
        media::Codec::Pcmu => config.enable_pcmu(true, false),
        media::Codec::Pcma => config.enable_pcma(true, false),
        media::Codec::G722 => config.enable_g722(true, false),
        media::Codec::Opus => {
            let format = FormatParams::parse_line("minptime=10;useinbandfec=1");
            let number = codec.payload_type.into();
            config.add_config(number, None, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2), format);
        }
    }
}

fn enable_digits(dtmf: media::DtmfParams, config: &mut CodecConfig) {
    let format = FormatParams::parse_line("0-15");
    let clock = if dtmf.clock == media::RATE { Frequency::EIGHT_KHZ } else { Frequency::FORTY_EIGHT_KHZ };
    config.add_config(dtmf.payload_type.into(), None, Codec::Tele, clock, None, format);
}

impl Wanted {
    /// Offers str0m exactly this, so that the answer holds one codec and digits.
    pub(super) fn configure(&self, config: &mut CodecConfig) {
        enable(&self.codec, config);
        if let Some(dtmf) = self.dtmf {
            enable_digits(dtmf, config);
        }
    }

    pub(super) fn audio(&self) -> PeerAudio {
        PeerAudio { codec: self.codec, dtmf: self.dtmf }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n";

    #[test]
    fn without_a_wish_the_first_g711_is_taken_and_else_the_companys_first() {
        use media::Codec::{G722, Opus, Pcma, Pcmu};
        let others = CHROMIUM.replace(" 0 8 ", " ");
        let a_law = CHROMIUM.replace(" 0 8 ", " 8 0 ");
        for (sdp, wished, codec, number, digits) in [
            (CHROMIUM, &[][..], Pcmu, 0, 126),
            (&a_law, &[], Pcma, 8, 126),
            (&others, &[], Opus, 111, 110),
            (CHROMIUM, &[Opus, Pcma], Opus, 111, 110),
            (CHROMIUM, &[G722], G722, 9, 126),
            (&others, &[Pcma], Opus, 111, 110),
            (&others.replace("opus", "red"), &[Pcma, G722], G722, 9, 126),
        ] {
            let audio = read(sdp, wished).unwrap().audio();
            assert_eq!((audio.codec.codec, audio.codec.payload_type), (codec, number), "{wished:?}");
            assert_eq!(audio.dtmf.map(|dtmf| dtmf.payload_type), Some(digits), "{wished:?}");
        }
    }

    #[test]
    fn offers_we_cannot_serve_have_codes() {
        let none = CHROMIUM.replace(" 111 63 9 0 8 ", " 63 ");
        assert_eq!(read(&none, &[]), Err("device.no_codec"));
        assert_eq!(read(&format!("{CHROMIUM}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"), &[]), Err("device.bad_sdp"));
        assert_eq!(read("hello", &[]), Err("device.bad_sdp"));
        assert_eq!(read(&"m=audio".repeat(20_000), &[]), Err("device.bad_sdp"));
    }
}
