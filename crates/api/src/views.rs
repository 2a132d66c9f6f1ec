//! Floor views with names and addresses filled in: the desk and the live board.
use std::borrow::Cow;
use std::collections::HashMap;

use domain::command::Presence as FloorPresence;
use domain::config::{DeviceKind, TenantConfig};
use domain::id::{AddressId, AgentId, DeviceId, LegId, NumberId, QueueId, TenantId};
use domain::leg::Grade;
use domain::view::{AgentView, FloorView, LiveView as FloorInteraction, PartyView, QueueView, WatchingView, WorkView};
use engine::LiveQuality;

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::command::{TargetAgent, TargetDevice, TargetQueue, Targets};
use crate::dto::common::{AgentRef, Localized, QueueRef};
use crate::dto::desk::{
    AddressView, Choice, DeskDevice, DeskHandover, DeskOffer, DeskParked, DeskParty, DeskView, DeskWatcher, DeskWork,
    NumberRef, Watching,
};
use crate::dto::live::{LiveAgent, LiveInteraction, LiveQueue, LiveSegment, LiveTotals, LiveView, LiveWork};
use crate::dto::quality::{CallQuality, Quality};
use crate::dto::recording::RecordState;
use crate::error::ApiResult;

/// Addresses by row id, as fetched for one view.
pub type Addresses = HashMap<AddressId, AddressView>;

/// How long sockets wait for names and numbers.
pub const LOOK_UP: std::time::Duration = std::time::Duration::from_millis(500);

/// Reads the addresses that `known` does not hold yet.
pub async fn load_addresses(
    app: &App,
    tenant: TenantId,
    ids: impl IntoIterator<Item = AddressId>,
    known: &mut Addresses,
) -> ApiResult<()> {
    let missing: Vec<AddressId> = ids.into_iter().filter(|id| !known.contains_key(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for row in app.store().addresses(tenant, &missing).await? {
        known.insert(row.id, (&row).into());
    }
    Ok(())
}

/// As this person may see them.
pub fn shown<'a>(caller: &Caller, known: &Known, addresses: &'a Addresses) -> Cow<'a, Addresses> {
    if !caller.sees_masked(&known.config) {
        return Cow::Borrowed(addresses);
    }
    let mut masked = addresses.clone();
    masked.values_mut().for_each(AddressView::mask);
    Cow::Owned(masked)
}

pub fn queue_ref(known: &Known, id: QueueId) -> QueueRef {
    let name = match known.config.queues.get(&id) {
        Some(queue) => queue.name.clone().into(),
        // Deleted: its row still knows the name.
        None => Localized { zh: known.queues.get(&id).cloned(), en: None },
    };
    QueueRef { id, name }
}

pub fn agent_ref(known: &Known, id: AgentId) -> AgentRef {
    let name = known.config.agents.get(&id).map(|a| &a.name).or_else(|| known.agents.get(&id));
    AgentRef { id, name: name.cloned().unwrap_or_else(|| id.to_string()) }
}

pub fn number_ref(config: &TenantConfig, id: NumberId) -> Option<NumberRef> {
    config.numbers.get(&id).map(|n| NumberRef { id, number: n.number.clone(), name: n.name.clone().into() })
}

fn device_kind(kind: &DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Browser => "browser",
        DeviceKind::Sip { .. } => "sip",
        DeviceKind::Uri { .. } => "uri",
    }
}

/// The addresses a desk shows.
pub fn desk_addresses(view: &AgentView) -> Vec<AddressId> {
    let work = view.work.iter().flat_map(|w| {
        let parties = w.consult.iter().chain(&w.others).filter_map(|p| p.outside);
        w.from.into_iter().chain(w.diverted).chain(parties)
    });
    let offers = view.offers.iter().flat_map(|o| o.from.into_iter().chain(o.diverted));
    offers.chain(work).chain(view.parked.iter().filter_map(|p| p.from)).collect()
}

/// `blocked`: a reason the socket knows (microphone, not leading) that the floor does not.
pub fn desk(view: &AgentView, known: &Known, addresses: &Addresses, blocked: Option<&'static str>) -> DeskView {
    let config = &known.config;
    let agent = config.agents.get(&view.agent);
    let device = view.device.as_ref();
    let wants_work = view.signed_in && view.presence == FloorPresence::Available;
    let not_ready = device.is_none_or(|d| !d.ready).then_some("device.not_ready");
    DeskView {
        agent: agent_ref(known, view.agent),
        extension: agent.map(|a| a.extension.clone()).unwrap_or_default(),
        signed_in: view.signed_in,
        leaving: view.leaving,
        presence: view.presence.into(),
        presence_since_at: view.presence_since.0,
        occupancy: view.occupancy,
        occupancy_since_at: view.occupancy_since.0,
        device: device.map(|d| desk_device(config, d)),
        blocked: blocked.or(not_ready.filter(|_| wants_work)).map(str::to_owned),
        offers: view
            .offers
            .iter()
            .map(|o| DeskOffer {
                offer: o.offer,
                interaction: o.interaction,
                segment: o.segment,
                medium: o.medium.into(),
                queue: o.queue.map(|q| queue_ref(known, q)),
                from: o.from.and_then(|a| addresses.get(&a).cloned()),
                diverted: o.diverted.and_then(|a| addresses.get(&a).cloned()),
                verified: o.verified.map(Into::into),
                number: o.number.and_then(|n| number_ref(config, n)),
                device_rings: o.device_rings,
                since_at: o.since.0,
                until_at: o.until.0,
                waited_ms: o.waited_ms,
                handover: o
                    .handover
                    .map(|h| DeskHandover { kind: h.kind, by: h.by.map(|agent| agent_ref(known, agent)) }),
            })
            .collect(),
        work: view.work.iter().map(|w| desk_work(w, known, addresses)).collect(),
        parked: view
            .parked
            .iter()
            .map(|p| DeskParked {
                interaction: p.interaction,
                place: p.place,
                by: agent_ref(known, p.by),
                queue: p.queue.map(|q| queue_ref(known, q)),
                from: p.from.and_then(|a| addresses.get(&a).cloned()),
                since_at: p.since.0,
                until_at: p.until.0,
            })
            .collect(),
        queues: config
            .queues
            .values()
            .filter(|q| q.members.iter().any(|m| m.agent == view.agent))
            .map(|q| queue_ref(known, q.id))
            .collect(),
        break_reasons: config
            .break_reasons
            .iter()
            .map(|(id, name)| Choice { id: id.to_string(), name: name.clone().into() })
            .collect(),
    }
}

fn desk_device(config: &TenantConfig, d: &domain::view::DeviceView) -> DeskDevice {
    let device = config.devices.get(&d.device);
    DeskDevice {
        id: d.device,
        name: device.map(|d| d.name.clone()).unwrap_or_default(),
        kind: device.map_or("browser", |d| device_kind(&d.kind)).to_owned(),
        ready: d.ready,
        lost: d.lost,
        since_at: d.since.0,
    }
}

fn desk_work(w: &WorkView, known: &Known, addresses: &Addresses) -> DeskWork {
    let config = &known.config;
    DeskWork {
        interaction: w.interaction,
        segment: w.segment,
        medium: w.medium.into(),
        direction: w.direction,
        queue: w.queue.map(|q| queue_ref(known, q)),
        from: w.from.and_then(|a| addresses.get(&a).cloned()),
        diverted: w.diverted.and_then(|a| addresses.get(&a).cloned()),
        verified: w.verified.map(Into::into),
        number: w.number.and_then(|n| number_ref(config, n)),
        lang: w.lang.into(),
        state: w.state,
        state_since_at: w.state_since.0,
        started_at: w.started.0,
        answered_at: w.answered.map(|t| t.0),
        talk_ms: w.talk_ms,
        hold_ms: w.hold_ms,
        muted: w.muted,
        peer_held: w.peer_held,
        recording: w.recording,
        record: w.record.map(|r| RecordState {
            on: r.on,
            on_demand: r.on_demand,
            mode: r.mode.into(),
            of: r.of.into(),
        }),
        masked_until_at: w.masked_until.map(|t| t.0),
        dispositions: w
            .dispositions
            .iter()
            .filter_map(|id| Some(Choice { id: id.to_string(), name: config.dispositions.get(id)?.clone().into() }))
            .collect(),
        disposition: w.disposition,
        disposition_required: w.disposition_required,
        wrap_up_until_at: w.wrap_up_until.map(|t| t.0),
        variables: w.variables.clone(),
        consult: w.consult.as_ref().map(|p| party(p, known, addresses)),
        asked_by: w.asked_by.map(|agent| agent_ref(known, agent)),
        others: w.others.iter().map(|p| party(p, known, addresses)).collect(),
        watchers: w.watchers.iter().map(|s| DeskWatcher { agent: agent_ref(known, s.agent), mode: s.mode }).collect(),
        watching: w.watching.as_ref().map(|s| watching(s, known)),
    }
}

fn party(p: &PartyView, known: &Known, addresses: &Addresses) -> DeskParty {
    let device = p.device.and_then(|d| known.config.devices.get(&d)).map(|d| d.name.clone());
    let outside = p.outside.and_then(|a| addresses.get(&a)).map(|a| a.text.clone());
    let name = p.agent.map(|a| agent_ref(known, a).name).or(device).or(outside).unwrap_or_default();
    DeskParty { segment: p.segment, name, state: p.state }
}

fn watching(w: &WatchingView, known: &Known) -> Watching {
    Watching { target: w.target, agent: w.agent.map(|agent| agent_ref(known, agent)), mode: w.mode }
}

/// What `agent` may send a customer to, or ask about him.
pub fn targets(view: &FloorView, known: &Known, agent: AgentId) -> Targets {
    let config = &known.config;
    let mut agents: Vec<TargetAgent> = view
        .agents
        .iter()
        .filter(|a| a.agent != agent && a.signed_in)
        .map(|a| TargetAgent {
            id: a.agent,
            name: agent_ref(known, a.agent).name,
            extension: config.agents.get(&a.agent).map(|c| c.extension.clone()).unwrap_or_default(),
            free: a.presence == FloorPresence::Available
                && a.occupancy == domain::command::Occupancy::Idle
                && !a.leaving
                && a.device.as_ref().is_some_and(|d| d.ready),
            occupancy: a.occupancy,
            presence: a.presence.into(),
        })
        .collect();
    agents.sort_by(|a, b| b.free.cmp(&a.free).then_with(|| a.name.cmp(&b.name)));
    Targets {
        agents,
        queues: view
            .queues
            .iter()
            .map(|q| TargetQueue {
                id: q.queue,
                name: queue_ref(known, q.queue).name,
                open: q.open,
                waiting: q.waiting,
                idle: q.agents.idle,
            })
            .collect(),
        devices: config
            .devices
            .values()
            .filter(|d| d.kind != DeviceKind::Browser && d.agent.is_none())
            .map(|d| TargetDevice { id: d.id, name: d.name.clone() })
            .collect(),
        flows: config.flows.values().map(|f| Choice { id: f.id.to_string(), name: f.name.clone().into() }).collect(),
    }
}

pub fn live_addresses(view: &FloorView) -> Vec<AddressId> {
    let work = view.agents.iter().flat_map(|a| a.work.iter().filter_map(|w| w.from));
    view.interactions.iter().filter_map(|i| i.from).chain(work).collect()
}

/// How both ends of this work sound at the moment, if that is known of one.
pub fn call_quality(w: &WorkView, quality: &LiveQuality) -> Option<CallQuality> {
    let of = |leg: Option<LegId>| leg.and_then(|leg| quality.of(leg)).map(Into::into);
    // Who only watches has no customer of his own.
    let customer = if w.watching.is_some() { None } else { of(w.customer) };
    let call = CallQuality { segment: w.segment, own: of(w.leg), customer };
    (call.own.is_some() || call.customer.is_some()).then_some(call)
}

pub fn live(view: &FloorView, known: &Known, addresses: &Addresses, quality: &LiveQuality) -> LiveView {
    LiveView {
        at: view.at.0,
        totals: LiveTotals {
            counts: view.counts.into(),
            calls: view.calls,
            calls_max: view.calls_max,
            seats: view.seats,
            seats_max: view.seats_max,
            degraded: view.degraded,
            refusing: view.refusing,
        },
        queues: view.queues.iter().map(|q| live_queue(q, view, known)).collect(),
        agents: view.agents.iter().map(|a| live_agent(a, known, addresses, quality)).collect(),
        interactions: view.interactions.iter().map(|i| live_interaction(i, known, addresses)).collect(),
    }
}

fn live_queue(q: &QueueView, view: &FloorView, known: &Known) -> LiveQueue {
    LiveQueue {
        id: q.queue,
        name: queue_ref(known, q.queue).name,
        open: q.open,
        waiting: q.waiting,
        longest_since_at: (q.waiting > 0).then(|| view.at.0 - i64::try_from(q.longest_wait_ms).unwrap_or(0)),
        agents: q.agents.into(),
        today: (&q.today).into(),
    }
}

fn live_agent(a: &AgentView, known: &Known, addresses: &Addresses, quality: &LiveQuality) -> LiveAgent {
    let is_poor = |end: &Option<Quality>| end.is_some_and(|q| q.grade != Grade::Good);
    let config = &known.config;
    let device: Option<DeviceId> = a.device.as_ref().map(|d| d.device);
    LiveAgent {
        id: a.agent,
        name: agent_ref(known, a.agent).name,
        extension: config.agents.get(&a.agent).map(|a| a.extension.clone()).unwrap_or_default(),
        team: a.team,
        signed_in: a.signed_in,
        leaving: a.leaving,
        presence: a.presence.into(),
        break_reason: match a.presence {
            FloorPresence::Break { reason } => config.break_reasons.get(&reason).map(|n| n.clone().into()),
            FloorPresence::Available | FloorPresence::Offline => None,
        },
        presence_since_at: a.presence_since.0,
        occupancy: a.occupancy,
        occupancy_since_at: a.occupancy_since.0,
        device_ready: a.device.as_ref().is_some_and(|d| d.ready),
        device_kind: device.and_then(|d| config.devices.get(&d)).map(|d| device_kind(&d.kind).to_owned()),
        work: a
            .work
            .iter()
            .map(|w| LiveWork {
                interaction: w.interaction,
                queue: w.queue,
                medium: w.medium.into(),
                from: w.from.and_then(|id| addresses.get(&id).cloned()),
                state: w.state,
                state_since_at: w.state_since.0,
                segment: w.segment,
                recorded: w.record.is_some_and(|r| r.on),
                masked_until_at: w.masked_until.map(|t| t.0),
                watching: w.watching.as_ref().map(|s| watching(s, known)),
                // A row that changes with every look would be sent with every look.
                quality: call_quality(w, quality).filter(|q| is_poor(&q.own) || is_poor(&q.customer)),
            })
            .collect(),
    }
}

fn live_interaction(i: &FloorInteraction, known: &Known, addresses: &Addresses) -> LiveInteraction {
    LiveInteraction {
        id: i.interaction,
        medium: i.medium.into(),
        direction: i.direction,
        number: i.number.and_then(|n| number_ref(&known.config, n)),
        from: i.from.and_then(|id| addresses.get(&id).cloned()),
        started_at: i.started.0,
        segments: i
            .segments
            .iter()
            .map(|s| LiveSegment {
                segment: s.segment,
                queue: s.queue,
                agent: s.agent,
                state: s.state,
                started_at: s.started.0,
                state_since_at: s.state_since.0,
                recorded: s.recorded,
                watching: s.watching.as_ref().map(|w| watching(w, known)),
            })
            .collect(),
        masked_until_at: i.masked_until.map(|t| t.0),
    }
}
