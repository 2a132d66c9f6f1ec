//! Telephones: a real SIP endpoint each (a browser has none), one line, a voice. What the person beside it does is in
//! `customers` and `agents`.
use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use domain::id::DeviceId;
use media::dtmf;
use media::rtp::{Header, Packet};
use sip::msg::{Message, NameAddr, Uri};
use sip::{Admission, CallId, Command, Endpoint, Event, Hop, Input, Invite};

use crate::exchange::agenda::{Happening, Line, Octets};
use crate::exchange::node::first_line;
use crate::exchange::outside::{NODE, Outside};
use crate::exchange::premises::OUTSIDE;
use crate::exchange::register::Registration;
use crate::exchange::voice::{self, Law};

/// Phones of devices.
pub(crate) type DeviceMap = BTreeMap<DeviceId, usize>;

/// A phone lets every call in and asks nobody to authenticate.
struct Open;

impl sip::Directory for Open {
    fn admit(&self, _: &Hop, _: &Message) -> Admission {
        Admission::Accept { identity: None }
    }
    fn realm(&self, _: &str) -> Option<String> {
        None
    }
    fn account(&self, _: &str, _: &str) -> Option<sip::Account> {
        None
    }
    fn may_register(&self, _: &sip::registrar::UserKey, _: &str) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Idle,
    /// Called, not answered.
    Ringing,
    /// Calling, not answered.
    Calling,
    Up,
}

/// Who uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Customer,
    /// The device of an agent, or of nobody; the agent's place in the list of agents.
    Desk {
        agent: Option<usize>,
        device: DeviceId,
    },
}

pub(crate) struct Phone {
    pub(crate) index: usize,
    pub(crate) owner: Owner,
    endpoint: Option<Endpoint>,
    pub(crate) registration: Option<Registration>,
    armed: Option<Duration>,
    pub(crate) state: State,
    /// Grows with each call.
    pub(crate) line: Line,
    pub(crate) call: Option<CallId>,
    calls: u64,
    /// Where our voice goes.
    remote: Option<SocketAddrV4>,
    pub(crate) law: Law,
    /// Payload type of digits, if agreed.
    pub(crate) holding: bool,
    /// Our re-INVITEs under way.
    changes: u32,
    pub(crate) heard_at: Duration,
    pub(crate) up_at: Duration,
    /// The prompt heard last.
    pub(crate) prompt: Option<usize>,
    pub(crate) voice: Option<usize>,
    header: Header,
    frame: [u8; 160],
    pub(crate) events: VecDeque<Event>,
    /// The browser's connection.
    pub(crate) generation: u64,
    pub(crate) is_connected: bool,
    late_offer: bool,
}

impl Phone {
    pub(crate) fn new(index: usize, owner: Owner, law: Law, seed: u64, is_browser: bool) -> Phone {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
        Phone {
            index,
            owner,
            endpoint: (!is_browser).then(|| Endpoint::new(super::sip_config(secret))),
            registration: None,
            armed: None,
            state: State::Idle,
            line: 0,
            call: None,
            calls: 0,
            remote: None,
            law,
            holding: false,
            changes: 0,
            heard_at: Duration::ZERO,
            up_at: Duration::ZERO,
            prompt: None,
            voice: None,
            header: Header { payload_type: law.payload_type(), ssrc: 0x1000 + index as u32, ..Header::default() },
            frame: voice::frame(index, law),
            events: VecDeque::new(),
            generation: 0,
            is_connected: false,
            late_offer: false,
        }
    }

    pub(crate) fn is_browser(&self) -> bool {
        self.endpoint.is_none()
    }

    /// What a phone at rest still holds.
    pub(crate) fn leaks(&self) -> Option<String> {
        let load = self.endpoint.as_ref().map(Endpoint::load).unwrap_or_default();
        let busy = self.state != State::Idle && !self.is_browser();
        (busy || load != sip::Load::default()).then(|| format!("phone {} is {:?}, {load:?}", self.index, self.state))
    }

    /// Calls a number; `late_offer`: our INVITE has no session description.
    pub(crate) fn dial(&mut self, out: &mut Outside, number: &str, late_offer: bool) {
        self.begin(out, State::Calling);
        self.calls += 1;
        let call = CallId::outgoing(self.calls);
        self.call = Some(call);
        self.late_offer = late_offer;
        let local = out.sip_address(self.index);
        let (Ok(uri), Ok(from)) = (
            Uri::parse(&format!("sip:{number}@sim.example")),
            Uri::parse(&format!("sip:+86138{:08}@{}", self.index, local.ip())),
        ) else {
            return;
        };
        let sdp = (!late_offer).then(|| self.sdp(out, "sendrecv"));
        let invite = Invite {
            call,
            hop: Hop::udp(SocketAddr::V4(local), SocketAddr::V4(NODE)),
            uri,
            from: NameAddr::new(from),
            to: None,
            contact_user: None,
            headers: Vec::new(),
            sdp,
            credentials: None,
        };
        self.command(out, Command::Invite(Box::new(invite)));
    }

    fn begin(&mut self, out: &Outside, state: State) {
        self.changes = 0;
        self.line += 1;
        self.state = state;
        self.remote = None;
        self.holding = false;
        self.prompt = None;
        self.voice = None;
        self.heard_at = out.now;
        self.up_at = out.now;
    }

    /// A browser's line carries a call.
    pub(crate) fn browser_line(&mut self, out: &mut Outside, up: bool) {
        if up && self.state != State::Up {
            self.begin(out, State::Up);
            out.plan(Duration::ZERO, Happening::Speak(self.index, self.line));
        } else if !up {
            self.state = State::Idle;
        }
    }

    pub(crate) fn answer(&mut self, out: &mut Outside) {
        let (Some(call), State::Ringing) = (self.call, self.state) else { return };
        let sdp = self.sdp(out, "sendrecv");
        self.command(out, Command::Answer { call, sdp, headers: Vec::new() });
        self.up(out);
    }

    pub(crate) fn reject(&mut self, out: &mut Outside, call: CallId, status: u16) {
        self.command(out, Command::Reject { call, status, headers: Vec::new() });
    }

    pub(crate) fn hang_up(&mut self, out: &mut Outside) {
        if let Some(call) = self.call {
            self.command(out, Command::Hangup { call, headers: Vec::new() });
        }
    }

    pub(crate) fn hold(&mut self, out: &mut Outside, held: bool) {
        if let (Some(call), State::Up) = (self.call, self.state) {
            self.holding = held;
            self.changes += 1;
            out.talks.unsettled.insert(self.index);
            let sdp = self.sdp(out, if held { "sendonly" } else { "sendrecv" });
            self.command(out, Command::Reinvite { call, sdp: Some(sdp) });
        }
    }

    /// Sends the other side on, by the phone's own button.
    pub(crate) fn refer(&mut self, out: &mut Outside, extension: &str) {
        let (Some(call), State::Up, Ok(to)) = (self.call, self.state, Uri::parse(&format!("sip:{extension}@exchange")))
        else {
            return;
        };
        self.command(out, Command::Refer { call, to });
    }

    /// Presses a key, by packets or by INFO.
    pub(crate) fn press(&mut self, out: &mut Outside, digit: char, by_info: bool) {
        let (Some(call), State::Up) = (self.call, self.state) else { return };
        if by_info {
            let content_type = "application/dtmf-relay".to_owned();
            let body = format!("Signal={digit}\r\nDuration=160\r\n").into_bytes();
            return self.command(out, Command::Info { call, content_type, body });
        }
        self.telephone_event(out, digit, false, 160);
        out.plan(Duration::from_millis(100), Happening::KeyUp(self.index, self.line, digit));
    }

    pub(crate) fn key_up(&mut self, out: &mut Outside, digit: char) {
        // RFC 4733 §2.5.1.4: the end is sent three times.
        for _ in 0..3 {
            self.telephone_event(out, digit, true, 800);
        }
        self.header.timestamp = self.header.timestamp.wrapping_add(800);
    }

    fn telephone_event(&mut self, out: &mut Outside, digit: char, end: bool, duration: u16) {
        let (Some(event), Some(remote)) = (dtmf::event_of_digit(digit), self.remote) else { return };
        self.header.sequence = self.header.sequence.wrapping_add(1);
        let header = Header { payload_type: 101, marker: !end, ..self.header };
        let payload = dtmf::Payload { event, end, volume: 10, duration }.to_bytes();
        let bytes = Packet::new(header, &payload).to_vec();
        out.send(out.rtp_address(self.index), remote, Octets::Owned(bytes));
    }

    fn up(&mut self, out: &mut Outside) {
        self.state = State::Up;
        self.up_at = out.now;
        self.heard_at = out.now;
        if !self.is_outside() {
            out.plan(Duration::from_millis(20), Happening::Speak(self.index, self.line));
        }
    }

    fn is_outside(&self) -> bool {
        matches!(self.owner, Owner::Desk { device: OUTSIDE, .. })
    }

    /// One outside does so before the answer.
    pub(crate) fn speaks(&self) -> bool {
        self.state == State::Up || (self.state == State::Ringing && self.is_outside())
    }

    /// Says 20 ms; `pace` is the time to the next word.
    pub(crate) fn speak(&mut self, out: &mut Outside, pace: Duration) {
        if !self.speaks() {
            return;
        }
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = (out.now.as_millis() as u64).wrapping_mul(8) as u32;
        let bytes = Packet::new(self.header, &self.frame).to_vec();
        if let (Some(remote), false) = (self.remote, self.is_browser()) {
            out.send(out.rtp_address(self.index), remote, Octets::Owned(bytes));
        } else if let (true, Owner::Desk { device, .. }) = (self.is_connected, self.owner) {
            let (generation, bytes) = (self.generation, Octets::Owned(bytes));
            let after = out.faults.delay;
            out.plan(after, Happening::PeerPacket { device, generation, to_node: true, bytes });
        }
        out.plan(pace, Happening::Speak(self.index, self.line));
    }

    /// A packet for our ears: who speaks?
    pub(crate) fn hear(&mut self, out: &mut Outside, bytes: &[u8]) -> Option<usize> {
        if self.state != State::Up || bytes.len() < 60 {
            return None;
        }
        self.heard_at = out.now;
        let law = if bytes[1] & 0x7f == 0 { Law::Mu } else { Law::A };
        voice::heard(&bytes[12..], law)
    }

    pub(crate) fn command(&mut self, out: &mut Outside, command: Command) {
        self.handle(out, Input::Command(command));
    }

    /// A datagram for its SIP port.
    pub(crate) fn datagram(&mut self, out: &mut Outside, from: SocketAddrV4, bytes: &[u8]) {
        if let Some(registration) = &mut self.registration
            && registration.response(out, self.index, bytes)
        {
            return;
        }
        let (local, remote) = (SocketAddr::V4(out.sip_address(self.index)), SocketAddr::V4(from));
        self.handle(out, Input::Datagram { local, remote, bytes });
    }

    pub(crate) fn refused(&mut self, out: &mut Outside) {
        self.handle(out, Input::Unreachable { transport: sip::Transport::Udp, remote: SocketAddr::V4(NODE) });
    }

    pub(crate) fn timer(&mut self, out: &mut Outside) {
        if self.armed.is_some_and(|at| at <= out.now) {
            self.armed = None;
        }
        if self.endpoint.as_ref().and_then(Endpoint::next_timeout).is_some_and(|at| at <= out.now) {
            self.handle(out, Input::Timeout);
        }
        self.arm(out);
    }

    fn arm(&mut self, out: &mut Outside) {
        let next = self.endpoint.as_ref().and_then(Endpoint::next_timeout);
        if let Some(next) = next
            && self.armed.is_none_or(|at| next < at)
        {
            self.armed = Some(next);
            out.agenda.plan(next.max(out.now), Happening::PhoneTimer(self.index));
        }
    }

    fn handle(&mut self, out: &mut Outside, input: Input<'_>) {
        let Some(endpoint) = &mut self.endpoint else { return };
        endpoint.handle(out.now, input, &Open);
        let from = out.sip_address(self.index);
        while let Some(output) = endpoint.poll_output() {
            match output {
                sip::Output::Transmit(sent) => {
                    if let SocketAddr::V4(to) = sent.hop.remote {
                        out.note(|| format!("phone {} → {}", self.index, first_line(&sent.bytes)));
                        out.send(from, to, Octets::Shared(sent.bytes));
                    }
                }
                sip::Output::CloseStream { .. } => {}
                sip::Output::Event(event) => self.events.push_back(event),
            }
        }
        self.arm(out);
    }

    /// What every phone does by itself with its endpoint's news. Answers what a person notices.
    pub(crate) fn react(&mut self, out: &mut Outside, event: Event) -> Option<Noticed> {
        match event {
            Event::IncomingCall(incoming) => {
                let call = incoming.call;
                if self.state != State::Idle {
                    self.reject(out, call, 486);
                    return None;
                }
                self.begin(out, State::Ringing);
                self.call = Some(call);
                self.remote = incoming.sdp().and_then(rtp_address);
                // A carrier lets itself be heard before the answer.
                let early = self.is_outside().then(|| self.sdp(out, "sendrecv"));
                let status = if early.is_some() { 183 } else { 180 };
                self.command(out, Command::Progress { call, status, sdp: early });
                if self.is_outside() {
                    out.plan(Duration::from_millis(200), Happening::Speak(self.index, self.line));
                }
                Some(Noticed::Rings)
            }
            Event::Answered { call, sdp, .. } if self.call == Some(call) => {
                self.remote = sdp.as_deref().and_then(rtp_address);
                if self.late_offer {
                    let sdp = self.sdp(out, "sendrecv");
                    self.command(out, Command::Ack { call, sdp });
                }
                self.up(out);
                Some(Noticed::Answered)
            }
            Event::Answered { call, .. } => {
                self.command(out, Command::Hangup { call, headers: Vec::new() });
                None
            }
            Event::Reinvite { call, .. } | Event::EarlyOffer { call, .. } => {
                let sdp = self.sdp(out, "sendrecv");
                self.command(out, Command::AnswerReinvite { call, sdp });
                None
            }
            Event::ReinviteDone { call, status, .. } if self.call == Some(call) => {
                self.changes = self.changes.saturating_sub(1);
                if self.changes == 0 && !self.holding && (200..300).contains(&status) {
                    out.talks.unsettled.remove(&self.index);
                }
                None
            }
            Event::Refer { call, .. } => {
                self.command(out, Command::NotifyRefer { call, status: 603 });
                None
            }
            Event::Ended { call, .. } if self.call == Some(call) => {
                let was = self.state;
                self.state = State::Idle;
                self.call = None;
                self.remote = None;
                Some(Noticed::Ended(was))
            }
            Event::Invited { .. }
            | Event::Trying { .. }
            | Event::Progress { .. }
            | Event::Established { .. }
            | Event::ReinviteAcked { .. }
            | Event::ReinviteCancelled { .. }
            | Event::ReinviteDone { .. }
            | Event::Info { .. }
            | Event::ReferProgress { .. }
            | Event::OptionsResult { .. }
            | Event::PingResult { .. }
            | Event::RegisterResult { .. }
            | Event::Ended { .. }
            | Event::Registration { .. }
            | Event::Shunned { .. } => None,
        }
    }

    fn sdp(&self, out: &Outside, direction: &str) -> Vec<u8> {
        let at = out.rtp_address(self.index);
        let (ip, port, payload) = (at.ip(), at.port(), self.law.payload_type());
        format!(
            "v=0\r\no=- 1 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {payload} 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n",
            self.line
        )
        .into_bytes()
    }
}

/// What the person beside a phone notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noticed {
    Rings,
    Answered,
    Ended(State),
}

/// Address of the audio line, read as plain text to be independent of the crate under test.
fn rtp_address(sdp: &[u8]) -> Option<SocketAddrV4> {
    let text = std::str::from_utf8(sdp).ok()?;
    let ip = text.lines().find_map(|l| l.strip_prefix("c=IN IP4 "))?;
    let port = text.lines().find_map(|l| l.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(SocketAddrV4::new(ip.trim().parse().ok()?, port.parse().ok()?))
}
