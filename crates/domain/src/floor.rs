//! One live floor: who waits, who is free, what happens next. A pure state machine; `engine` runs it, `sim` tests it.
//!
//! Contract: call [`Floor::handle`], then drain [`Floor::poll_event`] (for the journal) and [`Floor::poll_effect`]
//! (orders to the outside), then wait for the next input or [`Floor::next_timeout`] (then [`crate::input::Input::Tick`]).
use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::TenantConfig;
use crate::effect::Effect;
use crate::event::{EVENT_VERSION, Event, EventBody};
use crate::id::{AgentId, FloorId, IdMint};
use crate::input::{Accepted, Input, RejectCode, Rejected};
use crate::time::Timestamp;
use crate::view::{AgentView, FloorView};

/// Everything that [`Floor::apply`] builds; equal after replay, bit for bit (R8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct State {
    seq: u64,
    at: Timestamp,
    rev: u64,
}

/// A floor's state as stored beside the journal: apply the events with a higher `seq` to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub floor: FloorId,
    /// Last event contained.
    pub seq: u64,
    state: State,
}

#[derive(Debug)]
pub struct Floor {
    id: FloorId,
    config: Arc<TenantConfig>,
    mint: IdMint,
    state: State,
    events: VecDeque<Event>,
    effects: VecDeque<Effect>,
}

impl Floor {
    /// An empty floor. `mint` belongs to the present ownership epoch.
    pub fn new(id: FloorId, config: Arc<TenantConfig>, mint: IdMint) -> Floor {
        Floor { id, config, mint, state: State::default(), events: VecDeque::new(), effects: VecDeque::new() }
    }

    /// From a snapshot; then [`Floor::apply`] the journal's later events, then [`Input::Recovered`].
    pub fn restore(config: Arc<TenantConfig>, mint: IdMint, snapshot: Snapshot) -> Floor {
        Floor { state: snapshot.state, ..Floor::new(snapshot.floor, config, mint) }
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
    /// Due timers fire first.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<Accepted, Rejected> {
        match input {
            Input::ConfigPublished(config) => {
                let rev = config.rev;
                self.config = config;
                self.emit(now, EventBody::ConfigPublished { rev });
                Ok(Accepted { seq: self.state.seq, interaction: None })
            }
            _ => Err(RejectCode::InputUnexpected.into()),
        }
    }

    /// The only place where state changes. Also used to replay a journal: never decides, never causes effects.
    pub fn apply(&mut self, event: &Event) {
        self.state.seq = event.seq;
        self.state.at = event.at;
        if let EventBody::ConfigPublished { rev } = event.body {
            self.state.rev = rev;
        }
    }

    /// Events emitted since the last drain, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Tick`] is due, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// The whole floor, for the live board and a socket's first message.
    pub fn view(&self, now: Timestamp) -> FloorView {
        FloorView {
            floor: self.id,
            tenant: self.config.tenant,
            rev: self.state.rev,
            at: now,
            seq: self.state.seq,
            agents: Vec::new(),
            queues: Vec::new(),
            interactions: Vec::new(),
            counts: Default::default(),
            calls: 0,
            calls_max: self.config.entitlements.concurrent_calls,
            seats: 0,
            seats_max: self.config.entitlements.seats,
        }
    }

    /// One agent's desk; none if the configuration has no such agent.
    pub fn agent_view(&self, agent: AgentId, _now: Timestamp) -> Option<AgentView> {
        self.config.agents.get(&agent)?;
        None
    }

    fn emit(&mut self, now: Timestamp, body: EventBody) {
        let event = Event { seq: self.state.seq + 1, at: now.max(self.state.at), v: EVENT_VERSION, body };
        self.apply(&event);
        self.events.push_back(event);
    }
}
