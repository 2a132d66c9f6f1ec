//! Many callers and many devices on one thread: two UDP sockets, one list of timers, no thread per call.
//!
//! Callers place calls as [`Offer`]s say; devices register and take whatever comes, at once. What happened is in the
//! [`Ledger`]. The caller of this module says how long to go on ([`Phones::run_until`]); nothing happens in between.
mod caller;
mod device;
mod registration;

use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use crate::ledger::Ledger;
use crate::sip::digest::Account;
use crate::sip::wire::Wire;

use caller::Caller;
use device::Leg;
pub use registration::Registered;
use registration::Registration;

/// RFC 3261 §17.1.1.1, §17.1.2.1: first and longest wait before a request is repeated; after 64·T1 it has failed.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long the device's leg may outlive the caller's.
const SETTLE: Duration = Duration::from_secs(5);
const CALLERS: Token = Token(0);
const DEVICES: Token = Token(1);
/// Datagrams from one socket before the other gets its turn.
const READ_BUDGET: usize = 256;
/// Calls of one run; a caller's number has room for as many.
const CALLS_MAX: usize = 1_000_000;

/// Calls to place.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Whom to call.
    pub number: String,
    pub count: usize,
    /// Calls a second, evenly spaced.
    pub rate: f64,
    /// From connection to hang-up; none to talk until [`Phones::hang_up`].
    pub talk: Option<Duration>,
    /// How long a caller waits for an agent.
    pub patience: Duration,
    /// Ask within the dialog (OPTIONS) this often.
    pub ask_every: Option<Duration>,
    /// Answers challenges with this account.
    pub account: Option<Account>,
}

impl Offer {
    pub fn new(number: &str, count: usize, rate: f64) -> Offer {
        Offer {
            number: number.to_owned(),
            count,
            rate,
            talk: Some(Duration::from_millis(100)),
            patience: Duration::from_secs(30),
            ask_every: None,
            account: None,
        }
    }
}

/// How the devices behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// 180, then 200 at once.
    Accept,
    Refuse(u16),
}

/// Where the sound of a call goes, for whoever sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaNews {
    /// The server wants the sound of this side of the call here.
    Up {
        call: usize,
        side: Side,
        remote: SocketAddr,
    },
    Down {
        call: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Caller,
    Device,
}

/// Which ports the phones write into their session descriptions: a call's is `ports[call % len]`.
#[derive(Debug, Clone, Default)]
pub struct Ports {
    pub callers: Vec<u16>,
    pub devices: Vec<u16>,
}

/// An offer on its way.
struct Feed {
    offer: Offer,
    placed: usize,
    next: Instant,
    spacing: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Repeat the caller's request, if it is still this one.
    Resend {
        call: usize,
        serial: u32,
    },
    HangUp {
        call: usize,
    },
    Patience {
        call: usize,
    },
    Settle {
        call: usize,
    },
    Ask {
        call: usize,
    },
    /// Repeat the device's 200.
    Answer {
        leg: usize,
        wait: Duration,
    },
    Register {
        at: usize,
        serial: u32,
    },
}

/// In-dialog requests of callers: asked and answered.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub sent: u64,
    pub answered: u64,
    pub delays: Vec<Duration>,
}

pub struct Phones {
    poll: Poll,
    sockets: [UdpSocket; 2],
    locals: [SocketAddr; 2],
    server: SocketAddr,
    /// Makes Call-IDs and callers' numbers of this run unlike those of others.
    run: u64,
    start: Instant,
    feeds: Vec<Feed>,
    callers: Vec<Caller>,
    legs: Vec<Leg>,
    leg_by_call_id: HashMap<String, usize>,
    registrations: Vec<Registration>,
    /// Of the present round, with whatever outcome.
    registered: u64,
    registers_sent: u64,
    timers: BinaryHeap<std::cmp::Reverse<(Instant, Timer)>>,
    unfinished: Vec<usize>,
    up: Vec<usize>,
    /// Where sound goes that nobody listens to. Never read: what does not fit is dropped by the kernel.
    _sink: std::net::UdpSocket,
    /// Legs of callers who are not ours, in the order in which they were taken. Their sound goes by the leg's number, as
    /// that of our calls goes by the call's: a run has one or the other.
    pub strangers: Vec<usize>,
    pub answering: Answering,
    pub ledger: Ledger,
    pub asked: Asked,
    pub ports: Ports,
    /// Told where sound is wanted, and when it is over.
    pub media: Option<Box<dyn Fn(MediaNews)>>,
    buffer: Box<[u8]>,
}

impl Phones {
    pub fn new(server: SocketAddr) -> Result<Phones> {
        let poll = Poll::new().context("no poll")?;
        let mut sockets = [bind()?, bind()?];
        for (socket, token) in sockets.iter_mut().zip([CALLERS, DEVICES]) {
            poll.registry().register(socket, token, Interest::READABLE)?;
        }
        let locals = [sockets[0].local_addr()?, sockets[1].local_addr()?];
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let sink = std::net::UdpSocket::bind("127.0.0.1:0").context("no free UDP port")?;
        Ok(Phones {
            poll,
            sockets,
            locals,
            server,
            run: unix.as_millis() as u64,
            start: Instant::now(),
            feeds: Vec::new(),
            callers: Vec::new(),
            legs: Vec::new(),
            leg_by_call_id: HashMap::new(),
            registrations: Vec::new(),
            registered: 0,
            registers_sent: 0,
            timers: BinaryHeap::new(),
            unfinished: Vec::new(),
            up: Vec::new(),
            strangers: Vec::new(),
            ports: Ports { callers: vec![sink.local_addr()?.port()], devices: vec![sink.local_addr()?.port()] },
            _sink: sink,
            answering: Answering::Accept,
            ledger: Ledger { started_unix_ms: unix.as_millis() as u64, ..Ledger::default() },
            asked: Asked::default(),
            media: None,
            buffer: vec![0; 65_536].into_boxed_slice(),
        })
    }

    /// Begins to place calls; returns the group under which the ledger has them.
    pub fn offer(&mut self, offer: Offer) -> usize {
        let spacing = Duration::from_secs_f64(1.0 / offer.rate.max(0.001));
        self.unfinished.push(0);
        self.up.push(0);
        self.feeds.push(Feed { offer, placed: 0, next: Instant::now(), spacing });
        self.feeds.len() - 1
    }

    /// Places no more calls of this group.
    pub fn stop(&mut self, group: usize) {
        let feed = &mut self.feeds[group];
        feed.offer.count = feed.placed;
    }

    /// Calls of the group which are not over, or not yet placed.
    pub fn unfinished(&self, group: usize) -> usize {
        self.unfinished[group] + self.feeds[group].offer.count - self.feeds[group].placed
    }

    /// Calls of the group with both sides up.
    pub fn up(&self, group: usize) -> usize {
        self.up[group]
    }

    /// Where the devices take calls; anybody may send some there, as to a carrier.
    pub fn devices_at(&self) -> SocketAddr {
        self.locals[DEVICES.0]
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Goes on until `done` says so, at most for `limit`; whether it was done. Asked about every millisecond.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Phones) -> bool) -> Result<bool> {
        let deadline = Instant::now() + limit;
        let mut events = Events::with_capacity(8);
        let mut again = false;
        loop {
            if done(self) {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(false);
            }
            let next = self.next_timer().unwrap_or(deadline).min(deadline);
            let wait = if again { Duration::ZERO } else { next.saturating_duration_since(now) };
            // Not oftener than each millisecond: what comes in between is read together.
            let wait = if again { wait } else { wait.clamp(Duration::from_millis(1), Duration::from_millis(20)) };
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("cannot wait for datagrams"),
            }
            again = self.read(CALLERS) | self.read(DEVICES);
            self.run_timers();
            self.feed();
        }
    }

    /// Lets `limit` pass.
    pub fn run_for(&mut self, limit: Duration) -> Result<()> {
        self.run_until(limit, |_| false).map(|_| ())
    }

    fn next_timer(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|t| t.0.0);
        let feed = self.feeds.iter().filter(|f| f.placed < f.offer.count).map(|f| f.next).min();
        timer.into_iter().chain(feed).min()
    }

    fn set(&mut self, at: Instant, timer: Timer) {
        self.timers.push(std::cmp::Reverse((at, timer)));
    }

    /// Reads what is there; whether more may be.
    fn read(&mut self, from: Token) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut more = true;
        for _ in 0..READ_BUDGET {
            let Ok((n, _)) = self.sockets[from.0].recv_from(&mut buffer) else {
                more = false;
                break;
            };
            let Some(wire) = Wire::parse(&buffer[..n]) else { continue };
            match from {
                CALLERS => self.caller_got(&wire),
                _ => self.device_got(&wire),
            }
        }
        self.buffer = buffer;
        more
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some(std::cmp::Reverse((at, timer))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            match timer {
                Timer::Resend { call, serial } => self.resend(call, serial),
                Timer::HangUp { call } => self.hang_up_call(call),
                Timer::Patience { call } => self.out_of_patience(call),
                Timer::Settle { call } => self.settle(call),
                Timer::Ask { call } => self.ask(call),
                Timer::Answer { leg, wait } => self.answer_again(leg, wait),
                Timer::Register { at, serial } => self.register_again(at, serial),
            }
        }
    }

    fn feed(&mut self) {
        let now = Instant::now();
        for group in 0..self.feeds.len() {
            loop {
                let feed = &mut self.feeds[group];
                if feed.placed >= feed.offer.count || feed.next > now || self.callers.len() >= CALLS_MAX {
                    break;
                }
                feed.placed += 1;
                feed.next += feed.spacing;
                self.place(group);
            }
        }
    }

    /// A full send buffer loses the datagram, as a network may; repeats make up for it.
    fn send(&self, from: Token, text: &str) {
        let _ = self.sockets[from.0].send_to(text.as_bytes(), self.server);
    }

    fn session(&self, call: usize, side: Side) -> String {
        let (ports, token) = match side {
            Side::Caller => (&self.ports.callers, CALLERS),
            Side::Device => (&self.ports.devices, DEVICES),
        };
        let port = ports[call % ports.len()];
        let ip = self.locals[token.0].ip();
        format!(
            "v=0\r\no=load {call} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
        )
    }

    fn tell(&self, news: MediaNews) {
        if let Some(media) = &self.media {
            media(news);
        }
    }
}

fn bind() -> Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").context("no free UDP port")?;
    socket.set_nonblocking(true)?;
    // The kernel grants what it may; a burst of thousands of datagrams must not look like the server's loss.
    let tuning = socket2::SockRef::from(&socket);
    let _ = tuning.set_recv_buffer_size(4 << 20);
    let _ = tuning.set_send_buffer_size(4 << 20);
    Ok(UdpSocket::from_std(socket))
}
