//! New calls at the door: given up before they were let in, and turned away.
use std::sync::atomic::Ordering;

use crate::floor::{Floor, Options, eventually};
use crate::line::{Line, line};

fn request(method: &str, line: &Line, floor: &Floor, name: &str) -> String {
    let (from, to) = (line.addr, floor.sip);
    format!(
        "{method} sip:3000@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{from}>;tag=a\r\nTo: <sip:3000@{to}>\r\nCall-ID: {name}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_cancel_that_comes_together_with_its_invite_ends_it() {
    let floor = Floor::start();
    let mut caller = Line::new();
    for n in 0..100 {
        let name = format!("together{n}");
        caller.send(floor.sip, &request("INVITE", &caller, &floor, &name));
        caller.send(floor.sip, &request("CANCEL", &caller, &floor, &name));
        let of_cancel = caller.wait("an answer to the CANCEL", |m| m.contains(&name) && m.contains("1 CANCEL"));
        assert!(of_cancel.starts_with("SIP/2.0 200"), "{of_cancel}");
        let is_final = |m: &str| m.contains(&name) && m.contains("1 INVITE") && !m.starts_with("SIP/2.0 1");
        let of_invite = caller.wait("the end of the INVITE", is_final);
        assert!(of_invite.starts_with("SIP/2.0 487"), "{of_invite}");
        let to = line(&of_invite, "To:");
        let ack = request("ACK", &caller, &floor, &name).replace(&format!("To: <sip:3000@{}>", floor.sip), &to);
        caller.send(floor.sip, &ack);
    }
}

#[test]
fn while_the_door_is_closed_new_calls_are_turned_away_without_leaving_anything() {
    let floor = Floor::with(Options { backlog: 1, ..Options::default() });
    floor.deaf.store(true, Ordering::Relaxed);
    let mut caller = Line::new();
    caller.send(floor.sip, &request("INVITE", &caller, &floor, "first"));
    caller.wait("the first is let in", |m| m.starts_with("SIP/2.0 100"));
    eventually("an event waits", || floor.handle().stats().engine_backlog == 1);
    let before = floor.handle().stats();
    for n in 0..50 {
        let name = format!("refused{n}");
        caller.send(floor.sip, &request("INVITE", &caller, &floor, &name));
        let refusal = caller.wait("a refusal", |m| m.contains(&name));
        assert!(refusal.starts_with("SIP/2.0 503"), "{refusal}");
        assert_eq!(line(&refusal, "Retry-After:"), "Retry-After: 5");
        let to = line(&refusal, "To:");
        let ack = request("ACK", &caller, &floor, &name).replace(&format!("To: <sip:3000@{}>", floor.sip), &to);
        caller.send(floor.sip, &ack);
    }
    // A request within a call finds no call, but is read and answered.
    caller.send(floor.sip, &request("BYE", &caller, &floor, "stray"));
    let answer = caller.wait("an answer to the BYE", |m| m.contains("stray"));
    assert!(answer.starts_with("SIP/2.0 481"), "{answer}");
    let after = floor.handle().stats();
    assert_eq!(after.calls_refused - before.calls_refused, 50);
    assert_eq!(after.sip_transactions, before.sip_transactions);
    // The call that was let in is not refused by its repeat.
    caller.send(floor.sip, &request("INVITE", &caller, &floor, "first"));
    let again = caller.wait("the 100 again", |m| m.contains("first"));
    assert!(again.starts_with("SIP/2.0 100"), "{again}");
}
