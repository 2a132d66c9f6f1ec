//! Crash, clean stop, and what the next start makes of them.
use std::collections::BTreeSet;

use domain::command::AgentCommand;
use domain::event::{EventBody, InteractionEnd, LegRole, SegmentState};
use domain::floor::Snapshot;
use domain::id::LegId;
use domain::leg::{Codec, LegCommand, Outlived};
use engine::port::Down;
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
async fn calls_whose_legs_outlived_a_crash_go_on() {
    a_crash_outlived(Rig::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_whose_legs_outlived_a_crash_go_on_on_postgres() {
    a_crash_outlived(Rig::on_postgres().await).await;
}

async fn a_crash_outlived(rig: Rig) {
    let life = rig.life().await;
    let tab = life.on_duty().await;
    let caller = life.call("13800000001").await;
    let (talking, _) = life.answer().await;
    let waits = life.call("13800000002").await;
    eventually("the waiting caller", async || {
        (life.engine.view(rig.tenant).await.unwrap().interactions.len() == 2).then_some(())
    })
    .await;
    let agent = life.events().await.iter().find_map(|e| match e.body {
        EventBody::LegStarted { leg, role: LegRole::Agent, .. } => Some(leg),
        _ => None,
    });
    drop(tab);
    drop(life);

    // A leg that no floor knows any more outlived it, too.
    let unknown = LegId(77);
    let legs = [caller, agent.unwrap(), waits, unknown].map(|leg| (leg, Codec::Pcma)).into();
    let life = rig.life_that_goes_on(Outlived { legs, recordings: BTreeSet::new() }).await;
    let view = life.engine.view(rig.tenant).await.unwrap();
    assert_eq!(view.interactions.len(), 2);
    assert_eq!(life.agent().await.work.len(), 1, "he has his customer");
    let hung_up = |down: &Down| matches!(down, Down::Leg(LegCommand::Hangup { leg, .. }) if *leg == unknown);
    eventually("the unknown leg is hung up", async || life.told.lock().unwrap().iter().any(hung_up).then_some(()))
        .await;
    // The next callee of a caller from before is shown who calls.
    let _tab = life.on_duty().await;
    life.peer_hangs_up(caller);
    let wrap_up = SegmentState::WrapUp;
    let segment = eventually("wrap-up", async || life.work(wrap_up).await).await;
    life.command(AgentCommand::EndWrapUp { segment }).await;
    life.answer().await;
    let shown = life.told.lock().unwrap().iter().find_map(|down| match down {
        Down::Leg(LegCommand::Originate { from, .. }) => from.user.clone(),
        _ => None,
    });
    assert_eq!(shown.as_deref(), Some("+8613800000002"));
    life.projected().await;
    let detail = life.store.interaction_detail(life.scope(), talking).await.unwrap();
    assert_eq!(detail.interaction.state, "ended");
    assert_ne!(detail.interaction.end_cause.as_deref(), Some("system.restart"));
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
