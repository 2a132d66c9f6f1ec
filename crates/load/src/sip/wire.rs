//! Just enough of SIP's text to place and take calls: reads first line, headers and body of a datagram; nothing is
//! normalised. Called by [`crate::phones`]. What cannot be read is no message (`None`), never a panic.

/// A message as it came, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub first: &'a str,
    head: &'a str,
    pub body: &'a str,
}

impl<'a> Wire<'a> {
    pub fn parse(datagram: &'a [u8]) -> Option<Wire<'a>> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (first, head) = head.split_once("\r\n")?;
        Some(Wire { first, head, body })
    }

    /// Of a response.
    pub fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// Of a request.
    pub fn method(&self) -> Option<&'a str> {
        let (method, rest) = self.first.split_once(' ')?;
        rest.ends_with(" SIP/2.0").then_some(method)
    }

    /// All headers, names as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.head.split("\r\n").filter_map(|line| line.split_once(':')).map(|(n, v)| (n.trim(), v.trim()))
    }

    /// The first value of a header by its long or compact name (RFC 3261 §7.3.3).
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(n, _)| is_name(n, name)).map(|(_, value)| value)
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// Where the session description wants the sound: address of `c=`, port of the first `m=audio`.
    pub fn media(&self) -> Option<std::net::SocketAddr> {
        let line = |start: &str| self.body.lines().find_map(|l| l.strip_prefix(start));
        let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(std::net::SocketAddr::new(ip, port))
    }
}

fn is_name(found: &str, wanted: &str) -> bool {
    let compact = match wanted {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Length" => "l",
        _ => "",
    };
    found.eq_ignore_ascii_case(wanted) || (!compact.is_empty() && found.eq_ignore_ascii_case(compact))
}

/// The URI of a name-addr: between `<` and `>`, or all up to the parameters.
pub fn uri_of(value: &str) -> &str {
    match value.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((uri, _)) => uri,
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// The user part of a name-addr's URI.
pub fn user_of(value: &str) -> &str {
    let uri = uri_of(value);
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_compact_names_is_read() {
        let text = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1:5;branch=z9\r\nf: <sip:a@b>;tag=1\r\ni: x@y\r\nCSeq: 7 INVITE\r\n\
m: <sip:c@127.0.0.1:9;transport=udp>\r\n\r\nv=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";
        let wire = Wire::parse(text).unwrap();
        assert_eq!((wire.status(), wire.method(), wire.cseq()), (Some(200), None, Some((7, "INVITE"))));
        assert_eq!(wire.header("Call-ID"), Some("x@y"));
        assert_eq!(wire.header("Contact").map(uri_of), Some("sip:c@127.0.0.1:9;transport=udp"));
        assert_eq!(wire.header("From").map(user_of), Some("a"));
        assert_eq!(wire.media(), Some("127.0.0.1:4000".parse().unwrap()));
    }

    #[test]
    fn noise_is_no_message() {
        for noise in [&b"\r\n\r\n"[..], b"", b"\xff\xfe\r\n\r\n", b"one line"] {
            assert!(Wire::parse(noise).is_none_or(|w| w.status().is_none() && w.method().is_none()));
        }
    }
}
