//! Digits through relay and mix, through loss, in band and out of it.

use super::*;

#[test]
fn a_relayed_press_reaches_the_other_side_once_with_its_payload_type() {
    let mut lab = Lab::pair();
    lab.run(200);
    lab.press(A, '5', |_| true);
    lab.run(300);
    assert_eq!(lab.digits(A), "5");
    let ended = lab.peer(B).presses.clone();
    assert_eq!(ended, [Press::Started('5'), Press::Ended('5', ms(100))]);
    lab.peer(B).assert_continuous();
    assert_hears(&lab.listen(B, 300), &[440.0]);
    assert_eq!(lab.peer(A).presses, []);
}

#[test]
fn a_press_heard_through_the_mixer_is_sent_on_once() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, Some(101));
    lab.add(B, Codec::Pcmu, Some(96));
    lab.add(C, Codec::Pcmu, None);
    lab.bridge(bridge::conference(&[A, B, C]));
    lab.run(200);
    lab.press(A, '*', |at| at % 2 == 0);
    lab.run(400);
    assert_eq!(lab.peer(B).sent_digits(), "*");
    lab.peer(B).assert_continuous();
}

#[test]
fn digits_survive_loss_and_reordering_without_doubling() {
    for lost in 0..7 {
        let mut lab = Lab::pair();
        lab.run(100);
        for digit in "112#".chars() {
            lab.press(A, digit, |at| at != lost && at != (lost + 3) % 7);
            lab.run(60);
        }
        lab.run(300);
        assert_eq!(lab.digits(A), "112#", "without packet {lost}");
        assert_eq!(lab.peer(B).sent_digits(), "112#");
    }
}

#[test]
fn sent_digits_go_out_as_events_and_relaying_resumes() {
    let mut lab = Lab::pair();
    lab.run(200);
    lab.handle(Command::SendDtmf { leg: B, digits: "42".into() });
    lab.run(600);
    assert_eq!(lab.peer(B).sent_digits(), "42");
    assert!(lab.events.contains(&Event::DtmfSent { leg: B }));
    assert_eq!(lab.sending(B), Sending::Relay);
    assert_hears(&lab.listen(B, 300), &[440.0]);
    lab.peer(B).assert_continuous();
}

#[test]
fn a_peer_without_telephone_events_hears_tones() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.handle(Command::SendDtmf { leg: A, digits: "5".into() });
    lab.run(260);
    let heard = lab.peer(A).heard.clone();
    assert!(tone::has_tone(&heard[..800], 770.0) && tone::has_tone(&heard[..800], 1336.0));
    assert!(tone::rms(&heard[960..]) < 0.001);
}

#[test]
fn a_press_whose_end_never_comes_ends_by_itself() {
    let mut lab = Lab::pair();
    lab.run(100);
    lab.press(A, '8', |at| at < 3);
    lab.run(300);
    assert_eq!(lab.digits(A), "8");
}

#[test]
fn a_digit_by_signalling_reaches_plays_and_listeners_like_any_other() {
    let mut lab = Lab::pair();
    lab.run(100);
    lab.handle(Command::Digit { leg: A, digit: '7' });
    lab.handle(Command::Digit { leg: A, digit: 'x' });
    lab.run(400);
    assert_eq!((lab.digits(A), lab.peer(B).sent_digits()), ("7".into(), "7".into()));
    let prompt = Play { interruptible: true, ..lab.play(A, 1, 1100.0, 3000) };
    lab.handle(Command::Play(prompt));
    lab.handle(Command::Digit { leg: A, digit: '1' });
    assert!(matches!(lab.events.last(), Some(Event::Digit { digit: '1', .. })));
    assert!(lab.events.iter().any(|event| matches!(event, Event::PlayEnded { why: PlayEnd::Interrupted, .. })));
}
