//! Headless Chromium as agent and as customer: `web/e2e/drive.mjs` does what it is told, one order a line.
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::server::{PASSWORD, Server};
use super::sound::{heard_ms, tone_at, wav};
use super::{SOON, wait_for};

pub struct Browser {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    microphone: PathBuf,
    last: u64,
}

impl Browser {
    /// Its microphone hears `hz` all the time.
    pub fn start(server: &Server, hz: f64) -> Browser {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-mic-{}-{}.wav", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let microphone = std::env::temp_dir().join(name);
        // Whole periods at every full second, so that the loop has no seam.
        std::fs::write(&microphone, wav(48_000, &tone_at(48_000.0, hz, 10 * 48_000))).expect("a file");
        let web = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../web");
        let mut child = Command::new("node")
            .arg("e2e/drive.mjs")
            .args(["--base", &server.url(), "--wav"])
            .arg(&microphone)
            .current_dir(web)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("piped")));
        Browser { child, orders, answers, microphone, last: 0 }
    }

    fn ask(&mut self, order: &Value) -> Result<Value, String> {
        self.last += 1;
        let mut order = order.clone();
        order["id"] = json!(self.last);
        let out = self.orders.as_mut().expect("open until dropped");
        writeln!(out, "{order}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|e| e.to_string())?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|e| format!("{e}: {line}"))?;
        match answer["ok"] == true {
            true => Ok(answer["value"].take()),
            false => Err(answer["error"].as_str().unwrap_or("no answer").to_owned()),
        }
    }

    /// Panics with what the page shows and what it complained about.
    #[track_caller]
    pub fn order(&mut self, order: Value) -> Value {
        match self.ask(&order) {
            Ok(value) => value,
            Err(why) => {
                let text = self.ask(&json!({"do": "text", "page": order["page"]})).unwrap_or_default();
                let complaints = self.ask(&json!({"do": "complaints"})).unwrap_or_default();
                panic!("{order}: {why}\n--- page\n{}\n--- complaints\n{complaints:#}", text.as_str().unwrap_or(""));
            }
        }
    }

    #[track_caller]
    pub fn click(&mut self, page: &str, test: &str) {
        self.order(json!({"do": "click", "page": page, "test": test}));
    }

    /// Until the element's attribute has the value.
    #[track_caller]
    pub fn wait(&mut self, page: &str, test: &str, name: &str, value: &str) {
        self.order(json!({"do": "wait", "page": page, "test": test, "name": name, "value": value}));
    }

    #[track_caller]
    pub fn wait_shown(&mut self, page: &str, test: &str) {
        self.order(json!({"do": "wait", "page": page, "test": test}));
    }

    /// An agent at the desk: signed in, connected, available.
    #[track_caller]
    pub fn at_desk(&mut self, page: &str, email: &str) {
        self.order(json!({"do": "open", "page": page, "path": "/sign-in"}));
        self.order(json!({"do": "sign_in", "page": page, "email": email, "password": PASSWORD}));
        self.order(json!({"do": "goto", "page": page, "path": "/desk"}));
        self.wait(page, "device", "data-ready", "true");
        let presence = json!({"do": "attribute", "page": page, "test": "presence", "name": "data-presence"});
        if self.order(presence) != "available" {
            self.click(page, "presence");
            self.click(page, "presence-available");
        }
        self.wait(page, "presence", "data-presence", "available");
    }

    /// `ms` of the sound the page receives, at 8 kHz.
    #[track_caller]
    pub fn listen(&mut self, page: &str, ms: u64) -> Vec<i16> {
        let value = self.order(json!({"do": "listen", "page": page, "ms": ms}));
        let bytes = base64(value.as_str().unwrap_or_default());
        bytes.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect()
    }

    /// Until a second of what the page receives is mostly this tone.
    #[track_caller]
    pub fn wait_tone(&mut self, page: &str, hz: f64) {
        wait_for(&format!("{page} to hear {hz} Hz"), SOON + SOON, || {
            (heard_ms(&self.listen(page, 300), hz) >= 200).then_some(())
        });
    }

    /// When something was pressed last, by the page's own clock: Unix milliseconds.
    #[track_caller]
    pub fn pressed(&mut self, page: &str, test: &str, nth: usize) -> f64 {
        let all = self.order(json!({"do": "pressed", "page": page}));
        let times: Vec<f64> = all
            .as_array()
            .into_iter()
            .flatten()
            .filter(|p| p["test"] == test)
            .filter_map(|p| p["at"].as_f64())
            .collect();
        *times.get(nth).unwrap_or_else(|| panic!("{test} was pressed {} times: {all}", times.len()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its orders ends it and its Chromium.
        drop(self.orders.take());
        let ended = super::company::try_for(SOON, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = std::fs::remove_file(&self.microphone);
    }
}

/// RFC 4648 §4.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for value in text.chars().filter_map(|c| ALPHABET.find(c)) {
        (bits, count) = (bits << 6 | value as u32, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}
