//! Legal holds: what is kept is due for nothing, however much of it there is.
use crate::both;
use crate::env::NOW;
use crate::history::interaction;
use domain::address::Address;
use domain::id::*;
use domain::time::Timestamp;
use store::query::InteractionFilter;
use store::{Author, Error, FloorKind, PageRequest, Scope};

both! {
    async fn what_is_held_is_not_due_and_starves_nobody(env) {
        let (store, scope) = (&env.store, Scope::Tenant(env.a));
        let floor = env.history(env.a, FloorKind::Live, 0, 6).await;
        let caller = Address::Extension { number: "77".into() };
        let address = store.intern_address(env.a, &caller, None, None, NOW).await.unwrap();
        let mut tx = store.begin_projection(floor.id).await.unwrap();
        for n in 1..=5 {
            let mut row = tx.recording(RecordingId(n)).await.unwrap().unwrap();
            row.blob_id = Some(BlobId(n));
            tx.put_recordings(&[row]).await.unwrap();
        }
        let mut row = interaction(&floor, 2, NOW.0 + 2000);
        row.address_id = Some(address);
        tx.put_interactions(&[row]).await.unwrap();
        tx.commit(6, NOW).await.unwrap();
        let due = async |limit| {
            let rows = store.recordings_due(env.a, floor.id, Timestamp(NOW.0 + 60_000), limit).await.unwrap();
            rows.into_iter().map(|row| row.id.0).collect::<Vec<_>>()
        };
        assert_eq!(due(2).await, [1, 2]);
        let lawyer = || Author { user: None, name: "Counsel".to_owned() };
        for n in [1, 2] {
            let mut tx = store.admin(env.a, lawyer(), "case 17", NOW).await.unwrap();
            tx.hold(InteractionId(n)).await.unwrap();
            tx.commit().await.unwrap();
        }
        // Held by its sound alone, as a hand at the database does.
        env.raw("UPDATE blobs SET legal_hold = 1").await;
        assert_eq!(due(2).await, [3, 4], "two older ones are held");
        let held = InteractionFilter { held: true, ..Default::default() };
        let listed = store.interactions(scope, &held, &PageRequest::default()).await.unwrap().items;
        assert_eq!(listed.iter().map(|row| row.id.0).collect::<Vec<_>>(), [2, 1]);
        let all: Vec<_> = (1..=6).map(InteractionId).collect();
        let holds = store.holds(env.a, &all).await.unwrap();
        assert_eq!(holds.len(), 2);
        let row = &holds[&InteractionId(1)];
        assert_eq!((row.author.as_str(), row.reason.as_str(), row.held_at), ("Counsel", "case 17", NOW));
        assert!(store.holds(env.b, &all).await.unwrap().is_empty());
        let erased = store.erase_address(env.a, address).await;
        assert!(matches!(&erased, Err(Error::Conflict { what }) if what == "address.legal_hold"), "{erased:?}");

        // Holds outlive a rebuild.
        store.reset_projections(floor.id).await.unwrap();
        assert!(store.is_held(env.a, InteractionId(1)).await.unwrap());
        let mut tx = store.admin(env.b, lawyer(), "not theirs", NOW).await.unwrap();
        assert!(matches!(tx.release(InteractionId(1)).await, Err(Error::NotFound { .. })));
        assert!(matches!(tx.hold(InteractionId(3)).await, Err(Error::NotFound { .. })));
        drop(tx);
        let mut tx = store.admin(env.a, lawyer(), "settled", NOW).await.unwrap();
        tx.release(InteractionId(1)).await.unwrap();
        assert!(matches!(tx.release(InteractionId(1)).await, Err(Error::NotFound { .. })));
        tx.commit().await.unwrap();
        assert!(!store.is_held(env.a, InteractionId(1)).await.unwrap());
        let trail = store.audit(scope, &PageRequest::default()).await.unwrap().items;
        let told: Vec<_> = trail.iter().map(|row| (row.action.as_str(), row.reason.as_str())).take(3).collect();
        let hold = ("interaction.hold", "case 17");
        assert_eq!(told, [("interaction.release", "settled"), hold, hold]);
    }
}
