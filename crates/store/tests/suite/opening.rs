//! Opening an installation: twice, wrongly, and with the wrong key.
use crate::both;
use crate::env::NOW;
use store::{Error, Key, Options, Scope, Store};

both! {
    async fn opening_again_finds_everything(env) {
        let again = Store::open(&env.options).await.unwrap();
        assert_eq!(again.tenants(env.host.into()).await.unwrap().len(), 2);
        assert_eq!(again.tenants(Scope::Tenant(env.b)).await.unwrap().len(), 1);
        again.ping().await.unwrap();
    }

    async fn the_wrong_master_key_is_refused_with_the_remedy(env) {
        let options = Options { master_key: Some(Key::from_hex(&"ab".repeat(32)).unwrap()), ..env.options.clone() };
        let refused = Store::open(&options).await.err().unwrap();
        assert!(matches!(refused, Error::WrongMasterKey), "{refused}");
        assert!(refused.to_string().contains("master.key"), "{refused}");
        let right = std::fs::read_to_string(env.options.data_dir.join("master.key")).unwrap();
        let options = Options { master_key: Some(Key::from_hex(&right).unwrap()), ..env.options.clone() };
        Store::open(&options).await.unwrap();
    }

    async fn a_closed_database_is_unavailable(env) {
        let floor = env.store.live_floor(env.a, NOW).await.unwrap().id;
        env.store.close().await;
        assert!(env.store.ping().await.unwrap_err().is_unavailable());
        let batch = store::Batch::encode(1, &[1]).unwrap();
        assert!(env.store.append(floor, 1, batch, NOW).await.unwrap_err().is_unavailable());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_master_key_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = std::env::temp_dir().join(format!("cordboard-key-{}", std::process::id()));
    let store = Store::open(&Options::in_dir(&dir)).await.unwrap();
    let mode = std::fs::metadata(dir.join("master.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn mistakes_of_the_operator_are_named_with_their_remedy() {
    let file = std::env::temp_dir().join(format!("cordboard-file-{}", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let refused = Store::open(&Options::in_dir(file.join("data"))).await.err().unwrap();
    assert!(matches!(refused, Error::Unwritable { .. }) && refused.to_string().contains("--data-dir"), "{refused}");
    std::fs::remove_file(&file).unwrap();

    let dir = std::env::temp_dir().join(format!("cordboard-url-{}", std::process::id()));
    let open = |url: &str| {
        let options = Options { database_url: Some(url.to_owned()), ..Options::in_dir(&dir) };
        async move { Store::open(&options).await.err().unwrap() }
    };
    let refused = open("mysql://localhost/x").await;
    assert!(matches!(refused, Error::BadUrl { .. }) && refused.to_string().contains("postgres://"), "{refused}");
    // Port 1 on loopback: nothing listens there.
    let refused = open("postgres://nobody:secret-word@127.0.0.1:1/none").await;
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().contains("127.0.0.1:1") && !refused.to_string().contains("secret-word"), "{refused}");
    std::fs::remove_dir_all(&dir).unwrap();
}
