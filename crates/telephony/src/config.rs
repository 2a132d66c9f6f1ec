//! What [`crate::Telephony::start`] needs and how it can fail. Written by the binary from its own configuration.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use domain::device::DeviceReport;
use domain::leg::LegEvent;
use domain::trunk::TrunkReport;

/// What telephony tells the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Up {
    Leg(LegEvent),
    Device(DeviceReport),
    Trunk(TrunkReport),
}

/// Takes one value towards the engine, or gives it back when the engine's queue is full.
///
/// Called on the control thread; it must not block, or signalling stalls. With tokio:
/// `Box::new(move |up| tx.try_send(up).err().map(|e| e.into_inner()))`. What is given back is kept in order and offered
/// again every few milliseconds: **nothing is ever dropped**. While more than [`Limits::backlog`] values wait, new
/// calls are refused, which bounds the queue (a living leg produces few events).
pub type Sink = Box<dyn FnMut(Up) -> Option<Up> + Send>;

/// How media threads get and send packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaIo {
    /// io_uring if the kernel has it (6.1) and allows it, else epoll.
    #[default]
    Auto,
    Epoll,
    /// Telephony does not start without it.
    IoUring,
}

/// What our calls' numbers are vouched for with (STIR/SHAKEN).
pub struct Stir {
    /// PKCS #8 or SEC 1, of the curve P-256.
    pub key: rustls::pki_types::PrivateKeyDer<'static>,
    /// Where others find its certificate.
    pub certificate: String,
}

/// SIP over TLS: where phones connect, and the certificate they see.
pub struct SipTls {
    pub addr: SocketAddr,
    pub server: Arc<rustls::ServerConfig>,
}

pub struct Config {
    /// SIP over UDP and TCP. Port 0 picks a free one (tests), see [`crate::Handle::sip_addr`].
    pub sip: SocketAddr,
    /// `None`: nobody connects to us over TLS; we still connect to trunks by it.
    pub sip_tls: Option<SipTls>,
    /// Signs calls to trunks that want it.
    pub stir: Option<Stir>,
    /// The name server that is asked; `None` for the machine's own resolver, and its name servers for SRV records.
    pub dns: Option<SocketAddr>,
    /// Where media sockets are bound; `0.0.0.0` for all addresses of the machine.
    pub media_ip: IpAddr,
    /// Addresses put into SDP and ICE candidates, in order of preference. Empty: all IPv4 addresses of the machine,
    /// `127.0.0.1` last, or `media_ip` alone if that is a specific address.
    pub media_advertise: Vec<IpAddr>,
    /// UDP ports for media. The first `media_threads` ports carry WebRTC (one multiplexed port a thread), the others
    /// are given out in pairs (even RTP, odd RTCP).
    pub media_ports: RangeInclusive<u16>,
    /// Media threads. Legs of one bridge must share a thread and the switch does not place legs yet, so only 1 is
    /// accepted today.
    pub media_threads: usize,
    pub media_io: MediaIo,
    /// Directory for recordings in progress.
    pub spool: PathBuf,
    /// File with what is needed to end living calls after a crash.
    pub checkpoint: PathBuf,
    /// Encrypts the checkpoint file (AES-256-GCM).
    pub checkpoint_key: [u8; 32],
    /// Part of the ids of incoming legs: unique among the nodes of a fleet.
    pub node: u32,
    pub limits: Limits,
    pub on_event: Sink,
}

/// Bounds, each with room for one large node.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Commands and signals waiting for the control thread; one burst of a floor of 10,000 agents fits.
    pub commands: usize,
    /// Values waiting for the engine before new calls are refused.
    pub backlog: usize,
    /// Commands to and events from a media thread.
    pub media_ring: usize,
    /// Recorded chunks waiting for the disk: at one chunk each 200 ms and 1,000 recordings, 3 s of a stalled disk.
    pub recording_ring: usize,
    /// SIP connections over TCP and TLS.
    pub tcp_connections: usize,
    /// Browser connections.
    pub webrtc_sessions: usize,
    /// Simultaneous legs; further calls are refused with 503.
    pub legs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands: 65_536,
            backlog: 65_536,
            media_ring: 16_384,
            recording_ring: 16_384,
            tcp_connections: 4_096,
            webrtc_sessions: 8_192,
            legs: 10_000,
        }
    }
}

/// Why telephony could not start, in words for the operator, each with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "{what} port {addr} is in use by another program: stop that program or choose another port with --{option}"
    )]
    PortInUse { what: &'static str, addr: SocketAddr, option: &'static str },
    #[error("{addr} is not an address of this machine: set --{option} to one of {}", list(.have))]
    AddressNotAvailable { addr: IpAddr, option: &'static str, have: Vec<IpAddr> },
    #[error(
        "no permission to open {what} port {addr}: ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one with --{option}"
    )]
    PortForbidden { what: &'static str, addr: SocketAddr, option: &'static str },
    #[error("{what} {addr}: {source}; see --{option}")]
    Socket {
        what: &'static str,
        addr: SocketAddr,
        option: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "the range of media ports {from}-{to} is too small: give --media-ports at least 10 ports, two for each call leg"
    )]
    PortRange { from: u16, to: u16 },
    #[error(
        "this kernel refuses what the media thread needs: {source}; with --media-io io-uring choose another: it needs Linux 6.1 or later and is often forbidden in containers"
    )]
    MediaIo {
        #[source]
        source: std::io::Error,
    },
    #[error("{threads} media threads were asked for: only 1 is supported")]
    Threads { threads: usize },
    #[error("cannot use {}: {source}; make the directory writable for this user or change --data-dir", .path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the operating system refused {what}: {source}")]
    System {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("the key for signing calls is no private key of the curve P-256 (ES256): see --stir-key")]
    StirKey,
    #[error("the cryptographic library refused {what}")]
    Crypto { what: &'static str },
}

fn list(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "its addresses".to_owned();
    }
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

impl Config {
    /// A configuration for this machine with the usual defaults; the caller changes what differs.
    pub fn new(data_dir: &std::path::Path, checkpoint_key: [u8; 32], on_event: Sink) -> Self {
        Self {
            sip: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060)),
            sip_tls: None,
            stir: None,
            dns: None,
            media_ip: Ipv4Addr::UNSPECIFIED.into(),
            media_advertise: Vec::new(),
            media_ports: 20_000..=29_999,
            media_threads: 1,
            media_io: MediaIo::Auto,
            spool: data_dir.join("spool"),
            checkpoint: data_dir.join("calls.checkpoint"),
            checkpoint_key,
            node: 1,
            limits: Limits::default(),
            on_event,
        }
    }
}
