//! Leases, fencing, the journal and snapshots.
use std::time::Duration;

use crate::both;
use crate::env::NOW;
use domain::address::Address;
use domain::id::{AddressId, FloorId};
use domain::time::Timestamp;
use store::{Batch, Error, FloorKind, NewAddress, Store};

const STALE: Duration = Duration::from_secs(10);

/// A small seeded generator: the suite needs variety, not quality.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *seed >> 33
}

async fn journalled(store: &Store, floor: FloorId) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for batch in store.read_journal(floor, 1, 1_000).await.unwrap() {
        found.extend(batch.events::<u64>().unwrap());
    }
    found
}

both! {
    async fn what_the_spool_holds_joins_once_however_much_of_it_was_written_before(env) {
        let store = &env.store;
        for written in 0..=3 {
            let floor = store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap().id;
            let epoch = store.acquire_lease(floor, "a", STALE, NOW).await.unwrap().epoch;
            store.append(floor, epoch, Batch::encode(1, &[100_u64]).unwrap(), NOW).await.unwrap();
            let spooled: Vec<Batch> =
                (0..3).map(|n| Batch::encode(2 + n * 2, &[n, n + 10]).unwrap()).collect();
            // Commits whose answers were lost.
            for batch in &spooled[..written] {
                store.append(floor, epoch, batch.clone(), NOW).await.unwrap();
            }
            for _ in 0..2 {
                assert_eq!(store.join(floor, epoch, spooled.clone(), NOW).await.unwrap(), 7);
            }
            let all = [(1, 100), (2, 0), (3, 10), (4, 1), (5, 11), (6, 2), (7, 12)];
            assert_eq!(journalled(store, floor).await, all);
            assert_eq!(store.lease(floor).await.unwrap().last_seq, 7);
        }
    }

    async fn what_another_owner_decided_meanwhile_is_never_overwritten(env) {
        let store = &env.store;
        let floor = store.live_floor(env.a, NOW).await.unwrap().id;
        let ours = store.acquire_lease(floor, "a", STALE, NOW).await.unwrap().epoch;
        store.append(floor, ours, Batch::encode(1, &[1_u64]).unwrap(), NOW).await.unwrap();
        let spooled = vec![Batch::encode(2, &[2_u64]).unwrap(), Batch::encode(3, &[3_u64]).unwrap()];
        let theirs = store.acquire_lease(floor, "b", Duration::ZERO, NOW).await.unwrap().epoch;
        let refused = store.join(floor, ours, spooled.clone(), NOW).await.unwrap_err();
        assert!(matches!(refused, Error::Fenced { .. }), "{refused}");
        for other in [20, 30, 40] {
            let next = store.lease(floor).await.unwrap().last_seq + 1;
            store.append(floor, theirs, Batch::encode(next, &[other]).unwrap(), NOW).await.unwrap();
            let refused = store.join(floor, ours, spooled.clone(), NOW).await.unwrap_err();
            assert!(matches!(refused, Error::Fenced { .. }), "{refused}");
        }
        assert_eq!(journalled(store, floor).await, [(1, 1), (2, 20), (3, 30), (4, 40)]);
        // A gap is no reason to write either.
        let gap = vec![Batch::encode(9, &[9_u64]).unwrap()];
        let refused = store.join(floor, theirs, gap, NOW).await.unwrap_err();
        assert!(matches!(refused, Error::NotContiguous { expected: 5 }), "{refused}");
    }

    async fn addresses_come_with_their_batch_and_one_known_already_gets_a_second_row(env) {
        let store = &env.store;
        let floor = store.live_floor(env.a, NOW).await.unwrap().id;
        let epoch = store.acquire_lease(floor, "a", STALE, NOW).await.unwrap().epoch;
        let known = Address::SipUri { uri: "sip:known@far.test".to_owned() };
        let new = Address::SipUri { uri: "sip:new@far.test".to_owned() };
        let first = store.intern_address(env.a, &known, None, None, NOW).await.unwrap();
        let ids = [AddressId::from_parts(NOW.0, 1), AddressId::from_parts(NOW.0, 2)];
        let mut batch = Batch::encode(1, &[1]).unwrap();
        batch.addresses = vec![
            NewAddress { id: ids[0], address: new.clone(), name: Some("New".to_owned()) },
            NewAddress { id: ids[1], address: known.clone(), name: None },
        ];
        store.join(floor, epoch, vec![batch], NOW).await.unwrap();
        assert_eq!(store.find_address(env.a, &new, None).await.unwrap().map(|k| k.id), Some(ids[0]));
        assert_eq!(store.find_address(env.a, &known, None).await.unwrap().map(|k| k.id), Some(first));
        assert_eq!(store.address(env.a, ids[0]).await.unwrap().name.as_deref(), Some("New"));
        assert_eq!(store.address(env.a, ids[1]).await.unwrap().value, known);
        let mut tx = store.begin_projection(floor).await.unwrap();
        let keys = tx.address_keys(&[first, ids[1]]).await.unwrap();
        assert_eq!(keys, [(first, known.key()), (ids[1], known.key())].into());
        drop(tx);
        // Erased by either id, both go.
        store.erase_address(env.a, ids[1]).await.unwrap();
        for id in [first, ids[1]] {
            assert!(matches!(store.address(env.a, id).await, Err(Error::NotFound { .. })));
        }
        assert!(store.address(env.a, ids[0]).await.is_ok());
    }

    async fn what_is_appended_is_read_back_from_any_place(env) {
        let store = &env.store;
        for mut seed in 1..6_u64 {
            let floor = store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap().id;
            let epoch = store.acquire_lease(floor, "n", STALE, NOW).await.unwrap().epoch;
            let mut all: Vec<(u64, String)> = Vec::new();
            while all.len() < 120 {
                let first = all.len() as u64 + 1;
                let count = next(&mut seed) % 9 + 1;
                let events: Vec<String> = (0..count).map(|_| format!("坐席 {}", next(&mut seed))).collect();
                store.append(floor, epoch, Batch::encode(first, &events).unwrap(), NOW).await.unwrap();
                all.extend((first..).zip(events));
            }
            assert_eq!(store.lease(floor).await.unwrap().last_seq, all.len() as u64);
            for from in [1, 2, 7, 50, all.len() as u64, all.len() as u64 + 1] {
                let mut read = Vec::new();
                let mut at = from;
                loop {
                    let batches = store.read_journal(floor, at, 3).await.unwrap();
                    let Some(last) = batches.last() else { break };
                    at = last.last_seq + 1;
                    for batch in &batches {
                        assert_eq!(batch.epoch, epoch);
                        read.extend(batch.events::<String>().unwrap());
                    }
                }
                read.retain(|(seq, _)| *seq >= from);
                assert_eq!(read, all[from as usize - 1..]);
            }
        }
    }

    async fn a_former_owner_and_a_gap_are_refused_by_name(env) {
        let store = &env.store;
        let floor = store.live_floor(env.a, NOW).await.unwrap().id;
        assert_eq!(store.live_floor(env.a, NOW).await.unwrap().id, floor);
        let batch = |first| Batch::encode(first, &[1, 2]).unwrap();
        let old = store.acquire_lease(floor, "a", STALE, NOW).await.unwrap();
        store.append(floor, old.epoch, batch(1), NOW).await.unwrap();
        for (first, n) in [(1, "repeat"), (2, "overlap"), (4, "gap")] {
            let refused = store.append(floor, old.epoch, batch(first), NOW).await.unwrap_err();
            assert!(matches!(refused, Error::NotContiguous { expected: 3 }), "{n}: {refused}");
        }
        let held = store.acquire_lease(floor, "b", STALE, NOW + Duration::from_secs(9)).await.unwrap_err();
        assert!(matches!(held, Error::Held { ref owner } if owner == "a"), "{held}");
        let new = store.acquire_lease(floor, "b", STALE, NOW + Duration::from_secs(10)).await.unwrap();
        assert_eq!((new.epoch, new.last_seq), (old.epoch + 1, 2));
        let fenced = store.append(floor, old.epoch, batch(3), NOW).await.unwrap_err();
        assert!(matches!(fenced, Error::Fenced { epoch } if epoch == new.epoch), "{fenced}");
        assert!(matches!(store.renew_lease(floor, old.epoch, NOW).await, Err(Error::Fenced { .. })));
        assert!(matches!(store.save_snapshot(floor, old.epoch, 2, "x", NOW).await, Err(Error::Fenced { .. })));
        store.append(floor, new.epoch, batch(3), NOW).await.unwrap();
        store.release_lease(floor, new.epoch, NOW).await.unwrap();
        assert_eq!(store.acquire_lease(floor, "c", STALE, NOW).await.unwrap().epoch, new.epoch + 1);
    }

    async fn of_two_nodes_asking_at_once_one_gets_the_floor(env) {
        let floor = env.store.live_floor(env.a, NOW).await.unwrap().id;
        let ask = |owner: &'static str| {
            let store = env.store.clone();
            tokio::spawn(async move { store.acquire_lease(floor, owner, STALE, NOW).await.is_ok() })
        };
        let tasks: Vec<_> = ["a", "b", "c", "d", "e", "f"].into_iter().map(ask).collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 1);
    }

    async fn many_floors_commit_together_and_a_refusal_stays_alone(env) {
        let mut tasks = Vec::new();
        for i in 0..30_u64 {
            let floor = env.store.create_floor(env.a, FloorKind::Live, NOW).await.unwrap().id;
            let epoch = env.store.acquire_lease(floor, "n", STALE, NOW).await.unwrap().epoch;
            let store = env.store.clone();
            tasks.push(tokio::spawn(async move {
                let bad = i % 3 == 0;
                for first in 1..=5 {
                    let epoch = if bad { epoch + 1 } else { epoch };
                    let result = store.append(floor, epoch, Batch::encode(first, &[i]).unwrap(), NOW).await;
                    assert_eq!(result.is_err(), bad, "{result:?}");
                }
                let stored = store.read_journal(floor, 1, 100).await.unwrap().len();
                assert_eq!(stored, if bad { 0 } else { 5 });
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn several_batches_are_appended_as_one_or_not_at_all(env) {
        let store = &env.store;
        let floor = store.create_floor(env.a, FloorKind::Sample, NOW).await.unwrap();
        assert_eq!(store.create_floor(env.b, FloorKind::Sample, NOW).await.unwrap().floor_no, floor.floor_no + 1);
        let epoch = store.acquire_lease(floor.id, "n", STALE, NOW).await.unwrap().epoch;
        let make = |firsts: &[u64]| firsts.iter().map(|f| Batch::encode(*f, &["e"]).unwrap()).collect::<Vec<_>>();
        assert!(store.append_all(floor.id, epoch, make(&[1, 3]), NOW).await.is_err());
        assert!(store.read_journal(floor.id, 1, 10).await.unwrap().is_empty());
        store.append_all(floor.id, epoch, make(&[1, 2, 3]), NOW).await.unwrap();
        assert_eq!(store.read_journal(floor.id, 2, 10).await.unwrap().len(), 2);
    }

    async fn the_newest_readable_snapshot_is_loaded(env) {
        let store = &env.store;
        let floor = store.live_floor(env.a, NOW).await.unwrap().id;
        let epoch = store.acquire_lease(floor, "n", STALE, NOW).await.unwrap().epoch;
        assert_eq!(store.load_snapshot::<Vec<u8>>(floor).await.unwrap(), None);
        store.append(floor, epoch, Batch::encode(1, &[0; 9]).unwrap(), NOW).await.unwrap();
        assert!(matches!(store.save_snapshot(floor, epoch, 10, "ahead", NOW).await, Err(Error::NotContiguous { .. })));
        for seq in [3, 5, 9] {
            store.save_snapshot(floor, epoch, seq, &vec![seq; 3], NOW).await.unwrap();
        }
        let found = store.load_snapshot::<Vec<u64>>(floor).await.unwrap().unwrap();
        assert_eq!((found.seq, found.state), (9, vec![9, 9, 9]));
        env.raw("UPDATE snapshots SET codec = 77 WHERE seq = 9").await;
        assert_eq!(store.load_snapshot::<Vec<u64>>(floor).await.unwrap().unwrap().seq, 5);
    }

    async fn a_heartbeat_outlives_its_process(env) {
        let store = &env.store;
        assert_eq!(store.last_heartbeat("n1").await.unwrap(), None);
        store.heartbeat("n1", NOW, "0.1.0", NOW).await.unwrap();
        store.heartbeat("n1", NOW, "0.1.0", Timestamp(NOW.0 + 1000)).await.unwrap();
        assert_eq!(store.last_heartbeat("n1").await.unwrap().unwrap().beat_at, Timestamp(NOW.0 + 1000));
        assert_eq!(store.nodes(env.host).await.unwrap().len(), 1);
    }
}
