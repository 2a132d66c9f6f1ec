//! Calls between browsers (SRTP) and SIP devices, sound both ways: CPU time per packet sent by the server.
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::browsers::{Browsers, Page};
use crate::company;
use crate::phones::Phones;
use crate::process::Cpu;
use crate::report::Report;
use crate::rtp::Speakers;
use crate::server::Server;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Calls up at the same time; several, separated by commas, are measured one after the other
    #[arg(long = "up", value_delimiter = ',', default_values_t = [50, 100])]
    pub up: Vec<usize>,
    /// How long each is measured
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
}

pub fn run(server: &Server, options: &Options) -> Result<Report> {
    let speakers = Speakers::start()?;
    let mut browsers = Browsers::start()?;
    let mut phones = Phones::new(server.sip)?;
    phones.ports = speakers.ports.clone();
    phones.media = Some(speakers.news());
    let mut levels = options.up.clone();
    levels.sort_unstable();
    let most = levels.last().copied().unwrap_or(1);
    let plan = company::Plan { agents: most, record: false };
    let company = company::open(&server.api()?, &mut phones, plan)?;
    let memory_before = server.memory()?;

    let mut pages: Vec<Page> = Vec::new();
    let (mut steps, mut lines) = (Vec::<Value>::new(), Vec::new());
    let mut is_good = true;
    for calls in levels {
        // One after the other, so that it is known whose call a device has.
        while pages.len() < calls {
            let mut page = browsers.open(server.http, &mut || phones.run_for(Duration::from_millis(2)))?;
            page.dial(&company.number)?;
            if !phones.run_until(Duration::from_secs(15), |p| p.strangers.len() > pages.len())? {
                bail!("the call of browser {} reached no device", pages.len());
            }
            browsers.call(page.tab, phones.strangers[pages.len()])?;
            pages.push(page);
        }
        for page in &mut pages {
            page.ping()?;
        }
        phones.run_for(Duration::from_secs(2))?;
        let own_pid = std::process::id();
        speakers.count(true);
        browsers.count(true)?;
        let (before, own_before) = (server.cpu()?, Cpu::of(own_pid)?);
        phones.run_for(Duration::from_secs_f64(options.seconds))?;
        let (used, own) = (server.used_since(&before)?, Cpu::of(own_pid)?.since(&own_before));
        speakers.count(false);
        browsers.count(false)?;
        phones.run_for(Duration::from_millis(300))?;
        let (phone, browser) = (speakers.account()?, browsers.heard()?);
        let (sent, received) = (phone.sent + browser.sent, phone.received + browser.received);
        let (misrouted, changed) = (phone.misrouted + browser.misrouted, phone.changed + browser.changed);
        is_good &= received > 0 && misrouted == 0;
        let threads: Vec<String> = used
            .threads
            .iter()
            .take(4)
            .map(|(name, us)| format!("{name} {:.2}", *us as f64 / received.max(1) as f64))
            .collect();
        lines.push(format!(
            "{calls:>4} calls: {:.2} µs CPU per packet out ({}); {sent} sent, {} lost ({} towards browsers), {misrouted} misrouted, \
             {changed} changed; generator {:.2} µs a packet",
            used.per(received),
            threads.join(", "),
            sent.saturating_sub(received),
            phone.sent.saturating_sub(browser.received),
            own.per(received),
        ));
        steps.push(json!({
            "calls": calls, "us_per_packet": used.per(received), "cpu": used.to_json(received),
            "packets": {"sent": sent, "received": received, "lost": sent.saturating_sub(received),
                        "misrouted": misrouted, "changed": changed},
            "generator_us_per_packet": own.per(received), "memory": server.memory()?.to_json(),
        }));
    }
    let json = json!({"scenario": "browser", "steps": steps, "seconds": options.seconds, "memory_before": memory_before.to_json()});
    Ok(Report { lines, json, is_good })
}
