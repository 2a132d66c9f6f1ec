//! Codecs with state: relayed unopened where both sides speak one, opened where they do not; losses; recordings.

use super::*;
use crate::recorder::export::Recording;

#[test]
fn any_two_codecs_hear_each_other_and_only_differing_ones_are_opened() {
    for codec in Codec::ALL {
        for other in Codec::ALL {
            let mut lab = Lab::new();
            lab.add(A, codec, Some(101));
            lab.add(B, other, Some(96));
            lab.bridge(bridge::pair(A, B));
            assert_hears(&lab.listen(B, 1000), &[440.0]);
            assert_hears(&lab.listen(A, 1000), &[620.0]);
            let expected = if codec == other { Sending::Relay } else { Sending::Mix };
            assert_eq!((lab.sending(A), lab.sending(B)), (expected, expected), "{codec:?} and {other:?}");
            for leg in [A, B] {
                lab.peer(leg).assert_continuous();
                assert_eq!(lab.plane.stats(leg).unwrap().lost, 0);
            }
            lab.press(A, '7', |_| true);
            lab.run(400);
            assert_eq!(lab.peer(B).sent_digits(), "7");
        }
    }
}

#[test]
fn relayed_sound_is_not_touched_whatever_it_is() {
    for codec in [Codec::G722, Codec::Opus] {
        let mut lab = Lab::new();
        lab.add(A, codec, None);
        lab.add(B, codec, None);
        lab.bridge(bridge::pair(A, B));
        let mut payload = Vec::new();
        for n in 0..20u16 {
            // Wide-band or stereo: nothing of it needs to be understood here.
            payload = vec![0xf4; 60];
            payload.extend(n.to_be_bytes());
            let header = rtp::Header {
                payload_type: codec.payload_type(),
                sequence: n,
                timestamp: u32::from(n) * 160 * codec.units(),
                ssrc: 9,
                marker: false,
            };
            lab.plane.handle_packet(lab.now, A, addr_of(A), &rtp::Packet::new(header, &payload).to_vec());
            let sent = std::iter::from_fn(|| lab.plane.poll()).find_map(|output| match output {
                Output::Packet(packet) if packet.leg == B => Some(packet.bytes),
                _ => None,
            });
            assert_eq!(rtp::Packet::parse(&sent.unwrap()).unwrap().payload, payload);
        }
        assert_eq!(payload.len(), 62);
    }
}

#[test]
fn prompts_conferences_and_recordings_hold_for_every_codec() {
    for codec in Codec::ALL {
        let mut lab = Lab::new();
        lab.add(A, codec, None);
        lab.add(B, codec, None);
        let play = lab.play(A, 1, 1100.0, 1000);
        lab.handle(Command::Play(play));
        assert_hears(&lab.listen(A, 600), &[1100.0]);
        lab.run(400);
        lab.bridge(bridge::pair(A, B));
        lab.handle(Command::Record { recording: RecordingKey(7), left: A, right: vec![B], beep: None, from_ms: 0 });
        lab.run(1000);
        assert_eq!(lab.sending(A), Sending::Relay, "a recording does not cost the relay");
        lab.add(C, Codec::Pcmu, None);
        lab.bridge(bridge::conference(&[A, B, C]));
        assert_hears(&lab.listen(A, 800), &[620.0, 850.0]);
        assert_hears(&lab.listen(C, 800), &[440.0, 620.0]);
        lab.handle(Command::StopRecord { recording: RecordingKey(7) });
        let recording = Recording::from_spool(&lab.spool).unwrap();
        // From the second half second on nothing is missing, also where relaying became mixing.
        assert!(tone::is_tone(&recording.left[1600..], 440.0), "{codec:?}");
        assert!(tone::is_tone(&recording.right[1600..], 620.0), "{codec:?}");
    }
}

#[test]
fn with_thirty_percent_lost_a_transcoded_voice_keeps_its_level() {
    for codec in Codec::ALL {
        let mut lab = Lab::new();
        lab.add(A, codec, None);
        lab.add(B, if codec == Codec::Pcmu { Codec::Pcma } else { Codec::Pcmu }, None);
        lab.bridge(bridge::pair(A, B));
        let whole = tone::rms(&lab.listen(B, 3000));
        lab.peer(A).loses = 30;
        let heard = lab.listen(B, 6000);
        let level = 20.0 * (tone::rms(&heard) / whole).log10();
        assert!((-3.0..1.0).contains(&level), "{codec:?}: {level} dB");
    }
}

#[test]
fn a_change_of_codec_within_a_call_goes_on_without_a_break() {
    let mut lab = Lab::pair();
    lab.run(1000);
    for codec in [Codec::G722, Codec::Opus, Codec::Pcma] {
        for leg in [A, B] {
            lab.handle(Command::UpdateLeg(UpdateLeg { codec: Some(params(codec)), ..UpdateLeg::new(leg) }));
            let peer = lab.peer(leg);
            (peer.codec, peer.encoder, peer.decoder) = (params(codec), Encoder::new(codec), Decoder::new(codec));
            assert_hears(&lab.listen(B, 500), &[440.0]);
        }
        assert_hears(&lab.listen(A, 500), &[620.0]);
        assert_eq!(lab.sending(A), Sending::Relay);
    }
    for leg in [A, B] {
        let sequences: Vec<u16> = lab.peer(leg).headers.iter().map(|header| header.sequence).collect();
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    }
}

#[test]
fn comfort_noise_is_passed_on_or_rendered() {
    for (other, is_relayed) in [(Codec::Pcma, true), (Codec::Pcmu, false)] {
        let mut lab = Lab::new();
        lab.add(A, Codec::Pcma, None);
        lab.add(B, other, None);
        for (leg, codec) in [(A, Codec::Pcma), (B, other)] {
            let codec = CodecParams { comfort_noise: true, ..params(codec) };
            lab.handle(Command::UpdateLeg(UpdateLeg { codec: Some(codec), ..UpdateLeg::new(leg) }));
        }
        lab.bridge(bridge::pair(A, B));
        lab.handle(Command::Record { recording: RecordingKey(7), left: A, right: vec![B], beep: None, from_ms: 0 });
        lab.run(500);
        lab.peer(A).speaking = false;
        let mut header = lab.peer(A).header;
        header.payload_type = 13;
        lab.plane.handle_packet(lab.now, A, addr_of(A), &rtp::Packet::new(header, &[45]).to_vec());
        let noises = std::iter::from_fn(|| lab.plane.poll())
            .filter(
                |output| matches!(output, Output::Packet(packet) if packet.leg == B && packet.bytes[1] & 0x7f == 13),
            )
            .count();
        assert_eq!(noises == 1, is_relayed);
        if !is_relayed {
            let heard = lab.listen(B, 1000);
            let level = -20.0 * tone::rms(&heard).log10();
            assert!((level - 45.0).abs() < 2.0, "{level}");
        }
        // The recording has it too, up to the next word.
        lab.run(1000);
        lab.peer(A).speaking = true;
        lab.run(600);
        lab.handle(Command::StopRecord { recording: RecordingKey(7) });
        let left = Recording::from_spool(&lab.spool).unwrap().left;
        let level = -20.0 * tone::rms(&left[5200..10_000]).log10();
        assert!((level - 45.0).abs() < 2.0, "{level} dB in the recording");
        assert!(tone::is_tone(&left[800..3600], 440.0) && tone::is_tone(&left[left.len() - 3000..], 440.0));
    }
}

/// RFC 4733 repeats what a press says in each of its packets, and its end three times.
#[test]
fn every_digit_arrives_at_thirty_percent_loss() {
    for (codec, other) in [(Codec::Pcma, Codec::Pcmu), (Codec::Opus, Codec::Opus), (Codec::G722, Codec::G722)] {
        for seed in 1..=8u32 {
            let mut lab = Lab::new();
            lab.add(A, codec, Some(101));
            lab.add(B, other, Some(96));
            lab.bridge(bridge::pair(A, B));
            let (mut dice, mut typed) = (seed, String::new());
            for digit in "0123456789*#".chars() {
                let fates: Vec<bool> = (0..16)
                    .map(|_| {
                        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (dice >> 16) % 100 >= 30
                    })
                    .collect();
                lab.press(A, digit, |packet| fates[packet % 16]);
                lab.run(240);
                typed.push(digit);
            }
            assert_eq!(lab.digits(A), typed, "{codec:?}, seed {seed}");
            assert_eq!(lab.peer(B).sent_digits(), typed, "{codec:?} to {other:?}, seed {seed}");
        }
    }
}

#[test]
fn who_says_that_he_pauses_is_neither_gone_nor_losing_packets() {
    let mut lab = Lab::pair();
    let codec = CodecParams { comfort_noise: true, ..params(Codec::Pcma) };
    lab.handle(Command::UpdateLeg(UpdateLeg { codec: Some(codec), ..UpdateLeg::new(A) }));
    lab.run(3000);
    for leg in [A, B] {
        lab.peer(leg).speaking = false;
    }
    let header = rtp::Header { payload_type: 13, ..lab.peer(A).header };
    lab.inject(A, addr_of(A), &rtp::Packet::new(header, &[45]).to_vec());
    lab.run(25_000);
    let silent =
        |lab: &Lab, leg| lab.events.iter().any(|e| matches!(e, Event::MediaSilent { leg: l, .. } if *l == leg));
    assert!(!silent(&lab, A) && silent(&lab, B), "B left without a word");
    let lost = |lab: &Lab, key| {
        let told = lab.events.iter().filter_map(|event| match event {
            Event::Quality { leg, quality } if *leg == key => Some(quality.lost_in),
            _ => None,
        });
        told.flatten().max()
    };
    assert_eq!(lost(&lab, A), Some(0));
    assert!(lost(&lab, B) > Some(0));
    lab.run(10_000);
    assert!(silent(&lab, A), "nobody pauses for ever");
}
