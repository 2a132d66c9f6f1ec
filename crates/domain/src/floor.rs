//! One live floor: who waits, who is free, what happens next. A pure state machine; `engine` runs it, `sim` tests it.
//!
//! Contract: call [`Floor::handle`], then drain [`Floor::poll_event`] (for the journal) and [`Floor::poll_effect`]
//! (orders to the outside), then wait for the next input or [`Floor::next_timeout`] (then [`Input::Tick`]).
//! Deciding is spread over the files below by subject; all of it changes state through [`Floor::apply`] alone.
//!
//! A segment's states:
//!
//! ```text
//! flow    running ─► voicemail | (built in) echo                       ─► ended
//! queue   waiting                                                      ─► ended (answered, caller hung up, overflow)
//! agent   offered ─► connecting ─► talking ◄─► held, consulting ─► wrap-up  ─► ended
//!            └─ missed, declined, unreachable, withdrawn ─► ended
//! device, outside    connecting ─► talking ◄─► held                    ─► ended
//! party consulted (agent, device, outside)  … connecting ─► consulting ─► talking, or ended
//! supervisor         connecting ─► watching                            ─► ended
//! parked  parked                                                       ─► ended (picked up, returned, caller hung up)
//! ```
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::AgentCommand;
use crate::config::{QueueConfig, TenantConfig};
use crate::effect::Effect;
use crate::event::{EVENT_VERSION, Event, EventBody};
use crate::flow::Flow;
use crate::id::{AgentId, FloorId, FlowId, IdMint, InteractionId, PlayId, PromptId, QueueId, RecordingId};
use crate::input::{Accepted, Input, Rejected};
use crate::leg::{GapCause, LegCommand};
use crate::time::Timestamp;

mod agents;
mod apply;
mod calls;
mod check;
mod derived;
mod desk;
mod dial;
mod flows;
mod keys;
mod offers;
mod park;
mod queues;
mod record;
mod recover;
mod replace;
mod settle;
mod spend;
mod state;
mod talk;
mod timers;
mod transfer;
mod views;
mod watch;

pub use check::Broken;
use derived::Derived;
use state::State;

/// A floor's state as stored beside the journal: apply the events with a higher `seq` to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub floor: FloorId,
    /// Last event contained.
    pub seq: u64,
    state: State,
}

/// See the module's contract.
#[derive(Debug)]
pub struct Floor {
    id: FloorId,
    config: Arc<TenantConfig>,
    mint: IdMint,
    state: State,
    /// Time of the decision being made.
    now: Timestamp,
    /// Flow versions still needed: the published ones and those that interactions are pinned to.
    flows: BTreeMap<(FlowId, u32), Arc<Flow>>,
    /// Digits keyed by callers; never in events, gone after a restart.
    keyed: BTreeMap<InteractionId, BTreeMap<String, String>>,
    /// Greetings and farewells that wait for the caller's leg to be up.
    unheard: BTreeMap<InteractionId, (PlayId, Option<PromptId>)>,
    /// Announcements of recording that customers are hearing.
    announcing: BTreeMap<InteractionId, (PlayId, PromptId)>,
    /// Pauses ordered of recordings that run.
    paused: BTreeMap<RecordingId, GapCause>,
    /// When the costs of interactions' calls were looked at last.
    spend_looked: BTreeMap<InteractionId, Timestamp>,
    spend_watched: Timestamp,
    /// Agents whom a revision left above their capacity (R2).
    overfull: BTreeSet<AgentId>,
    /// Agents whose occupancy or seat may have changed, and interactions that may be over, since the last settling.
    touched_agents: BTreeSet<AgentId>,
    touched_interactions: BTreeSet<InteractionId>,
    /// When routing last looked; refusals that ended since then may free an agent.
    routed_at: Timestamp,
    derived: Derived,
    events: VecDeque<Event>,
    effects: VecDeque<Effect>,
}

impl Floor {
    /// An empty floor. `mint` belongs to the present ownership epoch.
    pub fn new(id: FloorId, config: Arc<TenantConfig>, mint: IdMint) -> Floor {
        let mut floor = Floor {
            id,
            config,
            mint,
            state: State::default(),
            now: Timestamp(i64::MIN),
            flows: BTreeMap::new(),
            keyed: BTreeMap::new(),
            unheard: BTreeMap::new(),
            announcing: BTreeMap::new(),
            paused: BTreeMap::new(),
            spend_looked: BTreeMap::new(),
            spend_watched: Timestamp(i64::MIN),
            overfull: BTreeSet::new(),
            touched_agents: BTreeSet::new(),
            touched_interactions: BTreeSet::new(),
            routed_at: Timestamp(i64::MIN),
            derived: Derived::stale(),
            events: VecDeque::new(),
            effects: VecDeque::new(),
        };
        floor.keep_flows();
        floor
    }

    /// From a snapshot; then [`Floor::apply`] the journal's later events, then [`Input::Recovered`].
    pub fn restore(config: Arc<TenantConfig>, mint: IdMint, snapshot: Snapshot) -> Floor {
        let mut floor = Floor { state: snapshot.state, ..Floor::new(snapshot.floor, config, mint) };
        floor.overfull = floor.overfull_now();
        floor
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot { floor: self.id, seq: self.state.seq, state: self.state.clone() }
    }

    pub fn id(&self) -> FloorId {
        self.id
    }

    pub fn config(&self) -> &Arc<TenantConfig> {
        &self.config
    }

    /// Sequence number of the last event.
    pub fn seq(&self) -> u64 {
        self.state.seq
    }

    /// Decides, emits events and applies each. `now` before the last event counts as the last event's time.
    /// Timers that are due fire first, each at its own time, so a late tick changes nothing.
    ///
    /// # Errors
    /// [`Rejected`] with a stable code; the refused input changed nothing.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<Accepted, Rejected> {
        let now = now.max(self.state.at);
        self.derive_if_stale();
        if !matches!(input, Input::Recovered { .. }) {
            self.fire_due(now);
        }
        self.now = now;
        let result = self.decide(input);
        self.settle();
        self.fire_due(now);
        if cfg!(debug_assertions)
            && let Err(broken) = self.check()
        {
            panic!("floor invariant broken: {broken}");
        }
        result.map(|interaction| Accepted { seq: self.state.seq, interaction })
    }

    /// The only place where state changes. Also used to replay a journal: never decides, never causes effects.
    pub fn apply(&mut self, event: &Event) {
        self.state.apply(event);
        self.derived.set_stale();
    }

    /// Events emitted since the last drain, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn decide(&mut self, input: Input) -> Result<Option<InteractionId>, Rejected> {
        match input {
            Input::ConfigPublished(config) => self.publish(config),
            Input::CallOffered { leg, number, from, via, known } => {
                return self.call_offered(leg, number, from, via, known);
            }
            Input::PhoneDialled { leg, device, call } => return self.phone_dialled(leg, device, call),
            Input::Leg(event) => self.leg_event(event)?,
            Input::DeviceReady { device } => self.device_ready(device)?,
            Input::DeviceLost { device, why } => self.device_lost(device, why)?,
            Input::TrunkChanged { trunk, up } => self.trunk_changed(trunk, up)?,
            Input::Agent { agent, command: AgentCommand::Dial { to, class, trunks, caller, back } } => {
                return self.dial(agent, (to, class, &trunks, caller), back).map(Some);
            }
            Input::Agent { agent, command } => {
                let concerned =
                    command.calls_outside().and_then(|s| self.state.agents.get(&agent)?.work.get(&s).copied());
                self.agent_command(agent, command)?;
                return Ok(concerned);
            }
            Input::LeaseLost { agent } => self.lease_lost(agent)?,
            Input::LeaseTaken { agent } => self.lease_taken(agent)?,
            Input::WorkArrived { medium, queue, from, priority, lang } => {
                return self.work_arrived(medium, queue, from, priority, lang);
            }
            Input::WorkDone { interaction } => self.work_done(interaction)?,
            Input::Supervisor { by, command } => self.supervisor_command(by, command)?,
            Input::RecordingStored { recording, blob, length_ms, bytes, gaps, heard_ms } => {
                self.emit(EventBody::RecordingStored { recording, blob, length_ms, bytes, gaps });
                self.message_stored(recording, blob, length_ms, heard_ms);
            }
            Input::MessageMarked { interaction, recording, state, by } => {
                self.emit(EventBody::MessageMarked { interaction, recording, state, by: Some(by), call: None });
            }
            Input::RecordingDeleted { interaction, recording } => {
                self.emit(EventBody::RecordingDeleted { interaction, recording });
            }
            Input::Recovered { last_heartbeat, outlived } => self.recover(last_heartbeat, &outlived),
            Input::Tick => {}
        }
        Ok(None)
    }

    fn publish(&mut self, config: Arc<TenantConfig>) {
        let rev = config.rev;
        self.config = config;
        self.keep_flows();
        self.overfull = self.overfull_now();
        self.derive_anew();
        self.emit(EventBody::ConfigPublished { rev });
        self.trunks_after_publish();
        self.agents_after_publish();
        self.queues_after_publish();
    }

    /// Adds the published versions, drops those that no interaction is pinned to.
    fn keep_flows(&mut self) {
        let mut wanted: BTreeSet<(FlowId, u32)> = self.config.flows.values().map(|f| (f.id, f.version)).collect();
        for segment in self.state.interactions.values().flat_map(|i| i.segments.values()) {
            if let crate::event::SegmentOf::Flow { flow: Some(flow), version: Some(version), .. } = segment.of {
                wanted.insert((flow, version));
            }
        }
        for flow in self.config.flows.values() {
            self.flows.insert((flow.id, flow.version), flow.clone());
        }
        self.flows.retain(|key, _| wanted.contains(key));
    }

    fn emit(&mut self, body: EventBody) {
        let event = Event { seq: self.state.seq + 1, at: self.now.max(self.state.at), v: EVENT_VERSION, body };
        self.touch(&event.body);
        self.derive(&event);
        self.state.apply(&event);
        self.events.push_back(event);
    }

    fn order(&mut self, command: LegCommand) {
        self.effects.push_back(Effect::Leg(command));
    }

    fn queue_config(&self, queue: QueueId) -> Option<&QueueConfig> {
        self.config.queues.get(&queue)
    }
}

/// Saturating milliseconds, for events and views.
fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
