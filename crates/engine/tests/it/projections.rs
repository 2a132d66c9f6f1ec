//! The tables are a fold of the journal: built at once or anew, they are equal.
use domain::report::{Basis, Measures, Report};
use domain::time::Timestamp;
use engine::Projector;
use serde_json::{Value, json};
use store::query::{CoverageFilter, InteractionFilter, Sample};
use store::{PageRequest, Store};

use crate::rig::{Life, Rig, eventually, wall};

/// Every projected row.
async fn tables(life: &Life) -> Value {
    let (store, scope) = (&life.store, life.scope());
    let (from, to) = (Timestamp(0), Timestamp(wall().0 + 86_400_000));
    let page = PageRequest { cursor: None, limit: 200 };
    let filter = InteractionFilter::default();
    let mut interactions = Vec::new();
    for row in store.interactions(scope, &filter, &page).await.unwrap().items {
        interactions.push(store.interaction_detail(scope, row.id).await.unwrap());
    }
    let text = format!(
        "{:?} {:?} {:?} {:?}",
        store.recordings(scope, &page).await.unwrap().items,
        store.report_segments(scope, from, to, Sample::Both, None, 10_000).await.unwrap(),
        store.report_agent_spans(scope, from, to, Sample::Both).await.unwrap(),
        store.report_offers(scope, from, to).await.unwrap(),
    );
    let filter = CoverageFilter { from, to, queue: None, agent: None, state: None, sample: Sample::Both };
    let text = format!("{text} {:?}", store.coverage(scope, &filter, &page).await.unwrap().items);
    json!({ "interactions": interactions, "rows": text, "intervals": intervals(life).await })
}

async fn intervals(life: &Life) -> Vec<(String, String, i64, Measures)> {
    let (from, to) = (Timestamp(0), Timestamp(wall().0 + 86_400_000));
    let mut all = Vec::new();
    for subject in ["queue.arrival", "queue.event"] {
        for row in life.store.report_intervals(life.scope(), subject, from, to, Sample::Both).await.unwrap() {
            let figures = serde_json::from_value(row.figures).unwrap();
            all.push((subject.to_owned(), row.subject_id, row.interval_at.0, figures));
        }
    }
    all
}

async fn fold_anew(store: &Store, life: &Life) {
    store.reset_projections(life.floor).await.unwrap();
    let floors = store.floors(life.scope()).await.unwrap();
    let floor = floors.into_iter().find(|f| f.id == life.floor).unwrap();
    let last = store.lease(life.floor).await.unwrap().last_seq;
    Projector::new(store.clone(), floor).catch_up(last, wall()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilt_tables_are_equal_and_the_intervals_are_the_report_fold() {
    rebuilt_tables(Rig::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilt_tables_are_equal_and_the_intervals_are_the_report_fold_on_postgres() {
    rebuilt_tables(Rig::on_postgres().await).await;
}

async fn rebuilt_tables(rig: Rig) {
    let life = rig.life().await;
    let _tab = life.on_duty().await;
    life.serve("13800000001").await;
    // One is served while another waits and gives up.
    let first = life.call("13800000002").await;
    life.answer().await;
    let second = life.call("13800000003").await;
    eventually("the waiting caller", async || {
        (life.engine.view(rig.tenant).await.unwrap().interactions.len() == 2).then_some(())
    })
    .await;
    life.peer_hangs_up(second);
    life.peer_hangs_up(first);
    eventually("all recordings stored", async || {
        let events = life.events().await;
        let stored = events.iter().filter(|e| e.body.kind() == "recording_stored").count();
        (stored == 2).then_some(())
    })
    .await;
    life.engine.stop().await;

    let grown = tables(&life).await;
    assert_eq!(grown["interactions"].as_array().unwrap().len(), 3);
    let mut report = Report::default();
    for event in life.events().await {
        report.apply(&event);
    }
    let mut folded: Vec<_> = report
        .rows()
        .iter()
        .map(|(key, m)| {
            let subject = match key.basis {
                Basis::Event => "queue.event",
                Basis::Arrival => "queue.arrival",
            };
            (subject.to_owned(), key.queue.to_string(), key.start.0, *m)
        })
        .collect();
    folded.sort_by(|a, b| (&a.0, a.2, &a.1).cmp(&(&b.0, b.2, &b.1)));
    assert_eq!(intervals(&life).await, folded);
    let sum = |of: fn(&Measures) -> u64| folded.iter().filter(|r| r.0 == "queue.event").map(|r| of(&r.3)).sum::<u64>();
    assert_eq!((sum(|m| m.offered), sum(|m| m.answered)), (3, 2));

    fold_anew(&life.store, &life).await;
    assert_eq!(tables(&life).await, grown);
}
