//! The spool format against damage, and the timeline against odd sources.

use super::export::{Gap, Recording, to_wav};
use super::segment::{self, SpoolHeader};
use super::*;
use crate::tone::{self, Tone};
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn header() -> SpoolHeader {
    SpoolHeader { recording_id: b"rec-1".to_vec(), start_unix_ms: 1_700_000_000_123 }
}

fn frames() -> Vec<Frame> {
    let coded = Sound::Coded { law: Law::A, payload: vec![0x34; 800] };
    vec![
        Frame::Audio { position_ms: 0, length_ms: 100, left: coded.clone(), right: Sound::Silence },
        Frame::GapStarted { position_ms: 100, why: GapReason::Mask },
        Frame::Audio { position_ms: 100, length_ms: 100, left: Sound::Silence, right: Sound::Silence },
        Frame::GapEnded { position_ms: 200 },
        Frame::Audio { position_ms: 200, length_ms: 100, left: coded, right: Sound::Pcm(vec![-3; 800]) },
        Frame::Ended { length_ms: 300 },
    ]
}

fn spool(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    segment::write_header(&header(), &mut bytes);
    frames.iter().for_each(|frame| segment::write_frame(frame, &mut bytes));
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = spool(&frames());
    let read = segment::read(&bytes).unwrap();
    assert_eq!((read.header, read.frames, read.valid_len, read.complete), (header(), frames(), bytes.len(), true));
}

#[test]
fn version_one_bytes_stay_readable() {
    // Written by version 1 of the format; readers of later versions must go on reading it.
    let golden = [
        &b"CBREC\x01\x02r1"[..],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x1f, 0, 0],
        &[0x7a, 0xb1, 0x53, 0x8b],
        &[25, 0, 0, 0, 0x2e, 0x5f, 0x40, 0x45],
        &[1, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 0xff, 0x80, 0, 0, 0, 0, 0],
    ]
    .concat();
    let left = Sound::Coded { law: Law::Mu, payload: vec![0xff, 0x80] };
    let frame = Frame::Audio { position_ms: 5, length_ms: 1, left, right: Sound::Silence };
    let mut written = Vec::new();
    segment::write_header(&SpoolHeader { recording_id: b"r1".to_vec(), start_unix_ms: 1 }, &mut written);
    segment::write_frame(&frame, &mut written);
    assert_eq!(written, golden);
    assert_eq!(segment::read(&golden).unwrap().frames, [frame]);
}

#[test]
fn everything_before_a_torn_tail_is_recovered() {
    let whole = spool(&frames());
    let mut lengths = vec![spool(&[]).len()];
    for count in 1..=frames().len() {
        lengths.push(spool(&frames()[..count]).len());
    }
    for cut in lengths[0]..whole.len() {
        let read = segment::read(&whole[..cut]).unwrap();
        let expected = lengths.iter().filter(|&&length| length <= cut).count() - 1;
        assert_eq!(read.frames, frames()[..expected], "cut at {cut}");
        assert_eq!(read.valid_len, lengths[expected]);
        assert!(!read.complete);
    }
}

#[test]
fn a_flipped_bit_ends_reading_before_it() {
    let mut bytes = spool(&frames());
    let second = spool(&frames()[..1]).len();
    bytes[second + 12] ^= 1;
    assert_eq!(segment::read(&bytes).unwrap().frames, frames()[..1]);
    bytes[3] ^= 1;
    assert!(segment::read(&bytes).is_err());
}

#[test]
fn frames_missing_in_the_middle_are_a_listed_loss() {
    let mut some = frames();
    some.remove(2);
    let (_, gaps) = to_wav(&spool(&some)).unwrap();
    assert_eq!(
        gaps,
        [
            Gap { start_ms: 100, end_ms: 200, why: GapReason::Mask },
            Gap { start_ms: 100, end_ms: 200, why: GapReason::Lost }
        ]
    );
}

#[test]
fn a_gap_open_at_the_crash_reaches_to_the_end() {
    let recording = Recording::from_spool(&spool(&frames()[..3])).unwrap();
    assert_eq!(recording.gaps, [Gap { start_ms: 100, end_ms: 200, why: GapReason::Mask }]);
    assert_eq!(recording.length_ms, 200);
}

/// Records one leg whose packets arrive when `arrival(n)` says, in ms; returns the left channel.
fn record(count: u64, arrival: impl Fn(u64) -> u64) -> Vec<i16> {
    let leg = LegKey(1);
    let mut wave = Tone::single(500.0).samples(count as u32 * 20);
    // A pause for breath in the eighth tenth.
    let pause = wave.len() * 7 / 10..wave.len() * 9 / 10;
    wave[pause].fill(0);
    let mut recorder = Recorder::new(ms(0), 0, leg, &[]);
    let mut out = spool(&[]);
    let end = (0..count).map(&arrival).max().unwrap_or(0) + 20;
    for now in 0..end {
        for n in (0..count).filter(|&n| arrival(n) == now) {
            let mut payload = Vec::new();
            Law::A.encode(&wave[n as usize * 160..][..160], &mut payload);
            let header = Header { timestamp: (n as u32 * 160).wrapping_sub(500), ssrc: 3, ..Header::default() };
            recorder.tap(ms(now), leg, Law::A, &header, &payload);
        }
        recorder.tick(ms(now)).iter().for_each(|frame| segment::write_frame(frame, &mut out));
    }
    recorder.stop(ms(end)).iter().for_each(|frame| segment::write_frame(frame, &mut out));
    let recording = Recording::from_spool(&out).unwrap();
    assert_eq!(recording.length_ms, end);
    recording.left
}

#[test]
fn jitter_of_eighty_milliseconds_leaves_no_mark() {
    let left = record(100, |n| 100 + n * 20 + n * 7 % 5 * 20);
    assert!(tone::is_tone(&left[8 * 200..8 * 1480], 500.0));
    assert!(tone::is_tone(&left[8 * 1920..8 * 2060], 500.0));
}

#[test]
fn a_stall_and_its_burst_lose_no_speech() {
    // 300 ms without a packet, then all of them at once.
    let left = record(100, |n| 100 + if (40..55).contains(&n) { 55 * 20 } else { n * 20 });
    let energy: f64 = left.chunks(160).map(|frame| tone::rms(frame).powi(2)).sum();
    let spoken = 80.0 * tone::rms(&Tone::single(500.0).samples(20)).powi(2);
    assert!((energy / spoken - 1.0).abs() < 0.02, "{energy} of {spoken}");
}

#[test]
fn a_late_recorder_says_a_long_silence_once_and_keeps_every_place() {
    let leg = LegKey(1);
    let mut recorder = Recorder::new(ms(0), 0, leg, &[]);
    let quiet = recorder.tick(ms(2000));
    assert!(matches!(quiet[..], [Frame::Audio { position_ms: 0, length_ms: 1920, .. }]), "{quiet:?}");
    let mut payload = Vec::new();
    Law::A.encode(&Tone::single(500.0).samples(20), &mut payload);
    let header = Header { timestamp: 1, ssrc: 3, ..Header::default() };
    recorder.tap(ms(3000), leg, Law::A, &header, &payload);
    let mut out = spool(&quiet);
    let frames: Vec<Frame> = recorder.tick(ms(4000)).into_iter().chain(recorder.stop(ms(5000))).collect();
    assert!(frames.len() < 12, "silence, the word's chunks, silence, the end: {frames:?}");
    frames.iter().for_each(|frame| segment::write_frame(frame, &mut out));
    let recording = Recording::from_spool(&out).unwrap();
    assert_eq!((recording.length_ms, recording.left.len()), (5000, 8 * 5000));
    let word = 8 * 2980..8 * 3000;
    assert!(tone::rms(&recording.left[word.clone()]) > 0.1);
    assert!(recording.left[..word.start].iter().chain(&recording.left[word.end..]).all(|s| s.unsigned_abs() < QUIET));
}

#[test]
fn a_source_whose_clock_runs_off_is_pulled_back() {
    // 1 % slow against our clock, then the channel must still end with the recording.
    let left = record(1000, |n| 100 + n * 20 + n / 5);
    let tail = &left[left.len() - 8 * 200..];
    assert!(tone::rms(tail) > 0.1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = to_wav(&bytes);
        let mut whole = spool(&frames()[..1]);
        whole.extend(&bytes);
        let read = segment::read(&whole).unwrap();
        prop_assert!(read.valid_len <= whole.len());
        let _ = to_wav(&whole);
    }

    #[test]
    fn any_tap_keeps_the_lane_bounded(
        taps in proptest::collection::vec((any::<u32>(), 0u32..2, 0usize..1600, 0u64..500, any::<bool>()), 0..100)
    ) {
        let mut recorder = Recorder::new(ms(0), 0, LegKey(1), &[LegKey(1)]);
        let (mut now, mut emitted) = (0, 0);
        for (timestamp, ssrc, length, wait, alaw) in taps {
            let header = Header { timestamp, ssrc, ..Header::default() };
            let law = if alaw { Law::A } else { Law::Mu };
            recorder.tap(ms(now), LegKey(1), law, &header, &vec![1; length]);
            let held = recorder.lanes.iter().map(|lane| lane.octets.len()).max().unwrap_or(0);
            prop_assert!(held as u64 <= LAG + CHUNK + LEAD_MAX + 8 * 500 + 1600);
            now += wait;
            for frame in recorder.tick(ms(now)) {
                let Frame::Audio { position_ms, length_ms, .. } = frame else { unreachable!() };
                prop_assert_eq!(position_ms, emitted);
                emitted += u64::from(length_ms);
            }
        }
    }
}

#[test]
fn what_is_heard_is_speech_and_not_the_noise_of_a_line() {
    let pcm = |frames: usize, hz: f64, level: f64| -> Vec<i16> {
        let wave = Tone::single(hz).samples(20 * frames as u32);
        wave.iter().map(|s| (f64::from(*s) * level) as i16).collect()
    };
    // A second of a faint hum, half a second of a voice, a second of nothing; the agent's side does not count.
    let loud = tone::rms(&pcm(1, 500.0, 1.0));
    let left: Vec<i16> = [pcm(50, 500.0, 0.003 / loud), pcm(25, 500.0, 0.05 / loud), vec![0; 8000]].concat();
    let agent = Sound::Pcm(pcm(5, 700.0, 1.0));
    let audio = |(n, piece): (u64, &[i16])| {
        let (left, right) = (Sound::Pcm(piece.to_vec()), agent.clone());
        Frame::Audio { position_ms: n * 100, length_ms: 100, left, right }
    };
    let frames: Vec<Frame> = (0..).zip(left.chunks(800)).map(audio).collect();
    let recording = Recording::from_spool(&spool(&frames)).unwrap();
    assert_eq!(recording.heard_ms(), 500);
}
