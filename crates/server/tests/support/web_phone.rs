//! A SIP phone on a WebSocket (RFC 7118), as a page would hold it: an address that leads nowhere, everything down one
//! connection. Hand-written texts; the WebSocket is tungstenite's, the sound that of [`super::rtp::RtpPeer`].
use std::net::{SocketAddr, TcpStream};

use sip::digest::{Credentials, Secret, answer};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use super::SOON;

/// RFC 2606: nobody.
const NOWHERE: &str = "df7jal23ls0d.invalid";

pub struct WebPhone {
    socket: WebSocket<TcpStream>,
    user: String,
    domain: String,
    secret: String,
    cseq: u32,
}

/// A connection to `/sip`, or the status that refused it.
pub fn connect(server: SocketAddr, protocol: Option<&str>, origin: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
    let mut request = format!("ws://{server}/sip").into_client_request().expect("a request");
    for (name, value) in [("Sec-WebSocket-Protocol", protocol), ("Origin", origin)] {
        if let Some(value) = value {
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
        }
    }
    let stream = TcpStream::connect(server).expect("the web port");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(other) => panic!("{other}"),
    }
}

/// The value of a header.
fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}

impl WebPhone {
    /// Registers.
    pub fn start(server: SocketAddr, user: &str, secret: &str, domain: &str) -> WebPhone {
        let socket = connect(server, Some("sip"), None).expect("the phone is let in");
        let (user, domain, secret) = (user.to_owned(), domain.to_owned(), secret.to_owned());
        let mut phone = WebPhone { socket, user, domain, secret, cseq: 0 };
        let uri = format!("sip:{}", phone.domain);
        let answer =
            phone.proved("REGISTER", &uri, &format!("<sip:{}@{}>", phone.user, phone.domain), "Expires: 600\r\n", "");
        assert!(answer.contains(NOWHERE), "its own contact comes back: {answer}");
        phone
    }

    fn send(&mut self, text: String) {
        self.socket.send(Message::Text(text.into())).expect("the server takes it");
    }

    /// The next message of SIP.
    #[track_caller]
    pub fn next(&mut self) -> String {
        loop {
            match self.socket.read().expect("the server speaks") {
                Message::Text(text) => return text.to_string(),
                Message::Binary(bytes) => return String::from_utf8_lossy(&bytes).into_owned(),
                _ => {}
            }
        }
    }

    /// A double line end, and the single one that comes back (RFC 5626 §3.5.1).
    #[track_caller]
    pub fn keep_alive(&mut self) {
        self.send("\r\n\r\n".to_owned());
        assert_eq!(self.next(), "\r\n");
    }

    fn request(&mut self, method: &str, uri: &str, to: &str, more: &str, body: &str) {
        self.cseq += 1;
        let (user, domain, cseq) = (&self.user, &self.domain, self.cseq);
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS {NOWHERE};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag=page\r\nTo: {to}\r\nCall-ID: {method}-of-{user}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{NOWHERE};transport=ws>\r\n{more}{}Content-Length: {}\r\n\r\n{body}",
            if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" },
            body.len()
        );
        self.send(text);
    }

    #[track_caller]
    fn final_response(&mut self) -> String {
        loop {
            let response = self.next();
            if !response.starts_with("SIP/2.0 1") {
                return response;
            }
        }
    }

    /// A request that is taken, mostly after a challenge: its 200.
    #[track_caller]
    fn proved(&mut self, method: &str, uri: &str, to: &str, more: &str, body: &str) -> String {
        self.request(method, uri, to, more, body);
        let challenged = self.final_response();
        // From this machine the sample numbers are called without.
        if method == "INVITE" && challenged.starts_with("SIP/2.0 200") {
            return challenged;
        }
        assert!(challenged.starts_with("SIP/2.0 401"), "{challenged}");
        if method == "INVITE" {
            self.ack(uri, header(&challenged, "To"), &format!("z9hG4bK{method}{}", self.cseq));
        }
        let secret = Secret::Password(self.secret.clone());
        let credentials = Credentials { user: self.user.clone(), secret };
        let challenge = [header(&challenged, "WWW-Authenticate")];
        let proof = answer(challenge.into_iter(), &credentials, method, uri, 1, "c0ffee").expect("an answer");
        self.request(method, uri, to, &format!("{more}Authorization: {proof}\r\n"), body);
        let response = self.final_response();
        assert!(response.starts_with("SIP/2.0 200"), "{response}");
        response
    }

    fn ack(&mut self, uri: &str, to: &str, branch: &str) {
        let (user, domain, cseq) = (&self.user, &self.domain, self.cseq);
        let text = format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/WS {NOWHERE};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag=page\r\nTo: {to}\r\nCall-ID: INVITE-of-{user}\r\nCSeq: {cseq} ACK\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(text);
    }

    fn respond(&mut self, request: &str, status: &str, body: &str) {
        let kept =
            |name: &str| request.lines().filter(|l| l.starts_with(name)).fold(String::new(), |a, l| a + l + "\r\n");
        let to = header(request, "To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=phone" };
        let text = format!(
            "SIP/2.0 {status}\r\n{}{}To: {to}{tag}\r\n{}{}Contact: <sip:{}@{NOWHERE};transport=ws>\r\n{}Content-Length: {}\r\n\r\n{body}",
            kept("Via:"),
            kept("From:"),
            kept("Call-ID:"),
            kept("CSeq:"),
            self.user,
            if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" },
            body.len()
        );
        self.send(text);
    }

    /// Takes the call that comes; the INVITE.
    #[track_caller]
    pub fn take_call(&mut self, rtp_port: u16) -> String {
        let invite = self.next();
        assert!(invite.starts_with("INVITE "), "{invite}");
        self.respond(&invite, "180 Ringing", "");
        self.respond(&invite, "200 OK", &session(rtp_port));
        let ack = self.next();
        assert!(ack.starts_with("ACK "), "{ack}");
        invite
    }

    /// Is called with what it does not speak, and says so; the INVITE.
    #[track_caller]
    pub fn decline_call(&mut self) -> String {
        let invite = self.next();
        assert!(invite.starts_with("INVITE "), "{invite}");
        self.respond(&invite, "488 Not Acceptable Here", "");
        let ack = self.next();
        assert!(ack.starts_with("ACK "), "{ack}");
        invite
    }

    /// Waits until the other side hangs up.
    #[track_caller]
    pub fn wait_bye(&mut self) {
        let bye = self.next();
        assert!(bye.starts_with("BYE "), "{bye}");
        self.respond(&bye, "200 OK", "");
    }

    /// Calls, and is answered: the answer's body says where the sound goes.
    #[track_caller]
    pub fn call(&mut self, number: &str, rtp_port: u16) -> String {
        let uri = format!("sip:{number}@{}", self.domain);
        let answered = self.proved("INVITE", &uri, &format!("<{uri}>"), "", &session(rtp_port));
        self.ack(&uri, header(&answered, "To"), "z9hG4bKack");
        answered
    }

    #[track_caller]
    pub fn hang_up(&mut self, answered: &str) {
        let (user, domain) = (&self.user, &self.domain);
        self.cseq += 1;
        let contact = header(answered, "Contact").trim_matches(['<', '>']);
        let text = format!(
            "BYE {contact} SIP/2.0\r\nVia: SIP/2.0/WS {NOWHERE};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag=page\r\nTo: {}\r\nCall-ID: INVITE-of-{user}\r\nCSeq: {} BYE\r\nContent-Length: 0\r\n\r\n",
            header(answered, "To"),
            self.cseq
        );
        self.send(text);
        let response = self.final_response();
        assert!(response.starts_with("SIP/2.0 200"), "{response}");
    }

    /// The page is closed, without a word of SIP.
    pub fn vanish(mut self) {
        let _ = self.socket.get_mut().shutdown(std::net::Shutdown::Both);
    }
}

fn session(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    )
}

/// Where a session wants its sound.
pub fn media(message: &str) -> SocketAddr {
    let line = |start: &str| message.lines().find_map(|l| l.strip_prefix(start)).expect("a session");
    let port = line("m=audio ").split(' ').next().and_then(|p| p.parse().ok()).expect("a port");
    SocketAddr::new(line("c=IN IP4 ").parse().expect("an address"), port)
}
