//! `load`: measures a Cordboard server from outside. See `load --help`; `cargo xtask bench` runs all of it.
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use load::report::Report;
use load::scenario;
use load::server::{Server, Start};

#[derive(Parser)]
#[command(name = "load", about = "Loads a Cordboard server and measures its process from outside")]
struct Cli {
    /// The program to start [default: `cordboard` beside this one]
    #[arg(long, global = true, value_name = "PROGRAM")]
    server: Option<PathBuf>,
    /// Measure the server that runs on this data directory (of this machine) instead of starting one
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "server")]
    attach: Option<PathBuf>,
    /// A further argument for the server; may be given several times
    #[arg(long = "server-arg", global = true, value_name = "ARG", allow_hyphen_values = true)]
    server_args: Vec<String>,
    /// The server's database instead of SQLite
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Keep the data directory of a server started here
    #[arg(long, global = true)]
    keep: bool,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Queued calls through auto-answering SIP devices, no sound sent
    Calls(scenario::calls::Options),
    /// Relayed G.711 calls with sound both ways
    Media(scenario::media::Options),
    /// Cost of a call by the number of calls up; memory before, during and after bursts
    Flat(scenario::flat::Options),
    /// Ten times what can be carried, while some go on talking
    Overload(scenario::overload::Options),
    /// Calls between browsers and SIP devices, sound both ways
    Browser(scenario::browser::Options),
    /// Registrations with digest
    Register(scenario::register::Options),
    /// The smallest loop that relays, without a server: what this machine asks for a packet
    Bare(scenario::bare::Options),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Scenario::Bare(options) = &cli.scenario {
        return match options.relay {
            Some(calls) => scenario::bare::relay(calls),
            None => finish(&scenario::bare::run(options)?, cli.json, &[]),
        };
    }
    let server = match &cli.attach {
        Some(dir) => Server::attach(dir)?,
        None => Server::start(&Start {
            program: cli.server,
            arguments: cli.server_args,
            database_url: cli.database_url,
            keep: cli.keep,
        })?,
    };
    let report = match &cli.scenario {
        Scenario::Calls(options) => scenario::calls::run(&server, options)?,
        Scenario::Media(options) => scenario::media::run(&server, options)?,
        Scenario::Flat(options) => scenario::flat::run(&server, options)?,
        Scenario::Overload(options) => scenario::overload::run(&server, options)?,
        Scenario::Browser(options) => scenario::browser::run(&server, options)?,
        Scenario::Register(options) => scenario::register::run(&server, options)?,
        Scenario::Bare(_) => bail!("needs no server"),
    };
    finish(&report, cli.json, &server.errors())
}

fn finish(report: &Report, json: bool, errors: &[String]) -> Result<()> {
    report.print(json);
    for line in errors {
        eprintln!("the server's log: {line}");
    }
    if !report.is_good || !errors.is_empty() {
        bail!("not everything went well: see above");
    }
    Ok(())
}
