//! Audio held in memory: a prompt or a piece of music, shared by every leg that hears it. Built by telephony from WAV
//! bytes ([`crate::wav::read`]) or tones, handed to the plane in [`crate::Command::Play`].

use crate::codec::RATE;
use std::sync::Arc;
use std::time::Duration;

/// 8 kHz mono samples; cloning copies a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip(Arc<[i16]>);

impl Clip {
    /// A clip of these 8 kHz samples.
    pub fn new(samples: impl Into<Arc<[i16]>>) -> Self {
        Self(samples.into())
    }

    /// A pause.
    pub fn silence(length: Duration) -> Self {
        Self(vec![0; length.as_millis() as usize * (RATE as usize / 1000)].into())
    }

    pub fn samples(&self) -> &[i16] {
        &self.0
    }

    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.0.len() as u64 * 1_000_000 / u64::from(RATE))
    }
}

impl std::fmt::Debug for Clip {
    // Ten thousand samples in an assertion message help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({:?})", self.duration())
    }
}

/// Adds `other` into `into`, saturating; the shorter length counts.
pub fn mix_into(into: &mut [i16], other: &[i16]) {
    for (sample, &add) in into.iter_mut().zip(other) {
        *sample = sample.saturating_add(add);
    }
}
