//! `cargo xtask crash`: the long variants of `crates/server/tests/crash.rs`, chosen by the environment.
use std::process::Command;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Database {
    Sqlite,
    Postgres,
}

#[derive(Args)]
pub struct Options {
    /// How often the server is killed.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Database,
    /// Seconds without the database, instead of kills (PostgreSQL: hanging, then stopped).
    #[arg(long)]
    outage: Option<u32>,
    /// Chooses the moments.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
}

pub fn crash(options: &Options) -> Result<()> {
    let tests = match (options.outage, options.database) {
        (Some(_), _) => "postgres_",
        (None, Database::Sqlite) => "the_records_equal_the_callers_ledger",
        (None, Database::Postgres) => "the_records_equal_the_callers_ledger_on_postgres",
    };
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "-p", "server", "--test", "crash", "--", "--nocapture", "--test-threads", "1", tests]);
    if options.outage.is_none() && options.database == Database::Sqlite {
        cargo.args(["--skip", "on_postgres"]);
    }
    cargo.env("CRASH_KILLS", options.kills.to_string());
    cargo.env("CRASH_SEED", options.seed.to_string());
    if let Some(seconds) = options.outage {
        cargo.env("OUTAGE_SECONDS", seconds.to_string());
    }
    if !cargo.status()?.success() {
        bail!("the server's records are not the callers' ledger");
    }
    Ok(())
}
