//! Which tab leads, and what a reload, a second tab and a loss do.
use std::time::Duration;

use domain::event::EventBody;
use engine::GRACE;

use crate::rig::{Rig, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_the_presence_and_a_second_tab_only_reads() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let tab = life.on_duty().await;
    let second = life.engine.attend(rig.tenant, rig.agent, "tab-2".to_owned()).await.unwrap();
    assert!(tab.leads() && !second.leads());
    drop(tab);
    // The second does not slip in during the reload.
    assert!(!second.leads());
    let again = life.engine.attend(rig.tenant, rig.agent, "tab-1".to_owned()).await.unwrap();
    assert!(again.leads() && !second.leads());
    second.lead().await.unwrap();
    assert!(second.leads() && !again.leads());
    // What ends is no longer the leader's connection.
    drop(again);
    tokio::time::sleep(GRACE + Duration::from_millis(300)).await;
    assert!(second.leads());
    assert!(life.agent().await.lease);
    let lost = life.events().await.iter().any(|e| matches!(e.body, EventBody::LeaseLost { .. }));
    assert!(!lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_that_stays_away_loses_the_presence_after_the_grace() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let tab = life.on_duty().await;
    let mut second = life.engine.attend(rig.tenant, rig.agent, "tab-2".to_owned()).await.unwrap();
    let left = tokio::time::Instant::now();
    drop(tab);
    let nobody = second.leader.wait_for(Option::is_none);
    tokio::time::timeout(GRACE * 2, nobody).await.unwrap().unwrap();
    assert!(left.elapsed() >= GRACE);
    eventually("the sign-out", async || (!life.agent().await.signed_in).then_some(())).await;
    second.lead().await.unwrap();
    assert!(second.leads());
}
