//! Digest: the RFC's vectors, both sides against each other, replay, age, other sources.

use std::net::IpAddr;
use std::time::Duration;

use sip::digest::{Algorithm, Credentials, Denial, Ha1, Secret, Server, answer};

const BOTH: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];
const REALM: &str = "call.example";

fn source(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn password(text: &str) -> Credentials {
    Credentials { user: "alice".to_owned(), secret: Secret::Password(text.to_owned()) }
}

struct Round {
    server: Server,
    ha1: Ha1,
}

impl Round {
    fn new(capacity: usize) -> Self {
        let server = Server::new([7; 32], Duration::from_secs(300), capacity);
        Self { server, ha1: Ha1::from_password("alice", REALM, "secret") }
    }

    fn check(&mut self, now: Duration, from: IpAddr, method: &str, header: &str) -> Result<(), Denial> {
        let claim = self.server.claim(now, from, REALM, method, std::iter::once(header))?;
        assert_eq!(claim.username, "alice");
        self.server.verify(&claim, Some(&self.ha1))
    }
}

#[test]
fn rfc_7616_vectors_are_met() {
    // §3.9.1; the secret there is Mufasa's.
    let credentials = Credentials { user: "Mufasa".to_owned(), secret: Secret::Password("Circle of Life".to_owned()) };
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let challenge = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let header = answer(std::iter::once(&*challenge), &credentials, "GET", "/dir/index.html", 1, cnonce).unwrap();
        assert!(header.contains(&format!("response=\"{response}\"")), "{header}");
        assert!(header.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""));
    }
}

#[test]
fn right_secret_passes_with_either_algorithm_and_either_form() {
    let mut round = Round::new(100);
    let challenges = round.server.challenges(Duration::ZERO, source(1), REALM, &BOTH, false);
    assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"));
    let hashed = Credentials { user: "alice".to_owned(), secret: Secret::Ha1(round.ha1.clone()) };
    let mut nc = 0;
    for challenge in &challenges {
        for credentials in [&password("secret"), &hashed] {
            nc += 1;
            let header = answer(std::iter::once(&**challenge), credentials, "INVITE", "sip:1@x", nc, "abc").unwrap();
            assert_eq!(round.check(Duration::ZERO, source(1), "INVITE", &header), Ok(()));
        }
    }
}

#[test]
fn client_skips_what_it_cannot_answer() {
    let only_md5 = Ha1 { sha256: None, ..Ha1::from_password("alice", REALM, "secret") };
    let credentials = Credentials { user: "alice".to_owned(), secret: Secret::Ha1(only_md5) };
    let mut round = Round::new(100);
    let challenges = round.server.challenges(Duration::ZERO, source(1), REALM, &BOTH, false);
    let all = ["Basic realm=\"x\"", &challenges[0], &challenges[1]];
    let header = answer(all.into_iter(), &credentials, "REGISTER", "sip:x", 1, "c").unwrap();
    assert!(header.contains("algorithm=MD5"));
    let int_only = "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"";
    assert_eq!(answer(std::iter::once(int_only), &credentials, "REGISTER", "sip:x", 1, "c"), None);
}

#[test]
fn wrong_secret_method_or_user_is_denied() {
    let mut round = Round::new(100);
    let challenge = round.server.challenges(Duration::ZERO, source(1), REALM, &BOTH, false)[1].clone();
    let sign = |secret: &str, method: &str| {
        answer(std::iter::once(&*challenge), &password(secret), method, "sip:x", 1, "c").unwrap()
    };
    assert_eq!(round.check(Duration::ZERO, source(1), "BYE", &sign("wrong", "BYE")), Err(Denial::Wrong));
    assert_eq!(round.check(Duration::ZERO, source(1), "BYE", &sign("secret", "INVITE")), Err(Denial::Wrong));
    let header = sign("secret", "BYE");
    let claim = round.server.claim(Duration::ZERO, source(1), REALM, "BYE", std::iter::once(&*header)).unwrap();
    assert_eq!(round.server.verify(&claim, None), Err(Denial::Wrong));
    assert_eq!(round.server.verify(&claim, Some(&Ha1::default())), Err(Denial::Wrong));
    // None of these used the count up.
    assert_eq!(round.check(Duration::ZERO, source(1), "BYE", &header), Ok(()));
}

#[test]
fn nonce_count_serves_once_in_any_order() {
    let mut round = Round::new(100);
    let challenge = round.server.challenges(Duration::ZERO, source(1), REALM, &BOTH, false)[0].clone();
    let sign = |nc| answer(std::iter::once(&*challenge), &password("secret"), "INVITE", "sip:x", nc, "c").unwrap();
    for (nc, expected) in [
        (1, Ok(())),
        (3, Ok(())),
        (2, Ok(())),
        (3, Err(Denial::Stale)),
        (1, Err(Denial::Stale)),
        (100, Ok(())),
        (4, Err(Denial::Stale)),
    ] {
        assert_eq!(round.check(Duration::ZERO, source(1), "INVITE", &sign(nc)), expected, "nc {nc}");
    }
}

#[test]
fn nonce_is_stale_when_old_foreign_or_forged() {
    let mut round = Round::new(100);
    let challenge = round.server.challenges(Duration::from_secs(10), source(1), REALM, &BOTH, false)[0].clone();
    let header = answer(std::iter::once(&*challenge), &password("secret"), "INVITE", "sip:x", 1, "c").unwrap();
    assert_eq!(round.check(Duration::from_secs(311), source(1), "INVITE", &header), Err(Denial::Stale));
    assert_eq!(round.check(Duration::from_secs(11), source(2), "INVITE", &header), Err(Denial::Stale));
    let forged = challenge.replacen("nonce=\"0", "nonce=\"1", 1);
    let forged = answer(std::iter::once(&*forged), &password("secret"), "INVITE", "sip:x", 1, "c").unwrap();
    assert_eq!(round.check(Duration::from_secs(11), source(1), "INVITE", &forged), Err(Denial::Stale));
    assert_eq!(round.check(Duration::from_secs(310), source(1), "INVITE", &header), Ok(()));
}

#[test]
fn forgotten_nonce_cannot_be_replayed() {
    let mut round = Round::new(2);
    let headers: Vec<String> = (0..3)
        .map(|_| {
            let challenge = round.server.challenges(Duration::ZERO, source(1), REALM, &BOTH, false)[0].clone();
            answer(std::iter::once(&*challenge), &password("secret"), "INVITE", "sip:x", 1, "c").unwrap()
        })
        .collect();
    for header in &headers {
        assert_eq!(round.check(Duration::ZERO, source(1), "INVITE", header), Ok(()));
    }
    for header in &headers {
        assert_eq!(round.check(Duration::ZERO, source(1), "INVITE", header), Err(Denial::Stale));
    }
}

#[test]
fn malformed_and_missing_credentials_are_told_apart() {
    let round = Round::new(2);
    let claim = |header: &str| {
        round.server.claim(Duration::ZERO, source(1), REALM, "INVITE", std::iter::once(header)).map(|_| ()).unwrap_err()
    };
    assert_eq!(
        claim("Digest realm=\"other\", nonce=\"x\", uri=\"sip:x\", response=\"0\", username=\"a\""),
        Denial::Missing
    );
    assert_eq!(claim("Basic dXNlcjpwYXNz"), Denial::Malformed);
    assert_eq!(claim("Digest realm=\"call.example\""), Denial::Malformed);
    let twice = "Digest realm=\"call.example\", realm=\"call.example\", nonce=\"x\", uri=\"sip:x\", response=\"0\"";
    assert_eq!(claim(twice), Denial::Malformed);
    let stale = "Digest realm=\"call.example\", nonce=\"x\", uri=\"sip:x\", response=\"0\", username=\"a\"";
    assert_eq!(claim(stale), Denial::Stale);
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let shown = format!("{:?} {:?}", password("secret"), Ha1::from_password("alice", REALM, "secret"));
    assert_eq!(shown, "Credentials(…) Ha1(…)");
}
