//! Where a message comes from or goes to: transport and addresses.

use std::net::SocketAddr;

/// A transport protocol. Secure and WebSocket transports will be further variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// True when the transport itself repeats what is lost.
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// As written in Via: `UDP`.
    pub fn via_text(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// As written in a URI parameter: `udp`.
    pub fn param_text(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// One connection of a stream transport, numbered by the caller; numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One way to a peer: what a datagram or a connection is addressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    pub transport: Transport,
    /// Our socket. For a connection still to be opened the port may be 0.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The connection to use. `None` on a stream transport: use one that is open to `remote`, or open one.
    pub conn: Option<ConnId>,
}

impl Hop {
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, conn: None }
    }

    pub fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, local, remote, conn: None }
    }
}
