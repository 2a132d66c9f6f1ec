//! Figures of the loads as rows of one table: work, measured, target, what others need on the same kind of machine.
use serde_json::Value;

pub struct Row {
    work: String,
    measured: String,
    target: String,
    peers: String,
    /// Unknown where there is no target.
    is_met: Option<bool>,
}

fn row(work: &str, measured: String, target: &str, is_met: bool, peers: &str) -> Row {
    let (work, target, peers) = (work.to_owned(), target.to_owned(), peers.to_owned());
    Row { work, measured, target, peers, is_met: Some(is_met) }
}

pub fn markdown(rows: &[Row]) -> String {
    let mut text = "| Work | Measured | Target | | Others |\n|---|---|---|---|---|".to_owned();
    for r in rows {
        let mark = match r.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        text.push_str(&format!("\n| {} | {} | {} | {mark} | {} |", r.work, r.measured, r.target, r.peers));
    }
    text
}

/// `BENCH<TAB>work<TAB>value<TAB>unit<TAB>target`; a target is `>= 500000`, `<= 20`, empty, or a bare number, which is the
/// least for a rate (`per …`) and the most for anything else.
pub fn of_line(line: &str) -> Option<Row> {
    let mut fields = line.strip_prefix("BENCH\t")?.split('\t').map(str::trim);
    let (work, value, unit) = (fields.next()?, fields.next()?, fields.next()?);
    let mut target = fields.next().unwrap_or_default().replace('≥', ">=").replace('≤', "<=");
    if target.starts_with(|c: char| c.is_ascii_digit()) {
        target.insert_str(0, if unit.starts_with("per ") { ">= " } else { "<= " });
    }
    let bound = |sign: &str| target.strip_prefix(sign)?.split_whitespace().next()?.replace([',', '_'], "").parse().ok();
    let measured: Option<f64> = value.replace([',', '_'], "").parse().ok();
    let is_met = match (measured, bound(">="), bound("<=")) {
        (Some(m), Some(least), _) => Some(m >= least),
        (Some(m), _, Some(most)) => Some(m <= most),
        _ => None,
    };
    let peers = if work.to_lowercase().contains("assignments per") { "naive scan 1,200" } else { "" };
    let target = if target.is_empty() || target.contains(unit) { target } else { format!("{target} {unit}") };
    Some(Row { work: work.to_owned(), measured: format!("{value} {unit}"), target, peers: peers.to_owned(), is_met })
}

fn steps(found: &Value) -> &[Value] {
    found["steps"].as_array().map_or(&[], Vec::as_slice)
}

fn n(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

pub fn calls(found: &Value) -> Vec<Row> {
    let steps = steps(found);
    // The rates asked for; those of the search come after them.
    let asked: Vec<&Value> = steps.iter().filter(|s| [50.0, 200.0, 500.0].contains(&n(&s["rate"]))).collect();
    let each = joined(asked.iter().map(|s| format!("{:.2} ms at {}/s", n(&s["ms_per_call"]), n(&s["rate"]))));
    let carried = asked.iter().filter(|s| s["carried"] == true).map(|s| n(&s["ms_per_call"]));
    let worst = carried.fold(0.0, f64::max);
    let highest = n(&found["highest_rate"]);
    vec![
        row(
            "Queued call set up and torn down through an auto-answering SIP device, no media",
            each,
            "≤ 0.8 ms",
            worst > 0.0 && worst <= 0.8,
            "Asterisk queue 10.7–18 ms, RustPBX 13.7, FreeSWITCH callcenter 41",
        ),
        row(
            "Queued calls per second without a failure, two cores shared with the generator",
            format!("{highest:.0}"),
            "≥ 500",
            highest >= 500.0,
            "70, 60, 40",
        ),
    ]
}

/// No target: what the machine asks for.
pub fn bare(found: &Value) -> Row {
    let each = joined(steps(found).iter().map(|s| format!("{:.1} µs with {}", n(&s["us_per_packet"]), n(&s["calls"]))));
    let (target, peers) = (String::new(), "8.5–10 on the reference machine".to_owned());
    Row { work: "Bare loop that relays (epoll), calls up".to_owned(), measured: each, target, peers, is_met: None }
}

pub fn media(found: &Value, backend: &str) -> Vec<Row> {
    let (steps, record) = (steps(found), found["record"] == true);
    let each = joined(steps.iter().map(|s| format!("{:.1} µs with {}", n(&s["us_per_packet"]), n(&s["calls"]))));
    let worst = steps.iter().map(|s| n(&s["us_per_packet"])).fold(0.0, f64::max);
    let kib = steps.iter().map(|s| n(&s["kib_per_call"])).fold(0.0, f64::max);
    let lost: f64 = steps.iter().map(|s| n(&s["packets"]["lost"])).sum();
    let each = if lost > 0.0 { format!("{each} ({lost:.0} packets lost)") } else { each };
    let limit = if record {
        8.0
    } else if backend == "io-uring" {
        6.0
    } else {
        10.0
    };
    let peers = match record {
        false => "rtpengine in user space 27–20, Asterisk 53–32, RustPBX 53–25, FreeSWITCH 72",
        true => "RustPBX 65, FreeSWITCH 98, Asterisk 110",
    };
    let what = if record { "with stereo recording to disk" } else { "relayed" };
    let mut rows = vec![row(
        &format!("G.711 packet {what}, calls up ({backend})"),
        each,
        &format!("≤ {limit:.0} µs"),
        worst > 0.0 && worst <= limit,
        peers,
    )];
    let (limit, kind) = if record { (200.0, "recorded") } else { (80.0, "relayed") };
    rows.push(row(
        &format!("Memory per {kind} call ({backend})"),
        format!("{kib:.0} KiB"),
        &format!("≤ {limit:.0} KiB"),
        kib <= limit,
        if record { "" } else { "rtpengine 87, RustPBX 350–650, Asterisk 460, FreeSWITCH 770" },
    ));
    if !record {
        let delay = |s: &Value, name: &str| n(&s["packets"][name]) / 1000.0;
        let each = joined(steps.iter().map(|s| {
            format!("{:.2} ms with {} (p50 {:.2})", delay(s, "delay_p99_us"), n(&s["calls"]), delay(s, "delay_p50_us"))
        }));
        let worst = steps.iter().map(|s| delay(s, "delay_p99_us")).fold(0.0, f64::max);
        rows.push(row(
            &format!("Added one-way delay, p99 ({backend})"),
            each,
            "≤ 2 ms",
            worst <= 2.0,
            "rtpengine 4, Asterisk 8, RustPBX 9, FreeSWITCH 38",
        ));
    }
    rows
}

pub fn browser(found: &Value) -> Vec<Row> {
    let steps = steps(found);
    let each = joined(steps.iter().map(|s| format!("{:.1} µs with {}", n(&s["us_per_packet"]), n(&s["calls"]))));
    let worst = steps.iter().map(|s| n(&s["us_per_packet"])).fold(0.0, f64::max);
    vec![row("Browser (SRTP) ↔ SIP packet, calls up", each, "≤ 9 µs", worst > 0.0 && worst <= 9.0, "not measured")]
}

pub fn register(found: &Value) -> Vec<Row> {
    let first = n(&found["challenged"]["ms_per_registration"]);
    let again = n(&found["nonce_kept"]["ms_per_registration"]);
    let kib = n(&found["kib_per_device"]);
    vec![
        row(
            "REGISTER with digest",
            format!("{first:.3} ms challenged and answered; {again:.3} ms with the nonce kept"),
            "≤ 0.1 ms",
            first <= 0.1,
            "RustPBX 0.5, Asterisk 1.2, FreeSWITCH 8",
        ),
        row("Memory per idle registered device", format!("{kib:.1} KiB"), "≤ 16 KiB", kib <= 16.0, ""),
    ]
}

pub fn flat(found: &Value) -> Vec<Row> {
    let levels = found["levels"].as_array().map_or(&[][..], Vec::as_slice);
    let each = joined(levels.iter().map(|l| format!("{:.2} ms with {} up", n(&l["ms_per_call"]), n(&l["up"]))));
    let costs = || levels.iter().map(|l| n(&l["ms_per_call"]));
    let (least, most) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
    let memory = &found["memory"];
    let mib = |m: &Value| n(&m["rss_kib"]) / 1024.0;
    let rounds = memory["rounds"].as_array().map_or(&[][..], Vec::as_slice);
    let start = mib(&memory["start"]);
    let bursts = joined(rounds.iter().map(|r| format!("{:.0} → {:.0}", mib(&r["up"]), mib(&r["after"]))));
    let end = rounds.last().map_or(f64::NAN, |r| mib(&r["after"]));
    vec![
        row("Queued call while others are up", each, "flat", most <= least * 1.25, ""),
        row(
            &format!("Memory in bursts of {} calls", n(&memory["calls"])),
            format!("{start:.0} MiB before; {bursts} MiB"),
            "returns",
            end <= start * 1.1,
            "",
        ),
    ]
}

pub fn overload(found: &Value) -> Vec<Row> {
    let percent = n(&found["goodput_percent"]);
    let packets = &found["packets"];
    let lost = n(&packets["lost"]) / n(&packets["sent"]).max(1.0) * 100.0;
    let flood = &found["flood"];
    let asked = &found["asked"];
    vec![
        row(
            &format!("Overload, {:.0} calls/s offered: still carried", n(&found["offered_rate"])),
            format!("{:.0}/s, {percent:.0} % of {:.0}", n(&found["goodput"]), n(&found["carried_usual"])),
            "≥ 95 %",
            percent >= 95.0,
            "",
        ),
        row(
            "… refused with 503 and Retry-After, of all that failed",
            format!("{} of {}", n(&found["deferred"]), n(&flood["failed"])),
            "all",
            found["deferred"] == flood["failed"],
            "",
        ),
        row(
            "… calls in progress: packets lost; in-dialog requests answered",
            format!("{lost:.2} %; {} of {}", n(&asked["answered"]), n(&asked["sent"])),
            "keep their sound",
            lost < 1.0 && asked["answered"] == asked["sent"],
            "",
        ),
        row(
            "… no failure any more after",
            format!("{:.1} s", n(&found["recovered_s"])),
            "≤ 5 s",
            n(&found["recovered_s"]) <= 5.0,
            "",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_examples_become_rows() {
        let met = of_line("BENCH\tAssignments per CPU-second\t612,000\t1/s\t>= 500000").expect("a row");
        assert_eq!((met.is_met, met.target.as_str()), (Some(true), ">= 500000 1/s"));
        let missed = of_line("BENCH\tp99\t25\tµs\t≤ 20 µs").expect("a row");
        assert_eq!((missed.is_met, missed.measured.as_str()), (Some(false), "25 µs"));
        assert_eq!(of_line("BENCH\twork\t5\tms").expect("a row").is_met, None);
        assert_eq!(of_line("BENCH\tinputs\t5\tper CPU-s\t6").expect("a row").is_met, Some(false));
        assert_eq!(of_line("BENCH\tp99\t5\tµs CPU\t6").expect("a row").is_met, Some(true));
        assert!(of_line("something else").is_none());
    }

    #[test]
    fn a_missed_target_is_said_to_be() {
        let found = serde_json::json!({
            "steps": [{"rate": 50.0, "ms_per_call": 0.9, "carried": true}], "highest_rate": 500.0,
        });
        let text = markdown(&calls(&found));
        assert!(
            text.contains("0.90 ms at 50/s | ≤ 0.8 ms | **missed**") && text.contains("| 500 | ≥ 500 | met"),
            "{text}"
        );
    }
}
