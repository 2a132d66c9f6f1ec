//! Sabotage twins of the judges: each of them refuses when the wrong thing is true. The telephone tests run them on the
//! sound and the numbers of a real server; these run on sound made here, so that a blind judge is found at once.
mod support;

use load::phones::Side;
use load::rtp::Payload;
use support::ledger::{Figures, calls, parse};
use support::sound::{BLOCK, heard_ms, share, tone, ulaw_decode, ulaw_encode};
use support::traffic::last_word;
use support::verdict::{self, Expected, must, must_fail};

const A: f64 = 1130.0;
const B: f64 = 620.0;

fn coded(samples: &[i16]) -> Vec<i16> {
    samples.iter().map(|s| ulaw_decode(ulaw_encode(*s))).collect()
}

fn mixed(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

#[test]
fn tones_are_told_apart() {
    let a = tone(440.0, 0, 1600);
    assert!(share(&a, 440.0) > 0.95 && share(&a, 1000.0) < 0.05);
    assert!(share(&coded(&a), 440.0) > 0.95);
    assert_eq!(heard_ms(&coded(&a), 440.0), 200);
    assert_eq!(heard_ms(&coded(&a), 697.0), 0);
}

#[test]
fn a_conversation_is_refused_with_one_s_own_tone_with_silence_and_with_the_wrong_tone() {
    let (a, b) = (coded(&tone(A, 0, 8000)), coded(&tone(B, 0, 8000)));
    must("the other's tone", verdict::hears(&b, B, A));
    must_fail("the two sides swapped", verdict::hears(&a, B, A));
    must_fail("silence", verdict::hears(&[0; 8000], B, A));
    must_fail("no sound at all", verdict::hears(&[], B, A));
    must_fail("an echo over the other's tone", verdict::hears(&mixed(&a, &b), B, A));
    let mut cut = b.clone();
    cut[4000..].fill(0);
    must_fail("a bridge cut half-way", verdict::hears(&cut, B, A));
    let mut slipped = b;
    slipped[7000..7400].copy_from_slice(&a[..400]);
    must_fail("50 ms of one's own tone", verdict::hears(&slipped, B, A));
}

#[test]
fn a_hold_is_refused_with_a_tone_and_without_music() {
    let music = coded(&mixed(&tone(300.0, 0, 8000), &mixed(&tone(505.0, 0, 8000), &tone(1999.0, 0, 8000))));
    must("music", verdict::hears_music(&music, &[A, B]));
    must_fail("silence as music", verdict::hears_music(&[0; 8000], &[A, B]));
    must_fail("the agent's tone as music", verdict::hears_music(&tone(B, 0, 8000), &[A, B]));
    must("nothing", verdict::hears_nothing(&[]));
    must("silence", verdict::hears_nothing(&[3; 8000]));
    must_fail("the caller's tone during hold", verdict::hears_nothing(&tone(A, 0, 800)));
}

#[test]
fn a_recording_is_refused_swapped_mixed_short_and_with_sound_in_its_gap() {
    let expected = || Expected { left_hz: A, right_hz: B, length_ms: 3000.0, gaps: vec![(1000, 2000)] };
    let side = |hz: f64| {
        let mut s = coded(&tone(hz, 0, 24_000));
        s[8000..16_000].fill(0);
        s
    };
    let (left, right) = (side(A), side(B));
    must("a good recording", verdict::recording(&left, &right, &expected()));
    must_fail("swapped channels", verdict::recording(&right, &left, &expected()));
    must_fail("one channel twice", verdict::recording(&left, &left, &expected()));
    must_fail("both mixed into one", verdict::recording(&mixed(&left, &right), &right, &expected()));
    must_fail("a recording cut short", verdict::recording(&left[..21_000], &right[..21_000], &expected()));
    must_fail("sound in the gap", verdict::recording(&coded(&tone(A, 0, 24_000)), &right, &expected()));
    must_fail("a silent channel", verdict::recording(&left, &[0; 24_000], &expected()));
    let none_listed = Expected { gaps: Vec::new(), ..expected() };
    must_fail("a silence that is not listed", verdict::recording(&left, &right, &none_listed));
}

const LOG: &str = "\
----------------------------------------------- 2026-11-22 17:12:54.700000
UDP message sent (20 bytes):

INVITE sip:1000@127.0.0.1 SIP/2.0
Call-ID: a
CSeq: 1 INVITE

----------------------------------------------- 2026-11-22 17:12:54.900000
UDP message received [20] bytes :

SIP/2.0 200 OK
Call-ID: a
CSeq: 1 INVITE

c=IN IP4 127.0.0.1
m=audio 4000 RTP/AVP 0

----------------------------------------------- 2026-11-22 17:12:59.900000
UDP message received [20] bytes :

BYE sip:x@127.0.0.1 SIP/2.0
Call-ID: a
CSeq: 1 BYE
";

#[test]
fn a_report_is_refused_when_one_event_of_the_ledger_is_dropped_or_late() {
    let messages = parse(LOG);
    assert_eq!(messages[1].media(), Some(([127, 0, 0, 1], 4000).into()));
    let caller = calls(&messages).remove(0);
    assert_eq!(caller.invited, 1_795_367_574_700.0);
    assert!(!caller.ended_here && caller.status == Some(200) && caller.byes == 1);
    let mut ledger = Figures::default();
    ledger.served(&caller, &caller, 1000.0);
    assert_eq!((ledger.wait_ms.round(), ledger.talk_ms.round(), ledger.hold_ms), (200.0, 4000.0, 1000.0));
    let report = Figures { wait_ms: 230.0, talk_ms: 3980.0, ..ledger };
    must("the same within 50 ms", verdict::figures(&ledger, &report, 50.0));
    must_fail("a call not counted", verdict::figures(&ledger, &Figures { handled: 0, ..report }, 50.0));
    must_fail("a late answer", verdict::figures(&ledger, &Figures { wait_ms: 290.0, ..report }, 50.0));
    must_fail(
        "a hold counted as talk",
        verdict::figures(&ledger, &Figures { talk_ms: 5000.0, hold_ms: 0.0, ..report }, 50.0),
    );

    // The answer dropped from the ledger: nobody was served, the caller gave up.
    let unanswered: Vec<_> = messages.into_iter().filter(|m| m.status_of("INVITE").is_none()).collect();
    let mut dropped = Figures::default();
    dropped.abandoned(&calls(&unanswered)[0]);
    must_fail("a dropped event", verdict::figures(&dropped, &report, 50.0));
}

#[test]
fn a_word_is_found_again_also_with_octets_of_silence() {
    let born_ns = 1_795_367_574_700_000_000u64 & !0xffff_00ff | 0x7f_ff_00_7f;
    let payload = Payload { born_ns, call: 127, side: Side::Caller, counts: false };
    let mut octets = vec![0x5a; BLOCK];
    payload.write(&mut octets);
    let mut channel = vec![0i16; 40];
    channel.extend(octets.into_iter().map(ulaw_decode));
    let ms = born_ns as f64 / 1e6;
    let found = last_word(&channel, ms - 100.0, ms + 100.0).expect("the word");
    assert!((found - ms).abs() < 1.0, "{found} instead of {ms}");
    assert_eq!(last_word(&channel[..BLOCK], ms - 100.0, ms + 100.0), None, "cut");
}
