//! One RTP socket for many calls at once: whoever sends to it gets a tone back, packet for packet, and what each sends
//! is judged as it comes.
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

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
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
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

fn run(socket: &UdpSocket, own: f64, other: f64, stop: &AtomicBool, heard: &Mutex<Heard>) {
    let mut buffer = [0u8; 2048];
    // How many packets each address got.
    let mut sent: HashMap<SocketAddr, u32> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok((n, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(samples) = decode(&buffer[..n]) else { continue };
        {
            let mut heard = heard.lock().expect("no panic in the crowd");
            heard.other_ms += heard_ms(&samples, other);
            heard.own_ms += heard_ms(&samples, own);
        }
        let count = sent.entry(from).or_default();
        let payload: Vec<u8> = tone(own, *count as usize * BLOCK, BLOCK).into_iter().map(ulaw_encode).collect();
        let stamp = count.wrapping_mul(BLOCK as u32);
        let _ = socket.send_to(&packet(0, false, *count as u16, stamp, &payload), from);
        *count += 1;
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
