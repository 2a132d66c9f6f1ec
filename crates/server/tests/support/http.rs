//! The interface as a script sees it: the load generator's few lines of HTTP, with a panic where a test has nothing to do
//! about an error.
use std::net::SocketAddr;

use serde_json::Value;

#[derive(Clone)]
pub struct Http {
    http: load::http::Http,
}

impl Http {
    pub fn new(address: SocketAddr, token: Option<String>) -> Http {
        Http { http: load::http::Http::new(address, token) }
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
        self.http.try_get(path).ok()
    }

    pub fn status(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, body) = self.http.request(method, path, body.as_ref()).expect("the server answers");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let (status, body) = self.http.request("GET", path, None).expect("the server answers");
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Status and text, whatever they are; 0 if nobody answers.
    pub fn text(&self, path: &str) -> (u16, String) {
        let (status, body) = self.http.request("GET", path, None).unwrap_or_default();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn expect(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.http.expect(method, path, body.as_ref()).expect("an answer of 2xx")
    }
}
