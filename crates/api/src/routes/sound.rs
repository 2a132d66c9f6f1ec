//! Stored sound with Range (RFC 9110 §14), decrypted piece by piece, and its loudness for a waveform.
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::BlobId;
use store::Scope;

use crate::App;
use crate::dto::interaction::{Peak, Peaks};
use crate::error::{ApiResult, Code};
use crate::routes::wav::Pcm;

/// Largest piece in one answer; players ask for the next. Bounds memory per request.
const PIECE: u64 = 4 * 1024 * 1024;
const STEP_MS: u32 = 50;

pub async fn serve(app: &App, scope: Scope, blob: BlobId, headers: &HeaderMap) -> ApiResult<Response> {
    let reader = app.store().blobs().reader(scope, blob).await?;
    let total = reader.row.length;
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).map(|text| parse_range(text, total));
    let (status, from, length) = match range {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, total),
        Some(Range::Bytes { from, to }) => (StatusCode::PARTIAL_CONTENT, from, (to - from + 1).min(PIECE)),
        Some(Range::Outside) => {
            let content_range = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
            return Ok((content_range, crate::error::ApiError::from(Code::RangeNotSatisfiable)).into_response());
        }
    };
    // Whole files are bounded by the longest call; a player asks for ranges.
    let bytes = reader.read_range(from, length).await?;
    let mut response = (status, Body::from(bytes)).into_response();
    let headers = response.headers_mut();
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

/// Loudness of a stereo or mono recording.
pub async fn peaks(app: &App, scope: Scope, blob: BlobId) -> ApiResult<Peaks> {
    let bytes = app.store().blobs().read(scope, blob).await?;
    let made = tokio::task::spawn_blocking(move || Pcm::read(&bytes).map(|pcm| peaks_of(&pcm)));
    let made = made.await.map_err(|e| crate::error::ApiError::internal(&e))?;
    made.ok_or_else(|| Code::RecordingNotReady.into())
}

fn peaks_of(pcm: &Pcm) -> Peaks {
    let step = usize::try_from(pcm.rate * STEP_MS / 1000).unwrap_or(1).max(1);
    let channel = |channel: usize| -> Vec<Peak> {
        (0..pcm.frames())
            .step_by(step)
            .map(|from| {
                let to = (from + step).min(pcm.frames());
                let (min, max) =
                    (from..to).map(|f| pcm.sample(f, channel)).fold((0, 0), |(min, max), s| (s.min(min), s.max(max)));
                Peak { min: scale(min), max: scale(max) }
            })
            .collect()
    };
    Peaks {
        step_ms: STEP_MS,
        length_ms: pcm.frames() as u64 * 1000 / u64::from(pcm.rate),
        left: channel(0),
        right: if pcm.channels > 1 { channel(1) } else { Vec::new() },
    }
}

/// Three digits are a pixel's worth.
fn scale(sample: i16) -> f32 {
    (f32::from(sample) / 32_768.0 * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::wav::header;

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
        let mut wav = header(2, 8_000, 800 * 4);
        for frame in 0..800 {
            let left: i16 = if frame < 400 { 16_384 } else { -32_768 };
            wav.extend(left.to_le_bytes());
            wav.extend(0_i16.to_le_bytes());
        }
        let peaks = peaks_of(&Pcm::read(&wav).unwrap());
        assert_eq!((peaks.length_ms, peaks.left.len(), peaks.right.len()), (100, 2, 2));
        assert_eq!(peaks.left, [Peak { min: 0.0, max: 0.5 }, Peak { min: -1.0, max: 0.0 }]);
        assert!(peaks.right.iter().all(|p| p.max == 0.0 && p.min == 0.0));
    }
}
