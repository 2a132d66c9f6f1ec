//! The sample history: plausible, whole, and the same each time.
use std::sync::Arc;

use domain::event::{Event, EventBody, InteractionEnd};
use domain::floor::Floor;
use domain::id::{AddressId, FloorId, IdMint};
use domain::time::Timestamp;
use sim::company;
use sim::history::{Plan, week};

/// Monday 2026-09-21, midnight in Shanghai.
const MONDAY: Timestamp = Timestamp(1_789_920_000_000);

fn plan() -> Plan {
    Plan {
        floor: FloorId(1),
        mint: IdMint::new(1, 1),
        seed: 42,
        start: MONDAY,
        days: 7,
        per_day: 120,
        callers: (1..=50).map(AddressId).collect(),
    }
}

fn events() -> Vec<Event> {
    week(company::config(), &plan()).flatten().collect()
}

#[test]
fn a_week_is_whole_plausible_and_repeatable() {
    let events = events();
    assert_eq!(events, self::events());
    assert!(events.iter().zip(1..).all(|(e, n)| e.seq == n), "gap in the sequence");
    assert!(events.is_sorted_by_key(|e| e.at));
    let ended = |why: InteractionEnd| {
        events.iter().filter(|e| matches!(e.body, EventBody::InteractionEnded { why: w, .. } if w == why)).count()
    };
    let calls = events.iter().filter(|e| e.body.kind() == "interaction_started").count();
    assert!((400..1000).contains(&calls), "{calls} calls");
    assert!(ended(InteractionEnd::Served) * 10 > calls * 6, "{} of {calls} served", ended(InteractionEnd::Served));
    assert!(ended(InteractionEnd::Abandoned) > 0 && ended(InteractionEnd::Abandoned) * 4 < calls);
    assert_eq!(calls, events.iter().filter(|e| e.body.kind() == "interaction_ended").count());
}

#[test]
fn the_floor_goes_on_from_the_history_with_everybody_gone_home() {
    let mut floor = Floor::new(FloorId(1), company::config(), IdMint::new(1, 2));
    events().iter().for_each(|e| floor.apply(e));
    let view = floor.view(Timestamp(MONDAY.0 + 7 * 86_400_000));
    assert_eq!((view.seats, view.calls, view.interactions.len()), (0, 0, 0));
    assert_eq!(floor.check(), Ok(()));
    let config = Arc::clone(floor.config());
    assert_eq!(config.rev, view.rev);
}
