//! Listens in on the DTLS handshake for the keys of SRTP. str0m drives DTLS and does not tell what keys came out of it, but
//! it takes any [`DtlsProvider`]: this one passes everything on to the real one and keeps the keying material that the
//! real one hands out.
//!
//! str0m makes the instance of a session inside `RtcConfig::build`; the session's maker takes its [`Keys`] right after.
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

use crate::srtp::{Profile, Srtp};

/// What the handshake of one session brought.
#[derive(Default)]
pub(super) struct Keys(OnceLock<Material>);

struct Material {
    profile: Option<Profile>,
    bytes: Vec<u8>,
    is_client: bool,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// `None` before the handshake is over, or if it agreed on a profile that nobody offers today.
    pub(super) fn srtp(&self) -> Option<Srtp> {
        let material = self.0.get()?;
        Srtp::new(material.profile?, &material.bytes, material.is_client)
    }
}

/// One for all sessions.
#[derive(Debug)]
pub(super) struct Listener {
    inner: &'static dyn DtlsProvider,
    /// Of the newest instance, until its session takes them.
    newest: Mutex<Option<Arc<Keys>>>,
}

impl Listener {
    /// Puts a listener into `crypto`. It lives as long as the process, as str0m wants its providers to.
    pub(super) fn install(crypto: &mut CryptoProvider) -> &'static Self {
        let listener = Box::leak(Box::new(Self { inner: crypto.dtls_provider, newest: Mutex::default() }));
        crypto.dtls_provider = listener;
        listener
    }

    /// The keys of the session just built.
    pub(super) fn take(&self) -> Option<Arc<Keys>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl DtlsProvider for Listener {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.inner.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        dtls_version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = self.inner.new_dtls(cert, now, dtls_version, mtu)?;
        let keys: Arc<Keys> = Arc::default();
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys.clone());
        Ok(Box::new(Instance { inner, keys }))
    }
}

#[derive(Debug)]
struct Instance {
    inner: Box<dyn DtlsInstance>,
    keys: Arc<Keys>,
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let is_client = self.inner.is_active();
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let profile = match *profile {
                SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::AesCm128),
                SrtpProfile::AEAD_AES_128_GCM => Some(Profile::Gcm128),
                SrtpProfile::AEAD_AES_256_GCM => Some(Profile::Gcm256),
                _ => None,
            };
            // There is one handshake in an instance's life.
            let _ = self.keys.0.set(Material { profile, bytes: material.to_vec(), is_client });
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
