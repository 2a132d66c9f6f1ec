//! SRTP of one session: protects what leaves, opens what comes, with the primitives of `aws-lc-rs`. Called by `webrtc`,
//! which gets the master keys from the DTLS handshake, and by the media thread, whose SIP phones name theirs in their session
//! descriptions (SDES).
//!
//! str0m could do this for browsers, at the price of driving its whole session twice for each packet (decision 27). Here a
//! packet is one index, one pass of the cipher and one tag: AES-GCM with 256 or 128 bits, or AES in counter mode with
//! HMAC-SHA1.
//!
//! Source: RFC 3711 §3.3 (processing, index, replay), §3.4 (SRTCP), §4.3 (key derivation); RFC 5764 §4.2 (master keys); RFC 7714
//! (GCM); RFC 4568 §6.2 (suites).
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use media::rtp;
use sip::sdp::{Keys, Suite};
use switch::SrtpNumbers;

/// Octets that protection adds to an RTP packet at most.
const GCM_TAG: usize = 16;
/// HMAC-SHA1, cut to 80 bits; RTCP always has that (RFC 4568 §6.2.2).
const CM_TAG: usize = 10;
/// The same, cut to 32 bits.
const CM_TAG_SHORT: usize = 4;
/// Octets of an SRTCP packet that stay readable: the first word and the sender's SSRC.
const RTCP_CLEAR: usize = 8;
/// Set in the index word of an SRTCP packet that is encrypted.
const RTCP_ENCRYPTED: u32 = 1 << 31;
/// Index of our first RTCP packet. str0m has the same keys and counts its own from zero: a goodbye when a session is closed,
/// nothing more. No index may serve twice.
const RTCP_FIRST: u32 = 1 << 30;
/// Sources of one peer over its life; a browser has one for each line and keeps it. State is never thrown away, or old
/// packets could be played back.
const STREAMS_MAX: usize = 16;

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    AesCm128,
    /// With a short tag in RTP.
    AesCm128Short,
    Gcm128,
    Gcm256,
}

impl From<Suite> for Profile {
    fn from(suite: Suite) -> Self {
        match suite {
            Suite::AesCm128Sha1_80 => Self::AesCm128,
            Suite::AesCm128Sha1_32 => Self::AesCm128Short,
            Suite::AeadAes128Gcm => Self::Gcm128,
            Suite::AeadAes256Gcm => Self::Gcm256,
        }
    }
}

impl Profile {
    fn is_cm(self) -> bool {
        matches!(self, Self::AesCm128 | Self::AesCm128Short)
    }

    fn key_len(self) -> usize {
        if self == Self::Gcm256 { 32 } else { 16 }
    }

    fn salt_len(self) -> usize {
        if self.is_cm() { 14 } else { 12 }
    }
}

/// The keys of one kind of packet (RTP or RTCP) in one direction.
enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Cm { key: EncryptingKey, auth: hmac::Key, salt: [u8; 14], tag_len: usize },
}

/// Labels of the derived keys; those of RTCP are three more.
const LABEL_CIPHER: u8 = 0;
const LABEL_AUTH: u8 = 1;
const LABEL_SALT: u8 = 2;
const LABELS_RTCP: u8 = 3;

/// Fills `out` with the key of this label: RFC 3711 §4.3.3, for 256 bits RFC 6188 §3.
fn derive(profile: Profile, key: &[u8], salt: &[u8], label: u8, out: &mut [u8]) -> Result<(), Unspecified> {
    // A salt of 96 bits is followed by zeros (RFC 7714 §11).
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    out.fill(0);
    counter_key(profile, key)?.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv)))?;
    Ok(())
}

fn counter_key(profile: Profile, key: &[u8]) -> Result<EncryptingKey, Unspecified> {
    let algorithm = if profile == Profile::Gcm256 { &AES_256 } else { &AES_128 };
    EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key)?)
}

impl Cipher {
    fn new(profile: Profile, master: &[u8], master_salt: &[u8], labels: u8) -> Result<Self, Unspecified> {
        let derive = |label, out: &mut [u8]| derive(profile, master, master_salt, labels + label, out);
        let mut key = [0; 32];
        let key = &mut key[..profile.key_len()];
        derive(LABEL_CIPHER, key)?;
        if profile.is_cm() {
            let (mut auth, mut salt) = ([0; 20], [0; 14]);
            derive(LABEL_AUTH, &mut auth)?;
            derive(LABEL_SALT, &mut salt)?;
            let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
            let is_short = profile == Profile::AesCm128Short && labels == 0;
            let tag_len = if is_short { CM_TAG_SHORT } else { CM_TAG };
            return Ok(Self::Cm { key: counter_key(profile, key)?, auth, salt, tag_len });
        }
        let mut salt = [0; 12];
        derive(LABEL_SALT, &mut salt)?;
        Self::gcm(profile, key, salt)
    }

    fn gcm(profile: Profile, key: &[u8], salt: [u8; 12]) -> Result<Self, Unspecified> {
        let algorithm = if profile == Profile::Gcm256 { &AES_256_GCM } else { &AES_128_GCM };
        Ok(Self::Gcm { key: LessSafeKey::new(UnboundKey::new(algorithm, key)?), salt })
    }

    fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG,
            Self::Cm { tag_len, .. } => *tag_len,
        }
    }

    /// Encrypts the packet from `clear` on and appends the tag, `index` being its 48 bits.
    fn seal_rtp(&self, ssrc: u32, index: u64, clear: usize, packet: &mut Vec<u8>) -> Result<(), Unspecified> {
        match self {
            Self::Gcm { key, salt } => {
                let (header, payload) = packet.split_at_mut_checked(clear).ok_or(Unspecified)?;
                let tag = key.seal_in_place_separate_tag(gcm_nonce(salt, ssrc, index), Aad::from(&*header), payload)?;
                packet.extend_from_slice(tag.as_ref());
            }
            Self::Cm { key, auth, salt, tag_len } => {
                let payload = packet.get_mut(clear..).ok_or(Unspecified)?;
                key.less_safe_encrypt(payload, cm_iv(salt, ssrc, index))?;
                let tag = cm_tag(auth, packet, index);
                packet.extend_from_slice(&tag.as_ref()[..*tag_len]);
            }
        }
        Ok(())
    }

    /// Leaves the plain packet in `out`, if the tag is right.
    fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        clear: usize,
        packet: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unspecified> {
        let sealed = packet.len().checked_sub(self.tag_len()).filter(|end| *end >= clear).ok_or(Unspecified)?;
        let (sealed, tag) = packet.split_at(sealed);
        out.clear();
        match self {
            Self::Gcm { key, salt } => {
                let (header, payload) = sealed.split_at(clear);
                out.extend_from_slice(header);
                out.resize(sealed.len(), 0);
                let nonce = gcm_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(header), payload, tag, &mut out[clear..])?;
            }
            Self::Cm { key, auth, salt, tag_len } => {
                verify_slices_are_equal(&cm_tag(auth, sealed, index).as_ref()[..*tag_len], tag)?;
                out.extend_from_slice(sealed);
                key.less_safe_encrypt(&mut out[clear..], cm_iv(salt, ssrc, index))?;
            }
        }
        Ok(())
    }

    /// Protects a compound RTCP packet of `ssrc`, `index` being its 31 bits.
    fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut Vec<u8>) -> Result<(), Unspecified> {
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let (header, body) = packet.split_at_mut_checked(RTCP_CLEAR).ok_or(Unspecified)?;
                let mut known = [0; RTCP_CLEAR + 4];
                known[..RTCP_CLEAR].copy_from_slice(header);
                known[RTCP_CLEAR..].copy_from_slice(&word);
                // The index fills the last four octets, where RTP has roll-over counter and sequence number in six.
                let nonce = gcm_nonce(salt, ssrc, index.into());
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(known), body)?;
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&word);
            }
            Self::Cm { key, auth, salt, tag_len } => {
                let body = packet.get_mut(RTCP_CLEAR..).ok_or(Unspecified)?;
                key.less_safe_encrypt(body, cm_iv(salt, ssrc, index.into()))?;
                packet.extend_from_slice(&word);
                let tag = hmac::sign(auth, packet);
                packet.extend_from_slice(&tag.as_ref()[..*tag_len]);
            }
        }
        Ok(())
    }

    /// Leaves the plain compound packet in `out`; the sender's SSRC and the index. Only encrypted ones are taken.
    fn open_rtcp(
        &self,
        packet: &[u8],
        is_new: impl FnOnce(u32, u32) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<(u32, u32), Unspecified> {
        let behind = if matches!(self, Self::Cm { .. }) { self.tag_len() } else { 0 };
        let end = packet.len().checked_sub(behind + 4).filter(|end| *end >= RTCP_CLEAR).ok_or(Unspecified)?;
        let word = u32::from_be_bytes(packet[end..end + 4].try_into().map_err(|_| Unspecified)?);
        let ssrc = u32::from_be_bytes(packet[4..RTCP_CLEAR].try_into().map_err(|_| Unspecified)?);
        let index = word & !RTCP_ENCRYPTED;
        if word & RTCP_ENCRYPTED == 0 || !is_new(ssrc, index) {
            return Err(Unspecified);
        }
        out.clear();
        match self {
            Self::Gcm { key, salt } => {
                let (header, body) = packet[..end].split_at(RTCP_CLEAR);
                let plain = body.len().checked_sub(GCM_TAG).ok_or(Unspecified)?;
                let (body, tag) = body.split_at(plain);
                let mut known = [0; RTCP_CLEAR + 4];
                known[..RTCP_CLEAR].copy_from_slice(header);
                known[RTCP_CLEAR..].copy_from_slice(&word.to_be_bytes());
                out.extend_from_slice(header);
                out.resize(RTCP_CLEAR + plain, 0);
                let nonce = gcm_nonce(salt, ssrc, index.into());
                key.open_separate_gather(nonce, Aad::from(known), body, tag, &mut out[RTCP_CLEAR..])?;
            }
            Self::Cm { key, auth, salt, tag_len } => {
                let (sealed, tag) = packet.split_at(end + 4);
                verify_slices_are_equal(&hmac::sign(auth, sealed).as_ref()[..*tag_len], tag)?;
                out.extend_from_slice(&packet[..end]);
                key.less_safe_encrypt(&mut out[RTCP_CLEAR..], cm_iv(salt, ssrc, index.into()))?;
            }
        }
        Ok((ssrc, index))
    }
}

/// RFC 7714 §8.1, §9.1: two zero octets, SSRC, index in 48 bits; then the salt.
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut iv = [0; 12];
    iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
    iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    iv.iter_mut().zip(salt).for_each(|(iv, salt)| *iv ^= salt);
    Nonce::assume_unique_for_key(iv)
}

/// RFC 3711 §4.1.1: salt, SSRC and index, then 16 bits that count blocks.
fn cm_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> EncryptionContext {
    let mut iv = [0; 16];
    iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
    iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
    iv.iter_mut().zip(salt).for_each(|(iv, salt)| *iv ^= salt);
    EncryptionContext::Iv128(FixedLength::from(iv))
}

/// Over the packet and the roll-over counter (RFC 3711 §4.2).
fn cm_tag(auth: &hmac::Key, packet: &[u8], index: u64) -> hmac::Tag {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    context.update(&((index >> 16) as u32).to_be_bytes());
    context.sign()
}

/// Received packets of one source: the highest index, and which of the 128 up to it have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stream {
    ssrc: u32,
    highest: u64,
    seen: u128,
}

impl Stream {
    /// The index that this sequence number most probably stands for (RFC 3711 appendix A).
    fn index(&self, sequence: u16) -> u64 {
        let (rollover, highest) = (self.highest >> 16, self.highest as u16);
        let ahead = i32::from(sequence) - i32::from(highest);
        let rollover = match highest {
            // From before the last roll-over; there is none before the first.
            ..0x8000 if ahead > 0x8000 => rollover.saturating_sub(1),
            0x8000.. if ahead < -0x8000 => rollover + 1,
            _ => rollover,
        };
        rollover << 16 | u64::from(sequence)
    }

    fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < 128 && self.seen >> behind & 1 == 0,
        }
    }

    /// Call with the index of an authentic packet only.
    fn note(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                self.seen = u32::try_from(ahead).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0) | 1;
                self.highest = index;
            }
            None => self.seen |= 1 << (self.highest - index),
        }
    }
}

/// The streams of one direction, by SSRC.
#[derive(Debug, Default)]
struct Streams(Vec<Stream>);

impl Streams {
    /// The stream as it is, or as it would begin with this index; none when there are too many.
    fn get(&self, ssrc: u32, first: u64) -> Option<Stream> {
        match self.0.iter().find(|stream| stream.ssrc == ssrc) {
            Some(stream) => Some(*stream),
            None => (self.0.len() < STREAMS_MAX).then_some(Stream { ssrc, highest: first, seen: 0 }),
        }
    }

    fn put(&mut self, stream: Stream) {
        match self.0.iter_mut().find(|known| known.ssrc == stream.ssrc) {
            Some(known) => *known = stream,
            None => self.0.push(stream),
        }
    }
}

/// What leaves.
struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
    /// Of [`Srtp::seal_next`].
    streams: Streams,
}

/// What comes.
struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    streams: Streams,
    rtcp_streams: Streams,
}

/// Both directions of one session.
pub(crate) struct Srtp {
    out: Outbound,
    inn: Inbound,
    /// Those of SDES, to know what is new about the next.
    keys: Option<Keys>,
}

impl Outbound {
    fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let cipher = |labels| Cipher::new(profile, key, salt, labels).ok();
        Some(Self { rtp: cipher(0)?, rtcp: cipher(LABELS_RTCP)?, rtcp_index: RTCP_FIRST, streams: Streams::default() })
    }
}

impl Inbound {
    fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let cipher = |labels| Cipher::new(profile, key, salt, labels).ok();
        let (streams, rtcp_streams) = Default::default();
        Some(Self { rtp: cipher(0)?, rtcp: cipher(LABELS_RTCP)?, streams, rtcp_streams })
    }
}

impl Srtp {
    /// `material` is what the handshake exports (RFC 5764 §4.2): the client's key, the server's, the client's salt, the
    /// server's. `None` if it is too short.
    pub(crate) fn new(profile: Profile, material: &[u8], is_client: bool) -> Option<Self> {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let keys = material.get(..2 * key)?;
        let salts = material.get(2 * key..2 * (key + salt))?;
        let (client, server) = ((&keys[..key], &salts[..salt]), (&keys[key..], &salts[salt..]));
        let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
        let (out, inn) = (Outbound::new(profile, ours.0, ours.1)?, Inbound::new(profile, theirs.0, theirs.1)?);
        Some(Self { out, inn, keys: None })
    }

    /// By keys that session descriptions named.
    pub(crate) fn by_sdes(keys: Keys) -> Option<Self> {
        let out = Outbound::new(keys.ours.suite().into(), keys.ours.key(), keys.ours.salt())?;
        let inn = Inbound::new(keys.theirs.suite().into(), keys.theirs.key(), keys.theirs.salt())?;
        Some(Self { out, inn, keys: Some(keys) })
    }

    /// Goes on with these keys. A direction whose key stays goes on counting: no index may serve twice.
    pub(crate) fn rekey(self, keys: Keys) -> Option<Self> {
        let mut fresh = Self::by_sdes(keys)?;
        if self.keys.is_some_and(|old| old.ours == keys.ours) {
            fresh.out = self.out;
        }
        if self.keys.is_some_and(|old| old.theirs == keys.theirs) {
            fresh.inn = self.inn;
        }
        Some(fresh)
    }

    /// Where both directions stand, by the newest stream of each.
    pub(crate) fn numbers(&self) -> SrtpNumbers {
        let newest = |streams: &Streams| streams.0.last().map(|stream| (stream.ssrc, stream.highest));
        SrtpNumbers {
            sent: newest(&self.out.streams),
            received: newest(&self.inn.streams),
            reports: self.out.rtcp_index,
        }
    }

    /// Goes on where a former process told its [`Srtp::numbers`] last. The caller begins its sequence numbers so far ahead
    /// that what was sent since is passed over, and the number of reports is that many ahead, too.
    pub(crate) fn resume(&mut self, numbers: SrtpNumbers) {
        let stream = |(ssrc, highest)| Stream { ssrc, highest, seen: u128::MAX };
        self.out.streams.0.extend(numbers.sent.map(stream));
        self.inn.streams.0.extend(numbers.received.map(stream));
        self.out.rtcp_index = numbers.reports & !RTCP_ENCRYPTED;
    }

    /// Protects a packet with a plain header of [`rtp::HEADER_LEN`] octets. The sequence number in it must be that of
    /// `index`, which no other packet of this SSRC may have had. False if it cannot be protected: then it must not leave.
    pub(crate) fn seal(&self, ssrc: u32, index: u64, packet: &mut Vec<u8>) -> bool {
        self.out.rtp.seal_rtp(ssrc, index, rtp::HEADER_LEN, packet).is_ok()
    }

    /// The same, the index being found by the sequence numbers so far. One that has been is not sent again.
    pub(crate) fn seal_next(&mut self, packet: &mut Vec<u8>) -> bool {
        let Some((header, rtp::HEADER_LEN)) = rtp::Header::parse(packet) else { return false };
        let Some(mut stream) = self.out.streams.get(header.ssrc, header.sequence.into()) else { return false };
        let index = stream.index(header.sequence);
        if !stream.is_new(index) {
            return false;
        }
        stream.note(index);
        self.out.streams.put(stream);
        self.seal(header.ssrc, index, packet)
    }

    /// Protects a compound RTCP packet.
    pub(crate) fn seal_rtcp(&mut self, ssrc: u32, packet: &mut Vec<u8>) -> bool {
        // A packet every few seconds for a hundred years.
        let index = self.out.rtcp_index;
        self.out.rtcp_index = (index + 1) & !RTCP_ENCRYPTED;
        self.out.rtcp.seal_rtcp(ssrc, index, packet).is_ok()
    }

    /// Leaves the plain packet in `out` and answers whether it is the newest of its source; `None` if it is forged, a
    /// repetition or too old.
    pub(crate) fn open(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Option<bool> {
        let (header, clear) = rtp::Header::parse(packet)?;
        let mut stream = self.inn.streams.get(header.ssrc, header.sequence.into())?;
        let index = stream.index(header.sequence);
        if !stream.is_new(index) {
            return None;
        }
        self.inn.rtp.open_rtp(header.ssrc, index, clear, packet, out).ok()?;
        let is_newest = index >= stream.highest;
        stream.note(index);
        self.inn.streams.put(stream);
        Some(is_newest)
    }

    /// Leaves the plain compound packet in `out`; false as for [`Srtp::open`].
    pub(crate) fn open_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        let streams = &self.inn.rtcp_streams;
        let is_new = |ssrc, index: u32| streams.get(ssrc, index.into()).is_some_and(|s| s.is_new(index.into()));
        let Ok((ssrc, index)) = self.inn.rtcp.open_rtcp(packet, is_new, out) else { return false };
        if let Some(mut stream) = self.inn.rtcp_streams.get(ssrc, index.into()) {
            stream.note(index.into());
            self.inn.rtcp_streams.put(stream);
        }
        true
    }
}

#[cfg(test)]
mod tests;
