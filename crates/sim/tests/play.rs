//! Thousands of random interactions: whatever callers, agents, devices and crashes do, the rules hold and the
//! accounts add up. A failure names its seed; the same seed plays the same again.
use std::time::Duration;

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
