//! Configuration: pages, revisions, repeats, patches, devices in bulk, prompts, flows.
use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::port::Down;
use serde_json::{Value, json};

use crate::support::{World, wav};

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_search_names() {
    let world = World::new().await;
    let admin = &world.a.admin;
    for n in 0..7 {
        world
            .post(admin, "/skills", json!({"name": {"zh-CN": format!("技能{n}"), "en": format!("Skill {n}")}}))
            .await
            .ok();
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let page = world.get(admin, &format!("/skills?limit=3{cursor}")).await.ok();
        pages += 1;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        names.extend(items.iter().map(|i| i["name"]["en"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    names.sort();
    let mut wanted: Vec<String> = (0..7).map(|n| format!("Skill {n}")).collect();
    wanted.push("alpha skill".to_owned());
    assert_eq!((names, pages), (wanted, 3));
    let found = world.get(admin, "/skills?q=%E6%8A%80%E8%83%BD3").await.ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    for query in ["limit=0", "limit=201", "limit=x", "cursor=x"] {
        let status = world.get(admin, &format!("/skills?{query}")).await.status.as_u16();
        assert!((400..500).contains(&status), "{query}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_one_revision_with_its_audit_row_and_reaches_the_floor() {
    let world = World::new().await;
    let (admin, queue) = (&world.a.admin, format!("/queues/{}", world.a.queue));
    let before = world.get(admin, &queue).await.ok();
    let answer = world.patch(admin, &queue, json!({"name": {"en": "Renamed"}, "ring_timeout_ms": 12_000})).await;
    let rev: u64 = answer.header("x-config-revision").parse().unwrap();
    let after = answer.ok();
    assert_eq!((&after["name"]["en"], &after["ring_timeout_ms"]), (&json!("Renamed"), &json!(12_000)));
    assert_eq!(after["members"], before["members"]);
    let newest = &world.get(admin, "/config-revisions?limit=1").await.ok()["items"][0];
    assert_eq!((&newest["number"], &newest["author"]), (&json!(rev), &json!(world.a.admin.user)));
    let audit = &world.get(admin, "/audit?limit=1").await.ok()["items"][0];
    assert_eq!((&audit["action"], &audit["resource"]), (&json!("queue.put"), &json!(world.a.queue)));
    assert_eq!(world.engine.view(world.a.tenant).await.unwrap().rev, rev);
    // Nothing of it elsewhere.
    assert!(world.engine.view(world.b.tenant).await.unwrap().rev < rev || world.b.tenant != world.a.tenant);
    // In use: refused; free: gone.
    world.delete(admin, &format!("/skills/{}", world.a.skill)).await.refused(409, "resource.in_use");
    let free = world.post(admin, "/skills", json!({"name": {"en": "Free"}})).await.ok();
    let free = format!("/skills/{}", free["id"].as_str().unwrap());
    assert_eq!(world.delete(admin, &free).await.status.as_u16(), 204);
    world.get(admin, &free).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_create_makes_one_and_answers_the_same() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.a.admin.token);
    let send = async |key: &str, text: &str| {
        let headers = [("authorization", token.as_str()), ("idempotency-key", key)];
        world.send(Method::POST, "/skills", &headers, Some(json!({"name": {"en": text}}))).await
    };
    let first = send("one", "Chess").await.ok();
    let again = send("one", "Chess").await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.ok(), first);
    send("one", "Go").await.refused(409, "idempotency.mismatch");
    assert_ne!(send("two", "Chess").await.ok()["id"], first["id"]);
    // A refused create is not remembered.
    send("three", "").await.refused(422, "request.invalid");
    send("three", "Bridge").await.ok();
    let found = world.get(&world.a.admin, "/skills?q=chess").await.ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    // The other company's key of the same name is another key.
    let headers = [("authorization", format!("Bearer {}", world.b.admin.token)), ("idempotency-key", "one".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let other = world.send(Method::POST, "/skills", &headers, Some(json!({"name": {"en": "Chess"}}))).await.ok();
    assert_ne!(other["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_once_and_never_replayed() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.a.admin.token);
    let headers = [("authorization", token.as_str()), ("idempotency-key", "phone")];
    let body = json!({"name": "Phone", "agent": world.a.agent, "kind": {"kind": "sip", "user": "desk-1"}});
    let made = world.send(Method::POST, "/devices", &headers, Some(body.clone())).await.ok();
    assert_eq!((made["secret"].as_str().unwrap().len(), &made["realm"]), (24, &json!("alpha.example")));
    let again = world.send(Method::POST, "/devices", &headers, Some(body)).await.ok();
    assert_eq!((&again["id"], &again["secret"]), (&made["id"], &Value::Null));
    let path = format!("/devices/{}", made["id"].as_str().unwrap());
    let read = world.get(&world.a.admin, &path).await.ok();
    assert_eq!((read.get("secret"), &read["realm"]), (None, &json!("alpha.example")));
    // Telephony learnt the digests of just this secret.
    let directory = world.store.load_directory(store::HostScope::whole_installation()).await.unwrap();
    let account = &directory.accounts[&("desk-1".to_owned(), "alpha.example".to_owned())];
    let wanted = store::Ha1::derive("desk-1", "alpha.example", made["secret"].as_str().unwrap());
    assert_eq!((&account.ha1_md5, &account.ha1_sha256), (&wanted.md5, &wanted.sha256));
    // Another user needs its secret again, for the digests contain the user.
    let other_user = json!({"kind": {"kind": "sip", "user": "desk-2"}});
    world.patch(&world.a.admin, &path, other_user).await.refused(422, "request.invalid");
    let change = json!({"kind": {"kind": "sip", "user": "desk-2"}, "secret": "given by the operator"});
    world.patch(&world.a.admin, &path, change).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_fetches_its_settings_once() {
    let world = World::new().await;
    let (admin, phone) = (&world.a.admin, world.a.phone);
    let service = world.get(admin, "/devices/service").await.ok();
    assert_eq!((&service["sip"], &service["sip_tls"]), (&json!(5060), &Value::Null));
    let path = format!("/devices/{phone}/link");
    let link = async |body: Value| world.post(admin, &path, body).await.ok();
    let fetch = async |link: &Value| {
        let path = link["path"].as_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
        world.send(Method::GET, &path, &[], None).await
    };
    let made = link(json!({"transport": "tcp"})).await;
    let secret = made["secret"].as_str().unwrap();
    // Telephony learnt this password.
    let directory = world.store.load_directory(store::HostScope::whole_installation()).await.unwrap();
    let (key, account) = directory.accounts.iter().find(|(_, a)| a.device == phone).unwrap();
    let key = key.clone();
    assert_eq!(account.ha1_md5, store::Ha1::derive(&key.0, "alpha.example", secret).md5);
    let told = |d: &Down| match d {
        Down::Directory(told) => (told.accounts.get(&key)?.ha1_md5 == account.ha1_md5).then_some(()),
        _ => None,
    };
    world.told(told).await;
    let head = made["path"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
    assert_eq!(world.send(Method::HEAD, head, &[], None).await.status.as_u16(), 405, "a look uses nothing up");
    let answer = fetch(&made).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    let xml = answer.text();
    for part in [secret, "sip:desk.example:5060;transport=tcp", "@alpha.example<"] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    assert_eq!(fetch(&made).await.status.as_u16(), 404, "once");
    // A given password stays; another password, another link or the device's end is the end of a link.
    let given = link(json!({"transport": "udp", "secret": "given by the operator"})).await;
    assert_eq!(given["secret"], "given by the operator");
    let newer = link(json!({"transport": "udp"})).await;
    assert_eq!(fetch(&given).await.status.as_u16(), 404);
    world.patch(admin, &format!("/devices/{phone}"), json!({"secret": "another by the operator"})).await.ok();
    assert_eq!(fetch(&newer).await.status.as_u16(), 404);
    let last = link(json!({"transport": "udp"})).await;
    world.delete(admin, &format!("/devices/{phone}")).await;
    assert_eq!(fetch(&last).await.status.as_u16(), 404);
    // What is refused: TLS where there is none, short passwords, devices that are no phones, agents.
    world.post(admin, &path, json!({"transport": "udp"})).await.refused(404, "not_found");
    let uri = format!("/devices/{}/link", world.a.uri);
    for body in
        [json!({"transport": "tls"}), json!({"transport": "udp", "secret": "short"}), json!({"transport": "udp"})]
    {
        world.post(admin, &uri, body).await.refused(422, "request.invalid");
    }
    world.post(&world.a.worker, &uri, json!({"transport": "udp"})).await.refused(403, "auth.forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_in_bulk_fail_row_by_row() {
    let world = World::new().await;
    let sip = |user: &str| json!({"name": user, "kind": {"kind": "sip", "user": user}});
    let mut devices: Vec<Value> = (0..50).map(|n| sip(&format!("bulk{n}"))).collect();
    devices.push(sip("bulk0"));
    devices.push(sip("Not A User"));
    devices.push(json!({"name": "x", "agent": world.b.agent, "kind": {"kind": "sip", "user": "foreign"}}));
    devices.push(json!({"name": "", "kind": {"kind": "uri", "uri": "tel:1"}}));
    devices.push(json!({"name": "load", "kind": {"kind": "uri", "uri": "sip:load@127.0.0.1:5080"}}));
    let result = world.post(&world.a.admin, "/devices/bulk", json!({"devices": devices})).await.ok();
    assert_eq!((&result["created"], &result["failed"]), (&json!(51), &json!(4)));
    let rows = result["rows"].as_array().unwrap();
    let error = |row: usize| rows[row]["error"]["fields"][0].clone();
    assert_eq!(error(50), json!({"path": "kind.user", "code": "taken"}));
    assert_eq!(error(51), json!({"path": "kind.user", "code": "invalid"}));
    assert_eq!(error(52), json!({"path": "agent", "code": "not_found"}));
    assert_eq!(rows[53]["error"]["fields"].as_array().unwrap().len(), 2);
    assert_eq!((&rows[54]["row"], &rows[54]["error"]), (&json!(54), &Value::Null));
    let secrets: std::collections::HashSet<&str> =
        rows[..50].iter().map(|r| r["device"]["secret"].as_str().unwrap()).collect();
    assert_eq!(secrets.len(), 50);
    let full: Vec<Value> = (0..1_000).map(|n| sip(&format!("full{n}"))).collect();
    let result = world.post(&world.a.admin, "/devices/bulk", json!({"devices": full})).await.ok();
    assert_eq!((&result["created"], &result["failed"]), (&json!(1_000), &json!(0)));
    let too_many = vec![sip("x"); 1_001];
    world.post(&world.a.admin, "/devices/bulk", json!({"devices": too_many})).await.refused(422, "bulk.too_many");
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_take_sound_and_give_it_back_as_telephony_plays_it() {
    let world = World::new().await;
    let admin = &world.a.admin;
    let body = json!({"name": {"en": "Hello"}, "licence": "CC0", "audio": {"en": BASE64_STANDARD.encode(wav())}});
    let made = world.post(admin, "/prompts", body).await.ok();
    assert_eq!((&made["languages"], made.get("audio")), (&json!(["en"]), None));
    let path = format!("/prompts/{}", made["id"].as_str().unwrap());
    let sound = world.get(admin, &format!("{path}/audio/en")).await;
    // Mono: half the bytes of the stereo that was given.
    assert_eq!((sound.status.as_u16(), sound.bytes.len()), (200, 44 + 160_000));
    world.get(admin, &format!("{path}/audio/zh-CN")).await.refused(404, "not_found");
    let bad = json!({"audio": {"zh-CN": BASE64_STANDARD.encode("no sound")}});
    world.patch(admin, &path, bad).await.refused(422, "request.invalid");
    let renamed = world.patch(admin, &path, json!({"name": {"en": "Hi"}})).await.ok();
    assert_eq!(renamed["languages"], json!(["en"]));
    assert!(!world.store.prompt_audio(crate::support::scope(&world.a)).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_drafted_checked_and_published() {
    let world = World::new().await;
    let (admin, a) = (&world.a.admin, &world.a);
    let path = format!("/flows/{}", a.flow);
    let broken = json!({"steps": {"start": {"step": "play", "prompts": [a.prompt], "next": "nowhere"}}});
    let saved = world.patch(admin, &path, broken.clone()).await.ok();
    assert_eq!((&saved["changed"], &saved["published_version"]), (&json!(true), &json!(1)));
    world.post(admin, &format!("{path}/publish"), json!({})).await.refused(422, "flow.invalid");
    let draft = json!({"name": {"en": "x"}, "start": "start", "steps": broken["steps"]});
    let check = world.post(admin, "/flows/validate", draft).await.ok();
    assert_eq!((&check["valid"], &check["problems"][0]["step"]), (&json!(false), &json!("start")));
    assert!(check["problems"][0]["message"]["zh-CN"].as_str().is_some_and(|t| !t.is_empty()));

    let good = json!({"start": "hello", "steps": {
        "hello": {"step": "play", "prompts": [a.prompt], "next": "wait"},
        "wait": {"step": "queue", "queue": a.queue},
    }});
    world.patch(admin, &path, good).await.ok();
    // Still the old one for callers.
    assert_eq!(world.store.load_config(a.tenant).await.unwrap().flows[&a.flow].version, 1);
    let published = world.post(admin, &format!("{path}/publish"), json!({"reason": "greet first"})).await.ok();
    assert_eq!((&published["version"], &published["fields"]["start"]), (&json!(2), &json!("hello")));
    let flow = world.get(admin, &path).await.ok();
    assert_eq!((&flow["changed"], &flow["published_version"]), (&json!(false), &json!(2)));
    let versions = world.get(admin, &format!("{path}/versions")).await.ok();
    let numbers: Vec<_> = versions["items"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(1)]);
    let newest = &world.get(admin, "/config-revisions?limit=5").await.ok()["items"];
    assert!(newest.as_array().unwrap().iter().any(|r| r["reason"] == "greet first" && r["state"] == "published"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_changed_and_deactivated() {
    let world = World::new().await;
    let admin = &world.a.admin;
    let body = json!({"email": "New.Person@Alpha.Test", "name": "New", "password": "a first password"});
    let login = world.post(admin, "/logins", body).await.ok();
    assert_eq!((&login["email"], &login["has_password"]), (&json!("new.person@alpha.test"), &json!(true)));
    let user = format!("/users/{}", login["user"].as_str().unwrap());
    let scope = json!({"scope": "queue", "queue": world.a.queue});
    let change = json!({"lang": "en", "grants": [{"role": "supervisor", "scope": scope}]});
    let changed = world.patch(admin, &user, change).await.ok();
    assert_eq!(changed["grants"], json!([{"role": "supervisor", "scope": scope}]));
    world.patch(admin, &user, json!({"email": "else@alpha.test"})).await.refused(422, "request.invalid");
    let credentials = json!({"email": "new.person@alpha.test", "password": "a first password"});
    let me = world.send(Method::POST, "/sign-in", &[], Some(credentials.clone())).await.ok();
    assert_eq!(me["grants"], changed["grants"]);
    let id = format!("/logins/{}", login["id"].as_str().unwrap());
    world.patch(admin, &id, json!({"password": "a second password"})).await.ok();
    world.send(Method::POST, "/sign-in", &[], Some(credentials)).await.refused(401, "auth.bad_credentials");
    assert_eq!(world.delete(admin, &user).await.status.as_u16(), 204);
    let gone = world.get(admin, &user).await.ok();
    assert_eq!((&gone["active"], &gone["grants"]), (&json!(false), &json!([])));
    world.delete(admin, &format!("/users/{}", world.a.admin.user)).await.refused(409, "resource.in_use");
    world.post(admin, "/users", json!({"email": "not an address", "name": "x"})).await.refused(422, "request.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_stale_or_wrong_is_said_so() {
    let world = World::new().await;
    let admin = &world.a.admin;
    let number = json!({"number": "1000", "name": {"en": "again"}, "entry": {"entry": "echo"}, "lang": "en"});
    world.post(admin, "/numbers", number).await.refused(409, "resource.taken");
    let cases = [
        ("/numbers", json!({"number": "12a", "name": {"en": "x"}, "entry": {"entry": "echo"}, "lang": "en"}), "number"),
        ("/calendars", json!({"name": {"en": "x"}, "time_zone": "Mars/Olympus"}), "time_zone"),
        ("/skills", json!({"name": {"en": " "}}), "name"),
        ("/queues", json!({"name": {"en": "x"}, "strategy": "random"}), "strategy"),
        (
            "/queues",
            json!({"name": {"en": "x"}, "members": [{"agent": world.a.agent, "priority": 0}]}),
            "members[0].priority",
        ),
        (
            "/agents",
            json!({"user": world.a.nobody.user, "name": "x", "extension": "abc", "capacity": {"voice": 1}}),
            "extension",
        ),
    ];
    for (path, body, field) in cases {
        let problem = world.post(admin, path, body).await.refused(422, "request.invalid");
        assert_eq!(problem["fields"][0]["path"], json!(field), "{problem}");
    }
    let settings =
        world.patch(admin, "/tenant", json!({"time_zone": "Europe/Berlin", "music": world.a.prompt})).await.ok();
    assert_eq!((&settings["time_zone"], &settings["sip_domain"]), (&json!("Europe/Berlin"), &json!("alpha.example")));
    assert_eq!(settings["has_sample_history"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunks_password_is_wanted_once_kept_and_never_shown() {
    let world = World::new().await;
    let admin = &world.a.admin;
    let account = json!({"user": "1001", "register": true});
    let new = json!({"name": "carrier", "host": "127.0.0.1:9", "account": account, "check_s": 0});
    let wanted = |answer: crate::support::Answer| {
        assert_eq!(answer.status.as_u16(), 422, "{}", answer.text());
        assert!(answer.text().contains(r#""path":"password","code":"required""#), "{}", answer.text());
    };
    wanted(world.post(admin, "/trunks", new.clone()).await);
    let mut with = new;
    with["password"] = json!("open sesame");
    let made = world.post(admin, "/trunks", with).await.ok();
    let path = format!("/trunks/{}", made["id"].as_str().unwrap());
    assert_eq!(made["account"]["user"], "1001");
    // This server has no key to sign calls with.
    let signed = world.patch(admin, &path, json!({"identity": {"signed": true}})).await;
    assert_eq!(signed.status.as_u16(), 422, "{}", signed.text());
    assert!(signed.text().contains(r#""path":"identity.signed","code":"unavailable""#), "{}", signed.text());
    // Another name keeps the password; the account given up and taken again wants it anew.
    world.patch(admin, &path, json!({"name": "renamed", "account": {"user": "1002"}})).await.ok();
    for place in [path.as_str(), "/trunks", "/audit", "/config-revisions"] {
        let text = world.get(admin, place).await.text();
        assert!(!text.contains("sesame"), "{place}: {text}");
    }
    world.patch(admin, &path, json!({"account": null})).await.ok();
    wanted(world.patch(admin, &path, json!({"account": {"user": "1002"}})).await);
    let (status, shortest) = (422, json!({"check_s": 1}));
    assert_eq!(world.patch(admin, &path, shortest).await.status.as_u16(), status);
}
