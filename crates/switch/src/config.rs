//! What the switch is told once, at start: identity of the node, time anchor, bounds and waiting times.
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// See the fields; [`Config::new`] fills in the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Installation-wide number of this node, below 2³¹.
    pub node: u32,
    /// How often this node has started; with `node` it makes leg ids of incoming calls unique for ever.
    pub start: u32,
    /// Random 64 bits: everything random-looking is drawn from here.
    pub seed: u64,
    /// 256 random bits: keys of SRTP are made from them.
    pub secret: [u8; 32],
    /// Unix milliseconds at `now == 0`; for expiry times of registrations only.
    pub wall_ms_at_start: i64,
    /// Milliseconds at `now == 0` by a clock that the processes of this machine share and nobody sets (time since boot): what a
    /// former process wrote is reckoned by it.
    pub boot_ms_at_start: i64,
    /// Tells one run of the machine from another: what an earlier one wrote has no meaning by that clock.
    pub boot: u64,
    /// Realm for digest challenges where neither the request's domain nor an account tells one.
    pub realm: String,
    /// Signs what we state of our calls; `None`: nothing is stated.
    pub signer: Option<Signer>,
    /// Value of the From host on outgoing calls, usually the advertised address or the SIP domain.
    pub from_host: String,
    /// Our SIP socket, as `sip::Hop::local` of calls we place to URIs and to restored registrations. Where its address is
    /// unspecified, the one telephony opens media on towards the same peer stands in.
    pub sip_local: SocketAddr,
    /// An offered leg nobody decides about is refused with 503 after this.
    pub offer_timeout: Duration,
    /// RTP silence of an answered, not held leg after which the peer is asked whether it lives.
    pub silence: Duration,
    /// RTP silence after which the leg ends with `media.lost` even though signalling lives.
    pub media_lost: Duration,
    /// How long a browser's leg waits for the device's next peer connection.
    pub reattach: Duration,
    /// How long a trunk may take to say a first word (100 Trying) before the call goes another way. RFC 3261's timer B is 32 s,
    /// longer than anybody waits.
    pub trunk_silence: Duration,
    /// How long telephony may take to open media or to resolve a name.
    pub outside: Duration,
    /// Most legs at once; further calls are refused with 503 or `limit.calls`.
    pub max_legs: usize,
    /// Most browser devices connected at once.
    pub max_peers: usize,
}

/// Who speaks for our calls' numbers (STIR, RFC 8224).
#[derive(Clone)]
pub struct Signer {
    /// Where others find the certificate.
    pub certificate: String,
    pub sign: Arc<Sign>,
}

/// ES256 of the octets: two numbers of 32 bytes; `None` if the library fails.
pub type Sign = dyn Fn(&[u8]) -> Option<[u8; 64]> + Send + Sync;

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Config {
    pub fn new(node: u32, start: u32, seed: u64, wall_ms_at_start: i64) -> Self {
        Self {
            node,
            start,
            seed,
            // For tests; whoever starts a real node draws its own.
            secret: std::array::from_fn(|at| seed.to_be_bytes()[at % 8]),
            wall_ms_at_start,
            boot_ms_at_start: wall_ms_at_start,
            boot: 0,
            realm: "cordboard".to_owned(),
            signer: None,
            from_host: "cordboard.invalid".to_owned(),
            sip_local: SocketAddr::from(([0, 0, 0, 0], 5060)),
            offer_timeout: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            media_lost: Duration::from_secs(600),
            reattach: Duration::from_secs(15),
            trunk_silence: Duration::from_secs(4),
            outside: Duration::from_secs(5),
            // A node is sized for some thousand calls; this only stops a flood from eating memory.
            max_legs: 20_000,
            max_peers: 10_000,
        }
    }
}
