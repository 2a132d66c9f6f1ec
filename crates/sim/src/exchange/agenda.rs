//! What is to come, in order of time; what was planned first comes first among equals.
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use domain::id::{AgentId, DeviceId, InteractionId, OfferId, SegmentId};

/// A datagram's octets.
#[derive(Debug, Clone)]
pub(crate) enum Octets {
    Shared(Arc<[u8]>),
    Owned(Vec<u8>),
}

impl Octets {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Octets::Shared(bytes) => bytes,
            Octets::Owned(bytes) => bytes,
        }
    }
}

/// Which use of a phone a plan is about: plans of a former call are void.
pub(crate) type Line = u32;

#[derive(Debug)]
pub(crate) enum Happening {
    Packet {
        from: SocketAddrV4,
        to: SocketAddrV4,
        bytes: Octets,
    },
    /// Plain RTP out of a browser's connection, or into it.
    PeerPacket {
        device: DeviceId,
        generation: u64,
        to_node: bool,
        bytes: Octets,
    },
    /// The network's bad news for a phone: nobody listens at the node's address.
    Refused(usize),
    /// The node has something to do.
    Node,
    /// The phone's SIP timers.
    PhoneTimer(usize),
    PhoneRegisters(usize),
    Speak(usize, Line),
    /// The rest of a key press.
    KeyUp(usize, Line, char),
    /// Somebody calls in, writes in.
    Call,
    Chat,
    ChatOver(InteractionId),
    GiveUp(usize, Line),
    /// A person at a phone ends the call.
    HangUp(usize, Line),
    Press(usize, Line),
    /// A person at a phone puts the other side on hold, or takes it back.
    PhoneHolds(usize, Line, bool),
    /// … or sends it on.
    PhoneRefers(usize, Line),
    /// Somebody is (or is not) at the ringing phone.
    PickUp(usize, Line),
    Vanish(usize),
    Reappear(usize),
    Partition,
    Heal,
    BrowserConnects(usize),
    BrowserDrops,
    React(AgentId, OfferId),
    DeskHangUp(AgentId, SegmentId),
    DeskHold(AgentId, SegmentId),
    DeskResume(AgentId, SegmentId),
    DeskMute(AgentId, SegmentId, bool),
    DeskMask(AgentId, SegmentId, bool),
    DeskRecords(AgentId, SegmentId, bool),
    /// The agent sends the customer on, or asks somebody about him.
    DeskHandsOver(AgentId, SegmentId),
    /// Somebody takes the customer from the parking place.
    DeskPicksUp(AgentId, InteractionId),
    /// … and has so many more ideas while he asks.
    DeskGoesOn(AgentId, SegmentId, u8),
    SupervisorWatches(InteractionId, SegmentId),
    SupervisorGoesOn(AgentId, InteractionId, SegmentId, u8),
    WrapUpDone(AgentId, SegmentId),
    Back(AgentId),
    Whim(AgentId),
    Crash,
    Restart,
    ClockStep,
    /// The state of everything is compared.
    Inspect,
}

struct Entry {
    at: Duration,
    number: u64,
    what: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// Reversed: the heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[derive(Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Entry>,
    planned: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: Duration, what: Happening) {
        self.planned += 1;
        self.heap.push(Entry { at, number: self.planned, what });
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|e| e.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Duration, Happening)> {
        self.heap.pop().map(|e| (e.at, e.what))
    }

    /// Drops plans.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Happening) -> bool) {
        self.heap.retain(|e| keep(&e.what));
    }
}
