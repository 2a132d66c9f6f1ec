//! The judges: each takes what was heard, recorded or counted and says whether it is right, or in words what is wrong.
//! Pure, so that `tests/judges.rs` can show each of them failing when the wrong thing is true.
use std::time::{Duration, Instant};

use super::ledger::Figures;
use super::sound::{BLOCK, heard_ms, level, share};

pub type Verdict = Result<(), String>;

/// In conversation: the other side's tone nearly all the time, never one's own.
pub fn hears(heard: &[i16], other: f64, own: f64) -> Verdict {
    // A block across a lost or late packet may be impure.
    hears_for(heard, other, own, 90)
}

/// The same in a browser, whose jitter buffer stretches and hides what a busy machine delivers late.
pub fn browser_hears(heard: &[i16], other: f64, own: f64) -> Verdict {
    hears_for(heard, other, own, 70)
}

fn hears_for(heard: &[i16], other: f64, own: f64, percent: u64) -> Verdict {
    let all = heard.len() as u64 / 8;
    if all < 200 {
        return Err(format!("only {all} ms of sound"));
    }
    let (of_other, of_own) = (heard_ms(heard, other), heard_ms(heard, own));
    if of_own > 0 {
        return Err(format!("hears its own tone of {own} Hz for {of_own} of {all} ms"));
    }
    if of_other * 100 < all * percent {
        return Err(format!("hears {other} Hz for only {of_other} of {all} ms"));
    }
    Ok(())
}

/// In a conference: both tones at once nearly all the time, never one's own. `percent` as the ear allows: 90 for a phone,
/// 70 for a browser.
pub fn hears_both(heard: &[i16], others: [f64; 2], own: f64, percent: u64) -> Verdict {
    let blocks: Vec<&[i16]> = heard.chunks_exact(BLOCK).collect();
    if blocks.len() < 10 {
        return Err(format!("only {} blocks of sound", blocks.len()));
    }
    let with = |hz: f64, least: f64| blocks.iter().filter(|b| share(b, hz) > least).count() as u64;
    let all = blocks.len() as u64;
    // Its own tone would have a third of the power of three.
    if with(own, 0.15) * 20 > all {
        return Err(format!("hears its own tone of {own} Hz in {} of {all} blocks", with(own, 0.15)));
    }
    for hz in others {
        if with(hz, 0.25) * 100 < all * percent {
            return Err(format!("hears {hz} Hz in only {} of {all} blocks", with(hz, 0.25)));
        }
    }
    Ok(())
}

/// On hold at the agent: nothing at all, or silence.
pub fn hears_nothing(heard: &[i16]) -> Verdict {
    match level(heard) {
        level if level > 60.0 => Err(format!("hears something at level {level:.0}")),
        _ => Ok(()),
    }
}

/// On hold at the caller: sound, but neither of the two tones.
pub fn hears_music(heard: &[i16], tones: &[f64]) -> Verdict {
    if heard.len() < 1600 || level(heard) < 100.0 {
        return Err(format!("hears no music: level {:.0} in {} ms", level(heard), heard.len() / 8));
    }
    for hz in tones {
        let ms = heard_ms(heard, *hz);
        if ms > 0 {
            return Err(format!("hears {hz} Hz for {ms} ms instead of music alone"));
        }
    }
    Ok(())
}

/// What a stereo recording must hold.
pub struct Expected {
    pub left_hz: f64,
    pub right_hz: f64,
    /// By the peers' ledger: talk and hold.
    pub length_ms: f64,
    /// Listed silences, in milliseconds from the start.
    pub gaps: Vec<(u64, u64)>,
}

/// Each tone in its own channel and in no other, silence where a gap is listed, length right within 200 ms.
pub fn recording(left: &[i16], right: &[i16], expected: &Expected) -> Verdict {
    let length = left.len() as f64 / 8.0;
    if (length - expected.length_ms).abs() > 200.0 {
        return Err(format!("{length:.0} ms long instead of {:.0}", expected.length_ms));
    }
    let sides =
        [("left", left, expected.left_hz, expected.right_hz), ("right", right, expected.right_hz, expected.left_hz)];
    for (name, channel, own, other) in sides {
        let (mut inside, mut with_tone) = (0u32, 0u32);
        for (n, block) in channel.chunks_exact(BLOCK).enumerate() {
            let at = n as u64 * 20;
            if share(block, other) > 0.5 {
                return Err(format!("{other} Hz in the {name} channel at {at} ms"));
            }
            // Blocks on the edge of a gap belong to neither side; what a stalled network delivered in a burst is laid
            // up to 400 ms late, so that no word is lost.
            let in_gap = expected.gaps.iter().any(|(from, to)| at >= from + 450 && at + 80 <= *to);
            let near_gap = expected.gaps.iter().any(|(from, to)| at + 80 >= *from && at <= to + 100);
            if in_gap && level(block) > 60.0 {
                let gaps = &expected.gaps;
                return Err(format!("sound in the {name} channel at {at} ms, inside a listed gap of {gaps:?}"));
            }
            if !near_gap {
                inside += 1;
                with_tone += u32::from(share(block, own) > 0.7);
            }
        }
        if with_tone * 100 < inside * 85 {
            return Err(format!("{own} Hz in only {with_tone} of {inside} blocks of the {name} channel"));
        }
    }
    Ok(())
}

/// The longest time without the tone between two times with it is at most `limit`; there was one at all.
pub fn missed_at_most(spans: &[(Instant, Instant)], limit: Duration) -> Result<Duration, String> {
    let longest = spans.windows(2).map(|p| p[1].0.saturating_duration_since(p[0].1)).max();
    match longest {
        None => Err("the tone was never interrupted, or never came back".to_owned()),
        Some(longest) if longest > limit => Err(format!("{longest:?} without the tone")),
        Some(longest) => Ok(longest),
    }
}

/// Counts are equal, times within `tolerance` milliseconds.
pub fn figures(ledger: &Figures, report: &Figures, tolerance: f64) -> Verdict {
    let counts = [
        ("offered", ledger.offered, report.offered),
        ("answered", ledger.answered, report.answered),
        ("abandoned", ledger.abandoned, report.abandoned),
        ("handled", ledger.handled, report.handled),
    ];
    let times = [
        ("wait_ms", ledger.wait_ms, report.wait_ms),
        ("abandon_wait_ms", ledger.abandon_wait_ms, report.abandon_wait_ms),
        ("talk_ms", ledger.talk_ms, report.talk_ms),
        ("hold_ms", ledger.hold_ms, report.hold_ms),
    ];
    let mut wrong: Vec<String> = Vec::new();
    for (name, peers, server) in counts {
        if peers != server {
            wrong.push(format!("{name}: the peers count {peers}, the report {server}"));
        }
    }
    for (name, peers, server) in times {
        if (peers - server).abs() > tolerance {
            wrong.push(format!("{name}: {peers:.0} by the peers, {server:.0} in the report"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Panics with the words of the judge and what was judged.
#[track_caller]
pub fn must(what: &str, verdict: Verdict) {
    if let Err(why) = verdict {
        panic!("{what}: {why}");
    }
}

/// The sabotage twin: the judge must refuse.
#[track_caller]
pub fn must_fail(what: &str, verdict: Verdict) {
    assert!(verdict.is_err(), "the judge accepts {what}");
}
