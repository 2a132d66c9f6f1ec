//! Addresses on the wire: Via and Contact of ours, where responses and in-dialog requests go, reason phrases.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::types::Config;
use crate::hop::{Hop, Transport};
use crate::msg::{Method, Scheme, Uri, Via};

/// Methods we serve.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, REGISTER";
/// Extensions we know: session timers (RFC 4028), reliable provisional responses (RFC 3262), calls that take the place of
/// others (RFC 3891).
pub(super) const SUPPORTED: &str = "100rel, timer, replaces";
/// The same where a reliable response could bring an offer, which we answer in no PRACK.
pub(super) const SUPPORTED_WITHOUT_OFFER: &str = "timer, replaces";

/// What our registrar knows: proxies in front of phones (RFC 3327), and phones with several ways to us (RFC 5626).
pub(super) const SUPPORTED_OF_PHONES: &str = "path, outbound";

/// Is this option one of ours?
pub(super) fn is_supported(method: &Method, option: &str) -> bool {
    let known = if *method == Method::Register { SUPPORTED_OF_PHONES } else { SUPPORTED };
    known.split(", ").any(|known| known.eq_ignore_ascii_case(option))
}

/// `host:port` of ours as `hop`'s peer can reach it.
pub(super) fn own_address(config: &Config, hop: &Hop) -> String {
    let remote = hop.remote.ip().to_canonical();
    let local = hop.local.ip().to_canonical();
    let ip = match (remote.is_loopback(), remote) {
        (true, IpAddr::V4(_)) if !local.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (true, IpAddr::V6(_)) if !local.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        (true, _) => local,
        (false, _) => config.advertise.unwrap_or(local),
    };
    let port = match hop.transport {
        Transport::Udp | Transport::Ws | Transport::Wss => hop.local.port(),
        Transport::Tcp => config.tcp_port,
        Transport::Tls => config.tls_port,
    };
    SocketAddr::new(ip, port).to_string()
}

/// Via value of a request of ours; `rport` asks the peer to answer where it came from (RFC 3581).
pub(super) fn own_via(config: &Config, hop: &Hop, branch: &str) -> String {
    format!("SIP/2.0/{} {};branch={branch};rport", hop.transport.via_text(), own_address(config, hop))
}

/// Contact value of ours in a request to `target`, or in answer to one that named `target`: who asks for `sips` gets `sips`
/// (RFC 3261 §8.1.1.8, §12.1.1).
pub(super) fn own_contact(config: &Config, hop: &Hop, user: Option<&str>, target: &Uri) -> String {
    let address = own_address(config, hop);
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let transport = match hop.transport {
        Transport::Udp => String::new(),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            format!(";transport={}", hop.transport.param_text())
        }
    };
    match target.scheme {
        // `transport=tls` means nothing more there (RFC 5630 §3.1.4).
        Scheme::Sips => format!("<sips:{user}{address}>"),
        _ => format!("<sip:{user}{address}{transport}>"),
    }
}

/// True when the sender's own idea of its address is not where it was seen.
pub(super) fn is_natted(via: &Via, source: &Hop) -> bool {
    let host = via.host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().map(|ip| ip.to_canonical()) != Ok(source.remote.ip().to_canonical())
}

/// Where the response to a request from `source` goes (RFC 3261 §18.2.2, RFC 3581). `maddr` is ignored: following it would
/// let anybody point us at others. A sender behind NAT that did not ask for rport is answered at its source all the same.
pub(super) fn reply_hop(via: &Via, source: &Hop) -> Hop {
    if source.transport.is_reliable() || via.params.has("rport") || is_natted(via, source) {
        return *source;
    }
    let mut hop = *source;
    hop.remote.set_port(via.port.unwrap_or(5060));
    hop
}

/// Where a request within a dialog goes. Names are not resolved here and private addresses do not cross NAT; in both cases
/// the way the peer was last heard is the better one. Over TLS and WebSocket that way is the only one: it leads to whom we know
/// (connections are used both ways, RFC 5923).
pub(super) fn dialog_hop(next: &Uri, source: &Hop, is_natted: bool) -> Hop {
    if source.transport.is_secure() || source.transport.is_web() {
        return *source;
    }
    let Some(ip) = next.host_ip().map(|ip| ip.to_canonical()) else { return *source };
    let seen = source.remote.ip().to_canonical();
    // An address of the other family is another way, by which nothing was heard yet: its own side of us would be another, too.
    if ip.is_ipv4() != seen.is_ipv4() {
        return *source;
    }
    if ip == seen && source.transport.is_reliable() {
        return *source;
    }
    if ip != seen && (is_natted || (is_private(ip) && !is_private(seen)) || ip.is_unspecified() || ip.is_multicast()) {
        return *source;
    }
    let remote = SocketAddr::new(ip, next.port.unwrap_or(5060));
    Hop { remote, conn: None, ..*source }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 is carrier NAT (RFC 6598).
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Reason phrase of a status.
pub(super) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        202 => "Accepted",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        410 => "Gone",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirected",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
