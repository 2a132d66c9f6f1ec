//! Registered phones and URI devices: which are reachable, where, and the reports about it.
//!
//! The registrar itself is the SIP endpoint's; the switch keeps a copy by device, because calls go to devices. Reports are
//! gathered (decision 29): a change is told within [`TELL`], a mere new expiry only when half of what was told last has
//! passed, so that phones which come often cost nobody anything.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use domain::device::{Binding, DeviceLoss, DeviceReport};
use domain::directory::DeviceEntryKind;
use domain::id::DeviceId;
use sip::Hop;
use sip::registrar::{BindingChange, BindingRecord};

use crate::inbound::split_key;
use crate::io::Output;
use crate::policy;
use crate::switch::Switch;

/// SIP and URI devices have one life only; generations are for peer connections.
const GENERATION: u64 = 0;
/// Changes of many devices within this share one journal entry and one statement of the database. Shorter than anybody
/// reaches for a phone that has just come up.
const TELL: Duration = Duration::from_millis(200);

/// A device with contacts, and what was told of it.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) bindings: Vec<sip::registrar::Binding>,
    /// Reported ready.
    is_ready: bool,
    /// Of the contacts told last, without their expiry; `None` when none were.
    told: Option<u64>,
    /// When what was told last has lived for half of its time.
    renew_at: Duration,
    /// The next report, also in [`Switch::tells`].
    tell_at: Option<Duration>,
    /// Why the last contact went.
    loss: DeviceLoss,
}

impl Registered {
    fn new() -> Self {
        Self {
            bindings: Vec::new(),
            is_ready: false,
            told: None,
            renew_at: Duration::ZERO,
            tell_at: None,
            loss: DeviceLoss::Unregistered,
        }
    }

    /// What is worth telling at once when it changes.
    fn identity(&self) -> Option<u64> {
        // A sum, as their order means nothing.
        let hash_of = |binding: &sip::registrar::Binding| {
            let mut hash = DefaultHasher::new();
            let at = (binding.hop.transport, binding.hop.remote);
            (binding.contact.to_string(), at, &binding.call_id, &binding.path).hash(&mut hash);
            hash.finish()
        };
        self.bindings.iter().map(hash_of).reduce(u64::wrapping_add)
    }

    /// The present contacts are known outside.
    fn is_told(&mut self, now: Duration) {
        self.told = self.identity();
        let first = self.bindings.iter().map(|b| b.expires_at).min().unwrap_or_default();
        self.renew_at = now + first.saturating_sub(now) / 2;
    }
}

impl Switch {
    pub(crate) fn on_registration(&mut self, aor: &str, change: BindingChange) {
        let (binding, why) = match change {
            BindingChange::Bound(binding) => (binding, None),
            BindingChange::Removed(binding) => (binding, Some(DeviceLoss::Unregistered)),
            BindingChange::Expired(binding) | BindingChange::Disconnected(binding) => {
                (binding, Some(DeviceLoss::RegistrationExpired))
            }
        };
        let account = split_key(&binding.user).and_then(|(user, realm)| policy::account(&self.directory, user, realm));
        let Some(device) = account.map(|a| a.device) else {
            tracing::debug!("a registration of an account that has gone");
            return self.forget_contact(aor, &binding);
        };
        let state = self.registered.entry(device).or_insert_with(Registered::new);
        state.bindings.retain(|b| !same(b, &binding));
        match why {
            None => state.bindings.push(binding),
            Some(why) => state.loss = why,
        }
        self.plan_tell(device);
    }

    /// The account has left the directory; what the device table still holds of the contact goes.
    fn forget_contact(&mut self, _aor: &str, binding: &sip::registrar::Binding) {
        let holds = |state: &Registered| state.bindings.iter().any(|b| same(b, binding));
        let holders: Vec<DeviceId> =
            self.registered.iter().filter(|(_, state)| holds(state)).map(|(device, _)| *device).collect();
        for device in holders {
            if let Some(state) = self.registered.get_mut(&device) {
                state.bindings.retain(|b| !same(b, binding));
                state.loss = DeviceLoss::Unregistered;
            }
            self.plan_tell(device);
        }
    }

    /// Decides when the device's state is told: with the next gathering if it is another, late if only time went by.
    fn plan_tell(&mut self, device: DeviceId) {
        let Some(state) = self.registered.get_mut(&device) else { return };
        let soon = next_gathering(self.now);
        let at = if state.identity() == state.told { state.renew_at.max(soon) } else { soon };
        if state.tell_at.is_none_or(|planned| at < planned) {
            if let Some(planned) = state.tell_at.replace(at) {
                self.tells.remove(&(planned, device));
            }
            self.tells.insert((at, device));
        }
        if self.draining {
            self.tell_registrations(Duration::MAX);
        }
    }

    /// Tells what was planned up to `until`.
    pub(crate) fn tell_registrations(&mut self, until: Duration) {
        while let Some((at, device)) = self.tells.first().copied()
            && at <= until
        {
            self.tells.remove(&(at, device));
            self.tell_registration(device);
        }
    }

    fn tell_registration(&mut self, device: DeviceId) {
        let now = self.now;
        let Some(state) = self.registered.get_mut(&device) else { return };
        state.tell_at = None;
        let is_ready = !state.bindings.is_empty();
        let was_ready = std::mem::replace(&mut state.is_ready, is_ready);
        let (was_told, why) = (state.told.is_some(), state.loss);
        state.is_told(now);
        if is_ready || was_told {
            let bindings = self.registered.get(&device).map(|s| s.bindings.iter().map(|b| self.stored(b)).collect());
            self.report(DeviceReport::Binding { device, bindings: bindings.unwrap_or_default() });
        }
        match (was_ready, is_ready) {
            (false, true) => self.report(DeviceReport::Ready { device, generation: GENERATION }),
            (true, false) => self.report(DeviceReport::Lost { device, generation: GENERATION, why }),
            _ => {}
        }
        if !is_ready {
            self.registered.remove(&device);
        }
    }

    /// As kept by the store.
    fn stored(&self, binding: &sip::registrar::Binding) -> Binding {
        let expires = i64::try_from(binding.expires_at.as_millis()).unwrap_or(i64::MAX);
        Binding {
            contact: binding.contact.to_string(),
            transport: binding.hop.transport.param_text().to_owned(),
            source: binding.hop.remote,
            expires_unix_ms: self.config.wall_ms_at_start.saturating_add(expires),
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            path: binding.path.clone(),
        }
    }

    /// After the directory changed: devices that came or went. At the first directory, stored bindings live on.
    pub(crate) fn review_registrations(&mut self, first: bool) {
        let directory = self.directory.clone();
        // Sorted, so that equal directories give equal outputs.
        let mut entries: Vec<_> = directory.devices.iter().collect();
        entries.sort_by_key(|(device, _)| **device);
        let mut restored = Vec::new();
        for (&device, entry) in entries {
            match &entry.kind {
                DeviceEntryKind::Sip { user, realm, bindings } if first => {
                    restored.extend(self.restore(device, user, realm, bindings));
                }
                DeviceEntryKind::Uri { .. } if self.uri_devices.insert(device) => {
                    self.report(DeviceReport::Ready { device, generation: GENERATION });
                }
                DeviceEntryKind::Sip { .. } | DeviceEntryKind::Uri { .. } | DeviceEntryKind::Browser => {}
            }
        }
        if !restored.is_empty() {
            self.emit(Output::RestoreBindings { records: restored });
        }
        let is = |device: &DeviceId, want: fn(&DeviceEntryKind) -> bool| {
            directory.devices.get(device).is_some_and(|entry| want(&entry.kind))
        };
        let gone: Vec<DeviceId> =
            self.uri_devices.iter().filter(|d| !is(d, |k| matches!(k, DeviceEntryKind::Uri { .. }))).copied().collect();
        for device in gone {
            self.uri_devices.remove(&device);
            self.report(DeviceReport::Lost { device, generation: GENERATION, why: DeviceLoss::Closed });
        }
        let gone: Vec<DeviceId> =
            self.registered.keys().filter(|d| !is(d, |k| matches!(k, DeviceEntryKind::Sip { .. }))).copied().collect();
        for device in gone {
            let Some(state) = self.registered.remove(&device) else { continue };
            if let Some(at) = state.tell_at {
                self.tells.remove(&(at, device));
            }
            if state.is_ready {
                self.report(DeviceReport::Lost { device, generation: GENERATION, why: DeviceLoss::Unregistered });
            }
        }
    }

    /// Takes a device's stored bindings back as far as they have not lapsed.
    fn restore(&mut self, device: DeviceId, user: &str, realm: &str, stored: &[Binding]) -> Vec<BindingRecord> {
        let now_ms = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        let wall = self.config.wall_ms_at_start.saturating_add(now_ms);
        let mut records = Vec::new();
        for binding in stored {
            let left = binding.expires_unix_ms.saturating_sub(wall);
            let Ok(contact) = sip::msg::Uri::parse(&binding.contact) else { continue };
            let Some(left) = u64::try_from(left).ok().filter(|ms| *ms > 0).map(Duration::from_millis) else { continue };
            let local = self.config.sip_local;
            let hop = match binding.transport.as_str() {
                "udp" => Hop::udp(local, binding.source),
                // The connection died with the last run, and a phone's listening port is not its source port.
                _ => continue,
            };
            // Two ways to one phone, until it says anew which is which.
            if records.iter().any(|r: &BindingRecord| r.contact == binding.contact) {
                continue;
            }
            let key = format!("{user}@{realm}");
            records.push(BindingRecord {
                aor: key.clone(),
                contact: binding.contact.clone(),
                q_milli: 1000,
                remaining: left,
                call_id: binding.call_id.clone(),
                cseq: binding.cseq,
                hop,
                user: key.clone(),
                user_agent: None,
                path: binding.path.clone(),
            });
            let state = self.registered.entry(device).or_insert_with(Registered::new);
            state.bindings.push(sip::registrar::Binding {
                contact,
                q_milli: 1000,
                expires_at: self.now + left,
                call_id: binding.call_id.clone(),
                cseq: binding.cseq,
                hop,
                user: key.into(),
                user_agent: None,
                path: binding.path.clone(),
                // Known by its contact until it comes again.
                flow: None,
            });
        }
        if let Some(state) = self.registered.get_mut(&device).filter(|_| !records.is_empty()) {
            // The store is where they came from.
            state.is_told(self.now);
            state.is_ready = true;
            self.report(DeviceReport::Ready { device, generation: GENERATION });
        }
        records
    }
}

/// The next of the moments, [`TELL`] apart, at which devices are told of together.
fn next_gathering(now: Duration) -> Duration {
    let past = now.as_nanos() % TELL.as_nanos();
    now + TELL - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
}

/// One way of one phone, whether it registers anew under the domain or under our bare address.
fn same(a: &sip::registrar::Binding, b: &sip::registrar::Binding) -> bool {
    a.is_way(b.flow.as_ref(), &b.contact) && a.user == b.user
}
