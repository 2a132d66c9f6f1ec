//! SRTP of one session: protects what leaves, opens what comes, with the primitives of `aws-lc-rs`. Called by [`super`],
//! which gets the master keys from the DTLS handshake (see [`super::dtls`]).
//!
//! str0m could do this, at the price of driving its whole session twice for each packet (decision 27). Here a packet is
//! one index, one pass of the cipher and one tag. The profiles are those of the handshake: AES-GCM with 256 or 128 bits
//! and, for peers without it, AES in counter mode with HMAC-SHA1.
//!
//! Source: RFC 3711 §3.3 (processing, index, replay), §4.3 (key derivation); RFC 5764 §4.2 (master keys); RFC 7714 (GCM).
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use media::rtp;

/// Octets that protection adds to an RTP packet at most.
const GCM_TAG: usize = 16;
/// HMAC-SHA1, cut to 80 bits.
const CM_TAG: usize = 10;
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

/// What the handshake agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    AesCm128,
    Gcm128,
    Gcm256,
}

impl Profile {
    fn key_len(self) -> usize {
        if self == Self::Gcm256 { 32 } else { 16 }
    }

    fn salt_len(self) -> usize {
        if self == Self::AesCm128 { 14 } else { 12 }
    }
}

/// The keys of one kind of packet (RTP or RTCP) in one direction.
enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Cm { key: EncryptingKey, auth: hmac::Key, salt: [u8; 14] },
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
        if profile == Profile::AesCm128 {
            let (mut auth, mut salt) = ([0; 20], [0; 14]);
            derive(LABEL_AUTH, &mut auth)?;
            derive(LABEL_SALT, &mut salt)?;
            let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
            return Ok(Self::Cm { key: counter_key(profile, key)?, auth, salt });
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
            Self::Cm { .. } => CM_TAG,
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
            Self::Cm { key, auth, salt } => {
                let payload = packet.get_mut(clear..).ok_or(Unspecified)?;
                key.less_safe_encrypt(payload, cm_iv(salt, ssrc, index))?;
                let tag = cm_tag(auth, packet, index);
                packet.extend_from_slice(&tag.as_ref()[..CM_TAG]);
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
            Self::Cm { key, auth, salt } => {
                verify_slices_are_equal(&cm_tag(auth, sealed, index).as_ref()[..CM_TAG], tag)?;
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
            Self::Cm { key, auth, salt } => {
                let body = packet.get_mut(RTCP_CLEAR..).ok_or(Unspecified)?;
                key.less_safe_encrypt(body, cm_iv(salt, ssrc, index.into()))?;
                packet.extend_from_slice(&word);
                let tag = hmac::sign(auth, packet);
                packet.extend_from_slice(&tag.as_ref()[..CM_TAG]);
            }
        }
        Ok(())
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

/// Both directions of one session.
pub(super) struct Srtp {
    out_rtp: Cipher,
    out_rtcp: Cipher,
    out_rtcp_index: u32,
    in_rtp: Cipher,
    streams: Vec<Stream>,
}

impl Srtp {
    /// `material` is what the handshake exports (RFC 5764 §4.2): the client's key, the server's, the client's salt, the
    /// server's. `None` if it is too short.
    pub(super) fn new(profile: Profile, material: &[u8], is_client: bool) -> Option<Self> {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let keys = material.get(..2 * key)?;
        let salts = material.get(2 * key..2 * (key + salt))?;
        let (client, server) = ((&keys[..key], &salts[..salt]), (&keys[key..], &salts[salt..]));
        let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
        Some(Self {
            out_rtp: Cipher::new(profile, ours.0, ours.1, 0).ok()?,
            out_rtcp: Cipher::new(profile, ours.0, ours.1, LABELS_RTCP).ok()?,
            out_rtcp_index: RTCP_FIRST,
            in_rtp: Cipher::new(profile, theirs.0, theirs.1, 0).ok()?,
            streams: Vec::new(),
        })
    }

    /// Protects a packet with a plain header of [`rtp::HEADER_LEN`] octets. The sequence number in it must be that of
    /// `index`, which no other packet of this SSRC may have had. False if it cannot be protected: then it must not leave.
    pub(super) fn seal(&self, ssrc: u32, index: u64, packet: &mut Vec<u8>) -> bool {
        self.out_rtp.seal_rtp(ssrc, index, rtp::HEADER_LEN, packet).is_ok()
    }

    /// Protects a compound RTCP packet.
    pub(super) fn seal_rtcp(&mut self, ssrc: u32, packet: &mut Vec<u8>) -> bool {
        // A packet every few seconds for a hundred years.
        let index = self.out_rtcp_index;
        self.out_rtcp_index = (index + 1) & !RTCP_ENCRYPTED;
        self.out_rtcp.seal_rtcp(ssrc, index, packet).is_ok()
    }

    /// Leaves the plain packet in `out` and answers whether it is the newest of its source; `None` if it is forged, a
    /// repetition or too old.
    pub(super) fn open(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Option<bool> {
        let (header, clear) = rtp::Header::parse(packet)?;
        let ssrc = header.ssrc;
        let at = self.streams.iter().position(|stream| stream.ssrc == ssrc);
        let mut stream = match at {
            Some(at) => *self.streams.get(at)?,
            None if self.streams.len() < STREAMS_MAX => Stream { ssrc, highest: header.sequence.into(), seen: 0 },
            None => return None,
        };
        let index = stream.index(header.sequence);
        if !stream.is_new(index) {
            return None;
        }
        self.in_rtp.open_rtp(ssrc, index, clear, packet, out).ok()?;
        let is_newest = index >= stream.highest;
        stream.note(index);
        match at.and_then(|at| self.streams.get_mut(at)) {
            Some(place) => *place = stream,
            None => self.streams.push(stream),
        }
        Some(is_newest)
    }
}

#[cfg(test)]
mod tests;
