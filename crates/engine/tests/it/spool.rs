//! The database is slow or away: a test holds SQLite's only writer, as another process, a backup or a slow disk would.
use domain::command::{AgentCommand, Presence};
use domain::event::{Event, EventBody, SegmentState};
use domain::id::{FloorId, LegId};
use domain::leg::LegCommand;
use engine::{Failure, Saving};
use std::time::Duration;
use store::{Batch, Store};

use crate::rig::{Life, Rig, eventually, journal, wall};

fn hung_up(leg: LegId) -> impl Fn(&LegCommand) -> Option<()> {
    move |c| matches!(c, LegCommand::Hangup { leg: l, .. } if *l == leg).then_some(())
}

fn contiguous(events: &[Event]) {
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event.seq, seq);
    }
}

/// A call that came and was accepted while nothing could be committed.
async fn a_call_is_served_from_the_spool(life: &Life) -> LegId {
    let leg = life.call("13800000077").await;
    life.told("the answer", |c| matches!(c, LegCommand::Answer { leg: l } if *l == leg).then_some(())).await;
    life.answer().await;
    leg
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_calls_are_answered_and_offered_and_it_gets_everything_later() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.serve("13800000001").await;
    life.projected().await;
    let writer = life.store.begin_projection(life.floor).await.unwrap();
    let before = life.events().await.len();
    let leg = a_call_is_served_from_the_spool(&life).await;
    life.saving(Saving::Spool).await;
    assert!(life.engine.view(rig.tenant).await.unwrap().degraded);
    assert_eq!(life.events().await.len(), before, "nothing was committed");
    assert_eq!(rig.spooled().len(), 1);
    // Somebody known, and somebody who calls twice.
    for caller in ["13800000001", "13800000077"] {
        let leg = life.call(caller).await;
        life.told("the answer", |c| matches!(c, LegCommand::Answer { leg: l } if *l == leg).then_some(())).await;
        life.peer_hangs_up(leg);
    }
    drop(writer);
    life.saving(Saving::Journal).await;
    eventually("the spool to be empty", async || rig.spooled().is_empty().then_some(())).await;
    assert!(!life.engine.view(rig.tenant).await.unwrap().degraded);
    life.peer_hangs_up(leg);
    let segment = eventually("the wrap-up", async || life.work(SegmentState::WrapUp).await).await;
    life.command(AgentCommand::EndWrapUp { segment }).await;
    let events = life.events().await;
    contiguous(&events);
    let started: Vec<_> = events
        .iter()
        .filter_map(|e| match e.body {
            EventBody::InteractionStarted { interaction, from, .. } => Some((interaction, from.unwrap())),
            _ => None,
        })
        .collect();
    assert_eq!(started.len(), 4);
    assert_eq!(started[1].1, started[3].1, "one caller, one address");
    life.projected().await;
    for (interaction, from) in started {
        let address = life.store.address(rig.tenant, from).await.unwrap();
        let row = life.store.interaction(life.scope(), interaction).await.unwrap();
        assert_eq!(row.address_key, Some(address.value.key()), "found by the number");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_without_the_database_loses_nothing_that_was_acknowledged() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let tab = life.on_duty().await;
    life.projected().await;
    let writer = life.store.begin_projection(life.floor).await.unwrap();
    a_call_is_served_from_the_spool(&life).await;
    life.saving(Saving::Spool).await;
    let gone = AgentCommand::SetPresence { presence: Presence::Offline };
    life.command(gone).await;
    let spooled = life.engine.view(rig.tenant).await.unwrap().seq;
    let journalled = life.store.lease(life.floor).await.unwrap();
    assert!(journalled.last_seq < spooled);
    drop(tab);
    drop(life);
    drop(writer);

    let life = rig.life().await;
    assert_eq!(rig.spooled(), [""; 0]);
    let events = life.events().await;
    contiguous(&events);
    assert_eq!(life.store.lease(life.floor).await.unwrap().epoch, journalled.epoch + 1);
    let acknowledged = events.iter().filter(|e| e.seq <= spooled);
    let presence = |e: &&Event| matches!(e.body, EventBody::PresenceChanged { presence: Presence::Offline, .. });
    assert!(acknowledged.filter(presence).count() >= 1, "the last acknowledged command");
    let ended = events.iter().filter(|e| matches!(e.body, EventBody::InteractionEnded { .. })).count();
    assert_eq!(ended, 1, "ended by the restart");
    let _tab = life.on_duty().await;
    life.serve("13800000003").await;
}

/// The life ended with events in its spool; what the journal holds.
async fn left_in_the_spool(rig: &Rig) -> (FloorId, u64) {
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.projected().await;
    let writer = life.store.begin_projection(life.floor).await.unwrap();
    life.call("13800000002").await;
    life.saving(Saving::Spool).await;
    eventually("the spool", async || (rig.spooled().len() == 1).then_some(())).await;
    let (floor, last) = (life.floor, life.store.lease(life.floor).await.unwrap().last_seq);
    drop(life);
    drop(writer);
    (floor, last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_contradicts_the_journal_is_put_aside_and_overwrites_nothing() {
    let rig = Rig::new().await;
    let (floor, last) = left_in_the_spool(&rig).await;
    // Another node owned the floor and wrote to it meanwhile.
    let store: Store = rig.store().await;
    let taken = store.acquire_lease(floor, "another", Duration::ZERO, wall()).await.unwrap();
    let mut decided_there = journal(&store, floor).await.pop().unwrap();
    decided_there.seq = last + 1;
    decided_there.body = EventBody::FloorRecovered { last_heartbeat: wall(), recordings: vec![] };
    let batch = Batch::encode(last + 1, std::slice::from_ref(&decided_there)).unwrap();
    store.append(floor, taken.epoch, batch, wall()).await.unwrap();
    store.release_lease(floor, taken.epoch, wall()).await.unwrap();
    store.close().await;

    let life = rig.life().await;
    let events = life.events().await;
    contiguous(&events);
    assert_eq!(events[last as usize], decided_there);
    assert!(!events.iter().any(|e| matches!(e.body, EventBody::InteractionStarted { .. })));
    let aside = rig.spooled();
    assert!(aside.len() == 1 && aside[0].ends_with(".conflict"), "{aside:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floor_taken_over_while_its_spool_is_in_use_is_a_reported_conflict() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.projected().await;
    let writer = life.store.begin_projection(life.floor).await.unwrap();
    let store = life.store.clone();
    let floor = life.floor;
    // First in the writer's queue.
    let taken = tokio::spawn(async move { store.acquire_lease(floor, "another", Duration::ZERO, wall()).await });
    tokio::task::yield_now().await;
    a_call_is_served_from_the_spool(&life).await;
    life.saving(Saving::Spool).await;
    drop(writer);
    let taken = taken.await.unwrap().unwrap();
    let failure = tokio::time::timeout(Duration::from_secs(10), life.engine.failed()).await.unwrap();
    assert_eq!(failure, Failure::LostFloor { floor });
    assert_eq!(rig.spooled().len(), 1, "kept for a person to look at");
    assert_eq!(life.store.lease(floor).await.unwrap().epoch, taken.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_database_and_spool_live_calls_go_on_and_new_ones_are_refused() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    let talking = life.call("13800000001").await;
    let (_, segment) = life.answer().await;
    life.projected().await;
    let agents_leg = life
        .told("the agent's leg", |c| match c {
            LegCommand::Originate { leg, .. } => Some(*leg),
            _ => None,
        })
        .await;
    let writer = life.store.begin_projection(life.floor).await.unwrap();
    std::fs::remove_dir(rig.journal_spool()).unwrap();
    std::fs::write(rig.journal_spool(), b"in the way").unwrap();
    // A hold is carried out at once; its acknowledgement waits.
    let (engine, tenant, agent) = (life.engine.clone(), rig.tenant, rig.agent);
    let held = tokio::spawn(async move { engine.agent(tenant, agent, AgentCommand::Hold { segment }).await });
    life.saving(Saving::Nowhere).await;
    let view = life.engine.view(rig.tenant).await.unwrap();
    assert!(view.degraded && view.refusing);
    let refused = life.call("13800000002").await;
    life.told("the refusal", |c| matches!(c, LegCommand::Reject { leg, .. } if *leg == refused).then_some(())).await;
    life.peer_hangs_up(talking);
    life.told("the end of the agent's leg", hung_up(agents_leg)).await;
    assert!(!held.is_finished(), "acknowledged although it was nowhere");
    drop(writer);
    life.saving(Saving::Journal).await;
    held.await.unwrap().unwrap();
    eventually("the end in the journal", async || {
        let events = life.events().await;
        contiguous(&events);
        events.iter().any(|e| matches!(e.body, EventBody::LegEnded { leg, .. } if leg == talking)).then_some(())
    })
    .await;
    // And the company works.
    let segment = eventually("the wrap-up", async || life.work(SegmentState::WrapUp).await).await;
    life.command(AgentCommand::EndWrapUp { segment }).await;
    life.serve("13800000003").await;
}
