//! Prompts that a person uploads, as the interface reads them and as `media` does. Asserts: no panic; a sound that is
//! accepted is no longer than its file says it can be, and what the interface makes of it is read by `media` unchanged.

use crate::Target;

/// The interface's reader is private to its crate, and that crate would bring a database and a web server along; the file
/// itself is what is fuzzed.
#[path = "../../../api/src/routes/wav.rs"]
#[allow(dead_code, reason = "the interface uses more of it")]
mod interface;

pub const TARGET: Target =
    Target { name: "wav", run, seeds, max_len: 8_192, is_text: false, bytes_per_octet: 20, bytes_besides: 64 * 1024 };

fn seeds() -> Vec<Vec<u8>> {
    let samples: Vec<i16> = (0..300).map(|n| (n * 37 % 2000) as i16).collect();
    let mut out: Vec<Vec<u8>> = Vec::new();
    out.extend(media::wav::write_mono(&samples));
    out.extend(media::wav::write_stereo(&samples, &samples[..100]));
    for (channels, rate) in [(1, 16_000), (2, 44_100), (1, 4_000), (2, 48_000)] {
        let mut wav = interface::header(channels, rate, 600);
        wav.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        out.push(wav);
    }
    // A list of facts between format and data, as editors write it.
    if let Some(plain) = out.first() {
        let mut listed = plain[..36].to_vec();
        listed.extend(b"LIST\x04\0\0\0INFO");
        listed.extend(&plain[36..]);
        out.push(listed);
    }
    out
}

fn run(bytes: &[u8]) {
    if let Ok(clip) = media::wav::read(bytes) {
        // 4 kHz, the lowest rate, doubles the samples.
        assert!(clip.samples().len() <= bytes.len());
        let written = media::wav::write_mono(clip.samples()).unwrap_or_else(|e| panic!("{e}"));
        let again = media::wav::read(&written).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(again.samples(), clip.samples());
    }
    if let Some(prompt) = interface::to_prompt(bytes) {
        assert!(prompt.len() <= 44 + 2 * bytes.len());
        let clip = media::wav::read(&prompt).unwrap_or_else(|e| panic!("the prompt made of an upload: {e}"));
        assert_eq!(clip.samples().len() * 2 + 44, prompt.len());
    }
}
