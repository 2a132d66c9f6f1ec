//! Stored sound with Range (RFC 9110 §14), decrypted piece by piece, and its loudness for a waveform.
use axum::BoxError;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::BlobId;
use futures_util::stream;
use store::Scope;

use crate::App;
use crate::dto::interaction::{Peak, Peaks};
use crate::error::{ApiError, ApiResult, Code};
use crate::routes::wav::Pcm;

/// Largest answer to a range; players ask for the next.
const PIECE: u64 = 4 * 1024 * 1024;
/// Decrypted at once: bounds the memory of a request.
const STREAMED: u64 = 256 * 1024;
const STEP_MS: u32 = 50;
/// Encoded at once: two seconds of stereo, some ten milliseconds of work.
const ENCODED: u64 = 64 * 1024;
/// Of recordings.
const OGG_RATE: u32 = 8_000;

pub async fn serve(app: &App, scope: Scope, blob: BlobId, headers: &HeaderMap) -> ApiResult<Response> {
    let reader = app.store().blobs().reader(scope, blob).await?;
    let total = reader.row.length;
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).map(|text| parse_range(text, total));
    let (status, from, length) = match range {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, total),
        Some(Range::Bytes { from, to }) => (StatusCode::PARTIAL_CONTENT, from, (to - from + 1).min(PIECE)),
        Some(Range::Outside) => {
            let content_range = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
            return Ok((content_range, ApiError::from(Code::RangeNotSatisfiable)).into_response());
        }
    };
    let pieces = stream::try_unfold((reader, from), move |(reader, at)| async move {
        let left = (from + length).saturating_sub(at);
        if left == 0 {
            return Ok::<_, store::Error>(None);
        }
        let bytes = reader.read_range(at, left.min(STREAMED)).await?;
        let next = at + bytes.len().max(1) as u64;
        Ok(Some((bytes, (reader, next))))
    });
    let mut response = (status, Body::from_stream(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{}/{total}", from + length - 1))
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// The whole as Ogg Opus, made while it is sent: about a fiftieth of the size, and no ranges.
pub async fn ogg(app: &App, scope: Scope, blob: BlobId) -> ApiResult<Response> {
    let Some(make) = &app.options().ogg else { return Err(ApiError::field("format", "invalid")) };
    let reader = app.store().blobs().reader(scope, blob).await?;
    let total = reader.row.length;
    let head = reader.read_range(0, total.min(4_096)).await?;
    let pcm = Pcm::read(&head).ok_or(Code::RecordingNotReady)?;
    if pcm.rate != OGG_RATE {
        return Err(ApiError::field("format", "invalid"));
    }
    let (from, writer) = (pcm.offset as u64, make(pcm.channels, rand::random()));
    let encoding = app.encoding();
    let pieces = stream::try_unfold(Some((reader, from, writer)), move |left| {
        let encoding = encoding.clone();
        async move {
            let Some((reader, at, mut writer)) = left else { return Ok::<_, BoxError>(None) };
            let bytes = reader.read_range(at, total.saturating_sub(at).min(ENCODED)).await?;
            let next = at + bytes.len() as u64;
            let permit = encoding.acquire_owned().await?;
            let (out, writer) = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let mut out = writer(Some(&bytes));
                if next >= total || bytes.is_empty() {
                    out.extend(writer(None));
                    return (out, None);
                }
                (out, Some(writer))
            })
            .await?;
            Ok(Some((out, writer.map(|writer| (reader, next, writer)))))
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/ogg"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// Not understood, or several: the whole is sent, as RFC 9110 §14.2 allows.
    Ignored,
    /// Inclusive.
    Bytes {
        from: u64,
        to: u64,
    },
    Outside,
}

fn parse_range(text: &str, total: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|t| t.trim().split_once('-')) else {
        return Range::Ignored;
    };
    let number = |t: &str| if t.is_empty() { Ok(None) } else { t.parse::<u64>().map(Some) };
    let (Ok(first), Ok(last)) = (number(first), number(last)) else { return Range::Ignored };
    match (first, last) {
        (None, None) => Range::Ignored,
        (Some(from), Some(to)) if to < from => Range::Ignored,
        (Some(from), _) if from >= total => Range::Outside,
        (Some(from), to) => Range::Bytes { from, to: to.unwrap_or(u64::MAX).min(total - 1) },
        (None, Some(0)) => Range::Outside,
        (None, Some(_)) if total == 0 => Range::Outside,
        (None, Some(suffix)) => Range::Bytes { from: total.saturating_sub(suffix), to: total - 1 },
    }
}

/// Loudness of a stereo or mono recording, read piece by piece: a long one does not fit into memory many times.
pub async fn peaks(app: &App, scope: Scope, blob: BlobId) -> ApiResult<Peaks> {
    let reader = app.store().blobs().reader(scope, blob).await?;
    let total = reader.row.length;
    let head = reader.read_range(0, total.min(4_096)).await?;
    let pcm = Pcm::read(&head).ok_or(Code::RecordingNotReady)?;
    let mut meter = Meter::new(pcm.channels, pcm.rate);
    // Whole steps, so that no step is split between pieces.
    let piece = meter.step_bytes() * 500;
    let mut at = pcm.offset as u64;
    while at < total {
        let bytes = reader.read_range(at, (total - at).min(piece)).await?;
        if bytes.is_empty() {
            break;
        }
        at += bytes.len() as u64;
        meter.take(&bytes);
    }
    Ok(meter.peaks())
}

/// Takes interleaved 16-bit samples in whole steps, but for the last.
struct Meter {
    channels: usize,
    rate: u32,
    /// Frames in [`STEP_MS`].
    step: usize,
    frames: u64,
    sides: [Vec<Peak>; 2],
}

impl Meter {
    fn new(channels: usize, rate: u32) -> Self {
        let step = usize::try_from(rate * STEP_MS / 1000).unwrap_or(1).max(1);
        Self { channels, rate, step, frames: 0, sides: [Vec::new(), Vec::new()] }
    }

    fn step_bytes(&self) -> u64 {
        (self.step * self.channels * 2) as u64
    }

    fn take(&mut self, bytes: &[u8]) {
        let pcm = Pcm { channels: self.channels, rate: self.rate, offset: 0, data: bytes };
        let frames = pcm.frames();
        self.frames += frames as u64;
        for from in (0..frames).step_by(self.step) {
            let to = (from + self.step).min(frames);
            for (channel, side) in self.sides.iter_mut().enumerate().take(self.channels) {
                let samples = (from..to).map(|f| pcm.sample(f, channel));
                let (min, max) = samples.fold((0, 0), |(min, max), s| (s.min(min), s.max(max)));
                side.push(Peak { min: scale(min), max: scale(max) });
            }
        }
    }

    fn peaks(self) -> Peaks {
        let [left, right] = self.sides;
        Peaks { step_ms: STEP_MS, length_ms: self.frames * 1000 / u64::from(self.rate), left, right }
    }
}

/// Three digits are a pixel's worth.
fn scale(sample: i16) -> f32 {
    (f32::from(sample) / 32_768.0 * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_rfc_9110() {
        let bytes = |from, to| Range::Bytes { from, to };
        for (text, wanted) in [
            ("bytes=0-99", bytes(0, 99)),
            ("bytes=900-", bytes(900, 999)),
            ("bytes=900-5000", bytes(900, 999)),
            ("bytes=-100", bytes(900, 999)),
            ("bytes=-5000", bytes(0, 999)),
            ("bytes=1000-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-2", Range::Ignored),
            ("bytes=0-1,5-6", Range::Ignored),
            ("bytes=-", Range::Ignored),
            ("lines=1-2", Range::Ignored),
        ] {
            assert_eq!(parse_range(text, 1000), wanted, "{text}");
        }
    }

    #[test]
    fn each_channel_has_its_own_peaks() {
        let mut sound = Vec::new();
        for frame in 0..800 {
            let left: i16 = if frame < 400 { 16_384 } else { -32_768 };
            sound.extend(left.to_le_bytes());
            sound.extend(0_i16.to_le_bytes());
        }
        let mut meter = Meter::new(2, 8_000);
        assert_eq!(meter.step_bytes(), 1_600);
        sound.chunks(1_600).for_each(|piece| meter.take(piece));
        let peaks = meter.peaks();
        assert_eq!((peaks.length_ms, peaks.left.len(), peaks.right.len()), (100, 2, 2));
        assert_eq!(peaks.left, [Peak { min: 0.0, max: 0.5 }, Peak { min: -1.0, max: 0.0 }]);
        assert!(peaks.right.iter().all(|p| p.max == 0.0 && p.min == 0.0));
    }
}
