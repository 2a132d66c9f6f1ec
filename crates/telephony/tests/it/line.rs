//! A SIP peer made of text and a socket: sends what the test writes, shows what came.
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use crate::floor::PATIENCE;

pub struct Line {
    socket: UdpSocket,
    pub addr: SocketAddr,
    /// Came and was not asked for yet.
    came: Vec<String>,
}

impl Line {
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let addr = socket.local_addr().unwrap();
        Self { socket, addr, came: Vec::new() }
    }

    pub fn send(&self, to: SocketAddr, message: &str) {
        self.socket.send_to(message.as_bytes(), to).unwrap();
    }

    /// Waits for a message that `is` takes; the others stay.
    pub fn wait(&mut self, what: &str, is: impl Fn(&str) -> bool) -> String {
        if let Some(at) = self.came.iter().position(|message| is(message)) {
            return self.came.remove(at);
        }
        let until = Instant::now() + PATIENCE;
        let mut buffer = [0; 65_535];
        while Instant::now() < until {
            let Ok((len, _)) = self.socket.recv_from(&mut buffer) else { break };
            let message = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if is(&message) {
                return message;
            }
            self.came.push(message);
        }
        panic!("waited in vain for {what}; came: {:#?}", self.came)
    }

    /// A response to a request, with the headers it must copy.
    pub fn reply(&self, to: SocketAddr, request: &str, status: &str) {
        let copied: String = ["Via:", "From:", "Call-ID:", "CSeq:"].iter().map(|h| line(request, h) + "\r\n").collect();
        let callee = line(request, "To:");
        let text = format!("SIP/2.0 {status}\r\n{copied}{callee};tag=line\r\nContent-Length: 0\r\n\r\n");
        self.send(to, &text);
    }
}

/// The first line of a message that begins so.
pub fn line(message: &str, start: &str) -> String {
    message.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {message}")).to_owned()
}
