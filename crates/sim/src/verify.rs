//! The proof after the play: the floor's accounts against those of the people outside.
use std::fmt;

use domain::floor::Floor;
use domain::id::IdMint;
use domain::report::{Basis, Measures};

use crate::world::World;

/// What does not add up, with the rule where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub Vec<String>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl World {
    /// After [`World::close`], with the whole journal still here.
    ///
    /// # Errors
    /// Everything that was noticed on the way, or does not add up at the end.
    pub fn verify(&self) -> Result<(), Fault> {
        let mut faults: Vec<String> = self.faults.iter().chain(&self.switch.faults).take(20).cloned().collect();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                faults.push(what);
            }
        };
        let l = self.ledger;
        let stuck: Vec<String> = self.live.iter().map(ToString::to_string).collect();
        expect(stuck.is_empty(), format!("R5: never ended: {}", stuck.join(", ")));
        expect(l.started == l.ended, format!("R5: {} began, {} ended", l.started, l.ended));
        let legs = self.switch.live();
        expect(legs.is_empty(), format!("legs are up with nobody on them: {legs:?}"));
        expect(self.floor.view(self.now).interactions.is_empty(), "the floor is not empty".to_owned());
        let full = l.calls - l.rejected_calls;
        expect(full <= l.started, format!("{full} calls were let in, {} interactions began", l.started));

        // The switch's own account of conversations against the report.
        let sum = |basis: Basis| {
            let mut sum = Measures::default();
            self.totals.iter().filter(|((b, _), _)| *b == basis).for_each(|(_, m)| sum.add(m));
            sum
        };
        let (by_event, by_arrival) = (sum(Basis::Event), sum(Basis::Arrival));
        let same = Measures { idle_ms: by_arrival.idle_ms, ..by_event } == by_arrival;
        expect(same, format!("R7: bases differ: {by_event:?} {by_arrival:?}"));
        let left = by_event.answered + by_event.abandoned + by_event.overflowed + by_event.lost;
        expect(by_event.offered == left, format!("R7: {} entered queues, {left} left", by_event.offered));
        self.check_talks(&by_event, &mut expect);

        // R8: the journal alone, from the beginning.
        let mut replayed = Floor::new(self.floor.id(), self.config.clone(), IdMint::new(self.mint_floor, u32::MAX));
        self.journal.iter().for_each(|event| replayed.apply(event));
        expect(replayed.snapshot() == self.floor.snapshot(), "R8: the replayed floor differs".to_owned());
        if faults.is_empty() { Ok(()) } else { Err(Fault(faults)) }
    }

    fn check_talks(&self, report: &Measures, expect: &mut impl FnMut(bool, String)) {
        let length = |t: &crate::switch::Talk| t.to.map_or(0, |to| u64::try_from(to - t.from).unwrap_or(0));
        let queued: Vec<_> = self.switch.talks.iter().filter(|t| self.queued_talks.contains(&t.customer)).collect();
        let calls: u64 = queued.iter().map(|t| length(t)).sum();
        let told = self.voice_ms(report);
        expect(calls == told, format!("R7: the switch counted {calls} ms of conversation, the report {told}"));
        // R10: a recording is as long as its conversation.
        for (left, right, recorded) in &self.recorded {
            let talk = queued.iter().find(|t| (t.customer, t.agent) == (*left, *right));
            let Some(talk) = talk else {
                expect(false, format!("R10: a recording of {left} without a conversation"));
                continue;
            };
            let ms = length(talk);
            expect(ms == *recorded, format!("R10: {left} spoke {ms} ms, {recorded} are recorded"));
        }
    }

    /// Talk and hold of calls: the report's sum less what was written.
    fn voice_ms(&self, report: &Measures) -> u64 {
        report.talk_ms + report.hold_ms - self.written_ms
    }
}
