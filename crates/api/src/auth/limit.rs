//! Token buckets by key (an address, a login), in a table that cannot grow without bound.
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys remembered. When full, buckets that have filled up again are forgotten, then the one closest to it: an
/// attacker with many addresses evicts strangers' spent tokens, not the per-login bucket he is draining.
const KEYS: usize = 10_000;

pub struct Limiter<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// `burst` at once, then one more each `every`.
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst: f64::from(burst), per_second: 1.0 / every.as_secs_f64(), buckets: Mutex::default() }
    }

    /// Takes a token, or says how many seconds to wait for one.
    pub fn take(&self, key: K, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS && !buckets.contains_key(&key) {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: self.burst, at: now });
        bucket.tokens = self.filled(bucket, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - bucket.tokens) / self.per_second).ceil();
        // At most a few minutes by construction.
        Err(seconds.clamp(1.0, 3600.0) as u64)
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        (bucket.tokens + gained).min(self.burst)
    }

    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.filled(bucket, now) < self.burst);
        if buckets.len() < KEYS {
            return;
        }
        let fullest = buckets
            .iter()
            .max_by(|a, b| self.filled(a.1, now).total_cmp(&self.filled(b.1, now)))
            .map(|(key, _)| key.clone());
        if let Some(key) = fullest {
            buckets.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_each_interval() {
        let limiter = Limiter::new(3, Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!((0..3).map(|_| limiter.take("a", start)).collect::<Vec<_>>(), [Ok(()); 3]);
        assert_eq!(limiter.take("a", start), Err(10));
        assert_eq!(limiter.take("b", start), Ok(()));
        assert_eq!(limiter.take("a", start + Duration::from_secs(10)), Ok(()));
        assert_eq!(limiter.take("a", start + Duration::from_secs(10)), Err(10));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_emptiest_buckets() {
        let limiter = Limiter::new(2, Duration::from_secs(1000));
        let now = Instant::now();
        assert_eq!((limiter.take(u32::MAX, now), limiter.take(u32::MAX, now)), (Ok(()), Ok(())));
        for key in 0..KEYS as u32 + 100 {
            let _ = limiter.take(key, now);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= KEYS);
        assert!(limiter.take(u32::MAX, now).is_err());
    }
}
