//! Digest authentication, both sides (RFC 7616, RFC 2617): MD5 and SHA-256, qop=auth.
//!
//! Called by `endpoint`. The server side issues nonces it can verify without remembering them (time, counter and source
//! under an HMAC) and keeps a bounded window of nonce counts against replay. Passwords never appear: accounts hold
//! HA1 = H(user:realm:password). Nothing here logs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::msg::Challenge;
use crate::random::hex;

/// Hash of a digest exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn text(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("MD5") {
            Some(Self::Md5)
        } else if text.eq_ignore_ascii_case("SHA-256") {
            Some(Self::Sha256)
        } else {
            None
        }
    }

    fn hex_of(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => hash_joined::<Md5>(parts),
            Self::Sha256 => hash_joined::<Sha256>(parts),
        }
    }
}

/// H(a:b:c) in hex.
fn hash_joined<H: Digest>(parts: &[&str]) -> String {
    let mut hash = H::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// What is stored instead of a password: H(user:realm:password) per algorithm. Either may be missing.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    pub md5: Option<[u8; 16]>,
    pub sha256: Option<[u8; 32]>,
}

impl Ha1 {
    /// Both hashes of a password.
    pub fn from_password(user: &str, realm: &str, password: &str) -> Self {
        let text = format!("{user}:{realm}:{password}");
        Self { md5: Some(Md5::digest(&text).into()), sha256: Some(Sha256::digest(&text).into()) }
    }

    fn hex(&self, algorithm: Algorithm) -> Option<String> {
        match algorithm {
            Algorithm::Md5 => self.md5.map(|h| hex(&h)),
            Algorithm::Sha256 => self.sha256.map(|h| hex(&h)),
        }
    }
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// Why credentials were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// No usable credentials for this realm: challenge.
    Missing,
    /// Right form, but the nonce is too old, unknown or used: challenge with `stale=true`.
    Stale,
    /// Wrong user or response: challenge again, and count it.
    Wrong,
    /// Malformed header: 400.
    Malformed,
}

/// Credentials of a request whose nonce is genuine and fresh; what is left is to compare the response.
#[derive(Debug)]
pub struct Claim {
    pub username: String,
    algorithm: Algorithm,
    nonce: String,
    nc: u32,
    expected_tail: [String; 4],
    response: String,
}

/// Issues and checks nonces.
#[derive(Debug)]
pub struct Server {
    secret: [u8; 32],
    counter: u64,
    lifetime: Duration,
    capacity: usize,
    windows: HashMap<[u8; 16], Window>,
    order: VecDeque<[u8; 16]>,
    /// Counters up to this one were forgotten; a nonce not in `windows` must be newer.
    forgotten: u64,
}

/// Highest nonce count seen and a bitmap of the 64 below it: requests in parallel may arrive out of order.
#[derive(Debug, Default)]
struct Window {
    top: u32,
    seen: u64,
}

impl Window {
    fn admit(&mut self, nc: u32) -> bool {
        if nc > self.top {
            let shift = nc - self.top;
            self.seen = if shift >= 64 { 0 } else { self.seen << shift };
            self.seen |= 1;
            self.top = nc;
            return true;
        }
        let back = self.top - nc;
        if back >= 64 || self.seen & (1 << back) != 0 {
            return false;
        }
        self.seen |= 1 << back;
        true
    }
}

impl Server {
    /// `capacity` bounds the remembered nonce counts.
    pub fn new(secret: [u8; 32], lifetime: Duration, capacity: usize) -> Self {
        Self {
            secret,
            counter: 0,
            lifetime,
            capacity: capacity.max(1),
            windows: HashMap::new(),
            order: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// WWW-Authenticate values, one per algorithm in the order given, all with one nonce.
    pub fn challenges(
        &mut self,
        now: Duration,
        source: IpAddr,
        realm: &str,
        algorithms: &[Algorithm],
        stale: bool,
    ) -> Vec<String> {
        let nonce = self.issue(now, source);
        let stale = if stale { ", stale=true" } else { "" };
        let realm = realm.replace(['"', '\\'], "");
        let value = |algorithm: &Algorithm| {
            let algorithm = algorithm.text();
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        algorithms.iter().map(value).collect()
    }

    fn issue(&mut self, now: Duration, source: IpAddr) -> String {
        self.counter += 1;
        let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut stamp = [0; 16];
        stamp[..8].copy_from_slice(&ms.to_be_bytes());
        stamp[8..].copy_from_slice(&self.counter.to_be_bytes());
        format!("{}{}", hex(&stamp), hex(&self.mac(&stamp, source)[..16]))
    }

    fn mac(&self, stamp: &[u8; 16], source: IpAddr) -> [u8; 32] {
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        hmac_sha256(&self.secret, &[b"nonce", stamp, &octets(source)])
    }

    /// Reads the credentials among `headers` that are meant for `realm`.
    ///
    /// # Errors
    /// [`Denial`], never `Wrong`: that is for [`Server::verify`].
    pub fn claim<'a>(
        &self,
        now: Duration,
        source: IpAddr,
        realm: &str,
        method: &str,
        headers: impl Iterator<Item = &'a str>,
    ) -> Result<Claim, Denial> {
        // A handful covers every honest client; more would be work for an attacker to give us.
        for header in headers.take(8) {
            let given = Challenge::parse(header).ok_or(Denial::Malformed)?;
            if !given.is_digest() || given.get("realm") != Some(realm) {
                continue;
            }
            let algorithm = given.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::from_text);
            let Some(algorithm) = algorithm else { continue };
            let field = |name| given.get(name).ok_or(Denial::Malformed);
            let (nonce, uri, response) = (field("nonce")?, field("uri")?, field("response")?);
            let qop = given.get("qop").unwrap_or("");
            let nc_text = given.get("nc").unwrap_or("");
            let nc = if qop.eq_ignore_ascii_case("auth") {
                let nc = u32::from_str_radix(nc_text, 16).map_err(|_| Denial::Malformed)?;
                if nc_text.len() != 8 || nc == 0 || field("cnonce")?.is_empty() {
                    return Err(Denial::Malformed);
                }
                nc
            } else if qop.is_empty() {
                // RFC 2069 clients have no counter: their nonce serves once.
                1
            } else {
                return Err(Denial::Malformed);
            };
            self.check_nonce(now, source, nonce)?;
            let ha2 = algorithm.hex_of(&[method, uri]);
            return Ok(Claim {
                username: field("username")?.to_owned(),
                algorithm,
                nonce: nonce.to_owned(),
                nc,
                expected_tail: [nc_text.to_owned(), given.get("cnonce").unwrap_or("").to_owned(), qop.to_owned(), ha2],
                response: response.to_ascii_lowercase(),
            });
        }
        Err(Denial::Missing)
    }

    fn check_nonce(&self, now: Duration, source: IpAddr, nonce: &str) -> Result<(), Denial> {
        let (stamp, mac) = split_nonce(nonce).ok_or(Denial::Stale)?;
        if !equal_constant_time(&mac, &self.mac(&stamp, source)[..16]) {
            return Err(Denial::Stale);
        }
        let (ms, counter) = stamp_parts(&stamp);
        let age = now.saturating_sub(Duration::from_millis(ms));
        if age > self.lifetime || (counter <= self.forgotten && !self.windows.contains_key(&stamp)) {
            return Err(Denial::Stale);
        }
        Ok(())
    }

    /// Compares the claim with the stored hash and, if it is right, uses its nonce count up.
    ///
    /// # Errors
    /// `Wrong` for a wrong response or unknown user (`None`), `Stale` for a replayed count.
    pub fn verify(&mut self, claim: &Claim, ha1: Option<&Ha1>) -> Result<(), Denial> {
        let ha1 = ha1.and_then(|ha1| ha1.hex(claim.algorithm));
        // An unknown user costs the same time as a known one: a text of the same length.
        let ha1_text = ha1.as_deref().unwrap_or(match claim.algorithm {
            Algorithm::Md5 => "00000000000000000000000000000000",
            Algorithm::Sha256 => "0000000000000000000000000000000000000000000000000000000000000000",
        });
        let [nc, cnonce, qop, ha2] = &claim.expected_tail;
        let expected = if qop.is_empty() {
            claim.algorithm.hex_of(&[ha1_text, &claim.nonce, ha2])
        } else {
            claim.algorithm.hex_of(&[ha1_text, &claim.nonce, nc, cnonce, qop, ha2])
        };
        if !equal_constant_time(expected.as_bytes(), claim.response.as_bytes()) || ha1.is_none() {
            return Err(Denial::Wrong);
        }
        let (stamp, _) = split_nonce(&claim.nonce).ok_or(Denial::Stale)?;
        if !self.windows.contains_key(&stamp) {
            self.remember(stamp);
        }
        let window = self.windows.get_mut(&stamp).ok_or(Denial::Stale)?;
        if window.admit(claim.nc) { Ok(()) } else { Err(Denial::Stale) }
    }

    fn remember(&mut self, stamp: [u8; 16]) {
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.windows.remove(&oldest);
            self.forgotten = self.forgotten.max(stamp_parts(&oldest).1);
        }
        self.order.push_back(stamp);
        self.windows.insert(stamp, Window::default());
    }
}

fn split_nonce(nonce: &str) -> Option<([u8; 16], [u8; 16])> {
    if nonce.len() != 64 || !nonce.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()) {
        return None;
    }
    let digit = |b: u8| if b <= b'9' { b - b'0' } else { b - b'a' + 10 };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(nonce.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0]) << 4) | digit(pair[1]);
    }
    let (mut stamp, mut mac) = ([0; 16], [0; 16]);
    stamp.copy_from_slice(&bytes[..16]);
    mac.copy_from_slice(&bytes[16..]);
    Some((stamp, mac))
}

fn stamp_parts(stamp: &[u8; 16]) -> (u64, u64) {
    let (mut ms, mut counter) = ([0; 8], [0; 8]);
    ms.copy_from_slice(&stamp[..8]);
    counter.copy_from_slice(&stamp[8..]);
    (u64::from_be_bytes(ms), u64::from_be_bytes(counter))
}

/// RFC 2104 with SHA-256; the key is 32 bytes, shorter than a block.
fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (slot, byte) in block.iter_mut().zip(key) {
            *slot ^= byte;
        }
        block
    };
    let mut inner = Sha256::new().chain_update(pad(0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// Compares without stopping at the first difference.
fn equal_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y))) == 0
}

/// What a client proves itself with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub user: String,
    pub secret: Secret,
}

/// A password, or its hash for one realm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    Password(String),
    Ha1(Ha1),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Challenges that were answered. The next request to the same peer answers again without waiting to be asked, with a
/// higher nonce count, for as long as the peer takes the nonce (RFC 7616 §3.4, RFC 3261 §22.2).
#[derive(Debug, Default)]
pub(crate) struct Answered {
    by: BTreeMap<SessionKey, Session>,
    /// Grows with each use, so that the one unused for longest can go.
    uses: u64,
}

/// Peer, our name there, and whether a proxy asked (407) or the server itself (401).
type SessionKey = (SocketAddr, String, bool);

#[derive(Debug)]
struct Session {
    challenge: String,
    nc: u32,
    used: u64,
}

/// Peers whose challenges are remembered; one forgotten costs a request and its challenge.
const ANSWERED_MAX: usize = 1_024;

impl Answered {
    /// Answers the best of the challenges that can be answered and remembers it.
    pub(crate) fn challenged<'a>(
        &mut self,
        remote: SocketAddr,
        by_proxy: bool,
        challenges: impl Iterator<Item = &'a str>,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Option<String> {
        let answered = challenges.take(8).find_map(|challenge| {
            let text = answer(std::iter::once(challenge), credentials, method, uri, 1, cnonce)?;
            Some((challenge.to_owned(), text))
        });
        let key = (remote, credentials.user.clone(), by_proxy);
        let Some((challenge, text)) = answered else {
            self.by.remove(&key);
            return None;
        };
        if self.by.len() >= ANSWERED_MAX && !self.by.contains_key(&key) {
            let oldest = self.by.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.by.remove(&key));
        }
        self.uses += 1;
        self.by.insert(key, Session { challenge, nc: 1, used: self.uses });
        Some(text)
    }

    /// The answer to what the peer asked before; `None` if nothing is known of it.
    pub(crate) fn again(
        &mut self,
        remote: SocketAddr,
        by_proxy: bool,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Option<String> {
        let session = self.by.get_mut(&(remote, credentials.user.clone(), by_proxy))?;
        self.uses += 1;
        (session.used, session.nc) = (self.uses, session.nc.checked_add(1)?);
        answer(std::iter::once(&*session.challenge), credentials, method, uri, session.nc, cnonce)
    }

    /// The peer refused our answer.
    pub(crate) fn refused(&mut self, remote: SocketAddr, by_proxy: bool, credentials: &Credentials) {
        self.by.remove(&(remote, credentials.user.clone(), by_proxy));
    }
}

/// Answers the first challenge that can be answered: the value for (Proxy-)Authorization. `None` when there is none.
pub fn answer<'a>(
    challenges: impl Iterator<Item = &'a str>,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    nc: u32,
    cnonce: &str,
) -> Option<String> {
    for header in challenges.take(8) {
        let Some(challenge) = Challenge::parse(header).filter(|c| c.is_digest()) else { continue };
        let algorithm = challenge.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::from_text);
        let (Some(algorithm), Some(realm), Some(nonce)) = (algorithm, challenge.get("realm"), challenge.get("nonce"))
        else {
            continue;
        };
        let user = credentials.user.as_str();
        let ha1 = match &credentials.secret {
            Secret::Password(password) => Some(algorithm.hex_of(&[user, realm, password])),
            Secret::Ha1(ha1) => ha1.hex(algorithm),
        };
        let Some(ha1) = ha1 else { continue };
        let ha2 = algorithm.hex_of(&[method, uri]);
        let nc = format!("{nc:08x}");
        let auth = challenge.get("qop").map(|qop| qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        let (response, tail) = match auth {
            Some(true) => (
                algorithm.hex_of(&[&ha1, nonce, &nc, cnonce, "auth", &ha2]),
                format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""),
            ),
            // Only auth-int is on offer.
            Some(false) => continue,
            None => (algorithm.hex_of(&[&ha1, nonce, &ha2]), String::new()),
        };
        let opaque = challenge.get("opaque").map(|o| format!(", opaque=\"{}\"", escape(o))).unwrap_or_default();
        return Some(format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\", algorithm={}{tail}{opaque}",
            escape(user),
            escape(realm),
            escape(nonce),
            algorithm.text(),
        ));
    }
    None
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
