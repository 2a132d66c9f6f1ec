//! Projections, rebuild, sample history, and the reads over them.
use std::time::Duration;

use crate::both;
use crate::env::{Env, NOW};
use domain::address::Address;
use domain::config::Strategy;
use domain::id::*;
use domain::medium::Medium;
use domain::routing::DecisionTrace;
use domain::time::Timestamp;
use serde_json::json;
use store::projection::*;
use store::query::{InteractionFilter, Sample};
use store::{Batch, Error, FloorKind, FloorRow, NewBlob, PageRequest, Scope};

pub fn interaction(floor: &FloorRow, n: u128, at: i64) -> InteractionRow {
    InteractionRow {
        tenant_id: floor.tenant_id,
        id: InteractionId(n),
        floor_id: floor.id,
        sample: floor.kind == FloorKind::Sample,
        medium: Medium::Voice,
        direction: "inbound".into(),
        state: "ended".into(),
        outcome: Some("answered".into()),
        number_id: Some(NumberId(1)),
        address_id: None,
        address_key: None,
        contact_id: None,
        trunk_id: None,
        flow_id: None,
        flow_version: None,
        queue_id: Some(QueueId(1)),
        agent_id: Some(AgentId(1)),
        disposition_id: None,
        note_id: None,
        lang: None,
        priority: 0,
        started_at: Timestamp(at),
        queued_at: None,
        answered_at: None,
        ended_at: Some(Timestamp(at + 60_000)),
        end_cause: Some("hangup".into()),
        ended_by: None,
        wait_ms: 5,
        talk_ms: 10,
        hold_ms: 0,
        wrap_ms: 0,
        recorded: true,
        last_seq: 1,
        extra: json!({ "v": "变量" }),
        retain_until: None,
        legal_hold: false,
    }
}

pub fn segment(floor: &FloorRow, n: u128, of: u128, queue: u128, agent: u128, at: i64) -> SegmentRow {
    SegmentRow {
        tenant_id: floor.tenant_id,
        id: SegmentId(n),
        floor_id: floor.id,
        sample: floor.kind == FloorKind::Sample,
        interaction_id: InteractionId(of),
        ordinal: 0,
        kind: "queue".into(),
        medium: Medium::Voice,
        state: "ended".into(),
        outcome: Some("answered".into()),
        queue_id: Some(QueueId(queue)),
        agent_id: Some(AgentId(agent)),
        flow_id: None,
        started_at: Timestamp(at),
        answered_at: None,
        ended_at: None,
        wrap_ended_at: None,
        wait_ms: 5,
        ring_ms: 0,
        talk_ms: 10,
        hold_ms: 0,
        wrap_ms: 0,
        in_service_level: Some(true),
        arrival_interval: Timestamp(at - at % 900_000),
        event_interval: None,
        disposition_id: None,
        note_id: None,
        extra: json!({}),
        spans: Spans(vec![span("waiting", at), span("talking", at + 1)]),
    }
}

fn span(state: &str, at: i64) -> Span {
    Span { state: state.into(), from_at: Timestamp(at), to_at: None }
}

/// One interaction with a row of every kind; ids from `n`.
pub async fn put_all(tx: &mut Tx, floor: &FloorRow, n: u128, at: i64) {
    let (tenant_id, floor_id, sample) = (floor.tenant_id, floor.id, floor.kind == FloorKind::Sample);
    let (interaction_id, segment_id) = (InteractionId(n), SegmentId(n));
    tx.put_interactions(&[interaction(floor, n, at)]).await.unwrap();
    tx.put_segments(&[segment(floor, n, n, 1, 1, at)]).await.unwrap();
    tx.put_legs(&[LegRow {
        tenant_id,
        id: LegId(n),
        floor_id,
        interaction_id: Some(interaction_id),
        segment_id: Some(segment_id),
        party: "customer".into(),
        direction: "inbound".into(),
        agent_id: None,
        device_id: None,
        trunk_id: None,
        number_id: None,
        address_id: None,
        destination_class: None,
        started_at: Timestamp(at),
        ringing_at: None,
        answered_at: None,
        ended_at: None,
        cause: None,
        ended_by: None,
        codec: Some("pcma".into()),
        recorded_ms: 0,
        stats: json!({}),
    }])
    .await
    .unwrap();
    tx.put_offers(&[OfferRow {
        tenant_id,
        id: OfferId(n),
        floor_id,
        interaction_id,
        segment_id,
        queue_id: Some(QueueId(1)),
        agent_id: AgentId(1),
        device_id: None,
        offered_at: Timestamp(at),
        ended_at: None,
        outcome: None,
        trace: DecisionTrace {
            strategy: Strategy::LongestIdle,
            waited_ms: 0,
            priority: 0,
            place: 1,
            candidates: Vec::new(),
            excluded: Vec::new(),
            left_out: 3,
        },
    }])
    .await
    .unwrap();
    tx.put_recordings(&[RecordingRow {
        tenant_id,
        id: RecordingId(n),
        floor_id,
        interaction_id,
        segment_id: None,
        agent_id: None,
        state: "ended".into(),
        blob_id: None,
        started_at: Timestamp(at),
        length_ms: Some(7),
        gaps: json!([]),
        retain_until: None,
        legal_hold: false,
    }])
    .await
    .unwrap();
    tx.put_coverage(&[CoverageRow {
        interaction_id,
        segment_id,
        sample,
        from_at: Timestamp(at),
        ..crate::coverage::row(floor, n, 1, 0)
    }])
    .await
    .unwrap();
    tx.put_agent_spans(&[AgentSpanRow {
        tenant_id,
        floor_id,
        sample,
        agent_id: AgentId(1),
        from_seq: n as u64,
        presence: "available".into(),
        occupancy: "idle".into(),
        break_reason_id: None,
        seat_class: None,
        interaction_id: None,
        from_at: Timestamp(at),
        to_at: None,
    }])
    .await
    .unwrap();
    tx.put_intervals(&[IntervalRow {
        tenant_id,
        floor_id,
        sample,
        subject: "queue".into(),
        subject_id: QueueId(1).to_string(),
        interval_at: Timestamp(at),
        interval_ms: 900_000,
        figures: json!({ "offered": 1 }),
    }])
    .await
    .unwrap();
    tx.put_timeline(&[TimelineRow {
        tenant_id,
        floor_id,
        interaction_id,
        first_seq: n as u64,
        events: json!([{ "seq": n as u64, "at": at, "v": 1, "kind": "interaction_started" }]).to_string(),
    }])
    .await
    .unwrap();
}

impl Env {
    /// A floor with a lease and `count` journalled events, projected as `count` interactions with ids from `base`.
    pub async fn history(&self, tenant: TenantId, kind: FloorKind, base: u128, count: u64) -> FloorRow {
        let floor = self.store.create_floor(tenant, kind, NOW).await.unwrap();
        let lease = self.store.acquire_lease(floor.id, "n", Duration::from_secs(1), NOW).await.unwrap();
        let events: Vec<u64> = (1..=count).collect();
        self.store.append(floor.id, lease.epoch, Batch::encode(1, &events).unwrap(), NOW).await.unwrap();
        self.project(&floor, base).await;
        floor
    }

    async fn project(&self, floor: &FloorRow, base: u128) {
        let mut tx = self.store.begin_projection(floor.id).await.unwrap();
        let mut last = tx.offset();
        for batch in tx.next_batches(10).await.unwrap() {
            for (seq, _) in batch.events::<u64>().unwrap().into_iter().filter(|(seq, _)| *seq > last) {
                put_all(&mut tx, floor, base + u128::from(seq), NOW.0 + seq as i64 * 1000).await;
            }
            last = batch.last_seq;
        }
        tx.commit(last, NOW).await.unwrap();
    }
}

both! {
    async fn projections_move_with_their_offset_and_rebuild_to_the_same_rows(env) {
        let floor = env.history(env.a, FloorKind::Live, 0, 5).await;
        let (store, scope) = (&env.store, Scope::Tenant(env.a));
        assert_eq!(store.projector_offset(floor.id).await.unwrap(), 5);
        let before = store.interaction_detail(scope, InteractionId(3)).await.unwrap();
        assert_eq!(before.interaction, interaction(&floor, 3, NOW.0 + 3000));
        assert_eq!((before.segments.len(), before.segments[0].spans.0.len(), before.legs.len()), (1, 2, 1));
        assert_eq!((before.offers.len(), before.recordings.len(), before.timeline.len()), (1, 1, 1));

        // An abandoned transaction leaves neither rows nor offset.
        let mut tx = store.begin_projection(floor.id).await.unwrap();
        tx.put_interactions(&[interaction(&floor, 99, 1)]).await.unwrap();
        drop(tx);
        assert!(matches!(store.interaction(scope, InteractionId(99)).await, Err(Error::NotFound { .. })));

        store.reset_projections(floor.id).await.unwrap();
        assert_eq!(store.projector_offset(floor.id).await.unwrap(), 0);
        assert!(store.interaction(scope, InteractionId(3)).await.is_err());
        env.project(&floor, 0).await;
        assert_eq!(store.interaction_detail(scope, InteractionId(3)).await.unwrap(), before);
    }

    async fn recordings_are_due_by_their_age_unless_they_are_held_or_have_no_sound(env) {
        let floor = env.history(env.a, FloorKind::Live, 0, 4).await;
        let mut tx = env.store.begin_projection(floor.id).await.unwrap();
        for n in 1..=3 {
            let mut row = tx.recording(RecordingId(n)).await.unwrap().unwrap();
            (row.blob_id, row.legal_hold) = (Some(BlobId(n)), n == 2);
            tx.put_recordings(&[row]).await.unwrap();
        }
        tx.commit(4, NOW).await.unwrap();
        let due = async |tenant, after_s: i64, limit| {
            let before = Timestamp(NOW.0 + after_s * 1000);
            let rows = env.store.recordings_due(tenant, floor.id, before, limit).await.unwrap();
            rows.into_iter().map(|row| row.id.0).collect::<Vec<_>>()
        };
        assert_eq!(due(env.a, 3, 9).await, [1], "the third is not old enough");
        assert_eq!(due(env.a, 60, 9).await, [1, 3]);
        assert_eq!(due(env.a, 60, 1).await, [1]);
        assert_eq!(due(env.b, 60, 9).await, [0; 0], "of another company");
    }

    async fn a_projected_row_is_replaced_and_read_back(env) {
        let floor = env.history(env.a, FloorKind::Live, 0, 1).await;
        let mut tx = env.store.begin_projection(floor.id).await.unwrap();
        assert_eq!((tx.tenant(), tx.floor(), tx.is_sample(), tx.offset()), (env.a, floor.id, false, 1));
        let mut row = tx.interaction(InteractionId(1)).await.unwrap().unwrap();
        row.state = "open".into();
        row.ended_at = None;
        tx.put_interactions(std::slice::from_ref(&row)).await.unwrap();
        assert!(tx.segment(SegmentId(1)).await.unwrap().is_some());
        assert!(tx.leg(LegId(1)).await.unwrap().is_some());
        assert!(tx.offer(OfferId(1)).await.unwrap().is_some());
        assert!(tx.recording(RecordingId(2)).await.unwrap().is_none());
        assert_eq!(tx.open_agent_span(AgentId(1)).await.unwrap().unwrap().from_seq, 1);
        let foreign = FloorRow { tenant_id: env.b, ..floor.clone() };
        assert!(matches!(tx.put_interactions(&[interaction(&foreign, 2, 1)]).await, Err(Error::Invalid { .. })));
        assert!(tx.commit(0, NOW).await.is_err());
    }

    async fn removing_the_sample_leaves_real_history(env) {
        let (store, scope) = (&env.store, Scope::Tenant(env.a));
        let live = env.history(env.a, FloorKind::Live, 0, 3).await;
        let sample = env.history(env.a, FloorKind::Sample, 100, 4).await;
        let other = env.history(env.b, FloorKind::Sample, 200, 2).await;
        let address = Address::Extension { number: "123".into() };
        let seen = Address::Extension { number: "456".into() };
        let gone = store.intern_address(env.a, &address, None, Some(sample.id), NOW).await.unwrap();
        let kept = store.intern_address(env.a, &seen, None, Some(sample.id), NOW).await.unwrap();
        // He really called as well.
        assert_eq!(store.intern_address(env.a, &seen, None, None, NOW).await.unwrap(), kept);
        let new = NewBlob {
            tenant: env.a,
            kind: "recording",
            content_type: "audio/wav".into(),
            retain_until: None,
            sample_floor: Some(sample.id),
        };
        let blob = store.blobs().put_bytes(new, vec![1; 100], NOW).await.unwrap();

        let count = |s| {
            let filter = InteractionFilter { sample: s, ..Default::default() };
            async move { store.interactions(scope, &filter, &PageRequest::default()).await.unwrap().items.len() }
        };
        assert_eq!((count(Sample::Both).await, count(Sample::Only).await, count(Sample::Without).await), (7, 4, 3));
        assert_eq!(store.remove_sample(env.a).await.unwrap(), 4);
        assert_eq!((count(Sample::Both).await, count(Sample::Only).await), (3, 0));
        let floors = store.floors(scope).await.unwrap();
        assert_eq!(floors, [live]);
        assert!(store.read_journal(sample.id, 1, 10).await.unwrap().is_empty());
        assert!(store.address(env.a, gone).await.is_err());
        assert!(store.address(env.a, kept).await.is_ok());
        assert!(store.blobs().row(scope, blob.id).await.is_err());
        let files = std::fs::read_dir(env.options.data_dir.join("blobs").join(env.a.to_string())).unwrap().count();
        assert_eq!(files, 0);
        assert_eq!(store.read_journal(other.id, 1, 10).await.unwrap().len(), 1);
        assert_eq!(store.remove_sample(env.a).await.unwrap(), 0);
    }

    async fn interactions_are_found_by_every_filter(env) {
        let floor = env.store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap();
        let caller = Address::from_sip("13900139000", "x", Some("CN"));
        let mut tx = env.store.begin_projection(floor.id).await.unwrap();
        for n in 0..40_u128 {
            let at = NOW.0 + (n as i64 / 4) * 1000;
            let row = InteractionRow {
                direction: if n % 2 == 0 { "inbound" } else { "outbound" }.into(),
                medium: if n % 5 == 0 { Medium::Chat } else { Medium::Voice },
                number_id: Some(NumberId(n % 3)),
                address_key: (n % 4 == 0).then(|| caller.key()),
                ..interaction(&floor, n, at)
            };
            tx.put_interactions(std::slice::from_ref(&row)).await.unwrap();
            tx.put_segments(&[segment(&floor, 2 * n, n, n % 7, n % 6, at)]).await.unwrap();
            tx.put_segments(&[segment(&floor, 2 * n + 1, n, 50, 60, at)]).await.unwrap();
        }
        tx.commit(0, NOW).await.unwrap();
        let find = |filter: InteractionFilter| {
            let store = env.store.clone();
            let scope = Scope::Tenant(env.a);
            async move {
                let mut found = Vec::new();
                let mut page = PageRequest { cursor: None, limit: 3 };
                loop {
                    let got = store.interactions(scope, &filter, &page).await.unwrap();
                    found.extend(got.items.into_iter().map(|i| (i.started_at, i.id)));
                    match got.next {
                        Some(next) => page.cursor = Some(next),
                        None => break,
                    }
                }
                let mut sorted = found.clone();
                sorted.sort_by(|a, b| b.cmp(a));
                sorted.dedup();
                assert_eq!(found, sorted, "newest first, each once");
                found.len()
            }
        };
        let want = |keep: &dyn Fn(u128) -> bool| (0..40).filter(|n| keep(*n)).count();
        let any = InteractionFilter::default();
        assert_eq!(find(any.clone()).await, 40);
        let f = InteractionFilter { direction: Some("outbound".into()), ..any.clone() };
        assert_eq!(find(f).await, want(&|n| n % 2 == 1));
        let f = InteractionFilter { medium: Some(Medium::Chat), number: Some(NumberId(1)), ..any.clone() };
        assert_eq!(find(f).await, want(&|n| n % 5 == 0 && n % 3 == 1));
        let f = InteractionFilter { queue: Some(QueueId(2)), ..any.clone() };
        assert_eq!(find(f).await, want(&|n| n % 7 == 2));
        let f = InteractionFilter { agent: Some(AgentId(60)), queue: Some(QueueId(50)), ..any.clone() };
        assert_eq!(find(f).await, 40);
        let f = InteractionFilter { address: Some(caller), ..any.clone() };
        assert_eq!(find(f).await, want(&|n| n % 4 == 0));
        let (from, to) = (Some(Timestamp(NOW.0 + 2000)), Some(Timestamp(NOW.0 + 4000)));
        assert_eq!(find(InteractionFilter { from, to, ..any.clone() }).await, 8);
        let f = InteractionFilter { state: Some("open".into()), ..any.clone() };
        assert_eq!(find(f).await, 0);
        let f = InteractionFilter { outcome: Some("answered".into()), ..any };
        assert_eq!(find(f).await, 40);
    }

    async fn report_rows_come_in_time_order_page_by_page(env) {
        let floor = env.history(env.a, FloorKind::Live, 0, 9).await;
        let (store, scope) = (&env.store, Scope::Tenant(env.a));
        let (from, to) = (Timestamp(NOW.0 + 2000), Timestamp(NOW.0 + 8000));
        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let rows = store.report_segments(scope, from, to, Sample::Both, after, 2).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = Some((last.started_at, last.id));
            seen.extend(rows.into_iter().map(|r| r.id.0));
        }
        assert_eq!(seen, [2, 3, 4, 5, 6, 7]);
        assert_eq!(store.report_agent_spans(scope, from, to, Sample::Both).await.unwrap().len(), 7);
        assert_eq!(store.report_intervals(scope, "queue", from, to, Sample::Without).await.unwrap().len(), 6);
        assert_eq!(store.report_intervals(scope, "agent", from, to, Sample::Both).await.unwrap().len(), 0);
        assert_eq!(store.report_offers(scope, from, to).await.unwrap().len(), 6);
        assert_eq!(store.recordings(scope, &PageRequest::default()).await.unwrap().items.len(), 9);
        assert_eq!(store.floors(scope).await.unwrap(), [floor]);
    }
}
