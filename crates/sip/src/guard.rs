//! Guessing at passwords, made slow (RFC 7616 §5.8: on-line dictionary attacks). Held by `endpoint`, asked before a
//! response to a challenge is compared.
//!
//! Only answers to a nonce of ours count: the nonce is bound to the address it was sent to, so nobody can have somebody
//! else shunned by forging his address. Two measures, both by address (an IPv6 network of 64 bits is one address):
//!
//! - one name: after [`WRONG_PER_NAME`] wrong answers its next are taken for wrong without a look, for a pause that doubles;
//! - many names: each wrong answer that was looked at fills a bucket ([`BUCKET`], one leaks out each [`LEAK`]). When it is
//!   full, names that lately proved themselves from there are served as ever and all others are taken for wrong. An
//!   address from which nobody ever proved himself is shunned: its requests are dropped without an answer, for a time
//!   that doubles.
//!
//! So a phone with an old password costs its office nothing, and a scanner learns that nobody is at home. What is taken
//! for wrong is answered like what is wrong: nothing tells them apart.
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const WRONG_PER_NAME: u8 = 5;
const NAME_PAUSE: Duration = Duration::from_secs(30);
const NAME_PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// Wrong answers of one address at once, whatever the names.
const BUCKET: u32 = 20;
const LEAK: Duration = Duration::from_secs(30);
const SHUN: Duration = Duration::from_secs(10 * 60);
const SHUN_MAX: Duration = Duration::from_secs(6 * 3600);
/// Who proved himself counts as known for so long: longer than any registration lives.
const KNOWN: Duration = Duration::from_secs(2 * 3600);
/// What an address or a name did wrong is forgotten after so long without more of it.
const FORGET: Duration = Duration::from_secs(24 * 3600);
/// Addresses, and names, that are remembered: some 6 MiB when full. Beyond it the oldest that is harmless goes.
const REMEMBERED_MAX: usize = 32_768;
/// How many of the oldest are looked at to find a harmless one.
const SEARCH_MAX: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Source {
    /// When the bucket will have run empty.
    empty_at: Duration,
    shunned_until: Duration,
    shuns: u8,
    known_until: Duration,
    last: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Named {
    known_until: Duration,
    wrong: u8,
    paused_until: Duration,
    last: Duration,
}

/// A map that forgets its oldest.
#[derive(Debug)]
struct Memory<K, V> {
    rows: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, V: Default> Memory<K, V> {
    fn new() -> Self {
        Self { rows: HashMap::new(), order: VecDeque::new() }
    }

    fn row(&mut self, key: K, is_harmless: impl Fn(&V) -> bool) -> &mut V {
        if !self.rows.contains_key(&key) {
            self.make_room(is_harmless);
            self.order.push_back(key);
        }
        match self.rows.entry(key) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(row) => row.insert(V::default()),
        }
    }

    fn make_room(&mut self, is_harmless: impl Fn(&V) -> bool) {
        if self.order.len() < REMEMBERED_MAX {
            return;
        }
        for _ in 0..SEARCH_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            if self.rows.get(&oldest).is_none_or(&is_harmless) {
                self.rows.remove(&oldest);
                return;
            }
            self.order.push_back(oldest);
        }
        if let Some(oldest) = self.order.pop_front() {
            self.rows.remove(&oldest);
        }
    }
}

/// What was counted since the start, and who is shunned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guesses {
    /// Answers to challenges that were wrong, looked at or not.
    pub wrong: u64,
    /// Requests of shunned addresses that got no answer.
    pub dropped: u64,
    /// Times that an address was shunned.
    pub shunned: u64,
}

#[derive(Debug)]
pub(crate) struct Guard {
    sources: Memory<IpAddr, Source>,
    names: Memory<(IpAddr, u64), Named>,
    guesses: Guesses,
}

impl Guard {
    pub(crate) fn new() -> Self {
        Self { sources: Memory::new(), names: Memory::new(), guesses: Guesses::default() }
    }

    pub(crate) fn guesses(&self) -> Guesses {
        self.guesses
    }

    /// True, and counted, if requests of this address that have to prove something get no answer.
    pub(crate) fn shuns(&mut self, now: Duration, source: IpAddr) -> bool {
        let shuns = self.sources.rows.get(&network(source)).is_some_and(|s| s.shunned_until > now);
        self.guesses.dropped += u64::from(shuns);
        shuns
    }

    /// Whether an answer for this name is worth a look; else it is wrong.
    pub(crate) fn may_try(&self, now: Duration, source: IpAddr, name: &str) -> bool {
        let source = network(source);
        let named = self.names.rows.get(&(source, digest(name)));
        if named.is_some_and(|n| n.paused_until > now) {
            return false;
        }
        let is_full = self.sources.rows.get(&source).is_some_and(|s| level(now, s) >= BUCKET);
        !is_full || named.is_some_and(|n| n.known_until > now)
    }

    pub(crate) fn was_right(&mut self, now: Duration, source: IpAddr, name: &str) {
        let source = network(source);
        let known_until = now + KNOWN;
        let row = self.sources.row(source, |s| s.known_until <= now && s.shunned_until <= now);
        (row.known_until, row.last) = (known_until, now);
        let row = self.names.row((source, digest(name)), |n| n.known_until <= now && n.paused_until <= now);
        *row = Named { known_until, last: now, ..Named::default() };
    }

    /// Counts a wrong answer. How long the address is shunned from now on, if it was too many.
    pub(crate) fn was_wrong(&mut self, now: Duration, source: IpAddr, name: &str) -> Option<Duration> {
        self.guesses.wrong += 1;
        if !self.may_try(now, source, name) {
            return None;
        }
        let source = network(source);
        let row = self.names.row((source, digest(name)), |n| n.known_until <= now && n.paused_until <= now);
        if now.saturating_sub(row.last) > FORGET {
            row.wrong = 0;
        }
        (row.wrong, row.last) = (row.wrong.saturating_add(1), now);
        if let Some(over) = row.wrong.checked_sub(WRONG_PER_NAME) {
            row.paused_until = now + doubled(NAME_PAUSE, over, NAME_PAUSE_MAX);
        }
        let row = self.sources.row(source, |s| s.known_until <= now && s.shunned_until <= now);
        if now.saturating_sub(row.last) > FORGET {
            row.shuns = 0;
        }
        (row.empty_at, row.last) = (row.empty_at.max(now) + LEAK, now);
        if level(now, row) < BUCKET || row.known_until > now {
            return None;
        }
        let time = doubled(SHUN, row.shuns, SHUN_MAX);
        (row.shuns, row.shunned_until) = (row.shuns.saturating_add(1), now + time);
        self.guesses.shunned += 1;
        Some(time)
    }
}

/// Wrong answers in the bucket.
fn level(now: Duration, source: &Source) -> u32 {
    let left = source.empty_at.saturating_sub(now);
    u32::try_from(left.as_nanos().div_ceil(LEAK.as_nanos())).unwrap_or(u32::MAX)
}

fn doubled(first: Duration, times: u8, most: Duration) -> Duration {
    first.saturating_mul(1u32.checked_shl(u32::from(times)).unwrap_or(u32::MAX)).min(most)
}

/// Whoever holds one IPv6 address holds the network of it.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Names may be long; two that meet share a pause.
fn digest(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_phone_with_an_old_password_costs_its_office_nothing() {
        let (mut guard, office) = (Guard::new(), ip("203.0.113.1"));
        let mut looked_at = 0;
        for n in 0..2_000 {
            let now = secs(n * 10);
            // Forty good phones register each hour, the bad one every ten seconds.
            if n % 9 == 0 {
                let good = format!("good {}", n / 9 % 40);
                assert!(guard.may_try(now, office, &good), "at {now:?}");
                guard.was_right(now, office, &good);
            }
            looked_at += u32::from(guard.may_try(now, office, "old"));
            assert_eq!(guard.was_wrong(now, office, "old"), None);
            assert!(!guard.shuns(now, office));
            // A new phone may be set up in the meantime.
            assert!(guard.may_try(now, office, &format!("new {n}")), "at {now:?}");
        }
        assert!(looked_at < 40, "{looked_at} guesses in six hours");
        assert_eq!(guard.guesses().wrong, 2_000);
    }

    #[test]
    fn a_scanner_is_shunned_for_longer_each_time_and_others_are_not() {
        let (mut guard, scanner) = (Guard::new(), ip("198.51.100.7"));
        let shunned: Vec<u64> = (0..3 * BUCKET)
            .filter_map(|n| {
                // It comes back when the bucket is empty.
                let now = secs(u64::from(n / BUCKET) * 30_000 + u64::from(n % BUCKET));
                assert!(!guard.shuns(now, scanner), "at {n}");
                guard.was_wrong(now, scanner, &format!("{n}")).map(|time| time.as_secs())
            })
            .collect();
        assert_eq!(shunned, [600, 1200, 2400]);
        let now = secs(60_100);
        assert!(guard.shuns(now, scanner) && guard.shuns(now, ip("::ffff:198.51.100.7")));
        assert!(!guard.shuns(now, ip("198.51.100.8")));
        assert!(!guard.shuns(secs(60_019 + 2400), scanner), "it is over");
        assert_eq!((guard.guesses().shunned, guard.guesses().dropped), (3, 2));
    }

    #[test]
    fn who_sprays_from_among_known_phones_gets_no_look_and_they_do() {
        let (mut guard, office) = (Guard::new(), ip("2001:db8:1:2::5"));
        guard.was_right(secs(0), office, "good");
        let mut looked_at = 0;
        for n in 0..10_000u64 {
            let (now, name) = (secs(n / 10), format!("{n}"));
            looked_at += u64::from(guard.may_try(now, ip("2001:db8:1:2::99"), &name));
            assert_eq!(guard.was_wrong(now, ip("2001:db8:1:2::99"), &name), None);
        }
        let now = secs(1000);
        assert!(looked_at <= u64::from(BUCKET) + 1000 / 30 + 1, "{looked_at}");
        assert!(!guard.shuns(now, office) && guard.may_try(now, office, "good"));
    }

    #[test]
    fn memory_is_bounded_and_keeps_whom_it_shuns() {
        let (mut guard, scanner) = (Guard::new(), ip("198.51.100.7"));
        for n in 0..BUCKET {
            guard.was_wrong(secs(1), scanner, &format!("{n}"));
        }
        assert!(guard.shuns(secs(1), scanner));
        for n in 0..100_000u32 {
            guard.was_wrong(secs(2), IpAddr::from(n.to_be_bytes()), "x");
        }
        assert!(guard.shuns(secs(2), scanner));
        assert_eq!((guard.sources.rows.len(), guard.names.rows.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert_eq!((guard.sources.order.len(), guard.names.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
