//! Sound for many calls on one thread: a G.711 packet each 20 ms from both sides, each with its birth time inside, and an
//! account of what arrived at the other side.
//!
//! Streams are spread evenly over the 20 ms, as people who do not know one another speak. Arrival is the kernel's time
//! stamp of the receiving socket (SO_TIMESTAMPNS), so that this thread's own tardiness is not taken for the server's.
//! Nobody sleeps on these sockets: they are looked at each millisecond, so the server's send does not pay for a wake-up.
use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::ledger::percentile;
use crate::phones::{MediaNews, Ports, Side};

const PACKET_EVERY_MS: u64 = 20;
const SOCKETS_PER_SIDE: usize = 4;
const HEADER: usize = 12;
/// RTP header and 20 ms of G.711.
const PACKET: usize = HEADER + 160;
/// Begins every payload of ours.
const MARK: u32 = 0x10ad_10ad;
/// Delays above this are counted as this.
const DELAY_MAX_US: usize = 500_000;

/// What a payload of 160 octets says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// On the clock of [`now_ns`].
    pub born_ns: u64,
    pub call: u32,
    pub side: Side,
    /// Sent while it counted.
    pub counts: bool,
}

impl Payload {
    pub fn write(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&MARK.to_be_bytes());
        out[4..12].copy_from_slice(&self.born_ns.to_be_bytes());
        out[12..16].copy_from_slice(&self.call.to_be_bytes());
        (out[16], out[17]) = (self.side as u8, u8::from(self.counts));
    }

    /// None if it is not one of ours, or was changed on its way.
    pub fn read(payload: &[u8]) -> Option<Payload> {
        let word = |at: usize| Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?));
        if payload.len() != PACKET - HEADER || word(0)? != MARK {
            return None;
        }
        let side = if payload[16] == 0 { Side::Caller } else { Side::Device };
        let born_ns = u64::from(word(4)?) << 32 | u64::from(word(8)?);
        Some(Payload { born_ns, call: word(12)?, side, counts: payload[17] == 1 })
    }
}

enum Order {
    News(MediaNews),
    Count(bool),
    Tell(Sender<Account>),
    LastWords(Sender<Words>),
}

/// When the last packet of each side of each call was sent, on the clock of [`now_ns`].
pub type Words = HashMap<(usize, Side), u64>;

/// What was sent and what came while it counted.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub streams: usize,
    pub sent: u64,
    pub received: u64,
    /// Not what the other side of the same call had sent.
    pub misrouted: u64,
    /// Sound that was not passed on as it was: music, mixed or coded anew.
    pub changed: u64,
    /// One-way delays in microseconds, sorted.
    pub delays_us: Vec<u32>,
    /// How late this thread was at worst, in microseconds: above 20,000 the figures say little.
    pub own_lateness_us: u64,
}

impl Account {
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    pub fn delay_us(&self, percent: f64) -> u32 {
        percentile(&self.delays_us, percent)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "streams": self.streams, "sent": self.sent, "received": self.received, "lost": self.lost(),
            "misrouted": self.misrouted, "changed": self.changed, "delay_p50_us": self.delay_us(50.0),
            "delay_p99_us": self.delay_us(99.0), "delay_max_us": self.delay_us(100.0),
            "own_lateness_max_us": self.own_lateness_us,
        })
    }
}

/// The thread that speaks and listens. Ends when dropped.
pub struct Speakers {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<Result<()>>>,
    pub ports: Ports,
}

impl Speakers {
    pub fn start() -> Result<Speakers> {
        let bind = || -> Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free UDP port")?;
            socket.set_nonblocking(true)?;
            let tuning = socket2::SockRef::from(&socket);
            let _ = tuning.set_recv_buffer_size(4 << 20);
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("the kernel gives no time stamps")?;
            Ok(socket)
        };
        let callers = (0..SOCKETS_PER_SIDE).map(|_| bind()).collect::<Result<Vec<_>>>()?;
        let devices = (0..SOCKETS_PER_SIDE).map(|_| bind()).collect::<Result<Vec<_>>>()?;
        let numbers = |sockets: &[UdpSocket]| -> Result<Vec<u16>> {
            sockets.iter().map(|s| Ok(s.local_addr()?.port())).collect()
        };
        let ports = Ports { callers: numbers(&callers)?, devices: numbers(&devices)? };
        let (orders, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("speakers".to_owned())
            .spawn(move || Thread::new(callers, devices, inbox).run())
            .context("no thread")?;
        Ok(Speakers { orders: Some(orders), thread: Some(thread), ports })
    }

    /// For [`crate::phones::Phones::media`].
    pub fn news(&self) -> Box<dyn Fn(MediaNews)> {
        let orders = self.orders.clone();
        Box::new(move |news| {
            if let Some(orders) = &orders {
                let _ = orders.send(Order::News(news));
            }
        })
    }

    /// From now on packets count, from zero; or no longer.
    pub fn count(&self, on: bool) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(Order::Count(on));
        }
    }

    /// Of the packets counted so far.
    pub fn account(&self) -> Result<Account> {
        let (sender, receiver) = channel();
        let orders = self.orders.as_ref().context("the speakers have ended")?;
        orders.send(Order::Tell(sender)).map_err(|_| anyhow!("the speakers have ended"))?;
        receiver.recv_timeout(Duration::from_secs(10)).context("the speakers do not answer")
    }

    /// Of those who speak at this moment.
    pub fn last_words(&self) -> Result<Words> {
        let (sender, receiver) = channel();
        let orders = self.orders.as_ref().context("the speakers have ended")?;
        orders.send(Order::LastWords(sender)).map_err(|_| anyhow!("the speakers have ended"))?;
        receiver.recv_timeout(Duration::from_secs(10)).context("the speakers do not answer")
    }
}

impl Drop for Speakers {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Stream {
    call: usize,
    side: Side,
    remote: SocketAddr,
    sequence: u16,
    stamp: u32,
    /// When the last packet was sent; 0 before the first.
    spoke_ns: u64,
}

struct Thread {
    /// Of the callers, then of the devices.
    sockets: [Vec<UdpSocket>; 2],
    inbox: Receiver<Order>,
    /// One list for each millisecond of the twenty.
    turns: Vec<Vec<Stream>>,
    /// (call, side) → turn; and where the packets that come from this port belong.
    places: HashMap<(usize, Side), usize>,
    owners: HashMap<SocketAddr, (usize, Side)>,
    next_turn: usize,
    counts: bool,
    account: Account,
    histogram: Vec<u32>,
}

impl Thread {
    fn new(callers: Vec<UdpSocket>, devices: Vec<UdpSocket>, inbox: Receiver<Order>) -> Thread {
        Thread {
            sockets: [callers, devices],
            inbox,
            turns: (0..PACKET_EVERY_MS).map(|_| Vec::new()).collect(),
            places: HashMap::new(),
            owners: HashMap::new(),
            next_turn: 0,
            counts: false,
            account: Account::default(),
            histogram: vec![0; DELAY_MAX_US + 1],
        }
    }

    fn run(mut self) -> Result<()> {
        let (start, mut turn) = (Instant::now(), 0u64);
        loop {
            if !self.obey() {
                return Ok(());
            }
            let due = start + Duration::from_millis(turn);
            let now = Instant::now();
            if let Some(early) = due.checked_duration_since(now) {
                std::thread::sleep(early);
            } else if self.counts {
                let late = now.duration_since(due).as_micros() as u64;
                self.account.own_lateness_us = self.account.own_lateness_us.max(late);
            }
            self.speak((turn % PACKET_EVERY_MS) as usize)?;
            self.listen()?;
            turn += 1;
        }
    }

    /// Whether to go on.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::News(MediaNews::Up { call, side, remote })) => self.begin(call, side, remote),
                Ok(Order::News(MediaNews::Down { call })) => {
                    self.end(call, Side::Caller);
                    self.end(call, Side::Device);
                }
                Ok(Order::Count(on)) => {
                    if on && !self.counts {
                        self.account = Account::default();
                        self.histogram.fill(0);
                    }
                    self.counts = on;
                }
                Ok(Order::Tell(to)) => {
                    let mut account = self.account.clone();
                    account.streams = self.places.len();
                    for (us, n) in self.histogram.iter().enumerate() {
                        account.delays_us.extend(std::iter::repeat_n(us as u32, *n as usize));
                    }
                    let _ = to.send(account);
                }
                Ok(Order::LastWords(to)) => {
                    let spoken = self.turns.iter().flatten().filter(|s| s.spoke_ns > 0);
                    let _ = to.send(spoken.map(|s| ((s.call, s.side), s.spoke_ns)).collect());
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn begin(&mut self, call: usize, side: Side, remote: SocketAddr) {
        self.end(call, side);
        let turn = self.next_turn % self.turns.len();
        self.next_turn += 1;
        self.turns[turn].push(Stream { call, side, remote, sequence: 0, stamp: 0, spoke_ns: 0 });
        self.places.insert((call, side), turn);
        self.owners.insert(remote, (call, side));
    }

    fn end(&mut self, call: usize, side: Side) {
        let Some(turn) = self.places.remove(&(call, side)) else { return };
        let list = &mut self.turns[turn];
        if let Some(at) = list.iter().position(|s| s.call == call && s.side == side) {
            let stream = list.swap_remove(at);
            if self.owners.get(&stream.remote) == Some(&(call, side)) {
                self.owners.remove(&stream.remote);
            }
        }
    }

    fn speak(&mut self, turn: usize) -> Result<()> {
        let mut packet = [0x5a_u8; PACKET];
        for stream in &mut self.turns[turn] {
            (packet[0], packet[1]) = (0x80, 0);
            packet[2..4].copy_from_slice(&stream.sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&stream.stamp.to_be_bytes());
            packet[8..12].copy_from_slice(&((stream.call as u32) << 1 | stream.side as u32).to_be_bytes());
            stream.spoke_ns = now_ns()?;
            let payload =
                Payload { born_ns: stream.spoke_ns, call: stream.call as u32, side: stream.side, counts: self.counts };
            payload.write(&mut packet[HEADER..]);
            stream.sequence = stream.sequence.wrapping_add(1);
            stream.stamp = stream.stamp.wrapping_add(160);
            let sockets = &self.sockets[stream.side as usize];
            // What the kernel refuses counts as sent and will be missing.
            let _ = sockets[stream.call % sockets.len()].send_to(&packet, stream.remote);
            self.account.sent += u64::from(self.counts);
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        let mut space = nix::cmsg_space!(TimeSpec);
        let mut buffer = [0u8; 2048];
        for side in [Side::Caller, Side::Device] {
            for at in 0..self.sockets[side as usize].len() {
                let fd = self.sockets[side as usize][at].as_raw_fd();
                loop {
                    let mut slices = [IoSliceMut::new(&mut buffer)];
                    let Ok(got) = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut space), MsgFlags::empty()) else {
                        break;
                    };
                    let from = got.address.map(|a| SocketAddr::from((a.ip(), a.port())));
                    let arrived = got.cmsgs()?.find_map(|c| match c {
                        ControlMessageOwned::ScmTimestampns(at) => Some(at),
                        _ => None,
                    });
                    let length = got.bytes;
                    let arrived = arrived.map_or_else(now_ns, |t| Ok(nanoseconds(t)))?;
                    self.heard(side, from, &buffer[..length], arrived);
                }
            }
        }
        Ok(())
    }

    fn heard(&mut self, side: Side, from: Option<SocketAddr>, packet: &[u8], arrived: u64) {
        if packet.len() != PACKET || packet[0] >> 6 != 2 {
            return;
        }
        let Some(payload) = Payload::read(&packet[HEADER..]) else {
            self.account.changed += u64::from(self.counts);
            return;
        };
        let owner = from.and_then(|f| self.owners.get(&f)).copied();
        if payload.side == side || owner.is_some_and(|o| o != (payload.call as usize, side)) {
            self.account.misrouted += 1;
            return;
        }
        if payload.counts {
            self.account.received += 1;
            let delay = (arrived.saturating_sub(payload.born_ns) / 1000) as usize;
            self.histogram[delay.min(DELAY_MAX_US)] += 1;
        }
    }
}

/// The clock of the kernel's time stamps.
pub fn now_ns() -> Result<u64> {
    Ok(nanoseconds(clock_gettime(ClockId::CLOCK_REALTIME)?))
}

fn nanoseconds(time: TimeSpec) -> u64 {
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_what_was_written_and_a_changed_one_nothing() {
        let payload = Payload { born_ns: 1 << 60 | 7, call: 1234, side: Side::Device, counts: true };
        let mut bytes = [0x5a_u8; PACKET - HEADER];
        payload.write(&mut bytes);
        assert_eq!(Payload::read(&bytes), Some(payload));
        bytes[2] ^= 1;
        assert_eq!(Payload::read(&bytes), None);
        assert_eq!(Payload::read(&[]), None);
    }
}
