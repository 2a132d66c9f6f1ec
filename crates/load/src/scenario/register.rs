//! Phones that register: CPU time per REGISTER (challenge and answer counted as one, then with the nonce kept), and memory
//! per registered device that does nothing.
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::company;
use crate::phones::{Phones, Registered};
use crate::report::Report;
use crate::server::Server;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Devices, each with one contact
    #[arg(long, default_value_t = 5_000)]
    pub devices: usize,
    /// Registrations a second
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Rounds with the nonce kept
    #[arg(long, default_value_t = 2)]
    pub rounds: usize,
}

pub fn run(server: &Server, options: &Options) -> Result<Report> {
    let api = server.api()?;
    let mut phones = Phones::new(server.sip)?;
    // What is made once is paid by a few that do not count; the others exist before memory is measured.
    let warm = company::phones_without_agents(&api, 50)?;
    let accounts = company::phones_without_agents(&api, options.devices)?;
    phones.register_all(&warm)?;
    phones.run_for(Duration::from_secs(2))?;

    let (memory_before, before) = (server.memory()?, server.cpu()?);
    let first = phones.register(&accounts, options.rate)?;
    phones.run_for(Duration::from_secs(2))?;
    let used_first = server.used_since(&before)?;
    let memory_after = server.memory()?;

    let (mut again, before) = (Registered::default(), server.cpu()?);
    for _ in 0..options.rounds {
        let round = phones.register_again_all(options.rate)?;
        again.wanted += round.wanted;
        again.succeeded += round.succeeded;
        again.failed += round.failed;
        again.requests += round.requests;
    }
    phones.run_for(Duration::from_secs(2))?;
    let used_again = server.used_since(&before)?;
    let memory_last = server.memory()?;

    let kib = memory_after.rss_kib.saturating_sub(memory_before.rss_kib) as f64 / first.succeeded.max(1) as f64;
    let line = |what: &str, r: &Registered, used: &crate::process::Used| {
        let threads: Vec<String> = used
            .threads
            .iter()
            .take(5)
            .map(|(name, us)| format!("{name} {:.3}", *us as f64 / 1000.0 / r.succeeded.max(1) as f64))
            .collect();
        format!(
            "{what}: {:.3} ms CPU per registration ({}); {} succeeded, {} failed, {} requests",
            used.per(r.succeeded) / 1000.0,
            threads.join(", "),
            r.succeeded,
            r.failed,
            r.requests
        )
    };
    let lines = vec![
        line("challenged", &first, &used_first),
        line("nonce kept", &again, &used_again),
        format!(
            "memory per registered device: {kib:.1} KiB ({} → {} KiB)",
            memory_before.rss_kib, memory_after.rss_kib
        ),
    ];
    let round = |r: &Registered, used: &crate::process::Used| {
        json!({
            "succeeded": r.succeeded, "failed": r.failed, "requests": r.requests,
            "ms_per_registration": used.per(r.succeeded) / 1000.0, "cpu": used.to_json(r.succeeded),
        })
    };
    let json = json!({
        "scenario": "register", "devices": options.devices, "rate": options.rate,
        "challenged": round(&first, &used_first), "nonce_kept": round(&again, &used_again),
        "kib_per_device": kib, "memory_before": memory_before.to_json(), "memory_after": memory_after.to_json(),
        "memory_last": memory_last.to_json(), "retransmissions": phones.ledger.retransmissions,
    });
    Ok(Report { lines, json, is_good: first.failed + again.failed == 0 })
}
