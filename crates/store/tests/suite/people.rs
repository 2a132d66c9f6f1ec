//! Sign-in, sessions, tokens, links, idempotency, the outbox, addresses.
use std::time::Duration;

use crate::both;
use crate::env::NOW;
use domain::address::Address;
use domain::id::AddressId;
use domain::time::Timestamp;
use store::{Author, Error, Idempotency, MAX_ATTEMPTS, Scope};

const HOUR: Duration = Duration::from_secs(3600);

fn later(ms: i64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

both! {
    async fn a_login_is_found_by_any_writing_of_its_address(env) {
        let store = &env.store;
        let login = store.login_for_email(" Ada@Example.COM ", NOW).await.unwrap();
        assert_eq!(store.login_for_email("ada@example.com", NOW).await.unwrap().id, login.id);
        assert_eq!(store.find_login("ADA@example.com").await.unwrap().unwrap().id, login.id);
        assert_eq!(store.find_login("not an address").await.unwrap(), None);
        assert!(matches!(store.login_for_email("@", NOW).await, Err(Error::Invalid { .. })));
        assert_eq!(store.sign_in_failed(login.id, NOW, None).await.unwrap(), 1);
        assert_eq!(store.sign_in_failed(login.id, NOW, Some(later(5))).await.unwrap(), 2);
        assert_eq!(store.login(login.id).await.unwrap().locked_until, Some(later(5)));
        store.sign_in_succeeded(login.id).await.unwrap();
        assert_eq!(store.login(login.id).await.unwrap().failed_count, 0);
    }

    async fn a_session_ends_by_time_password_sign_out_or_deactivation(env) {
        let store = &env.store;
        let user = env.user(env.a, "u@example.com").await;
        let (row, token) = store.create_session(&user, HOUR, NOW).await.unwrap();
        assert_eq!(store.find_session(&token, later(1)).await.unwrap().unwrap().id, row.id);
        assert_eq!(store.find_session(&row.secret_hash, NOW).await.unwrap(), None);
        assert_eq!(store.find_session(&token, later(3_600_000)).await.unwrap(), None);
        store.touch_session(row.id, HOUR, later(1000)).await.unwrap();
        assert!(store.find_session(&token, later(3_600_000)).await.unwrap().is_some());
        store.delete_session(row.id).await.unwrap();
        assert_eq!(store.find_session(&token, NOW).await.unwrap(), None);

        let (_, token) = store.create_session(&user, HOUR, NOW).await.unwrap();
        store.set_password_hash(user.login_id, "$argon2id$…").await.unwrap();
        assert_eq!(store.find_session(&token, NOW).await.unwrap(), None);

        let (_, token) = store.create_session(&user, HOUR, NOW).await.unwrap();
        let mut tx = store.admin(env.a, Author::system(), "left", NOW).await.unwrap();
        let (_, api) = tx.create_token(user.id, "script", None).await.unwrap();
        let left = store::UserRow { active: false, ..user.clone() };
        tx.update_user(&left, Some(user.rev)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.find_session(&token, NOW).await.unwrap(), None);
        assert_eq!(store.find_token(&api, NOW).await.unwrap(), None);
        assert!(store.users_of_login(user.login_id).await.unwrap().is_empty());
    }

    async fn a_token_works_until_revoked_or_expired(env) {
        let store = &env.store;
        let user = env.user(env.a, "t@example.com").await;
        let mut tx = store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        let (row, secret) = tx.create_token(user.id, "one", Some(later(100))).await.unwrap();
        let (other, secret2) = tx.create_token(user.id, "two", None).await.unwrap();
        tx.commit().await.unwrap();
        assert!(secret.starts_with(store::TOKEN_PREFIX));
        assert_eq!(store.find_token(&secret, NOW).await.unwrap().unwrap().id, row.id);
        assert_eq!(store.find_token(&secret, later(100)).await.unwrap(), None);
        let mut tx = store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        tx.revoke_token(other.id).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.find_token(&secret2, NOW).await.unwrap(), None);
        assert_eq!(store.tokens(Scope::Tenant(env.a)).await.unwrap()[0].user_name, "t@example.com");
    }

    async fn a_link_works_once(env) {
        let store = &env.store;
        let user = env.user(env.a, "l@example.com").await;
        let link = store.create_link(env.a, user.id, "sign_in", HOUR, NOW).await.unwrap();
        assert!(store.create_link(env.b, user.id, "sign_in", HOUR, NOW).await.is_err());
        assert_eq!(store.redeem_link(&link, "set_password", NOW).await.unwrap(), None);
        let redeem = || {
            let (store, link) = (store.clone(), link.clone());
            tokio::spawn(async move { store.redeem_link(&link, "sign_in", NOW).await.unwrap().map(|l| l.user_id) })
        };
        let (one, two) = (redeem(), redeem());
        let mut both = [one.await.unwrap(), two.await.unwrap()];
        both.sort();
        assert_eq!(both, [None, Some(user.id)]);
        let late = store.create_link(env.a, user.id, "sign_in", HOUR, NOW).await.unwrap();
        assert_eq!(store.redeem_link(&late, "sign_in", later(3_600_000)).await.unwrap(), None);
        assert_eq!(store.expire(later(3_600_000)).await.unwrap(), 2);
    }

    async fn a_repeated_request_gets_the_first_answer(env) {
        let store = &env.store;
        let begin = |tenant, hash, at| store.idempotency_begin(tenant, "k", hash, HOUR, at);
        assert_eq!(begin(env.a, "h", NOW).await.unwrap(), Idempotency::Fresh);
        assert_eq!(begin(env.a, "h", NOW).await.unwrap(), Idempotency::InProgress);
        assert_eq!(begin(env.a, "other", NOW).await.unwrap(), Idempotency::Mismatch);
        assert_eq!(begin(env.b, "h", NOW).await.unwrap(), Idempotency::Fresh);
        store.idempotency_abandon(env.a, "k").await.unwrap();
        assert_eq!(begin(env.a, "h", NOW).await.unwrap(), Idempotency::Fresh);
        store.idempotency_finish(env.a, "k", 201, "{}").await.unwrap();
        store.idempotency_abandon(env.a, "k").await.unwrap();
        let replay = Idempotency::Replay { status: 201, body: "{}".into() };
        assert_eq!(begin(env.a, "h", NOW).await.unwrap(), replay);
        assert_eq!(begin(env.b, "h", NOW).await.unwrap(), Idempotency::InProgress);
        assert_eq!(begin(env.a, "h", later(3_600_000)).await.unwrap(), Idempotency::Fresh);
    }

    async fn the_outbox_claims_once_retries_and_gives_up(env) {
        let store = &env.store;
        let lease = Duration::from_secs(30);
        for i in 0..20 {
            store.outbox_add(env.a, "webhook", serde_json::json!({ "n": i }), NOW).await.unwrap();
        }
        let claim = || {
            let (store, host) = (store.clone(), env.host);
            tokio::spawn(async move { store.outbox_claim(host, 15, lease, NOW).await.unwrap() })
        };
        let (one, two) = (claim(), claim());
        let mut all: Vec<String> = one.await.unwrap().into_iter().chain(two.await.unwrap()).map(|r| r.id).collect();
        all.sort();
        let claimed = all.len();
        all.dedup();
        assert_eq!(all.len(), claimed, "claimed twice");
        let rest = store.outbox_claim(env.host, 100, lease, NOW).await.unwrap().len();
        assert_eq!(claimed + rest, 20);
        // Nobody acknowledged: after the lease they are due again.
        let mut rows = store.outbox_claim(env.host, 100, lease, NOW + lease).await.unwrap();
        assert_eq!(rows.len(), 20);
        let mut row = rows.pop().unwrap();
        for done in rows {
            store.outbox_ack(env.a, &done.id).await.unwrap();
        }
        let mut now = NOW + lease;
        while row.attempts < MAX_ATTEMPTS {
            store.outbox_retry(&row, "503", now).await.unwrap();
            assert!(store.outbox_claim(env.host, 10, lease, now).await.unwrap().is_empty());
            now = now + 5 * HOUR;
            row = store.outbox_claim(env.host, 10, lease, now).await.unwrap().pop().unwrap();
        }
        store.outbox_retry(&row, "503", now).await.unwrap();
        assert!(store.outbox_claim(env.host, 10, lease, now + 100 * HOUR).await.unwrap().is_empty());
    }

    async fn an_address_has_one_id_and_can_be_erased(env) {
        let store = &env.store;
        let address = Address::from_sip("13800138000", "x", Some("CN"));
        let intern = |tenant, name: Option<&'static str>| {
            let (store, address) = (store.clone(), address.clone());
            tokio::spawn(async move { store.intern_address(tenant, &address, name, None, NOW).await.unwrap() })
        };
        let (one, two, three) = (intern(env.a, None), intern(env.a, Some("Li")), intern(env.a, None));
        let id = one.await.unwrap();
        assert_eq!((two.await.unwrap(), three.await.unwrap()), (id, id));
        assert_ne!(intern(env.b, None).await.unwrap(), id);
        let row = store.address(env.a, id).await.unwrap();
        assert_eq!((row.value, row.kind.as_str(), row.name.as_deref()), (address.clone(), "phone", Some("Li")));
        assert_eq!(store.addresses(env.a, &[id, AddressId(7)]).await.unwrap().len(), 1);
        assert!(matches!(store.erase_address(env.b, id).await, Err(Error::NotFound { .. })));
        env.raw("UPDATE addresses SET legal_hold = 1").await;
        assert!(matches!(store.erase_address(env.a, id).await, Err(Error::Conflict { .. })));
        env.raw("UPDATE addresses SET legal_hold = 0").await;
        store.erase_address(env.a, id).await.unwrap();
        assert!(store.address(env.a, id).await.is_err());
    }
}
