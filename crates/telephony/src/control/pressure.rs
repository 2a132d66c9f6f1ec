//! When this node takes no new calls. Held by the control thread, which refuses with 503 and Retry-After meanwhile.
//!
//! The measure is what a caller notices: how long the oldest call the floor has not yet decided about (answer, ring,
//! reject) has been waiting for that. It covers everything between the INVITE and the durable decision, whatever is
//! short there: this thread, the floor, the journal or the processor. Every further step of a call waits as long, and
//! holds an agent meanwhile, so a delay that stays costs more calls than it lets in.
//!
//! - A moment's stall (a disk that syncs) is let pass: the delay must have been above [`CALM`] without a break for
//!   [`STANDING`] (a standing queue, as in RFC 8289).
//! - From then on new calls have a rate: less than what was decided lately, less at each look while the delay grows,
//!   a little more while it is small (a rate as in RFC 7415, found by its effect). It ends when nobody has met it for a
//!   while.
//! - A call that is a second late, or a crowd that is late at all, closes the door altogether until it is decided; so does
//!   sound that comes late: those who wait hear music, and can be more than there is time for.
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use domain::id::LegId;

/// A decision normally takes a few milliseconds. Above this the delays of a call's steps add up to what people notice.
const CALM: Duration = Duration::from_millis(100);
/// A stall of a few hundred milliseconds, and the time a busy node needs to make up for it, are let pass.
const STANDING: Duration = Duration::from_millis(1500);
/// A caller bears with a second before the first ring; many seconds of it would be a queue in front of the queue.
const DECISION_LATE: Duration = Duration::from_secs(1);
/// With a crowd of undecided calls this is late already: more come than can be served, and their callers soon repeat
/// themselves (T1, RFC 3261 §17.1.1.1).
const CROWD_LATE: Duration = Duration::from_millis(150);
const CROWD: usize = 250;
/// Sound that is later than a tick is heard; beyond this those who talk would pay for those who come.
const SOUND_CALM: Duration = Duration::from_millis(20);
const SOUND_LATE: Duration = Duration::from_millis(60);
/// Between two looks at the rate.
const LOOK: Duration = Duration::from_millis(200);
const LESS: f64 = 0.85;
const MORE: f64 = 1.1;
/// Nobody was turned away by the rate for so long: it ends.
const UNMET: Duration = Duration::from_secs(2);
/// However bad it is: some are let in, so that there is something to learn from.
const RATE_MIN: f64 = 10.0;
/// New calls that may come together under a rate: in seconds of it.
const BURST: f64 = 0.05;

#[derive(Debug, Default)]
pub(crate) struct Pressure {
    /// In order of arrival; may name calls decided since.
    arrivals: VecDeque<(Duration, LegId)>,
    undecided: HashSet<LegId>,
    /// When the delay was small last.
    calm: Duration,
    /// Decided a second, lately; and those not yet counted in it.
    decided_rate: f64,
    decided: u32,
    looked: Duration,
    /// The delays then.
    delay: Duration,
    late: Duration,
    /// There was a crowd since then; and at so many looks without a break.
    crowded: bool,
    crowds: u32,
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    /// New calls a second.
    rate: f64,
    tokens: f64,
    filled: Duration,
    /// When somebody was turned away by it last.
    met: Duration,
}

impl Pressure {
    /// The floor is told of a call.
    pub(crate) fn offered(&mut self, now: Duration, leg: LegId) {
        self.arrivals.push_back((now, leg));
        self.undecided.insert(leg);
        if let Some(limit) = &mut self.limit {
            limit.tokens -= 1.0;
        }
    }

    /// The floor has spoken about it, or it is over.
    pub(crate) fn decided(&mut self, leg: LegId) {
        if !self.undecided.remove(&leg) {
            return;
        }
        self.decided += 1;
        while self.arrivals.front().is_some_and(|(_, leg)| !self.undecided.contains(leg)) {
            self.arrivals.pop_front();
        }
    }

    /// Whether a call that comes now is to be refused. `late`: by how much the sound threads are behind.
    pub(crate) fn is_high(&mut self, now: Duration, late: Duration) -> bool {
        let delay = self.arrivals.front().map_or(Duration::ZERO, |(at, _)| now.saturating_sub(*at));
        // Nobody has asked for a while: nothing is known to have stood meanwhile.
        let is_news = now >= self.looked + STANDING;
        if is_news || (delay <= CALM && late <= SOUND_CALM) {
            self.calm = now;
        }
        if now >= self.looked + LOOK {
            self.look(now, delay, late);
        }
        let crowd = self.undecided.len() >= CROWD && delay > CROWD_LATE;
        self.crowded |= crowd;
        if crowd || delay > DECISION_LATE || late > SOUND_LATE {
            return true;
        }
        let Some(limit) = &mut self.limit else { return false };
        let more = limit.rate * now.saturating_sub(limit.filled).as_secs_f64();
        (limit.tokens, limit.filled) = ((limit.tokens + more).min((limit.rate * BURST).max(1.0)), now);
        if limit.tokens < 1.0 {
            limit.met = now;
            return true;
        }
        false
    }

    fn look(&mut self, now: Duration, delay: Duration, late: Duration) {
        let seconds = now.saturating_sub(self.looked).as_secs_f64();
        self.decided_rate += 0.5 * (f64::from(self.decided) / seconds - self.decided_rate);
        (self.decided, self.looked) = (0, now);
        self.crowds = if std::mem::take(&mut self.crowded) { self.crowds + 1 } else { 0 };
        let stands = now.saturating_sub(self.calm) > STANDING || self.crowds >= 2;
        match &mut self.limit {
            None if stands => {
                let rate = (self.decided_rate * LESS).max(RATE_MIN);
                self.limit = Some(Limit { rate, tokens: 0.0, filled: now, met: now });
            }
            None => {}
            Some(limit) if now.saturating_sub(limit.met) > UNMET => self.limit = None,
            Some(limit) => {
                let factor = match delay {
                    _ if delay <= CALM && late <= SOUND_CALM => MORE,
                    _ if delay > self.delay || late > self.late => LESS,
                    _ => 1.0,
                };
                limit.rate = (limit.rate * factor).max(RATE_MIN);
            }
        }
        (self.delay, self.late) = (delay, late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_door_is_closed_while_the_oldest_undecided_call_is_late() {
        let mut p = Pressure::default();
        p.offered(ms(0), LegId(1));
        p.offered(ms(200), LegId(2));
        assert!(!p.is_high(ms(600), Duration::ZERO));
        assert!(p.is_high(ms(1001), Duration::ZERO));
        p.decided(LegId(1));
        assert!(p.is_high(ms(1201), Duration::ZERO));
        p.decided(LegId(2));
        assert!(!p.is_high(ms(10_000), Duration::ZERO));
    }

    #[test]
    fn a_crowd_of_undecided_calls_closes_it_sooner() {
        let mut p = Pressure::default();
        for n in 0..250 {
            p.offered(ms(0), LegId(n));
        }
        assert!(!p.is_high(ms(150), Duration::ZERO));
        assert!(p.is_high(ms(151), Duration::ZERO));
        p.decided(LegId(249));
        assert!(!p.is_high(ms(151), Duration::ZERO));
        assert!(p.is_high(ms(1001), Duration::ZERO));
    }

    /// A node that decides so many calls a second, in their order, while so many are offered, from and to these
    /// milliseconds; a stall of the given length begins at two seconds. Returns (taken, refused, worst delay in ms).
    fn node(p: &mut Pressure, from: u64, to: u64, offered: u64, served: u64, stall: u64) -> (u64, u64, u64) {
        let (mut queue, mut taken, mut refused, mut worst) = (VecDeque::new(), 0, 0, 0);
        let (mut due, mut power) = (0, 0);
        for at in from..to {
            due += offered;
            while due >= 1000 {
                due -= 1000;
                if p.is_high(ms(at), Duration::ZERO) {
                    refused += 1;
                } else {
                    let leg = LegId(u128::from(from * 1_000_000 + taken));
                    p.offered(ms(at), leg);
                    queue.push_back((at, leg));
                    taken += 1;
                }
            }
            if !(2000..2000 + stall).contains(&at) {
                power = (power + served).min(served + 1000);
            }
            while power >= 1000
                && let Some((since, leg)) = queue.pop_front()
            {
                power -= 1000;
                worst = worst.max(at - since);
                p.decided(leg);
            }
        }
        while let Some((_, leg)) = queue.pop_front() {
            p.decided(leg);
        }
        (taken, refused, worst)
    }

    #[test]
    fn a_moments_stall_refuses_nobody() {
        let (taken, refused, _) = node(&mut Pressure::default(), 0, 10_000, 400, 800, 300);
        assert_eq!((taken, refused), (4000, 0));
    }

    #[test]
    fn late_sound_closes_the_door_and_a_late_tick_after_a_quiet_hour_does_not_slow_it() {
        let mut p = Pressure::default();
        assert!(!p.is_high(ms(3_600_000), ms(60)));
        assert!(p.is_high(ms(3_600_001), ms(61)));
        for n in 0..100 {
            assert!(!p.is_high(ms(3_600_300), ms(0)));
            p.offered(ms(3_600_300), LegId(n));
        }
    }

    #[test]
    fn ten_times_too_many_are_served_nearly_as_well_as_just_enough() {
        let mut p = Pressure::default();
        node(&mut p, 0, 5_000, 5_000, 500, 0);
        // Settled: what can be served is, and those who are let in do not wait.
        let (taken, refused, worst) = node(&mut p, 5_000, 25_000, 5_000, 500, 0);
        assert!(taken > 20 * 500 * 85 / 100 && refused > 80_000 && worst < 400, "{taken} {refused} {worst}");
        // Over: within a second nobody is refused any more.
        node(&mut p, 25_000, 26_000, 400, 500, 0);
        let (taken, refused, _) = node(&mut p, 26_000, 36_000, 400, 500, 0);
        assert_eq!((taken, refused), (4000, 0));
    }

    #[test]
    fn decisions_out_of_order_and_of_unknown_legs_leave_nothing_behind() {
        let mut p = Pressure::default();
        for n in 0..100 {
            p.offered(ms(n), LegId(u128::from(n)));
        }
        for n in (0..100).rev() {
            p.decided(LegId(n));
            p.decided(LegId(n));
            p.decided(LegId(n + 1_000));
        }
        assert!(p.arrivals.is_empty() && p.undecided.is_empty());
    }
}
