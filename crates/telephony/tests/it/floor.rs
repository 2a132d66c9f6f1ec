//! The test in the floor's place: a running telephony with a directory of one tenant, and what it tells.
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use domain::device::{DeviceReport, DeviceSignal};
use domain::directory::{DeviceEntry, DeviceEntryKind, Directory, NumberEntry};
use domain::id::{DeviceId, LegId, NumberId, TenantId};
use domain::leg::{CallerId, Dial, LegCommand, LegEvent};
use telephony::{Config, Handle, SipTls, StartError, Telephony, Up};

pub const TENANT: TenantId = TenantId(1);
pub const ECHO: NumberId = NumberId(3000);
pub const BROWSER: DeviceId = DeviceId(70);
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
pub struct Options {
    /// New calls are refused while so many events wait for the floor.
    pub backlog: usize,
    /// Media ports, the WebRTC port included.
    pub ports: u16,
    pub media_ip: Ipv4Addr,
    /// Phones may come over TLS.
    pub tls: bool,
    /// Both families of addresses, or IPv4 alone.
    pub ipv6: bool,
    /// The name server.
    pub dns: Option<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self { backlog: 10_000, ports: 61, media_ip: Ipv4Addr::LOCALHOST, tls: false, ipv6: false, dns: None }
    }
}

pub struct Floor {
    pub handle: Option<Handle>,
    events: Receiver<Up>,
    pub dir: PathBuf,
    pub sip: SocketAddr,
    /// The floor takes no events while set.
    pub deaf: Arc<AtomicBool>,
    media_ports: std::ops::RangeInclusive<u16>,
    /// What came and nobody has asked for yet.
    seen: Vec<Up>,
}

pub fn directory() -> Directory {
    let mut directory = Directory { default_tenant: Some(TENANT), ..Directory::default() };
    directory.numbers.insert((TENANT, "3000".into()), NumberEntry { number: ECHO, sample: true });
    directory.devices.insert(
        BROWSER,
        DeviceEntry { tenant: TENANT, kind: DeviceEntryKind::Browser, srtp: Default::default(), codecs: Vec::new() },
    );
    directory
}

/// With a certificate of its own making.
pub fn server_config() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    Arc::new(config)
}

fn free_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    loop {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 65_000 {
            return port..=port + count - 1;
        }
    }
}

fn start(
    dir: &std::path::Path,
    sip: SocketAddr,
    ports: std::ops::RangeInclusive<u16>,
    deaf: Arc<AtomicBool>,
    options: Options,
) -> Result<(Handle, Receiver<Up>), StartError> {
    let (sender, events) = sync_channel(10_000);
    let sink = Box::new(move |up| {
        if deaf.load(Ordering::Relaxed) {
            return Some(up);
        }
        match sender.try_send(up) {
            Ok(()) => None,
            Err(TrySendError::Full(up) | TrySendError::Disconnected(up)) => Some(up),
        }
    });
    let mut config = Config::new(dir, [9; 32], sink);
    config.limits.backlog = options.backlog;
    config.sip = sip;
    config.dns = options.dns;
    config.media_ip = options.media_ip.into();
    config.media_ports = ports;
    config.media_io = crate::MEDIA_IO;
    if options.tls {
        let addr = "127.0.0.1:0".parse().unwrap();
        config.sip_tls = Some(SipTls { addr, server: server_config() });
    }
    Telephony::start(config).map(|handle| (handle, events))
}

impl Floor {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("cordboard-telephony-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        // Other programs pick free ports too: try again when one was quicker.
        for _ in 0..20 {
            let media_ports = free_ports(options.ports);
            let deaf: Arc<AtomicBool> = Arc::default();
            let sip = if options.ipv6 { "[::]:0" } else { "127.0.0.1:0" }.parse().unwrap();
            if let Ok((handle, events)) = start(&dir, sip, media_ports.clone(), deaf.clone(), options) {
                let sip = handle.sip_addr();
                let mut floor = Self { handle: Some(handle), events, dir, sip, deaf, media_ports, seen: Vec::new() };
                floor.push_directory();
                return floor;
            }
        }
        panic!("telephony does not start");
    }

    /// Stops everything at once, as a crash would.
    pub fn kill(&mut self) {
        self.handle = None;
        self.seen.clear();
    }

    /// Starts again on the same ports and files.
    pub fn restart(&mut self) {
        let (handle, events) =
            start(&self.dir, self.sip, self.media_ports.clone(), self.deaf.clone(), Options::default()).unwrap();
        (self.handle, self.events) = (Some(handle), events);
        self.push_directory();
    }

    /// Returns when the directory is in force: a command sent after it has been answered.
    fn push_directory(&mut self) {
        self.handle().sender().directory(Arc::new(directory())).unwrap();
        let leg = LegId(999_999);
        self.command(LegCommand::Originate {
            leg,
            tenant: TENANT,
            interaction: None,
            to: Dial::Device { device: DeviceId(999_999) },
            from: CallerId::default(),
            ring_timeout: PATIENCE,
            beside: None,
        });
        self.ended(leg);
    }

    pub fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    pub fn command(&self, command: LegCommand) {
        self.handle().sender().command(command).unwrap();
    }

    pub fn signal(&self, signal: DeviceSignal) {
        self.handle().sender().signal(signal).unwrap();
    }

    /// Waits for the first thing told that `pick` takes; the others stay.
    pub fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&Up) -> Option<T>) -> T {
        for (i, up) in self.seen.iter().enumerate() {
            if let Some(found) = pick(up) {
                self.seen.remove(i);
                return found;
            }
        }
        let until = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(up) => match pick(&up) {
                    Some(found) => return found,
                    None => self.seen.push(up),
                },
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("waited in vain for {what}; told so far: {:#?}", self.seen)
                }
            }
        }
    }

    pub fn wait_leg<T>(&mut self, what: &str, mut pick: impl FnMut(&LegEvent) -> Option<T>) -> T {
        self.wait(what, |up| if let Up::Leg(event) = up { pick(event) } else { None })
    }

    pub fn wait_device<T>(&mut self, what: &str, mut pick: impl FnMut(&DeviceReport) -> Option<T>) -> T {
        self.wait(what, |up| if let Up::Device(report) = up { pick(report) } else { None })
    }

    pub fn offered(&mut self) -> LegId {
        self.wait_leg("an offered leg", |e| match e {
            LegEvent::Offered { leg, number: ECHO, .. } => Some(*leg),
            _ => None,
        })
    }

    pub fn answered(&mut self, leg: LegId) {
        self.wait_leg("the answer", |e| matches!(e, LegEvent::Answered { leg: l, .. } if *l == leg).then_some(()));
    }

    /// The first event about `leg` that says it ended.
    pub fn ended(&mut self, leg: LegId) -> LegEvent {
        self.wait_leg("the end of a leg", |e| {
            matches!(e, LegEvent::Ended { leg: l, .. } if *l == leg).then(|| e.clone())
        })
    }

    /// Everything told that has not been asked for, now.
    pub fn rest(&mut self) -> &[Up] {
        self.seen.extend(self.events.try_iter());
        &self.seen
    }
}

/// Waits for a condition.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
