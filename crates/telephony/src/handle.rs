//! Starting and stopping the threads, and what the engine holds of them.
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::TrySendError;
use domain::device::DeviceSignal;
use domain::directory::Directory;
use domain::id::TenantId;
use domain::leg::{LegCommand, Outlived};
use domain::trunk::TrunkSignal;
use media::PlaneConfig;
use mio::Poll;
use sip::Endpoint;
use switch::Switch;

use crate::checkpoint::CheckpointFile;
use crate::config::{Config, StartError, Stir};
use crate::control::sip_io::SipIo;
use crate::control::{self, Control, Down};
use crate::media_thread::{self, MediaThread, ToMedia};
use crate::names;
use crate::net::{Advertise, PortPool};
use crate::packet_io;
use crate::recording::{self, Leftover, Writer};
use crate::ring::ring;
use crate::stats::{Counters, Stats};
use crate::wake::Wake;
use crate::web::WebDoor;
use crate::webrtc::{self, Peers};

/// Reports of the writer to the control thread: two per recording.
const REPORTS: usize = 4_096;
/// Names being looked up; more are answered with nothing at once.
const QUESTIONS: usize = 64;
/// Messages of phones on WebSockets that wait for the control thread; then their connections are read no further.
const WEB: usize = 1_024;
/// Fewer media ports than this are a mistake: the WebRTC port and a handful of legs.
const PORTS_MIN: u32 = 10;

/// The queue to telephony is full, or telephony has stopped: here is the value back. Try again a little later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("telephony does not take commands at the moment")]
pub struct Busy<T>(pub T);

/// Sends commands to telephony; never waits, from any thread or task. Cloning copies a pointer.
#[derive(Clone)]
pub struct CommandSender {
    down: crossbeam_channel::Sender<Down>,
    wake: Arc<Wake>,
}

impl CommandSender {
    /// The wrapped value comes back when it was not taken.
    #[expect(clippy::result_large_err, reason = "what was not taken comes back whole, and rarely")]
    fn send(&self, down: Down) -> Result<(), Down> {
        match self.down.try_send(down) {
            Ok(()) => {
                self.wake.wake();
                Ok(())
            }
            Err(TrySendError::Full(down) | TrySendError::Disconnected(down)) => Err(down),
        }
    }

    /// A wish of a floor. Carried out in the order sent.
    ///
    /// # Errors
    /// [`Busy`] with the command: the queue ([`crate::Limits::commands`]) is full.
    #[expect(clippy::result_large_err, reason = "what was not taken comes back whole, and rarely")]
    pub fn command(&self, command: LegCommand) -> Result<(), Busy<LegCommand>> {
        match self.send(Down::Leg(command)) {
            Err(Down::Leg(command)) => Err(Busy(command)),
            _ => Ok(()),
        }
    }

    /// A signal of a browser device.
    ///
    /// # Errors
    /// [`Busy`] with the signal: the queue is full.
    pub fn signal(&self, signal: DeviceSignal) -> Result<(), Busy<DeviceSignal>> {
        match self.send(Down::Device(signal)) {
            Err(Down::Device(signal)) => Err(Busy(signal)),
            _ => Ok(()),
        }
    }

    /// A wish about a trunk.
    ///
    /// # Errors
    /// [`Busy`] with the signal: the queue is full.
    pub fn trunk(&self, signal: TrunkSignal) -> Result<(), Busy<TrunkSignal>> {
        match self.send(Down::Trunk(signal)) {
            Err(Down::Trunk(signal)) => Err(Busy(signal)),
            _ => Ok(()),
        }
    }

    /// A new directory, in force for everything that happens from now on. Until the first one,
    /// calls are refused with 503.
    ///
    /// # Errors
    /// [`Busy`] with the directory: the queue is full.
    pub fn directory(&self, directory: Arc<Directory>) -> Result<(), Busy<Arc<Directory>>> {
        match self.send(Down::Directory(directory)) {
            Err(Down::Directory(directory)) => Err(Busy(directory)),
            _ => Ok(()),
        }
    }
}

/// Entry point; see the crate's header.
pub struct Telephony;

/// The running threads. Dropping it stops them at once without goodbyes, as a crash would: living calls go on with the
/// next start. [`Handle::shutdown`] ends them.
pub struct Handle {
    sender: CommandSender,
    web: WebDoor,
    threads: Vec<JoinHandle<()>>,
    abort: Arc<AtomicBool>,
    counters: Arc<Counters>,
    leftovers: Vec<Leftover>,
    outlived: BTreeMap<TenantId, Outlived>,
    sip_addr: SocketAddr,
    sip_tls_addr: Option<SocketAddr>,
    media_io: &'static str,
}

impl Telephony {
    /// Binds all sockets, opens the files and starts the threads: one for control, one for media, one that writes
    /// recordings, a few that look up names. Calls that a crash of the former run left behind go on at once.
    ///
    /// # Errors
    /// [`StartError`] in words for the operator; nothing keeps running then.
    pub fn start(mut config: Config) -> Result<Handle, StartError> {
        if config.media_threads != 1 {
            return Err(StartError::Threads { threads: config.media_threads });
        }
        let (from, to) = (*config.media_ports.start(), *config.media_ports.end());
        if u32::from(to) + 1 < u32::from(from) + PORTS_MIN {
            return Err(StartError::PortRange { from, to });
        }
        let system = |what| move |source| StartError::System { what, source };
        fs::create_dir_all(&config.spool)
            .map_err(|source| StartError::Directory { path: config.spool.clone(), source })?;
        let mut leftovers = recording::leftovers(&config.spool)
            .map_err(|source| StartError::Directory { path: config.spool.clone(), source })?;
        let advertise = Advertise::new(config.media_ip, &config.media_advertise);
        let sip_advertise = Advertise::new(config.media_ip, &config.media_advertise);
        let mut sip = SipIo::bind(config.sip, config.sip_tls.take(), sip_advertise, config.limits.tcp_connections)?;
        let (sip_addr, sip_tls_addr) = (sip.addr(), sip.tls_addr());
        let mux = webrtc::bind_mux(config.media_ip, advertise.all(), from)?;
        let ports = PortPool::new(config.media_ip, from + 1..=to);
        let (checkpoints, recovered) = CheckpointFile::open(&config.checkpoint, &config.checkpoint_key)
            .map_err(|source| StartError::Directory { path: config.checkpoint.clone(), source })?;

        let counters = Arc::new(Counters::default());
        let start = Instant::now();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut switch = Switch::new(switch_config(&config, &advertise, sip_addr, since_epoch)?);
        let read = |bytes: &Vec<u8>| match serde_json::from_slice(bytes) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint of the former run cannot be read");
                None
            }
        };
        let recovered: Vec<switch::Checkpoint> = recovered.iter().filter_map(read).collect();
        let outlived = switch.recover(start.elapsed(), recovered);
        if !outlived.is_empty() {
            let legs: usize = outlived.values().map(|tenant| tenant.legs.len()).sum();
            tracing::warn!(legs, "going on with the calls that the former run left behind");
        }
        leftovers.retain(|left| !outlived.values().any(|tenant| tenant.recordings.contains(&left.recording)));
        let endpoint = Endpoint::new(sip_config(sip_addr, sip_tls_addr)?);

        let control_poll = Poll::new().map_err(system("an event queue"))?;
        let media_poll = Poll::new().map_err(system("an event queue"))?;
        let wake = Wake::new(control_poll.registry(), control::WAKER).map(Arc::new).map_err(system("a waker"))?;
        let media_wake =
            Wake::new(media_poll.registry(), mio::Token(packet_io::WAKER)).map(Arc::new).map_err(system("a waker"))?;

        let limits = config.limits;
        let (down, down_out) = crossbeam_channel::bounded(limits.commands);
        let (to_media, media_commands) = ring::<ToMedia>(limits.media_ring, Some(media_wake.clone()));
        let (from_media_in, from_media) = ring(limits.media_ring, Some(wake.clone()));
        let (to_writer, jobs) = ring(limits.recording_ring, None);
        let (reports_in, from_writer) = crossbeam_channel::bounded(REPORTS);
        let (questions, questions_out) = crossbeam_channel::bounded(QUESTIONS);
        let (answers_in, answers) = crossbeam_channel::bounded(QUESTIONS);
        let (web, web_out) = crossbeam_channel::bounded(WEB);
        let abort = Arc::new(AtomicBool::new(false));

        let plane = PlaneConfig { legs_max: limits.legs, ..PlaneConfig::default() };
        let peers = Peers::new(&mux, limits.webrtc_sessions, counters.clone())?;
        let media = MediaThread::new(media_thread::Parts {
            poll: media_poll,
            wake: media_wake,
            media_io: config.media_io,
            start,
            plane,
            peers,
            mux: mux.into_iter().map(|mux| mux.socket).collect(),
            commands: media_commands,
            control: from_media_in,
            writer: to_writer.another(),
            counters: counters.clone(),
        })
        .map_err(|source| StartError::MediaIo { source })?;
        let media_io = media.io_name();
        let report_wake = wake.clone();
        let report = Box::new(move |report| {
            // Waits while the control thread is behind; it never waits for us.
            if reports_in.send(report).is_ok() {
                report_wake.wake();
            }
        });
        let writer = Writer::new(config.spool.clone(), jobs, report, counters.clone());
        sip.register(control_poll.registry()).map_err(system("watching the SIP port"))?;
        let control = Control::new(control::Parts {
            poll: control_poll,
            wake: wake.clone(),
            start,
            sip,
            endpoint,
            switch,
            ports,
            checkpoints,
            sink: config.on_event,
            backlog_max: limits.backlog,
            down: down_out,
            to_media,
            from_media,
            to_writer,
            from_writer,
            questions,
            answers,
            web: web_out,
            abort: abort.clone(),
            counters: counters.clone(),
        });

        let mut handle = Handle {
            sender: CommandSender { down, wake: wake.clone() },
            web: WebDoor::new(web, wake.clone()),
            threads: Vec::new(),
            abort,
            counters,
            leftovers,
            outlived,
            sip_addr,
            sip_tls_addr,
            media_io,
        };
        // The control thread last: it makes the others stop when it ends, also if a later spawn fails.
        handle.spawn("recordings", move || writer.run())?;
        for thread in 0..names::THREADS {
            let (questions, answers, wake) = (questions_out.clone(), answers_in.clone(), wake.clone());
            let dns = config.dns;
            handle.spawn(&format!("names-{thread}"), move || names::look_up(&questions, &answers, dns, &wake))?;
        }
        handle.spawn("media-0", move || media.run())?;
        handle.spawn("control", move || control.run())?;
        tracing::info!(sip = %sip_addr, media_from = from, media_to = to, "telephony started");
        Ok(handle)
    }
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StartError::Crypto { what: "randomness" })?;
    Ok(bytes)
}

fn switch_config(
    config: &Config,
    advertise: &Advertise,
    sip_addr: SocketAddr,
    since_epoch: Duration,
) -> Result<switch::Config, StartError> {
    // Seconds count starts well enough: no node starts twice within one, and leg ids must differ between starts.
    let start = u32::try_from(since_epoch.as_secs()).unwrap_or(u32::MAX);
    let wall_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    let seed = u64::from_le_bytes(random()?);
    let mut out = switch::Config::new(config.node, start, seed, wall_ms);
    out.boot_ms_at_start = since_boot_ms().unwrap_or(wall_ms);
    out.boot = boot().unwrap_or_default();
    out.sip_local = sip_addr;
    out.secret = random()?;
    out.signer = config.stir.as_ref().map(signer).transpose()?;
    out.max_legs = config.limits.legs;
    out.max_peers = config.limits.webrtc_sessions;
    if let Some(ip) = advertise.all().first() {
        out.from_host = ip.to_string();
    }
    Ok(out)
}

fn signer(stir: &Stir) -> Result<switch::Signer, StartError> {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, stir.key.secret_der())
        .map_err(|_| StartError::StirKey)?;
    let random = SystemRandom::new();
    let sign = move |octets: &[u8]| key.sign(&random, octets).ok()?.as_ref().try_into().ok();
    Ok(switch::Signer { certificate: stir.certificate.clone(), sign: Arc::new(sign) })
}

/// The beginning of the kernel's random name for this run of the machine.
fn boot() -> Option<u64> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.replace('-', "");
    u64::from_str_radix(id.get(..16)?, 16).ok()
}

/// By `/proc/uptime`, which counts hundredths of a second.
fn since_boot_ms() -> Option<i64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = uptime.split(' ').next()?.split_once('.')?;
    Some(seconds.parse::<i64>().ok()? * 1000 + hundredths.parse::<i64>().ok()? * 10)
}

fn sip_config(addr: SocketAddr, tls: Option<SocketAddr>) -> Result<sip::Config, StartError> {
    let mut out = sip::Config::new(random()?);
    out.tcp_port = addr.port();
    if let Some(tls) = tls {
        out.tls_port = tls.port();
    }
    Ok(out)
}

impl Handle {
    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let thread = std::thread::Builder::new()
            .name(format!("tel-{name}"))
            .spawn(run)
            .map_err(|source| StartError::System { what: "a thread", source })?;
        self.threads.push(thread);
        Ok(())
    }

    /// For sending commands; clone it into whoever needs it.
    /// Where phones on WebSockets come in.
    pub fn web_door(&self) -> WebDoor {
        self.web.clone()
    }

    pub fn sender(&self) -> CommandSender {
        self.sender.clone()
    }

    /// The SIP address in use, with the real port.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip_addr
    }

    /// The same for TLS, if it is on.
    pub fn sip_tls_addr(&self) -> Option<SocketAddr> {
        self.sip_tls_addr
    }

    /// How media packets are got: `io-uring` or `epoll`.
    pub fn media_io(&self) -> &'static str {
        self.media_io
    }

    /// Spool files that were there at the start: recordings cut off by a crash, and complete ones never stored.
    pub fn leftover_recordings(&self) -> &[Leftover] {
        &self.leftovers
    }

    /// What of the former run's calls goes on.
    pub fn outlived(&self) -> &BTreeMap<TenantId, Outlived> {
        &self.outlived
    }

    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// False once a thread has ended: telephony must then be started anew.
    pub fn is_running(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends every call (cause `system.shutdown`), waits for the peers' answers and for the recordings' last bytes, but
    /// not longer than `within`, and joins the threads. `LegEvent::Ended` of each leg still reaches the sink, which
    /// must therefore be drained meanwhile. Blocks: call it from a thread that may.
    pub fn shutdown(mut self, within: Duration) {
        if self.sender.send(Down::Shutdown(within)).is_err() {
            self.abort.store(true, Ordering::Relaxed);
        }
        self.join();
    }

    fn join(&mut self) {
        self.sender.wake.wake();
        // The control thread, last in the list, stops the media and recording threads and hangs up on the resolver.
        // The resolver may hang in the system's library for many seconds: it is not waited for.
        while let Some(thread) = self.threads.pop() {
            let is_resolver = thread.thread().name() == Some("tel-names");
            if !is_resolver && thread.join().is_err() {
                tracing::error!("a telephony thread had panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.abort.store(true, Ordering::Relaxed);
        self.join();
    }
}
