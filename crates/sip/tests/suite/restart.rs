//! What a process that starts again does about the INVITEs of the one before, known only by their bare text.

use std::time::Duration;

use sip::{Command, Config, EndCause, Endpoint, Event, Hop};

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
