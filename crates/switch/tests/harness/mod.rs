//! A node without sockets for scenario tests: the switch with the real SIP endpoint and the real media plane, phones that
//! are SIP endpoints of their own, all joined by memory, under a clock the test moves.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
pub mod pair;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::{DeviceEntry, DeviceEntryKind, Directory, NumberEntry, SipAccount, TrunkEntry};
use domain::id::{DeviceId, LegId, NumberId, PromptId, TenantId, TrunkId};
use domain::leg::{CallerId, ClipRef, Dial, Hears, LegCommand, LegEvent};
use domain::localized::Lang;
use media::{LegKey, Plane, PlaneConfig, RecordingKey};
use sip::digest::{Credentials, Ha1, Secret};
use sip::msg::{Message, NameAddr, Uri};
use sip::registrar::UserKey;
use sip::sdp::Keys;
use sip::{Admission, CallId, Endpoint, Hop, Invite};
use switch::{Checkpoint, Config, Input, Kept, Output, PeerAudio, PeerCommand, PeerEvent, PeerRef, Switch, Transport};

pub const TENANT: TenantId = TenantId(1);
pub const ECHO: NumberId = NumberId(3000);
pub const SIP_DEVICE: DeviceId = DeviceId(11);
pub const BROWSER: DeviceId = DeviceId(12);
pub const URI_DEVICE: DeviceId = DeviceId(13);
/// Its other end is the third phone.
pub const TRUNK: TrunkId = TrunkId(14);
pub const GUEST: DeviceId = DeviceId(99);
pub const DOMAIN: &str = "sample.example";
pub const CLIP: ClipRef = ClipRef { prompt: PromptId(1), lang: Lang::En };
pub const MISSING: ClipRef = ClipRef { prompt: PromptId(2), lang: Lang::En };

/// Our SIP socket.
pub fn node() -> SocketAddr {
    "127.0.0.1:5060".parse().unwrap()
}

/// The socket of phone `n`; its RTP port is 100 higher.
pub fn phone(n: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 20_000 + n))
}

pub fn rtp_of(phone: SocketAddr) -> SocketAddr {
    SocketAddr::new(phone.ip(), phone.port() + 100)
}

/// What the agent's phone knows.
pub fn agent() -> Credentials {
    Credentials { user: "agent".to_owned(), secret: Secret::Password("secret".to_owned()) }
}

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
    fn may_register(&self, _: &UserKey, _: &str) -> bool {
        false
    }
}

pub struct Phone {
    pub endpoint: Endpoint,
    pub events: Vec<sip::Event>,
    /// Drops everything sent to it and sends nothing: its cable is pulled.
    pub is_gone: bool,
}

pub struct World {
    pub now: Duration,
    pub switch: Switch,
    pub endpoint: Endpoint,
    pub plane: Plane,
    pub phones: BTreeMap<SocketAddr, Phone>,
    pub events: Vec<LegEvent>,
    pub reports: Vec<DeviceReport>,
    pub trunk_reports: Vec<domain::trunk::TrunkReport>,
    /// As they stand in the file.
    pub checkpoints: BTreeMap<Kept, String>,
    pub peer_commands: Vec<PeerCommand>,
    pub carriers: BTreeMap<LegKey, Transport>,
    /// Where RTP went, and how much; browsers under port 0.
    pub rtp: HashMap<LegKey, u64>,
    /// What was sent that is not RTP, and where.
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
    pub recordings: BTreeMap<RecordingKey, (bool, u64)>,
    pub restored: usize,
    /// What media legs were protected with, in order.
    pub protected: Vec<Option<Keys>>,
    /// Media requests are left unanswered.
    pub is_media_stuck: bool,
    /// The media of browsers is not open until they are back.
    pub has_crashed: bool,
    /// Session timers that the phones and we ask for.
    pub session: Option<Duration>,
    /// The newest call of ours.
    pub invited: Option<CallId>,
    /// Headers of our refusals.
    pub refusals: Vec<(String, String)>,
    next_call: u64,
    next_leg: u128,
}

pub fn directory() -> Directory {
    let mut d = Directory { default_tenant: Some(TENANT), ..Default::default() };
    d.domains.insert(DOMAIN.to_owned(), TENANT);
    d.numbers.insert((TENANT, "3000".to_owned()), NumberEntry { number: ECHO, sample: true });
    let device = |kind| DeviceEntry { tenant: TENANT, kind, srtp: Default::default(), codecs: Vec::new() };
    let account = |name: &str| {
        let ha1 = Ha1::from_password(name, DOMAIN, "secret");
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        SipAccount {
            tenant: TENANT,
            device: SIP_DEVICE,
            ha1_md5: hex(&ha1.md5.unwrap()),
            ha1_sha256: hex(&ha1.sha256.unwrap()),
        }
    };
    d.accounts.insert(("agent".to_owned(), DOMAIN.to_owned()), account("agent"));
    let kind = DeviceEntryKind::Sip { user: "agent".to_owned(), realm: DOMAIN.to_owned(), bindings: Vec::new() };
    d.devices.insert(SIP_DEVICE, device(kind));
    d.devices.insert(BROWSER, device(DeviceEntryKind::Browser));
    let uri = format!("sip:robot@{}", phone(3));
    d.devices.insert(URI_DEVICE, device(DeviceEntryKind::Uri { uri }));
    d.trunks.push(TrunkEntry {
        trunk: TRUNK,
        tenant: TENANT,
        addresses: Vec::new(),
        region: None,
        host: Some(phone(3).to_string()),
        transport: Default::default(),
        check_certificate: true,
        identity: Default::default(),
        srtp: Default::default(),
        codecs: Vec::new(),
        account: None,
        check: Default::default(),
        active: true,
    });
    d.clips.insert(CLIP, vec![1000; 8000].into());
    d
}

impl World {
    pub fn new() -> Self {
        Self::with(directory(), Config::new(1, 1, 42, 1_700_000_000_000))
    }

    pub fn with(directory: Directory, config: Config) -> Self {
        let mut world = Self {
            now: Duration::from_secs(1),
            switch: Switch::new(config),
            endpoint: Endpoint::new(sip::Config::new([1; 32])),
            plane: Plane::new(PlaneConfig::default()),
            phones: BTreeMap::new(),
            events: Vec::new(),
            reports: Vec::new(),
            trunk_reports: Vec::new(),
            checkpoints: BTreeMap::new(),
            peer_commands: Vec::new(),
            carriers: BTreeMap::new(),
            rtp: HashMap::new(),
            datagrams: Vec::new(),
            recordings: BTreeMap::new(),
            restored: 0,
            protected: Vec::new(),
            is_media_stuck: false,
            has_crashed: false,
            session: None,
            invited: None,
            refusals: Vec::new(),
            next_call: 0,
            next_leg: 0,
        };
        world.input(Input::Directory(Arc::new(directory)));
        world.reports.clear();
        world
    }

    /// Sessions that have to be refreshed all the time.
    pub fn with_short_sessions() -> Self {
        let mut world = Self::new();
        world.session = Some(10 * Duration::from_secs(1));
        world.endpoint = Endpoint::new(sip_config(1, world.session));
        world
    }

    pub fn input(&mut self, input: Input) {
        self.switch.handle(self.now, input);
        self.pump();
    }

    pub fn leg(&mut self, command: LegCommand) {
        self.input(Input::Leg(command));
    }

    /// A phone's wish.
    pub fn phone(&mut self, at: SocketAddr, command: sip::Command) {
        let now = self.now;
        self.phone_at(at).endpoint.handle(now, sip::Input::Command(command), &Open);
        self.pump();
    }

    pub fn phone_at(&mut self, at: SocketAddr) -> &mut Phone {
        let session = self.session;
        self.phones.entry(at).or_insert_with(|| Phone {
            endpoint: Endpoint::new(sip_config(at.port() as u8, session)),
            events: Vec::new(),
            is_gone: false,
        })
    }

    /// What a phone has heard since it was asked last, by name.
    pub fn heard(&mut self, at: SocketAddr) -> Vec<String> {
        let events = std::mem::take(&mut self.phone_at(at).events);
        // That its own INVITE went out is nothing a phone hears.
        events
            .iter()
            .filter(|e| !matches!(e, sip::Event::Invited { .. } | sip::Event::Trying { .. }))
            .map(name_of)
            .collect()
    }

    /// A call from a phone.
    pub fn call(&mut self, from: SocketAddr, number: &str, credentials: Option<Credentials>) -> CallId {
        self.call_with(from, number, credentials, Some(sdp(rtp_of(from), "8 0 101", "")))
    }

    pub fn call_with(
        &mut self,
        from: SocketAddr,
        number: &str,
        credentials: Option<Credentials>,
        sdp: Option<Vec<u8>>,
    ) -> CallId {
        self.next_call += 1;
        let call = CallId::outgoing(self.next_call);
        let invite = Invite {
            call,
            hop: Hop::udp(from, node()),
            uri: Uri::parse(&format!("sip:{number}@{DOMAIN}")).unwrap(),
            from: NameAddr::new(Uri::parse("sip:+8613800138000@phone.example").unwrap()).with_display("Customer"),
            to: None,
            contact_user: None,
            headers: Vec::new(),
            sdp,
            credentials,
        };
        self.phone(from, sip::Command::Invite(Box::new(invite)));
        call
    }

    /// Registers the agent's phone; `expires` 0 takes the registration back.
    pub fn register(&mut self, at: SocketAddr, expires: u32) {
        self.register_by(at, expires, "");
    }

    /// With further headers.
    pub fn register_by(&mut self, at: SocketAddr, expires: u32, more: &str) {
        self.register_as(at, expires, "", more);
    }

    /// With further parameters of the contact, too.
    pub fn register_as(&mut self, at: SocketAddr, expires: u32, params: &str, more: &str) {
        self.phone_at(at);
        self.next_call += 1;
        let cseq = self.next_call;
        let message = |authorization: &str| {
            format!(
                "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{cseq}{};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:agent@{DOMAIN}>;tag=r{cseq}\r\nTo: <sip:agent@{DOMAIN}>\r\n\
                 Call-ID: reg-{at}\r\nCSeq: {} REGISTER\r\nContact: <sip:agent@{at}>;expires={expires}{params}\r\n\
                 {more}{authorization}Content-Length: 0\r\n\r\n",
                authorization.len(),
                cseq * 2 + u64::from(!authorization.is_empty()),
            )
        };
        let challenge = self.raw(at, message("").as_bytes()).unwrap();
        let response = Message::parse(&challenge).ok().unwrap();
        assert_eq!(response.status(), 401);
        let uri = format!("sip:{DOMAIN}");
        let challenges = response.all(sip::msg::Name::WwwAuthenticate);
        let answer = sip::digest::answer(challenges, &agent(), "REGISTER", &uri, 1, "c").unwrap();
        let authorization = format!("Authorization: {answer}\r\n");
        let reply = self.raw(at, message(&authorization).as_bytes()).unwrap();
        assert!(reply.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&reply));
    }

    /// Sends bytes as they are and returns the first message that goes back.
    fn raw(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        let policy = self.switch.policy();
        self.endpoint.handle(self.now, sip::Input::Datagram { local: node(), remote: from, bytes }, &policy);
        let mut reply = None;
        let mut later = Vec::new();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                sip::Output::Transmit(sent) if sent.hop.remote == from => {
                    reply.get_or_insert(sent.bytes.to_vec());
                }
                sip::Output::Event(event) => later.push(event),
                _ => {}
            }
        }
        for event in later {
            self.input(Input::Sip(event));
        }
        reply
    }

    pub fn originate(&mut self, device: DeviceId) -> LegId {
        self.originate_to(Dial::Device { device })
    }

    pub fn originate_to(&mut self, to: Dial) -> LegId {
        self.next_leg += 1;
        let leg = LegId(self.next_leg);
        self.leg(LegCommand::Originate {
            leg,
            tenant: TENANT,
            interaction: None,
            to,
            from: CallerId { user: Some("+8613800138000".to_owned()), name: None, diverted: None },
            ring_timeout: Duration::from_secs(20),
            beside: None,
        });
        leg
    }

    /// The leg offered last.
    pub fn offered(&self) -> LegId {
        let offered = |e: &LegEvent| if let LegEvent::Offered { leg, .. } = e { Some(*leg) } else { None };
        self.events.iter().rev().find_map(offered).expect("a leg was offered")
    }

    /// A loopback caller whose leg is answered.
    pub fn caller_up(&mut self, from: SocketAddr) -> (CallId, LegId) {
        let call = self.call(from, "3000", None);
        let leg = self.offered();
        self.leg(LegCommand::Answer { leg });
        (call, leg)
    }

    /// The call a phone was rung with last.
    pub fn rung(&mut self, at: SocketAddr) -> CallId {
        let events = &self.phone_at(at).events;
        let call = |e: &sip::Event| if let sip::Event::IncomingCall(c) = e { Some(c.call) } else { None };
        events.iter().rev().find_map(call).expect("the phone rang")
    }

    /// The INVITE that it got last.
    pub fn invite_at(&mut self, at: SocketAddr) -> Arc<Message> {
        let events = &self.phone_at(at).events;
        let invite = |e: &sip::Event| if let sip::Event::IncomingCall(c) = e { Some(c.message.clone()) } else { None };
        events.iter().rev().find_map(invite).expect("the phone rang")
    }

    pub fn pick_up(&mut self, at: SocketAddr) -> CallId {
        let call = self.rung(at);
        let sdp = sdp(rtp_of(at), "8 101", "");
        self.phone(at, sip::Command::Answer { call, sdp, headers: Vec::new() });
        call
    }

    pub fn bridge(&mut self, a: LegId, b: LegId) {
        let bridge = domain::id::BridgeId(a.0 ^ b.0);
        let legs = vec![Hears { leg: a, hears: vec![b] }, Hears { leg: b, hears: vec![a] }];
        self.leg(LegCommand::Bridge { bridge, legs });
    }

    pub fn connect(&mut self, device: DeviceId, generation: u64) {
        let offer_sdp = "v=0".to_owned();
        self.input(Input::Device(DeviceSignal::Connect { device, tenant: TENANT, generation, offer_sdp }));
    }

    /// A peer connection, through to `Ready`.
    pub fn connected(&mut self, device: DeviceId, generation: u64) {
        self.connect(device, generation);
        let peer = PeerRef::Device { device, generation };
        self.input(Input::Peer(PeerEvent::Accepted { peer, answer_sdp: "v=0".to_owned() }));
        let codec = media::CodecParams::new(media::Codec::Pcmu, 0);
        let audio = PeerAudio { codec, dtmf: Some(media::DtmfParams::new(101)) };
        self.input(Input::Peer(PeerEvent::Ready { peer, audio }));
    }

    /// 20 ms of sound from a phone or browser into its media leg, `n` times in real time.
    pub fn speak(&mut self, key: LegKey, from: SocketAddr, payload_type: u8, n: u16) {
        for at in 0..n {
            let header = media::rtp::Header {
                payload_type,
                sequence: at,
                timestamp: u32::from(at) * 160,
                ssrc: key.0 as u32,
                ..Default::default()
            };
            let packet = media::rtp::Packet::new(header, &[0x11; 160]).to_vec();
            self.plane.handle_packet(self.now, key, from, &packet);
            self.pump();
            self.advance(Duration::from_millis(20));
        }
    }

    /// The media leg opened last.
    pub fn last_media(&self) -> LegKey {
        *self.carriers.keys().next_back().expect("media was opened")
    }

    /// Moves the clock, stopping at every deadline on the way.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let phones = self.phones.values().filter_map(|p| p.endpoint.next_timeout());
            let own = [self.switch.next_timeout(), self.endpoint.next_timeout(), self.plane.next_timeout()];
            let next = phones.chain(own.into_iter().flatten()).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            // Some machines ask for "now"; time must move for the loop to end.
            self.now = at.max(self.now);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    fn tick(&mut self) {
        let now = self.now;
        let policy = self.switch.policy();
        self.endpoint.handle(now, sip::Input::Timeout, &policy);
        if self.plane.next_timeout().is_some_and(|at| at <= now) {
            self.plane.handle_timeout(now);
        }
        for phone in self.phones.values_mut() {
            phone.endpoint.handle(now, sip::Input::Timeout, &Open);
        }
        self.switch.handle(now, Input::Tick);
        self.pump();
    }

    /// Carries everything to its receiver until all are silent.
    pub fn pump(&mut self) {
        let mut work: VecDeque<Input> = VecDeque::new();
        for _ in 0..100_000 {
            if let Some(output) = self.switch.poll() {
                self.carry_switch(output, &mut work);
            } else if let Some(input) = work.pop_front() {
                self.switch.handle(self.now, input);
            } else if let Some(output) = self.endpoint.poll_output() {
                self.carry_sip(output, &mut work);
            } else if let Some(output) = self.plane.poll() {
                self.carry_plane(output, &mut work);
            } else if !self.carry_phones() {
                return;
            }
        }
        panic!("the node does not come to rest");
    }

    fn carry_switch(&mut self, output: Output, work: &mut VecDeque<Input>) {
        match output {
            // They tell nothing about call control, and come every few seconds.
            Output::Leg(LegEvent::Quality { .. }) => {}
            Output::Leg(event) => self.events.push(event),
            Output::Report(report) => self.reports.push(report),
            Output::Trunk(report) => self.trunk_reports.push(report),
            // The policy is asked anew each time.
            Output::PolicyChanged => {}
            Output::Sip(command) => {
                if let sip::Command::Invite(invite) = &command {
                    self.invited = Some(invite.call);
                }
                if let sip::Command::Reject { headers, .. } = &command {
                    self.refusals.extend(headers.iter().cloned());
                }
                let policy = self.switch.policy();
                self.endpoint.handle(self.now, sip::Input::Command(command), &policy);
            }
            Output::RestoreBindings { records } => {
                self.restored += records.len();
                self.endpoint.import_bindings(self.now, Duration::ZERO, records);
            }
            Output::Peer(command) => self.peer_commands.push(command),
            Output::OpenMedia { media, transport, .. } => {
                self.carriers.insert(media, transport);
                let port = 30_000 + 2 * (media.0 % 10_000) as u16;
                if !self.is_media_stuck {
                    work.push_back(Input::MediaOpened { media, local: SocketAddr::from(([127, 0, 0, 1], port)) });
                }
            }
            Output::MoveMedia { media, transport } => {
                let former = self.carriers.insert(media, transport);
                assert!(former.is_some() || self.has_crashed, "moved media was open");
            }
            Output::CloseMedia { media } => {
                let former = self.carriers.remove(&media);
                assert!(former.is_some() || self.has_crashed, "closed media was open");
                let stats = self.plane.stats(media);
                let quality = self.plane.quality(self.now, media);
                let _ = self.plane.handle(self.now, media::Command::RemoveLeg { leg: media });
                if !self.is_media_stuck {
                    work.push_back(Input::MediaClosed { media, stats, quality });
                }
            }
            Output::Media(command) => {
                let told = format!("{command:?}");
                let result = self.plane.handle(self.now, command);
                assert!(result.is_ok() || told.starts_with("RemoveBridge"), "{told}: {result:?}");
            }
            Output::OpenRecording { recording, .. } => {
                self.recordings.insert(recording, (false, 0));
            }
            Output::Resolve { key, .. } => {
                work.push_back(Input::Resolved { key, addresses: Vec::new(), life: Duration::ZERO })
            }
            Output::ExpectPeer { .. } => {}
            Output::ReopenMedia { media, .. } => {
                self.carriers.insert(media, Transport::Udp);
            }
            Output::Protect { media, keys, .. } => {
                assert!(self.carriers.contains_key(&media), "protected media is open");
                self.protected.push(keys.map(|k| *k));
            }
            Output::Checkpoint { about, value: None } => {
                self.checkpoints.remove(&about);
            }
            Output::Checkpoint { about, value: Some(mut value) } => {
                if value.complete(|call| self.endpoint.save(call)) {
                    self.checkpoints.insert(about, serde_json::to_string(&*value).unwrap());
                }
            }
        }
    }

    fn carry_sip(&mut self, output: sip::Output, work: &mut VecDeque<Input>) {
        match output {
            sip::Output::Transmit(sent) => {
                let (local, remote, now) = (sent.hop.remote, sent.hop.local, self.now);
                if let Some(phone) = self.phones.get_mut(&local).filter(|p| !p.is_gone) {
                    let bytes = &sent.bytes;
                    phone.endpoint.handle(now, sip::Input::Datagram { local, remote, bytes }, &Open);
                }
            }
            sip::Output::Event(event) => work.push_back(Input::Sip(event)),
            sip::Output::CloseStream { .. } => {}
        }
    }

    fn carry_plane(&mut self, output: media::Output, work: &mut VecDeque<Input>) {
        match output {
            media::Output::Packet(packet) => {
                *self.rtp.entry(packet.leg).or_default() += u64::from(!packet.rtcp);
                if packet.bytes.first().is_some_and(|first| first >> 6 != 2) {
                    self.datagrams.extend(packet.dst.map(|dst| (dst, packet.bytes)));
                }
            }
            media::Output::Event(event) => work.push_back(Input::Media(event)),
            media::Output::Record { recording, frame } => {
                let Some((started, _)) = self.recordings.get_mut(&recording) else {
                    panic!("a recording has no file");
                };
                if !std::mem::replace(started, true) {
                    work.push_back(Input::RecordingStarted { recording });
                }
                if let media::recorder::Frame::Ended { length_ms } = frame {
                    work.push_back(Input::RecordingEnded { recording, length_ms, gaps: Vec::new() });
                }
            }
        }
    }

    fn carry_phones(&mut self) -> bool {
        let policy = self.switch.policy();
        let mut worked = false;
        for (&remote, phone) in &mut self.phones {
            while let Some(output) = phone.endpoint.poll_output() {
                worked = true;
                match output {
                    sip::Output::Transmit(sent) if !phone.is_gone => {
                        let bytes = &sent.bytes;
                        let datagram = sip::Input::Datagram { local: node(), remote, bytes };
                        self.endpoint.handle(self.now, datagram, &policy);
                    }
                    sip::Output::Event(event) => phone.events.push(event),
                    sip::Output::Transmit(_) | sip::Output::CloseStream { .. } => {}
                }
            }
        }
        worked
    }

    /// What the floor has heard since it was asked last, one line each. Legs are named in order of appearance.
    /// The process dies and another begins, `gone` later: its machines are new, the phones and the file are not.
    pub fn crash(&mut self, gone: Duration) -> BTreeMap<TenantId, domain::leg::Outlived> {
        // The world's clock stands still meanwhile.
        let wall = 1_700_000_000_000 + i64::try_from(gone.as_millis()).unwrap();
        self.switch = Switch::new(Config::new(1, 2, 43, wall));
        self.endpoint = sip::Endpoint::new(sip::Config::new([9; 32]));
        self.plane = media::Plane::new(media::PlaneConfig::default());
        self.carriers.clear();
        self.has_crashed = true;
        self.recordings.clear();
        let read = |text: &String| serde_json::from_str::<Checkpoint>(text).unwrap();
        let checkpoints: Vec<Checkpoint> = self.checkpoints.values().map(read).collect();
        let outlived = self.switch.recover(self.now, checkpoints);
        self.pump();
        outlived
    }

    pub fn timeline(&mut self) -> String {
        let events = std::mem::take(&mut self.events);
        let mut names: Vec<LegId> = Vec::new();
        let mut out = String::new();
        for event in events {
            let name = event.leg().map_or(String::new(), |leg| {
                let at = names.iter().position(|known| *known == leg).unwrap_or_else(|| {
                    names.push(leg);
                    names.len() - 1
                });
                format!("{} ", char::from(b'A' + at as u8))
            });
            let what = match event {
                LegEvent::Offered { number, via, from, .. } => format!("offered {} {from} {via:?}", number.0),
                LegEvent::Dialled { keys, .. } => format!("dialled {keys}"),
                LegEvent::Ringing { .. } => "ringing".to_owned(),
                LegEvent::EarlyMedia { .. } => "early media".to_owned(),
                LegEvent::Answered { codec, .. } => format!("answered {codec:?}"),
                LegEvent::PeerHeld { held, .. } => format!("held {held}"),
                LegEvent::Digit { digit, .. } => format!("digit {digit}"),
                LegEvent::TransferAsked { to, replaces: None, .. } => format!("wants {to} instead"),
                LegEvent::TransferAsked { replaces: Some(_), .. } => "wants its other call instead".to_owned(),
                LegEvent::ReplaceAsked { .. } => "wants the place of another".to_owned(),
                LegEvent::PlayEnded { play, why, digits, .. } => format!("play {} {why:?} {digits:?}", play.0),
                LegEvent::Quality { .. } => "quality".to_owned(),
                LegEvent::MediaSilent { silent, .. } => format!("silent {silent}"),
                LegEvent::RecordingStarted { recording } => format!("recording {} started", recording.0),
                LegEvent::RecordingEnded { recording, length_ms, .. } => {
                    format!("recording {} ended {length_ms} ms", recording.0)
                }
                LegEvent::Ended { cause, by, .. } => format!("ended {cause:?} by {by:?}"),
            };
            out.push_str(&format!("{name}{what}\n"));
        }
        out
    }

    /// Everything is let go: no table of any machine holds anything of a call.
    pub fn assert_empty(&mut self) {
        assert_eq!(self.switch.leg_count(), 0);
        assert!(self.carriers.is_empty(), "carriers left: {:?}", self.carriers);
        assert_eq!(self.plane.leg_count(), 0);
        assert!(self.checkpoints.is_empty());
        // Transactions linger for 32 s after the last message.
        self.advance(Duration::from_secs(70));
        assert_eq!(self.endpoint.load().calls, 0);
        assert_eq!(self.endpoint.load().client_transactions, 0);
    }
}

fn sip_config(seed: u8, session: Option<Duration>) -> sip::Config {
    let mut config = sip::Config::new([seed; 32]);
    if let Some(session) = session {
        config.session_expires = Some(session);
        config.min_se = session / 2;
    }
    config
}

/// A phone's session description.
pub fn sdp(rtp: SocketAddr, formats: &str, extra: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n\
         a=rtpmap:101 telephone-event/8000\r\n{extra}",
        ip = rtp.ip(),
        port = rtp.port()
    )
    .into_bytes()
}

fn name_of(event: &sip::Event) -> String {
    match event {
        sip::Event::IncomingCall(_) => "incoming".to_owned(),
        sip::Event::Invited { .. } => "invited".to_owned(),
        sip::Event::Trying { .. } => "trying".to_owned(),
        sip::Event::Progress { status, .. } => format!("progress {status}"),
        sip::Event::Answered { .. } => "answered".to_owned(),
        sip::Event::Established { .. } => "established".to_owned(),
        sip::Event::Reinvite { .. } => "reinvite".to_owned(),
        sip::Event::EarlyOffer { .. } => "early offer".to_owned(),
        sip::Event::ReinviteCancelled { .. } => "reinvite cancelled".to_owned(),
        sip::Event::ReinviteAcked { .. } => "reinvite acked".to_owned(),
        sip::Event::ReinviteDone { status, sdp, .. } => {
            let sdp = sdp.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let direction = ["sendrecv", "sendonly", "recvonly", "inactive"].into_iter().find(|d| sdp.contains(*d));
            format!("reinvite {status} {}", direction.unwrap_or("-"))
        }
        sip::Event::Info { .. } => "info".to_owned(),
        sip::Event::Refer { .. } => "refer".to_owned(),
        sip::Event::ReferProgress { status, .. } => format!("refer {status}"),
        sip::Event::OptionsResult { status, .. } => format!("options {status}"),
        sip::Event::PingResult { reply, .. } => format!("ping {reply:?}"),
        sip::Event::RegisterResult { reply, .. } => format!("register {reply:?}"),
        sip::Event::Ended { cause, .. } => match cause {
            sip::EndCause::Rejected { status, .. } => format!("rejected {status}"),
            other => format!("ended {other:?}"),
        },
        sip::Event::Registration { .. } => "registration".to_owned(),
        sip::Event::Shunned { source, .. } => format!("shunned {source}"),
    }
}
