//! How a leg sounds, judged by counters alone: losses, jitter and delay become a mean opinion score. Called by the plane
//! every [`WINDOW`] for each leg, never for a packet.
//!
//! The score is the E-model's, cut down to what a receiver of G.711 can see: R = 93.2 − Id − Ie,eff, with the
//! delay's part as two straight lines and the losses' part for G.711 with concealment.
//!
//! Source: ITU-T G.107 §7 (R, and R to MOS in annex B), G.113 appendix I (Ie = 0, Bpl = 25.1 for G.711 with concealment),
//! R. Cole and J. Rosenbluth, "Voice over IP performance monitoring" (the two lines); RFC 3611 §4.7.5 (MOS from R).
use std::time::Duration;

/// Counters are looked at this often; one live value comes of each look.
pub const WINDOW: Duration = Duration::from_secs(5);
/// A shorter rest at the end of a leg says nothing.
const REST_MIN: Duration = Duration::from_secs(1);
/// Width of a slice of the graph, until [`SLICES_MAX`] of them are full: then two become one, and all are twice as wide.
const SLICE: Duration = Duration::from_secs(10);
/// Twenty minutes of the narrowest; three days take twelve doublings.
const SLICES_MAX: usize = 120;

/// What was counted in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Packets the peer sent, by its sequence numbers, and those of them that came.
    pub expected: u64,
    pub received: u64,
    /// RFC 3550 interarrival jitter; 0 if nothing came.
    pub jitter: Duration,
    /// From the peer's latest report of this window: lost of our packets (1/256) and its jitter.
    pub far: Option<(u8, Duration)>,
    pub round_trip: Option<Duration>,
}

/// How it sounded for a while. Losses are in thousandths of the packets sent, times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality {
    /// Mean opinion score times 100, of the worse direction: 100 (unusable) to 441 (as good as G.711 gets).
    pub mos: u16,
    /// On the way from the peer to us; `None` when it had nothing to send.
    pub lost_in: Option<u16>,
    /// On the way from us to the peer, as far as it reports.
    pub lost_out: Option<u16>,
    /// The greater of both directions.
    pub jitter_ms: u16,
    pub round_trip_ms: Option<u16>,
}

/// A leg's whole life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The score of the worst slice, and the mean of all.
    pub mos_min: u16,
    /// Losses are of the whole, the jitter is the greatest, the round trip the mean.
    pub whole: Quality,
    pub slice_ms: u32,
    /// From the leg's first moment on; `None` where nothing was sent either way.
    pub slices: Vec<Option<Quality>>,
}

/// Sums of some windows.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    expected: u64,
    received: u64,
    jitter_us: u64,
    /// Of the peer's reports, in 1/256.
    far_lost: u64,
    far_reports: u64,
    round_trip_us: u64,
    round_trips: u64,
}

impl Sums {
    fn of(counted: &Counted) -> Self {
        let far = counted.far.unwrap_or_default();
        Self {
            expected: counted.expected,
            received: counted.received.min(counted.expected),
            jitter_us: micros(counted.jitter.max(far.1)),
            far_lost: u64::from(far.0),
            far_reports: u64::from(counted.far.is_some()),
            round_trip_us: counted.round_trip.map_or(0, micros),
            round_trips: u64::from(counted.round_trip.is_some()),
        }
    }

    fn add(&mut self, other: &Sums) {
        self.expected += other.expected;
        self.received += other.received;
        self.jitter_us = self.jitter_us.max(other.jitter_us);
        self.far_lost += other.far_lost;
        self.far_reports += other.far_reports;
        self.round_trip_us += other.round_trip_us;
        self.round_trips += other.round_trips;
    }

    fn quality(&self) -> Option<Quality> {
        let lost_in = ((self.expected - self.received) * 1000).checked_div(self.expected);
        let lost_out = (self.far_lost * 1000).checked_div(self.far_reports * 256);
        let worse = lost_in.max(lost_out)?;
        let round_trip = self.round_trip_us.checked_div(self.round_trips).map(Duration::from_micros);
        let jitter = Duration::from_micros(self.jitter_us);
        Some(Quality {
            mos: mos(worse as f64 / 1000.0, jitter, round_trip.unwrap_or_default()),
            lost_in: lost_in.map(|lost| lost as u16),
            lost_out: lost_out.map(|lost| lost as u16),
            jitter_ms: millis(jitter),
            round_trip_ms: round_trip.map(millis),
        })
    }
}

fn micros(time: Duration) -> u64 {
    // Also bounds the sums: a minute is more than any clock on the way should show.
    time.min(Duration::from_secs(60)).as_micros() as u64
}

fn millis(time: Duration) -> u16 {
    u16::try_from(time.as_millis()).unwrap_or(u16::MAX)
}

/// The mean opinion score times 100 of G.711 with this share lost (0 to 1), this jitter and this round trip.
pub fn mos(lost: f64, jitter: Duration, round_trip: Duration) -> u16 {
    /// R without any impairment, with the model's default values (G.107 §7.7).
    const R_BEST: f64 = 93.2;
    /// Robustness of G.711 with concealment against random loss, in per cent (G.113 appendix I).
    const BPL: f64 = 25.1;
    /// One packet is filled, one is played: what a call costs on the best network.
    const PACKETS_MS: f64 = 40.0;
    // A jitter buffer holds about twice the jitter back.
    let delay = round_trip.as_secs_f64() * 500.0 + jitter.as_secs_f64() * 2000.0 + PACKETS_MS;
    let late = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let percent = lost.clamp(0.0, 1.0) * 100.0;
    let r = R_BEST - late - 95.0 * percent / (percent + BPL);
    let mos = if r <= 0.0 { 1.0 } else { 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6 };
    (mos.clamp(1.0, 4.5) * 100.0).round() as u16
}

/// One leg's judge. Bounded: [`SLICES_MAX`] sums, however long the leg lives.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    began: Duration,
    window_began: Duration,
    width: Duration,
    slices: Vec<Sums>,
}

impl Meter {
    pub(crate) fn new(now: Duration) -> Self {
        Self { began: now, window_began: now, width: SLICE, slices: Vec::new() }
    }

    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.window_began) >= WINDOW
    }

    /// Whether the time since the last window is worth a look of its own.
    pub(crate) fn has_rest(&self, now: Duration) -> bool {
        now.saturating_sub(self.window_began) >= REST_MIN
    }

    /// When the running window began.
    pub(crate) fn since(&self) -> Duration {
        self.window_began
    }

    /// Takes what was counted since the last window; a window belongs to the slice in which it began.
    pub(crate) fn take(&mut self, now: Duration, counted: &Counted) -> Option<Quality> {
        let began = std::mem::replace(&mut self.window_began, now);
        let mut at = slice_at(began.saturating_sub(self.began), self.width);
        while at >= SLICES_MAX {
            self.slices = self.slices.chunks(2).map(sum).collect();
            self.width *= 2;
            at = slice_at(began.saturating_sub(self.began), self.width);
        }
        if self.slices.len() <= at {
            self.slices.resize(at + 1, Sums::default());
        }
        let sums = Sums::of(counted);
        self.slices[at].add(&sums);
        sums.quality()
    }

    /// None when nothing was ever sent either way.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let slices: Vec<Option<Quality>> = self.slices.iter().map(Sums::quality).collect();
        let scores = || slices.iter().flatten().map(|quality| quality.mos);
        let (worst, sum_of_scores) = (scores().min()?, scores().map(u64::from).sum::<u64>());
        let mean = sum_of_scores / scores().count() as u64;
        let whole = Quality { mos: mean as u16, ..sum(&self.slices).quality()? };
        Some(Summary { mos_min: worst, whole, slice_ms: self.width.as_millis() as u32, slices })
    }
}

fn slice_at(since: Duration, width: Duration) -> usize {
    (since.as_millis() / width.as_millis()) as usize
}

fn sum(slices: &[Sums]) -> Sums {
    let mut all = Sums::default();
    slices.iter().for_each(|slice| all.add(slice));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn counted(expected: u64, received: u64) -> Counted {
        Counted { expected, received, ..Counted::default() }
    }

    #[test]
    fn the_score_falls_with_loss_and_delay_as_the_model_says() {
        // A flawless short line; the knees: 1 %, 8 %, 20 % lost; 600 ms there and back; nothing at all.
        let best = mos(0.0, ms(0), ms(0));
        assert!((438..=442).contains(&best), "{best}");
        let worse = [(0.01, 0), (0.08, 0), (0.2, 0), (1.0, 0), (0.0, 600)].map(|(lost, rtt)| mos(lost, ms(1), ms(rtt)));
        assert!((427..=434).contains(&worse[0]) && (352..=370).contains(&worse[1]), "{worse:?}");
        assert!((220..=260).contains(&worse[2]) && worse[3] < 140, "{worse:?}");
        assert!((340..=350).contains(&worse[4]), "{worse:?}");
    }

    #[test]
    fn a_window_tells_both_directions_and_the_worse_one_counts() {
        let mut meter = Meter::new(ms(1000));
        let window =
            Counted { expected: 250, received: 230, jitter: ms(4), far: Some((64, ms(30))), round_trip: Some(ms(80)) };
        let quality = meter.take(ms(6000), &window).unwrap();
        assert_eq!((quality.lost_in, quality.lost_out), (Some(80), Some(250)));
        assert_eq!((quality.jitter_ms, quality.round_trip_ms), (30, Some(80)));
        assert_eq!(quality.mos, mos(0.25, ms(30), ms(80)));
        // Nothing sent either way: no judgement, and no slice in the graph.
        assert_eq!(meter.take(ms(11_000), &Counted::default()), None);
        assert_eq!(meter.take(ms(16_000), &Counted::default()), None);
        let summary = meter.summary().unwrap();
        assert_eq!(summary.slices, [Some(quality), None]);
        assert_eq!((summary.mos_min, summary.whole, summary.slice_ms), (quality.mos, quality, 10_000));
        assert_eq!(Meter::new(ms(0)).summary(), None);
    }

    #[test]
    fn a_long_call_keeps_its_graph_bounded_and_its_losses_whole() {
        let mut meter = Meter::new(ms(0));
        for window in 0..1440u64 {
            // Two hours; the sixth minute loses a tenth.
            let received = if (60..72).contains(&window) { 225 } else { 250 };
            meter.take(WINDOW * (window as u32 + 1), &counted(250, received));
        }
        let summary = meter.summary().unwrap();
        assert_eq!((summary.slices.len(), summary.slice_ms), (90, 80_000));
        assert_eq!(summary.whole.lost_in, Some(0), "0.08 % of all");
        let worst = summary.slices.iter().flatten().map(|slice| slice.lost_in.unwrap()).max();
        assert!((50..=100).contains(&worst.unwrap()), "{worst:?}");
        assert!(summary.mos_min < summary.whole.mos);
    }

    #[test]
    fn duplicates_and_liars_do_not_break_the_sums() {
        let mut meter = Meter::new(ms(0));
        let far = Some((255, Duration::MAX));
        let window = Counted { expected: 3, received: 9, jitter: Duration::MAX, far, round_trip: Some(Duration::MAX) };
        let quality = meter.take(WINDOW, &window).unwrap();
        assert_eq!((quality.lost_in, quality.lost_out, quality.mos), (Some(0), Some(996), 100));
    }
}
