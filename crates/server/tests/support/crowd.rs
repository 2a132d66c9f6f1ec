//! One RTP socket for many calls at once: whoever sends to it gets a tone back, and what each sends is judged as it comes.
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::rtp::{decode, packet};
use super::sound::{BLOCK, heard_ms, tone, ulaw_encode};

pub struct Crowd {
    pub port: u16,
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    other_ms: u64,
    own_ms: u64,
}

impl Crowd {
    /// Says `own`, counts how long it hears `other` and itself.
    pub fn start(own: f64, other: f64) -> Crowd {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        let port = socket.local_addr().expect("its address").port();
        let (stop, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Heard::default())));
        let thread = std::thread::spawn({
            let (stop, heard) = (stop.clone(), heard.clone());
            move || run(&socket, own, other, &stop, &heard)
        });
        Crowd { port, stop, heard, thread: Some(thread) }
    }

    /// Milliseconds of the other's and of the own tone, over all calls.
    pub fn heard(&self) -> (u64, u64) {
        let heard = self.heard.lock().expect("no panic in the crowd");
        (heard.other_ms, heard.own_ms)
    }
}

/// One call's stream to its address.
struct Stream {
    heard_at: Instant,
    sent: u32,
}

fn run(socket: &UdpSocket, own: f64, other: f64, stop: &AtomicBool, heard: &Mutex<Heard>) {
    let mut buffer = [0u8; 2048];
    let mut streams: HashMap<SocketAddr, Stream> = HashMap::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let wait = next.saturating_duration_since(Instant::now());
        if wait > Duration::ZERO {
            let _ = socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))));
            let Ok((n, from)) = socket.recv_from(&mut buffer) else { continue };
            let Some(samples) = decode(&buffer[..n]) else { continue };
            let stream = streams.entry(from).or_insert(Stream { heard_at: Instant::now(), sent: 0 });
            stream.heard_at = Instant::now();
            let mut heard = heard.lock().expect("no panic in the crowd");
            heard.other_ms += heard_ms(&samples, other);
            heard.own_ms += heard_ms(&samples, own);
            continue;
        }
        next += Duration::from_millis(20);
        // Who has been silent for half a second has hung up; the port may serve another call.
        streams.retain(|_, s| s.heard_at.elapsed() < Duration::from_millis(500));
        for (remote, stream) in &mut streams {
            let samples = tone(own, stream.sent as usize * BLOCK, BLOCK);
            let payload: Vec<u8> = samples.into_iter().map(ulaw_encode).collect();
            let stamp = stream.sent.wrapping_mul(BLOCK as u32);
            let _ = socket.send_to(&packet(0, false, stream.sent as u16, stamp, &payload), remote);
            stream.sent += 1;
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
