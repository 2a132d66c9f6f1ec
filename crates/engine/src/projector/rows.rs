//! One event's effect on the rows of interactions, segments, legs, offers and recordings; agents' time is in [`agents`].
//!
//! Rows are loaded when first touched, written once at the end of a transaction, and kept while what they tell of lives:
//! nobody else writes them, so that most transactions read none.
mod agents;
mod coverage;
mod kept;

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{EventBody, SegmentEnd, SegmentOf, SegmentState};
use domain::id::{InteractionId, LegId, OfferId, RecordingId, SegmentId};
use domain::report::INTERVAL_MS;
use domain::time::Timestamp;
use serde_json::{Value, json};
use store::projection::{
    InteractionRow, LegRow, OfferRow, RecordingRow, SegmentRow, Span, Spans, TimelineRow, Tx, VoicemailRow,
};

use super::{Fact, json as to_json};
use agents::Agents;
use coverage::Coverages;
use kept::Kept;

type Result<T> = std::result::Result<T, store::Error>;

/// Kept rows beyond which all are forgotten: a busy floor has some thousand calls at once, with about ten rows each.
const KEPT: usize = 100_000;

/// The rows of what lives, and those that a transaction has touched.
#[derive(Default)]
pub struct Rows {
    interactions: Kept<InteractionId, InteractionRow>,
    segments: Kept<SegmentId, SegmentRow>,
    legs: Kept<LegId, LegRow>,
    offers: Kept<OfferId, OfferRow>,
    recordings: Kept<RecordingId, RecordingRow>,
    voicemails: Kept<RecordingId, VoicemailRow>,
    /// Something in a mailbox has changed since this was last asked.
    mail: bool,
    agents: Agents,
    coverage: Coverages,
    // Written as they are and not read again.
    /// An interaction's events of this transaction: the first number, and the JSON array without its end.
    timeline: BTreeMap<InteractionId, (u64, String)>,
    /// Started in this transaction: their customers' addresses are not looked up yet.
    started: Vec<InteractionId>,
}

/// Runs the body with the row, loading it first; does nothing if there is none (its tenant data was erased).
macro_rules! with_row {
    ($rows:expr, $tx:expr, $table:ident, $find:ident, $id:expr, |$row:ident| $body:expr) => {{
        if !$rows.$table.rows.contains_key(&$id) {
            if let Some(found) = $tx.$find($id).await? {
                $rows.$table.rows.insert($id, found);
            }
        }
        if let Some($row) = $rows.$table.touch($id) {
            $body
        }
    }};
}

// After the macro, which they use.
mod legs;
mod messages;

/// The serde name of a unit variant.
fn word<T: serde::Serialize>(value: &T) -> Result<String> {
    Ok(match to_json(value)? {
        Value::String(s) => s,
        other => other.to_string(),
    })
}

fn since(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to - from).unwrap_or(0)
}

fn interval(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(INTERVAL_MS))
}

impl Rows {
    pub async fn apply(&mut self, tx: &mut Tx, fact: &Fact) -> Result<()> {
        let event = &fact.event;
        let at = event.at;
        let mut concerns = interaction_of(&event.body);
        match &event.body {
            EventBody::InteractionStarted { interaction, medium, direction, number, from, lang, priority } => {
                if from.is_some() {
                    self.started.push(*interaction);
                }
                let row = InteractionRow {
                    tenant_id: tx.tenant(),
                    id: *interaction,
                    floor_id: tx.floor(),
                    sample: tx.is_sample(),
                    medium: *medium,
                    direction: word(direction)?,
                    state: "open".to_owned(),
                    outcome: None,
                    number_id: *number,
                    address_id: *from,
                    address_key: None,
                    contact_id: None,
                    trunk_id: None,
                    flow_id: None,
                    flow_version: None,
                    queue_id: None,
                    agent_id: None,
                    disposition_id: None,
                    note_id: None,
                    lang: Some(*lang),
                    priority: *priority,
                    started_at: at,
                    queued_at: None,
                    answered_at: None,
                    ended_at: None,
                    end_cause: None,
                    ended_by: None,
                    wait_ms: 0,
                    talk_ms: 0,
                    hold_ms: 0,
                    wrap_ms: 0,
                    recorded: false,
                    last_seq: event.seq,
                    extra: json!({ "segments": 0, "variables": {} }),
                    retain_until: None,
                    legal_hold: false,
                };
                self.interactions.insert(*interaction, row);
            }
            EventBody::CallIdentified { interaction, diverted, verified } => {
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    row.extra["diverted"] = json!(diverted);
                    row.extra["verified"] = json!(verified);
                });
            }
            EventBody::LanguageSet { interaction, lang } => {
                with_row!(self, tx, interactions, interaction, *interaction, |row| row.lang = Some(*lang));
            }
            EventBody::PrioritySet { interaction, priority } => {
                with_row!(self, tx, interactions, interaction, *interaction, |row| row.priority = *priority);
            }
            EventBody::VariableSet { interaction, name, value } => {
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    row.extra["variables"][name.as_str()] = Value::String(value.clone());
                });
            }
            EventBody::InteractionEnded { interaction, why } => {
                let outcome = word(why)?;
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    row.state = "ended".to_owned();
                    row.outcome = Some(outcome);
                    row.ended_at = Some(at);
                });
            }
            EventBody::SegmentStarted { interaction, segment, of, why, state, .. } => {
                let why = word(why)?;
                self.segment_started(tx, at, *interaction, *segment, of, &why, *state).await?;
            }
            EventBody::SegmentStateChanged { interaction, segment, state, ended, .. } => {
                self.next_span(tx, at, *interaction, *segment, Some(*state)).await?;
                if let Some(ended) = ended {
                    let outcome = word(ended)?;
                    with_row!(self, tx, segments, segment, *segment, |row| row.outcome = Some(outcome));
                }
                if *state == SegmentState::Talking {
                    self.talking(tx, at, *interaction, *segment).await?;
                }
            }
            EventBody::SegmentEnded { interaction, segment, why } => {
                self.next_span(tx, at, *interaction, *segment, None).await?;
                self.segment_ended(tx, at, *segment, *why).await?;
            }
            EventBody::DispositionSet { interaction, segment, disposition, note } => {
                with_row!(self, tx, segments, segment, *segment, |row| {
                    row.disposition_id = Some(*disposition);
                    row.note_id = note.or(row.note_id);
                });
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    row.disposition_id = Some(*disposition);
                    row.note_id = note.or(row.note_id);
                });
            }
            EventBody::OfferMade { interaction, offer, segment, agent, device, trace, .. } => {
                let mut queue_id = None;
                with_row!(self, tx, segments, segment, *segment, |row| queue_id = row.queue_id);
                let row = OfferRow {
                    tenant_id: tx.tenant(),
                    id: *offer,
                    floor_id: tx.floor(),
                    interaction_id: *interaction,
                    segment_id: *segment,
                    queue_id,
                    agent_id: *agent,
                    device_id: Some(*device),
                    offered_at: at,
                    ended_at: None,
                    outcome: None,
                    trace: trace.clone(),
                };
                self.offers.insert(*offer, row);
            }
            EventBody::OfferAccepted { offer, .. } => {
                with_row!(self, tx, offers, offer, *offer, |row| {
                    row.ended_at = Some(at);
                    row.outcome = Some("accepted".to_owned());
                });
            }
            EventBody::OfferEnded { offer, why, .. } => {
                let outcome = word(why)?;
                with_row!(self, tx, offers, offer, *offer, |row| {
                    row.ended_at = Some(at);
                    row.outcome = Some(outcome);
                });
            }
            EventBody::LegStarted { .. }
            | EventBody::LegRinging { .. }
            | EventBody::LegEarlyMedia { .. }
            | EventBody::LegAnswered { .. }
            | EventBody::LegMoved { .. }
            | EventBody::LegEnded { .. } => self.leg(tx, event).await?,
            EventBody::RecordingRequested { .. }
            | EventBody::RecordingStarted { .. }
            | EventBody::RecordingEnded { .. }
            | EventBody::RecordingStored { .. }
            | EventBody::RecordingDeleted { .. } => concerns = self.recording(tx, event).await?,
            EventBody::MessageLeft { .. }
            | EventBody::MessageDiscarded { .. }
            | EventBody::MessageMarked { .. }
            | EventBody::CallBackStarted { .. } => self.message(tx, event).await?,
            EventBody::AgentSignedIn { .. }
            | EventBody::PresenceChanged { .. }
            | EventBody::OccupancyChanged { .. }
            | EventBody::AgentSignedOut { .. } => self.agents.apply(tx, event).await?,
            EventBody::ConfigPublished { .. }
            | EventBody::CallRejected { .. }
            | EventBody::FloorRecovered { .. }
            | EventBody::AgentQueuesChanged { .. }
            | EventBody::LeaseLost { .. }
            | EventBody::LeaseTaken { .. }
            | EventBody::AgentLeaving { .. }
            | EventBody::DeviceReady { .. }
            | EventBody::DeviceLost { .. }
            | EventBody::TrunkChanged { .. }
            | EventBody::DialPlanned { .. }
            | EventBody::ConsultMerged { .. }
            | EventBody::WatchChanged { .. }
            | EventBody::MusicStopped { .. }
            | EventBody::RecordingDecided { .. }
            | EventBody::CallCharged { .. }
            | EventBody::SpendReached { .. }
            | EventBody::InteractionResumed { .. }
            | EventBody::RecordingAnnounced { .. }
            | EventBody::MaskStarted { .. }
            | EventBody::MaskEnded { .. }
            | EventBody::WrapUpExtended { .. }
            | EventBody::StepEntered { .. }
            | EventBody::DigitsCollected { .. }
            | EventBody::PlayStarted { .. }
            | EventBody::LegPeerHeld { .. }
            | EventBody::LegMuted { .. }
            | EventBody::LegSilent { .. }
            | EventBody::LegHangUpSent { .. }
            | EventBody::Bridged { .. } => {}
        }
        let Some(interaction) = concerns else { return Ok(()) };
        with_row!(self, tx, interactions, interaction, interaction, |row| row.last_seq = event.seq);
        let told = self.timeline.get(&interaction).map(|(_, events)| events.as_str());
        self.coverage.apply(tx, interaction, event, told).await?;
        self.tell(interaction, fact);
        if let EventBody::CallBackStarted { of, .. } = &event.body {
            self.tell(*of, fact);
        }
        Ok(())
    }

    /// On the page of this interaction.
    fn tell(&mut self, interaction: InteractionId, fact: &Fact) {
        let (_, events) = self.timeline.entry(interaction).or_insert_with(|| (fact.event.seq, String::new()));
        events.push(if events.is_empty() { '[' } else { ',' });
        events.push_str(&fact.json);
    }

    /// Whether something in a mailbox has changed since this was last asked.
    pub fn take_mail(&mut self) -> bool {
        std::mem::take(&mut self.mail)
    }

    async fn segment_started(
        &mut self,
        tx: &mut Tx,
        at: Timestamp,
        interaction: InteractionId,
        segment: SegmentId,
        of: &SegmentOf,
        why: &str,
        state: SegmentState,
    ) -> Result<()> {
        let state_word = word(&state)?;
        let mut medium = domain::medium::Medium::Voice;
        let mut ordinal = 0;
        with_row!(self, tx, interactions, interaction, interaction, |row| {
            medium = row.medium;
            ordinal = row.extra["segments"].as_u64().unwrap_or(0);
            row.extra["segments"] = json!(ordinal + 1);
            match of {
                SegmentOf::Queue { queue, .. } => {
                    row.queue_id = Some(*queue);
                    row.queued_at.get_or_insert(at);
                }
                SegmentOf::Flow { flow, version, .. } if row.flow_id.is_none() => {
                    row.flow_id = *flow;
                    row.flow_version = *version;
                }
                SegmentOf::Flow { .. }
                | SegmentOf::Agent { .. }
                | SegmentOf::Device { .. }
                | SegmentOf::Outside { .. }
                | SegmentOf::Parked { .. }
                | SegmentOf::Supervisor { .. } => {}
            }
        });
        let mut row = SegmentRow {
            tenant_id: tx.tenant(),
            id: segment,
            floor_id: tx.floor(),
            sample: tx.is_sample(),
            interaction_id: interaction,
            ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
            kind: String::new(),
            medium,
            state: state_word.clone(),
            outcome: None,
            queue_id: None,
            agent_id: None,
            flow_id: None,
            started_at: at,
            answered_at: None,
            ended_at: None,
            wrap_ended_at: None,
            wait_ms: 0,
            ring_ms: 0,
            talk_ms: 0,
            hold_ms: 0,
            wrap_ms: 0,
            in_service_level: None,
            arrival_interval: interval(at),
            event_interval: None,
            disposition_id: None,
            note_id: None,
            extra: json!({ "why": why }),
            spans: Spans(vec![Span { state: state_word, from_at: at, to_at: None }]),
        };
        match of {
            SegmentOf::Flow { flow, version, .. } => {
                row.kind = match state {
                    SegmentState::Echo => "echo",
                    SegmentState::Voicemail if flow.is_none() => "voicemail",
                    _ => "flow",
                }
                .to_owned();
                row.flow_id = *flow;
                row.extra["flow_version"] = json!(version);
            }
            SegmentOf::Queue { queue, service_level, .. } => {
                row.kind = "queue".to_owned();
                row.queue_id = Some(*queue);
                row.extra["service_level_ms"] = json!(u64::try_from(service_level.as_millis()).unwrap_or(u64::MAX));
            }
            SegmentOf::Agent { agent, queue, arrived } => {
                row.kind = "agent".to_owned();
                row.agent_id = Some(*agent);
                row.queue_id = *queue;
                row.arrival_interval = interval(*arrived);
            }
            SegmentOf::Device { device, .. } => {
                row.kind = "device".to_owned();
                row.extra["device"] = json!(device);
            }
            SegmentOf::Outside { address, .. } => {
                row.kind = "outside".to_owned();
                row.extra["address"] = json!(address);
            }
            SegmentOf::Parked { place, queue, .. } => {
                row.kind = "parked".to_owned();
                row.queue_id = *queue;
                row.extra["place"] = json!(place);
            }
            SegmentOf::Supervisor { agent, target, mode } => {
                row.kind = "supervisor".to_owned();
                row.agent_id = Some(*agent);
                row.extra["target"] = json!(target);
                row.extra["mode"] = json!(mode);
            }
        }
        self.segments.insert(segment, row);
        Ok(())
    }

    /// Ends the present span and begins the next, unless the segment ends. The spans tile the segment (R7).
    async fn next_span(
        &mut self,
        tx: &mut Tx,
        at: Timestamp,
        interaction: InteractionId,
        segment: SegmentId,
        next: Option<SegmentState>,
    ) -> Result<()> {
        let (mut wait, mut talk, mut hold, mut wrap) = (0, 0, 0, 0);
        let next_word = next.map(|n| word(&n)).transpose()?;
        with_row!(self, tx, segments, segment, segment, |row| {
            let mut length = 0;
            if let Some(span) = row.spans.0.last_mut() {
                length = since(span.from_at, at);
                span.to_at = Some(at);
            }
            match row.state.as_str() {
                "waiting" => wait = length,
                "talking" => talk = length,
                "held" => hold = length,
                // The customer waits meanwhile; who is only asked has never talked with him.
                "consulting" if row.answered_at.is_some() => hold = length,
                "wrap_up" => wrap = length,
                "offered" | "connecting" => row.ring_ms += length,
                _ => {}
            }
            row.wait_ms += wait;
            row.talk_ms += talk;
            row.hold_ms += hold;
            row.wrap_ms += wrap;
            if let Some(next) = next_word {
                row.spans.0.push(Span { state: next.clone(), from_at: at, to_at: None });
                row.state = next;
            }
        });
        with_row!(self, tx, interactions, interaction, interaction, |row| {
            row.wait_ms += wait;
            row.talk_ms += talk;
            row.hold_ms += hold;
            row.wrap_ms += wrap;
        });
        Ok(())
    }

    async fn talking(
        &mut self,
        tx: &mut Tx,
        at: Timestamp,
        interaction: InteractionId,
        segment: SegmentId,
    ) -> Result<()> {
        let mut agent = None;
        with_row!(self, tx, segments, segment, segment, |row| {
            row.answered_at.get_or_insert(at);
            agent = row.agent_id;
        });
        with_row!(self, tx, interactions, interaction, interaction, |row| {
            row.answered_at.get_or_insert(at);
            row.agent_id = agent.or(row.agent_id);
        });
        Ok(())
    }

    async fn segment_ended(&mut self, tx: &mut Tx, at: Timestamp, segment: SegmentId, why: SegmentEnd) -> Result<()> {
        let outcome = word(&why)?;
        with_row!(self, tx, segments, segment, segment, |row| {
            if row.state == "wrap_up" {
                row.wrap_ended_at = Some(at);
            }
            row.ended_at = Some(at);
            row.state = "ended".to_owned();
            row.event_interval = Some(interval(at));
            // A wrap-up keeps how the conversation before it ended.
            row.outcome.get_or_insert(outcome);
            if row.kind == "queue" {
                if why == SegmentEnd::Answered {
                    row.answered_at = Some(at);
                    row.in_service_level = row.extra["service_level_ms"].as_u64().map(|limit| row.wait_ms <= limit);
                } else if why == SegmentEnd::CallerHungUp {
                    row.in_service_level = Some(false);
                }
            }
        });
        Ok(())
    }

    /// The addresses under which the interactions that just started are found.
    async fn find_addresses(&mut self, tx: &mut Tx) -> Result<()> {
        let started = std::mem::take(&mut self.started);
        let ids: BTreeSet<_> =
            started.iter().filter_map(|id| self.interactions.rows.get(id)).filter_map(|row| row.address_id).collect();
        let keys = tx.address_keys(&ids.into_iter().collect::<Vec<_>>()).await?;
        for id in started {
            if let Some(row) = self.interactions.rows.get_mut(&id) {
                row.address_key = row.address_id.and_then(|address| keys.get(&address).cloned());
            }
        }
        Ok(())
    }

    /// Writes what was touched. After an error nothing here may be used again.
    pub async fn flush(&mut self, tx: &mut Tx) -> Result<()> {
        self.find_addresses(tx).await?;
        tx.put_interactions(&self.interactions.take_touched(|row| row.state == "open")).await?;
        tx.put_segments(&self.segments.take_touched(|row| row.ended_at.is_none())).await?;
        tx.put_legs(&self.legs.take_touched(|row| row.ended_at.is_none())).await?;
        tx.put_offers(&self.offers.take_touched(|row| row.ended_at.is_none())).await?;
        tx.put_recordings(&self.recordings.take_touched(|row| row.state == "running")).await?;
        tx.put_voicemails(&self.voicemails.take_touched(|row| row.state == "recording")).await?;
        self.agents.flush(tx).await?;
        let open = &self.interactions.rows;
        self.coverage.flush(tx, |id| open.contains_key(&id)).await?;
        let piece = |(interaction_id, (first_seq, mut events)): (InteractionId, (u64, String))| {
            events.push(']');
            TimelineRow { tenant_id: tx.tenant(), floor_id: tx.floor(), interaction_id, first_seq, events }
        };
        let timeline: Vec<TimelineRow> = std::mem::take(&mut self.timeline).into_iter().map(piece).collect();
        tx.put_timeline(&timeline).await?;
        let kept = self.interactions.rows.len() + self.segments.rows.len() + self.legs.rows.len();
        let kept = kept + self.coverage.len();
        if kept + self.offers.rows.len() + self.recordings.rows.len() + self.voicemails.rows.len() > KEPT {
            *self = Self { mail: self.mail, ..Self::default() };
        }
        Ok(())
    }
}

/// The interaction an event names, if any.
fn interaction_of(body: &EventBody) -> Option<InteractionId> {
    match body {
        EventBody::InteractionStarted { interaction, .. }
        | EventBody::LanguageSet { interaction, .. }
        | EventBody::PrioritySet { interaction, .. }
        | EventBody::VariableSet { interaction, .. }
        | EventBody::InteractionEnded { interaction, .. }
        | EventBody::SegmentStarted { interaction, .. }
        | EventBody::SegmentStateChanged { interaction, .. }
        | EventBody::SegmentEnded { interaction, .. }
        | EventBody::DialPlanned { interaction, .. }
        | EventBody::ConsultMerged { interaction, .. }
        | EventBody::WatchChanged { interaction, .. }
        | EventBody::MusicStopped { interaction, .. }
        | EventBody::LegMoved { interaction, .. }
        | EventBody::WrapUpExtended { interaction, .. }
        | EventBody::DispositionSet { interaction, .. }
        | EventBody::StepEntered { interaction, .. }
        | EventBody::DigitsCollected { interaction, .. }
        | EventBody::PlayStarted { interaction, .. }
        | EventBody::OfferMade { interaction, .. }
        | EventBody::OfferAccepted { interaction, .. }
        | EventBody::OfferEnded { interaction, .. }
        | EventBody::LegStarted { interaction, .. }
        | EventBody::LegRinging { interaction, .. }
        | EventBody::LegEarlyMedia { interaction, .. }
        | EventBody::LegAnswered { interaction, .. }
        | EventBody::LegPeerHeld { interaction, .. }
        | EventBody::LegMuted { interaction, .. }
        | EventBody::LegSilent { interaction, .. }
        | EventBody::LegHangUpSent { interaction, .. }
        | EventBody::LegEnded { interaction, .. }
        | EventBody::Bridged { interaction, .. }
        | EventBody::RecordingDecided { interaction, .. }
        | EventBody::InteractionResumed { interaction }
        | EventBody::RecordingAnnounced { interaction, .. }
        | EventBody::MaskStarted { interaction, .. }
        | EventBody::MaskEnded { interaction, .. }
        | EventBody::RecordingRequested { interaction, .. }
        | EventBody::RecordingStarted { interaction, .. }
        | EventBody::RecordingEnded { interaction, .. }
        | EventBody::RecordingDeleted { interaction, .. }
        | EventBody::MessageLeft { interaction, .. }
        | EventBody::MessageDiscarded { interaction, .. }
        | EventBody::MessageMarked { interaction, .. }
        | EventBody::CallIdentified { interaction, .. }
        | EventBody::CallBackStarted { interaction, .. }
        | EventBody::CallCharged { interaction, .. } => Some(*interaction),
        EventBody::ConfigPublished { .. }
        | EventBody::CallRejected { .. }
        | EventBody::FloorRecovered { .. }
        | EventBody::AgentSignedIn { .. }
        | EventBody::AgentQueuesChanged { .. }
        | EventBody::AgentSignedOut { .. }
        | EventBody::PresenceChanged { .. }
        | EventBody::OccupancyChanged { .. }
        | EventBody::LeaseLost { .. }
        | EventBody::LeaseTaken { .. }
        | EventBody::AgentLeaving { .. }
        | EventBody::DeviceReady { .. }
        | EventBody::DeviceLost { .. }
        | EventBody::TrunkChanged { .. }
        | EventBody::SpendReached { .. }
        | EventBody::RecordingStored { .. } => None,
    }
}
