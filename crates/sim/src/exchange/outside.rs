//! What a machine meets when it acts: time, the network, the disk that outlives a crash, and the observers. Each
//! machine is handed this when it is driven.
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use domain::effect::OfferCard;
use domain::event::Event;
use domain::id::DeviceId;

use crate::dice::Dice;
use crate::exchange::agenda::{Agenda, Happening, Octets};
use crate::exchange::digest::Digest;
use crate::exchange::disk::Disk;
use crate::exchange::ears::Ears;
use crate::exchange::faults::Faults;
use crate::exchange::talks::Talks;

/// The node's SIP socket.
pub(crate) const NODE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5060);
/// First RTP port of the node.
pub(crate) const MEDIA_PORT: u16 = 20_000;

/// A rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `R5`, `S1`, `leak`, …
    pub rule: &'static str,
    pub seen: String,
    pub at: Duration,
    pub step: u64,
}

/// What people see of the floor.
#[derive(Debug)]
pub(crate) enum Seen {
    Event(Event),
    Offer(OfferCard),
    /// A browser's line carries a call, or does not any more.
    BrowserLine(DeviceId, bool),
    /// The node answers a browser's connection.
    BrowserUp(DeviceId, u64),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub steps: u64,
    pub packets: u64,
    pub lost: u64,
    pub events: u64,
    pub inputs: u64,
    pub batches: u64,
    pub calls: u64,
    pub chats: u64,
    pub interactions: u64,
    pub ended: u64,
    pub answered: u64,
    pub crashes: u64,
    pub recordings: u64,
    pub voices_heard: u64,
}

pub(crate) struct Outside {
    pub(crate) now: Duration,
    pub(crate) agenda: Agenda,
    pub(crate) faults: Faults,
    pub(crate) weather: Dice,
    pub(crate) disk: Disk,
    pub(crate) digest: Digest,
    pub(crate) counts: Counts,
    pub(crate) ears: Ears,
    pub(crate) talks: Talks,
    pub(crate) seen: VecDeque<Seen>,
    pub(crate) violations: Vec<Violation>,
    /// Phones that are cut off from the network until then.
    pub(crate) cut: BTreeMap<usize, Duration>,
    /// Nobody reaches anybody.
    pub(crate) parted: bool,
    /// Phones of agents, which have the first numbers.
    pub(crate) desks: usize,
    /// Events are part of the digest in full, not only their number, time and kind.
    pub(crate) thorough: bool,
    /// The wall clock's distance from the true time, milliseconds.
    pub(crate) wall_ms: i64,
    /// The node dies at this batch: before it is written, or after and before anything follows from it.
    pub(crate) dies_at: Option<(u64, bool)>,
    pub(crate) dying: bool,
    pub(crate) story: VecDeque<String>,
    pub(crate) story_max: usize,
}

/// What listens at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Node,
    Sip(usize),
    Rtp(usize),
    Rtcp,
}

impl Outside {
    pub(crate) fn violation(&mut self, rule: &'static str, seen: impl Into<String>) {
        let (at, step) = (self.now, self.counts.steps);
        self.violations.push(Violation { rule, seen: seen.into(), at, step });
    }

    /// Notes what happens, for the story of a failed run; costs nothing in other runs.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.story_max > 0 {
            if self.story.len() == self.story_max {
                self.story.pop_front();
            }
            self.story.push_back(format!("{:>10.3} #{} {}", self.now.as_secs_f64(), self.counts.steps, what()));
        }
    }

    pub(crate) fn plan(&mut self, after: Duration, what: Happening) {
        self.agenda.plan(self.now + after, what);
    }

    pub(crate) fn dies_now(&self) -> bool {
        self.dying
    }

    /// Milliseconds of the wall clock as the node reads it.
    pub(crate) fn wall(&self) -> i64 {
        self.wall_ms + self.now.as_millis() as i64
    }

    pub(crate) fn sip_address(&self, phone: usize) -> SocketAddrV4 {
        self.address(phone, 5060, 10_000 + phone as u16)
    }

    pub(crate) fn rtp_address(&self, phone: usize) -> SocketAddrV4 {
        self.address(phone, 4000, 20_000 + 2 * phone as u16)
    }

    /// Agents' phones have an address each, customers come by four addresses of a trunk.
    fn address(&self, phone: usize, own: u16, shared: u16) -> SocketAddrV4 {
        if phone < self.desks {
            SocketAddrV4::new(Ipv4Addr::new(10, 1, (phone / 250) as u8, (phone % 250) as u8 + 1), own)
        } else {
            SocketAddrV4::new(Ipv4Addr::new(10, 2, 0, (phone % 4) as u8 + 1), shared)
        }
    }

    pub(crate) fn place(&self, at: SocketAddrV4) -> Option<Place> {
        let [_, net, high, low] = at.ip().octets();
        match (net, at.port()) {
            (0, _) => Some(Place::Node),
            (1, port) => {
                let phone = usize::from(high) * 250 + usize::from(low).checked_sub(1)?;
                match port {
                    5060 => Some(Place::Sip(phone)),
                    4000 => Some(Place::Rtp(phone)),
                    _ => Some(Place::Rtcp),
                }
            }
            (2, 10_000..20_000) => Some(Place::Sip(usize::from(at.port() - 10_000))),
            (2, port) if port >= 20_000 && port.is_multiple_of(2) => Some(Place::Rtp(usize::from(port - 20_000) / 2)),
            (2, _) => Some(Place::Rtcp),
            _ => None,
        }
    }

    fn phone_at(&self, at: SocketAddrV4) -> Option<usize> {
        match self.place(at)? {
            Place::Sip(phone) | Place::Rtp(phone) => Some(phone),
            Place::Node | Place::Rtcp => None,
        }
    }

    /// Hands a datagram to the network.
    pub(crate) fn send(&mut self, from: SocketAddrV4, to: SocketAddrV4, bytes: Octets) {
        self.counts.packets += 1;
        let route = u64::from(u32::from(*from.ip())) << 32 | u64::from(u32::from(*to.ip()));
        self.digest.word(self.now.as_nanos() as u64);
        self.digest.word(route ^ u64::from(from.port()) << 16 ^ u64::from(to.port()));
        self.digest.bytes(bytes.as_slice());
        let is_cut = |at| self.phone_at(at).is_some_and(|p| self.cut.get(&p).is_some_and(|until| *until > self.now));
        if self.parted || is_cut(from) || is_cut(to) || self.weather.chance(self.faults.loss) {
            self.counts.lost += 1;
            return;
        }
        if self.weather.chance(self.faults.doubled) {
            let after = self.delay();
            self.plan(after, Happening::Packet { from, to, bytes: bytes.clone() });
        }
        let after = self.delay();
        self.plan(after, Happening::Packet { from, to, bytes });
    }

    fn delay(&mut self) -> Duration {
        let mut delay = self.faults.delay;
        if self.faults.jitter > Duration::ZERO {
            delay += self.weather.wait(self.faults.jitter);
        }
        if self.weather.chance(self.faults.late) {
            delay += self.weather.between(Duration::from_millis(300), Duration::from_millis(2500));
        }
        delay
    }

    /// A durable event: for the digest, for people, for the observers.
    pub(crate) fn durable(&mut self, event: Event) {
        self.counts.events += 1;
        if self.thorough {
            // Into memory of a fixed size: this cannot fail.
            let _ = serde_json::to_writer(&mut self.digest, &event);
        } else {
            self.digest.word(event.seq);
            self.digest.word(event.at.0 as u64);
            self.digest.bytes(event.body.kind().as_bytes());
        }
        self.note(|| format!("event {} {:?}", event.seq, event.body));
        self.seen.push_back(Seen::Event(event));
    }
}
