//! One writer per floor: feeds inputs, makes the events they cause durable, then releases the effects they order.
//!
//! Inputs are taken in batches: urgent effects go out at once, the batch's events are saved together, then gated
//! effects and replies follow in order. While a batch is being saved inputs wait in the bounded inbox, at most for
//! 250 ms: then [`Saver`] goes on with the node's spool. If that fails too, deciding goes on without waiting: live calls
//! are served, what is gated is held, new work is refused. If the floor turns out to be owned elsewhere the task ends at
//! once: nothing gated leaves, nobody gets an answer.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use domain::address::masked;
use domain::effect::Effect;
use domain::event::{Event, EventBody};
use domain::floor::Floor;
use domain::id::{AddressId, AgentId, InteractionId};
use domain::input::{Accepted, Input, Rejected};
use domain::leg::{CallerId, Dial, LegCommand, RejectReason};
use domain::view::{AgentView, FloorView};
use store::{NewAddress, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, warn};

use crate::clock::Clock;
use crate::error::CommandError;
use crate::failure::{Failed, Failure, fail};
use crate::outlet::Outlet;
use crate::ownership::Ownership;
use crate::projector::{Fact, Feed};
use crate::saver::{Progress, Saver, Saving};

/// Inputs waiting for one floor. At 100,000 inputs per CPU-second this is well under a second of work.
pub const INBOX: usize = 16_384;
/// Inputs decided before one commit; bounds the latency of the first.
const BATCH: usize = 512;
/// Numbers kept of those called outside on behalf of one call.
const DIALLED_KEPT: usize = 32;
/// Events between snapshots: a restart replays at most this many.
const SNAPSHOT_EVERY: u64 = 20_000;

/// Told durable events; must not block.
pub type Witness = Arc<dyn Fn(&[Fact]) + Send + Sync>;

type Reply = oneshot::Sender<Result<Accepted, CommandError>>;

pub enum FloorMessage {
    Input {
        input: Input,
        reply: Option<Reply>,
    },
    /// A new call with what its callees are shown.
    Call {
        input: Input,
        persons: Persons,
        /// Outside persons' addresses whose rows are to be written with the call's first events.
        addresses: Vec<NewAddress>,
        reply: Option<Reply>,
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
    pub async fn call(&self, input: Input, persons: Persons, addresses: Vec<NewAddress>) -> Result<(), CommandError> {
        self.post(FloorMessage::Call { input, persons, addresses, reply: None }).await
    }

    /// A call of ours; waits until its beginning is durable.
    pub async fn dial(
        &self,
        input: Input,
        persons: Persons,
        address: Option<NewAddress>,
    ) -> Result<Accepted, CommandError> {
        let (reply, answer) = oneshot::channel();
        let addresses = Vec::from_iter(address);
        self.post(FloorMessage::Call { input, persons, addresses, reply: Some(reply) }).await?;
        answer.await.map_err(|_| CommandError::Stopping)?
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
    saver: Saver,
    /// Decided and not yet durable, in order.
    pending: VecDeque<Decided>,
    /// To be written with the next events.
    addresses: Vec<NewAddress>,
    /// How safe the floor's facts are, for those who look.
    saving: watch::Sender<Saving>,
    /// Durable events for parts of this process that may miss some (the demo caller).
    seen: Witness,
    feed: Arc<Feed>,
    desks: BTreeMap<AgentId, watch::Sender<Arc<DeskState>>>,
    /// Who calls and is called in live interactions: personal data, so the floor has only ids.
    callers: BTreeMap<InteractionId, Persons>,
    snapshot_seq: u64,
    failed: Failed,
}

/// The outside person of a call, as other phones and trunks are told of him.
#[derive(Debug, Clone, Default)]
pub struct Persons {
    /// What the phones of agents are shown.
    pub caller: CallerId,
    /// Of those called outside: the number as the trunks want it.
    pub dialled: Vec<(AddressId, String)>,
}

/// The floor is owned elsewhere.
struct Lost;

/// What follows when the events up to `last_seq` are durable.
#[derive(Default)]
struct Decided {
    last_seq: u64,
    /// As decided; [`FloorTask::keep`] makes facts of them.
    events: Vec<Event>,
    facts: Vec<Fact>,
    gated: Vec<Effect>,
    replies: Vec<(Reply, Result<Accepted, Rejected>)>,
}

/// What the outside watches of a floor's task.
pub struct Watched {
    /// The last event in the journal.
    pub journalled: watch::Receiver<u64>,
    pub saving: watch::Receiver<Saving>,
}

impl FloorTask {
    /// `callers`: of the calls that are live already.
    pub fn spawn(
        floor: Floor,
        callers: BTreeMap<InteractionId, Persons>,
        clock: Clock,
        store: Store,
        ownership: Ownership,
        outlet: Outlet,
        seen: Witness,
        feed: Arc<Feed>,
        failed: Failed,
    ) -> (FloorHandle, Watched) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let (journal, journalled) = watch::channel(floor.seq());
        let (saving, saving_seen) = watch::channel(Saving::Journal);
        let saver = Saver::new(ownership, store.clone(), journal);
        let snapshot_seq = floor.seq();
        let desks = BTreeMap::new();
        let failure = Failure::FloorEnded { floor: ownership.floor };
        let ended = failed.clone();
        let task = FloorTask {
            floor,
            clock,
            store,
            ownership,
            outlet,
            inbox,
            saver,
            pending: VecDeque::new(),
            addresses: Vec::new(),
            saving,
            seen,
            feed,
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
        (FloorHandle { inbox: sender }, Watched { journalled, saving: saving_seen })
    }

    async fn run(mut self) {
        let mut stop = None;
        loop {
            if stop.is_some() && self.saver.is_saved() {
                break;
            }
            let due = self.floor.next_timeout().map(|at| Instant::from_std(self.clock.instant(at)));
            let decides = stop.is_none() && !self.saver.keeps_waiting();
            let message = tokio::select! {
                biased;
                progress = self.saver.progress() => {
                    match progress {
                        Progress::Durable(seq) => self.release(seq),
                        Progress::Changed => {}
                        Progress::Lost => return fail(&self.failed, Failure::LostFloor { floor: self.ownership.floor }),
                    }
                    let saving = self.saver.saving();
                    self.saving.send_if_modified(|told| std::mem::replace(told, saving) != saving);
                    continue;
                }
                message = self.inbox.recv(), if decides => match message {
                    Some(message) => Some(message),
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if decides && due.is_some() => None,
            };
            let mut batch = Decided::default();
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
            if stop.is_some() {
                self.saver.hurry();
            }
            if let Err(Lost) = self.keep(batch) {
                return fail(&self.failed, Failure::LostFloor { floor: self.ownership.floor });
            }
        }
        // What the spool holds joins the journal at the next start, under this epoch: then the lease must stay as it is.
        if self.saver.saving() == Saving::Journal {
            if let Err(e) = self.ownership.snapshot(&self.store, &self.floor.snapshot()).await {
                warn!(error = %e, "no snapshot was written; the journal alone still restores the floor");
            }
            if let Err(e) = self.ownership.release(&self.store).await {
                warn!(error = %e, "the floor's lease was not given back");
            }
        }
        if let Some(reply) = stop {
            let _ = reply.send(());
        }
    }

    fn take(&mut self, message: FloorMessage, batch: &mut Decided, stop: &mut Option<oneshot::Sender<()>>) {
        match message {
            FloorMessage::Input { input: Input::WorkArrived { .. }, reply }
                if self.saver.saving() == Saving::Nowhere =>
            {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(CommandError::NotSaved));
                }
            }
            FloorMessage::Input { input, reply } => self.decide(input, None, reply, batch),
            FloorMessage::Call { input, persons, addresses, reply } => {
                self.addresses.extend(addresses);
                match input {
                    Input::Agent { .. } if self.saver.saving() == Saving::Nowhere => {
                        if let Some(reply) = reply {
                            let _ = reply.send(Err(CommandError::NotSaved));
                        }
                    }
                    Input::CallOffered { leg, .. } | Input::PhoneDialled { leg, .. }
                        if self.saver.saving() == Saving::Nowhere =>
                    {
                        self.outlet.carry_out(Effect::Leg(LegCommand::Reject { leg, why: RejectReason::Overload }));
                    }
                    input => self.decide(input, Some(persons), reply, batch),
                }
            }
            FloorMessage::View { reply } => {
                let mut view = self.floor.view(self.clock.now());
                view.degraded = self.saver.saving() != Saving::Journal;
                view.refusing = self.saver.saving() == Saving::Nowhere;
                let _ = reply.send(view);
            }
            FloorMessage::AgentView { agent, reply } => {
                let _ = reply.send(self.floor.agent_view(agent));
            }
            FloorMessage::Watch { agent, reply } => {
                let floor = &self.floor;
                let desk = self.desks.entry(agent).or_insert_with(|| {
                    watch::Sender::new(Arc::new(DeskState { seq: 1, view: floor.agent_view(agent) }))
                });
                let _ = reply.send(desk.subscribe());
            }
            FloorMessage::Stop { reply } => *stop = Some(reply),
        }
    }

    fn decide(&mut self, input: Input, persons: Option<Persons>, reply: Option<Reply>, batch: &mut Decided) {
        let result = self.floor.handle(self.clock.now(), input);
        if let (Ok(Accepted { interaction: Some(interaction), .. }), Some(persons)) = (&result, persons) {
            self.remember(*interaction, persons);
        }
        while let Some(mut effect) = self.floor.poll_effect() {
            self.show_caller(&mut effect);
            if self.saver.saving() == Saving::Nowhere {
                self.let_go(&effect);
            }
            let held = self.pending.iter().chain(std::iter::once(&*batch)).flat_map(|decided| &decided.gated);
            let waits = !effect.is_urgent() || held.into_iter().any(|earlier| effect.must_follow(earlier));
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

    /// Whoever is called outside on behalf of a call joins those known of it; the last few are enough.
    fn remember(&mut self, interaction: InteractionId, new: Persons) {
        let Some(known) = self.callers.get_mut(&interaction) else {
            self.callers.insert(interaction, new);
            return;
        };
        let again = |address: &AddressId| new.dialled.iter().any(|(a, _)| a == address);
        known.dialled.retain(|(address, _)| !again(address));
        known.dialled.extend(new.dialled);
        let spare = known.dialled.len().saturating_sub(DIALLED_KEPT);
        known.dialled.drain(..spare);
    }

    /// A callee's phone shows who calls, and a trunk is told whom to call.
    fn show_caller(&self, effect: &mut Effect) {
        if let Effect::Leg(LegCommand::Originate { interaction: Some(interaction), from, to, .. }) = effect
            && let Some(persons) = self.callers.get(interaction)
        {
            match to {
                // The company's own number is shown outside: the floor has said which.
                Dial::Trunk { address, number, .. } => {
                    let dialled = persons.dialled.iter().find(|(a, _)| a == address);
                    *number = dialled.map(|(_, number)| number.clone()).unwrap_or_default();
                }
                Dial::Device { .. } | Dial::Uri { .. } => {
                    *from = persons.caller.clone();
                    if self.floor.config().mask_numbers {
                        // A name may be the number again.
                        *from = CallerId { user: from.user.as_deref().map(masked), name: None, diverted: None };
                    }
                }
            }
        }
    }

    /// While nothing can be saved, a hang-up is not held behind what is held of its leg: that is dropped. A call not yet
    /// made stays, with its hang-up behind it.
    fn let_go(&mut self, effect: &Effect) {
        let Effect::Leg(LegCommand::Hangup { leg, .. }) = effect else { return };
        let made_later =
            |e: &Effect| matches!(e, Effect::Leg(LegCommand::Originate { leg: later, .. }) if later == leg);
        if self.pending.iter().flat_map(|decided| &decided.gated).any(made_later) {
            return;
        }
        for decided in &mut self.pending {
            decided.gated.retain(|held| !effect.must_follow(held));
        }
    }

    /// Journal first, then gated effects and replies.
    fn keep(&mut self, mut decided: Decided) -> Result<(), Lost> {
        decided.last_seq = self.floor.seq();
        if !decided.events.is_empty() {
            let facts = decided.events.drain(..).map(Fact::new).collect::<Result<Vec<_>, _>>();
            let pushed = facts.and_then(|facts| {
                self.saver.push(&facts, std::mem::take(&mut self.addresses))?;
                Ok(facts)
            });
            match pushed {
                Ok(facts) => decided.facts = facts,
                Err(e) => {
                    error!(error = %e, "events were decided that cannot be written");
                    return Err(Lost);
                }
            }
        }
        if !decided.gated.is_empty() || !decided.replies.is_empty() {
            self.saver.hurry();
        }
        if self.saver.is_saved() {
            self.carry_out(decided);
        } else {
            self.pending.push_back(decided);
        }
        Ok(())
    }

    /// Everything up to this event is durable.
    fn release(&mut self, seq: u64) {
        while let Some(decided) = self.pending.pop_front_if(|decided| decided.last_seq <= seq) {
            self.carry_out(decided);
        }
        self.refresh_desks();
        if self.saver.saving() == Saving::Journal && self.floor.seq() - self.snapshot_seq >= SNAPSHOT_EVERY {
            self.take_snapshot();
        }
    }

    fn carry_out(&mut self, decided: Decided) {
        let Decided { facts, gated, replies, .. } = decided;
        if !facts.is_empty() {
            (self.seen)(&facts);
            self.feed.push(facts);
        }
        for effect in gated {
            self.outlet.carry_out(effect);
        }
        for (reply, result) in replies {
            let _ = reply.send(result.map_err(CommandError::from));
        }
    }

    /// Beside everything else: a floor does not wait for it, and the journal alone restores it too.
    fn take_snapshot(&mut self) {
        let snapshot = self.floor.snapshot();
        self.snapshot_seq = snapshot.seq;
        let (ownership, store) = (self.ownership, self.store.clone());
        tokio::spawn(async move {
            if let Err(e) = ownership.snapshot(&store, &snapshot).await {
                warn!(error = %e, "no snapshot was written; the journal alone still restores the floor");
            }
        });
    }

    fn refresh_desks(&mut self) {
        let floor = &self.floor;
        self.desks.retain(|agent, desk| {
            let view = floor.agent_view(*agent);
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
