//! Telephony's events on their way to floors: addresses become ids, device reports go to the hub, recordings to
//! the shipper. One task; order per leg is kept although an address may have to be looked up first.
use std::collections::HashMap;
use std::sync::Arc;

use domain::address::Address;
use domain::device::DeviceReport;
use domain::id::{AddressId, LegId, NumberId, TenantId};
use domain::input::{CallFacts, Input};
use domain::leg::{CallerId, Claims, LegCommand, LegEvent, RejectReason, Via};
use store::NewAddress;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::engine::Shared;
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

/// A call whose caller has an id, as has whoever was called first.
struct Stored {
    call: NewCall,
    from: AddressId,
    diverted: Option<AddressId>,
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
        match &event {
            LegEvent::Dialled { leg, tenant, .. } => self.shared.routes.learn_offered(*leg, *tenant),
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

    fn new_call(&mut self, call: NewCall) {
        let NewCall { leg, tenant, .. } = call;
        if self.parked.len() >= INTAKE_MAX || self.shared.floor(tenant).is_none() {
            let _ = (self.shared.down)(Down::Leg(LegCommand::Reject { leg, why: RejectReason::Overload }));
            return;
        }
        self.shared.routes.learn_offered(leg, tenant);
        self.parked.insert(leg, Vec::new());
        let (shared, sender) = (self.shared.clone(), self.stored_sender.clone());
        tokio::spawn(async move {
            let (from, caller) = shared.address_id(tenant, call.from.clone(), call.name.clone()).await;
            let mut new = Vec::from_iter(caller);
            let mut diverted = None;
            if let Some(first) = call.claims.diverted.clone() {
                let (id, row) = shared.address_id(tenant, first, None).await;
                diverted = Some(id);
                new.extend(row);
            }
            // The intake outlives its senders unless the process is ending.
            let _ = sender.send(Stored { call, from, diverted, new }).await;
        });
    }

    async fn offered(&mut self, stored: Stored) {
        let Stored { call, from, diverted, new } = stored;
        let NewCall { leg, tenant, number, from: address, name, via, claims } = call;
        let parked = self.parked.remove(&leg).unwrap_or_default();
        let Some(floor) = self.shared.floor(tenant) else {
            let _ = (self.shared.down)(Down::Leg(LegCommand::Reject { leg, why: RejectReason::Overload }));
            for event in parked {
                // Nobody wants it, but the end of the leg makes the routes forget it.
                self.shared.routes.tenant_of(&event);
            }
            return;
        };
        let user = shown(&address);
        if let (Some(user), Via::Loopback) = (&user, via) {
            // Before the floor: its events, which the demo caller waits for, cannot come earlier.
            self.shared.demo.incoming(user, leg);
        }
        let known = CallFacts { diverted, verified: claims.verified };
        let input = Input::CallOffered { leg, number, from, via, known };
        if floor.call(input, CallerId { user, name, diverted: None }, new).await.is_err() {
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
