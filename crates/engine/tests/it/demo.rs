//! "Ring me": the demo caller speaks when an agent has answered, then echoes.
use domain::leg::{Dial, Hears, LegCommand};
use domain::localized::Lang;
use engine::CommandError;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_caller_speaks_once_bridged_and_then_hears_itself() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.engine.demo_call(rig.tenant, Lang::En).await.unwrap();
    let caller = life
        .told("the demo call", |c| match c {
            LegCommand::Originate { leg, to: Dial::Uri { .. }, .. } => Some(*leg),
            _ => None,
        })
        .await;
    life.offer().await;
    let plays = |c: &LegCommand| matches!(c, LegCommand::Play { leg, .. } if *leg == caller).then_some(());
    let speaks =
        life.told.lock().unwrap().iter().any(|d| matches!(d, engine::port::Down::Leg(c) if plays(c).is_some()));
    assert!(!speaks, "nobody listens yet");
    life.answer().await;
    life.told("the speech", plays).await;
    life.told("the echo", |c| match c {
        LegCommand::Bridge { legs, .. } if *legs == [Hears { leg: caller, hears: vec![caller] }] => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demo_calls_are_bounded_and_an_ended_one_makes_room() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    for _ in 0..20 {
        life.engine.demo_call(rig.tenant, Lang::En).await.unwrap();
    }
    let refused = life.engine.demo_call(rig.tenant, Lang::En).await;
    assert!(matches!(refused, Err(CommandError::DemoBusy)), "{refused:?}");
    let leg = life
        .told("a demo call", |c| match c {
            LegCommand::Originate { leg, to: Dial::Uri { .. }, .. } => Some(*leg),
            _ => None,
        })
        .await;
    life.peer_hangs_up(leg);
    crate::rig::eventually("room", async || life.engine.demo_call(rig.tenant, Lang::En).await.ok()).await;
}
