//! The generator's judgement: a server that does not carry a call through is caught, whatever it does instead.
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use load::ledger::{Failure, Ledger};
use load::phones::{Offer, Phones};

/// Says the same to every request of a kind; ends when dropped.
struct FakeServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// `answer` gives status line and further headers for a method, or nothing.
    fn start(answer: fn(&str) -> Option<&'static str>) -> FakeServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket works");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a loopback socket works");
        let address = socket.local_addr().expect("a loopback socket works");
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || {
                let mut buffer = [0u8; 4096];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((n, from)) = socket.recv_from(&mut buffer) else { continue };
                    let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    let method = request.split(' ').next().unwrap_or_default();
                    let Some(status) = answer(method) else { continue };
                    let copied = request
                        .lines()
                        .filter(|l| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| l.starts_with(name)));
                    let to = request.lines().find(|l| l.starts_with("To:")).unwrap_or_default();
                    let mut text = format!("SIP/2.0 {status}\r\n{to};tag=s\r\n");
                    copied.for_each(|line| text.push_str(&format!("{line}\r\n")));
                    text.push_str(&format!("Contact: <sip:s@{address}>\r\nContent-Length: 0\r\n\r\n"));
                    socket.send_to(text.as_bytes(), from).expect("a loopback socket works");
                }
            }
        });
        FakeServer { address, stop, thread: Some(thread) }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ten calls, each with half a second of patience.
fn ten_calls(answer: fn(&str) -> Option<&'static str>) -> Ledger {
    let server = FakeServer::start(answer);
    let mut phones = Phones::new(server.address).expect("a loopback socket works");
    let mut offer = Offer::new("1000", 10, 100.0);
    offer.patience = Duration::from_millis(500);
    let group = phones.offer(offer);
    assert!(phones.run_until(Duration::from_secs(20), |p| p.unfinished(group) == 0).expect("a loopback socket works"));
    phones.ledger
}

fn failed_by(ledger: &Ledger, failure: Failure) {
    let summary = ledger.summary(0);
    assert_eq!((summary.placed, summary.successes, summary.count(failure)), (10, 0, 10), "{summary:?}");
    assert!(ledger.records.iter().all(|r| r.is_over && !r.is_success()));
}

#[test]
fn a_server_that_is_busy_has_carried_nothing() {
    let ledger = ten_calls(|method| (method == "INVITE").then_some("486 Busy Here"));
    failed_by(&ledger, Failure::Refused(486));
}

#[test]
fn a_server_that_asks_to_come_back_later_has_carried_nothing() {
    let ledger = ten_calls(|method| (method == "INVITE").then_some("503 Service Unavailable\r\nRetry-After: 5"));
    failed_by(&ledger, Failure::Deferred);
    let bare = ten_calls(|method| (method == "INVITE").then_some("503 Service Unavailable"));
    failed_by(&bare, Failure::Refused(503));
}

#[test]
fn an_answer_without_an_agent_is_no_success() {
    let ledger = ten_calls(|method| (method != "ACK").then_some("200 OK"));
    failed_by(&ledger, Failure::NotConnected);
    assert!(ledger.records.iter().all(|r| r.answered.is_some() && r.ended.is_some()));
}
