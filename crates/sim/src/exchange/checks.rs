//! The costly comparisons: at intervals, and when everything ought to be over.
use std::time::Duration;

use domain::floor::Floor;
use domain::id::IdMint;
use domain::report::{Basis, Fold, Measures};
use domain::time::Timestamp;
use media::recorder::export::Recording;

use crate::exchange::agenda::Happening;
use crate::exchange::{CLOSING_MAX, Exchange, INSPECT_EVERY, LINGER};

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

    /// R8: the journal alone gives the floor, as far as it is durable.
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
        if replayed.snapshot() != node.office.floor.snapshot() {
            self.out.violation("R8", "the replayed floor differs");
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

    /// The kept spool files can be read, are as long as the writer said, and list the same gaps.
    fn files(&mut self) {
        let files: Vec<_> = self.out.disk.archive.iter().filter(|(_, f)| f.bytes.is_some()).collect();
        let mut broken = Vec::new();
        for (recording, file) in files {
            let Some(bytes) = &file.bytes else { continue };
            match Recording::from_spool(bytes) {
                Ok(read) if read.length_ms == file.end_ms => {}
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
