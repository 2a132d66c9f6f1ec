//! SIP calls whose sound goes by WebRTC. The peer connection itself is telephony's; here its events are the test's.
mod harness;

use domain::leg::{EndCause, LegCommand};
use expect_test::expect;
use harness::*;
use switch::{Input, PeerAudio, PeerCommand, PeerEvent, PeerRef, Transport};

const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 8 0 126\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:126 telephone-event/8000\r\na=mid:0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 00\r\na=setup:actpass\r\na=rtcp-mux\r\n";

/// A caller whose phone lives on a page: his peer connection, asked for once the floor answers.
fn calls(w: &mut World) -> (sip::CallId, PeerRef) {
    w.peer_commands.clear();
    let call = w.call_with(phone(1), "3000", None, Some(OFFER.into()));
    let leg = w.offered();
    assert!(w.peer_commands.is_empty(), "not before anybody wants to talk to him");
    w.leg(LegCommand::Answer { leg });
    let Some(PeerCommand::Accept { peer, offer_sdp, .. }) = w.peer_commands.last().cloned() else {
        panic!("no Accept")
    };
    assert_eq!(offer_sdp, OFFER, "as it came");
    (call, peer)
}

fn ready(peer: PeerRef) -> Input {
    let codec = media::CodecParams::new(media::Codec::Pcma, 8);
    Input::Peer(PeerEvent::Ready { peer, audio: PeerAudio { codec, dtmf: Some(media::DtmfParams::new(126)) } })
}

#[test]
fn a_caller_by_webrtc_is_answered_by_his_peer_connection_and_heard_when_it_is_through() {
    let mut w = World::new();
    let (call, peer) = calls(&mut w);
    assert!(!w.heard(phone(1)).iter().any(|e| e.starts_with("answered")), "nothing to answer with yet");
    w.input(Input::Peer(PeerEvent::Accepted { peer, answer_sdp: OFFER.replace("actpass", "passive") }));
    assert!(w.heard(phone(1)).iter().any(|e| e.starts_with("answered")));
    let media = w.last_media();
    assert_eq!(w.carriers[&media], Transport::Peer(peer));
    assert_eq!(
        w.timeline(),
        "A offered 3000 +8613800138000 Loopback\n",
        "a voice is heard only when the way is proved"
    );
    w.input(ready(peer));
    w.input(Input::Peer(PeerEvent::Closed { peer }));
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    expect![[r#"
        A answered Pcma
        A silent true
        A ended Hangup by Peer
    "#]]
    .assert_eq(&w.timeline());
    w.assert_empty();
}

#[test]
fn a_caller_whose_webrtc_cannot_be_is_refused_and_one_whose_way_is_never_found_is_let_go() {
    let mut w = World::new();
    let (_, peer) = calls(&mut w);
    w.input(Input::Peer(PeerEvent::Failed { peer, code: "device.bad_sdp".to_owned() }));
    let heard = w.heard(phone(1));
    assert!(heard.last().is_some_and(|e| e.contains("488")), "{heard:?}");
    w.assert_empty();

    let (_, peer) = calls(&mut w);
    w.input(Input::Peer(PeerEvent::Accepted { peer, answer_sdp: OFFER.to_owned() }));
    w.input(Input::Peer(PeerEvent::Failed { peer, code: "device.ice_failed".to_owned() }));
    assert!(w.timeline().ends_with(&format!("B ended {:?} by System\n", EndCause::MediaLost)), "the true cause");
    w.assert_empty();
}

#[test]
fn a_caller_by_webrtc_who_hangs_up_takes_his_peer_connection_with_him() {
    let mut w = World::new();
    let (call, peer) = calls(&mut w);
    w.input(Input::Peer(PeerEvent::Accepted { peer, answer_sdp: OFFER.to_owned() }));
    w.input(ready(peer));
    w.phone(phone(1), sip::Command::Hangup { call, headers: Vec::new() });
    assert_eq!(w.peer_commands.last(), Some(&PeerCommand::Close { peer }));
    w.assert_empty();
}
