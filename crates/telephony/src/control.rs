//! The control thread: SIP sockets, timers, the switch and the SIP endpoint. Started by [`crate::Telephony::start`]; it
//! carries values between its two state machines and the other threads and decides nothing.
//!
//! A round of the loop: wait for sockets, wake-ups or the next deadline; give what came to `sip` or `switch`; then carry
//! out what they say until both are silent.
//!
//! Panics: each input is handled under `catch_unwind`. A panic in it is counted and logged; a leg that the input names
//! is hung up. The process lives on.
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use domain::device::DeviceSignal;
use domain::directory::Directory;
use domain::leg::{EndCause, LegCommand, LegEvent};
use media::{LegKey, RecordingKey};
use mio::{Events, Poll, Token};
use sip::Endpoint;
use switch::{Input, Output, PeerCommand, Policy, ResolveKey, Switch, Transport};

use crate::checkpoint::CheckpointFile;
use crate::config::{Sink, Up};
use crate::media_thread::{FromMedia, ToMedia};
use crate::net::{DATAGRAM_MAX, PortPool};
use crate::recording::{Job, Report};
use crate::ring::Outbox;
use crate::stats::Counters;
use crate::wake::Wake;

mod gate;
mod pressure;
pub(crate) mod sip_io;

use gate::Gate;
use pressure::Pressure;
use sip_io::{SipIo, TcpEvent};

/// From the engine's side.
pub(crate) enum Down {
    Leg(LegCommand),
    Device(DeviceSignal),
    Directory(Arc<Directory>),
    /// End every call, then stop, within this time.
    Shutdown(Duration),
}

/// A name to look up, and its answer.
pub(crate) struct Question {
    pub(crate) key: ResolveKey,
    pub(crate) host: String,
    pub(crate) port: u16,
}
pub(crate) type Answer = (ResolveKey, Vec<SocketAddr>);

pub(crate) const WAKER: Token = Token(0);
/// Longest wait without any deadline.
const IDLE: Duration = Duration::from_secs(1);
/// Between the beginnings of two rounds.
const PACE: Duration = Duration::from_millis(1);
/// While something could not be passed on, it is tried again this often.
const RETRY: Duration = Duration::from_millis(2);
/// Commands taken in one round, so that the sockets get their turn.
const DOWN_BUDGET: usize = 1024;
const EVENTS_BUDGET: usize = 4096;
/// Datagrams read in one round.
const UDP_BUDGET: usize = 512;
/// Requests that begin something, waiting until everything about living calls has been served; a few times what
/// arrives in the time after which they are refused. Beyond it they are dropped: their senders repeat them.
const FRESH_MAX: usize = 4096;
/// Of these, taken in one round, so that messages of living calls never wait long.
const FRESH_BUDGET: usize = 32;
/// A new call that has waited this long is refused instead of taken: this thread does not keep up. Less than T1 (RFC
/// 3261 §17.1.1.1), so that a refusal comes before the caller repeats itself.
const FRESH_LATE: Duration = Duration::from_millis(400);
/// Steps of one input; a call takes a dozen.
const STEPS_MAX: usize = 1_000_000;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Parts {
    pub(crate) poll: Poll,
    pub(crate) wake: Arc<Wake>,
    pub(crate) start: Instant,
    pub(crate) sip: SipIo,
    pub(crate) endpoint: Endpoint,
    pub(crate) switch: Switch,
    pub(crate) ports: PortPool,
    pub(crate) checkpoints: CheckpointFile,
    pub(crate) sink: Sink,
    pub(crate) backlog_max: usize,
    pub(crate) down: Receiver<Down>,
    pub(crate) to_media: Outbox<ToMedia>,
    pub(crate) from_media: Receiver<FromMedia>,
    pub(crate) to_writer: Outbox<Job>,
    pub(crate) from_writer: Receiver<Report>,
    pub(crate) questions: Sender<Question>,
    pub(crate) answers: Receiver<Answer>,
    /// Set to stop at once, as if killed.
    pub(crate) abort: Arc<AtomicBool>,
    pub(crate) counters: Arc<Counters>,
}

pub(crate) struct Control {
    parts: Parts,
    policy: Policy,
    has_directory: bool,
    /// Answers to the switch that need no other thread.
    answers: VecDeque<Input>,
    /// UDP ports of media legs.
    media_ports: HashMap<LegKey, u16>,
    recordings: HashSet<RecordingKey>,
    /// Waiting for the engine.
    backlog: VecDeque<Up>,
    /// Sockets with more to read than their budget.
    again: Vec<Token>,
    /// When and whence: requests that begin something.
    fresh: VecDeque<(Duration, SocketAddr, Vec<u8>)>,
    pressure: Pressure,
    swept: Instant,
    stop_at: Option<Instant>,
    buffer: Box<[u8]>,
}

impl Control {
    pub(crate) fn new(parts: Parts) -> Self {
        let policy = parts.switch.policy();
        Self {
            parts,
            policy,
            has_directory: false,
            answers: VecDeque::new(),
            media_ports: HashMap::new(),
            recordings: HashSet::new(),
            backlog: VecDeque::new(),
            again: Vec::new(),
            fresh: VecDeque::new(),
            pressure: Pressure::default(),
            swept: Instant::now(),
            stop_at: None,
            buffer: vec![0; DATAGRAM_MAX].into_boxed_slice(),
        }
    }

    fn now(&self) -> Duration {
        self.parts.start.elapsed()
    }

    /// The thread's body: until shut down or aborted.
    pub(crate) fn run(mut self) {
        // The switch may have been given work before the start: goodbyes to the calls of a crashed run.
        self.guard(None, |c| c.pump());
        let mut events = Events::with_capacity(1024);
        while !self.parts.abort.load(Ordering::Relaxed) && !self.is_done() {
            self.parts.wake.before_wait();
            let timeout = self.timeout();
            let waited = self.parts.poll.poll(&mut events, Some(timeout));
            self.parts.wake.after_wait();
            let round = Instant::now();
            if let Err(error) = waited
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the control thread cannot wait for packets and stops");
                break;
            }
            for token in std::mem::take(&mut self.again) {
                self.ready(token);
            }
            for event in &events {
                self.ready(event.token());
            }
            self.take_from_threads();
            self.take_commands();
            self.run_timers();
            self.take_fresh();
            self.flush();
            self.pace(round);
        }
        self.parts.to_media.send(ToMedia::Stop);
        self.parts.to_writer.send(Job::Stop);
        self.parts.to_media.flush();
        self.parts.to_writer.flush();
        // The rings may be full; their readers are alive and empty them.
        let give_up = Instant::now() + Duration::from_secs(1);
        while self.parts.to_media.waiting() + self.parts.to_writer.waiting() > 0 && Instant::now() < give_up {
            std::thread::sleep(RETRY);
            self.parts.to_media.flush();
            self.parts.to_writer.flush();
        }
    }

    /// Waking a thread costs more than most of what it is woken for: what comes within a millisecond after the last
    /// round began is served together. The first message after a silence is served at once.
    fn pace(&self, round: Instant) {
        let rest = PACE.saturating_sub(round.elapsed());
        if !rest.is_zero() && self.again.is_empty() && self.fresh.is_empty() {
            std::thread::sleep(rest);
        }
    }

    fn is_done(&self) -> bool {
        let Some(stop_at) = self.stop_at else { return false };
        let quiet = self.parts.switch.leg_count() == 0
            && self.parts.endpoint.load().client_transactions == 0
            && self.recordings.is_empty()
            && self.backlog.is_empty();
        quiet || Instant::now() >= stop_at
    }

    fn timeout(&self) -> Duration {
        let parts = &self.parts;
        if !self.again.is_empty()
            || !self.fresh.is_empty()
            || !parts.down.is_empty()
            || !parts.from_media.is_empty()
            || !parts.from_writer.is_empty()
            || !parts.answers.is_empty()
            || parts.abort.load(Ordering::Relaxed)
        {
            return Duration::ZERO;
        }
        let now = self.now();
        let mut wait = IDLE;
        for due in [parts.endpoint.next_timeout(), parts.switch.next_timeout()].into_iter().flatten() {
            wait = wait.min(due.saturating_sub(now));
        }
        if !self.backlog.is_empty() || parts.to_media.waiting() + parts.to_writer.waiting() > 0 {
            wait = wait.min(RETRY);
        }
        if let Some(stop_at) = self.stop_at {
            wait = wait.min(stop_at.saturating_duration_since(Instant::now()));
        }
        wait
    }

    /// Runs one input's handling; a panic ends at most the leg concerned.
    fn guard(&mut self, leg: Option<domain::id::LegId>, run: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| run(self))).is_ok() {
            return;
        }
        Counters::add(&self.parts.counters.panics, 1);
        tracing::error!(leg = leg.map(tracing::field::display), "handling an input of the switch panicked");
        if let Some(leg) = leg {
            let hangup = LegCommand::Hangup { leg, cause: EndCause::SystemError };
            let ended = catch_unwind(AssertUnwindSafe(|| {
                self.tell_switch(Input::Leg(hangup));
                self.pump();
            }));
            if ended.is_err() {
                Counters::add(&self.parts.counters.panics, 1);
            }
        }
    }

    fn tell_sip(&mut self, input: sip::Input<'_>) {
        self.tell_sip_when(input, false);
    }

    /// `is_late`: a new call in it has waited too long to be taken.
    fn tell_sip_when(&mut self, input: sip::Input<'_>, is_late: bool) {
        let now = self.now();
        let is_closed = is_late
            || !self.has_directory
            || self.backlog.len() >= self.parts.backlog_max
            || self.pressure.is_high(now);
        let gate = Gate { policy: &self.policy, is_closed, refused: &self.parts.counters.calls_refused };
        self.parts.endpoint.handle(now, input, &gate);
    }

    fn tell_switch(&mut self, input: Input) {
        let now = self.now();
        self.has_directory |= matches!(input, Input::Directory(_));
        let changes_policy = matches!(input, Input::Directory(_) | Input::Drain);
        self.parts.switch.handle(now, input);
        if changes_policy {
            self.policy = self.parts.switch.policy();
        }
    }

    fn ready(&mut self, token: Token) {
        let mut tcp = Vec::new();
        match token {
            WAKER => {}
            sip_io::UDP => self.read_udp(),
            sip_io::LISTENER => {
                let (taken, refused) = self.parts.sip.accept(self.parts.poll.registry(), &mut tcp);
                Counters::add(&self.parts.counters.tcp_accepted, taken);
                Counters::add(&self.parts.counters.tcp_refused, refused);
            }
            token => {
                if self.parts.sip.ready(token, &mut self.buffer, &mut tcp) {
                    self.again.push(token);
                }
            }
        }
        self.take_tcp(tcp);
    }

    /// Serves what is about living calls at once and keeps the rest for [`Self::take_fresh`].
    fn read_udp(&mut self) {
        for _ in 0..UDP_BUDGET {
            let (len, remote) = match self.parts.sip.receive(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier message; its transaction times out.
                Err(_) => continue,
            };
            Counters::add(&self.parts.counters.sip_received, 1);
            let bytes = self.buffer[..len].to_vec();
            if !sip::msg::begins_new_work(&bytes) {
                self.datagram(remote, &bytes, false);
            } else if self.fresh.len() < FRESH_MAX {
                self.fresh.push_back((self.now(), remote, bytes));
            } else {
                Counters::add(&self.parts.counters.sip_dropped, 1);
            }
        }
        self.again.push(sip_io::UDP);
    }

    fn take_fresh(&mut self) {
        let mut taken = 0;
        while taken < FRESH_BUDGET
            && let Some((at, remote, bytes)) = self.fresh.pop_front()
        {
            let is_late = self.now().saturating_sub(at) > FRESH_LATE;
            self.datagram(remote, &bytes, is_late);
            // Refusing is cheap; those who wait in vain should know soon.
            taken += usize::from(!is_late);
        }
    }

    fn datagram(&mut self, remote: SocketAddr, bytes: &[u8], is_late: bool) {
        let local = self.parts.sip.local_for(remote.ip());
        self.guard(None, |c| {
            c.tell_sip_when(sip::Input::Datagram { local, remote, bytes }, is_late);
            c.pump();
        });
    }

    fn take_tcp(&mut self, events: Vec<TcpEvent>) {
        for event in events {
            self.guard(None, |c| {
                match event {
                    TcpEvent::Opened { conn, local, remote } => {
                        let transport = sip::Transport::Tcp;
                        c.tell_sip(sip::Input::StreamOpened { conn, transport, local, remote });
                    }
                    TcpEvent::Data { conn, bytes } => {
                        Counters::add(&c.parts.counters.sip_received, 1);
                        c.tell_sip(sip::Input::Stream { conn, bytes: &bytes });
                    }
                    TcpEvent::Closed { conn } => c.tell_sip(sip::Input::StreamClosed { conn }),
                    TcpEvent::Unreachable { remote } => {
                        c.tell_sip(sip::Input::Unreachable { transport: sip::Transport::Tcp, remote });
                    }
                }
                c.pump();
            });
        }
    }

    fn take_from_threads(&mut self) {
        for _ in 0..EVENTS_BUDGET {
            let Ok(event) = self.parts.from_media.try_recv() else { break };
            let input = match event {
                FromMedia::Event(event) => Input::Media(event),
                FromMedia::Peer(event) => Input::Peer(event),
                FromMedia::Closed { media, stats } => {
                    self.free_port(media);
                    Input::MediaClosed { media, stats }
                }
                FromMedia::Broken { media } => {
                    self.free_port(media);
                    // What the plane may still know of it goes too; the answer to this interests nobody.
                    self.tell_media(ToMedia::Close { media });
                    Input::MediaFailed { media }
                }
            };
            self.input(None, input);
        }
        for _ in 0..EVENTS_BUDGET {
            let Ok(report) = self.parts.from_writer.try_recv() else { break };
            let input = match report {
                Report::Started { recording } => Input::RecordingStarted { recording },
                Report::Ended { recording, length_ms, gaps } => {
                    self.recordings.remove(&recording);
                    Input::RecordingEnded { recording, length_ms, gaps }
                }
            };
            self.input(None, input);
        }
        while let Ok((key, addresses)) = self.parts.answers.try_recv() {
            self.input(None, Input::Resolved { key, addresses });
        }
    }

    fn take_commands(&mut self) {
        for _ in 0..DOWN_BUDGET {
            let Ok(down) = self.parts.down.try_recv() else { break };
            match down {
                Down::Leg(command) => {
                    let leg = command.leg();
                    if let Some(leg) = leg {
                        self.pressure.decided(leg);
                    }
                    self.input(leg, Input::Leg(command));
                }
                Down::Device(signal) => self.input(None, Input::Device(signal)),
                Down::Directory(directory) => self.input(None, Input::Directory(directory)),
                Down::Shutdown(within) => {
                    self.stop_at = Some(Instant::now() + within);
                    self.input(None, Input::Drain);
                }
            }
        }
    }

    fn input(&mut self, leg: Option<domain::id::LegId>, input: Input) {
        self.guard(leg, |c| {
            c.tell_switch(input);
            c.pump();
        });
    }

    fn run_timers(&mut self) {
        let now = self.now();
        if self.parts.endpoint.next_timeout().is_some_and(|at| at <= now) {
            self.guard(None, |c| {
                c.tell_sip(sip::Input::Timeout);
                c.pump();
            });
        }
        if self.parts.switch.next_timeout().is_some_and(|at| at <= now) {
            self.input(None, Input::Tick);
        }
        if self.swept.elapsed() > SWEEP_EVERY {
            self.swept = Instant::now();
            let mut tcp = Vec::new();
            self.parts.sip.sweep(&mut tcp);
            self.take_tcp(tcp);
        }
    }

    fn flush(&mut self) {
        while let Some(up) = self.backlog.pop_front() {
            if let Some(up) = (self.parts.sink)(up) {
                self.backlog.push_front(up);
                break;
            }
        }
        Counters::set(&self.parts.counters.engine_backlog, self.backlog.len() as u64);
        if let Err(error) = self.parts.checkpoints.flush() {
            self.checkpoint_failed(&error);
        }
        let load = self.parts.endpoint.load();
        let transactions = load.client_transactions + load.server_transactions;
        Counters::set(&self.parts.counters.sip_transactions, transactions as u64);
        Counters::set(&self.parts.counters.sip_dialogs, load.dialogs as u64);
        Counters::set(&self.parts.counters.sip_connections, load.streams as u64);
        self.parts.to_media.flush();
        self.parts.to_writer.flush();
    }

    /// Carries out what the two machines say until both are silent.
    fn pump(&mut self) {
        for _ in 0..STEPS_MAX {
            if let Some(output) = self.parts.endpoint.poll_output() {
                self.on_sip_output(output);
            } else if let Some(output) = self.parts.switch.poll() {
                self.on_switch_output(output);
            } else if let Some(answer) = self.answers.pop_front() {
                self.tell_switch(answer);
            } else {
                return;
            }
        }
        tracing::error!("the switch and the SIP endpoint do not come to rest");
    }

    fn on_sip_output(&mut self, output: sip::Output) {
        match output {
            sip::Output::Transmit(transmit) => {
                let sent = self.parts.sip.send(self.parts.poll.registry(), &transmit.hop, &transmit.bytes);
                match sent {
                    Ok(()) => Counters::add(&self.parts.counters.sip_sent, 1),
                    Err(error) => {
                        Counters::add(&self.parts.counters.sip_send_failed, 1);
                        tracing::debug!(remote = %transmit.hop.remote, %error, "a SIP message could not be sent");
                        // A full UDP socket recovers (the transaction repeats); anything else will not.
                        if error.kind() != io::ErrorKind::WouldBlock {
                            let (transport, remote) = (transmit.hop.transport, transmit.hop.remote);
                            self.tell_sip(sip::Input::Unreachable { transport, remote });
                        }
                    }
                }
            }
            sip::Output::CloseStream { conn } => {
                self.parts.sip.close(conn);
                self.tell_sip(sip::Input::StreamClosed { conn });
            }
            sip::Output::Event(event) => self.tell_switch(Input::Sip(event)),
        }
    }

    fn on_switch_output(&mut self, output: Output) {
        let counters = &self.parts.counters;
        match output {
            Output::Leg(event) => {
                match &event {
                    LegEvent::Offered { leg, .. } => {
                        Counters::add(&counters.legs_started, 1);
                        let now = self.parts.start.elapsed();
                        self.pressure.offered(now, *leg);
                    }
                    LegEvent::Answered { .. } => Counters::add(&counters.legs_started, 1),
                    LegEvent::Ended { leg, .. } => {
                        Counters::add(&counters.legs_ended, 1);
                        self.pressure.decided(*leg);
                    }
                    _ => {}
                }
                self.backlog.push_back(Up::Leg(event));
            }
            Output::Report(report) => self.backlog.push_back(Up::Device(report)),
            Output::RestoreBindings { records } => {
                let now = self.now();
                self.parts.endpoint.import_bindings(now, Duration::ZERO, records);
            }
            Output::Peer(PeerCommand::Accept { peer, offer_sdp }) => {
                self.tell_media(ToMedia::Accept { peer, offer_sdp });
            }
            Output::Peer(PeerCommand::Close { peer }) => self.tell_media(ToMedia::ClosePeer { peer }),
            Output::OpenMedia { media, transport, towards } => {
                let opened = self.open(media, transport);
                let ip = self.parts.sip.media_ip_for(towards);
                self.answers.push_back(match opened {
                    Some(port) => Input::MediaOpened { media, local: SocketAddr::new(ip, port) },
                    None => Input::MediaFailed { media },
                });
            }
            Output::MoveMedia { media, transport } => {
                self.free_port(media);
                if self.open(media, transport).is_none() {
                    self.answers.push_back(Input::MediaFailed { media });
                }
            }
            Output::CloseMedia { media } => self.tell_media(ToMedia::Close { media }),
            Output::Media(command) => self.tell_media(ToMedia::Plane(command)),
            Output::OpenRecording { recording, id, tenant: _ } => {
                self.recordings.insert(recording);
                self.parts.to_writer.send(Job::Open { recording, id });
            }
            Output::Resolve { key, host, port } => {
                let asked = self.parts.questions.try_send(Question { key, host, port });
                if let Err(TrySendError::Full(question) | TrySendError::Disconnected(question)) = asked {
                    self.answers.push_back(Input::Resolved { key: question.key, addresses: Vec::new() });
                }
            }
            Output::Checkpoint { leg, value } => {
                let bytes = value.map(|v| serde_json::to_vec(&v)).transpose().map_err(io::Error::other);
                if let Err(error) = bytes.and_then(|bytes| self.parts.checkpoints.put(leg.0, bytes)) {
                    self.checkpoint_failed(&error);
                }
            }
            Output::Sip(command) => self.tell_sip(sip::Input::Command(command)),
        }
    }

    fn checkpoint_failed(&self, error: &io::Error) {
        Counters::add(&self.parts.counters.checkpoint_errors, 1);
        tracing::error!(%error, "calls cannot be written to the checkpoint file: after a crash they would not be ended");
    }

    fn tell_media(&mut self, command: ToMedia) {
        self.parts.to_media.send(command);
    }

    /// Gives a media leg its carrier; the port, which means nothing for a peer.
    fn open(&mut self, media: LegKey, transport: Transport) -> Option<u16> {
        match transport {
            Transport::Udp => {
                let pair = self.parts.ports.take()?;
                let port = pair.port;
                self.media_ports.insert(media, port);
                self.tell_media(ToMedia::OpenUdp { media, pair });
                Some(port)
            }
            Transport::Peer(peer) => {
                self.tell_media(ToMedia::OpenPeer { media, peer });
                Some(0)
            }
        }
    }

    fn free_port(&mut self, media: LegKey) {
        if let Some(port) = self.media_ports.remove(&media) {
            self.parts.ports.give_back(port);
        }
    }
}
