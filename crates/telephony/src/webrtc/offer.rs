//! What a browser's offer must look like before str0m sees it, and what of it we take. Pure. Called by [`super`].
use str0m::format::{Codec, CodecConfig, FormatParams};
use str0m::media::Frequency;
use switch::PeerAudio;

/// Chromium's audio offer is 2–4 KiB.
const SDP_MAX: usize = 64 * 1024;

/// The audio of an acceptable offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    codec: media::Codec,
    dtmf: Option<u8>,
}

/// Reads an offer. The error is a stable code.
pub(super) fn read(sdp: &str) -> Result<Wanted, &'static str> {
    if sdp.len() > SDP_MAX {
        return Err("device.bad_sdp");
    }
    let mut media = sdp.lines().filter_map(|line| line.strip_prefix("m="));
    let (Some(audio), None) = (media.next(), media.next()) else { return Err("device.bad_sdp") };
    let mut fields = audio.split_ascii_whitespace();
    if fields.next() != Some("audio") {
        return Err("device.bad_sdp");
    }
    // The browser's order of preference counts (static payload types, RFC 3551 §6).
    let codec = fields
        .skip(2)
        .find_map(|format| match format {
            "0" => Some(media::Codec::Pcmu),
            "8" => Some(media::Codec::Pcma),
            _ => None,
        })
        .ok_or("device.no_codec")?;
    let dtmf = sdp.lines().find_map(|line| {
        let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let is_dtmf = encoding.trim().eq_ignore_ascii_case("telephone-event/8000");
        payload_type.parse::<u8>().ok().filter(|pt| is_dtmf && (96..=127).contains(pt))
    });
    Ok(Wanted { codec, dtmf })
}

impl Wanted {
    /// Offers str0m exactly this, so that the answer holds one codec and digits.
    pub(super) fn configure(&self, config: &mut CodecConfig) {
        if self.codec == media::Codec::Pcma {
            config.enable_pcma(true, false);
        } else {
            config.enable_pcmu(true, false);
        }
        if let Some(payload_type) = self.dtmf {
            let format = FormatParams::parse_line("0-15");
            config.add_config(payload_type.into(), None, Codec::Tele, Frequency::EIGHT_KHZ, None, format);
        }
    }

    pub(super) fn audio(&self) -> PeerAudio {
        let codec = media::CodecParams::new(self.codec, self.codec.payload_type());
        PeerAudio { codec, dtmf: self.dtmf.map(media::DtmfParams::new) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n";

    #[test]
    fn the_first_g711_and_the_8000_hz_digits_are_taken() {
        let wanted = read(CHROMIUM).unwrap();
        let audio = wanted.audio();
        assert_eq!(audio.codec.payload_type, 0);
        assert_eq!(audio.dtmf, Some(media::DtmfParams::new(126)));
        let a_law = read(&CHROMIUM.replace(" 0 8 ", " 8 0 ")).unwrap();
        assert_eq!(a_law.audio().codec.payload_type, 8);
    }

    #[test]
    fn offers_we_cannot_serve_have_codes() {
        assert_eq!(read(&CHROMIUM.replace(" 0 8 ", " ")), Err("device.no_codec"));
        assert_eq!(read(&format!("{CHROMIUM}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n")), Err("device.bad_sdp"));
        assert_eq!(read("hello"), Err("device.bad_sdp"));
        assert_eq!(read(&"m=audio".repeat(20_000)), Err("device.bad_sdp"));
    }
}
