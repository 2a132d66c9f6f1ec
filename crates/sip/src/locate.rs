//! Where a domain's SIP servers are (RFC 3263 §4): the name under which the SRV records for a transport stand, and the order
//! in which what they name is tried (RFC 2782). Called by whoever asks name servers. Pure: chance is handed in.

use crate::hop::Transport;

/// One server that a domain names (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones are tried first.
    pub priority: u16,
    /// Among equals of priority, its share of being first.
    pub weight: u16,
    pub port: u16,
    /// Without the dot at its end; empty if the service is decidedly not there.
    pub target: String,
}

/// The name to ask for SRV records, as `_sips._tcp.example.com`; `None` where there are none by definition (RFC 7118 has none
/// of its own).
pub fn srv_name(transport: Transport, host: &str) -> Option<String> {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(format!("{service}.{}", host.trim_end_matches('.')))
}

/// What a domain says of one of its services (RFC 3403, RFC 3263 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones come first, and of equals the lower preference.
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    /// As `SIP+D2U`.
    pub service: String,
    /// The name of its SRV records; empty for a record that rewrites instead.
    pub replacement: String,
}

/// The names of SRV records for a transport, in the order of asking, as a domain's records say; empty where they say nothing
/// of it. The transport is settled before (RFC 3263 §4.1 for whom it is), so that records for others have no say.
pub fn services(mut records: Vec<Naptr>, transport: Transport) -> Vec<String> {
    let service = match transport {
        Transport::Udp => "SIP+D2U",
        Transport::Tcp => "SIP+D2T",
        Transport::Tls => "SIPS+D2T",
        Transport::Ws | Transport::Wss => return Vec::new(),
    };
    records.sort_by_key(|naptr| (naptr.order, naptr.preference));
    let is_meant = |naptr: &Naptr| {
        naptr.flags.eq_ignore_ascii_case("s")
            && naptr.service.eq_ignore_ascii_case(service)
            && !naptr.replacement.is_empty()
    };
    records.into_iter().filter(is_meant).map(|naptr| naptr.replacement).collect()
}

/// The order of trying: by priority, and within one at random with the chances that the weights give. `chance(n)` is a number
/// from 0 to `n`, both included.
pub fn in_turn(mut records: Vec<Srv>, mut chance: impl FnMut(u32) -> u32) -> Vec<Srv> {
    // Those of weight 0 first, so that they have a small chance (RFC 2782, "Weight").
    records.sort_by_key(|srv| (srv.priority, srv.weight));
    let mut out = Vec::with_capacity(records.len());
    while let Some(first) = records.first().map(|srv| srv.priority) {
        let equals = records.iter().take_while(|srv| srv.priority == first).count();
        let sum: u32 = records[..equals].iter().map(|srv| u32::from(srv.weight)).sum();
        let drawn = chance(sum).min(sum);
        let mut running = 0;
        let at = records[..equals].iter().position(|srv| {
            running += u32::from(srv.weight);
            running >= drawn
        });
        out.push(records.remove(at.unwrap_or(0)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    #[test]
    fn every_server_has_its_turn_once_and_the_lower_priority_first() {
        let mut seed = 7_u32;
        for round in 0..500_u16 {
            let all: Vec<Srv> = (0..round % 9).map(|n| srv(n % 3, n * round % 70, &n.to_string())).collect();
            let out = in_turn(all.clone(), |n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((u64::from(seed) * (u64::from(n) + 1)) >> 32) as u32
            });
            assert!(out.is_sorted_by_key(|srv| srv.priority), "{out:?}");
            let names = |list: &[Srv]| {
                let mut names: Vec<String> = list.iter().map(|srv| srv.target.clone()).collect();
                names.sort();
                names
            };
            assert_eq!(names(&out), names(&all));
        }
    }

    #[test]
    fn shares_are_as_the_weights_say() {
        let all = vec![srv(1, 10, "small"), srv(1, 30, "large"), srv(2, 1000, "spare")];
        let mut large = 0;
        // Every number that may be drawn, once.
        for drawn in 1..=40 {
            let out = in_turn(all.clone(), |n| if n == 40 { drawn } else { 0 });
            large += u32::from(out[0].target == "large");
            assert_eq!(out[2].target, "spare");
        }
        assert_eq!(large, 30);
    }

    #[test]
    fn a_domains_services_are_taken_in_its_order_and_for_the_transport_alone() {
        let naptr = |order, preference, flags: &str, service: &str, replacement: &str| Naptr {
            order,
            preference,
            flags: flags.to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        };
        let all = vec![
            naptr(20, 1, "s", "SIP+D2U", "third"),
            naptr(10, 9, "S", "sip+d2u", "second"),
            naptr(10, 5, "s", "SIP+D2U", "first"),
            naptr(1, 1, "s", "SIPS+D2T", "secure"),
            naptr(1, 1, "u", "E2U+sip", "a number's"),
            naptr(1, 1, "s", "SIP+D2U", ""),
        ];
        assert_eq!(services(all.clone(), Transport::Udp), ["first", "second", "third"]);
        assert_eq!(services(all.clone(), Transport::Tls), ["secure"]);
        assert!(services(all, Transport::Tcp).is_empty());
    }

    #[test]
    fn names_of_services() {
        assert_eq!(srv_name(Transport::Udp, "example.com.").as_deref(), Some("_sip._udp.example.com"));
        assert_eq!(srv_name(Transport::Tls, "example.com").as_deref(), Some("_sips._tcp.example.com"));
    }
}
