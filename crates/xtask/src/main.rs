//! Developer commands, run as `cargo xtask <command>`. Imports none of our crates, so that it builds in seconds.
mod bench;
mod crash;
#[cfg(test)]
mod docs_check;
mod fuzz;
mod mixed;
mod report;
mod run;
mod setup;
mod shots;
mod simulate;
mod stranger;
mod test;
mod walls;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Cordboard")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need, then run everything: fmt, clippy, walls, Rust tests, web tests, end-to-end.
    Test(test::Options),
    /// Hold the table of allowed imports between crates against manifests and sources.
    Walls,
    /// Install the Debian packages the tests need (with retry); does nothing when they are there.
    Setup,
    /// Take a picture of every route in both languages and themes; fails on clipped text, missing keys, axe findings.
    Shots(shots::Options),
    /// Measure the release server from outside and the crates' own benches; print one table.
    Bench(bench::Options),
    /// Search the fuzz targets for long, guided by coverage; or count the work on the worst inputs.
    Fuzz(fuzz::Options),
    /// Kill the server again and again under load, or take its database away, and hold its records against the callers' ledger.
    Crash(crash::Options),
    /// Thousands of calls of all kinds on real sockets, handed about at random; in the end nothing may be left.
    Mixed(mixed::Options),
    /// Run seeds of the whole exchange on a virtual clock: floor, switch, SIP and media between simulated telephones.
    Simulate(simulate::Options),
    /// Follow the README's commands in a clean clone with an empty HOME until a voice is heard; print the durations.
    Stranger,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Test(options) => test::test(&options),
        Command::Walls => walls::walls(),
        Command::Setup => setup::setup(),
        Command::Shots(options) => shots::shots(&options),
        Command::Bench(options) => bench::bench(&options),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Crash(options) => crash::crash(&options),
        Command::Mixed(options) => mixed::mixed(&options),
        Command::Simulate(options) => simulate::simulate(&options),
        Command::Stranger => stranger::stranger(stranger::Caches::Empty),
    }
}
