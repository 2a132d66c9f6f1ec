//! Messages from the call to the mailbox: told when they can be heard, thrown away when nothing is in them.
use std::sync::Arc;

use domain::id::InteractionId;
use domain::input::Input;
use domain::mailbox::MessageState;
use engine::Rendered;
use store::PageRequest;
use store::projection::VoicemailRow;
use store::query::VoicemailFilter;

use crate::rig::{Life, Rig, eventually, rendered};

async fn messages(life: &Life) -> Vec<VoicemailRow> {
    let page = PageRequest::default();
    life.store.voicemails(life.scope(), &VoicemailFilter::default(), &page).await.unwrap().items
}

async fn first(life: &Life) -> VoicemailRow {
    eventually("a message", async || messages(life).await.pop()).await
}

/// The last interaction is over.
async fn ended(life: &Life) -> InteractionId {
    eventually("the end of the call", async || {
        life.projected().await;
        let found = life.store.interactions(life.scope(), &Default::default(), &PageRequest::default()).await.unwrap();
        found.items.first().filter(|i| i.state == "ended").map(|i| i.id)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_counted_marked_and_deleted_with_its_sound() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    rig.take_messages(&life).await;
    let mut counts = life.engine.watch_mailboxes(rig.tenant).await;
    assert!(counts.borrow().mailboxes.is_empty());
    let leg = life.call("13800000001").await;
    life.told("the recording", |c| matches!(c, domain::leg::LegCommand::Record { .. }).then_some(())).await;
    life.peer_hangs_up(leg);
    counts.changed().await.unwrap();
    let message = first(&life).await;
    assert_eq!((message.state.as_str(), message.queue_id), ("new", Some(rig.queue)));
    assert_eq!(counts.borrow().mailboxes.get(&Some(rig.queue)), Some(&(1, message.left_at)));

    let (interaction, recording, by) = (message.interaction_id, message.id, rig.user);
    let marked = Input::MessageMarked { interaction, recording, state: MessageState::Heard, by };
    life.engine.input(rig.tenant, marked).await.unwrap();
    counts.changed().await.unwrap();
    assert!(counts.borrow().mailboxes.is_empty());
    let message = first(&life).await;
    assert_eq!((message.state.as_str(), message.user_id), ("heard", Some(by)));

    let row = life.store.recording(life.scope(), recording).await.unwrap();
    life.engine.delete_recording(rig.tenant, &row).await.unwrap();
    assert!(life.store.blobs().read(life.scope(), row.blob_id.unwrap()).await.is_err());
    eventually("an empty mailbox", async || messages(&life).await.is_empty().then_some(())).await;
    // A mark that comes too late brings nothing back.
    let late = Input::MessageMarked { interaction, recording, state: MessageState::New, by };
    life.engine.input(rig.tenant, late).await.unwrap();
    life.projected().await;
    assert!(messages(&life).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_message_is_thrown_away_with_its_sound() {
    let rig = Rig::new().await;
    let life = rig.life_with(Arc::new(|spool| Ok(Rendered { heard_ms: 200, ..rendered(spool) }))).await;
    rig.take_messages(&life).await;
    let leg = life.call("13800000001").await;
    life.told("the recording", |c| matches!(c, domain::leg::LegCommand::Record { .. }).then_some(())).await;
    life.peer_hangs_up(leg);
    let interaction = ended(&life).await;
    let recording = eventually("the deletion", async || {
        life.projected().await;
        let detail = life.store.interaction_detail(life.scope(), interaction).await.unwrap();
        detail.recordings.into_iter().find(|r| r.state == "deleted")
    })
    .await;
    assert_eq!(recording.blob_id, None);
    assert!(messages(&life).await.is_empty());
    assert_eq!(rig.blobs(), 0);
}
