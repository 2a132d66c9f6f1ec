//! The queue of requests that begin something. They wait until everything about living calls has been served, and while
//! the node takes none they are turned away. Held by the control thread.
//!
//! A CANCEL may be read in the same round as the INVITE it means, which still waits here: it is kept with it and served
//! right behind it, else it would meet no transaction and the call would ring on (RFC 3261 §9.2). A repeat of a waiting
//! INVITE is dropped for the same reason: it must not be refused while the first is about to be served.
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Requests that wait; a few times what arrives in the time after which they are refused. Beyond it they are turned away.
const WAITING_MAX: usize = 4096;

/// A request that begins something.
pub(super) struct Waiting {
    /// When it was read.
    pub(super) at: Duration,
    pub(super) remote: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// Its caller has given up.
    pub(super) cancel: Option<Vec<u8>>,
    name: Option<u64>,
}

#[derive(Default)]
pub(super) struct Door {
    waiting: VecDeque<Waiting>,
    /// Places of waiting INVITEs by source and branch, counted from the first request ever.
    places: HashMap<u64, u64>,
    /// Requests taken so far.
    taken: u64,
    /// Keyed, so that nobody can make up branches that meet.
    hasher: RandomState,
}

impl Door {
    fn name(&self, source: IpAddr, bytes: &[u8]) -> Option<u64> {
        sip::msg::branch_of(bytes).map(|branch| self.hasher.hash_one((source, branch)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// True for a repeat of an INVITE that waits.
    pub(super) fn holds(&self, source: IpAddr, bytes: &[u8]) -> bool {
        !self.places.is_empty() && self.name(source, bytes).is_some_and(|name| self.places.contains_key(&name))
    }

    pub(super) fn push(&mut self, at: Duration, remote: SocketAddr, bytes: &[u8]) {
        let name = if bytes.starts_with(b"INVITE ") { self.name(remote.ip(), bytes) } else { None };
        if let Some(name) = name {
            self.places.insert(name, self.taken + self.waiting.len() as u64);
        }
        self.waiting.push_back(Waiting { at, remote, bytes: bytes.to_vec(), cancel: None, name });
    }

    /// Keeps a CANCEL with the INVITE it means; false if none of those that wait is meant.
    pub(super) fn cancel(&mut self, source: IpAddr, bytes: &[u8]) -> bool {
        if self.places.is_empty() || !bytes.starts_with(b"CANCEL ") {
            return false;
        }
        let place = self.name(source, bytes).and_then(|name| self.places.get(&name).copied());
        let index = place.and_then(|place| usize::try_from(place - self.taken).ok());
        match index.and_then(|index| self.waiting.get_mut(index)) {
            Some(invite) => {
                // A repeat is as good as the first.
                invite.cancel.get_or_insert_with(|| bytes.to_vec());
                true
            }
            None => false,
        }
    }

    pub(super) fn take(&mut self) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        self.taken += 1;
        if let Some(name) = first.name {
            self.places.remove(&name);
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, branch: &str) -> Vec<u8> {
        format!(
            "{method} sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nFrom: <sip:a@h>;tag=a\r\n\
             To: <sip:1@h>\r\nCall-ID: c{branch}\r\nCSeq: 1 {method}\r\n\r\n"
        )
        .into_bytes()
    }

    fn from(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 5060))
    }

    #[test]
    fn a_cancel_is_served_right_behind_the_invite_it_means() {
        let mut door = Door::default();
        for branch in ["one", "two", "three"] {
            door.push(Duration::ZERO, from(1), &request("INVITE", branch));
        }
        assert!(door.take().is_some_and(|first| first.cancel.is_none()));
        let cancel = request("CANCEL", "two");
        assert!(door.cancel(from(1).ip(), &cancel));
        assert!(!door.cancel(from(2).ip(), &cancel), "somebody else's");
        assert!(!door.cancel(from(1).ip(), &request("CANCEL", "one")), "served already");
        assert!(!door.cancel(from(1).ip(), &request("BYE", "two")));
        assert_eq!(door.take().unwrap().cancel, Some(cancel));
        assert_eq!(door.take().unwrap().cancel, None);
        assert!(door.take().is_none() && door.places.is_empty());
    }

    #[test]
    fn a_repeat_is_known_while_the_first_waits() {
        let mut door = Door::default();
        let invite = request("INVITE", "one");
        assert!(!door.holds(from(1).ip(), &invite));
        door.push(Duration::ZERO, from(1), &invite);
        door.push(Duration::ZERO, from(1), &request("REGISTER", "register"));
        assert!(door.holds(from(1).ip(), &invite) && !door.holds(from(2).ip(), &invite));
        assert!(!door.holds(from(1).ip(), &request("REGISTER", "register")));
        door.take();
        assert!(!door.holds(from(1).ip(), &invite));
    }
}
