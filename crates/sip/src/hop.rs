//! Where a message comes from or goes to: transport and addresses.

use std::net::SocketAddr;

/// A transport protocol. WebSocket will be a further variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1).
    Tls,
}

impl Transport {
    /// True when the transport itself repeats what is lost.
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// As written in Via: `UDP`.
    pub fn via_text(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As written in a URI parameter: `udp`.
    pub fn param_text(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Where a peer listens that names no port (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// True when nobody on the way can read or change what is sent: keys may be told.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
            Self::Tls => true,
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

    pub fn tls(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Tls, local, remote, conn: None }
    }
}
