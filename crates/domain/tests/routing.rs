//! Routing against its rules: nobody waits while an agent is free for him (R3), first in first out (R4).
mod rig;

use std::collections::BTreeMap;

use domain::command::Presence;
use domain::config::{Membership, Strategy as By};
use domain::id::*;
use domain::medium::{Medium, PerMedium};
use domain::routing::naive::assign;
use domain::routing::*;
use domain::time::Timestamp;
use proptest::prelude::*;
use rig::*;

fn standing(idle_since: i64) -> Standing {
    Standing {
        signed_in: true,
        leaving: false,
        presence: Presence::Available,
        device_ready: true,
        load: PerMedium::default(),
        idle_since: Timestamp(idle_since),
    }
}

fn waiting(segment: u128, since: i64) -> Waiting {
    Waiting {
        segment: SegmentId(segment),
        queue: SUPPORT,
        medium: Medium::Voice,
        priority: 0,
        since: Timestamp(since),
        virtual_since: Timestamp(since),
        until: None,
        refused: BTreeMap::new(),
    }
}

const NOW: Timestamp = Timestamp(100_000);

#[test]
fn the_longest_idle_agent_is_offered_first_and_the_trace_says_why() {
    let agents = BTreeMap::from([(ANN, standing(50_000)), (BOB, standing(20_000))]);
    let out = assign(NOW, &[waiting(1, 90_000)], &agents, &config());
    assert_eq!(out[0].agent, BOB);
    assert_eq!(out[0].trace.waited_ms, 10_000);
    let idle: Vec<_> = out[0].trace.candidates.iter().map(|c| (c.agent, c.idle_ms)).collect();
    assert_eq!(idle, [(BOB, 80_000), (ANN, 50_000)]);
}

#[test]
fn priority_of_membership_goes_before_level_and_level_before_idle_time() {
    let mut config = config();
    let queue = config.queues.get_mut(&SUPPORT).unwrap();
    queue.strategy = By::SkillLevel;
    queue.required_skills = BTreeMap::from([(GERMAN, 4)]);
    let agents = BTreeMap::from([(ANN, standing(0)), (BOB, standing(90_000))]);
    // Ann has level 4, Bob 5.
    assert_eq!(assign(NOW, &[waiting(1, 0)], &agents, &config)[0].agent, BOB);
    let queue = config.queues.get_mut(&SUPPORT).unwrap();
    queue.members = vec![Membership { agent: ANN, priority: 1 }, Membership { agent: BOB, priority: 2 }];
    assert_eq!(assign(NOW, &[waiting(1, 0)], &agents, &config)[0].agent, ANN);
    config.queues.get_mut(&SUPPORT).unwrap().required_skills.insert(GERMAN, 5);
    let out = assign(NOW, &[waiting(1, 0)], &agents, &config);
    assert_eq!(out[0].agent, BOB);
    assert_eq!(out[0].trace.excluded, [Excluded { agent: ANN, why: Exclusion::Skill }]);
}

#[test]
fn every_exclusion_has_its_reason() {
    let config = config();
    let reason = |change: fn(&mut Standing)| {
        let mut ann = standing(0);
        change(&mut ann);
        let agents = BTreeMap::from([(ANN, ann), (BOB, standing(0))]);
        let out = assign(NOW, &[waiting(1, 0)], &agents, &config);
        out[0].trace.excluded.iter().map(|e| e.why).collect::<Vec<_>>()
    };
    assert_eq!(reason(|s| s.signed_in = false), [Exclusion::NotSignedIn]);
    assert_eq!(reason(|s| s.leaving = true), [Exclusion::Leaving]);
    assert_eq!(reason(|s| s.presence = Presence::Offline), [Exclusion::Offline]);
    assert_eq!(reason(|s| s.presence = Presence::Break { reason: LUNCH }), [Exclusion::OnBreak]);
    assert_eq!(reason(|s| s.device_ready = false), [Exclusion::DeviceNotReady]);
    assert_eq!(reason(|s| s.load.chat = 1), [Exclusion::Capacity]);
    assert_eq!(reason(|_| {}), []);
}

fn line() -> impl Strategy<Value = Vec<Waiting>> {
    let one = (0..50i64, any::<bool>(), any::<bool>(), 0..4u8);
    prop::collection::vec(one, 0..12).prop_map(|items| {
        let entries = items.into_iter().enumerate().map(|(n, (since, sales, chat, refused))| Waiting {
            queue: if sales { SALES } else { SUPPORT },
            medium: if chat { Medium::Chat } else { Medium::Voice },
            refused: [ANN, BOB]
                .into_iter()
                .enumerate()
                .filter(|(i, _)| refused >> i & 1 == 1)
                .map(|(_, a)| (a, Timestamp(i64::MAX)))
                .collect(),
            ..waiting(n as u128, since)
        });
        entries.collect()
    })
}

fn agents() -> impl Strategy<Value = BTreeMap<AgentId, Standing>> {
    let one = (any::<bool>(), any::<bool>(), 0..2u8, 0..3u8, 0..50i64);
    [one.clone(), one].prop_map(|both| {
        let make = |(available, ready, voice, chat, idle): (bool, bool, u8, u8, i64)| Standing {
            presence: if available { Presence::Available } else { Presence::Offline },
            device_ready: ready,
            load: PerMedium { voice, chat: if voice > 0 { 0 } else { chat }, ..PerMedium::default() },
            ..standing(idle)
        };
        [ANN, BOB].into_iter().zip(both.map(make)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_a_round_nobody_is_left_whom_a_free_agent_could_take(line in line(), agents in agents()) {
        let config = config();
        let out = assign(NOW, &line, &agents, &config);
        // R2 and R3, by carrying the round out and asking again.
        let mut after = agents.clone();
        for a in &out {
            let work = line.iter().find(|w| w.segment == a.segment).unwrap();
            let load = &mut after.get_mut(&a.agent).unwrap().load;
            prop_assert!(has_room(work.medium, load, &config.agents[&a.agent].capacity));
            *load.get_mut(work.medium) += 1;
            prop_assert!(!work.refused.contains_key(&a.agent));
        }
        let rest: Vec<_> = line.iter().filter(|w| out.iter().all(|a| a.segment != w.segment)).cloned().collect();
        prop_assert!(assign(NOW, &rest, &after, &config).is_empty());
        // R4: nobody is passed over by a later one of the same line, unless the agent may not be asked for him.
        for a in &out {
            let chosen = line.iter().find(|w| w.segment == a.segment).unwrap();
            for w in &rest {
                let same = (w.queue, w.medium) == (chosen.queue, chosen.medium);
                let earlier = (w.virtual_since, w.segment) < (chosen.virtual_since, chosen.segment);
                prop_assert!(!(same && earlier) || w.refused.contains_key(&a.agent));
            }
        }
    }
}
