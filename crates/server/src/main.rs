//! The `cordboard` binary: command line, settings, wiring. What happens is decided in the crates it starts.
mod banner;
mod log_sink;
mod measure;
mod sample;
mod serve;
mod settings;
mod side;
mod tls;
mod web_phones;
mod web_ui;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::process::ExitCode;

/// Signalling makes many small values, and a burst of calls must give its memory back when it is over: the system's
/// allocator does both worse (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::{Parser, Subcommand};
use log_sink::LogSink;
use settings::{Flags, Settings};

/// Cordboard, a call centre in one program.
///
/// Without a command it serves: customers call by SIP or from the customer page, agents answer in the browser.
/// The first start makes a data directory with an SQLite database and a sample company, and prints links to sign in.
#[derive(Parser)]
// Of a flag given twice the last counts.
#[command(name = "cordboard", version, after_help = AFTER_HELP, args_override_self = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

const AFTER_HELP: &str = "\
Every flag can stand in a TOML file (--config, or cordboard.toml in the data directory) as `http = \"…\"` and in the
environment as CORDBOARD_HTTP and so on; a flag wins over the environment, the environment over the file.

More environment:
  CORDBOARD_SAMPLE_PASSWORD  password of the sample users (admin@sample.test, supervisor@sample.test, agent1@sample.test …)
  CORDBOARD_MASTER_KEY       the master key in hex, instead of <data-dir>/master.key
  CORDBOARD_LOG              what to log, such as `info` or `warn,engine=debug` [default: info]

Files in the data directory:
  cordboard.db  the database        api-token       a token of the sample company's admin, for scripts
  master.key    keep a copy of it   addresses.json  where this process listens
  blobs/        recordings, sealed  tls/            the generated certificate; replace it by your own
  journal-spool/  what the database could not take yet

Examples:
  cordboard                                          start on this machine
  cordboard --http off --https 0.0.0.0:443           only HTTPS, for other machines
  cordboard --media-advertise 203.0.113.7            behind NAT: tell phones and browsers the public address
  cordboard --database-url postgres://cb@db/cordboard";

#[derive(Subcommand, Clone, Copy)]
enum Command {
    /// Run the call centre (the default).
    Serve,
    /// Read and check the configuration, then end.
    CheckConfig,
    /// Make the projections (lists and reports) anew from the journal; the server must not be running.
    RebuildProjections,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = match Settings::load(&cli.flags) {
        Ok(settings) => settings,
        Err(e) => return fail(&e.to_string()),
    };
    log_to_stderr();
    let result = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => run(serve::serve(settings)),
        Command::CheckConfig => {
            println!("The configuration is valid.");
            Ok(())
        }
        Command::RebuildProjections => run(serve::rebuild_projections(settings)),
    };
    LogSink::stderr().flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&sentence(&e)),
    }
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// The chain of causes as one line.
fn sentence(e: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in e.chain() {
        let text = cause.to_string();
        // Some errors already contain their source's text.
        if !parts.iter().any(|p| p.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn fail(text: &str) -> ExitCode {
    LogSink::stderr().say(format!("cordboard: {text}\n").as_bytes());
    LogSink::stderr().flush();
    ExitCode::FAILURE
}

fn log_to_stderr() {
    use std::io::IsTerminal;
    let filter = std::env::var("CORDBOARD_LOG").unwrap_or_else(|_| "info,sqlx=warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|e| {
        eprintln!("cordboard: CORDBOARD_LOG cannot be read ({e}); logging at level info");
        tracing_subscriber::EnvFilter::new("info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(LogSink::stderr())
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    // The usual hook writes to standard error itself: on a thread that carries calls it would wait for whoever reads that.
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let (name, trace) = (thread.name().unwrap_or("?"), Backtrace::capture());
        let trace = if trace.status() == BacktraceStatus::Captured { format!("{trace}\n") } else { String::new() };
        LogSink::stderr().say(format!("thread '{name}' {panic}\n{trace}").as_bytes());
        if name == "main" {
            // The process ends with it.
            LogSink::stderr().flush();
        }
    }));
}
