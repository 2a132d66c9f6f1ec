//! The directory for telephony: built whole from the store with the prompts' sound, swapped at each published revision.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::BlobId;
use domain::leg::{ClipRef, RINGBACK};
use domain::localized::Lang;
use tracing::warn;

use crate::demo_caller::SPEECH;
use crate::engine::Shared;
use crate::error::CommandError;
use crate::port::{Down, PortClosed};

/// Decoded prompts by blob: a published revision reads only new ones.
#[derive(Default)]
pub struct ClipCache {
    clips: Mutex<HashMap<BlobId, Arc<[i16]>>>,
}

/// Reads the configuration of all tenants and hands it to telephony.
pub(crate) async fn push(shared: &Arc<Shared>) -> Result<(), CommandError> {
    let mut directory = shared.store.load_directory(store::HostScope::whole_installation()).await?;
    for (lang, speech) in &shared.demo_speech {
        directory.clips.insert(ClipRef { prompt: SPEECH, lang: *lang }, speech.clone());
    }
    for lang in [Lang::Zh, Lang::En] {
        directory.clips.insert(ClipRef { prompt: RINGBACK, lang }, ringback(lang));
    }
    let mut kept = HashMap::new();
    for (tenant, clip, blob) in
        shared.store.prompt_audio(store::Scope::Host(store::HostScope::whole_installation())).await?
    {
        let known = shared.clips.clips.lock().unwrap_or_else(PoisonError::into_inner).get(&blob).cloned();
        let samples = match known {
            Some(samples) => samples,
            // One bad prompt must not keep all tenants' numbers from telephony.
            None => match shared.store.blobs().read(store::Scope::Tenant(tenant), blob).await {
                Ok(wav) => match pcm(&wav) {
                    Some(samples) => samples,
                    None => {
                        warn!(%tenant, prompt = %clip.prompt, "a prompt is not an 8 kHz 16-bit mono WAV; it is silent");
                        continue;
                    }
                },
                Err(e) if e.is_unavailable() => return Err(e.into()),
                Err(e) => {
                    warn!(%tenant, prompt = %clip.prompt, error = %e, "a prompt cannot be read; it is silent");
                    continue;
                }
            },
        };
        kept.insert(blob, samples.clone());
        directory.clips.insert(clip, samples);
    }
    *shared.clips.clips.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    let directory = Arc::new(directory);
    shared.directory.store(directory.clone());
    (shared.down)(Down::Directory(directory)).map_err(|PortClosed| CommandError::Telephony)
}

/// One turn of the ringing tone as callers know it: China 450 Hz, one second in five; else North America's 440 and 480 Hz, two
/// seconds in six (ITU-T E.180 supplement 2).
fn ringback(lang: Lang) -> Arc<[i16]> {
    let (hz, on, all): (&[f64], usize, usize) = match lang {
        Lang::Zh => (&[450.0], 8_000, 40_000),
        Lang::En => (&[440.0, 480.0], 16_000, 48_000),
    };
    let sample = |n: usize| {
        let turn = n as f64 / 8_000.0 * std::f64::consts::TAU;
        (hz.iter().map(|hz| (hz * turn).sin()).sum::<f64>() / hz.len() as f64 * 6_000.0) as i16
    };
    (0..all).map(|n| if n < on { sample(n) } else { 0 }).collect()
}

/// Prompts are stored in the one form that telephony plays; uploads are converted when they are stored.
fn pcm(wav: &[u8]) -> Option<Arc<[i16]>> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(wav.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(wav.get(at..at + 4)?.try_into().ok()?));
    if wav.get(..4)? != b"RIFF" || wav.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut at = 12;
    let mut plain = false;
    loop {
        let (id, length) = (wav.get(at..at + 4)?, usize::try_from(u32_at(at + 4)?).ok()?);
        let body = at + 8;
        if id == b"fmt " {
            // PCM, mono, 8 kHz, 16 bit.
            plain =
                u16_at(body)? == 1 && u16_at(body + 2)? == 1 && u32_at(body + 4)? == 8000 && u16_at(body + 14)? == 16;
        } else if id == b"data" {
            let end = body.checked_add(length)?.min(wav.len());
            let samples = wav.get(body..end)?.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
            return plain.then(|| samples.collect());
        }
        at = body.checked_add(length)?.checked_add(length & 1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate: u32, samples: &[i16]) -> Vec<u8> {
        let mut w = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        w.extend(rate.to_le_bytes());
        w.extend((rate * 2).to_le_bytes());
        w.extend([2, 0, 16, 0]);
        w.extend(b"data");
        w.extend((samples.len() as u32 * 2).to_le_bytes());
        w.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        w
    }

    #[test]
    fn only_the_playable_form_is_taken() {
        assert_eq!(pcm(&wav(8000, &[1, -2, 3])).as_deref(), Some(&[1, -2, 3][..]));
        assert_eq!(pcm(&wav(16_000, &[1])), None);
        assert_eq!(pcm(b"RIFF"), None);
        assert_eq!(pcm(&wav(8000, &[1, 2])[..40]), None);
    }
}
