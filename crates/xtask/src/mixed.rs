//! `cargo xtask mixed`: the long variant of `crates/server/tests/mixed.rs`, chosen by the environment.
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value_t = 2_000)]
    calls: u32,
    /// Chooses who does what.
    #[arg(long, default_value_t = 20_261_130)]
    seed: u64,
}

pub fn mixed(options: &Options) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "-p", "server", "--test", "mixed", "--", "--nocapture"]);
    cargo.env("MIXED_CALLS", options.calls.to_string());
    cargo.env("MIXED_SEED", options.seed.to_string());
    if !cargo.status()?.success() {
        bail!("something was left behind");
    }
    Ok(())
}
