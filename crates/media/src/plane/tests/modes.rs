//! Who hears whom: relaying, mixing, and the way from one to the other.

use super::*;
use crate::g711::Law;

#[test]
fn two_legs_of_one_codec_are_relayed_and_hear_each_other_only() {
    let mut lab = Lab::pair();
    assert_hears(&lab.listen(B, 1000), &[440.0]);
    assert_hears(&lab.listen(A, 1000), &[620.0]);
    assert_eq!((lab.sending(A), lab.sending(B)), (Sending::Relay, Sending::Relay));
    for leg in [A, B] {
        lab.peer(leg).assert_continuous();
    }
}

#[test]
fn relayed_audio_is_bit_exact_with_the_listeners_numbers() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcmu, None);
    lab.add(B, Codec::Pcmu, None);
    lab.peer(B).speaking = false;
    let update = CodecParams::new(Codec::Pcmu, 97);
    lab.peer(B).codec = update;
    lab.handle(Command::UpdateLeg(UpdateLeg { codec: Some(update), ..UpdateLeg::new(B) }));
    lab.bridge(bridge::pair(A, B));
    let (mut expected, mut wave) = (Vec::new(), Vec::new());
    Law::Mu.encode(&Tone::single(440.0).samples(400), &mut wave);
    Law::Mu.decode(&wave, &mut expected);
    lab.run(400);
    assert_eq!(lab.peer(B).heard, expected);
    assert!(lab.peer(B).headers[0].marker);
    assert!(lab.peer(B).headers[1..].iter().all(|header| !header.marker && header.payload_type == 97));
}

#[test]
fn legs_of_different_codecs_are_mixed_and_hear_each_other_only() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.add(B, Codec::Pcmu, None);
    lab.bridge(bridge::pair(A, B));
    assert_hears(&lab.listen(B, 1000), &[440.0]);
    assert_hears(&lab.listen(A, 1000), &[620.0]);
    assert_eq!((lab.sending(A), lab.sending(B)), (Sending::Mix, Sending::Mix));
}

#[test]
fn three_legs_hear_the_two_others() {
    let mut lab = Lab::pair();
    lab.add(C, Codec::Pcmu, None);
    lab.bridge(bridge::conference(&[A, B, C]));
    assert_hears(&lab.listen(A, 1000), &[620.0, 850.0]);
    assert_hears(&lab.listen(B, 1000), &[440.0, 850.0]);
    assert_hears(&lab.listen(C, 1000), &[440.0, 620.0]);
}

#[test]
fn a_monitor_hears_both_while_the_call_itself_stays_relayed() {
    let mut lab = Lab::pair();
    lab.add(C, Codec::Pcma, Some(101));
    lab.bridge(vec![(A, vec![B]), (B, vec![A]), (C, vec![A, B])]);
    assert_hears(&lab.listen(C, 1000), &[440.0, 620.0]);
    assert_hears(&lab.listen(A, 1000), &[620.0]);
    assert_eq!(lab.sending(A), Sending::Relay);
    // Whisper: the agent hears the supervisor, the customer does not.
    lab.bridge(vec![(A, vec![B]), (B, vec![A, C]), (C, vec![A, B])]);
    assert_hears(&lab.listen(B, 1000), &[440.0, 850.0]);
    assert_hears(&lab.listen(A, 1000), &[620.0]);
}

#[test]
fn a_leg_that_hears_itself_is_echoed() {
    let mut lab = Lab::pair();
    lab.bridge(bridge::echo(A));
    assert_hears(&lab.listen(A, 1000), &[440.0]);
    assert_hears(&lab.listen(B, 1000), &[]);
}

#[test]
fn a_muted_leg_goes_on_hearing() {
    let mut lab = Lab::pair();
    lab.handle(Command::Mute { leg: A, muted: true });
    assert_hears(&lab.listen(B, 1000), &[]);
    assert_hears(&lab.listen(A, 500), &[620.0]);
    lab.handle(Command::Mute { leg: A, muted: false });
    assert_hears(&lab.listen(B, 1000), &[440.0]);
}

#[test]
fn streams_stay_continuous_through_every_change_of_mode() {
    let mut lab = Lab::pair();
    lab.add(C, Codec::Pcmu, None);
    for round in 0..4 {
        assert_hears(&lab.listen(B, 400), &[440.0]);
        assert_eq!(lab.sending(B), Sending::Relay);
        let prompt = lab.play(B, round, 1100.0, 600);
        lab.handle(Command::Play(prompt));
        lab.peer(B).heard.clear();
        lab.run(500);
        assert_hears(&lab.peer(B).heard[320..], &[1100.0]);
        lab.run(200);
        lab.bridge(bridge::conference(&[A, B, C]));
        assert_hears(&lab.listen(B, 400), &[440.0, 850.0]);
        lab.bridge(vec![]);
        assert_hears(&lab.listen(B, 400), &[]);
        lab.bridge(bridge::pair(A, B));
    }
    for leg in [A, B, C] {
        lab.peer(leg).assert_continuous();
    }
    // 20 ms of stream for 20 ms of time: the stream has neither run ahead of the clock nor lost time.
    let passed = (lab.now - ms(1000)).as_millis() as i64;
    let headers = &lab.peer(B).headers;
    let streamed = i64::from(headers[headers.len() - 1].timestamp.wrapping_sub(headers[0].timestamp)) / 8;
    assert!((streamed - passed).abs() < 300, "{streamed} ms sent in {passed} ms");
}

#[test]
fn losing_a_bridge_edge_is_heard_at_once() {
    // The sabotage twin of the tests above: without the edge the detector must say no.
    let mut lab = Lab::pair();
    lab.bridge(vec![(A, vec![B]), (B, vec![])]);
    assert!(!tone::has_tone(&lab.listen(B, 500), 440.0));
    assert_hears(&lab.listen(A, 500), &[620.0]);
}

#[test]
fn a_leg_moved_to_another_bridge_leaves_the_first() {
    let mut lab = Lab::pair();
    lab.add(C, Codec::Pcma, Some(101));
    lab.handle(Command::SetBridge { bridge: BridgeKey(2), matrix: bridge::pair(A, C) });
    assert_hears(&lab.listen(B, 500), &[]);
    assert_hears(&lab.listen(A, 500), &[850.0]);
    lab.handle(Command::RemoveBridge { bridge: BridgeKey(2) });
    assert_hears(&lab.listen(A, 500), &[]);
}

#[test]
fn a_leg_added_later_takes_its_place_in_the_bridge() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.bridge(bridge::pair(A, B));
    lab.run(100);
    lab.add(B, Codec::Pcma, None);
    assert_hears(&lab.listen(B, 500), &[440.0]);
    lab.handle(Command::RemoveLeg { leg: B });
    assert_hears(&lab.listen(A, 500), &[]);
    assert_eq!(lab.plane.leg_count(), 1);
}

#[test]
fn packets_are_counted_by_how_they_were_made() {
    let mut lab = Lab::pair();
    lab.run(1000);
    let sent = lab.plane.take_sent();
    assert!(sent.relayed >= 98 && sent.transcoded == 0, "{sent:?}");
    lab.handle(Command::UpdateLeg(UpdateLeg { codec: Some(params(Codec::Pcmu)), ..UpdateLeg::new(B) }));
    lab.peer(B).codec = params(Codec::Pcmu);
    lab.run(1000);
    let sent = lab.plane.take_sent();
    assert!(sent.transcoded >= 98 && sent.relayed == 0, "{sent:?}");
    let play = lab.play(A, 1, 850.0, 2000);
    lab.handle(Command::Play(play));
    lab.run(1000);
    let sent = lab.plane.take_sent();
    assert!((45..=55).contains(&sent.mixed) && (45..=55).contains(&sent.transcoded), "{sent:?}");
}
