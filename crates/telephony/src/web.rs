//! SIP phones on WebSockets (RFC 7118): the web server carries their messages, this is its way in and out. The control thread
//! knows each by the number of its connection, like those of TCP.
//!
//! Contract: nothing waits here. A message for which there is no room comes back, and whoever carries it reads no further
//! meanwhile; a phone that takes no messages is given up.
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::Sender;
use sip::{ConnId, Hop, Transport};

use crate::handle::Busy;
use crate::net::canonical;
use crate::wake::Wake;

/// Takes one SIP message for the phone, which it must not wait for; false when it cannot, which ends the connection.
pub type ToPhone = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Connections of WebSockets are numbered apart from those that the control thread numbers.
const FIRST: u64 = 1 << 62;

pub(crate) enum FromWeb {
    Opened { conn: ConnId, transport: Transport, local: SocketAddr, remote: SocketAddr, phone: Phone },
    Message { conn: ConnId, bytes: Vec<u8> },
    Closed { conn: ConnId },
}

/// The way to one phone.
pub(crate) struct Phone {
    to: ToPhone,
    is_gone: Arc<AtomicBool>,
}

/// Where connections of phones come in. Cloning copies pointers.
#[derive(Clone)]
pub struct WebDoor {
    to: Sender<FromWeb>,
    wake: Arc<Wake>,
    next: Arc<AtomicU64>,
}

impl WebDoor {
    pub(crate) fn new(to: Sender<FromWeb>, wake: Arc<Wake>) -> Self {
        Self { to, wake, next: Arc::new(AtomicU64::new(FIRST)) }
    }

    /// A phone has connected. The control thread drops `to` when it turns the phone away or gives it up.
    ///
    /// # Errors
    /// [`Busy`]: too much waits for telephony; the phone should come again.
    pub fn open(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        is_secure: bool,
        to: ToPhone,
    ) -> Result<WebPhone, Busy<()>> {
        let conn = ConnId(self.next.fetch_add(1, Ordering::Relaxed));
        let transport = if is_secure { Transport::Wss } else { Transport::Ws };
        let is_gone = Arc::new(AtomicBool::new(false));
        let phone = Phone { to, is_gone: is_gone.clone() };
        let (local, remote) = (canonical(local), canonical(remote));
        self.send(FromWeb::Opened { conn, transport, local, remote, phone }).map_err(|_| Busy(()))?;
        Ok(WebPhone { door: self.clone(), conn, is_gone })
    }

    fn send(&self, event: FromWeb) -> Result<(), FromWeb> {
        self.to.try_send(event).map_err(crossbeam_channel::TrySendError::into_inner)?;
        self.wake.wake();
        Ok(())
    }
}

/// The connection of one phone; dropping it says that the connection is closed.
pub struct WebPhone {
    door: WebDoor,
    conn: ConnId,
    is_gone: Arc<AtomicBool>,
}

impl WebPhone {
    /// A message came.
    ///
    /// # Errors
    /// [`Busy`] with the message: offer it again a little later, and read nothing more before.
    pub fn message(&self, bytes: Vec<u8>) -> Result<(), Busy<Vec<u8>>> {
        match self.door.send(FromWeb::Message { conn: self.conn, bytes }) {
            Err(FromWeb::Message { bytes, .. }) => Err(Busy(bytes)),
            _ => Ok(()),
        }
    }
}

impl Drop for WebPhone {
    fn drop(&mut self) {
        // Where there is no room for the word, the next sweep finds it.
        self.is_gone.store(true, Ordering::Relaxed);
        let _ = self.door.send(FromWeb::Closed { conn: self.conn });
    }
}

/// Phones that are connected. Held by [`crate::control::sip_io`].
#[derive(Default)]
pub(crate) struct WebConns(HashMap<ConnId, (SocketAddr, Phone)>);

impl WebConns {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn knows(&self, conn: ConnId) -> bool {
        self.0.contains_key(&conn)
    }

    pub(crate) fn add(&mut self, conn: ConnId, remote: SocketAddr, phone: Phone) {
        self.0.insert(conn, (remote, phone));
    }

    /// Where it was, if it was one.
    pub(crate) fn close(&mut self, conn: ConnId) -> Option<SocketAddr> {
        self.0.remove(&conn).map(|(remote, _)| remote)
    }

    pub(crate) fn send(&mut self, hop: &Hop, bytes: &[u8]) -> io::Result<()> {
        let phone = hop.conn.and_then(|conn| self.0.get_mut(&conn));
        let Some((_, phone)) = phone else { return Err(io::ErrorKind::NotConnected.into()) };
        if (phone.to)(bytes) {
            return Ok(());
        }
        phone.is_gone.store(true, Ordering::Relaxed);
        Err(io::ErrorKind::BrokenPipe.into())
    }

    pub(crate) fn gone(&self) -> Vec<ConnId> {
        self.0.iter().filter(|(_, (_, phone))| phone.is_gone.load(Ordering::Relaxed)).map(|(conn, _)| *conn).collect()
    }
}
