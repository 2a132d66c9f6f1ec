//! What a process that starts again does about the INVITEs of the one before, known only by their bare text.

use std::time::Duration;

use sip::{CallId, Command, Config, EndCause, Endpoint, Event, Hop, SavedCall};

use crate::net::{Link, Net, address};

/// Node 0 calls node 1 and is started anew; the bare INVITE.
fn restarted_while_calling() -> (Net, Vec<u8>) {
    let mut net = Net::new(2, Link::default(), 1);
    net.call(0, 1, 1);
    net.advance_ms(50);
    let bare = net.events[0].iter().find_map(|event| match event {
        Event::Invited { request, .. } => request.bare(),
        _ => None,
    });
    net.nodes[0] = Endpoint::new(Config::new([9; 32]));
    net.events[0].clear();
    (net, bare.unwrap())
}

fn withdraw(net: &mut Net, invite: Vec<u8>) {
    net.command(0, Command::Withdraw { invite, hop: Hop::udp(address(0), address(1)) });
}

#[test]
fn a_phone_that_rings_on_after_a_crash_is_stopped() {
    let (mut net, invite) = restarted_while_calling();
    assert!(net.ends(1).is_empty());
    withdraw(&mut net, invite);
    net.advance_ms(50);
    assert_eq!(net.ends(1), [EndCause::Cancelled { reason: None }]);
    // The 487 is acknowledged, so that it is not repeated.
    net.settle(Duration::from_secs(60));
    assert_eq!(net.lines(1).iter().filter(|line| *line == "487").count(), 1);
    assert!(net.events[0].is_empty());
    net.assert_empty();
}

#[test]
fn a_phone_that_was_answered_meanwhile_is_hung_up() {
    let (mut net, invite) = restarted_while_calling();
    let call = net.incoming(1);
    net.command(1, Command::Answer { call, sdp: b"answer".to_vec(), headers: vec![] });
    net.advance_ms(50);
    withdraw(&mut net, invite);
    // The 200 that is repeated until it is acknowledged finds the INVITE it answers.
    net.settle(Duration::from_secs(100));
    assert_eq!(net.ends(1), [EndCause::Remote { reason: None }]);
    net.assert_empty();
}

#[test]
fn what_is_no_invite_is_not_withdrawn() {
    let (mut net, invite) = restarted_while_calling();
    let sent = net.trace.len();
    let other = String::from_utf8(invite).unwrap().replace("INVITE", "OPTIONS");
    withdraw(&mut net, other.into_bytes());
    withdraw(&mut net, b"INVITE".to_vec());
    assert_eq!((net.trace.len(), net.nodes[0].load()), (sent, sip::Load::default()));
}

/// Node 0 calls node 1, who answers; then node 0 (or 1) is started anew and takes the call up under another id.
fn adopted(restarted: usize) -> (Net, CallId, CallId) {
    let mut net = Net::new(2, Link::default(), 1);
    let first = net.call(0, 1, 1);
    net.advance_ms(50);
    let second = net.incoming(1);
    net.command(1, Command::Answer { call: second, sdp: b"answer".to_vec(), headers: vec![] });
    net.advance_ms(50);
    let saved = net.nodes[restarted].save([first, second][restarted]).unwrap();
    let saved: SavedCall = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
    net.nodes[restarted] = Endpoint::new(Config::new([9; 32]));
    net.events.iter_mut().for_each(Vec::clear);
    let call = CallId::outgoing(77);
    net.command(restarted, Command::Adopt { call, saved: Box::new(saved) });
    (net, call, [second, first][restarted])
}

#[test]
fn a_call_taken_up_again_is_changed_and_ended_by_either_side() {
    for restarted in [0, 1] {
        let other = 1 - restarted;
        let (mut net, call, theirs) = adopted(restarted);
        net.command(restarted, Command::Reinvite { call, sdp: Some(b"again".to_vec()) });
        net.advance_ms(50);
        let asked = |e: &Event| matches!(e, Event::Reinvite { sdp: Some(sdp), .. } if sdp == b"again");
        assert!(net.events[other].iter().any(asked), "{:?}", net.events[other]);
        net.command(other, Command::AnswerReinvite { call: theirs, sdp: b"yes".to_vec() });
        net.advance_ms(50);
        net.command(other, Command::Reinvite { call: theirs, sdp: Some(b"theirs".to_vec()) });
        net.advance_ms(50);
        let asked =
            |e: &Event| matches!(e, Event::Reinvite { sdp: Some(sdp), call: c } if sdp == b"theirs" && *c == call);
        assert!(net.events[restarted].iter().any(asked), "{:?}", net.events[restarted]);
        net.command(restarted, Command::AnswerReinvite { call, sdp: b"yes".to_vec() });
        net.advance_ms(50);
        let (who, id) = if restarted == 0 { (0, call) } else { (0, theirs) };
        net.command(who, Command::Hangup { call: id, headers: vec![] });
        net.settle(Duration::from_secs(60));
        assert_eq!(net.ends(1), [EndCause::Remote { reason: None }]);
        net.assert_empty();
    }
}

#[test]
fn a_session_that_the_former_run_refreshed_is_refreshed_soon() {
    let (mut net, _, _) = adopted(0);
    let sent = |net: &Net| net.trace.len();
    let before = sent(&net);
    net.advance_ms(15_000);
    assert!(sent(&net) > before, "an UPDATE or re-INVITE within seconds");
    assert!(net.ends(0).is_empty() && net.ends(1).is_empty());
}

#[test]
fn a_damaged_call_is_not_taken_up() {
    let (mut net, call, _) = adopted(0);
    let saved = net.nodes[0].save(call).unwrap();
    let text = serde_json::to_string(&saved).unwrap().replace("<sip:", "<<");
    let broken: SavedCall = serde_json::from_str(&text).unwrap();
    for saved in [saved, broken] {
        let call = CallId::outgoing(78);
        net.events[0].clear();
        net.command(0, Command::Adopt { call, saved: Box::new(saved) });
        assert!(matches!(net.events[0][..], [Event::Ended { cause: EndCause::Refused, .. }]), "{:?}", net.events[0]);
    }
}
