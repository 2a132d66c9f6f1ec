//! What a packet costs on this machine when nothing is done with it: the smallest loop that relays, as a process of its
//! own, under the same sound and measured in the same way as the server. Its figure is what the server's are held against.
//!
//! Each side of a call has a socket; what comes to one leaves from the other, to whoever spoke to that one last. The loop
//! sleeps in epoll, then rests up to a millisecond so that one wake-up serves several packets, and makes two system calls
//! for each.
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::json;

use crate::phones::{MediaNews, Side};
use crate::process::Cpu;
use crate::report::Report;
use crate::rtp::Speakers;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Calls up at the same time; several, separated by commas, are measured one after the other
    #[arg(long = "up", value_delimiter = ',', default_values_t = [100, 400])]
    pub up: Vec<usize>,
    /// How long each is measured
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Be the loop itself, for so many calls
    #[arg(long, hide = true)]
    pub relay: Option<usize>,
}

pub fn run(options: &Options) -> Result<Report> {
    let (mut lines, mut steps) = (Vec::new(), Vec::new());
    let mut is_good = true;
    for calls in &options.up {
        let speakers = Speakers::start()?;
        let relay = Relay::start(*calls)?;
        let tell = speakers.news();
        for (call, remotes) in relay.remotes.iter().enumerate() {
            for (side, remote) in [Side::Caller, Side::Device].into_iter().zip(remotes) {
                tell(MediaNews::Up { call, side, remote: *remote });
            }
        }
        std::thread::sleep(Duration::from_secs(1));
        speakers.count(true);
        let (before, own_before) = (Cpu::of(relay.child.id())?, Cpu::of(std::process::id())?);
        std::thread::sleep(Duration::from_secs_f64(options.seconds));
        let used = Cpu::of(relay.child.id())?.since(&before);
        let own = Cpu::of(std::process::id())?.since(&own_before);
        speakers.count(false);
        std::thread::sleep(Duration::from_millis(300));
        let account = speakers.account()?;
        is_good &= account.misrouted == 0 && account.received > 0;
        lines.push(format!(
            "{calls:>4} calls: {:.2} µs CPU per packet out; {} sent, {} lost; added delay {} µs (p50), {} µs (p99); \
             generator {:.2} µs a packet",
            used.per(account.received),
            account.sent,
            account.lost(),
            account.delay_us(50.0),
            account.delay_us(99.0),
            own.per(account.received),
        ));
        steps.push(json!({
            "calls": calls, "us_per_packet": used.per(account.received), "packets": account.to_json(),
            "generator_us_per_packet": own.per(account.received),
        }));
    }
    let json = json!({"scenario": "bare", "seconds": options.seconds, "steps": steps});
    Ok(Report { lines, json, is_good })
}

/// The loop's process, ended with this.
struct Relay {
    child: Child,
    /// Where each side's sound is wanted, by call.
    remotes: Vec<[SocketAddr; 2]>,
}

impl Relay {
    fn start(calls: usize) -> Result<Relay> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bare", "--relay", &calls.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the loop")?;
        let told = BufReader::new(child.stdout.take().context("the loop says nothing")?);
        let mut relay = Relay { child, remotes: Vec::with_capacity(calls) };
        for line in told.lines().take(calls) {
            let line = line?;
            let (caller, device) = line.split_once(' ').context("the loop says nonsense")?;
            relay.remotes.push([caller.parse()?, device.parse()?]);
        }
        Ok(relay)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The loop. Tells its addresses, a line a call, and never returns but on an error.
pub fn relay(calls: usize) -> Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut sockets = Vec::with_capacity(2 * calls);
    for n in 0..2 * calls {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free UDP port")?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, n as u64))?;
        sockets.push(socket);
    }
    let mut out = std::io::stdout().lock();
    for pair in sockets.chunks(2) {
        writeln!(out, "{} {}", pair[0].local_addr()?, pair[1].local_addr()?)?;
    }
    out.flush()?;
    let mut peers: Vec<Option<SocketAddr>> = vec![None; sockets.len()];
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut buffer = [0u8; 2048];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            let from = event.data() as usize;
            let Ok((length, source)) = sockets[from].recv_from(&mut buffer) else { continue };
            peers[from] = Some(source);
            let to = from ^ 1;
            if let Some(peer) = peers[to] {
                let _ = sockets[to].send_to(&buffer[..length], peer);
            }
        }
        std::thread::sleep(Duration::from_micros(900));
    }
}
