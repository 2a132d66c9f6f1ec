//! Ten times as many calls as can be carried, while fifty go on talking: what is still carried, how the rest is refused,
//! whether those who talk notice, how soon it is over.
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::calls;
use crate::company;
use crate::ledger::{Failure, percentile};
use crate::phones::{Offer, Phones};
use crate::report::Report;
use crate::rtp::Speakers;
use crate::server::Server;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The rate that can be carried
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Times that rate
    #[arg(long, default_value_t = 10.0)]
    pub times: f64,
    #[arg(long, default_value_t = 20.0)]
    pub seconds: f64,
    /// Calls that talk meanwhile
    #[arg(long, default_value_t = 50)]
    pub talking: usize,
    #[arg(long, default_value_t = 200)]
    pub agents: usize,
}

pub fn run(server: &Server, options: &Options) -> Result<Report> {
    let speakers = Speakers::start()?;
    let mut phones = Phones::new(server.sip)?;
    let talk_ports = speakers.ports.clone();
    let plan = company::Plan { agents: options.agents + options.talking, record: false };
    let company = company::open(&server.api()?, &mut phones, plan)?;
    calls::step(server, &mut phones, &company, 20.0, 20, 100)?;

    // Those who talk.
    let silent_ports = std::mem::replace(&mut phones.ports, talk_ports);
    phones.media = Some(speakers.news());
    let mut offer = Offer::new(&company.number, options.talking, 20.0);
    (offer.talk, offer.ask_every) = (None, Some(Duration::from_secs(1)));
    let talking = phones.offer(offer);
    let all_up = |p: &Phones| p.up(talking) == options.talking && p.ledger.of(talking).all(|r| r.connected.is_some());
    if !phones.run_until(Duration::from_secs(40), |p| all_up(p))? {
        bail!("the calls that should talk did not come up: {:?}", phones.ledger.summary(talking).failures);
    }
    (phones.ports, phones.media) = (silent_ports, None);
    phones.run_for(Duration::from_secs(1))?;

    // What is carried at the rate that can be.
    let count = (options.rate * 6.0) as usize;
    let usual = calls::step(server, &mut phones, &company, options.rate, count, 100)?;

    // The flood.
    let asked_before = phones.asked.clone();
    speakers.count(true);
    let before = server.cpu()?;
    let flood_rate = options.rate * options.times;
    let mut offer = Offer::new(&company.number, (flood_rate * options.seconds) as usize, flood_rate);
    offer.patience = Duration::from_secs(10);
    let flood = phones.offer(offer);
    let begin = phones.elapsed();
    phones.run_for(Duration::from_secs_f64(options.seconds))?;
    phones.stop(flood);
    let end = phones.elapsed();
    let used = server.used_since(&before)?;

    // Afterwards: half of what can be carried, looked at by when each call was placed.
    let after_rate = options.rate / 2.0;
    let after = phones.offer(Offer::new(&company.number, (after_rate * 10.0) as usize, after_rate));
    phones.run_until(Duration::from_secs(60), |p| p.unfinished(after) == 0 && p.unfinished(flood) == 0)?;
    speakers.count(false);
    phones.run_for(Duration::from_millis(300))?;
    let account = speakers.account()?;
    let talking_before_end = phones.up(talking);
    phones.hang_up(talking);
    phones.run_until(Duration::from_secs(40), |p| p.unfinished(talking) == 0)?;

    let (f, a, t) = (phones.ledger.summary(flood), phones.ledger.summary(after), phones.ledger.summary(talking));
    let in_flood = phones
        .ledger
        .of(flood)
        .filter(|r| r.is_success() && r.connected.is_some_and(|at| at >= begin && at <= end))
        .count();
    let goodput = in_flood as f64 / (end - begin).as_secs_f64();
    let carried = usual.summary.successes as f64 / (count as f64 / options.rate);
    let recovered = phones
        .ledger
        .of(after)
        .filter(|r| !r.is_success())
        .map(|r| r.invited.saturating_sub(end))
        .max()
        .unwrap_or_default();
    let sent = phones.asked.sent - asked_before.sent;
    let answered = phones.asked.answered - asked_before.answered;
    let mut delays = phones.asked.delays[asked_before.delays.len().min(phones.asked.delays.len())..].to_vec();
    delays.sort_unstable();
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;

    let placed_rate = f.placed as f64 / (end - begin).as_secs_f64();
    let lines = vec![
        format!(
            "usual: {carried:.0} calls/s carried of {:.0} offered, {} failed",
            options.rate,
            usual.summary.failed()
        ),
        format!(
            "flood: {placed_rate:.0} calls/s offered for {:.0} s, {goodput:.0} calls/s carried ({:.1} % of the usual); \
             failures {:?}; {:.2} ms CPU per carried call",
            (end - begin).as_secs_f64(),
            goodput / carried * 100.0,
            f.failures,
            used.per(in_flood as u64) / 1000.0,
        ),
        format!(
            "talking: {talking_before_end} of {} still up, {} packets sent, {} lost ({:.3} %), delay {} µs (p50), {} µs (p99)",
            options.talking,
            account.sent,
            account.lost(),
            account.lost() as f64 / account.sent.max(1) as f64 * 100.0,
            account.delay_us(50.0),
            account.delay_us(99.0),
        ),
        format!("asked in dialog: {answered} of {sent} answered, {:.0} ms (p99)", ms(percentile(&delays, 99.0))),
        format!(
            "afterwards: {} of {} failed, the last one placed {:.1} s after the end",
            a.failed(),
            a.placed,
            recovered.as_secs_f64()
        ),
    ];
    let json = json!({
        "scenario": "overload", "rate": options.rate, "times": options.times, "offered_rate": placed_rate,
        "usual": usual.summary.to_json(), "flood": f.to_json(), "after": a.to_json(), "talking": t.to_json(),
        "carried_usual": carried, "goodput": goodput, "goodput_percent": goodput / carried * 100.0,
        "deferred": f.count(Failure::Deferred), "cpu": used.to_json(in_flood as u64), "packets": account.to_json(),
        "talking_up_at_end": talking_before_end,
        "asked": {"sent": sent, "answered": answered, "p99_ms": ms(percentile(&delays, 99.0))},
        "recovered_s": recovered.as_secs_f64(), "retransmissions": phones.ledger.retransmissions,
    });
    let is_good = talking_before_end == options.talking && recovered <= Duration::from_secs(5);
    Ok(Report { lines, json, is_good })
}
