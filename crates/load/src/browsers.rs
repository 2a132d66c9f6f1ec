//! Browsers of customers on one thread: peer connections by str0m as full ICE clients, a G.711 packet each 20 ms.
//!
//! They come in by the customer page's session and socket (`docs/design/interfaces.md`), so that no passwords are hashed
//! while something is measured. Their own delay is not judged: each is looked at every five milliseconds only.
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use str0m::change::SdpAnswer;
use str0m::config::CryptoProvider;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};
use tungstenite::{Message, WebSocket};

use crate::http::Http;
use crate::phones::Side;
use crate::rtp::{Payload, now_ns};

const PACKET_EVERY_MS: u64 = 20;
/// How often a browser's socket is looked at.
const LOOK_EVERY_MS: u64 = 5;

/// Packets while it counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    pub sent: u64,
    pub received: u64,
    pub misrouted: u64,
    pub changed: u64,
}

enum Order {
    Add(Box<Tab>),
    /// The call of the tab with this number; before, it is silent.
    Call {
        tab: usize,
        call: usize,
    },
    Count(bool),
    Tell(Sender<Heard>),
}

/// The thread of all browsers. Ends when dropped.
pub struct Browsers {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<Result<()>>>,
    tabs: usize,
}

/// A guest's socket.
pub struct Page {
    socket: WebSocket<std::net::TcpStream>,
    pub tab: usize,
}

/// One peer connection.
struct Tab {
    socket: UdpSocket,
    local: SocketAddr,
    rtc: Rtc,
    mid: Mid,
    call: Option<u32>,
    sent: u64,
    is_connected: bool,
    due: Instant,
}

impl Browsers {
    pub fn start() -> Result<Browsers> {
        let (orders, inbox) = channel();
        let thread =
            std::thread::Builder::new().name("browsers".to_owned()).spawn(move || run(&inbox)).context("no thread")?;
        Ok(Browsers { orders: Some(orders), thread: Some(thread), tabs: 0 })
    }

    fn order(&self, order: Order) -> Result<()> {
        let orders = self.orders.as_ref().context("the browsers have ended")?;
        orders.send(order).map_err(|_| anyhow!("the browsers have ended"))
    }

    /// Opens the customer page in one more browser and connects it; `meanwhile` is called while waiting.
    pub fn open(&mut self, http: SocketAddr, meanwhile: &mut dyn FnMut() -> Result<()>) -> Result<Page> {
        let tab = self.tabs;
        // Guests are limited by address: each comes from one of its own.
        let [a, b] = (tab as u16 + 2).to_be_bytes();
        let visitor = Http::new(http, None).from(IpAddr::V4(Ipv4Addr::new(127, 0, a.wrapping_add(1), b)));
        let session = visitor.post("/api/v1/public/default/sessions", &json!({}))?;
        let token = session["token"].as_str().context("no guest token")?;
        let stream = visitor.connect()?;
        let address = format!("ws://localhost:{}/api/v1/public/socket?token={token}", http.port());
        let (socket, _) = tungstenite::client(address, stream).map_err(|e| anyhow!("no guest socket: {e}"))?;
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(2)))?;
        let mut page = Page { socket, tab };

        let (mut connection, offer, pending) = Tab::new()?;
        page.say(&json!({"type": "device_offer", "generation": 1, "sdp": offer}))?;
        let answer = page.wait(meanwhile, |m| (m["type"] == "device_answer").then(|| m["sdp"].clone()))?;
        let answer = SdpAnswer::from_sdp_string(answer.as_str().unwrap_or_default())?;
        connection.rtc.sdp_api().accept_answer(pending, answer)?;
        self.order(Order::Add(Box::new(connection)))?;
        self.tabs += 1;
        page.wait(meanwhile, |m| (m["type"] == "device_state" && m["state"] == "ready").then_some(()))?;
        Ok(page)
    }

    /// What this tab says and hears belongs to that call.
    pub fn call(&self, tab: usize, call: usize) -> Result<()> {
        self.order(Order::Call { tab, call })
    }

    pub fn count(&self, on: bool) -> Result<()> {
        self.order(Order::Count(on))
    }

    pub fn heard(&self) -> Result<Heard> {
        let (sender, receiver) = channel();
        self.order(Order::Tell(sender))?;
        receiver.recv_timeout(Duration::from_secs(10)).context("the browsers do not answer")
    }
}

impl Drop for Browsers {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Page {
    pub fn dial(&mut self, number: &str) -> Result<()> {
        self.say(&json!({"type": "dial", "number": number}))
    }

    /// Keeps the server from taking it for gone; what it says meanwhile is read and dropped.
    pub fn ping(&mut self) -> Result<()> {
        self.say(&json!({"type": "ping"}))?;
        while self.read()?.is_some() {}
        Ok(())
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        self.socket.send(Message::text(message.to_string())).map_err(|e| anyhow!("a guest socket is closed: {e}"))
    }

    fn read(&mut self) -> Result<Option<Value>> {
        match self.socket.read() {
            Ok(message) => Ok(message.to_text().ok().and_then(|text| serde_json::from_str(text).ok())),
            Err(tungstenite::Error::Io(e))
                if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(e) => Err(anyhow!("a guest socket is closed: {e}")),
        }
    }

    pub fn wait<T>(
        &mut self,
        meanwhile: &mut dyn FnMut() -> Result<()>,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut last = Value::Null;
        while Instant::now() < deadline {
            if let Some(message) = self.read()? {
                if let Some(found) = wanted(&message) {
                    return Ok(found);
                }
                last = message;
            }
            meanwhile()?;
        }
        bail!("a browser waited in vain; the server's last message: {last}")
    }
}

impl Tab {
    fn new() -> Result<(Tab, String, str0m::change::SdpPendingOffer)> {
        static CRYPTO: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
        let crypto = CRYPTO.get_or_init(|| Arc::new(str0m::crypto::from_feature_flags()));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let mut rtc = Rtc::builder()
            .set_crypto_provider(crypto.clone())
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_pcmu(true, false)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().context("no offer")?;
        let now = Instant::now();
        let tab = Tab { socket, local, rtc, mid, call: None, sent: 0, is_connected: false, due: now };
        Ok((tab, offer.to_sdp_string(), pending))
    }

    fn speak(&mut self, counts: bool) -> Result<bool> {
        let Some(call) = self.call.filter(|_| self.is_connected) else { return Ok(false) };
        let mut payload = [0x5a_u8; 160];
        Payload { born_ns: now_ns()?, call, side: Side::Caller, counts }.write(&mut payload);
        self.sent += 1;
        let (number, stamp) = (self.sent.into(), (self.sent as u32).wrapping_mul(160));
        let write = RtpWrite::new(0.into(), number, stamp, Instant::now(), payload.to_vec());
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, None) else { return Ok(false) };
        stream.write_rtp(write);
        self.due = Instant::now();
        Ok(true)
    }

    fn listen(&mut self, buffer: &mut [u8], heard: &mut Heard, counts: bool) -> Result<()> {
        while let Ok((n, source)) = self.socket.recv_from(buffer) {
            if let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, &buffer[..n]) {
                self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                self.drain(heard, counts)?;
            }
        }
        let now = Instant::now();
        if now >= self.due {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.drain(heard, counts)?;
        }
        Ok(())
    }

    fn drain(&mut self, heard: &mut Heard, counts: bool) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.due = at;
                    return Ok(());
                }
                Output::Transmit(t) => {
                    let _ = self.socket.send_to(&t.contents, t.destination);
                }
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::RtpPacket(packet)) => match Payload::read(&packet.payload) {
                    None => heard.changed += u64::from(counts),
                    Some(p) if p.side == Side::Caller || Some(p.call) != self.call => heard.misrouted += 1,
                    Some(p) => heard.received += u64::from(p.counts),
                },
                Output::Event(_) => {}
            }
        }
    }
}

fn run(inbox: &Receiver<Order>) -> Result<()> {
    let mut tabs: Vec<Tab> = Vec::new();
    let (mut heard, mut counts) = (Heard::default(), false);
    let mut buffer = [0u8; 2048];
    let (start, mut turn) = (Instant::now(), 0u64);
    loop {
        loop {
            match inbox.try_recv() {
                Ok(Order::Add(tab)) => tabs.push(*tab),
                Ok(Order::Call { tab, call }) => {
                    if let Some(tab) = tabs.get_mut(tab) {
                        tab.call = Some(call as u32);
                    }
                }
                Ok(Order::Count(on)) => {
                    if on && !counts {
                        heard = Heard::default();
                    }
                    counts = on;
                }
                Ok(Order::Tell(to)) => {
                    let _ = to.send(heard);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        if let Some(early) = (start + Duration::from_millis(turn)).checked_duration_since(Instant::now()) {
            std::thread::sleep(early);
        }
        for (n, tab) in tabs.iter_mut().enumerate() {
            let n = n as u64;
            if n % PACKET_EVERY_MS == turn % PACKET_EVERY_MS && tab.speak(counts)? {
                heard.sent += u64::from(counts);
            }
            if n % LOOK_EVERY_MS == turn % LOOK_EVERY_MS {
                tab.listen(&mut buffer, &mut heard, counts)?;
            }
        }
        turn += 1;
    }
}
