//! The completeness report: sums, and conversations with those first of which something is missing.
use crate::both;
use crate::env::NOW;
use domain::id::*;
use domain::time::Timestamp;
use store::projection::CoverageRow;
use store::query::{CoverageFilter, CoverageState, Sample};
use store::{FloorKind, FloorRow, PageRequest, Scope};

/// Begins at second `n`, with a talk of ten seconds that was recorded but for `lost` seconds.
pub fn row(floor: &FloorRow, n: u128, agent: u128, lost_s: u64) -> CoverageRow {
    CoverageRow {
        tenant_id: floor.tenant_id,
        segment_id: SegmentId(n),
        floor_id: floor.id,
        sample: false,
        interaction_id: InteractionId(n),
        agent_id: Some(AgentId(agent)),
        queue_id: Some(QueueId(1)),
        from_at: Timestamp(NOW.0 + n as i64 * 1000),
        talk_ms: 10_000,
        recorded_ms: 10_000 - lost_s * 1000,
        masked_ms: 0,
        ruled_out_ms: 0,
        not_asked_ms: 0,
        lost_ms: lost_s * 1000,
        crash_ms: 0,
        erased_ms: 0,
        unstored_ms: 0,
    }
}

both! {
    async fn what_is_missing_comes_first_and_sums_are_by_agent_and_queue(env) {
        let floor = env.store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap();
        let mut rows = vec![row(&floor, 1, 1, 0), row(&floor, 2, 1, 3), row(&floor, 3, 2, 0), row(&floor, 4, 2, 5)];
        rows.push(CoverageRow { recorded_ms: 0, ruled_out_ms: 10_000, ..row(&floor, 5, 2, 0) });
        rows.push(CoverageRow { queue_id: None, recorded_ms: 0, erased_ms: 10_000, ..row(&floor, 6, 2, 0) });
        let mut tx = env.store.begin_projection(floor.id).await.unwrap();
        tx.put_coverage(&rows).await.unwrap();
        tx.commit(0, NOW).await.unwrap();
        let (from, to) = (NOW, Timestamp(NOW.0 + 60_000));
        let all = CoverageFilter { from, to, queue: None, agent: None, state: None, sample: Sample::Both };
        let find = async |tenant, filter: CoverageFilter| {
            let mut page = PageRequest { cursor: None, limit: 2 };
            let mut found = Vec::new();
            loop {
                let got = env.store.coverage(Scope::Tenant(tenant), &filter, &page).await.unwrap();
                found.extend(got.items.into_iter().map(|row| row.segment_id.0));
                match got.next {
                    Some(next) => page.cursor = Some(next),
                    None => return found,
                }
            }
        };
        let of = |state| CoverageFilter { state: Some(state), ..all.clone() };
        assert_eq!(find(env.a, all.clone()).await, [4, 2, 6, 5, 3, 1]);
        assert_eq!(find(env.a, of(CoverageState::Missing)).await, [4, 2]);
        assert_eq!(find(env.a, of(CoverageState::Erased)).await, [6]);
        assert_eq!(find(env.a, of(CoverageState::NotAsked)).await, [5]);
        assert_eq!(find(env.a, of(CoverageState::Recorded)).await, [4, 2, 3, 1]);
        assert_eq!(find(env.a, of(CoverageState::Masked)).await, [0; 0]);
        assert_eq!(find(env.a, CoverageFilter { agent: Some(AgentId(1)), ..all.clone() }).await, [2, 1]);
        assert_eq!(find(env.a, CoverageFilter { queue: Some(QueueId(2)), ..all.clone() }).await, [0; 0]);
        assert_eq!(find(env.a, CoverageFilter { to: Timestamp(NOW.0 + 3_000), ..all.clone() }).await, [2, 1]);
        assert_eq!(find(env.b, all.clone()).await, [0; 0], "of another company");

        let mut sums = env.store.coverage_sums(Scope::Tenant(env.a), &all).await.unwrap();
        sums.sort_by_key(|s| (s.agent, s.queue));
        let told: Vec<_> = sums
            .iter()
            .map(|s| (s.agent.unwrap().0, s.queue.map(|q| q.0), s.conversations, s.covered.missing_ms(), s.covered.erased_ms))
            .collect();
        assert_eq!(told, [(1, Some(1), 2, 3_000, 0), (2, None, 1, 0, 10_000), (2, Some(1), 3, 5_000, 0)]);
        assert!(sums.iter().all(|s| s.covered.adds_up()));
        assert!(env.store.coverage_sums(Scope::Tenant(env.b), &all).await.unwrap().is_empty());

        env.store.reset_projections(floor.id).await.unwrap();
        // Its interactions were never projected: rows go with their interaction.
        assert_eq!(find(env.a, all).await.len(), 6);
    }
}
