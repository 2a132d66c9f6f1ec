//! What became of each call, in the generator's own words: nothing here is asked of the server, so that its figures can be
//! held against it. Filled by [`crate::phones`], read by the scenarios and by tests.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Why a call is not counted as a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Final response of 300 or more to the INVITE, other than 503 with Retry-After.
    Refused(u16),
    /// 503 with Retry-After: the server asked to come back later.
    Deferred,
    /// No final response to the INVITE within 32 s, or none to the BYE.
    Unanswered,
    /// Answered or ringing, but no agent's device took it within the caller's patience.
    NotConnected,
    /// The server hung up before the caller did.
    EndedEarly,
    /// The caller hung up, but the device's leg got no BYE within five seconds.
    DeviceLeft,
    /// Still going on when the run ended.
    Unfinished,
}

impl Failure {
    pub fn text(self) -> String {
        match self {
            Failure::Refused(status) => format!("refused_{status}"),
            Failure::Deferred => "deferred_503".to_owned(),
            Failure::Unanswered => "unanswered".to_owned(),
            Failure::NotConnected => "not_connected".to_owned(),
            Failure::EndedEarly => "ended_early".to_owned(),
            Failure::DeviceLeft => "device_left".to_owned(),
            Failure::Unfinished => "unfinished".to_owned(),
        }
    }
}

/// One call as its caller and the device that took it saw it. Times since [`Ledger::started_unix_ms`].
#[derive(Debug, Clone)]
pub struct Record {
    /// Which of the run's [`crate::phones::Offer`]s it belongs to.
    pub group: usize,
    pub call_id: String,
    /// The caller's number.
    pub caller: String,
    pub invited: Duration,
    /// First 200 to the INVITE.
    pub answered: Option<Duration>,
    /// The device's 200 was acknowledged: both sides are up.
    pub connected: Option<Duration>,
    pub ended: Option<Duration>,
    /// Last final status of the INVITE.
    pub status: Option<u16>,
    /// Call-ID of the leg towards the device.
    pub device_call_id: Option<String>,
    /// The device's leg got its BYE.
    pub device_ended: bool,
    pub is_over: bool,
    pub failure: Option<Failure>,
}

impl Record {
    /// Carried through to the end as planned.
    pub fn is_success(&self) -> bool {
        self.is_over && self.failure.is_none()
    }
}

#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub started_unix_ms: u64,
    pub records: Vec<Record>,
    /// Datagrams sent again because no answer came in time.
    pub retransmissions: u64,
    /// Calls to a device that none of ours had asked for.
    pub strangers: u64,
    /// Calls offered to a second device.
    pub second_offers: u64,
}

impl Ledger {
    pub fn of(&self, group: usize) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |r| r.group == group)
    }

    /// Counts of one group: placed, successes, failures by kind, set-up times.
    pub fn summary(&self, group: usize) -> Summary {
        let mut summary = Summary::default();
        let mut setups = Vec::new();
        for record in self.of(group) {
            summary.placed += 1;
            if let Some(connected) = record.connected {
                summary.connected += 1;
                setups.push(connected.saturating_sub(record.invited));
            }
            match record.failure {
                Some(failure) => *summary.failures.entry(failure).or_default() += 1,
                None if record.is_over => summary.successes += 1,
                None => *summary.failures.entry(Failure::Unfinished).or_default() += 1,
            }
        }
        setups.sort_unstable();
        summary.setup_p50 = percentile(&setups, 50.0);
        summary.setup_p99 = percentile(&setups, 99.0);
        summary
    }

    /// Every call, for whoever compares it with the server's records.
    pub fn to_json(&self) -> Value {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|r| {
                json!({
                    "group": r.group, "call_id": r.call_id, "caller": r.caller, "invited_ms": ms(r.invited),
                    "answered_ms": r.answered.map(ms), "connected_ms": r.connected.map(ms), "ended_ms": r.ended.map(ms),
                    "status": r.status, "device_call_id": r.device_call_id, "device_ended": r.device_ended,
                    "success": r.is_success(), "failure": r.failure.map(Failure::text),
                })
            })
            .collect();
        json!({
            "started_unix_ms": self.started_unix_ms, "retransmissions": self.retransmissions,
            "strangers": self.strangers, "second_offers": self.second_offers, "calls": records,
        })
    }
}

#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub placed: usize,
    pub connected: usize,
    pub successes: usize,
    pub failures: BTreeMap<Failure, usize>,
    /// From INVITE to the device's ACK.
    pub setup_p50: Duration,
    pub setup_p99: Duration,
}

impl Summary {
    pub fn failed(&self) -> usize {
        self.failures.values().sum()
    }

    pub fn count(&self, failure: Failure) -> usize {
        self.failures.get(&failure).copied().unwrap_or_default()
    }

    pub fn to_json(&self) -> Value {
        let failures: BTreeMap<String, usize> = self.failures.iter().map(|(f, n)| (f.text(), *n)).collect();
        json!({
            "placed": self.placed, "connected": self.connected, "successes": self.successes, "failed": self.failed(),
            "failures": failures, "setup_p50_ms": self.setup_p50.as_secs_f64() * 1000.0,
            "setup_p99_ms": self.setup_p99.as_secs_f64() * 1000.0,
        })
    }
}

/// The value below which `percent` of the sorted ones lie; the default of an empty list.
pub fn percentile<T: Copy + Default>(sorted: &[T], percent: f64) -> T {
    let at = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(at.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<u32> = (1..=100).collect();
        assert_eq!((percentile(&sorted, 50.0), percentile(&sorted, 99.0), percentile(&sorted, 100.0)), (50, 99, 100));
        assert_eq!(percentile(&[7u32], 99.0), 7);
        assert_eq!(percentile::<u32>(&[], 50.0), 0);
    }
}
