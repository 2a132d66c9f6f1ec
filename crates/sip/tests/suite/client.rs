//! Ourselves as somebody's customer: REGISTER with challenges, nonces used again and gone stale, refusals; calls and what
//! follows in them.

use std::time::Duration;

use sip::digest::{Credentials, Secret};
use sip::msg::Uri;
use sip::{Admission, CallId, Command, Event, Hop, PingId, Register, Reply};

use crate::net::{Link, Net, REALM, address, invite};

fn credentials(secret: &str) -> Credentials {
    Credentials { user: "alice".to_owned(), secret: Secret::Password(secret.to_owned()) }
}

fn register(number: u32, expires: Option<u32>, secret: &str) -> Command {
    Command::Register(Box::new(Register {
        ping: PingId(u64::from(number)),
        hop: Hop::udp(address(0), address(1)),
        registrar: Uri::parse("sip:call.example").unwrap(),
        aor: Uri::parse("sip:alice@call.example").unwrap(),
        contact_user: "alice".to_owned(),
        call_id: "one-line".to_owned(),
        cseq: number * Register::CSEQ_STEP,
        expires,
        credentials: Some(credentials(secret)),
    }))
}

/// (status, seconds) of each result so far.
fn results(net: &Net) -> Vec<(u16, Option<u32>)> {
    let of = |e: &Event| match e {
        Event::RegisterResult { reply: Reply::Status(status), expires, .. } => Some((*status, *expires)),
        Event::RegisterResult { reply, .. } => panic!("{reply:?}"),
        _ => None,
    };
    net.events[0].iter().filter_map(of).collect()
}

fn sent(net: &Net, method: &str) -> Vec<String> {
    let texts = net.wire.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    texts.filter(|text| text.starts_with(&format!("{method} "))).collect()
}

#[test]
fn a_registration_is_made_kept_and_taken_back_and_asks_for_one_challenge_only() {
    let mut net = Net::new(2, Link::default(), 1);
    net.command(0, register(1, Some(600), "secret"));
    net.advance_ms(50);
    assert_eq!(results(&net), [(200, Some(600))]);
    assert_eq!(net.nodes[1].registrar().bindings("alice@call.example").len(), 1);
    net.command(0, register(2, Some(600), "secret"));
    net.advance_ms(50);
    let all = sent(&net, "REGISTER");
    assert_eq!(all.len(), 3, "the refresh answers the first challenge again");
    assert!(all[1].contains("nc=00000001") && all[2].contains("nc=00000002"), "{all:?}");
    net.command(0, register(3, None, "secret"));
    net.advance_ms(50);
    assert!(!sent(&net, "REGISTER")[3].contains("Contact:"), "a question alone changes nothing");
    net.command(0, register(4, Some(0), "secret"));
    net.advance_ms(50);
    assert_eq!(net.nodes[1].registrar().bindings("alice@call.example").len(), 0);
    net.settle(Duration::from_secs(120));
    net.assert_empty();
}

#[test]
fn a_nonce_that_has_gone_stale_costs_one_challenge_and_a_wrong_secret_is_told() {
    let mut net = Net::new(2, Link::default(), 1);
    net.command(0, register(1, Some(3600), "secret"));
    net.advance(Duration::from_secs(400));
    net.command(0, register(2, Some(3600), "secret"));
    net.advance_ms(50);
    assert_eq!(results(&net), [(200, Some(3600)), (200, Some(3600))]);
    assert_eq!(sent(&net, "REGISTER").len(), 4);
    net.command(0, register(3, Some(3600), "wrong"));
    net.advance_ms(50);
    // Ours says 403 at once; nothing is tried again.
    assert_eq!(results(&net)[2], (403, None));
}

#[test]
fn a_registrar_that_wants_longer_times_says_how_long() {
    let mut net = Net::new(2, Link::default(), 1);
    net.command(0, register(1, Some(10), "secret"));
    net.advance_ms(50);
    assert_eq!(results(&net), [(423, Some(60))]);
}

#[test]
fn requests_within_a_challenged_call_prove_themselves_too() {
    let mut net = Net::new(2, Link::default(), 1);
    net.policy.admission = Admission::Challenge { realm: REALM.to_owned() };
    let call = CallId::outgoing(1);
    let mut wish = invite(call, 0, 1);
    wish.credentials = Some(credentials("secret"));
    net.command(0, Command::Invite(Box::new(wish)));
    net.advance_ms(50);
    net.command(1, Command::Answer { call: net.incoming(1), sdp: b"answer".to_vec(), headers: vec![] });
    net.advance_ms(50);
    net.command(0, Command::Reinvite { call, sdp: Some(b"again".to_vec()) });
    net.advance_ms(50);
    net.command(0, Command::Hangup { call, headers: vec![] });
    net.settle(Duration::from_secs(60));
    let invites = sent(&net, "INVITE");
    assert!(!invites[0].contains("Authorization") && invites[1].contains("nc=00000001"));
    assert!(invites[2].contains("nc=00000002"), "{}", invites[2]);
    assert!(sent(&net, "BYE")[0].contains("nc=00000003"));
    net.assert_empty();
}

#[test]
fn a_registration_gets_through_a_lossy_network() {
    for seed in 1..20 {
        let mut net = Net::new(2, Link { loss: 30, duplicate: 10, jitter_ms: 60 }, seed);
        net.command(0, register(1, Some(600), "secret"));
        net.advance(Duration::from_secs(70));
        assert_eq!(results(&net), [(200, Some(600))], "seed {seed}");
    }
}
