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

/// Asks A, whose digits can only come as tones, for `max` of them.
fn menu(lab: &mut Lab, max: u8) -> Play {
    let collect = Collect {
        max_digits: max,
        terminators: "#".into(),
        first_timeout: ms(4000),
        inter_digit_timeout: ms(1000),
        clear_buffered: false,
    };
    Play { interruptible: true, collect: Some(collect), ..lab.play(A, 1, 1100.0, 3000) }
}

fn collected(lab: &Lab) -> Vec<String> {
    let ended = |event: &Event| match event {
        Event::PlayEnded { digits, .. } => Some(digits.clone()),
        _ => None,
    };
    lab.events.iter().filter_map(ended).collect()
}

#[test]
fn digits_in_the_sound_answer_a_menu_and_cut_its_prompt() {
    for codec in Codec::ALL {
        let mut lab = Lab::new();
        lab.add(A, codec, None);
        lab.run(200);
        let menu = menu(&mut lab, 3);
        lab.handle(Command::Play(menu));
        lab.run(300);
        for digit in "40#".chars() {
            lab.sound(A, digit, 80);
        }
        lab.run(300);
        assert_eq!((lab.digits(A), collected(&lab)), ("40#".into(), vec!["40".into()]), "{codec:?}");
        assert!(lab.events.iter().any(|event| matches!(event, Event::PlayEnded { why: PlayEnd::Interrupted, .. })));
    }
}

#[test]
fn digits_in_the_sound_survive_loss() {
    for codec in Codec::ALL {
        let mut lab = Lab::new();
        lab.add(A, codec, None);
        lab.peer(A).loses = 5;
        let pressed = "123A456B789C*0#D".repeat(20);
        for digit in pressed.chars() {
            lab.sound(A, digit, 100);
        }
        lab.run(300);
        let heard = lab.digits(A);
        let mut rest = pressed.chars();
        assert!(heard.chars().all(|digit| rest.any(|pressed| pressed == digit)), "{heard} by {codec:?}");
        assert!(heard.len() * 100 >= pressed.len() * 99, "{} of {} by {codec:?}", heard.len(), pressed.len());
    }
}

#[test]
fn a_key_held_over_the_end_of_a_collection_counts_once() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.add(B, Codec::Pcma, Some(96));
    lab.run(100);
    let first = menu(&mut lab, 1);
    lab.handle(Command::Play(first.clone()));
    lab.peer(A).voice = Generator::new(dtmf::tone_of_digit('8').unwrap());
    lab.run(300);
    // The caller is put through and comes back with the key still down.
    lab.bridge(bridge::pair(A, B));
    lab.run(100);
    lab.handle(Command::RemoveBridge { bridge: BRIDGE });
    lab.handle(Command::Play(first));
    lab.run(300);
    lab.sound(A, '9', 100);
    lab.run(200);
    assert_eq!((lab.digits(A), collected(&lab)), ("89".into(), vec!["8".into(), "9".into()]));
}

#[test]
fn nobody_listens_for_tones_in_a_conversation_or_where_events_were_agreed() {
    for dtmf in [None, Some(101)] {
        let mut lab = Lab::new();
        lab.add(A, Codec::Pcma, dtmf);
        lab.add(B, Codec::Pcma, dtmf);
        if dtmf.is_none() {
            lab.bridge(bridge::pair(A, B));
        }
        lab.run(100);
        lab.sound(A, '8', 200);
        lab.run(200);
        assert_eq!(lab.digits(A), "");
        if dtmf.is_none() {
            assert_eq!(lab.sending(B), Sending::Relay);
            let heard = lab.peer(B).heard.clone();
            assert!(heard.chunks(400).any(|part| tone::has_tone(part, 852.0) && tone::has_tone(part, 1336.0)));
        }
    }
}

#[test]
fn a_press_that_sounds_and_is_signalled_counts_once_and_later_only_as_signalled() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.run(100);
    let menu = menu(&mut lab, 4);
    lab.handle(Command::Play(menu));
    lab.sound(A, '5', 100);
    lab.handle(Command::Digit { leg: A, digit: '5' });
    lab.run(200);
    for digit in "56".chars() {
        lab.sound(A, digit, 100);
        lab.handle(Command::Digit { leg: A, digit });
        lab.run(100);
    }
    assert_eq!(lab.digits(A), "556");
}

#[test]
fn a_phones_digits_sound_at_a_peer_without_events() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, Some(101));
    lab.add(B, Codec::Pcma, None);
    lab.bridge(bridge::pair(A, B));
    lab.run(200);
    lab.press(A, '3', |_| true);
    lab.run(400);
    let heard = lab.peer(B).heard.clone();
    let parts = heard.chunks(400).filter(|part| tone::has_tone(part, 697.0) && tone::has_tone(part, 1477.0));
    assert!((2..=3).contains(&parts.count()), "100 ms of sound");
}
