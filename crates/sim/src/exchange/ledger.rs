//! The accounts of somebody who reads the journal and knows the outside: each interaction ends once (R5), the line is
//! kept through missed offers and returns (R4, R9), spans tile their segments (R7), every talked second of a recorded
//! conversation is in its recording or listed as a gap (R10).
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::config::TenantConfig;
use domain::coverage::Coverage;
use domain::event::{Event, EventBody, SegmentOf, SegmentState};
use domain::id::{AgentId, InteractionId, QueueId, RecordingId, SegmentId};
use domain::leg::GapCause;
use domain::medium::Medium;
use domain::recording::RecordMode;
use domain::time::Timestamp;

use crate::exchange::outside::Outside;

#[derive(Debug)]
struct Segment {
    interaction: InteractionId,
    agent: Option<AgentId>,
    queue: Option<QueueId>,
    /// In line, and not being offered.
    waits: bool,
    /// Place in line (R4).
    place: Timestamp,
    state: SegmentState,
    talked: bool,
    recording: Option<RecordingId>,
    /// The last decision about recording.
    decided: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Tape {
    interaction: InteractionId,
    segment: SegmentId,
    from: Timestamp,
    /// The conversation was over then.
    to: Option<Timestamp>,
    length_ms: Option<u64>,
    /// The floor said that the file exists.
    started: bool,
    /// Its segment recovered from a crash.
    cut: bool,
}

pub(crate) struct Ledger {
    config: Arc<TenantConfig>,
    live: BTreeMap<InteractionId, Medium>,
    over: BTreeSet<InteractionId>,
    segments: BTreeMap<SegmentId, Segment>,
    /// Agents not to be asked before then, whatever line the work is in by then.
    refused: BTreeMap<(InteractionId, AgentId), Timestamp>,
    tapes: BTreeMap<RecordingId, Tape>,
    /// What became of the talk, of interactions by their recordings (R10).
    coverage: BTreeMap<InteractionId, Coverage>,
    seq: u64,
    at: Timestamp,
    pub(crate) kinds: BTreeSet<String>,
    /// How far a recording may differ from the conversation: the ways of commands and of sound, slow commits.
    tolerance_ms: u64,
}

impl Ledger {
    pub(crate) fn new(config: Arc<TenantConfig>, tolerance: Duration) -> Ledger {
        Ledger {
            config,
            live: BTreeMap::new(),
            over: BTreeSet::new(),
            segments: BTreeMap::new(),
            refused: BTreeMap::new(),
            tapes: BTreeMap::new(),
            coverage: BTreeMap::new(),
            seq: 0,
            kinds: BTreeSet::new(),
            at: Timestamp(0),
            tolerance_ms: tolerance.as_millis() as u64,
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.live.len()
    }

    /// What lives, with where it is.
    pub(crate) fn living(&self) -> Vec<String> {
        let of = |i: &InteractionId| {
            let segments = self.segments.iter().filter(|(_, s)| s.interaction == *i);
            segments.map(|(_, s)| format!("{:?} {:?} {:?}", s.queue, s.agent, s.state)).collect::<Vec<_>>().join(", ")
        };
        self.live.iter().map(|(i, medium)| format!("{i} {medium:?}: {}", of(i))).collect()
    }

    pub(crate) fn event(&mut self, out: &mut Outside, event: &Event) {
        if event.seq != self.seq + 1 || event.at < self.at {
            out.violation(
                "journal",
                format!("event {} at {} follows {} at {}", event.seq, event.at, self.seq, self.at),
            );
        }
        (self.seq, self.at) = (event.seq, event.at);
        let kind = match &event.body {
            EventBody::SegmentEnded { why, .. } => format!("segment {why:?}"),
            body => body.kind().to_owned(),
        };
        self.kinds.insert(kind);
        if let Some(interaction) = self.interaction_of(&event.body) {
            self.coverage.entry(interaction).or_default().apply(event.at, &event.body);
        }
        match &event.body {
            EventBody::InteractionStarted { interaction, medium, .. } => {
                out.counts.interactions += 1;
                if self.live.insert(*interaction, *medium).is_some() || self.over.contains(interaction) {
                    out.violation("R5", format!("{interaction} begins twice"));
                }
            }
            EventBody::InteractionEnded { interaction, .. } => {
                out.counts.ended += 1;
                if self.live.remove(interaction).is_none() || !self.over.insert(*interaction) {
                    out.violation("R5", format!("{interaction} ends and was not alive"));
                }
                self.refused.retain(|(i, _), _| i != interaction);
                if let Some((segment, _)) = self.segments.iter().find(|(_, s)| s.interaction == *interaction) {
                    out.violation("R5", format!("{segment} outlives {interaction}"));
                }
            }
            _ => self.work(out, event),
        }
    }

    fn interaction_of(&self, body: &EventBody) -> Option<InteractionId> {
        match body {
            EventBody::RecordingStored { recording, .. } => self.tapes.get(recording).map(|t| t.interaction),
            EventBody::InteractionStarted { interaction, .. }
            | EventBody::SegmentStarted { interaction, .. }
            | EventBody::SegmentStateChanged { interaction, .. }
            | EventBody::SegmentEnded { interaction, .. }
            | EventBody::MaskStarted { interaction, .. }
            | EventBody::MaskEnded { interaction, .. }
            | EventBody::RecordingDecided { interaction, .. }
            | EventBody::RecordingRequested { interaction, .. }
            | EventBody::RecordingEnded { interaction, .. } => Some(*interaction),
            _ => None,
        }
    }

    fn work(&mut self, out: &mut Outside, event: &Event) {
        match &event.body {
            EventBody::SegmentStarted { interaction, segment, of, state, .. } => {
                let (agent, queue, place) = match of {
                    SegmentOf::Agent { agent, queue, .. } => (Some(*agent), *queue, event.at),
                    SegmentOf::Queue { queue, virtual_since, .. } => (None, Some(*queue), *virtual_since),
                    SegmentOf::Supervisor { agent, .. } => (Some(*agent), None, event.at),
                    SegmentOf::Flow { .. }
                    | SegmentOf::Device { .. }
                    | SegmentOf::Outside { .. }
                    | SegmentOf::Parked { .. } => (None, None, event.at),
                };
                let new = Segment {
                    interaction: *interaction,
                    agent,
                    queue,
                    waits: matches!(of, SegmentOf::Queue { .. } | SegmentOf::Parked { .. }),
                    place,
                    state: *state,
                    talked: false,
                    recording: None,
                    decided: None,
                };
                if !self.live.contains_key(interaction) || self.segments.insert(*segment, new).is_some() {
                    out.violation("R5", format!("{segment} begins twice, or within nothing"));
                }
            }
            EventBody::SegmentStateChanged { segment, state, .. } => {
                let Some(s) = self.segments.get_mut(segment) else {
                    return out.violation("R7", format!("{segment} changes and is not alive"));
                };
                s.state = *state;
                if *state == SegmentState::Talking {
                    s.talked = true;
                    out.counts.answered += 1;
                }
                if *state == SegmentState::WrapUp {
                    self.over_at(*segment, event.at, false);
                }
            }
            EventBody::SegmentEnded { segment, why, .. } => {
                let cut = *why == domain::event::SegmentEnd::Restart;
                self.over_at(*segment, event.at, cut);
                match self.segments.remove(segment) {
                    Some(s) => self.recorded(out, *segment, &s),
                    None => out.violation("R5", format!("{segment} ends and is not alive")),
                }
            }
            EventBody::OfferMade { waiting: Some(waiting), agent, .. } => self.offer(out, event.at, *waiting, *agent),
            EventBody::OfferEnded { segment, agent, not_before, .. } => {
                self.back_in_line(*segment, *agent, *not_before);
            }
            EventBody::RecordingDecided { segment, on, .. } => {
                if let Some(s) = self.segments.get_mut(segment) {
                    s.decided = Some(*on);
                }
                if !*on {
                    self.over_at(*segment, event.at, false);
                }
            }
            EventBody::RecordingRequested { interaction, segment, recording, .. } => {
                if let Some(s) = self.segments.get_mut(segment) {
                    s.recording = Some(*recording);
                }
                let (interaction, segment) = (*interaction, *segment);
                let tape = Tape {
                    interaction,
                    segment,
                    from: event.at,
                    to: None,
                    length_ms: None,
                    started: false,
                    cut: false,
                };
                if self.tapes.insert(*recording, tape).is_some() {
                    out.violation("R10", format!("{recording} is requested twice"));
                }
            }
            EventBody::RecordingStarted { recording, .. } => {
                if let Some(tape) = self.tapes.get_mut(recording) {
                    tape.started = true;
                }
            }
            EventBody::RecordingEnded { recording, length_ms, .. } => {
                if let Some(tape) = self.tapes.get_mut(recording) {
                    if tape.length_ms.replace(*length_ms).is_some() {
                        out.violation("R10", format!("{recording} ends twice"));
                    }
                } else {
                    out.violation("R10", format!("{recording} ends and was never requested"));
                }
            }
            _ => {}
        }
    }

    /// Every conversation with an agent was decided about, and has a recording if that was the decision.
    fn recorded(&self, out: &mut Outside, segment: SegmentId, s: &Segment) {
        let voice = self.live.get(&s.interaction).is_some_and(|m| *m == Medium::Voice);
        if !voice || !s.talked || s.agent.is_none() {
            return;
        }
        match (s.decided, s.recording) {
            (None, _) => out.violation("R10", format!("{segment} talked and nobody decided about a recording")),
            (Some(true), None) => out.violation("R10", format!("{segment} talked and is not recorded")),
            (Some(_), _) => {}
        }
        let forbidden = s.agent.and_then(|a| self.config.agents.get(&a)).and_then(|a| a.record);
        if forbidden.is_some_and(|r| r.mode == RecordMode::Forbidden) && s.recording.is_some() {
            out.violation("R10", format!("{segment} is recorded against the law"));
        }
    }

    fn over_at(&mut self, segment: SegmentId, at: Timestamp, cut: bool) {
        for tape in self.tapes.values_mut().filter(|t| t.segment == segment && t.to.is_none()) {
            tape.to = Some(at);
            tape.cut = cut;
        }
    }

    /// R4, R9: nobody of the same line and priority who came earlier is passed over.
    fn offer(&mut self, out: &mut Outside, at: Timestamp, waiting: SegmentId, agent: AgentId) {
        let Some(chosen) = self.segments.get_mut(&waiting) else {
            return out.violation("R9", format!("{waiting} is offered and waits nowhere"));
        };
        if !std::mem::replace(&mut chosen.waits, false) {
            out.violation("R1", format!("{waiting} is offered while it is being offered"));
        }
        // Who picks up a parked customer has chosen him.
        if chosen.state == SegmentState::Parked {
            return;
        }
        let (queue, place, interaction) = (chosen.queue, chosen.place, chosen.interaction);
        let medium = |i: &InteractionId| self.live.get(i).copied();
        let passed = self.segments.iter().find(|(segment, s)| {
            s.waits
                && s.state == SegmentState::Waiting
                && s.queue == queue
                && (s.place, **segment) < (place, waiting)
                && medium(&s.interaction) == medium(&interaction)
                && self.refused.get(&(s.interaction, agent)).is_none_or(|until| *until <= at)
        });
        if let Some((segment, _)) = passed {
            out.violation("R4", format!("{segment} waits longer than {waiting}, which is offered to {agent}"));
        }
    }

    fn back_in_line(&mut self, offered: SegmentId, agent: AgentId, not_before: Option<Timestamp>) {
        let Some(interaction) = self.segments.get(&offered).map(|s| s.interaction) else { return };
        if let Some(until) = not_before {
            self.refused.insert((interaction, agent), until);
        }
        let line = self.segments.values_mut().find(|s| s.interaction == interaction && s.agent.is_none());
        if let Some(line) = line {
            line.waits = matches!(line.state, SegmentState::Waiting | SegmentState::Parked);
        }
    }

    /// Everything is over: nothing lives, and the recordings hold what was said.
    pub(crate) fn close(&mut self, out: &mut Outside) {
        if let Some(interaction) = self.live.keys().next() {
            out.violation("R5", format!("{} interactions never end, {interaction} for one", self.live.len()));
        }
        for (recording, tape) in &self.tapes {
            let Some(to) = tape.to else {
                out.violation("R10", format!("the segment of {recording} never ended"));
                continue;
            };
            let wanted = u64::try_from(to - tape.from).unwrap_or(0);
            let file = out.disk.archive.get(recording).map(|f| (f.end_ms, f.gaps.clone()));
            if let Some((end_ms, _)) = &file
                && let Some(told) = tape.length_ms
                && told != *end_ms
            {
                out.violation("R10", format!("{recording} is {end_ms} ms long and said to be {told}"));
            }
            let length = file.as_ref().map_or(0, |(end_ms, _)| *end_ms);
            let short = length + self.tolerance_ms < wanted;
            // The next process goes on with it until the office hangs up: the time between is listed as lost.
            let lost = file.iter().flat_map(|(_, gaps)| gaps).filter(|g| tape.cut && g.why == GapCause::Lost);
            let lost: u64 = lost.map(|g| g.to_ms.saturating_sub(g.from_ms)).sum();
            let long = wanted + self.tolerance_ms + lost < length;
            if (short || long) && (tape.started || file.is_some() || !tape.cut) {
                let seen = format!("{recording} has {length} ms, {wanted} were spoken ({tape:?})");
                out.violation("R10", seen);
            }
        }
        for (interaction, coverage) in &self.coverage {
            if let Some((segment, c)) = coverage.conversations().find(|(_, c)| !c.covered.adds_up()) {
                out.violation("R10", format!("{segment} of {interaction} does not add up: {:?}", c.covered));
            }
        }
        for (recording, tape) in self.tapes.iter().filter(|(_, t)| !t.cut) {
            // The report by the times of talk, against what the files hold.
            let Some(file) = out.disk.archive.get(recording) else { continue };
            let meant = file.gaps.iter().filter(|g| g.why != GapCause::Lost);
            let silent: u64 = meant.clone().map(|g| g.to_ms.saturating_sub(g.from_ms)).sum();
            let sound = file.end_ms.saturating_sub(silent);
            let tolerance = self.tolerance_ms * (1 + meant.count() as u64);
            let coverage = self.coverage.get(&tape.interaction);
            let Some((segment, wanted)) = coverage.and_then(|c| c.wanted_ms(*recording)) else { continue };
            let in_conversation = coverage.is_some_and(|c| c.conversation(segment).is_some());
            if in_conversation && wanted.abs_diff(sound) > tolerance {
                let seen = format!("{recording} holds {sound} ms of sound, {wanted} are reported ({tape:?})");
                out.violation("R10", seen);
            }
        }
        if let Some(recording) = out.disk.spool.keys().find(|r| out.disk.requested.contains(r)).copied() {
            out.violation("R10", format!("{recording} stays in the spool"));
        }
    }
}
