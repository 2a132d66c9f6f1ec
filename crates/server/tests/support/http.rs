//! A few lines of HTTP/1.1 for the tests: JSON in, JSON out, over one connection a request.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

#[derive(Clone)]
pub struct Http {
    address: SocketAddr,
    token: Option<String>,
}

impl Http {
    pub fn new(address: SocketAddr, token: Option<String>) -> Http {
        Http { address, token }
    }

    /// Panics unless the answer is 2xx.
    pub fn get(&self, path: &str) -> Value {
        self.expect("GET", path, None)
    }

    pub fn post(&self, path: &str, body: Value) -> Value {
        self.expect("POST", path, Some(body))
    }

    pub fn put(&self, path: &str, body: Value) -> Value {
        self.expect("PUT", path, Some(body))
    }

    pub fn patch(&self, path: &str, body: Value) -> Value {
        self.expect("PATCH", path, Some(body))
    }

    pub fn delete(&self, path: &str) -> Value {
        self.expect("DELETE", path, None)
    }

    pub fn try_get(&self, path: &str) -> Option<(u16, Value)> {
        let (status, body) = self.request("GET", path, None)?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub fn status(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, body) = self.request(method, path, body).expect("the server answers");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let (status, body) = self.request("GET", path, None).expect("the server answers");
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Status and text, whatever they are; 0 if nobody answers.
    pub fn text(&self, path: &str) -> (u16, String) {
        let (status, body) = self.request("GET", path, None).unwrap_or_default();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn expect(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.request(method, path, body).expect("the server answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    fn request(&self, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let body = body.map(|b| b.to_string()).unwrap_or_default();
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
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = answer[end + 4..].to_vec();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Some((status, if chunked { unchunk(&body) } else { body }))
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&body[..end]).trim(), 16).unwrap_or(0);
        if size == 0 || body.len() < end + 2 + size {
            break;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    out
}
