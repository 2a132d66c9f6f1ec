//! A browser's peer connection played by str0m as a full ICE client on a thread of its own: speaks a sine in PCMU,
//! remembers the last second it heard.
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::floor::eventually;
use crate::tone::{self, Sine};

enum Wish {
    Answer(String),
    /// Sends these octets as they are, from its own address.
    Raw(Vec<u8>),
    /// The tab closes or reloads.
    Close,
    /// The machine vanishes.
    Stop,
}

/// Datagrams it sent: to whom, the first of DTLS, the newest of SRTP.
#[derive(Default)]
struct Sent {
    server: Option<SocketAddr>,
    dtls: Vec<u8>,
    srtp: Vec<u8>,
}

pub struct Browser {
    pub offer: String,
    sent: Arc<Mutex<Sent>>,
    heard: Arc<Mutex<VecDeque<i16>>>,
    is_connected: Arc<AtomicBool>,
    wishes: Sender<Wish>,
    thread: Option<JoinHandle<()>>,
}

impl Browser {
    pub fn new(hz: f64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let mut rtc = Rtc::builder()
            .set_crypto_provider(crypto)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_pcmu(true, false)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().unwrap();
        let heard: Arc<Mutex<VecDeque<i16>>> = Arc::default();
        let is_connected: Arc<AtomicBool> = Arc::default();
        let sent: Arc<Mutex<Sent>> = Arc::default();
        let (wishes, wished) = channel();
        let tab = Tab {
            socket,
            rtc,
            mid,
            pending: Some(pending),
            sine: Sine::new(hz),
            start: Instant::now(),
            spoken: 0,
            is_connected: is_connected.clone(),
            heard: heard.clone(),
            sent: sent.clone(),
        };
        let thread = std::thread::spawn(move || tab.run(&wished));
        Self { offer: offer.to_sdp_string(), sent, heard, is_connected, wishes, thread: Some(thread) }
    }

    pub fn answer(&self, sdp: &str) {
        self.wishes.send(Wish::Answer(sdp.to_owned())).unwrap();
    }

    /// Its own side of the connection stands; the server's may be a little earlier.
    pub fn wait_connected(&self) {
        eventually("the browser is connected", || self.is_connected.load(Ordering::Relaxed));
    }

    /// The server's address, its first DTLS datagram and its newest SRTP packet.
    pub fn sent(&self) -> (SocketAddr, Vec<u8>, Vec<u8>) {
        let sent = self.sent.lock().unwrap();
        (sent.server.unwrap(), sent.dtls.clone(), sent.srtp.clone())
    }

    pub fn send_raw(&self, datagram: Vec<u8>) {
        self.wishes.send(Wish::Raw(datagram)).unwrap();
    }

    /// Judges by what comes from now on.
    pub fn forget(&self) {
        self.heard.lock().unwrap().clear();
    }

    pub fn close(&self) {
        self.wishes.send(Wish::Close).unwrap();
    }

    pub fn wait_hears(&self, hz: f64, not: f64) {
        eventually(&format!("the browser hears {hz} Hz and not {not} Hz"), || {
            let heard = self.heard.lock().unwrap();
            let last: Vec<i16> = heard.iter().rev().take(tone::WINDOW).rev().copied().collect();
            tone::has(&last, hz) && tone::lacks(&last, not)
        });
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.wishes.send(Wish::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Tab {
    socket: UdpSocket,
    rtc: Rtc,
    mid: Mid,
    pending: Option<SdpPendingOffer>,
    sine: Sine,
    start: Instant,
    spoken: u32,
    is_connected: Arc<AtomicBool>,
    heard: Arc<Mutex<VecDeque<i16>>>,
    sent: Arc<Mutex<Sent>>,
}

impl Tab {
    fn run(mut self, wishes: &Receiver<Wish>) {
        let mut buffer = [0; 2000];
        loop {
            match wishes.try_recv() {
                Ok(Wish::Answer(sdp)) => {
                    let answer = SdpAnswer::from_sdp_string(&sdp).unwrap();
                    self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
                }
                Ok(Wish::Raw(datagram)) => {
                    let server = self.sent.lock().unwrap().server.unwrap();
                    self.socket.send_to(&datagram, server).unwrap();
                }
                Ok(Wish::Close) => {
                    self.rtc.close().unwrap();
                    self.is_connected.store(false, Ordering::Relaxed);
                }
                Ok(Wish::Stop) => return,
                Err(_) => {}
            }
            if let Ok((len, source)) = self.socket.recv_from(&mut buffer) {
                let destination = self.socket.local_addr().unwrap();
                if let Ok(receive) = Receive::new(Protocol::Udp, source, destination, &buffer[..len]) {
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                }
            }
            self.speak();
            self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            while let Ok(output) = self.rtc.poll_output() {
                match output {
                    Output::Timeout(_) => break,
                    Output::Transmit(t) => {
                        self.socket.send_to(&t.contents, t.destination).unwrap();
                        let mut sent = self.sent.lock().unwrap();
                        sent.server = Some(t.destination);
                        match t.contents.first() {
                            // RFC 7983 §7.
                            Some(20..=63) if sent.dtls.is_empty() => sent.dtls = t.contents.to_vec(),
                            Some(128..=191) => sent.srtp = t.contents.to_vec(),
                            _ => {}
                        }
                    }
                    Output::Event(Event::Connected) => self.is_connected.store(true, Ordering::Relaxed),
                    Output::Event(Event::RtpPacket(packet)) => {
                        let mut heard = self.heard.lock().unwrap();
                        heard.extend(packet.payload.iter().map(|&octet| media::g711::ulaw_to_linear(octet)));
                        let extra = heard.len().saturating_sub(8_000);
                        heard.drain(..extra);
                    }
                    Output::Event(_) => {}
                }
            }
        }
    }

    fn speak(&mut self) {
        let due = u32::try_from(self.start.elapsed().as_millis() / 20).unwrap();
        if !self.is_connected.load(Ordering::Relaxed) {
            self.spoken = due;
            return;
        }
        while self.spoken < due {
            self.spoken += 1;
            let payload: Vec<u8> = self.sine.next(160).into_iter().map(media::g711::linear_to_ulaw).collect();
            let write =
                RtpWrite::new(0.into(), u64::from(self.spoken).into(), self.spoken * 160, Instant::now(), payload);
            if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.mid, None) {
                stream.write_rtp(write);
            }
        }
    }
}
