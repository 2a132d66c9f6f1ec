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

use crossbeam_channel::{Receiver, Sender};
use domain::device::DeviceSignal;
use domain::directory::Directory;
use domain::leg::{EndCause, LegCommand};
use domain::trunk::TrunkSignal;
use media::{LegKey, RecordingKey};
use mio::{Events, Poll, Token};
use sip::Endpoint;
use switch::{Input, Policy, Switch};

use crate::checkpoint::CheckpointFile;
use crate::config::{Sink, Up};
use crate::media_thread::{FromMedia, ToMedia};
use crate::names::{Answer, Question};
use crate::net::{DATAGRAM_MAX, PortPool};
use crate::recording::{Job, Report};
use crate::ring::Outbox;
use crate::stats::Counters;
use crate::wake::Wake;
use crate::web::FromWeb;

mod carry;
mod conn;
mod door;
mod gate;
mod pace;
mod pressure;
pub(crate) mod sip_io;
mod trust;

use door::{Door, Waiting};
use gate::Gate;
use pace::Pace;
use pressure::Pressure;
use sip_io::{SipIo, StreamEvent};

/// From the engine's side.
pub(crate) enum Down {
    Leg(LegCommand),
    Device(DeviceSignal),
    Trunk(TrunkSignal),
    Directory(Arc<Directory>),
    /// End every call, then stop, within this time.
    Shutdown(Duration),
}

pub(crate) const WAKER: Token = Token(0);
/// Longest wait without any deadline.
const IDLE: Duration = Duration::from_secs(1);
/// While something could not be passed on, it is tried again this often.
const RETRY: Duration = Duration::from_millis(2);
/// Commands taken in one round, so that the sockets get their turn.
const DOWN_BUDGET: usize = 1024;
const EVENTS_BUDGET: usize = 4096;
/// Datagrams read in one round.
const UDP_BUDGET: usize = 512;
/// Requests that begin something, taken in one round, so that messages of living calls never wait long.
const FRESH_BUDGET: usize = 32;
/// Of those that waited too long, refused in one round. That is cheap, and they should know soon.
const LATE_BUDGET: usize = 512;
/// A new call that has waited this long is refused instead of taken: this thread does not keep up. Less than T1 (RFC
/// 3261 §17.1.1.1), so that a refusal comes before the caller repeats itself.
const FRESH_LATE: Duration = Duration::from_millis(400);
/// Connections are looked through for those that have been quiet for too long.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

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
    /// From phones on WebSockets.
    pub(crate) web: Receiver<FromWeb>,
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
    door: Door,
    pressure: Pressure,
    pace: Pace,
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
            door: Door::default(),
            pressure: Pressure::default(),
            pace: Pace::new(Instant::now()),
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
            let since = Instant::now();
            let waited = self.parts.poll.poll(&mut events, Some(timeout));
            self.parts.wake.after_wait();
            self.pace.round(since, Instant::now());
            if let Err(error) = waited
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the control thread cannot wait for packets and stops");
                break;
            }
            self.parts.sip.begin_round();
            for token in std::mem::take(&mut self.again) {
                self.ready(token);
            }
            for event in &events {
                self.ready(event.token());
            }
            self.take_from_threads();
            self.take_web();
            self.take_commands();
            self.run_timers();
            self.take_fresh();
            self.flush();
            self.rest();
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

    fn rest(&self) {
        let rest = self.pace.rest(Instant::now());
        if !rest.is_zero() && self.again.is_empty() && self.door.is_empty() {
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
            || !self.door.is_empty()
            || !parts.down.is_empty()
            || !parts.from_media.is_empty()
            || !parts.from_writer.is_empty()
            || !parts.answers.is_empty()
            || !parts.web.is_empty()
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
        let is_closed = is_late || self.is_closed(now);
        let gate = Gate { policy: &self.policy, is_closed, refused: &self.parts.counters.calls_refused };
        self.parts.endpoint.handle(now, input, &gate);
    }

    /// True while no new calls are taken.
    fn is_closed(&mut self, now: Duration) -> bool {
        !self.has_directory
            || self.backlog.len() >= self.parts.backlog_max
            || self.pressure.is_high(now, self.parts.counters.sound_late())
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
        let mut came = Vec::new();
        match token {
            WAKER => {}
            sip_io::UDP => self.read_udp(),
            sip_io::LISTENER | sip_io::TLS_LISTENER => {
                self.parts.sip.accept(self.parts.poll.registry(), token, &mut came);
            }
            token => {
                if self.parts.sip.ready(token, &mut self.buffer, &mut came) {
                    self.again.push(token);
                }
            }
        }
        self.take_streams(came);
    }

    /// Serves what is about living calls at once and keeps the rest for [`Self::take_fresh`].
    fn read_udp(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut is_empty = false;
        for _ in 0..UDP_BUDGET {
            let (len, remote) = match self.parts.sip.receive(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_empty = true;
                    break;
                }
                // An ICMP error of an earlier message; its transaction times out.
                Err(_) => continue,
            };
            Counters::add(&self.parts.counters.sip_received, 1);
            let bytes = &buffer[..len];
            if let Some(answer) = sip::keepalive::stun_answer(bytes, remote) {
                let hop = sip::Hop::udp(self.parts.sip.addr(), remote);
                // One that does not go out is asked for again.
                let _ = self.parts.sip.send(self.parts.poll.registry(), &hop, &answer);
                continue;
            }
            if sip::msg::begins_new_work(bytes) {
                self.knock(remote, bytes);
            } else if !self.door.cancel(remote.ip(), bytes) {
                self.datagram(remote, bytes, false);
            }
        }
        self.buffer = buffer;
        if !is_empty {
            self.again.push(sip_io::UDP);
        }
    }

    /// A request that begins something has come.
    fn knock(&mut self, remote: SocketAddr, bytes: &[u8]) {
        if self.door.holds(remote.ip(), bytes) {
            return;
        }
        let now = self.now();
        let is_full = self.door.is_full();
        if (is_full || self.is_closed(now)) && self.turn_away(remote, bytes) {
            return;
        }
        if is_full {
            Counters::add(&self.parts.counters.sip_dropped, 1);
        } else {
            self.door.push(now, remote, bytes);
        }
    }

    /// Refuses a new call as cheaply as can be; false for anything else.
    fn turn_away(&mut self, remote: SocketAddr, bytes: &[u8]) -> bool {
        let hop = sip::Hop::udp(self.parts.sip.local_for(remote.ip()), remote);
        let Some(refusal) = self.parts.endpoint.turn_away(&hop, bytes) else { return false };
        Counters::add(&self.parts.counters.calls_refused, 1);
        // A refusal that does not go out is made again for the repeat.
        let sent = self.parts.sip.send(self.parts.poll.registry(), &refusal.hop, &refusal.bytes);
        let counters = &self.parts.counters;
        Counters::add(if sent.is_ok() { &counters.sip_sent } else { &counters.sip_send_failed }, 1);
        true
    }

    fn take_fresh(&mut self) {
        let (mut taken, mut late) = (0, 0);
        while taken < FRESH_BUDGET
            && late < LATE_BUDGET
            && let Some(Waiting { at, remote, bytes, cancel, .. }) = self.door.take()
        {
            let now = self.now();
            let is_late = now.saturating_sub(at) > FRESH_LATE;
            if (is_late || self.is_closed(now)) && self.turn_away(remote, &bytes) {
                late += 1;
            } else {
                self.datagram(remote, &bytes, is_late);
                taken += 1;
            }
            if let Some(cancel) = cancel {
                self.datagram(remote, &cancel, false);
            }
        }
    }

    fn datagram(&mut self, remote: SocketAddr, bytes: &[u8], is_late: bool) {
        let local = self.parts.sip.local_for(remote.ip());
        self.guard(None, |c| {
            c.tell_sip_when(sip::Input::Datagram { local, remote, bytes }, is_late);
            c.pump();
        });
    }

    fn take_streams(&mut self, events: Vec<StreamEvent>) {
        for event in events {
            self.guard(None, |c| {
                match event {
                    StreamEvent::Opened { conn, transport, local, remote } => {
                        c.tell_sip(sip::Input::StreamOpened { conn, transport, local, remote });
                    }
                    StreamEvent::Data { conn, bytes } => {
                        Counters::add(&c.parts.counters.sip_received, 1);
                        c.tell_sip(sip::Input::Stream { conn, bytes: &bytes });
                    }
                    StreamEvent::Closed { conn } => c.tell_sip(sip::Input::StreamClosed { conn }),
                    StreamEvent::Unreachable { transport, remote } => {
                        c.tell_sip(sip::Input::Unreachable { transport, remote });
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
                FromMedia::SrtpNumbers { media, numbers } => Input::SrtpNumbers { media, numbers },
                FromMedia::Peer(event) => Input::Peer(event),
                FromMedia::Closed { media, stats, quality } => {
                    self.free_port(media);
                    Input::MediaClosed { media, stats, quality }
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
        while let Ok(Answer { key, addresses, life }) = self.parts.answers.try_recv() {
            self.input(None, Input::Resolved { key, addresses, life });
        }
    }

    fn take_web(&mut self) {
        let mut came = Vec::new();
        self.parts.sip.take_web(&self.parts.web, &mut came);
        self.take_streams(came);
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
                Down::Trunk(signal) => self.input(None, Input::Trunk(signal)),
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
            let mut came = Vec::new();
            self.parts.sip.sweep(&mut came);
            self.take_streams(came);
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
        Counters::set(&self.parts.counters.legs, self.parts.switch.leg_count() as u64);
        Counters::set(&self.parts.counters.switch_entries, self.parts.switch.table_entries() as u64);
        let load = self.parts.endpoint.load();
        let transactions = load.client_transactions + load.server_transactions;
        Counters::set(&self.parts.counters.sip_transactions, transactions as u64);
        Counters::set(&self.parts.counters.sip_dialogs, load.dialogs as u64);
        Counters::set(&self.parts.counters.sip_connections, load.streams as u64);
        let guesses = self.parts.endpoint.guesses();
        Counters::set(&self.parts.counters.sip_wrong_passwords, guesses.wrong);
        Counters::set(&self.parts.counters.sip_shunned, guesses.shunned);
        Counters::set(&self.parts.counters.sip_shunned_requests, guesses.dropped);
        let tally = self.parts.sip.take_tally();
        Counters::add(&self.parts.counters.tcp_accepted, tally.taken);
        Counters::add(&self.parts.counters.tcp_refused, tally.refused);
        Counters::add(&self.parts.counters.tls_failed, tally.tls_failed);
        self.parts.to_media.flush();
        self.parts.to_writer.flush();
    }
}
