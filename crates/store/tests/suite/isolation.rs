//! R6, nothing crosses tenants: every read, asked by tenant B for what belongs to A, answers as if there were nothing;
//! the same read by A, and by the host, finds it.
use std::time::Duration;

use crate::admin::{agent, number, queue, skill};
use crate::both;
use crate::env::NOW;
use domain::address::Address;
use domain::calendar::Calendar;
use domain::config::*;
use domain::flow::Flow;
use domain::id::*;
use domain::time::Timestamp;
use store::query::{CoverageFilter, InteractionFilter, Sample};
use store::*;

both! {
    async fn every_read_is_scoped(env) {
        let store = &env.store;
        let floor = env.history(env.a, FloorKind::Live, 0, 3).await;
        let user = env.user(env.a, "a@example.com").await;
        let mut tx = store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        tx.put(skill(1), None).await.unwrap();
        tx.put(agent(1, &[1], None), None).await.unwrap();
        tx.put(queue(1, &[1]), None).await.unwrap();
        tx.put(number(1, "1000", EntryPoint::Echo), None).await.unwrap();
        let team = Team { id: TeamId(1), name: Default::default(), queues: vec![] };
        tx.put(team, None).await.unwrap();
        tx.set_team_members(TeamId(1), &[user.id]).await.unwrap();
        let grant = tx.grant(user.id, "agent", "own", None).await.unwrap();
        let (token, _) = tx.create_token(user.id, "t", None).await.unwrap();
        let rev = tx.commit().await.unwrap().rev.unwrap();
        let address = store.intern_address(env.a, &Address::Withheld, None, None, NOW).await.unwrap();
        let note = store.create_note(env.a, None, None, "wrap_up", "text", None, NOW).await.unwrap();
        let contact = store.create_contact(env.a, "Zhang", NOW).await.unwrap();
        let new = NewBlob {
            tenant: env.a,
            kind: "recording",
            content_type: "audio/wav".into(),
            retain_until: None,
            sample_floor: None,
        };
        let blob = store.blobs().put_bytes(new, b"sound".to_vec(), NOW).await.unwrap();

        let all = PageRequest::default();
        let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
        let filter = InteractionFilter::default();
        let coverage = CoverageFilter { from, to, queue: None, agent: None, state: None, sample: Sample::Both };
        for (scope, sees) in [(Scope::Tenant(env.a), true), (env.host.into(), true), (Scope::Tenant(env.b), false)] {
            macro_rules! one {
                ($($read:expr),+ $(,)?) => {$(
                    let got = $read.await;
                    assert_eq!(got.is_ok(), sees, "{}: {got:?}", stringify!($read));
                    if let Err(e) = got {
                        assert!(matches!(e, Error::NotFound { .. }), "{}: {e}", stringify!($read));
                    }
                )+};
            }
            macro_rules! list {
                ($($read:expr),+ $(,)?) => {$(
                    assert_eq!(!$read.await.unwrap().is_empty(), sees, "{}", stringify!($read));
                )+};
            }
            macro_rules! page {
                ($($read:expr),+ $(,)?) => {$(
                    assert_eq!(!$read.await.unwrap().items.is_empty(), sees, "{}", stringify!($read));
                )+};
            }
            one!(
                store.item::<SkillConfig>(scope, SkillId(1)),
                store.item::<AgentConfig>(scope, AgentId(1)),
                store.item::<QueueConfig>(scope, QueueId(1)),
                store.item::<NumberConfig>(scope, NumberId(1)),
                store.item::<Team>(scope, TeamId(1)),
                store.item::<Settings>(scope, env.a),
                store.user(scope, user.id),
                store.grant(scope, grant.id),
                store.interaction(scope, InteractionId(1)),
                store.interaction_detail(scope, InteractionId(1)),
                store.recording(scope, RecordingId(1)),
                store.blobs().row(scope, blob.id),
                store.blobs().reader(scope, blob.id),
                store.blobs().read(scope, blob.id),
            );
            page!(
                store.items::<SkillConfig>(scope, None, &all),
                store.items::<AgentConfig>(scope, Some("agent"), &all),
                store.grants(scope, &all),
                store.interactions(scope, &filter, &all),
                store.recordings(scope, &all),
            );
            list!(
                store.names(scope, Class::Queue),
                store.tokens(scope),
                store.floors(scope),
                store.report_segments(scope, from, to, Sample::Both, None, 100),
                store.report_agent_spans(scope, from, to, Sample::Both),
                store.report_intervals(scope, "queue", from, to, Sample::Both),
                store.report_offers(scope, from, to),
                store.coverage_sums(scope, &coverage),
            );
            assert_eq!(store.item_by_key::<NumberConfig>(scope, "1000").await.unwrap().is_some(), sees);
            assert_eq!(store.tenants(scope).await.unwrap().iter().any(|t| t.id == env.a), sees);
            assert_eq!(store.users(scope, &all).await.unwrap().items.iter().any(|u| u.id == user.id), sees);
            let revisions = store.revisions(scope, &all).await.unwrap().items;
            assert_eq!(revisions.iter().any(|r| r.tenant_id == env.a), sees);
            assert_eq!(store.audit(scope, &all).await.unwrap().items.iter().any(|r| r.tenant_id == env.a), sees);
        }

        let b = env.b;
        assert!(store.revision(Scope::Tenant(b), rev).await.is_err());
        assert!(store.address(b, address).await.is_err());
        assert!(store.addresses(b, &[address]).await.unwrap().is_empty());
        assert!(store.note(b, note.id).await.is_err());
        assert!(store.contact(b, contact.id).await.is_err());
        assert!(store.grants_of(b, user.id).await.unwrap().is_empty());
        assert!(store.teams_of(b, user.id).await.unwrap().is_empty());
        assert!(store.members_of(b, TeamId(1)).await.unwrap().is_empty());
        assert!(store.prompt_audio(Scope::Tenant(b)).await.unwrap().is_empty());
        let config = store.load_config(b).await.unwrap();
        assert!(config.agents.is_empty() && config.queues.is_empty() && config.numbers.is_empty());

        // Writes of B aimed at A's ids change nothing.
        assert!(store.blobs().delete(Scope::Tenant(b), blob.id).await.is_err());
        assert!(store.erase_address(b, address).await.is_err());
        assert!(store.create_link(b, user.id, "sign_in", Duration::from_secs(9), NOW).await.is_err());
        assert_eq!(store.remove_sample(b).await.unwrap(), 0);
        let mut tx = store.admin(b, Author::system(), "", NOW).await.unwrap();
        assert!(tx.delete::<QueueConfig>(QueueId(1), None).await.is_err());
        assert!(tx.delete::<Calendar>(CalendarId(1), None).await.is_err());
        assert!(tx.delete::<Flow>(FlowId(1), None).await.is_err());
        assert!(tx.update_user(&user, None).await.is_err());
        assert!(tx.revoke_grant(grant.id).await.is_err());
        assert!(tx.revoke_token(token.id).await.is_err());
        assert!(tx.create_token(user.id, "stolen", None).await.is_err());
        assert!(tx.set_team_members(TeamId(1), &[]).await.is_err());
        assert!(tx.set_device_secret(DeviceId(1), "x").await.is_err());
        drop(tx);
        assert!(store.blobs().read(Scope::Tenant(env.a), blob.id).await.is_ok());
        assert_eq!(store.floors(Scope::Tenant(env.a)).await.unwrap(), [floor]);
    }
}
