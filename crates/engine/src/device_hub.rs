//! Signals between browsers and telephony: session descriptions and readiness, opaque to the floor.
//!
//! A desk or a guest's page subscribes to its device's reports before it connects. Guests' devices are ids which no
//! configuration holds.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::device::{DeviceReport, DeviceSignal};
use domain::id::{DeviceId, NumberId, TenantId};
use tokio::sync::broadcast;

use crate::error::CommandError;
use crate::port::{Down, PortClosed};

/// Reports buffered per device for a slow desk; a handful per connect.
const REPORTS: usize = 64;
/// Guests at the same time on one node; more are refused with `limit.guests`.
const GUESTS_MAX: usize = 2_000;

#[derive(Clone)]
pub struct DeviceHub {
    down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    listeners: HashMap<DeviceId, broadcast::Sender<DeviceReport>>,
    guests: HashMap<DeviceId, TenantId>,
    /// Of configured devices that ever connected, and of present guests.
    generations: HashMap<DeviceId, u64>,
}

impl DeviceHub {
    pub fn new(down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>) -> Self {
        Self { down, inner: Arc::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while holding the lock leaves only lists behind, which stay usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device's reports from now on.
    pub fn subscribe(&self, device: DeviceId) -> broadcast::Receiver<DeviceReport> {
        let mut inner = self.inner();
        if !inner.listeners.contains_key(&device) {
            // Devices that report nothing more would leave theirs behind.
            inner.listeners.retain(|_, listeners| listeners.receiver_count() > 0);
        }
        inner.listeners.entry(device).or_insert_with(|| broadcast::Sender::new(REPORTS)).subscribe()
    }

    /// A browser offers its peer connection. Returns the generation given to it: reports carry the same one.
    pub fn connect(&self, tenant: TenantId, device: DeviceId, offer_sdp: String) -> Result<u64, CommandError> {
        let generation = {
            let mut inner = self.inner();
            let generation = inner.generations.entry(device).or_insert(0);
            *generation += 1;
            *generation
        };
        self.send(DeviceSignal::Connect { device, tenant, generation, offer_sdp })?;
        Ok(generation)
    }

    pub fn close(&self, device: DeviceId, generation: u64) -> Result<(), CommandError> {
        self.send(DeviceSignal::Close { device, generation })
    }

    /// Registers a guest's device of the customer page.
    pub fn add_guest(&self, tenant: TenantId, device: DeviceId) -> bool {
        let mut inner = self.inner();
        if inner.guests.len() >= GUESTS_MAX && !inner.guests.contains_key(&device) {
            return false;
        }
        inner.guests.insert(device, tenant);
        true
    }

    pub fn remove_guest(&self, device: DeviceId) {
        let generation = {
            let mut inner = self.inner();
            inner.guests.remove(&device);
            inner.listeners.remove(&device);
            inner.generations.remove(&device).unwrap_or(0)
        };
        // If telephony is gone there is nothing to close.
        let _ = self.send(DeviceSignal::Close { device, generation });
    }

    pub fn dial(&self, device: DeviceId, number: NumberId) -> Result<(), CommandError> {
        self.send(DeviceSignal::Dial { device, number })
    }

    pub fn hang_up(&self, device: DeviceId) -> Result<(), CommandError> {
        self.send(DeviceSignal::HangUp { device })
    }

    pub fn digit(&self, device: DeviceId, digit: char) -> Result<(), CommandError> {
        self.send(DeviceSignal::Digit { device, digit })
    }

    fn send(&self, signal: DeviceSignal) -> Result<(), CommandError> {
        (self.down)(Down::Device(signal)).map_err(|PortClosed| CommandError::Telephony)
    }

    /// From telephony, to whoever listens.
    pub(crate) fn report(&self, report: DeviceReport) {
        let device = match &report {
            DeviceReport::Answer { device, .. }
            | DeviceReport::Refused { device, .. }
            | DeviceReport::Ready { device, .. }
            | DeviceReport::Lost { device, .. }
            | DeviceReport::GuestCall { device, .. }
            | DeviceReport::Binding { device, .. } => *device,
        };
        let mut inner = self.inner();
        if let Some(listeners) = inner.listeners.get(&device)
            && listeners.send(report).is_err()
        {
            // Nobody listens any more.
            inner.listeners.remove(&device);
        }
    }
}
