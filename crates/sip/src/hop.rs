//! Where a message comes from or goes to: transport and addresses.

use std::net::SocketAddr;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1).
    Tls,
    /// WebSocket (RFC 7118): each of its messages is one of SIP's.
    Ws,
    /// The same over TLS.
    Wss,
}

impl Transport {
    /// True when the transport itself repeats what is lost.
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// As written in Via: `UDP`.
    pub fn via_text(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As written in a URI parameter: `udp`. Both ways of WebSocket have the same (RFC 7118 §5.2).
    pub fn param_text(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// Where a peer listens that names no port (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// True when nobody on the way can read or change what is sent: keys may be told.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Ws => false,
            Self::Tls | Self::Wss => true,
        }
    }

    /// True for WebSocket: only the peer can connect, and what is for him goes down his connection alone.
    pub fn is_web(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Tls => false,
            Self::Ws | Self::Wss => true,
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
