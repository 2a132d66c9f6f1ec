//! Reports: one fold over the journal's segments. The floor keeps the current day with it, the projector stores its
//! [`Delta`]s, and both show the same numbers because it is the same code.
//!
//! Two bases, always kept apart: by *event* (each fact counts in the quarter of an hour in which it happened, times are
//! split at the quarter) and by *arrival* (everything counts in the quarter in which the work entered the queue).
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::{Occupancy, Presence};
use crate::event::{Event, EventBody, OfferEnd, SegmentEnd, SegmentOf, SegmentState};
use crate::id::{AgentId, QueueId, SegmentId};
use crate::localized::Lang;
use crate::time::Timestamp;

/// Length of a report interval: a quarter of an hour, aligned to UTC (every time zone in use is too).
pub const INTERVAL_MS: i64 = 15 * 60 * 1000;

/// Rows older than this leave the floor's own table: a local day and its zone shifts fit in.
const KEEP_MS: i64 = 26 * 60 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    Event,
    Arrival,
}

/// One row of the report table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowKey {
    pub basis: Basis,
    pub queue: QueueId,
    /// Start of the interval, a multiple of [`INTERVAL_MS`].
    pub start: Timestamp,
}

/// Sums of one queue and interval (or of many: they add up). Ratios are computed from these by one formula each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// Entered the queue.
    pub offered: u64,
    pub answered: u64,
    /// Answered within the service-level time.
    pub answered_in_time: u64,
    /// Left before an answer, short ones included.
    pub abandoned: u64,
    pub short_abandons: u64,
    /// Sent elsewhere by overflow.
    pub overflowed: u64,
    /// Ended by a restart, a lost leg or a supervisor while waiting.
    pub lost: u64,
    /// Offers made to agents, and those missed or declined.
    pub offers: u64,
    pub offers_missed: u64,
    pub offers_declined: u64,
    /// Waits of the answered ones, and of the abandoned ones.
    pub wait_ms: u64,
    pub abandon_wait_ms: u64,
    /// Longest of either; the maximum, not the sum, when rows are added.
    pub wait_ms_max: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub wrap_ms: u64,
    /// Agent segments that reached a conversation and ended.
    pub handled: u64,
    /// Available and idle time of the queue's members (an agent's time counts for each of his queues). By event only.
    pub idle_ms: u64,
}

/// What one event adds to one row.
pub type Delta = Measures;

impl Measures {
    /// Adds a row or a delta.
    pub fn add(&mut self, d: &Measures) {
        self.offered += d.offered;
        self.answered += d.answered;
        self.answered_in_time += d.answered_in_time;
        self.abandoned += d.abandoned;
        self.short_abandons += d.short_abandons;
        self.overflowed += d.overflowed;
        self.lost += d.lost;
        self.offers += d.offers;
        self.offers_missed += d.offers_missed;
        self.offers_declined += d.offers_declined;
        self.wait_ms += d.wait_ms;
        self.abandon_wait_ms += d.abandon_wait_ms;
        self.wait_ms_max = self.wait_ms_max.max(d.wait_ms_max);
        self.talk_ms += d.talk_ms;
        self.hold_ms += d.hold_ms;
        self.wrap_ms += d.wrap_ms;
        self.handled += d.handled;
        self.idle_ms += d.idle_ms;
    }

    /// Share 0–1. None if nothing counts.
    pub fn service_level(&self) -> Option<f64> {
        ratio(self.answered_in_time, self.offered.checked_sub(self.short_abandons)?)
    }

    /// Share 0–1.
    pub fn abandon_rate(&self) -> Option<f64> {
        ratio(self.abandoned.checked_sub(self.short_abandons)?, self.offered.checked_sub(self.short_abandons)?)
    }

    /// Average speed of answer, in milliseconds.
    pub fn asa_ms(&self) -> Option<u64> {
        self.wait_ms.checked_div(self.answered)
    }

    /// Average handling time, in milliseconds.
    pub fn aht_ms(&self) -> Option<u64> {
        (self.talk_ms + self.hold_ms + self.wrap_ms).checked_div(self.handled)
    }

    /// Share 0–1 of the agents' working time spent on work.
    pub fn occupancy(&self) -> Option<f64> {
        let busy = self.talk_ms + self.hold_ms + self.wrap_ms;
        ratio(busy, busy + self.idle_ms)
    }
}

/// Counts are far below 2^53, so the division is exact enough for a percentage.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A formula as the console prints it beside the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Formula {
    pub key: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    /// In the field names of [`Measures`].
    pub expression: &'static str,
}

impl Formula {
    pub fn name(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::Zh => self.zh,
            Lang::En => self.en,
        }
    }
}

pub const FORMULAS: &[Formula] = &[
    Formula {
        key: "service_level",
        zh: "服务水平",
        en: "Service level",
        expression: "answered_in_time / (offered - short_abandons)",
    },
    Formula {
        key: "abandon_rate",
        zh: "放弃率",
        en: "Abandon rate",
        expression: "(abandoned - short_abandons) / (offered - short_abandons)",
    },
    Formula { key: "asa", zh: "平均应答速度", en: "Average speed of answer", expression: "wait_ms / answered" },
    Formula {
        key: "aht",
        zh: "平均处理时长",
        en: "Average handling time",
        expression: "(talk_ms + hold_ms + wrap_ms) / handled",
    },
    Formula {
        key: "occupancy",
        zh: "利用率",
        en: "Occupancy",
        expression: "(talk_ms + hold_ms + wrap_ms) / (talk_ms + hold_ms + wrap_ms + idle_ms)",
    },
];

/// The fold: remembers what is open, turns each event into deltas.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fold {
    open: BTreeMap<SegmentId, Open>,
    agents: BTreeMap<AgentId, AgentSpan>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Open {
    Queue { queue: QueueId, since: Timestamp, service_level_ms: u64, short_abandon_ms: u64 },
    Agent { queue: QueueId, arrived: Timestamp, state: SegmentState, since: Timestamp, talked: bool },
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct AgentSpan {
    queues: Vec<QueueId>,
    available: bool,
    busy: bool,
    since: Timestamp,
}

impl AgentSpan {
    fn is_idle(&self) -> bool {
        self.available && !self.busy && !self.queues.is_empty()
    }
}

fn interval(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(INTERVAL_MS))
}

/// The pieces of a span, one for each interval it touches.
fn split(from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let start = interval(at);
        let end = to.min(Timestamp(start.0 + INTERVAL_MS));
        let piece = (start, u64::try_from(end - at).unwrap_or(0));
        at = end;
        Some(piece)
    })
}

fn ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to - from).unwrap_or(0)
}

/// While an agent consults, the customer is on hold; whoever is only asked spends no time of the queue.
fn counted(state: SegmentState, talked: bool) -> SegmentState {
    match state {
        SegmentState::Consulting if talked => SegmentState::Held,
        other => other,
    }
}

fn spent(state: SegmentState, ms: u64) -> Option<Measures> {
    let m = Measures::default();
    match state {
        SegmentState::Talking => Some(Measures { talk_ms: ms, ..m }),
        SegmentState::Held => Some(Measures { hold_ms: ms, ..m }),
        SegmentState::WrapUp => Some(Measures { wrap_ms: ms, ..m }),
        SegmentState::Running
        | SegmentState::Voicemail
        | SegmentState::Echo
        | SegmentState::Waiting
        | SegmentState::Offered
        | SegmentState::Connecting
        | SegmentState::Consulting
        | SegmentState::Watching
        | SegmentState::Parked => None,
    }
}

impl Fold {
    /// `sink` gets the row and what to add to it, several times for an event that spans intervals.
    pub fn apply(&mut self, event: &Event, sink: &mut dyn FnMut(RowKey, Delta)) {
        let at = event.at;
        match &event.body {
            EventBody::SegmentStarted { segment, of, state, .. } => match of {
                SegmentOf::Queue { queue, service_level, short_abandon, .. } => {
                    both(*queue, at, at, Measures { offered: 1, ..Measures::default() }, sink);
                    let open = Open::Queue {
                        queue: *queue,
                        since: at,
                        service_level_ms: millis(*service_level),
                        short_abandon_ms: millis(*short_abandon),
                    };
                    self.open.insert(*segment, open);
                }
                SegmentOf::Agent { queue: Some(queue), arrived, .. } => {
                    let open =
                        Open::Agent { queue: *queue, arrived: *arrived, state: *state, since: at, talked: false };
                    self.open.insert(*segment, open);
                }
                SegmentOf::Agent { queue: None, .. }
                | SegmentOf::Flow { .. }
                | SegmentOf::Device { .. }
                | SegmentOf::Outside { .. }
                | SegmentOf::Parked { .. }
                | SegmentOf::Supervisor { .. } => {}
            },
            EventBody::SegmentStateChanged { segment, state: next, .. } => {
                if let Some(Open::Agent { queue, arrived, state, since, talked }) = self.open.get_mut(segment) {
                    agent_span(*queue, *arrived, counted(*state, *talked), *since, at, sink);
                    *talked |= *next == SegmentState::Talking;
                    *state = *next;
                    *since = at;
                }
            }
            EventBody::SegmentEnded { segment, why, .. } => match self.open.remove(segment) {
                Some(Open::Queue { queue, since, service_level_ms, short_abandon_ms }) => {
                    let d = left_queue(*why, ms(since, at), service_level_ms, short_abandon_ms);
                    both(queue, at, since, d, sink);
                }
                Some(Open::Agent { queue, arrived, state, since, talked }) => {
                    agent_span(queue, arrived, counted(state, talked), since, at, sink);
                    if talked {
                        both(queue, at, arrived, Measures { handled: 1, ..Measures::default() }, sink);
                    }
                }
                None => {}
            },
            EventBody::OfferMade { segment, .. } => {
                if let Some(Open::Agent { queue, arrived, .. }) = self.open.get(segment) {
                    both(*queue, at, *arrived, Measures { offers: 1, ..Measures::default() }, sink);
                }
            }
            EventBody::OfferEnded { segment, why, .. } => {
                let d = match why {
                    OfferEnd::Missed | OfferEnd::Unreachable => Measures { offers_missed: 1, ..Measures::default() },
                    OfferEnd::Declined => Measures { offers_declined: 1, ..Measures::default() },
                    OfferEnd::Withdrawn => return,
                };
                if let Some(Open::Agent { queue, arrived, .. }) = self.open.get(segment) {
                    both(*queue, at, *arrived, d, sink);
                }
            }
            EventBody::AgentSignedIn { agent, queues, .. } | EventBody::AgentQueuesChanged { agent, queues } => {
                let a = self.turn(*agent, at, sink);
                a.queues.clone_from(queues);
            }
            EventBody::AgentSignedOut { agent, .. } => {
                self.turn(*agent, at, sink);
                self.agents.remove(agent);
            }
            EventBody::PresenceChanged { agent, presence, .. } => {
                self.turn(*agent, at, sink).available = *presence == Presence::Available;
            }
            EventBody::OccupancyChanged { agent, occupancy } => {
                self.turn(*agent, at, sink).busy = *occupancy != Occupancy::Idle;
            }
            _ => {}
        }
    }

    /// What the open spans would add if they ended now; for a live board.
    pub fn open_spans(&self, now: Timestamp, sink: &mut dyn FnMut(RowKey, Delta)) {
        for open in self.open.values() {
            if let Open::Agent { queue, arrived, state, since, talked } = open {
                agent_span(*queue, *arrived, counted(*state, *talked), *since, now, sink);
            }
        }
        for a in self.agents.values() {
            idle_span(a, now, sink);
        }
    }

    /// Closes an agent's span at `at` and begins the next.
    fn turn(&mut self, agent: AgentId, at: Timestamp, sink: &mut dyn FnMut(RowKey, Delta)) -> &mut AgentSpan {
        let a = self.agents.entry(agent).or_default();
        idle_span(a, at, sink);
        a.since = at;
        a
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

fn left_queue(why: SegmentEnd, wait: u64, service_level_ms: u64, short_abandon_ms: u64) -> Measures {
    let d = Measures::default();
    match why {
        SegmentEnd::Answered => Measures {
            answered: 1,
            answered_in_time: u64::from(wait <= service_level_ms),
            wait_ms: wait,
            wait_ms_max: wait,
            ..d
        },
        SegmentEnd::CallerHungUp => Measures {
            abandoned: 1,
            short_abandons: u64::from(wait < short_abandon_ms),
            abandon_wait_ms: wait,
            wait_ms_max: wait,
            ..d
        },
        SegmentEnd::Overflow => Measures { overflowed: 1, ..d },
        SegmentEnd::AgentHungUp
        | SegmentEnd::Missed
        | SegmentEnd::Declined
        | SegmentEnd::Unreachable
        | SegmentEnd::Withdrawn
        | SegmentEnd::MovedOn
        | SegmentEnd::Finished
        | SegmentEnd::Transferred
        | SegmentEnd::Parked
        | SegmentEnd::Returned
        | SegmentEnd::ConsultOver
        | SegmentEnd::WatchOver
        | SegmentEnd::Lost
        | SegmentEnd::Supervisor
        | SegmentEnd::Error
        | SegmentEnd::Restart
        | SegmentEnd::Shutdown => Measures { lost: 1, ..d },
    }
}

fn both(queue: QueueId, at: Timestamp, arrived: Timestamp, d: Measures, sink: &mut dyn FnMut(RowKey, Delta)) {
    sink(RowKey { basis: Basis::Event, queue, start: interval(at) }, d);
    sink(RowKey { basis: Basis::Arrival, queue, start: interval(arrived) }, d);
}

fn agent_span(
    queue: QueueId,
    arrived: Timestamp,
    state: SegmentState,
    from: Timestamp,
    to: Timestamp,
    sink: &mut dyn FnMut(RowKey, Delta),
) {
    for (start, piece) in split(from, to) {
        if let Some(d) = spent(state, piece) {
            sink(RowKey { basis: Basis::Event, queue, start }, d);
        }
    }
    if let Some(d) = spent(state, ms(from, to)) {
        sink(RowKey { basis: Basis::Arrival, queue, start: interval(arrived) }, d);
    }
}

fn idle_span(a: &AgentSpan, to: Timestamp, sink: &mut dyn FnMut(RowKey, Delta)) {
    if !a.is_idle() {
        return;
    }
    for (start, piece) in split(a.since, to) {
        for queue in &a.queues {
            let d = Measures { idle_ms: piece, ..Measures::default() };
            sink(RowKey { basis: Basis::Event, queue: *queue, start }, d);
        }
    }
}

/// A fold with the rows of the last day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    fold: Fold,
    #[serde(with = "pairs")]
    rows: BTreeMap<RowKey, Measures>,
}

impl Report {
    pub fn apply(&mut self, event: &Event) {
        let rows = &mut self.rows;
        self.fold.apply(event, &mut |key, d| rows.entry(key).or_default().add(&d));
        let oldest = Timestamp(event.at.0 - KEEP_MS);
        if self.rows.first_key_value().is_some_and(|(key, _)| key.start < oldest) {
            self.rows.retain(|key, _| key.start >= oldest);
        }
    }

    pub fn rows(&self) -> &BTreeMap<RowKey, Measures> {
        &self.rows
    }

    /// Event-basis sums per queue since `from`, spans still open included up to `now`.
    pub fn since(&self, from: Timestamp, now: Timestamp) -> BTreeMap<QueueId, Measures> {
        let mut sums: BTreeMap<QueueId, Measures> = BTreeMap::new();
        let mut add = |key: RowKey, d: Measures| {
            if key.basis == Basis::Event && key.start >= interval(from) {
                sums.entry(key.queue).or_default().add(&d);
            }
        };
        for (key, measures) in &self.rows {
            add(*key, *measures);
        }
        self.fold.open_spans(now, &mut add);
        sums
    }
}

/// JSON has no structured keys: the rows travel as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Measures, RowKey};

    pub(super) fn serialize<S: Serializer>(rows: &BTreeMap<RowKey, Measures>, s: S) -> Result<S::Ok, S::Error> {
        rows.iter().collect::<Vec<_>>().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<RowKey, Measures>, D::Error> {
        Ok(Vec::<(RowKey, Measures)>::deserialize(d)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EVENT_VERSION, SegmentStart};
    use crate::id::InteractionId;

    const QUEUE: QueueId = QueueId(1);

    fn event(seq: u64, at: i64, body: EventBody) -> Event {
        Event { seq, at: Timestamp(at), v: EVENT_VERSION, body }
    }

    fn history() -> Vec<Event> {
        let (interaction, wait, work) = (InteractionId(1), SegmentId(1), SegmentId(2));
        let agent = AgentId(1);
        let of_queue = SegmentOf::Queue {
            queue: QUEUE,
            priority: 0,
            virtual_since: Timestamp(0),
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_secs(5),
        };
        let of_agent = SegmentOf::Agent { agent, queue: Some(QUEUE), arrived: Timestamp(INTERVAL_MS - 30_000) };
        let start = |segment, of, why, state| EventBody::SegmentStarted {
            interaction,
            segment,
            of,
            why,
            state,
            until: None,
            by: None,
        };
        let state =
            |state| EventBody::SegmentStateChanged { interaction, segment: work, state, until: None, ended: None };
        let ended = |segment, why| EventBody::SegmentEnded { interaction, segment, why };
        let t = INTERVAL_MS;
        vec![
            event(1, t - 30_000, start(wait, of_queue, SegmentStart::Entry, SegmentState::Waiting)),
            event(2, t - 20_000, start(work, of_agent, SegmentStart::Offer, SegmentState::Offered)),
            event(3, t - 15_000, ended(wait, SegmentEnd::Answered)),
            event(4, t - 15_000, state(SegmentState::Talking)),
            event(5, t + 45_000, state(SegmentState::WrapUp)),
            event(6, t + 50_000, ended(work, SegmentEnd::CallerHungUp)),
        ]
    }

    #[test]
    fn times_are_split_by_event_and_kept_whole_by_arrival() {
        let mut report = Report::default();
        history().iter().for_each(|e| report.apply(e));
        let row = |basis, start| {
            report.rows().get(&RowKey { basis, queue: QUEUE, start: Timestamp(start) }).copied().unwrap_or_default()
        };
        let (before, after) = (row(Basis::Event, 0), row(Basis::Event, INTERVAL_MS));
        assert_eq!((before.offered, before.answered, before.answered_in_time), (1, 1, 1));
        assert_eq!((before.talk_ms, after.talk_ms, after.wrap_ms), (15_000, 45_000, 5_000));
        assert_eq!((before.handled, after.handled), (0, 1));
        let arrival = row(Basis::Arrival, 0);
        assert_eq!((arrival.talk_ms, arrival.wrap_ms, arrival.wait_ms, arrival.handled), (60_000, 5_000, 15_000, 1));
        assert_eq!(row(Basis::Arrival, INTERVAL_MS), Measures::default());
        assert_eq!(
            (arrival.asa_ms(), arrival.aht_ms(), arrival.service_level()),
            (Some(15_000), Some(65_000), Some(1.0))
        );
    }

    #[test]
    fn idle_time_counts_for_each_queue_of_an_available_agent() {
        let mut report = Report::default();
        let agent = AgentId(1);
        let presence = |presence| EventBody::PresenceChanged {
            agent,
            presence,
            why: crate::event::PresenceCause::Agent,
            by: None,
        };
        let occupancy = |occupancy| EventBody::OccupancyChanged { agent, occupancy };
        let signed_in = EventBody::AgentSignedIn {
            agent,
            device: crate::id::DeviceId(1),
            seat: Default::default(),
            queues: vec![QUEUE, QueueId(2)],
        };
        let events = [
            event(1, 0, signed_in),
            event(2, 1_000, presence(Presence::Available)),
            event(3, 4_000, occupancy(Occupancy::Busy)),
            event(4, 9_000, occupancy(Occupancy::Idle)),
        ];
        events.iter().for_each(|e| report.apply(e));
        let sums = report.since(Timestamp(0), Timestamp(11_000));
        assert_eq!(sums[&QUEUE].idle_ms, 5_000, "3 s before the work and 2 s since");
        assert_eq!(sums[&QueueId(2)].idle_ms, 5_000);
    }

    #[test]
    fn short_abandons_count_neither_for_nor_against_the_service_level() {
        let d = left_queue(SegmentEnd::CallerHungUp, 4_999, 20_000, 5_000);
        assert_eq!((d.abandoned, d.short_abandons), (1, 1));
        let d = left_queue(SegmentEnd::CallerHungUp, 5_000, 20_000, 5_000);
        assert_eq!((d.abandoned, d.short_abandons), (1, 0));
        let m = Measures { offered: 10, short_abandons: 2, answered_in_time: 6, abandoned: 3, ..Measures::default() };
        assert_eq!((m.service_level(), m.abandon_rate()), (Some(0.75), Some(0.125)));
        assert_eq!(Measures::default().service_level(), None);
    }

    #[test]
    fn formulas_name_fields_that_exist() {
        let fields = serde_json::to_value(Measures::default()).unwrap();
        for formula in FORMULAS {
            for word in formula.expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                assert!(word.is_empty() || fields.get(word).is_some(), "{word} in {}", formula.key);
            }
        }
    }
}
