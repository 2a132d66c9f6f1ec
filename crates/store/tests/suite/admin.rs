//! Administrative changes, compiled configuration, the directory.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::both;
use crate::env::{Env, NOW};
use domain::config::*;
use domain::device::Binding;
use domain::directory::DeviceEntryKind;
use domain::flow::{Flow, Step, StepId};
use domain::id::*;
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use store::{Author, Change, Class, DeviceBindings, Error, Ha1, PageRequest, Scope, SkillConfig};

pub fn skill(n: u128) -> SkillConfig {
    SkillConfig { id: SkillId(n), name: Localized::both(format!("技能{n}"), format!("Skill {n}")) }
}

pub fn agent(n: u128, skills: &[u128], team: Option<u128>) -> AgentConfig {
    AgentConfig {
        id: AgentId(n),
        user: UserId(n),
        name: format!("Agent {n:03}"),
        extension: format!("8{n:03}"),
        team: team.map(TeamId),
        skills: skills.iter().map(|s| (SkillId(*s), 5)).collect(),
        capacity: PerMedium { voice: 1, ..PerMedium::default() },
        record: None,
        active: true,
    }
}

pub fn queue(n: u128, agents: &[u128]) -> QueueConfig {
    QueueConfig {
        id: QueueId(n),
        name: Localized::both("销售", "Sales"),
        media: vec![Medium::Voice],
        members: agents.iter().map(|a| Membership { agent: AgentId(*a), priority: 1 }).collect(),
        required_skills: BTreeMap::new(),
        strategy: Strategy::LongestIdle,
        priority: 0,
        priority_boost: Duration::from_secs(10),
        ring_timeout: Duration::from_secs(20),
        away_after_missed: true,
        wrap_up: WrapUp { mode: WrapUpMode::None, limit: Duration::ZERO },
        dispositions: vec![],
        service_level: Duration::from_secs(20),
        short_abandon: Duration::from_secs(5),
        calendar: None,
        max_waiting: 100,
        overflow: None,
        closed: Destination::HangUp { prompt: None },
        welcome: None,
        music: None,
        comfort: None,
        comfort_every: Duration::from_secs(30),
        record: Some(domain::recording::RecordRule::ALWAYS),
        transferred: Default::default(),
        voicemail: None,
    }
}

pub fn number(n: u128, dialled: &str, entry: EntryPoint) -> NumberConfig {
    let name = Localized::both("号码", "Number");
    NumberConfig {
        id: NumberId(n),
        number: dialled.into(),
        name,
        entry,
        lang: Lang::Zh,
        sample: true,
        web: false,
        record: None,
    }
}

pub fn device(n: u128, kind: DeviceKind) -> DeviceConfig {
    DeviceConfig {
        id: DeviceId(n),
        name: format!("Device {n}"),
        agent: None,
        kind,
        srtp: Default::default(),
        codecs: Vec::new(),
    }
}

fn flow(n: u128, to: u128) -> Flow {
    let start = StepId("start".into());
    let steps = BTreeMap::from([(start.clone(), Step::Queue { queue: QueueId(to), priority: 0 })]);
    Flow { id: FlowId(n), version: 0, name: Localized::both("菜单", "Menu"), start, steps }
}

impl Env {
    async fn change(&self) -> store::AdminTx {
        self.store.admin(self.a, Author { user: None, name: "Ada".into() }, "test", NOW).await.unwrap()
    }
}

both! {
    async fn objects_that_name_each_other_are_put_in_any_order(env) {
        let mut tx = env.change().await;
        let team = Team { id: TeamId(1), name: Localized::both("一组", "Team 1"), queues: vec![QueueId(1)] };
        tx.put(queue(1, &[1]), None).await.unwrap();
        tx.put(team, None).await.unwrap();
        tx.put(agent(1, &[1], Some(1)), None).await.unwrap();
        tx.put(skill(1), None).await.unwrap();
        let done = tx.commit().await.unwrap();
        let config = env.store.load_config(env.a).await.unwrap();
        assert_eq!(Some(config.rev), done.rev);
        assert_eq!(config.agents[&AgentId(1)], agent(1, &[1], Some(1)));
        assert_eq!(config.queues[&QueueId(1)], queue(1, &[1]));
        assert_eq!(config.teams.len(), 1);
        assert_eq!(config.skills[&SkillId(1)], skill(1).name);
        assert_eq!((config.time_zone.as_str(), config.lang), ("Asia/Shanghai", Lang::Zh));
        assert_eq!(config.entitlements.seats, 5);
        assert!(env.store.load_config(env.b).await.unwrap().agents.is_empty());

        let mut tx = env.change().await;
        tx.put(queue(2, &[99]), None).await.unwrap();
        let refused = tx.commit().await.unwrap_err();
        assert!(matches!(refused, Error::Reference { ref object, .. } if *object == AgentId(99).to_string()), "{refused}");
        let mut tx = env.change().await;
        tx.delete::<SkillConfig>(SkillId(1), None).await.unwrap();
        let refused = tx.commit().await.unwrap_err();
        assert!(matches!(refused, Error::Reference { ref object, .. } if *object == AgentId(1).to_string()), "{refused}");
        assert!(env.store.item::<SkillConfig>(Scope::Tenant(env.a), SkillId(1)).await.is_ok());
    }

    async fn a_change_is_one_revision_with_its_audit_rows_or_nothing(env) {
        let mut tx = env.change().await;
        tx.put(skill(1), None).await.unwrap();
        tx.put(skill(2), None).await.unwrap();
        let rev = tx.commit().await.unwrap().rev.unwrap();
        let mut tx = env.change().await;
        tx.put(skill(3), None).await.unwrap();
        drop(tx);
        let scope = Scope::Tenant(env.a);
        let revisions = env.store.revisions(scope, &PageRequest::default()).await.unwrap().items;
        assert_eq!(revisions[0].number, rev);
        assert_eq!(revisions[0].author, "Ada");
        assert_eq!(revisions[0].changes.as_array().unwrap().len(), 2);
        let audit = env.store.audit(scope, &PageRequest::default()).await.unwrap().items;
        let actions: Vec<_> = audit.iter().map(|a| a.action.as_str()).collect();
        assert_eq!(actions, ["skill.put", "skill.put", "settings.put"]);
        assert_eq!(audit[0].rev, Some(rev));
        assert!(env.store.item::<SkillConfig>(scope, SkillId(3)).await.is_err());
        assert_eq!(env.store.tenant(env.a).await.unwrap().published_rev, rev);
    }

    async fn two_editors_do_not_overwrite_each_other(env) {
        let mut tx = env.change().await;
        let first = tx.put(skill(1), None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = env.change().await;
        let second = tx.put(skill(1), Some(first.rev)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = env.change().await;
        let stale = tx.put(skill(1), Some(first.rev)).await.unwrap_err();
        assert!(matches!(stale, Error::Stale { rev } if rev == second.rev), "{stale}");
        let stale = tx.delete::<SkillConfig>(SkillId(1), Some(first.rev)).await.unwrap_err();
        assert!(matches!(stale, Error::Stale { .. }), "{stale}");
        assert!(matches!(tx.put(skill(9), Some(1)).await, Err(Error::NotFound { .. })));
    }

    async fn numbers_extensions_and_domains_are_unique_where_they_must_be(env) {
        let mut tx = env.change().await;
        tx.put(number(1, "1000", EntryPoint::Echo), None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = env.change().await;
        let taken = tx.put(number(2, "1000", EntryPoint::Echo), None).await.unwrap_err();
        assert!(matches!(taken, Error::Conflict { ref what } if what == "number.taken"), "{taken}");
        drop(tx);
        // Another tenant may use the same number, and it is free again once deleted.
        let mut tx = env.store.admin(env.b, Author::system(), "", NOW).await.unwrap();
        tx.put(number(3, "1000", EntryPoint::Echo), None).await.unwrap();
        let mut settings = env.store.item::<store::Settings>(Scope::Tenant(env.b), env.b).await.unwrap().value;
        settings.sip_domain = "ALPHA.example".into();
        let taken = tx.put(settings, None).await.unwrap_err();
        assert!(matches!(taken, Error::Conflict { ref what } if what == "settings.sip_domain_taken"), "{taken}");
        drop(tx);
        let mut tx = env.change().await;
        tx.delete::<NumberConfig>(NumberId(1), None).await.unwrap();
        tx.put(number(4, "1000", EntryPoint::Echo), None).await.unwrap();
        tx.commit().await.unwrap();
        let names = env.store.names(Scope::Tenant(env.a), Class::Number).await.unwrap();
        assert_eq!(names.len(), 2, "deleted objects keep their names");
        assert!(matches!(env.change().await.put(number(1, "7", EntryPoint::Echo), None).await, Err(Error::NotFound { .. })));
    }

    async fn another_tenants_object_cannot_be_taken_over_by_its_id(env) {
        let mut tx = env.change().await;
        tx.put(skill(1), None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = env.store.admin(env.b, Author::system(), "", NOW).await.unwrap();
        assert!(tx.put(skill(1), None).await.is_err());
        drop(tx);
        let mut tx = env.store.admin(env.b, Author::system(), "", NOW).await.unwrap();
        assert!(matches!(tx.delete::<SkillConfig>(SkillId(1), None).await, Err(Error::NotFound { .. })));
        assert!(env.store.item::<SkillConfig>(Scope::Tenant(env.a), SkillId(1)).await.is_ok());
    }

    async fn a_flow_keeps_its_versions(env) {
        let mut tx = env.change().await;
        tx.put(queue(1, &[]), None).await.unwrap();
        tx.put(queue(2, &[]), None).await.unwrap();
        assert_eq!(tx.put(flow(1, 1), None).await.unwrap().value.version, 1);
        tx.commit().await.unwrap();
        let mut tx = env.change().await;
        assert_eq!(tx.put(flow(1, 2), None).await.unwrap().value.version, 2);
        tx.commit().await.unwrap();
        assert_eq!(env.store.load_config(env.a).await.unwrap().flows[&FlowId(1)].version, 2);
        let old = env.store.load_flow(env.a, FlowId(1), 1).await.unwrap();
        assert_eq!(old.steps, flow(1, 1).steps);
        assert!(env.store.load_flow(env.b, FlowId(1), 1).await.is_err());
        assert!(env.store.load_flow(env.a, FlowId(1), 3).await.is_err());
    }

    async fn a_draft_changes_nothing_until_published(env) {
        let changes = [Change::put(&skill(1)).unwrap(), Change::put(&skill(2)).unwrap()];
        let draft = env.store.save_draft(env.a, Author::system(), "later", &changes, NOW).await.unwrap();
        let before = env.store.load_config(env.a).await.unwrap();
        assert!(before.skills.is_empty());
        assert!(env.store.publish_draft(env.b, Author::system(), draft, NOW).await.is_err());
        let done = env.store.publish_draft(env.a, Author::system(), draft, NOW).await.unwrap();
        let after = env.store.load_config(env.a).await.unwrap();
        assert_eq!((after.skills.len(), Some(after.rev)), (2, done.rev));
        assert!(after.rev > before.rev);
        assert!(env.store.publish_draft(env.a, Author::system(), draft, NOW).await.is_err());
        let other = env.store.save_draft(env.a, Author::system(), "no", &changes, NOW).await.unwrap();
        env.store.discard_draft(env.a, Author::system(), other, NOW).await.unwrap();
        assert!(env.store.publish_draft(env.a, Author::system(), other, NOW).await.is_err());
        assert_eq!(env.store.revision(Scope::Tenant(env.a), draft).await.unwrap().state, "merged");
    }

    async fn the_directory_holds_what_telephony_needs(env) {
        let mut tx = env.change().await;
        tx.put(number(1, "1000", EntryPoint::Device { device: DeviceId(2) }), None).await.unwrap();
        tx.put(device(1, DeviceKind::Browser), None).await.unwrap();
        tx.put(device(2, DeviceKind::Sip { user: "8001".into() }), None).await.unwrap();
        tx.put(device(3, DeviceKind::Uri { uri: "sip:x@127.0.0.1".into() }), None).await.unwrap();
        assert!(tx.set_device_secret(DeviceId(1), "s").await.is_err());
        assert_eq!(tx.set_device_secret(DeviceId(2), "s3cret").await.unwrap(), "alpha.example");
        tx.commit().await.unwrap();
        let binding = Binding {
            contact: "sip:8001@192.0.2.7:5060".into(),
            transport: "udp".into(),
            source: "192.0.2.7:5060".parse().unwrap(),
            expires_unix_ms: NOW.0 + 60_000,
            call_id: "c".into(),
            cseq: 1,
            path: Vec::new(),
        };
        let bindings = [binding];
        let of = |tenant, device, bindings: &[Binding]| DeviceBindings {
            tenant,
            device: DeviceId(device),
            bindings: bindings.to_vec(),
        };
        // One that exists among more unknown ones than go into one statement, then another tenant's removal.
        let mut many: Vec<DeviceBindings> = (100..180).map(|n| of(env.a, n, &bindings)).collect();
        many.insert(70, of(env.a, 2, &bindings));
        env.store.save_bindings(&many, NOW).await.unwrap();
        env.store.save_bindings(&[of(env.b, 2, &[])], NOW).await.unwrap();

        let d = env.store.load_directory(env.host).await.unwrap();
        assert_eq!(d.default_tenant, Some(env.a));
        assert_eq!(d.domains["alpha.example"], env.a);
        assert_eq!(d.numbers[&(env.a, "1000".into())].number, NumberId(1));
        let account = &d.accounts[&("8001".into(), "alpha.example".into())];
        assert_eq!((account.tenant, account.device), (env.a, DeviceId(2)));
        let want = Ha1::derive("8001", "alpha.example", "s3cret");
        assert_eq!((&account.ha1_md5, &account.ha1_sha256), (&want.md5, &want.sha256));
        let DeviceEntryKind::Sip { bindings: found, realm, .. } = &d.devices[&DeviceId(2)].kind else { panic!() };
        assert_eq!((found.as_slice(), realm.as_str()), (&bindings[..], "alpha.example"));
        assert_eq!(d.devices.len(), 3);

        let mut tx = env.change().await;
        tx.put(number(1, "1000", EntryPoint::Echo), None).await.unwrap();
        tx.delete::<DeviceConfig>(DeviceId(2), None).await.unwrap();
        tx.commit().await.unwrap();
        let d = env.store.load_directory(env.host).await.unwrap();
        assert!(d.accounts.is_empty() && !d.devices.contains_key(&DeviceId(2)));
    }

    async fn entitlements_and_grants_are_changed_with_an_audit_row(env) {
        let user = env.user(env.a, "g@example.com").await;
        let stranger = env.user(env.b, "s@example.com").await;
        let mut tx = env.change().await;
        tx.set_entitlements(&Entitlements { seats: 99, concurrent_calls: 1, retention_days: 2 }).await.unwrap();
        tx.put(Team { id: TeamId(1), name: Localized::both("组", "Team"), queues: vec![] }, None).await.unwrap();
        tx.set_team_members(TeamId(1), &[user.id, user.id]).await.unwrap();
        assert!(matches!(tx.set_team_members(TeamId(1), &[stranger.id]).await, Err(Error::NotFound { .. })));
        tx.set_team_members(TeamId(1), &[user.id]).await.unwrap();
        let grant = tx.grant(user.id, "supervisor", "team", Some(TeamId(1).to_string())).await.unwrap();
        assert!(matches!(tx.grant(stranger.id, "admin", "tenant", None).await, Err(Error::NotFound { .. })));
        tx.commit().await.unwrap();
        assert_eq!(env.store.load_config(env.a).await.unwrap().entitlements.seats, 99);
        assert_eq!(env.store.grants_of(env.a, user.id).await.unwrap(), std::slice::from_ref(&grant));
        assert_eq!(env.store.teams_of(env.a, user.id).await.unwrap(), [TeamId(1)]);
        assert_eq!(env.store.members_of(env.a, TeamId(1)).await.unwrap(), [user.id]);
        let mut tx = env.change().await;
        tx.revoke_grant(grant.id).await.unwrap();
        tx.commit().await.unwrap();
        assert!(env.store.grants_of(env.a, user.id).await.unwrap().is_empty());
        let audit = env.store.audit(Scope::Tenant(env.a), &PageRequest::default()).await.unwrap().items;
        let actions: Vec<_> = audit.iter().map(|a| a.action.as_str()).collect();
        for action in ["grant.delete", "grant.create", "team.members", "entitlements.put", "user.create"] {
            assert!(actions.contains(&action), "{action} in {actions:?}");
        }
    }

    async fn lists_come_in_pages_without_gap_or_repeat(env) {
        let mut tx = env.change().await;
        for n in 0..57 {
            // Names repeat, so that the id must break the tie.
            tx.put(AgentConfig { name: format!("N{}", n % 5), ..agent(n, &[], None) }, None).await.unwrap();
        }
        tx.commit().await.unwrap();
        let scope = Scope::Tenant(env.a);
        for limit in [1, 7, 56, 57, 200] {
            let mut seen = Vec::new();
            let mut page = PageRequest { cursor: None, limit };
            loop {
                let got = env.store.items::<AgentConfig>(scope, None, &page).await.unwrap();
                assert!(got.items.len() <= limit as usize);
                seen.extend(got.items.into_iter().map(|i| (i.value.name, i.value.id)));
                match got.next {
                    Some(cursor) => page.cursor = Some(cursor),
                    None => break,
                }
            }
            let mut sorted = seen.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(seen, sorted, "limit {limit}");
            assert_eq!(seen.len(), 57);
        }
        let bad = PageRequest { cursor: Some("zz".into()), limit: 5 };
        assert!(matches!(env.store.items::<AgentConfig>(scope, None, &bad).await, Err(Error::Invalid { .. })));
        let found = env.store.items::<AgentConfig>(scope, Some("8056"), &PageRequest::default()).await.unwrap().items;
        assert_eq!(found.len(), 1);
        let none = env.store.items::<AgentConfig>(scope, Some("%"), &PageRequest::default()).await.unwrap().items;
        assert!(none.is_empty(), "wildcards are text");
        let by_key = env.store.item_by_key::<AgentConfig>(scope, "8003").await.unwrap().unwrap();
        assert_eq!(by_key.value.id, AgentId(3));
    }
}
