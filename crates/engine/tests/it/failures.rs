//! What happens when the floor is taken over by another process.
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
