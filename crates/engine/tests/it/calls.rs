//! The path of a call through intake, floor, journal and telephony.
use domain::event::EventBody;
use domain::id::LegId;
use domain::leg::{EndCause, EndedBy, LegCommand, LegEvent, LegStats, RejectReason};
use engine::port::Down;

use crate::rig::{RECORDED, Rig, eventually, is_durable};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_stored_offered_answered_bridged_recorded_and_ended() {
    a_whole_call(Rig::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_stored_offered_answered_bridged_recorded_and_ended_on_postgres() {
    a_whole_call(Rig::on_postgres().await).await;
}

async fn a_whole_call(rig: Rig) {
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    let interaction = life.serve("13800000001").await;

    let row = eventually("the recording in its blob", async || {
        life.projected().await;
        let detail = life.store.interaction_detail(life.scope(), interaction).await.unwrap();
        let stored = detail.recordings.iter().all(|r| r.blob_id.is_some());
        (detail.interaction.state == "ended" && stored).then_some(detail)
    })
    .await;
    assert_eq!(row.interaction.outcome.as_deref(), Some("served"));
    assert_eq!(row.interaction.agent_id, Some(rig.agent));
    assert!(row.interaction.recorded);
    assert_eq!(row.recordings.len(), 1);
    let recording = &row.recordings[0];
    assert_eq!(recording.length_ms, Some(RECORDED));
    let blob = recording.blob_id.unwrap();
    assert_eq!(life.store.blobs().read(life.scope(), blob).await.unwrap(), b"sound");
    eventually("an empty spool", async || std::fs::read_dir(rig.spool()).unwrap().next().is_none().then_some(())).await;

    let kinds: Vec<_> = life.events().await.iter().map(|e| e.body.kind()).collect();
    let mut wanted = [
        "interaction_started",
        "offer_made",
        "offer_accepted",
        "leg_answered",
        "bridged",
        "recording_started",
        "leg_ended",
        "recording_ended",
        "interaction_ended",
        "recording_stored",
    ]
    .to_vec();
    wanted.retain(|kind| !kinds.contains(kind));
    assert!(wanted.is_empty(), "missing {wanted:?} in {kinds:?}");
    let ended = kinds.iter().position(|k| *k == "recording_ended");
    let stored = kinds.iter().position(|k| *k == "recording_stored");
    assert!(ended < stored, "{kinds:?}");
    // The agent's phone shows who calls, although no event says so.
    let shown = life
        .told("the agent's leg", |c| match c {
            LegCommand::Originate { from, .. } => Some(from.user.clone()),
            _ => None,
        })
        .await;
    assert!(shown.is_some_and(|user| user.ends_with("13800000001")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gated_command_leaves_before_its_facts_are_durable() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.serve("13800000001").await;
    life.serve("13800000002").await;
    life.assert_journal_first();
    // The look into the journal can fail.
    assert!(!is_durable(&life.store, life.floor, LegId(7)).await);
    let legs =
        life.told.lock().unwrap().iter().filter(|d| matches!(d, Down::Leg(LegCommand::Originate { .. }))).count();
    assert_eq!(legs, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_gives_up_while_his_address_is_stored_does_not_stay() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let legs: Vec<_> = (0..30).map(|_| life.new_leg()).collect();
    for (n, leg) in legs.iter().enumerate() {
        life.send(life.offered(*leg, &format!("138000001{n:02}"))).await;
        let (cause, by) = (EndCause::Cancelled, EndedBy::Peer);
        life.send(LegEvent::Ended { leg: *leg, cause, by, stats: LegStats::default() }).await;
    }
    let events = eventually("the ends", async || {
        let events = life.events().await;
        let ended = events.iter().filter(|e| matches!(e.body, EventBody::InteractionEnded { .. })).count();
        (ended == legs.len()).then_some(events)
    })
    .await;
    for wanted in legs {
        let order: Vec<_> = events
            .iter()
            .filter_map(|e| match e.body {
                EventBody::LegStarted { leg, .. } if leg == wanted => Some("started"),
                EventBody::LegEnded { leg, .. } if leg == wanted => Some("ended"),
                _ => None,
            })
            .collect();
        assert_eq!(order, ["started", "ended"]);
    }
    assert_eq!(life.engine.view(rig.tenant).await.unwrap().interactions.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_a_tenant_without_a_floor_is_refused() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let leg = life.new_leg();
    let LegEvent::Offered { number, from, via, .. } = life.offered(leg, "13800000001") else { unreachable!() };
    let tenant = domain::id::TenantId(5);
    life.send(LegEvent::Offered { leg, tenant, number, from, name: None, via, claims: Default::default() }).await;
    let why = life
        .told("a refusal", |c| match c {
            LegCommand::Reject { leg: l, why } if *l == leg => Some(*why),
            _ => None,
        })
        .await;
    assert_eq!(why, RejectReason::Overload);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_published_at_once_come_into_force_in_order() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let mut publishing = Vec::new();
    let mut last = None;
    for n in 0..8 {
        let now = life.engine.now();
        let mut tx = life.store.admin(rig.tenant, store::Author::system(), "test", now).await.unwrap();
        tx.put(rig.queue_config(&format!("Support {n}")), None).await.unwrap();
        last = tx.commit().await.unwrap().rev;
        let engine = life.engine.clone();
        publishing.push(tokio::spawn(async move { engine.config_changed(rig.tenant).await }));
    }
    for one in publishing {
        one.await.unwrap().unwrap();
    }
    let revs: Vec<u64> = life
        .events()
        .await
        .iter()
        .filter_map(|e| match e.body {
            EventBody::ConfigPublished { rev } => Some(rev),
            _ => None,
        })
        .collect();
    // Those that waited together share one publication.
    assert!((1..=8).contains(&revs.len()) && revs.is_sorted_by(|a, b| a < b), "{revs:?}");
    assert_eq!(revs.last().copied(), last);
    let told = life.told.lock().unwrap();
    let directories = told.iter().filter(|d| matches!(d, Down::Directory(_))).count();
    assert_eq!(directories, 1 + revs.len(), "one at the start, one for each publication");
}
