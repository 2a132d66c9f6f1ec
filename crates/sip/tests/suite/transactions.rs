//! The transaction machines by themselves: timers and states of RFC 3261 §17 and RFC 6026.

use std::time::Duration;

use sip::transaction::{ClientTransaction, Kind, ServerTransaction, Timers};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Times in ms at which a client transaction repeats its request, and when it gives up.
fn client_schedule(kind: Kind, reliable: bool, provisional_at: Option<u64>) -> (Vec<u128>, Option<u128>) {
    let mut tx = ClientTransaction::new(kind, reliable, Timers::default(), Duration::ZERO);
    let mut repeats = Vec::new();
    let mut provisional = provisional_at.map(ms);
    loop {
        if let Some(at) = provisional
            && tx.deadline().is_none_or(|deadline| at < deadline)
        {
            assert!(tx.on_response(at, 180).deliver);
            provisional = None;
            continue;
        }
        let Some(at) = tx.deadline() else { return (repeats, None) };
        let step = tx.on_timeout(at);
        if step.resend {
            repeats.push(at.as_millis());
        }
        if step.timed_out {
            assert!(tx.is_terminated());
            return (repeats, Some(at.as_millis()));
        }
    }
}

#[test]
fn invite_is_repeated_with_doubling_intervals_for_32_s() {
    let (repeats, end) = client_schedule(Kind::Invite, false, None);
    assert_eq!(repeats, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(end, Some(32000));
}

#[test]
fn provisional_response_stops_an_invite_from_repeating_and_timing_out() {
    assert_eq!(client_schedule(Kind::Invite, false, Some(700)), (vec![500], None));
}

#[test]
fn other_requests_are_repeated_at_most_every_4_s() {
    let (repeats, end) = client_schedule(Kind::NonInvite, false, None);
    assert_eq!(repeats, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(end, Some(32000));
    let (repeats, _) = client_schedule(Kind::NonInvite, false, Some(600));
    assert_eq!(repeats[..3], [500, 1500, 5500]);
}

#[test]
fn reliable_transports_see_no_repeats() {
    for kind in [Kind::Invite, Kind::NonInvite] {
        assert_eq!(client_schedule(kind, true, None), (vec![], Some(32000)));
    }
}

#[test]
fn failed_invite_acknowledges_each_repeat_of_the_failure() {
    let mut tx = ClientTransaction::new(Kind::Invite, false, Timers::default(), Duration::ZERO);
    let step = tx.on_response(ms(100), 486);
    assert!(step.ack && step.deliver);
    let step = tx.on_response(ms(600), 486);
    assert!(step.ack && !step.deliver);
    assert_eq!(tx.deadline(), Some(ms(32100)));
    tx.on_timeout(ms(32100));
    assert!(tx.is_terminated());
}

#[test]
fn failed_invite_over_tcp_is_over_at_once() {
    let mut tx = ClientTransaction::new(Kind::Invite, true, Timers::default(), Duration::ZERO);
    assert!(tx.on_response(ms(100), 486).ack);
    assert!(tx.is_terminated());
}

#[test]
fn accepted_invite_stays_for_repeats_and_forks_of_the_2xx() {
    let mut tx = ClientTransaction::new(Kind::Invite, true, Timers::default(), Duration::ZERO);
    for at in [100, 600, 20000] {
        let step = tx.on_response(ms(at), 200);
        assert!(step.deliver && !step.ack);
    }
    assert!(!tx.on_response(ms(700), 486).deliver);
    assert_eq!(tx.deadline(), Some(ms(32100)));
}

#[test]
fn late_responses_to_a_finished_request_are_swallowed() {
    let mut tx = ClientTransaction::new(Kind::NonInvite, false, Timers::default(), Duration::ZERO);
    assert!(tx.on_response(ms(100), 200).deliver);
    assert!(!tx.on_response(ms(200), 200).deliver);
    assert_eq!(tx.deadline(), Some(ms(5100)));
}

#[test]
fn refusal_of_an_invite_is_repeated_until_acknowledged() {
    let mut tx = ServerTransaction::new(false, Timers::default());
    assert!(tx.on_send(ms(0), 180));
    assert!(tx.on_retransmit().resend);
    assert!(tx.on_send(ms(0), 486));
    assert!(!tx.on_send(ms(0), 200), "only one final response");
    assert_eq!(tx.deadline(), Some(ms(500)));
    assert!(tx.on_timeout(ms(500)).resend);
    assert_eq!(tx.deadline(), Some(ms(1500)));
    tx.on_ack(ms(600));
    assert_eq!(tx.deadline(), Some(ms(5600)));
    assert!(!tx.on_retransmit().resend);
    tx.on_timeout(ms(5600));
    assert!(tx.is_terminated());
}

#[test]
fn refusal_without_ack_ends_after_32_s() {
    let mut tx = ServerTransaction::new(false, Timers::default());
    tx.on_send(ms(0), 486);
    let mut repeats = 0;
    while let Some(at) = tx.deadline() {
        let step = tx.on_timeout(at);
        repeats += u32::from(step.resend);
        assert_eq!(step.timed_out, at == ms(32000));
    }
    assert_eq!(repeats, 10);
}

#[test]
fn accepted_invite_absorbs_repeats_of_the_request() {
    let mut tx = ServerTransaction::new(false, Timers::default());
    tx.on_send(ms(0), 200);
    assert!(!tx.on_retransmit().resend);
    assert_eq!(tx.deadline(), Some(ms(32000)));
}
