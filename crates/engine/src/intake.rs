//! Telephony's events on their way to floors: addresses become ids, device reports go to the hub, recordings to
//! the shipper. One task; order per leg is kept although an address may have to be looked up first.
use std::collections::HashMap;
use std::sync::Arc;

use domain::address::Address;
use domain::command::Target;
use domain::device::DeviceReport;
use domain::id::{DeviceId, LegId, NumberId, TenantId};
use domain::input::{CallFacts, Input, PhoneCall, RejectCode};
use domain::keys::{Dialled, dialled};
use domain::leg::{CallerId, Claims, LegCommand, LegEvent, RejectReason, Via};
use domain::outbound::Plan;
use store::NewAddress;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::engine::Shared;
use crate::floor_task::Persons;
use crate::port::{Down, Up};

/// Calls whose address is being looked up; beyond it new calls are refused with 503.
const INTAKE_MAX: usize = 4_096;
/// Events kept per call meanwhile (ringing, digits, hang-up).
const PARKED_MAX: usize = 64;

pub struct Intake {
    shared: Arc<Shared>,
    up: mpsc::Receiver<Up>,
    parked: HashMap<LegId, Vec<LegEvent>>,
    stored: mpsc::Receiver<Stored>,
    stored_sender: mpsc::Sender<Stored>,
}

/// What [`LegEvent::Offered`] says.
struct NewCall {
    leg: LegId,
    tenant: TenantId,
    number: NumberId,
    from: Address,
    name: Option<String>,
    via: Via,
    claims: Claims,
}

/// A call whose persons have ids, for the floor.
struct Stored {
    leg: LegId,
    tenant: TenantId,
    input: Input,
    persons: Persons,
    /// From this machine: perhaps the demo caller.
    loopback: bool,
    /// The rows to be written with it.
    new: Vec<NewAddress>,
}

/// The user part of a SIP From that shows this address.
pub fn shown(address: &Address) -> Option<String> {
    match address {
        Address::Phone { raw, e164, .. } => Some(e164.as_ref().unwrap_or(raw).clone()),
        Address::Extension { number } => Some(number.clone()),
        Address::SipUri { uri } => uri.strip_prefix("sip:").and_then(|u| u.split('@').next()).map(str::to_owned),
        Address::Email { .. } | Address::Social { .. } | Address::Withheld => None,
    }
}

impl Intake {
    /// Runs until telephony has gone or `stop` is told; then what telephony has sent so far is still taken.
    pub fn spawn(shared: Arc<Shared>, up: mpsc::Receiver<Up>, stop: oneshot::Receiver<()>) -> JoinHandle<()> {
        let (stored_sender, stored) = mpsc::channel(INTAKE_MAX);
        let intake = Self { shared, up, parked: HashMap::new(), stored, stored_sender };
        tokio::spawn(intake.run(stop))
    }

    async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut stopping = false;
        loop {
            tokio::select! {
                _ = &mut stop, if !stopping => {
                    stopping = true;
                    self.up.close();
                }
                up = self.up.recv() => match up {
                    Some(Up::Leg(event)) => self.leg(event).await,
                    Some(Up::Device(report)) => self.device(report).await,
                    Some(Up::Trunk(report)) => crate::trunks::report(&self.shared, report).await,
                    None => return,
                },
                stored = self.stored.recv() => if let Some(stored) = stored {
                    self.offered(stored).await;
                },
            }
        }
    }

    async fn leg(&mut self, event: LegEvent) {
        if let LegEvent::Offered { leg, tenant, number, from, name, via, claims } = event {
            // Many a network gives the number once more as the name.
            let name = name.filter(|name| domain::address::is_name(name));
            return self.new_call(NewCall { leg, tenant, number, from, name, via, claims });
        }
        if let LegEvent::Dialled { leg, tenant, device, keys } = event {
            return self.dialled(leg, tenant, device, keys);
        }
        match &event {
            LegEvent::ReplaceAsked { leg, tenant, .. } => self.shared.routes.learn_offered(*leg, *tenant),
            LegEvent::Quality { leg, quality } => return self.shared.quality.put(*leg, *quality),
            LegEvent::Ended { leg, .. } => self.shared.quality.ended(*leg),
            _ => {}
        }
        if let Some(leg) = event.leg() {
            if self.shared.demo.owns(leg) {
                return self.shared.demo.leg_event(&event);
            }
            if let Some(parked) = self.parked.get_mut(&leg) {
                // The end must get through; other events beyond the bound are noise of a flooding peer.
                if parked.len() < PARKED_MAX || matches!(event, LegEvent::Ended { .. }) {
                    parked.push(event);
                }
                return;
            }
        }
        self.to_floor(event).await;
    }

    async fn to_floor(&self, event: LegEvent) {
        let Some(tenant) = self.shared.routes.tenant_of(&event) else { return };
        let ended = match &event {
            LegEvent::RecordingEnded { recording, length_ms, .. } => Some((*recording, *length_ms)),
            _ => None,
        };
        if let Some(floor) = self.shared.floor(tenant)
            && floor.tell(Input::Leg(event)).await.is_err()
        {
            warn!(%tenant, "the floor is stopping; a leg event was not taken");
        }
        // After the floor, which thus learns of the end before it learns that the recording is stored.
        if let Some((recording, length_ms)) = ended {
            self.shared.shipper.recording_ended(tenant, recording, length_ms);
        }
    }

    /// Events of the leg wait from here on, until [`Self::stored`]. False: there is no room, and the call is refused.
    fn park(&mut self, leg: LegId, tenant: TenantId) -> bool {
        if self.parked.len() >= INTAKE_MAX || self.shared.floor(tenant).is_none() {
            let _ = (self.shared.down)(Down::Leg(LegCommand::Reject { leg, why: RejectReason::Overload }));
            return false;
        }
        self.shared.routes.learn_offered(leg, tenant);
        self.parked.insert(leg, Vec::new());
        true
    }

    fn new_call(&mut self, call: NewCall) {
        let NewCall { leg, tenant, number, from: address, name, via, claims } = call;
        if !self.park(leg, tenant) {
            return;
        }
        let (shared, sender) = (self.shared.clone(), self.stored_sender.clone());
        tokio::spawn(async move {
            let user = shown(&address);
            let (from, caller) = shared.address_id(tenant, address, name.clone()).await;
            let mut new = Vec::from_iter(caller);
            let mut diverted = None;
            if let Some(first) = claims.diverted {
                let (id, row) = shared.address_id(tenant, first, None).await;
                diverted = Some(id);
                new.extend(row);
            }
            let known = CallFacts { diverted, verified: claims.verified };
            let input = Input::CallOffered { leg, number, from, via, known };
            let persons = Persons { caller: CallerId { user, name, diverted: None }, dialled: Vec::new() };
            // The intake outlives its senders unless the process is ending.
            let _ = sender.send(Stored { leg, tenant, input, persons, loopback: via == Via::Loopback, new }).await;
        });
    }

    /// What was dialled stays here: the floor learns whom it means.
    fn dialled(&mut self, leg: LegId, tenant: TenantId, device: DeviceId, keys: String) {
        if !self.park(leg, tenant) {
            return;
        }
        let (shared, sender) = (self.shared.clone(), self.stored_sender.clone());
        tokio::spawn(async move {
            let (mut persons, mut new) = (Persons::default(), None);
            let call = match shared.config(tenant) {
                None => PhoneCall::Nowhere(RejectCode::DeviceUnknown),
                Some(config) => match dialled(&config, &keys) {
                    Dialled::Place(place) => PhoneCall::Place(place),
                    Dialled::Nowhere(code) => PhoneCall::Nowhere(code),
                    Dialled::Inside(to) => {
                        let mut from = None;
                        if let Some((address, name)) = domain::keys::caller(&config, device) {
                            persons.caller = CallerId { user: shown(&address), name: None, diverted: None };
                            let (id, row) = shared.address_id(tenant, address, Some(name.clone())).await;
                            persons.caller.name = Some(name);
                            (from, new) = (Some(id), row);
                        }
                        PhoneCall::To { to, from }
                    }
                    Dialled::Outside(Plan { address, class, number, trunks, caller }) => {
                        persons.caller = CallerId { user: shown(&address), name: None, diverted: None };
                        let (address, row) = shared.address_id(tenant, address, None).await;
                        persons.dialled.push((address, number));
                        new = row;
                        PhoneCall::To { to: Target::Outside { address, class, trunks, caller }, from: None }
                    }
                },
            };
            let input = Input::PhoneDialled { leg, device, call };
            let new = Vec::from_iter(new);
            let _ = sender.send(Stored { leg, tenant, input, persons, loopback: false, new }).await;
        });
    }

    async fn offered(&mut self, stored: Stored) {
        let Stored { leg, tenant, input, persons, loopback, new } = stored;
        let parked = self.parked.remove(&leg).unwrap_or_default();
        let Some(floor) = self.shared.floor(tenant) else {
            let _ = (self.shared.down)(Down::Leg(LegCommand::Reject { leg, why: RejectReason::Overload }));
            for event in parked {
                // Nobody wants it, but the end of the leg makes the routes forget it.
                self.shared.routes.tenant_of(&event);
            }
            return;
        };
        if let (Some(user), true) = (&persons.caller.user, loopback) {
            // Before the floor: its events, which the demo caller waits for, cannot come earlier.
            self.shared.demo.incoming(user, leg);
        }
        if floor.call(input, persons, new).await.is_err() {
            warn!(%tenant, "the floor is stopping; a call was not taken");
        }
        for event in parked {
            self.to_floor(event).await;
        }
    }

    async fn device(&self, report: DeviceReport) {
        let report = match report {
            // Of no interest to desks and floors.
            DeviceReport::Binding { device, bindings } => {
                if let Some(tenant) = self.shared.tenant_of_device(device) {
                    self.shared.bindings.changed(tenant, device, bindings);
                }
                return;
            }
            report => report,
        };
        let input = match &report {
            DeviceReport::Ready { device, .. } => Some((*device, Input::DeviceReady { device: *device })),
            DeviceReport::Lost { device, why, .. } => Some((*device, Input::DeviceLost { device: *device, why: *why })),
            DeviceReport::Binding { .. }
            | DeviceReport::Answer { .. }
            | DeviceReport::Refused { .. }
            | DeviceReport::GuestCall { .. } => None,
        };
        if let Some((device, input)) = input
            && let Some(tenant) = self.shared.tenant_of_device(device)
            && let Some(floor) = self.shared.floor(tenant)
            && floor.tell(input).await.is_err()
        {
            warn!(%tenant, "the floor is stopping; a device report was not taken");
        }
        self.shared.devices.report(report);
    }
}
