//! One writer per floor: feeds inputs, journals the events they cause, then releases the effects they order.
//!
//! Inputs are taken in batches: urgent effects go out at once, the batch's events are appended to the journal with one
//! commit, then gated effects and replies follow in order. While a commit is under way inputs wait in the bounded
//! inbox. If the store is unavailable the task keeps trying: live calls go on, new work waits. If the floor turns out to
//! be owned elsewhere the task ends at once: nothing gated leaves, nobody gets an answer.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::effect::Effect;
use domain::event::{Event, EventBody};
use domain::floor::Floor;
use domain::id::{AgentId, InteractionId};
use domain::input::{Accepted, Input, Rejected};
use domain::leg::{CallerId, LegCommand};
use domain::view::{AgentView, FloorView};
use store::Store;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, warn};

use crate::clock::Clock;
use crate::error::CommandError;
use crate::failure::{Failed, Failure, fail};
use crate::outlet::Outlet;
use crate::ownership::Ownership;

/// Inputs waiting for one floor. At 100,000 inputs per CPU-second this is well under a second of work.
pub const INBOX: usize = 16_384;
/// Inputs decided before one commit; bounds the latency of the first.
const BATCH: usize = 512;
/// Events between snapshots: a restart replays at most this many.
const SNAPSHOT_EVERY: u64 = 20_000;

/// Told durable events; must not block.
pub type Witness = Arc<dyn Fn(&[Event]) + Send + Sync>;

type Reply = oneshot::Sender<Result<Accepted, CommandError>>;

pub enum FloorMessage {
    Input {
        input: Input,
        reply: Option<Reply>,
    },
    /// A new call with what its callees are shown.
    Call {
        input: Input,
        caller: CallerId,
    },
    View {
        reply: oneshot::Sender<FloorView>,
    },
    AgentView {
        agent: AgentId,
        reply: oneshot::Sender<Option<AgentView>>,
    },
    /// A desk wants to be told of every change of its agent.
    Watch {
        agent: AgentId,
        reply: oneshot::Sender<watch::Receiver<Arc<DeskState>>>,
    },
    /// End after the inputs before it are durable.
    Stop {
        reply: oneshot::Sender<()>,
    },
}

/// What a desk shows, with a number that grows by one with each change.
#[derive(Debug, Clone, PartialEq)]
pub struct DeskState {
    pub seq: u64,
    /// None when the agent is no longer in the configuration.
    pub view: Option<AgentView>,
}

/// The sending side; cheap to clone.
#[derive(Clone)]
pub struct FloorHandle {
    inbox: mpsc::Sender<FloorMessage>,
}

impl FloorHandle {
    /// Waits until the events are durable.
    pub async fn send(&self, input: Input) -> Result<Accepted, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.post(FloorMessage::Input { input, reply: Some(reply) }).await?;
        answer.await.map_err(|_| CommandError::Stopping)?
    }

    /// A new call. On return it has its place in the order of inputs.
    pub async fn call(&self, input: Input, caller: CallerId) -> Result<(), CommandError> {
        self.post(FloorMessage::Call { input, caller }).await
    }

    /// A place in the inbox, for an input whose order is decided under a lock.
    pub async fn place(&self) -> Result<Place, CommandError> {
        self.inbox.clone().reserve_owned().await.map(Place).map_err(|_| CommandError::Stopping)
    }

    /// Waits for a place in the inbox only. In-dialog events are never dropped.
    pub async fn tell(&self, input: Input) -> Result<(), CommandError> {
        self.post(FloorMessage::Input { input, reply: None }).await
    }

    pub async fn view(&self) -> Result<FloorView, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.post(FloorMessage::View { reply }).await?;
        answer.await.map_err(|_| CommandError::Stopping)
    }

    pub async fn agent_view(&self, agent: AgentId) -> Result<Option<AgentView>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.post(FloorMessage::AgentView { agent, reply }).await?;
        answer.await.map_err(|_| CommandError::Stopping)
    }

    pub async fn watch(&self, agent: AgentId) -> Result<watch::Receiver<Arc<DeskState>>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.post(FloorMessage::Watch { agent, reply }).await?;
        answer.await.map_err(|_| CommandError::Stopping)
    }

    pub async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.post(FloorMessage::Stop { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    async fn post(&self, message: FloorMessage) -> Result<(), CommandError> {
        self.inbox.send(message).await.map_err(|_| CommandError::Stopping)
    }
}

/// Given back when dropped.
pub struct Place(mpsc::OwnedPermit<FloorMessage>);

impl Place {
    pub fn tell(self, input: Input) {
        self.0.send(FloorMessage::Input { input, reply: None });
    }
}

pub struct FloorTask {
    floor: Floor,
    clock: Clock,
    store: Store,
    ownership: Ownership,
    outlet: Outlet,
    inbox: mpsc::Receiver<FloorMessage>,
    /// Told the last durable sequence number after each commit.
    durable: watch::Sender<u64>,
    /// Durable events for parts of this process that may miss some (the demo caller).
    seen: Witness,
    desks: BTreeMap<AgentId, watch::Sender<Arc<DeskState>>>,
    /// What callees are shown of live interactions' callers: personal data, so the floor has only ids.
    callers: BTreeMap<InteractionId, CallerId>,
    snapshot_seq: u64,
    failed: Failed,
}

/// The floor is owned elsewhere.
struct Lost;

#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    gated: Vec<Effect>,
    replies: Vec<(Reply, Result<Accepted, Rejected>)>,
}

impl FloorTask {
    pub fn spawn(
        floor: Floor,
        clock: Clock,
        store: Store,
        ownership: Ownership,
        outlet: Outlet,
        seen: Witness,
        failed: Failed,
    ) -> (FloorHandle, watch::Receiver<u64>) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let (durable, durable_seen) = watch::channel(floor.seq());
        let snapshot_seq = floor.seq();
        let desks = BTreeMap::new();
        let callers = BTreeMap::new();
        let failure = Failure::FloorEnded { floor: ownership.floor };
        let ended = failed.clone();
        let task = FloorTask {
            floor,
            clock,
            store,
            ownership,
            outlet,
            inbox,
            durable,
            seen,
            desks,
            callers,
            snapshot_seq,
            failed,
        };
        let task = tokio::spawn(task.run());
        tokio::spawn(async move {
            if task.await.is_err_and(|e| e.is_panic()) {
                fail(&ended, failure);
            }
        });
        (FloorHandle { inbox: sender }, durable_seen)
    }

    async fn run(mut self) {
        loop {
            let due = self.floor.next_timeout().map(|at| Instant::from_std(self.clock.instant(at)));
            let message = tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => Some(message),
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
            };
            let mut batch = Batch::default();
            let mut stop = None;
            match message {
                Some(message) => self.take(message, &mut batch, &mut stop),
                None => self.decide(Input::Tick, None, None, &mut batch),
            }
            let mut taken = 1;
            while stop.is_none() && taken < BATCH {
                let Ok(message) = self.inbox.try_recv() else { break };
                self.take(message, &mut batch, &mut stop);
                taken += 1;
            }
            if let Err(Lost) = self.finish(batch).await {
                fail(&self.failed, Failure::LostFloor { floor: self.ownership.floor });
                return;
            }
            if let Some(reply) = stop {
                self.take_snapshot().await;
                if let Err(e) = self.ownership.release(&self.store).await {
                    warn!(error = %e, "the floor's lease was not given back");
                }
                let _ = reply.send(());
                return;
            }
        }
    }

    fn take(&mut self, message: FloorMessage, batch: &mut Batch, stop: &mut Option<oneshot::Sender<()>>) {
        match message {
            FloorMessage::Input { input, reply } => self.decide(input, None, reply, batch),
            FloorMessage::Call { input, caller } => self.decide(input, Some(caller), None, batch),
            FloorMessage::View { reply } => {
                let _ = reply.send(self.floor.view(self.clock.now()));
            }
            FloorMessage::AgentView { agent, reply } => {
                let _ = reply.send(self.floor.agent_view(agent, self.clock.now()));
            }
            FloorMessage::Watch { agent, reply } => {
                let floor = &self.floor;
                let now = self.clock.now();
                let desk = self.desks.entry(agent).or_insert_with(|| {
                    watch::Sender::new(Arc::new(DeskState { seq: 1, view: floor.agent_view(agent, now) }))
                });
                let _ = reply.send(desk.subscribe());
            }
            FloorMessage::Stop { reply } => *stop = Some(reply),
        }
    }

    fn decide(&mut self, input: Input, caller: Option<CallerId>, reply: Option<Reply>, batch: &mut Batch) {
        let result = self.floor.handle(self.clock.now(), input);
        if let (Ok(Accepted { interaction: Some(interaction), .. }), Some(caller)) = (&result, caller) {
            self.callers.insert(*interaction, caller);
        }
        while let Some(mut effect) = self.floor.poll_effect() {
            self.show_caller(&mut effect);
            let waits = !effect.is_urgent() || batch.gated.iter().any(|earlier| effect.must_follow(earlier));
            if waits {
                batch.gated.push(effect);
            } else {
                self.outlet.carry_out(effect);
            }
        }
        while let Some(event) = self.floor.poll_event() {
            if let EventBody::InteractionEnded { interaction, .. } = &event.body {
                self.callers.remove(interaction);
            }
            batch.events.push(event);
        }
        match (reply, result) {
            (Some(reply), result) => batch.replies.push((reply, result)),
            // Nobody waits for it: a lease of an agent not signed in, a report of a device just deleted.
            (None, Err(rejected)) => debug!(code = rejected.code.as_str(), "input refused"),
            (None, Ok(_)) => {}
        }
    }

    /// A callee's phone shows who calls.
    fn show_caller(&self, effect: &mut Effect) {
        if let Effect::Leg(LegCommand::Originate { interaction: Some(interaction), from, .. }) = effect
            && let Some(caller) = self.callers.get(interaction)
        {
            *from = caller.clone();
        }
    }

    /// Journal first, then gated effects and replies.
    async fn finish(&mut self, batch: Batch) -> Result<(), Lost> {
        let Batch { events, gated, replies } = batch;
        if !events.is_empty() {
            self.append(&events).await?;
            self.durable.send_replace(self.floor.seq());
            (self.seen)(&events);
        }
        for effect in gated {
            self.outlet.carry_out(effect);
        }
        for (reply, result) in replies {
            let _ = reply.send(result.map_err(CommandError::from));
        }
        if !events.is_empty() {
            self.refresh_desks();
            if self.floor.seq() - self.snapshot_seq >= SNAPSHOT_EVERY {
                self.take_snapshot().await;
            }
        }
        Ok(())
    }

    async fn append(&mut self, events: &[Event]) -> Result<(), Lost> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.ownership.append(&self.store, events).await {
                Ok(()) => return Ok(()),
                Err(e) if e.is_fatal() => {
                    error!(error = %e, "events were decided that cannot be written");
                    return Err(Lost);
                }
                Err(e) => {
                    error!(error = %e, "the journal cannot be written; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }

    async fn take_snapshot(&mut self) {
        match self.ownership.snapshot(&self.store, &self.floor.snapshot()).await {
            Ok(()) => self.snapshot_seq = self.floor.seq(),
            Err(e) => warn!(error = %e, "no snapshot was written; the journal alone still restores the floor"),
        }
    }

    fn refresh_desks(&mut self) {
        let now = self.clock.now();
        let floor = &self.floor;
        self.desks.retain(|agent, desk| {
            let view = floor.agent_view(*agent, now);
            desk.send_if_modified(|state| {
                if state.view == view {
                    return false;
                }
                *state = Arc::new(DeskState { seq: state.seq + 1, view });
                true
            });
            desk.receiver_count() > 0
        });
    }
}
