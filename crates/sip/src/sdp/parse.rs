//! Reads session descriptions. Lenient in what varies in practice (line ends, missing `t=`), strict in structure.

use std::time::Duration;

use super::crypto::CRYPTO_MAX;
use super::{Codec, Crypto, Direction, Format, Media, SessionDescription};

/// More than any audio offer needs; a browser's with video has some 200 lines.
const LINES: usize = 1024;
const MEDIA: usize = 16;
const FORMATS: usize = 64;

/// What is wrong with a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("description is not text")]
    NotText,
    #[error("description is too long")]
    TooLong,
    #[error("a line is not of the form x=value")]
    MalformedLine,
    #[error("version is not 0")]
    Version,
    #[error("origin is missing")]
    MissingOrigin,
    #[error("media line is malformed")]
    MalformedMedia,
    #[error("connection line is malformed")]
    MalformedConnection,
}

pub(super) fn parse(bytes: &[u8]) -> Result<SessionDescription, SdpError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SdpError::NotText)?;
    let mut out = SessionDescription::default();
    let mut seen_version = false;
    for (count, line) in text.lines().enumerate() {
        if count >= LINES {
            return Err(SdpError::TooLong);
        }
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        let (kind, value) = line.split_once('=').ok_or(SdpError::MalformedLine)?;
        if !seen_version && kind != "v" {
            return Err(SdpError::Version);
        }
        match kind {
            "v" if value == "0" && !seen_version => seen_version = true,
            "v" => return Err(SdpError::Version),
            "o" => out.origin = value.to_owned(),
            "s" => out.name = value.to_owned(),
            "c" => {
                let address = connection(value).ok_or(SdpError::MalformedConnection)?;
                match out.media.last_mut() {
                    Some(media) => media.connection = Some(address),
                    None => out.connection = Some(address),
                }
            }
            "m" => {
                if out.media.len() >= MEDIA {
                    return Err(SdpError::TooLong);
                }
                out.media.push(media(value).ok_or(SdpError::MalformedMedia)?);
            }
            "a" => match out.media.last_mut() {
                Some(media) => attribute(media, value),
                None => match Direction::from_text(value) {
                    Some(direction) => out.direction = Some(direction),
                    None => out.attributes.push(value.to_owned()),
                },
            },
            // Bandwidth, times, keys, titles: nothing here depends on them.
            _ if kind.len() == 1 && kind.bytes().all(|b| b.is_ascii_lowercase()) => {}
            _ => return Err(SdpError::MalformedLine),
        }
    }
    if out.origin.split_ascii_whitespace().count() != 6 {
        return Err(if seen_version { SdpError::MissingOrigin } else { SdpError::Version });
    }
    Ok(out)
}

fn connection(value: &str) -> Option<String> {
    let mut parts = value.split_ascii_whitespace();
    let (net, family, address) = (parts.next()?, parts.next()?, parts.next()?);
    if net != "IN" || !matches!(family, "IP4" | "IP6") || parts.next().is_some() {
        return None;
    }
    // A multicast address has a TTL behind a slash.
    Some(address.split('/').next()?.to_owned())
}

fn media(value: &str) -> Option<Media> {
    let mut parts = value.split_ascii_whitespace();
    let kind = parts.next()?.to_owned();
    let port = parts.next()?.split('/').next()?.parse().ok()?;
    let protocol = parts.next()?.to_owned();
    let mut out = Media { kind, port, protocol, ..Media::default() };
    let formats: Vec<&str> = parts.take(FORMATS).collect();
    if formats.is_empty() {
        return None;
    }
    if out.protocol.contains("RTP/") {
        for text in formats {
            let payload: u8 = text.parse().ok().filter(|payload| *payload < 128)?;
            if out.formats.iter().any(|format| format.payload == payload) {
                continue;
            }
            out.formats.push(Format { payload, codec: Codec::from_static(payload), rtpmap: None, fmtp: None });
        }
    } else {
        out.raw_formats = formats.join(" ");
    }
    Some(out)
}

fn attribute(media: &mut Media, value: &str) {
    if let Some(direction) = Direction::from_text(value) {
        media.direction = Some(direction);
        return;
    }
    let (name, rest) = value.split_once(':').unwrap_or((value, ""));
    match name {
        "rtpmap" => {
            if let Some((format, map)) = format_of(media, rest) {
                let mut parts = map.split('/');
                let codec = (|| {
                    let (name, clock) = (parts.next()?, parts.next()?.parse().ok()?);
                    let channels = parts.next().map_or(Some(1), |count| count.parse().ok())?;
                    Codec::from_rtpmap(name, clock, channels)
                })();
                format.codec = codec;
                format.rtpmap = Some(map.to_owned());
            }
        }
        "fmtp" => {
            if let Some((format, text)) = format_of(media, rest) {
                format.fmtp = Some(text.to_owned());
            }
        }
        "ptime" => {
            // Some write fractions; nobody means more than a second.
            let ms = rest.split('.').next().and_then(|text| text.trim().parse::<u64>().ok());
            media.ptime = ms.filter(|ms| (1..=1000).contains(ms)).map(Duration::from_millis);
        }
        "crypto" => {
            if media.crypto.len() < CRYPTO_MAX {
                media.crypto.extend(Crypto::parse(rest));
            }
        }
        "rtcp-mux" => media.has_rtcp_mux = true,
        "rtcp" => {
            let mut parts = rest.split_ascii_whitespace();
            let port = parts.next().and_then(|port| port.parse().ok());
            media.rtcp = port.map(|port| (port, parts.nth(2).and_then(|ip| ip.parse().ok())));
        }
        _ => media.attributes.push(value.to_owned()),
    }
}

/// The format an `a=rtpmap:` or `a=fmtp:` is about, and its text.
fn format_of<'a, 'b>(media: &'a mut Media, rest: &'b str) -> Option<(&'a mut Format, &'b str)> {
    let (payload, text) = rest.split_once(' ')?;
    let payload: u8 = payload.parse().ok()?;
    let format = media.formats.iter_mut().find(|format| format.payload == payload)?;
    Some((format, text.trim()))
}
