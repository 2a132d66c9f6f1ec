//! Crash, clean stop, and what the next start makes of them.
use std::collections::BTreeSet;

use domain::event::{EventBody, InteractionEnd};
use domain::floor::Snapshot;
use store::{Batch, Error};

use crate::rig::{NODE, Rig, eventually, wall};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_calls_ended_at_the_last_heartbeat_and_nothing_is_stuck() {
    a_crash(Rig::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_calls_ended_at_the_last_heartbeat_and_nothing_is_stuck_on_postgres() {
    a_crash(Rig::on_postgres().await).await;
}

async fn a_crash(rig: Rig) {
    let life = rig.life().await;
    let tab = life.on_duty().await;
    life.call("13800000001").await;
    let (talking, _) = life.answer().await;
    life.call("13800000002").await;
    eventually("the waiting caller", async || {
        (life.engine.view(rig.tenant).await.unwrap().interactions.len() == 2).then_some(())
    })
    .await;
    let last_event = life.events().await.last().unwrap().at;
    let beat = eventually("a heartbeat after the last event", async || {
        let beat = life.store.last_heartbeat(NODE).await.unwrap()?.beat_at;
        (beat > last_event).then_some(beat)
    })
    .await;
    let before = life.events().await;
    let former = life.store.lease(life.floor).await.unwrap();
    drop(tab);
    drop(life);

    let life = rig.life().await;
    let lease = life.store.lease(life.floor).await.unwrap();
    assert_eq!(lease.epoch, former.epoch + 1);
    let events = life.events().await;
    // Nothing is lost.
    assert_eq!(events[..before.len()], before[..]);
    let ends: Vec<_> = events
        .iter()
        .filter_map(|e| match &e.body {
            EventBody::InteractionEnded { interaction, why } => Some((*interaction, *why, e.at)),
            _ => None,
        })
        .collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    for (_, why, at) in &ends {
        assert_eq!(*why, InteractionEnd::Restart);
        assert!(*at >= beat && at.0 < beat.0 + 3_000, "{at:?} but the heart beat at {beat:?}");
    }
    assert!(ends.iter().any(|(interaction, _, _)| *interaction == talking));
    assert_eq!(life.engine.view(rig.tenant).await.unwrap().interactions.len(), 0);
    assert!(life.agent().await.work.is_empty());
    life.projected().await;
    let detail = life.store.interaction_detail(life.scope(), talking).await.unwrap();
    assert_eq!(detail.interaction.state, "ended");
    assert_eq!(detail.interaction.end_cause.as_deref(), Some("system.restart"));
    assert!(detail.legs.iter().all(|leg| leg.ended_at.is_some()));

    // The former owner can write nothing more.
    let next = Batch::encode(lease.last_seq + 1, &events[..1]).unwrap();
    let late = life.store.append(life.floor, former.epoch, next, wall()).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");

    // Agents are back and calls are served; no id is used twice.
    let _tab = life.on_duty().await;
    let served = life.serve("13800000003").await;
    assert!(!ends.iter().any(|(interaction, _, _)| *interaction == served));
    let events = life.events().await;
    let legs: Vec<_> = events
        .iter()
        .filter_map(|e| match e.body {
            EventBody::LegStarted { leg, .. } => Some(leg),
            _ => None,
        })
        .collect();
    assert_eq!(legs.iter().collect::<BTreeSet<_>>().len(), legs.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_saves_everything_and_the_next_start_goes_on() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let tab = life.on_duty().await;
    let interaction = life.serve("13800000001").await;
    // Telephony's last word is still taken.
    let leg = life.call("13800000002").await;
    life.offer().await;
    life.peer_hangs_up(leg);
    let gone = eventually("the second end", async || {
        let events = life.events().await;
        let ended = events.iter().filter(|e| matches!(e.body, EventBody::InteractionEnded { .. })).count();
        (ended == 2).then_some(events.len() as u64)
    })
    .await;
    life.engine.stop().await;
    assert!(!life.engine.is_ready());
    let lease = life.store.lease(life.floor).await.unwrap();
    assert_eq!(lease.owner, None);
    assert!(lease.last_seq >= gone);
    assert_eq!(life.store.projector_offset(life.floor).await.unwrap(), lease.last_seq);
    let snapshot = life.store.load_snapshot::<Snapshot>(life.floor).await.unwrap().unwrap();
    assert_eq!(snapshot.seq, lease.last_seq);
    drop(tab);
    life.stop().await;

    let life = rig.life().await;
    let ends = life.events().await.iter().filter(|e| matches!(e.body, EventBody::InteractionEnded { .. })).count();
    assert_eq!(ends, 2);
    let _tab = life.on_duty().await;
    assert_ne!(life.serve("13800000003").await, interaction);
}
