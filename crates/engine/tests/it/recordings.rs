//! Recordings on their way from the spool into blobs.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::coverage::Covered;
use domain::id::InteractionId;
use domain::time::Timestamp;
use store::projection::RecordingRow;
use store::query::{CoverageFilter, Sample};

use crate::rig::{Life, Rig, eventually, rendered};

async fn recording(life: &Life, interaction: InteractionId) -> RecordingRow {
    eventually("the recording's row", async || {
        life.projected().await;
        life.store.interaction_detail(life.scope(), interaction).await.ok()?.recordings.first().cloned()
    })
    .await
}

async fn stored(life: &Life, interaction: InteractionId) -> RecordingRow {
    eventually("the stored recording", async || {
        Some(recording(life, interaction).await).filter(|r| r.blob_id.is_some())
    })
    .await
}

/// Everything talked, by what became of it.
async fn covered(life: &Life) -> Covered {
    life.projected().await;
    let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
    let all = CoverageFilter { from, to, queue: None, agent: None, state: None, sample: Sample::Both };
    let mut total = Covered::default();
    life.store.coverage_sums(life.scope(), &all).await.unwrap().iter().for_each(|sum| total.add(&sum.covered));
    total
}

fn spooled(rig: &Rig) -> usize {
    std::fs::read_dir(rig.spool()).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_cannot_be_rendered_at_first_is_tried_again() {
    let rig = Rig::new().await;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let life = rig
        .life_with(Arc::new(move |spool| {
            if counted.fetch_add(1, Ordering::Relaxed) < 2 {
                return Err("not yet".to_owned());
            }
            Ok(rendered(spool))
        }))
        .await;
    let _tab = life.on_duty().await;
    let interaction = life.serve("13800000001").await;
    let row = stored(&life, interaction).await;
    assert_eq!(row.state, "stored");
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    eventually("an empty spool", async || (spooled(&rig) == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_in_the_spool_is_adopted_once() {
    let rig = Rig::new().await;
    let life = rig.life_with(Arc::new(|_| Err("never".to_owned()))).await;
    let tab = life.on_duty().await;
    let interaction = life.serve("13800000001").await;
    let left = recording(&life, interaction).await;
    assert_eq!((left.blob_id, spooled(&rig)), (None, 1));
    drop(tab);
    drop(life);

    let life = rig.life().await;
    let row = stored(&life, interaction).await;
    eventually("an empty spool", async || (spooled(&rig) == 0).then_some(())).await;
    drop(life);

    // Killed between the event and the removal: the file is there again, the recording is not stored twice. One of no
    // known interaction is left alone.
    std::fs::write(rig.spool().join(format!("{}.rec", left.id)), b"sound").unwrap();
    std::fs::write(rig.spool().join(format!("{}.rec", domain::id::RecordingId(9))), b"foreign").unwrap();
    let life = rig.life().await;
    eventually("the removal", async || (spooled(&rig) == 1).then_some(())).await;
    assert_eq!(recording(&life, interaction).await.blob_id, row.blob_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_goes_when_its_days_are_over_and_what_is_known_of_it_stays() {
    let rig = Rig::new().await;
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    let interaction = life.serve("13800000001").await;
    let row = stored(&life, interaction).await;
    let blob = row.blob_id.unwrap();
    let kept = covered(&life).await;
    assert_eq!((kept.recorded_ms + kept.lost_ms, kept.erased_ms), (kept.talk_ms, 0), "{kept:?}");
    // The company is entitled to thirty days.
    let after = |days: i64| domain::time::Timestamp(life.engine.now().0 + days * 86_400_000);
    assert_eq!(life.engine.delete_due_recordings(after(29)).await, Ok(0));
    assert!(life.store.blobs().read(life.scope(), blob).await.is_ok());

    // A court wants it.
    let change = async |held: bool| {
        let mut tx = life.store.admin(rig.tenant, store::Author::system(), "case 17", life.engine.now()).await.unwrap();
        if held {
            drop(tx.hold(interaction).await.unwrap())
        } else {
            tx.release(interaction).await.unwrap()
        }
        tx.commit().await.unwrap();
    };
    change(true).await;
    assert_eq!(life.engine.delete_due_recordings(after(31)).await, Ok(0));
    let refused = life.engine.delete_recording(rig.tenant, &row).await.unwrap_err();
    assert!(refused.to_string().contains("recording.legal_hold"), "{refused}");
    assert!(life.store.blobs().read(life.scope(), blob).await.is_ok());
    change(false).await;

    assert_eq!(life.engine.delete_due_recordings(after(31)).await, Ok(1));
    assert!(matches!(life.store.blobs().read(life.scope(), blob).await, Err(store::Error::NotFound { .. })));
    let row = eventually("the row that says so", async || {
        Some(recording(&life, interaction).await).filter(|r| r.state == "deleted")
    })
    .await;
    assert_eq!((row.blob_id, row.length_ms.is_some()), (None, true));
    let covered = covered(&life).await;
    assert!(covered.talk_ms > 0 && covered.adds_up(), "{covered:?}");
    assert_eq!((covered.recorded_ms, covered.erased_ms), (0, kept.recorded_ms), "the completeness report tells of it");
    assert_eq!(life.engine.delete_due_recordings(after(31)).await, Ok(0));
}
