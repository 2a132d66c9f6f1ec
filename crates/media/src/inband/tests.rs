//! What the detector takes for a digit and what it does not: tones off their pitch, twisted, faint, in noise and loss; speech, chords, call tones.
use super::*;
use crate::codec::{Codec, Decoder, Encoder, FRAME};
use crate::tone::{Generator, Tone, sequence};

/// Peak of a sine of 0 dBm0, of full scale (ITU-T G.711: full scale is +3.14 dBm0).
const DBM0: f64 = 0.697;

/// A press as a peer may make it: frequencies off by a share, levels in dBm0, between two pauses.
struct Key {
    digit: char,
    low_off: f64,
    high_off: f64,
    low: f64,
    high: f64,
    ms: usize,
    lead: usize,
}

impl Key {
    fn new(digit: char) -> Self {
        Self { digit, low_off: 0.0, high_off: 0.0, low: -10.0, high: -10.0, ms: 40, lead: 400 }
    }

    fn samples(&self) -> Vec<f64> {
        let at = KEYS.iter().position(|&key| key as char == self.digit).unwrap();
        let (low, high) = (ROWS[at / 4] * (1.0 + self.low_off), COLUMNS[at % 4] * (1.0 + self.high_off));
        let sine = |hz: f64, level: f64, n: usize| {
            (std::f64::consts::TAU * hz * n as f64 / 8000.0).sin() * DBM0 * 10f64.powf(level / 20.0)
        };
        let tone = (0..self.ms * 8).map(|n| sine(low, self.low, n) + sine(high, self.high, n));
        std::iter::repeat_n(0.0, self.lead).chain(tone).chain(std::iter::repeat_n(0.0, 400)).collect()
    }
}

fn pcm(samples: &[f64]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16).collect()
}

fn digits(samples: &[i16]) -> String {
    let started = |press: Press| match press {
        Press::Started(digit) => Some(digit),
        Press::Ended(..) => None,
    };
    Detector::default().listen(samples, true).into_iter().filter_map(started).collect()
}

/// White noise of this peak, the same on each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    }
}

fn all() -> impl Iterator<Item = char> {
    KEYS.iter().map(|&key| key as char)
}

#[test]
fn all_digits_are_heard_once_at_forty_milliseconds_and_a_hundred_and_a_half_off() {
    for digit in all() {
        for (low_off, high_off) in [(0.0, 0.0), (0.015, 0.015), (-0.015, -0.015), (0.015, -0.015), (-0.015, 0.015)] {
            for lead in [400, 413, 425, 440] {
                let key = Key { low_off, high_off, lead, ..Key::new(digit) };
                assert_eq!(digits(&pcm(&key.samples())), digit.to_string(), "off by {low_off} and {high_off}, {lead}");
            }
        }
    }
}

#[test]
fn levels_and_twist_of_the_recommendation_are_accepted() {
    for digit in all() {
        for level in [-3.0, -12.0, -25.0] {
            for (low, high) in [(level, level), (level, level - 8.0), (level - 4.0, level)] {
                for off in [-0.015, 0.0, 0.015] {
                    let key = Key { low, high, low_off: off, high_off: off, ..Key::new(digit) };
                    assert_eq!(digits(&pcm(&key.samples())), digit.to_string(), "{low} and {high} dBm0, off by {off}");
                }
            }
        }
    }
}

#[test]
fn digits_are_heard_ten_decibels_above_noise() {
    let mut dice = Dice(1);
    let (mut pressed, mut heard) = (0, 0);
    for digit in all() {
        for off in [-0.015, 0.0, 0.015] {
            for _ in 0..20 {
                let key = Key { low_off: off, high_off: off, ms: 50, ..Key::new(digit) };
                // Two sines of this level have twice the power of one; uniform noise of peak p has p²/3.
                let power = DBM0 * DBM0 * 10f64.powf(-1.0);
                let peak = (power / 10.0 * 3.0).sqrt();
                let noisy: Vec<f64> = key.samples().iter().map(|sample| sample + dice.next() * peak).collect();
                let found = digits(&pcm(&noisy));
                pressed += 1;
                heard += usize::from(found == digit.to_string());
                assert!(found.chars().all(|found| found == digit), "{digit} heard as {found}");
                assert!(found.len() <= 1, "{digit} heard twice");
            }
        }
    }
    assert!(heard * 1000 >= pressed * 995, "{heard} of {pressed}");
}

#[test]
fn numbers_dialled_fast_keep_their_doubles_and_lengths() {
    let mut samples = Vec::new();
    for digit in "1123#*00D".chars() {
        samples.extend(Key { lead: 0, ms: 50, ..Key::new(digit) }.samples());
    }
    let presses = Detector::default().listen(&pcm(&samples), true);
    let started = presses.iter().filter_map(|press| match press {
        Press::Started(digit) => Some(*digit),
        Press::Ended(..) => None,
    });
    assert_eq!(started.collect::<String>(), "1123#*00D");
    for press in presses {
        if let Press::Ended(_, length) = press {
            assert!((35..=65).contains(&length.as_millis()), "{length:?}");
        }
    }
}

#[test]
fn a_short_interruption_does_not_double_a_digit_and_a_short_tone_is_none() {
    for from in (800..1200).step_by(17) {
        let mut samples = Key { ms: 120, ..Key::new('5') }.samples();
        samples[from..from + 80].fill(0.0);
        assert_eq!(digits(&pcm(&samples)), "5", "interrupted at {from}");
    }
    assert_eq!(digits(&pcm(&Key { ms: 20, ..Key::new('5') }.samples())), "");
}

#[test]
fn what_is_not_a_digit_is_not_heard_as_one() {
    // Too far off, too weak, too twisted; single tones.
    for digit in all() {
        for key in [
            Key { low_off: 0.035, high_off: 0.035, ms: 200, ..Key::new(digit) },
            Key { low_off: -0.035, high_off: -0.035, ms: 200, ..Key::new(digit) },
            Key { low: -55.0, high: -55.0, ms: 200, ..Key::new(digit) },
            Key { low: -5.0, high: -20.0, ms: 200, ..Key::new(digit) },
            Key { low: -90.0, ms: 200, ..Key::new(digit) },
            Key { high: -90.0, ms: 200, ..Key::new(digit) },
        ] {
            assert_eq!(
                digits(&pcm(&key.samples())),
                "",
                "{digit}: {} {} {} {}",
                key.low_off,
                key.high_off,
                key.low,
                key.high
            );
        }
    }
    // Ringing, busy and special information tones of several countries.
    let tones = [
        (450.0, None),
        (425.0, None),
        (440.0, Some(480.0)),
        (480.0, Some(620.0)),
        (350.0, Some(440.0)),
        (400.0, Some(450.0)),
        (950.0, None),
        (1400.0, None),
        (1800.0, None),
        (1100.0, None),
        (2100.0, None),
    ];
    for (hz, second_hz) in tones {
        let tone = Some(Tone { hz, second_hz, level: 0.3 });
        assert_eq!(digits(&sequence(&[(tone, 1000), (None, 250), (tone, 330)])), "", "{hz} and {second_hz:?}");
    }
}

/// Prompts as they are and as a caller's voice would come, at three speeds that shift their pitch.
#[test]
fn voices_and_music_are_not_heard_as_digits() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/assets/prompts");
    let mut seconds = 0.0;
    let files = ["zh", "en"].iter().flat_map(|lang| std::fs::read_dir(folder.join(lang)).unwrap());
    for path in files.map(|entry| entry.unwrap().path()) {
        let clip = crate::wav::read(&std::fs::read(&path).unwrap()).unwrap();
        for speed in [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5] {
            let length = (clip.samples().len() as f64 / speed) as usize;
            let at = |n: usize| {
                let position = n as f64 * speed;
                let (before, share) = (position as usize, position.fract());
                let sample = |at: usize| f64::from(clip.samples().get(at).copied().unwrap_or(0));
                (sample(before) * (1.0 - share) + sample(before + 1) * share) as i16
            };
            let samples: Vec<i16> = (0..length).map(at).collect();
            seconds += length as f64 / 8000.0;
            assert_eq!(digits(&samples), "", "{} at {speed}", path.display());
        }
    }
    assert!(seconds > 300.0, "{seconds} s of voices are little");
    // Chords of a piano-like sound: each note of five harmonics, three notes at once, every semitone.
    for note in 0..36 {
        let root = 110.0 * 2f64.powf(f64::from(note) / 12.0);
        let chord = [1.0, 1.25, 1.5];
        let sample = |n: usize| -> f64 {
            let harmonics =
                chord.iter().flat_map(|step| (1..=5).map(move |k| (root * step * f64::from(k), f64::from(k))));
            harmonics.map(|(hz, k)| (std::f64::consts::TAU * hz * n as f64 / 8000.0).sin() * 0.1 / k).sum()
        };
        let samples: Vec<f64> = (0..4000).map(sample).collect();
        assert_eq!(digits(&pcm(&samples)), "", "a chord on {root:.0} Hz");
    }
}

#[test]
fn every_codec_carries_the_digits() {
    for codec in Codec::ALL {
        let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
        let mut detector = Detector::default();
        let mut heard = String::new();
        for digit in all() {
            let mut generator = crate::dtmf::tone_of_digit(digit).map(Generator::new).unwrap();
            for tick in 0..10 {
                let mut frame = [0; FRAME];
                if tick < 4 {
                    generator.fill(&mut frame);
                }
                let (mut payload, mut samples) = (Vec::new(), Vec::new());
                encoder.encode(&frame, &mut payload);
                decoder.decode(&payload, &mut samples);
                heard.extend(detector.listen(&samples, true).into_iter().filter_map(|press| match press {
                    Press::Started(digit) => Some(digit),
                    Press::Ended(..) => None,
                }));
            }
        }
        assert_eq!(heard, all().collect::<String>(), "{codec:?}");
    }
}
