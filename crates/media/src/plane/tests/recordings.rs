//! Recordings: each voice in its own channel, the right length, silences listed.

use super::*;
use crate::recorder::GapReason;
use crate::recorder::export::{Gap, Recording};

const RECORDING: RecordingKey = RecordingKey(7);

impl Lab {
    fn record(&mut self) {
        self.handle(Command::Record { recording: RECORDING, left: A, right: vec![B], beep: None, from_ms: 0 });
    }

    fn pause(&mut self, right: &[LegKey], pause: Option<GapReason>) {
        self.handle(Command::UpdateRecord { recording: RECORDING, left: A, right: right.to_vec(), pause });
    }

    fn stop(&mut self) -> Recording {
        self.handle(Command::StopRecord { recording: RECORDING });
        Recording::from_spool(&self.spool).unwrap()
    }
}

#[test]
fn each_voice_is_in_its_own_channel_in_every_mode() {
    let mut lab = Lab::pair();
    lab.record();
    lab.run(1500);
    assert_eq!(lab.sending(A), Sending::Relay, "recording does not cost the relay");
    lab.add(C, Codec::Pcmu, None);
    lab.bridge(bridge::conference(&[A, B, C]));
    lab.run(1507);
    let recording = lab.stop();
    assert_eq!(recording.length_ms, 3007);
    assert!(recording.complete && recording.gaps.is_empty());
    assert_eq!((recording.left.len(), recording.right.len()), (3007 * 8, 3007 * 8));
    // The whole of it, no packet lost, doubled or out of step.
    assert!(tone::is_tone(&recording.left[400..], 440.0));
    assert!(tone::is_tone(&recording.right[400..], 620.0));
    let wav = crate::wav::read(&recording.to_wav().unwrap()).unwrap();
    assert!(tone::has_tone(wav.samples(), 440.0) && tone::has_tone(wav.samples(), 620.0));
    assert_eq!(recording.peaks().len(), 61);
    assert!(recording.peaks()[10][0].max > 7000 && recording.peaks()[10][1].min < -7000);
}

#[test]
fn after_a_late_wake_up_the_recording_is_up_to_date() {
    let mut lab = Lab::pair();
    lab.record();
    lab.run(1000);
    lab.now += ms(3000);
    lab.plane.handle_timeout(lab.now);
    lab.drain();
    let written = Recording::from_spool(&lab.spool).unwrap().length_ms;
    assert!(written >= 4000 - 160, "{written} of 4000 ms");
}

#[test]
fn hold_and_mask_are_listed_silence_within_the_length() {
    let mut lab = Lab::pair();
    lab.record();
    lab.run(1000);
    lab.pause(&[B], Some(GapReason::Hold));
    lab.run(500);
    lab.pause(&[B], Some(GapReason::Mask));
    lab.run(500);
    lab.pause(&[B], None);
    lab.run(1000);
    let recording = lab.stop();
    assert_eq!(recording.length_ms, 3000);
    assert_eq!(
        recording.gaps,
        [
            Gap { start_ms: 1000, end_ms: 1500, why: GapReason::Hold },
            Gap { start_ms: 1500, end_ms: 2000, why: GapReason::Mask }
        ]
    );
    for side in [&recording.left, &recording.right] {
        assert!(side[8 * 1020..8 * 1980].iter().all(|sample| sample.abs() <= 8));
        assert!(tone::rms(&side[8 * 2040..8 * 2960]) > 0.1);
    }
}

#[test]
fn a_transfer_continues_the_right_channel_and_a_third_voice_joins_it() {
    let mut lab = Lab::pair();
    lab.add(C, Codec::Pcmu, None);
    lab.record();
    lab.run(1000);
    lab.pause(&[B, C], None);
    lab.run(1000);
    lab.pause(&[C], None);
    lab.run(1000);
    let recording = lab.stop();
    let right = |from: usize, to: usize| &recording.right[from * 8..to * 8];
    assert_hears(right(100, 950), &[620.0]);
    assert_hears(right(1050, 1950), &[620.0, 850.0]);
    assert_hears(right(2050, 2950), &[850.0]);
    assert_hears(&recording.left, &[440.0]);
}

#[test]
fn muted_speech_is_not_recorded() {
    let mut lab = Lab::pair();
    lab.record();
    lab.handle(Command::Mute { leg: B, muted: true });
    lab.run(1000);
    assert_hears(&lab.stop().right, &[]);
}

#[test]
fn losses_and_pauses_of_the_source_keep_the_channels_in_step() {
    let mut lab = Lab::pair();
    lab.record();
    lab.run(1000);
    lab.peer(A).speaking = false;
    lab.run(1000);
    // The phone suppressed silence: its timestamps moved on with the time.
    lab.peer(A).header.timestamp = lab.peer(A).header.timestamp.wrapping_add(8000);
    lab.peer(A).speaking = true;
    lab.run(1000);
    let recording = lab.stop();
    assert_eq!(recording.length_ms, 3000);
    assert!(tone::rms(&recording.left[8 * 1030..8 * 1970]) < 0.001);
    assert!(tone::is_tone(&recording.left[8 * 2030..], 440.0));
}

#[test]
fn a_recording_outlives_its_legs() {
    let mut lab = Lab::pair();
    lab.record();
    lab.run(500);
    for leg in [A, B] {
        lab.handle(Command::RemoveLeg { leg });
    }
    lab.run(500);
    assert_eq!(lab.stop().length_ms, 1000);
    assert_eq!(lab.plane.next_timeout(), None);
}

#[test]
fn a_crash_loses_at_most_two_hundred_milliseconds() {
    let mut lab = Lab::pair();
    lab.record();
    lab.run(2345);
    // No stop: this is what the spool holds when the process dies.
    let recording = Recording::from_spool(&lab.spool).unwrap();
    assert!(!recording.complete);
    assert!(recording.length_ms >= 2345 - 220, "{} ms", recording.length_ms);
}
