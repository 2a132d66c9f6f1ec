//! What happens when the store is slow or the floor is taken over.
use std::time::Duration;

use domain::command::{AgentCommand, Presence};
use engine::{CommandError, Failure};

use crate::rig::{Rig, wall};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floor_taken_over_ends_the_engine_and_answers_nobody() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    assert!(life.engine.is_ready());
    let taken = life.store.acquire_lease(life.floor, "another", Duration::ZERO, wall()).await.unwrap();
    let events = life.events().await.len();
    let away = AgentCommand::SetPresence { presence: Presence::Offline };
    let answer = life.engine.agent(rig.tenant, rig.agent, away).await;
    assert!(matches!(answer, Err(CommandError::Stopping)), "{answer:?}");
    let failure = tokio::time::timeout(Duration::from_secs(10), life.engine.failed()).await.unwrap();
    assert_eq!(failure, Failure::LostFloor { floor: life.floor });
    assert!(!life.engine.is_ready());
    assert_eq!(life.events().await.len(), events);
    assert_eq!(life.store.lease(life.floor).await.unwrap().epoch, taken.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_floor_taken_over_is_noticed_by_the_heartbeat() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    life.store.acquire_lease(life.floor, "another", Duration::ZERO, wall()).await.unwrap();
    let failure = tokio::time::timeout(Duration::from_secs(10), life.engine.failed()).await.unwrap();
    assert_eq!(failure, Failure::LostFloor { floor: life.floor });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_journal_cannot_be_written_answers_and_offers_wait() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.serve("13800000001").await;
    life.projected().await;
    let told = |life: &crate::rig::Life| life.told.lock().unwrap().len();
    // Holds the only writer.
    let writer = life.store.begin_projection(life.floor).await.unwrap();
    let before = told(&life);
    let engine = life.engine.clone();
    let gone = AgentCommand::SetPresence { presence: Presence::Offline };
    let mut answer = tokio::spawn(async move { engine.agent(rig.tenant, rig.agent, gone).await });
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut answer).await.is_err(), "answered too early");
    assert_eq!(told(&life), before);
    drop(writer);
    answer.await.unwrap().unwrap();
    assert_eq!(life.agent().await.presence, Presence::Offline);
}
