//! The peers' own ledger: what SIPp wrote down of each message it sent and received, with its own clock. Nothing here
//! comes from the server, so that reports can be compared with it.
use std::net::{IpAddr, SocketAddr};

/// One SIP message as a peer saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Unix milliseconds, with fractions.
    pub at: f64,
    /// By this peer; otherwise received.
    pub sent: bool,
    pub text: String,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    pub fn is_request(&self, method: &str) -> bool {
        self.first_line().starts_with(method) && self.first_line().ends_with("SIP/2.0")
    }

    /// The status if it is a response to `method`.
    pub fn status_of(&self, method: &str) -> Option<u16> {
        let rest = self.first_line().strip_prefix("SIP/2.0 ")?;
        let of = self.header("CSeq")?.split_whitespace().nth(1)?;
        (of == method).then(|| rest.split(' ').next()?.parse().ok()).flatten()
    }

    /// Where its session description wants the sound.
    pub fn media(&self) -> Option<SocketAddr> {
        let line = |start: &str| self.text.lines().find_map(|l| l.trim().strip_prefix(start));
        let ip: IpAddr = line("c=IN IP")?.split(" ").nth(1)?.parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }
}

/// One call as one peer saw it; times in Unix milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerCall {
    pub call_id: String,
    /// First INVITE.
    pub invited: f64,
    /// First 200 to it.
    pub answered: Option<f64>,
    /// First BYE or CANCEL, by whichever side.
    pub ended: Option<f64>,
    /// This peer ended it.
    pub ended_here: bool,
    /// Last final status of the INVITE.
    pub status: Option<u16>,
    /// More than one 200 or BYE with different branches would show a doubled call.
    pub byes: usize,
}

/// The calls in a list of messages, in the order of their INVITEs.
pub fn calls(messages: &[Message]) -> Vec<PeerCall> {
    let mut calls: Vec<PeerCall> = Vec::new();
    for m in messages {
        let id = m.call_id();
        let known = calls.iter().position(|c| c.call_id == id);
        let call = match known {
            Some(at) => &mut calls[at],
            None if m.is_request("INVITE") => {
                calls.push(PeerCall {
                    call_id: id.to_owned(),
                    invited: m.at,
                    answered: None,
                    ended: None,
                    ended_here: false,
                    status: None,
                    byes: 0,
                });
                continue;
            }
            None => continue,
        };
        match m.status_of("INVITE") {
            Some(200) => {
                call.answered.get_or_insert(m.at);
                call.status = Some(200);
            }
            Some(status) if status > 200 => call.status = Some(status),
            _ => {}
        }
        if m.is_request("BYE") || m.is_request("CANCEL") {
            call.byes += 1;
            if call.ended.is_none() {
                (call.ended, call.ended_here) = (Some(m.at), m.sent);
            }
        }
    }
    calls
}

/// Reads SIPp's `-trace_msg` file (written with TZ=UTC).
pub fn parse(log: &str) -> Vec<Message> {
    const RULE: &str = "----------------------------------------------- ";
    let mut messages = Vec::new();
    for part in log.split(RULE).skip(1) {
        let Some((stamp, rest)) = part.split_once('\n') else { continue };
        let Some((title, text)) = rest.split_once("\n\n") else { continue };
        let Some(at) = unix_ms(stamp.trim()) else { continue };
        messages.push(Message {
            at,
            sent: title.contains(" sent "),
            text: text.replace("\r\n", "\n").trim().to_owned(),
        });
    }
    messages
}

/// `2026-11-22 17:12:54.761445` in UTC.
fn unix_ms(stamp: &str) -> Option<f64> {
    let (date, time) = stamp.split_once(' ')?;
    let mut d = date.split('-').map(|n| n.parse::<i64>().ok());
    let (y, m, d) = (d.next()??, d.next()??, d.next()??);
    let mut t = time.split(':');
    let (h, min): (i64, i64) = (t.next()?.parse().ok()?, t.next()?.parse().ok()?);
    let s: f64 = t.next()?.parse().ok()?;
    // Days since 1970 by Howard Hinnant's algorithm, March being the first month.
    let (y, m) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1 - 719_468;
    Some(((days * 24 + h) * 60 + min) as f64 * 60_000.0 + s * 1000.0)
}

/// What a queue's row must show, added up from the peers' ledger or read from a report. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    pub offered: i64,
    pub answered: i64,
    pub abandoned: i64,
    pub handled: i64,
    pub wait_ms: f64,
    pub abandon_wait_ms: f64,
    pub talk_ms: f64,
    pub hold_ms: f64,
}

impl Figures {
    /// A call that an agent's phone answered: `held` is what the peers heard of the hold.
    pub fn served(&mut self, caller: &PeerCall, agent: &PeerCall, held: f64) {
        let answered = agent.answered.expect("the phone answered");
        let ended = caller.ended.into_iter().chain(agent.ended).fold(f64::INFINITY, f64::min);
        self.offered += 1;
        self.answered += 1;
        self.handled += 1;
        self.wait_ms += answered - caller.invited;
        self.talk_ms += ended - answered - held;
        self.hold_ms += held;
    }

    pub fn abandoned(&mut self, caller: &PeerCall) {
        self.offered += 1;
        self.abandoned += 1;
        self.abandon_wait_ms += caller.ended.expect("the caller hung up") - caller.invited;
    }

    pub fn minus(&self, before: &Figures) -> Figures {
        Figures {
            offered: self.offered - before.offered,
            answered: self.answered - before.answered,
            abandoned: self.abandoned - before.abandoned,
            handled: self.handled - before.handled,
            wait_ms: self.wait_ms - before.wait_ms,
            abandon_wait_ms: self.abandon_wait_ms - before.abandon_wait_ms,
            talk_ms: self.talk_ms - before.talk_ms,
            hold_ms: self.hold_ms - before.hold_ms,
        }
    }
}
