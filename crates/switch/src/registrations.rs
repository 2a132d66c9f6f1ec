//! Registered phones and URI devices: which are reachable, where, and the reports about it.
//!
//! The registrar itself is the SIP endpoint's; the switch keeps a copy by device, because calls go to devices.
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

impl Switch {
    pub(crate) fn on_registration(&mut self, aor: &str, change: BindingChange) {
        let (binding, why) = match &change {
            BindingChange::Bound(binding) => (binding, None),
            BindingChange::Removed(binding) => (binding, Some(DeviceLoss::Unregistered)),
            BindingChange::Expired(binding) | BindingChange::Disconnected(binding) => {
                (binding, Some(DeviceLoss::RegistrationExpired))
            }
        };
        let account = split_key(&binding.user).and_then(|(user, realm)| policy::account(&self.directory, user, realm));
        let Some(device) = account.map(|a| a.device) else {
            tracing::debug!("a registration of an account that has gone");
            return self.forget_contact(aor, binding);
        };
        let list = self.registered.entry(device).or_default();
        let was_ready = !list.is_empty();
        list.retain(|b| !same(b, binding));
        match why {
            None => list.push(binding.clone()),
            Some(_) if list.is_empty() => {
                self.registered.remove(&device);
            }
            Some(_) => {}
        }
        self.report_bindings(device);
        let is_ready = self.registered.contains_key(&device);
        match (was_ready, is_ready) {
            (false, true) => self.report(DeviceReport::Ready { device, generation: GENERATION }),
            (true, false) => {
                let why = why.unwrap_or(DeviceLoss::Unregistered);
                self.report(DeviceReport::Lost { device, generation: GENERATION, why });
            }
            _ => {}
        }
    }

    /// The account has left the directory; what the device table still holds of the contact goes.
    fn forget_contact(&mut self, _aor: &str, binding: &sip::registrar::Binding) {
        let holders: Vec<DeviceId> = self
            .registered
            .iter()
            .filter(|(_, list)| list.iter().any(|b| same(b, binding)))
            .map(|(device, _)| *device)
            .collect();
        for device in holders {
            if let Some(list) = self.registered.get_mut(&device) {
                list.retain(|b| !same(b, binding));
                if list.is_empty() {
                    self.registered.remove(&device);
                    let why = DeviceLoss::Unregistered;
                    self.report(DeviceReport::Lost { device, generation: GENERATION, why });
                }
            }
        }
    }

    fn report_bindings(&mut self, device: DeviceId) {
        let bindings = self.registered.get(&device).into_iter().flatten().map(|b| self.stored(b)).collect();
        self.report(DeviceReport::Binding { device, bindings });
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
            self.registered.remove(&device);
            self.report(DeviceReport::Lost { device, generation: GENERATION, why: DeviceLoss::Unregistered });
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
            });
            self.registered.entry(device).or_default().push(sip::registrar::Binding {
                contact,
                q_milli: 1000,
                expires_at: self.now + left,
                call_id: binding.call_id.clone(),
                cseq: binding.cseq,
                hop,
                user: key.into(),
                user_agent: None,
            });
        }
        if !records.is_empty() {
            self.report(DeviceReport::Ready { device, generation: GENERATION });
        }
        records
    }
}

/// One phone, whether it registers anew under the domain or under our bare address.
fn same(a: &sip::registrar::Binding, b: &sip::registrar::Binding) -> bool {
    a.contact.same_contact(&b.contact) && a.user == b.user
}
