//! The costly comparisons: at intervals, and when everything ought to be over.
use std::time::Duration;

use domain::floor::{Floor, Snapshot};
use domain::id::IdMint;
use domain::report::{Basis, Fold, Measures};
use domain::time::Timestamp;
use media::recorder::export::Recording;
use serde_json::Value;

use crate::exchange::agenda::Happening;
use crate::exchange::voice;
use crate::exchange::{CLOSING_MAX, Exchange, INSPECT_EVERY, LINGER};

/// Batches between two comparisons of the floor with its events: comparing costs as much as a dozen inputs.
const COMPARE_EVERY: u64 = 16;
/// So many words of a side must leave a trace in its recording.
const WORDS: u32 = 10;

impl Exchange {
    /// The heartbeat's second is rounded down, as the crash would find it.
    pub(super) fn beat(&mut self) {
        if let Some(node) = &self.node {
            let now = node.office.now(&self.out);
            self.out.disk.heartbeat = Some(Timestamp(now.0 - now.0.rem_euclid(1000)));
        }
    }

    pub(super) fn inspect(&mut self) {
        self.out.plan(INSPECT_EVERY, Happening::Inspect);
        let now = self.out.now;
        self.out.ears.sweep(now);
        self.replay();
    }

    /// R8, as the journal grows: who only applies its events has the floor's state, whenever all of that is written.
    pub(super) fn compare(&mut self) {
        let batches = self.out.counts.batches;
        if batches < self.compared + COMPARE_EVERY.max(self.plan.check_every) {
            return;
        }
        let Some(node) = self.node.as_ref().filter(|n| n.office.is_quiet()) else { return };
        self.compared = batches;
        let replica = self
            .replica
            .get_or_insert_with(|| Floor::new(node.office.floor.id(), self.config.clone(), IdMint::new(1, u32::MAX)));
        let from = usize::try_from(replica.seq()).unwrap_or(0);
        self.out.disk.journal.iter().skip(from).for_each(|event| replica.apply(event));
        let (told, real) = (replica.snapshot(), node.office.floor.snapshot());
        if told != real {
            let seen = format!("the floor is not what its events make of it: {}", difference(&told, &real));
            self.out.violation("R8", seen);
        }
    }

    /// R8: the last snapshot and the journal since then give the floor, as far as it is durable.
    fn replay(&mut self) {
        let Some(node) = &self.node else { return };
        if !node.office.is_quiet() {
            return;
        }
        let fresh = |epoch| Floor::new(node.office.floor.id(), self.config.clone(), IdMint::new(1, epoch));
        let mut replayed = match &self.out.disk.snapshot {
            Some(snapshot) => Floor::restore(self.config.clone(), IdMint::new(1, u32::MAX), snapshot.clone()),
            None => fresh(u32::MAX),
        };
        let from = usize::try_from(replayed.seq()).unwrap_or(0);
        self.out.disk.journal.iter().skip(from).for_each(|event| replayed.apply(event));
        let (told, real) = (replayed.snapshot(), node.office.floor.snapshot());
        if told != real {
            self.out.violation("R8", format!("the replayed floor differs: {}", difference(&told, &real)));
        }
    }

    /// No new work; everything comes to its end in time.
    pub(super) fn close(&mut self) {
        self.closing = true;
        // Long talks may last ten times the mean, and four times that if nobody is in a hurry.
        let until = self.out.now + CLOSING_MAX.max(self.plan.talk * 50);
        while self.out.violations.is_empty() {
            let lively = self.ledger.live() > 0 || self.node.is_none();
            if !lively || self.out.now > until {
                break;
            }
            self.step();
        }
        if self.out.violations.is_empty() && self.ledger.live() > 0 {
            let seen = format!("long after the last call there are still {:?}", self.ledger.living());
            self.out.violation("R5", seen);
        }
        // The weather clears, so that late repeats end and both sides can agree.
        self.out.faults.loss = 0.0;
        self.out.faults.partitions_per_hour = 0.0;
        self.out.faults.browser_drops_per_hour = 0.0;
        self.out.parted = false;
        self.resting = true;
        let until = self.out.now + LINGER;
        while self.out.violations.is_empty() && self.out.agenda.next_at().is_some_and(|at| at < until) {
            self.step();
        }
        if self.out.violations.is_empty() {
            self.at_rest();
        }
    }

    /// Everything is over: nothing is left anywhere, and the accounts agree.
    fn at_rest(&mut self) {
        let Some(node) = &self.node else {
            return self.out.violation("rest", "the node is down");
        };
        let mut leaks: Vec<String> = self.phones.iter().filter_map(|p| p.leaks()).take(4).collect();
        let of_node = node.leaks();
        if !of_node.is_empty() {
            leaks.push(format!("node: {of_node}"));
        }
        let (legs, bridges) = self.out.ears.open();
        if legs + bridges > 0 {
            leaks.push(format!("{legs} legs and {bridges} bridges by the orders"));
        }
        if !self.out.disk.checkpoints.is_empty() {
            leaks.push(format!("{} checkpoints", self.out.disk.checkpoints.len()));
        }
        let view = node.office.floor.view(node.office.now(&self.out));
        if !view.interactions.is_empty() || view.calls > 0 {
            leaks.push("live interactions on the board".to_owned());
        }
        let state = serde_json::to_value(node.office.floor.snapshot()).unwrap_or_default();
        for table in ["interactions", "legs", "offers", "waiting", "recordings"] {
            if state["state"][table].as_object().is_none_or(|t| !t.is_empty()) {
                leaks.push(format!("the floor's {table}: {}", state["state"][table]));
            }
        }
        for leak in leaks {
            self.out.violation("leak", leak);
        }
        self.replay();
        self.ledger.close(&mut self.out);
        for seen in self.out.talks.missing(&self.out.disk) {
            self.out.violation("R10", seen);
        }
        self.sums();
        self.files();
    }

    /// R7: the report counted by event equals the one by arrival, and who entered a queue left it.
    fn sums(&mut self) {
        let (mut fold, mut by_event, mut by_arrival) = (Fold::default(), Measures::default(), Measures::default());
        for event in &self.out.disk.journal {
            fold.apply(event, &mut |row, d| match row.basis {
                Basis::Event => by_event.add(&d),
                Basis::Arrival => by_arrival.add(&d),
            });
        }
        let digest = format!("{by_event:?}");
        self.out.digest.bytes(digest.as_bytes());
        if (Measures { idle_ms: by_arrival.idle_ms, ..by_event }) != by_arrival {
            self.out.violation("R7", format!("bases differ: {by_event:?} {by_arrival:?}"));
        }
        let left = by_event.answered + by_event.abandoned + by_event.overflowed + by_event.lost;
        if by_event.offered != left {
            self.out.violation("R7", format!("{} entered queues, {left} left", by_event.offered));
        }
    }

    /// The kept spool files can be read, are as long as the writer said, and hold the voices of their two sides.
    fn files(&mut self) {
        let files: Vec<_> = self.out.disk.archive.iter().filter(|(_, f)| f.bytes.is_some()).collect();
        let mut broken = Vec::new();
        for (recording, file) in files {
            let Some(bytes) = &file.bytes else { continue };
            match Recording::from_spool(bytes) {
                Ok(read) if read.length_ms == file.end_ms => {
                    let sides = self.out.talks.sides(*recording).unwrap_or_default();
                    for ((phone, words), sound) in sides.into_iter().zip([&read.left, &read.right]) {
                        let most = voice::heard_most(sound);
                        if words >= WORDS && most.is_none_or(|(source, _)| source != phone) {
                            broken.push(format!("{recording}: phone {phone} said {words} words, heard is {most:?}"));
                        }
                    }
                }
                Ok(read) => broken.push(format!("{recording} reads as {} ms, not {}", read.length_ms, file.end_ms)),
                Err(error) => broken.push(format!("{recording}: {error}")),
            }
        }
        for text in broken {
            self.out.violation("R10", text);
        }
    }

    /// For tests: how long the simulated time is.
    pub fn now(&self) -> Duration {
        self.out.now
    }
}

/// Where two floors differ first, and how.
fn difference(told: &Snapshot, real: &Snapshot) -> String {
    fn find(path: String, told: &Value, real: &Value) -> Option<String> {
        match (told, real) {
            (Value::Object(a), Value::Object(b)) => {
                let keys = a.keys().chain(b.keys());
                let mut at = keys.map(|k| (k, a.get(k).unwrap_or(&Value::Null), b.get(k).unwrap_or(&Value::Null)));
                at.find_map(|(key, a, b)| find(format!("{path}.{key}"), a, b))
            }
            _ => (told != real).then(|| format!("{path} is {told} by the events, {real} in the floor")),
        }
    }
    let [told, real] = [serde_json::to_value(told), serde_json::to_value(real)].map(Result::unwrap_or_default);
    find(String::new(), &told, &real).unwrap_or_default()
}
