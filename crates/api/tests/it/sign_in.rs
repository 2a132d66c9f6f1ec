//! Signing in, sessions, CSRF, limits, headers, the shape of errors.
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Person, World};

async fn sign_in(world: &World, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    world.send(Method::POST, "/sign-in", &[("origin", "http://desk.example")], Some(body)).await
}

/// The cookie pair and the CSRF token.
async fn session(world: &World, person: &Person) -> (String, String) {
    let answer = sign_in(world, &person.email, PASSWORD).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let csrf = answer.ok()["csrf_token"].as_str().unwrap().to_owned();
    (cookie, csrf)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_a_session_that_sign_out_ends() {
    let world = World::new().await;
    let answer = sign_in(&world, &world.a.supervisor.email.to_uppercase(), PASSWORD).await;
    let flags = answer.header("set-cookie").to_owned();
    assert!(flags.contains("HttpOnly") && flags.contains("SameSite=Lax") && flags.contains("Path=/"), "{flags}");
    assert!(!flags.contains("Secure"), "plain HTTP: the browser would drop it");
    let me = answer.ok();
    assert_eq!(me["tenant"]["id"], json!(world.a.tenant));
    assert_eq!(me["agent"], Value::Null);
    assert!(me["actions"].as_array().unwrap().contains(&json!("live.view")));

    let (cookie, csrf) = session(&world, &world.a.worker).await;
    let me = world.send(Method::GET, "/me", &[("cookie", &cookie)], None).await.ok();
    assert_eq!((&me["agent"], &me["csrf_token"]), (&json!(world.a.agent), &json!(csrf)));
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let out = world.send(Method::POST, "/sign-out", &headers, None).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    out.ok();
    world.send(Method::GET, "/me", &[("cookie", &cookie)], None).await.refused(401, "auth.not_signed_in");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_over_tls_are_secure() {
    use tower::ServiceExt;
    let world = World::new().await;
    let body = json!({"email": world.a.admin.email, "password": PASSWORD}).to_string();
    let mut request = axum::http::Request::post("/api/v1/sign-in")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body))
        .unwrap();
    request.extensions_mut().insert(api::http::Peer { address: ([127, 0, 0, 1], 9).into(), https: true });
    let response = world.router.clone().oneshot(request).await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-cordboard_session=") && cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    world.send(Method::GET, "/me", &[("cookie", cookie)], None).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_address_look_alike() {
    let world = World::new().await;
    let mut wrong = sign_in(&world, &world.a.admin.email, "wrong password").await.refused(401, "auth.bad_credentials");
    let mut unknown = sign_in(&world, "nobody@else.test", PASSWORD).await.refused(401, "auth.bad_credentials");
    for answer in [&mut wrong, &mut unknown] {
        answer["request_id"] = Value::Null;
    }
    assert_eq!(wrong, unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_per_login_are_limited_and_say_when_to_come_back() {
    let world = World::new().await;
    for address in [world.a.admin.email.as_str(), "unknown@else.test"] {
        let mut last = sign_in(&world, address, "wrong password").await;
        for _ in 0..10 {
            last = sign_in(&world, address, "wrong password").await;
        }
        assert!(last.header("retry-after").parse::<u64>().unwrap() > 0);
        last.refused(429, "auth.too_many_tries");
    }
    // The right password waits too.
    sign_in(&world, &world.a.admin.email, PASSWORD).await.refused(429, "auth.too_many_tries");
    sign_in(&world, &world.b.admin.email, PASSWORD).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once() {
    let world = World::new().await;
    let (tenant, user) = (world.a.tenant, world.a.admin.user);
    let hour = std::time::Duration::from_secs(3600);
    let token = world.store.create_link(tenant, user, "sign_in", hour, crate::support::now()).await.unwrap();
    let body = json!({"token": token});
    let me = world.send(Method::POST, "/sign-in/link", &[], Some(body.clone())).await.ok();
    assert_eq!(me["user"], json!(user));
    world.send(Method::POST, "/sign-in/link", &[], Some(body)).await.refused(401, "auth.bad_link");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_cookie_want_the_csrf_token_and_the_same_origin() {
    let world = World::new().await;
    let (cookie, csrf) = session(&world, &world.a.admin).await;
    let body = || Some(json!({"name": {"en": "forged"}}));
    let cookie = ("cookie", cookie.as_str());
    let other = session(&world, &world.a.supervisor).await.1;
    for headers in [vec![cookie], vec![cookie, ("x-csrf-token", "x")], vec![cookie, ("x-csrf-token", &other)]] {
        world.send(Method::POST, "/skills", &headers, body()).await.refused(403, "auth.csrf");
    }
    let evil = [cookie, ("x-csrf-token", csrf.as_str()), ("origin", "https://evil.example")];
    world.send(Method::POST, "/skills", &evil, body()).await.refused(403, "auth.bad_origin");
    let good = [cookie, ("x-csrf-token", csrf.as_str()), ("origin", "http://desk.example")];
    world.send(Method::POST, "/skills", &good, body()).await.ok();
    // Programs carry no cookie: nothing to forge.
    world.post(&world.a.admin, "/skills", json!({"name": {"en": "by token"}})).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_other_sessions() {
    let world = World::new().await;
    let (old, _) = session(&world, &world.a.worker).await;
    let (cookie, csrf) = session(&world, &world.a.worker).await;
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let change = |current: &str, new: &str| Some(json!({"password": {"current": current, "new": new}}));
    let wrong = world.send(Method::PATCH, "/me", &headers, change("not this one", "another long one")).await;
    wrong.refused(422, "request.invalid");
    world.send(Method::PATCH, "/me", &headers, change(PASSWORD, "short")).await.refused(422, "login.password_weak");
    let done = world.send(Method::PATCH, "/me", &headers, change(PASSWORD, "another long one")).await;
    let fresh = done.header("set-cookie").split(';').next().unwrap().to_owned();
    done.ok();
    for (cookie, status) in [(&old, 401), (&cookie, 401), (&fresh, 200)] {
        assert_eq!(world.send(Method::GET, "/me", &[("cookie", cookie)], None).await.status.as_u16(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_unknown_tokens_are_refused() {
    let world = World::new().await;
    let made = world.post(&world.a.admin, "/tokens", json!({"name": "script"})).await.ok();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("cbt_") && secret.len() > 40);
    let script = Person { token: secret, ..world.a.admin.clone() };
    world.get(&script, "/me").await.ok();
    let id = made["token"]["id"].as_str().unwrap();
    world.delete(&world.a.admin, &format!("/tokens/{id}")).await.ok();
    world.get(&script, "/me").await.refused(401, "auth.bad_token");
    let unknown = Person { token: "cbt_unknown".into(), ..script };
    world.get(&unknown, "/me").await.refused(401, "auth.bad_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_one_shape_and_every_answer_its_id_and_headers() {
    let world = World::new().await;
    let answer = world.post(&world.a.admin, "/queues", json!({"name": {}, "ring_timeout_ms": 5})).await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    let id = answer.header("x-request-id").to_owned();
    let problem = answer.refused(422, "request.invalid");
    assert_eq!(problem["request_id"], json!(id));
    assert!(problem["message"]["zh-CN"].is_string() && problem["message"]["en"].is_string());
    let fields: Vec<_> = problem["fields"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(fields, ["name", "ring_timeout_ms"]);

    world.post(&world.a.admin, "/queues", json!({})).await.refused(422, "request.invalid");
    let token = format!("Bearer {}", world.a.admin.token);
    let auth = ("authorization", token.as_str());
    world.send(Method::POST, "/queues", &[auth], None).await.refused(415, "request.media_type");
    world.send(Method::PUT, "/queues", &[auth], None).await.refused(405, "method_not_allowed");
    world.send(Method::GET, "/no-such-thing", &[auth], None).await.refused(404, "not_found");
    world.send(Method::GET, "/queues/que_x", &[auth], None).await.refused(404, "not_found");
    world.send(Method::GET, "/queues", &[], None).await.refused(401, "auth.not_signed_in");
    let large = json!({"name": {"en": "x".repeat(300_000)}});
    world.post(&world.a.admin, "/skills", large).await.refused(413, "request.too_large");
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 404), ("/elsewhere", 404)] {
        assert_eq!(world.send(Method::GET, path, &[], None).await.status.as_u16(), status, "{path}");
    }
}
