//! What is sealed stays sealed, and altered bytes are noticed.
use std::time::Duration;

use crate::both;
use crate::env::NOW;
use domain::config::{TrunkAccount, TrunkConfig};
use domain::id::{DeviceId, TrunkId};
use domain::time::Timestamp;
use store::{Author, Error, NewBlob, PageRequest, Scope};

both! {
    async fn sealed_secrets_open_for_their_tenant_and_object_only(env) {
        let keys = env.store.keyring();
        let sealed = keys.seal(env.a, "device", "d1", b"secret").await.unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!(keys.open_sealed(env.a, "device", "d1", &sealed).await.unwrap(), b"secret");
        for (tenant, purpose, object) in [(env.b, "device", "d1"), (env.a, "mail", "d1"), (env.a, "device", "d2")] {
            let refused = keys.open_sealed(tenant, purpose, object, &sealed).await.unwrap_err();
            assert!(matches!(refused, Error::Tampered { .. }), "{refused}");
        }
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 0x40;
            let refused = keys.open_sealed(env.a, "device", "d1", &bad).await.unwrap_err();
            assert!(matches!(refused, Error::Tampered { .. }), "byte {i}: {refused}");
        }
        assert_eq!(keys.local_key("spool").unwrap(), keys.local_key("spool").unwrap());
        assert_ne!(keys.local_key("spool").unwrap(), keys.local_key("checkpoint").unwrap());
    }

    async fn a_swapped_device_secret_is_noticed(env) {
        let mut tx = env.store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        for n in [1, 2] {
            let kind = domain::config::DeviceKind::Sip { user: format!("800{n}") };
            tx.put(crate::admin::device(n, kind), None).await.unwrap();
            tx.set_device_secret(DeviceId(n), "s").await.unwrap();
        }
        tx.commit().await.unwrap();
        env.store.load_directory(env.host).await.unwrap();
        env.raw("UPDATE device_secrets SET sealed_ha1 = (SELECT s.sealed_ha1 FROM device_secrets s WHERE s.sip_user = '8002')")
            .await;
        let refused = env.store.load_directory(env.host).await.unwrap_err();
        assert!(matches!(refused, Error::Tampered { .. }), "{refused}");
    }

    async fn a_trunks_password_is_sealed_reaches_telephony_and_goes_with_the_trunk(env) {
        let account = TrunkAccount { user: "1001".into(), auth_user: None, domain: None, register: true };
        let trunk = TrunkConfig {
            id: TrunkId(7),
            name: "carrier".into(),
            addresses: vec![],
            region: None,
            host: Some("sip.carrier.example".into()),
            transport: Default::default(),
            check_certificate: true,
        identity: Default::default(),
            srtp: Default::default(), codecs: Vec::new(),
            calls_max: None,
            calls_per_second: None,
            account: Some(account.clone()),
            check_s: 30,
            caller: None,
            active: true,
        };
        let mut tx = env.store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        tx.put(trunk, None).await.unwrap();
        assert!(!tx.has_trunk_password(TrunkId(7)).await.unwrap());
        tx.set_trunk_password(TrunkId(7), Some("open sesame")).await.unwrap();
        tx.commit().await.unwrap();
        let login = |d: domain::directory::Directory| d.trunks.into_iter().next().and_then(|t| t.account);
        let found = login(env.store.load_directory(env.host).await.unwrap()).unwrap();
        assert_eq!((&found.account, found.password.0.as_str()), (&account, "open sesame"));
        assert!(!format!("{found:?}").contains("sesame"));
        let page = PageRequest { cursor: None, limit: 50 };
        let trail = env.store.audit(Scope::Tenant(env.a), &page).await.unwrap();
        assert!(!format!("{trail:?}").contains("sesame"));
        // Another company cannot take it away.
        let mut tx = env.store.admin(env.b, Author::system(), "", NOW).await.unwrap();
        tx.set_trunk_password(TrunkId(7), None).await.unwrap();
        tx.commit().await.unwrap();
        assert!(login(env.store.load_directory(env.host).await.unwrap()).is_some());
        let mut tx = env.store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        tx.delete::<TrunkConfig>(TrunkId(7), None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = env.store.admin(env.a, Author::system(), "", NOW).await.unwrap();
        assert!(!tx.has_trunk_password(TrunkId(7)).await.unwrap());
        assert!(login(env.store.load_directory(env.host).await.unwrap()).is_none());
    }

    async fn a_blob_reads_back_in_ranges_and_shows_tampering(env) {
        let (blobs, scope) = (env.store.blobs(), Scope::Tenant(env.a));
        let new = |sample_floor| NewBlob {
            tenant: env.a,
            kind: "recording",
            content_type: "audio/wav".into(),
            retain_until: Some(Timestamp(NOW.0 + 1)),
            sample_floor,
        };
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i % 253) as u8).collect();
        let row = blobs.put_bytes(new(None), bytes.clone(), NOW).await.unwrap();
        assert_eq!((row.length, blobs.row(scope, row.id).await.unwrap()), (300_000, row.clone()));
        assert_eq!(blobs.read(scope, row.id).await.unwrap(), bytes);
        let reader = blobs.reader(scope, row.id).await.unwrap();
        assert_eq!(reader.read_range(65_530, 70_000).await.unwrap(), bytes[65_530..135_530]);
        assert_eq!(reader.read_range(299_999, 50).await.unwrap(), bytes[299_999..]);

        let path = env.options.data_dir.join("blobs").join(env.a.to_string()).join(format!("{}.sealed", row.id));
        let mut file = std::fs::read(&path).unwrap();
        assert!(!file.windows(64).any(|w| w == &bytes[..64]), "the file is not plain");
        file[200_000] ^= 1;
        std::fs::write(&path, &file).unwrap();
        assert!(matches!(blobs.read(scope, row.id).await, Err(Error::Tampered { .. })));
        assert_eq!(reader.read_range(0, 1000).await.unwrap(), bytes[..1000], "other chunks still play");

        env.raw("UPDATE blobs SET legal_hold = 1").await;
        assert!(matches!(blobs.delete(scope, row.id).await, Err(Error::Conflict { .. })));
        env.raw("UPDATE blobs SET legal_hold = 0").await;
        blobs.delete(scope, row.id).await.unwrap();
        assert!(!path.exists());

        // A crash between file and row leaves a file that the sweep finds.
        let row = blobs.put_bytes(new(None), vec![1], NOW).await.unwrap();
        env.raw("DELETE FROM blobs").await;
        let future = store::random::wall_clock() + Duration::from_secs(60);
        assert_eq!(blobs.sweep(env.a, Timestamp(0)).await.unwrap(), 0);
        assert_eq!(blobs.sweep(env.a, future).await.unwrap(), 1);
        assert!(matches!(blobs.row(scope, row.id).await, Err(Error::NotFound { .. })));
    }

    async fn a_new_key_seals_what_comes_and_old_seals_open_until_and_after_they_are_renewed(env) {
        let (store, scope) = (&env.store, Scope::Tenant(env.a));
        let new = || NewBlob {
            tenant: env.a,
            kind: "recording",
            content_type: "audio/wav".into(),
            retain_until: None,
            sample_floor: None,
        };
        let old = store.blobs().put_bytes(new(), b"before".to_vec(), NOW).await.unwrap();
        let older = store.blobs().put_bytes(new(), b"also before".to_vec(), NOW).await.unwrap();
        let state = store.key_state(env.a).await.unwrap();
        assert_eq!((state.number, state.current, state.older), (1, 2, 0));
        let later = Timestamp(NOW.0 + 1000);
        let rotate = async || {
            let mut tx = store.admin(env.a, Author::system(), "yearly", later).await.unwrap();
            let number = tx.rotate_key().await.unwrap();
            tx.commit().await.unwrap();
            number
        };
        // A change that is given up leaves the key as it was.
        let mut tx = store.admin(env.a, Author::system(), "", later).await.unwrap();
        assert_eq!(tx.rotate_key().await.unwrap(), 2);
        drop(tx);
        let young = store.blobs().put_bytes(new(), b"still the first".to_vec(), NOW).await.unwrap();
        assert_eq!(rotate().await, 2);
        let fresh = store.blobs().put_bytes(new(), b"after".to_vec(), NOW).await.unwrap();
        let state = store.key_state(env.a).await.unwrap();
        assert_eq!((state.number, state.created_at, state.current, state.older), (2, later, 1, 3));
        let read = async |id| String::from_utf8(store.blobs().read(scope, id).await.unwrap()).unwrap();
        let texts = async || [read(old.id).await, read(older.id).await, read(young.id).await, read(fresh.id).await];
        assert_eq!(texts().await, ["before", "also before", "still the first", "after"]);
        assert_eq!(store.rewrap(env.a, 2).await.unwrap(), 2);
        assert_eq!(store.key_state(env.a).await.unwrap().older, 1);
        assert_eq!(store.rewrap(env.a, 100).await.unwrap(), 1);
        assert_eq!(store.rewrap(env.a, 100).await.unwrap(), 0);
        assert_eq!(texts().await, ["before", "also before", "still the first", "after"]);
        // Nothing needs the first key any more; another company keeps its own.
        env.raw("DELETE FROM tenant_keys WHERE key_no = 1 AND tenant_id <> (SELECT id FROM tenants WHERE slug = 'beta')").await;
        let again = store::Store::open(&env.options).await.unwrap();
        assert_eq!(again.blobs().read(scope, old.id).await.unwrap(), b"before");
        assert_eq!(store.key_state(env.b).await.unwrap().number, 1);
        let page = PageRequest { cursor: None, limit: 50 };
        let trail = store.audit(scope, &page).await.unwrap().items;
        assert_eq!(trail.iter().filter(|row| row.action == "tenant.rotate_key").count(), 1);
    }
}
