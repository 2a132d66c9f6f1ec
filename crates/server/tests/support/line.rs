//! SIP by hand: raw messages over UDP and TCP, by none of our own SIP code.
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::SOON;

/// Somebody who sends raw messages and reads what comes back.
pub enum Line {
    Datagrams(UdpSocket),
    Stream(TcpStream, Vec<u8>),
}

/// The end of a reading.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Message(String),
    Closed,
}

impl Line {
    pub fn udp(server: SocketAddr) -> Line {
        Line::udp_from(Ipv4Addr::LOCALHOST.into(), server)
    }

    /// From another address of this machine: all of 127/8 is.
    pub fn udp_from(own: IpAddr, server: SocketAddr) -> Line {
        let socket = UdpSocket::bind((own, 0)).expect("a UDP port");
        socket.connect(server).expect("loopback");
        socket.set_read_timeout(Some(SOON)).expect("a time limit");
        Line::Datagrams(socket)
    }

    pub fn tcp(server: SocketAddr) -> Line {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_read_timeout(Some(SOON)).expect("a time limit");
        Line::Stream(stream, Vec::new())
    }

    /// False when the other side has closed already.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self {
            Line::Datagrams(socket) => socket.send(bytes).is_ok(),
            Line::Stream(stream, _) => stream.write_all(bytes).is_ok(),
        }
    }

    pub fn hear(&mut self) -> Heard {
        match self {
            Line::Datagrams(socket) => {
                let mut buffer = [0; 65_535];
                let length = socket.recv(&mut buffer).expect("an answer in time");
                Heard::Message(String::from_utf8_lossy(&buffer[..length]).into_owned())
            }
            Line::Stream(stream, rest) => loop {
                if let Some(message) = cut(rest) {
                    return Heard::Message(message);
                }
                let mut buffer = [0; 4096];
                match stream.read(&mut buffer) {
                    Ok(0) => return Heard::Closed,
                    Ok(length) => rest.extend_from_slice(&buffer[..length]),
                    Err(e) if e.kind() == ErrorKind::ConnectionReset => return Heard::Closed,
                    Err(e) => panic!("no answer in time: {e}"),
                }
            },
        }
    }

    /// The next message if one comes within this time.
    pub fn hear_within(&mut self, time: Duration) -> Option<String> {
        let Line::Datagrams(socket) = self else { panic!("of datagrams only") };
        socket.set_read_timeout(Some(time)).expect("a time limit");
        let mut buffer = [0; 65_535];
        let length = socket.recv(&mut buffer).ok();
        socket.set_read_timeout(Some(SOON)).expect("a time limit");
        length.map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Sends OPTIONS, and reads until its answer comes; the statuses of what came before it. `None`: closed.
    pub fn probe(&mut self, id: &str) -> Option<Vec<u16>> {
        let probe = format!(
            "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKprobe{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:probe@127.0.0.1>;tag=p\r\nTo: <sip:127.0.0.1>\r\nCall-ID: probe-{id}\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let mut before = Vec::new();
        self.send(probe.as_bytes());
        loop {
            let Heard::Message(message) = self.hear() else { return None };
            if message.contains(&format!("Call-ID: probe-{id}\r\n")) {
                assert_eq!(status(&message), 200, "the probe after {id}");
                return Some(before);
            }
            before.push(status(&message));
        }
    }
}

/// The first whole message of a stream, by its Content-Length.
fn cut(rest: &mut Vec<u8>) -> Option<String> {
    let head = rest.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&rest[..head]).into_owned();
    let length: usize = header(&text, "Content-Length")?.parse().ok()?;
    let message: Vec<u8> = (rest.len() >= head + length).then(|| rest.drain(..head + length).collect())?;
    Some(String::from_utf8_lossy(&message).into_owned())
}

pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

pub fn status(message: &str) -> u16 {
    let code = message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
    code.unwrap_or_else(|| panic!("not a response: {message}"))
}
