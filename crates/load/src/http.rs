//! A few lines of HTTP/1.1 towards the server's own interface on loopback: JSON in, JSON out, one connection a request.
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

#[derive(Debug, Clone)]
pub struct Http {
    address: SocketAddr,
    token: Option<String>,
    /// Of this machine, to call from; limits count by it.
    from: Option<IpAddr>,
}

impl Http {
    pub fn new(address: SocketAddr, token: Option<String>) -> Http {
        Http { address, token, from: None }
    }

    /// The same from another loopback address.
    pub fn from(self, address: IpAddr) -> Http {
        Http { from: Some(address), ..self }
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.expect("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect("POST", path, Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect("PUT", path, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect("PATCH", path, Some(body))
    }

    /// Status and body; an error if the server cannot be reached.
    pub fn try_get(&self, path: &str) -> Result<(u16, Value)> {
        let (status, body) = self.request("GET", path, None)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// The answer's body; an error unless it is 2xx.
    pub fn expect(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.request(method, path, body)?;
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }

    pub fn connect(&self) -> Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        if let Some(from) = self.from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        socket.connect_timeout(&self.address.into(), Duration::from_secs(5))?;
        Ok(socket.into())
    }

    /// Status and body, whatever they are.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Vec<u8>)> {
        let mut stream = self.connect().with_context(|| format!("cannot reach {}", self.address))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        if !body.is_empty() {
            head.push_str("Content-Type: application/json\r\n");
        }
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read(&answer).with_context(|| format!("{method} {path}: no answer that can be read"))
    }
}

fn read(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let chunked = head.contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunk(body) } else { body.to_vec() }))
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&body[..end]).trim(), 16).unwrap_or(0);
        let Some(chunk) = body.get(end + 2..end + 2 + size).filter(|c| !c.is_empty()) else { break };
        out.extend_from_slice(chunk);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn chunked_and_plain_answers_are_read() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(super::read(chunked), Some((200, b"abcde".to_vec())));
        assert_eq!(super::read(b"HTTP/1.1 404 Not Found\r\n\r\nno"), Some((404, b"no".to_vec())));
        assert_eq!(super::read(b"HTTP/1.1 200"), None);
    }
}
