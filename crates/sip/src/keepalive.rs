//! Keep-alives by STUN on the socket of SIP over UDP (RFC 5626 §8): a phone behind NAT asks where its packets come from, keeps
//! its way open by that, and notices when it has become another. Keep-alives by line ends are `msg::stream`'s.
//!
//! Called by `telephony` for datagrams that are no SIP. Without state; the answer is 12 octets longer than the shortest
//! question (24 by IPv6), so that nobody gains by asking in another's name.
use std::net::{IpAddr, SocketAddr};

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0, 0x20];
/// Attributes from here on may be passed over by who does not know them (RFC 8489 §14).
const OPTIONAL: u16 = 0x8000;

/// The answer to a binding request from `remote` (RFC 8489 §6.3.1.1); `None` for any other datagram, and for requests with
/// attributes that must be understood: here, as RFC 5626 §8 has it, there are none.
pub fn stun_answer(request: &[u8], remote: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = request.split_first_chunk::<20>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0..2] != BINDING_REQUEST || header[4..8] != COOKIE || length != attributes.len() {
        return None;
    }
    let mut rest = attributes;
    while !rest.is_empty() {
        let (attribute, tail) = rest.split_first_chunk::<4>()?;
        let [kind_high, kind_low, length_high, length_low] = *attribute;
        if u16::from_be_bytes([kind_high, kind_low]) < OPTIONAL {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    // The cookie and the transaction hide addresses from NATs that would mend them.
    let mask = &header[4..20];
    let (family, octets) = match remote.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = remote.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let mut value = vec![0, family];
    value.extend(port.to_be_bytes());
    value.extend(octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    let length = u16::try_from(value.len()).ok()?;
    let mut answer = BINDING_SUCCESS.to_vec();
    answer.extend((length + 4).to_be_bytes());
    answer.extend(mask);
    answer.extend(XOR_MAPPED_ADDRESS);
    answer.extend(length.to_be_bytes());
    answer.extend(value);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, attributes.len() as u8];
        bytes.extend(COOKIE);
        bytes.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn the_addresses_of_rfc_5769_come_out() {
        // Sections 2.2 and 2.3: the same transaction, answered to 192.0.2.1:32853 and to an address of IPv6.
        let answer = stun_answer(&request(&[]), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(answer[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let six = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let answer = stun_answer(&request(&[]), six).unwrap();
        let expected = [
            0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!((&answer[..4], &answer[20..]), (&[1, 1, 0, 24][..], &expected[..]));
    }

    #[test]
    fn what_is_no_plain_binding_request_gets_no_answer() {
        let remote = "192.0.2.1:5060".parse().unwrap();
        // SOFTWARE may be passed over, USERNAME must be understood.
        assert!(stun_answer(&request(&[0x80, 0x22, 0, 1, b'x', 0, 0, 0]), remote).is_some());
        assert_eq!(stun_answer(&request(&[0, 6, 0, 1, b'x', 0, 0, 0]), remote), None);
        let whole = request(&[0x80, 0x22, 0, 1, b'x', 0, 0, 0]);
        for cut in 0..whole.len() {
            assert_eq!(stun_answer(&whole[..cut], remote), None, "cut at {cut}");
        }
        assert_eq!(stun_answer(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", remote), None);
    }
}
