//! Messages: lists by mailbox, counts, and which of them are due.
use crate::both;
use crate::env::NOW;
use crate::history::interaction;
use domain::address::Address;
use domain::id::*;
use domain::time::Timestamp;
use store::projection::{RecordingRow, VoicemailRow};
use store::query::VoicemailFilter;
use store::{Error, FloorKind, FloorRow, PageRequest, Scope};

const SUPPORT: QueueId = QueueId(1);
const SALES: QueueId = QueueId(2);

fn voicemail(floor: &FloorRow, n: u128, queue: Option<QueueId>, state: &str) -> VoicemailRow {
    VoicemailRow {
        tenant_id: floor.tenant_id,
        id: RecordingId(n),
        floor_id: floor.id,
        sample: false,
        interaction_id: InteractionId(n),
        queue_id: queue,
        number_id: Some(NumberId(1)),
        address_id: Some(AddressId(n)),
        left_at: Timestamp(NOW.0 + n as i64 * 1000),
        length_ms: 7_000,
        state: state.into(),
        state_at: NOW,
        user_id: None,
        call_id: None,
    }
}

fn recording(floor: &FloorRow, n: u128) -> RecordingRow {
    RecordingRow {
        tenant_id: floor.tenant_id,
        id: RecordingId(n),
        floor_id: floor.id,
        interaction_id: InteractionId(n),
        segment_id: None,
        agent_id: None,
        state: "stored".into(),
        blob_id: Some(BlobId(n)),
        started_at: Timestamp(NOW.0 + n as i64 * 1000),
        length_ms: Some(7_000),
        gaps: serde_json::json!([]),
        retain_until: None,
        legal_hold: n == 6,
    }
}

both! {
    async fn messages_are_listed_and_counted_by_mailbox(env) {
        let floor = env.store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap();
        let caller = Address::from_sip("13900139000", "x", Some("CN"));
        let rows = [
            voicemail(&floor, 1, Some(SUPPORT), "new"),
            voicemail(&floor, 2, Some(SUPPORT), "new"),
            voicemail(&floor, 3, Some(SUPPORT), "handled"),
            voicemail(&floor, 4, Some(SALES), "heard"),
            voicemail(&floor, 5, None, "new"),
            voicemail(&floor, 6, Some(SUPPORT), "recording"),
            voicemail(&floor, 7, Some(SUPPORT), "discarded"),
            voicemail(&floor, 8, Some(SUPPORT), "deleted"),
        ];
        let mut tx = env.store.begin_projection(floor.id).await.unwrap();
        tx.put_voicemails(&rows).await.unwrap();
        let mut called = interaction(&floor, 2, NOW.0);
        called.address_key = Some(caller.key());
        tx.put_interactions(&[called]).await.unwrap();
        tx.commit(0, NOW).await.unwrap();
        let (store, scope) = (&env.store, Scope::Tenant(env.a));
        let find = async |filter: VoicemailFilter| {
            let mut page = PageRequest { cursor: None, limit: 2 };
            let mut found = Vec::new();
            loop {
                let got = store.voicemails(scope, &filter, &page).await.unwrap();
                found.extend(got.items.into_iter().map(|row| row.id.0));
                match got.next {
                    Some(next) => page.cursor = Some(next),
                    None => return found,
                }
            }
        };
        let of = |queues: &[QueueId]| VoicemailFilter { mailboxes: Some(queues.to_vec()), ..Default::default() };
        assert_eq!(find(VoicemailFilter::default()).await, [5, 4, 3, 2, 1], "newest first, what can be heard");
        assert_eq!(find(of(&[SUPPORT])).await, [3, 2, 1]);
        assert_eq!(find(of(&[SUPPORT, SALES])).await, [4, 3, 2, 1]);
        assert_eq!(find(of(&[])).await, [0; 0]);
        assert_eq!(find(VoicemailFilter { queue: Some(SALES), ..of(&[SUPPORT]) }).await, [0; 0]);
        assert_eq!(find(VoicemailFilter { state: Some("new".into()), ..of(&[SUPPORT]) }).await, [2, 1]);
        assert_eq!(find(VoicemailFilter { address: Some(caller), ..Default::default() }).await, [2]);

        let mut counts: Vec<_> = store.voicemail_counts(env.a).await.unwrap();
        counts.sort_by_key(|c| (c.queue, c.state.clone()));
        let told: Vec<_> = counts.iter().map(|c| (c.queue, c.state.as_str(), c.count, c.newest_at.0 - NOW.0)).collect();
        let expected = [
            (None, "new", 1, 5000),
            (Some(SUPPORT), "handled", 1, 3000),
            (Some(SUPPORT), "new", 2, 2000),
            (Some(SALES), "heard", 1, 4000),
        ];
        assert_eq!(told, expected);
        assert_eq!(store.voicemail_counts(env.b).await.unwrap(), []);

        assert_eq!(store.voicemail(scope, RecordingId(4)).await.unwrap(), rows[3]);
        for (scope, id) in [(scope, 8), (scope, 7), (scope, 6), (Scope::Tenant(env.b), 4)] {
            assert!(matches!(store.voicemail(scope, RecordingId(id)).await, Err(Error::NotFound { .. })), "{id}");
        }
        store.reset_projections(floor.id).await.unwrap();
        // Its interaction was projected; those of the others never were, and their rows stay.
        assert_eq!(find(VoicemailFilter::default()).await, [5, 4, 3, 1]);
    }

    async fn messages_are_due_by_the_rules_of_their_mailbox(env) {
        let floor = env.store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap();
        let mut tx = env.store.begin_projection(floor.id).await.unwrap();
        let queues = [Some(SUPPORT), Some(SALES), None, Some(QueueId(9)), Some(SALES), Some(SUPPORT)];
        for (n, queue) in (1..).zip(queues) {
            let state = if n == 5 { "discarded" } else { "new" };
            tx.put_voicemails(&[voicemail(&floor, n, queue, state)]).await.unwrap();
            tx.put_recordings(&[recording(&floor, n)]).await.unwrap();
        }
        // A conversation is none of theirs.
        tx.put_recordings(&[recording(&floor, 20)]).await.unwrap();
        tx.commit(0, NOW).await.unwrap();
        let later = Some(Timestamp(NOW.0 + 60_000));
        let due = async |own: &[(QueueId, Option<Timestamp>)], others| {
            let rows = env.store.messages_due(env.a, floor.id, own, others, 9).await.unwrap();
            rows.into_iter().map(|row| row.id.0).collect::<Vec<_>>()
        };
        assert_eq!(due(&[], None).await, [5], "what was thrown away");
        assert_eq!(due(&[(SUPPORT, later)], None).await, [1, 5], "the sixth is held");
        assert_eq!(due(&[(SUPPORT, None)], later).await, [2, 3, 4, 5]);
        assert_eq!(due(&[], Some(Timestamp(NOW.0 + 3000))).await, [1, 2, 5]);
        assert_eq!(due(&[(SALES, Some(NOW))], later).await, [1, 3, 4, 5]);
    }
}
