//! Thousands of random interactions: whatever callers, agents, devices and crashes do, the rules hold and the
//! accounts add up. A failure names its seed; the same seed plays the same again.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::event::EventBody;
use domain::time::Timestamp;
use proptest::prelude::*;
use sim::{Manner, Shape, World, company};

const START: Timestamp = Timestamp(1_789_956_000_000);

fn play(seed: u64, manner: Manner, hours: u64) -> World {
    let mut world = World::new(company::config(), seed, START, manner);
    world.run(Duration::from_secs(3600 * hours));
    world.close();
    if let Err(fault) = world.verify() {
        panic!("seed {seed}: {fault}");
    }
    world
}

#[test]
fn lively_hours_leave_nothing_stuck_lost_or_doubled() {
    let mut interactions = 0;
    for seed in 0..8 {
        let ledger = play(seed, Manner::lively(), 1).ledger();
        interactions += ledger.ended;
    }
    assert!(interactions > 2000, "{interactions}");
}

/// A play that never meets a case proves nothing about it.
#[test]
fn the_plays_reach_every_kind_of_event_and_end() {
    // Not of the floor's own making, or needing a person at a button the simulation does not press.
    let others = [
        "recording_stored",
        "recording_deleted",
        "message_left",
        "message_discarded",
        "message_marked",
        "call_back_started",
        "call_identified",
        "agent_queues_changed",
        "leg_muted",
        "language_set",
        "variable_set",
        "wrap_up_extended",
    ];
    // What agents and supervisors do with one another is played by the exchange: `tests/exchange.rs`;
    // calls to the outside are played in `domain/tests/outbound.rs`.
    let between_desks = [
        "consult_merged",
        "watch_changed",
        "leg_moved",
        "dial_planned",
        "leg_early_media",
        "trunk_changed",
        "call_charged",
        "spend_reached",
        "mask_started",
        "mask_ended",
        "recording_announced",
    ];
    let mut kinds: BTreeSet<&str> = others.into_iter().chain(between_desks).collect();
    let mut ends = BTreeMap::<String, u32>::new();
    for seed in 10..14 {
        for event in play(seed, Manner::lively(), 1).take_journal() {
            kinds.insert(event.body.kind());
            let end = match event.body {
                EventBody::SegmentEnded { why, .. } => format!("segment {why:?}"),
                EventBody::InteractionEnded { why, .. } => format!("interaction {why:?}"),
                EventBody::OfferEnded { why, .. } => format!("offer {why:?}"),
                _ => continue,
            };
            *ends.entry(end).or_default() += 1;
        }
    }
    assert_eq!(kinds, EventBody::KINDS.iter().copied().collect());
    let missing: Vec<_> = [
        "interaction Abandoned",
        "interaction Finished",
        "interaction Left",
        "interaction Restart",
        "interaction Served",
        "interaction Unanswered",
        "interaction Voicemail",
        "offer Declined",
        "offer Missed",
        "offer Unreachable",
        "offer Withdrawn",
        "segment AgentHungUp",
        "segment Answered",
        "segment CallerHungUp",
        "segment Declined",
        "segment Finished",
        "segment Lost",
        "segment Missed",
        "segment MovedOn",
        "segment Overflow",
        "segment Restart",
        "segment Unreachable",
        "segment Withdrawn",
    ]
    .into_iter()
    .filter(|end| !ends.contains_key(*end))
    .collect();
    assert!(missing.is_empty(), "{missing:?} among {ends:?}");
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let journal = |seed| play(seed, Manner::lively(), 1).take_journal();
    assert_eq!(journal(3), journal(3));
    assert_ne!(journal(3), journal(4));
}

#[test]
fn an_empty_house_loses_every_caller_and_nothing_else() {
    let mut manner = Manner::lively();
    manner.misses = 1.0;
    manner.crashes_per_hour = 0.0;
    let mut world = play(1, manner, 1);
    let answered = world.take_journal().into_iter().filter(|e| e.body.kind() == "offer_accepted").count();
    assert_eq!(answered, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_manner_keeps_the_rules(
        seed in any::<u64>(),
        calls in 20.0..500.0f64,
        patience in 2..200u64,
        talk in 1..120u64,
        misses in 0.0..0.6f64,
        declines in 0.0..0.5f64,
        troubles in 0.0..60.0f64,
        crashes in 0.0..6.0f64,
    ) {
        let manner = Manner {
            shape: Shape::Flat { calls_per_hour: calls, chats_per_hour: calls / 3.0 },
            patience: Duration::from_secs(patience),
            talk: Duration::from_secs(talk),
            misses,
            declines,
            troubles_per_hour: troubles,
            crashes_per_hour: crashes,
            ..Manner::lively()
        };
        play(seed, manner, 1);
    }
}
