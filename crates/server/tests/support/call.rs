//! A caller and an agent's phone: SIPp for the signalling and an RTP peer for the sound of each, working together.
use std::time::{Duration, Instant};

use super::company::Company;
use super::ledger::PeerCall;
use super::peers::{Calls, Sipp, free_port};
use super::rtp::RtpPeer;
use super::server::Server;
use super::{SOON, wait_for};

/// The two sides' tones: no multiples of one another, within the telephone band, no DTMF frequency.
pub const CALLER_HZ: f64 = 1130.0;
pub const AGENT_HZ: f64 = 620.0;

pub struct Caller {
    pub sipp: Sipp,
    pub rtp: RtpPeer,
}

impl Caller {
    /// Calls, is answered, and says its tone.
    #[track_caller]
    pub fn dial(server: &Server, number: &str) -> Caller {
        Caller::dial_as(server, &Calls { number, ..Calls::default() })
    }

    #[track_caller]
    pub fn dial_as(server: &Server, calls: &Calls<'_>) -> Caller {
        let rtp = RtpPeer::start();
        rtp.say(Some(CALLER_HZ));
        let mut sipp = Sipp::call(server.sip, &Calls { rtp_port: rtp.port, ..calls.clone() });
        let media = wait_for("the caller to be answered", SOON, || {
            let media = sipp.media();
            assert!(media.is_some() || sipp.is_running(), "the caller gave up: {}", sipp.errors());
            media
        });
        rtp.send_to(media);
        Caller { sipp, rtp }
    }

    /// Its ledger of its call.
    pub fn call(&self) -> PeerCall {
        self.sipp.calls().into_iter().next_back().expect("a call")
    }
}

/// An agent's phone: registered, on duty.
pub struct Phone {
    pub sipp: Sipp,
    pub rtp: RtpPeer,
    pub agent: String,
    pub device: String,
}

impl Phone {
    /// Makes the account, registers, takes the calls by the scenario, and puts the agent on duty.
    #[track_caller]
    pub fn on_duty(server: &Server, company: &Company, agent: &str, user: &str, calls: &Calls<'_>) -> Phone {
        let agent = company.agent(agent);
        let device = company.sip_device(&agent, user, SECRET);
        let phone = Phone::back_on_duty(server, company, agent, device, user, calls);
        company.on_duty(&phone.agent, &phone.device);
        phone
    }

    /// The same with an account that exists.
    #[track_caller]
    pub fn back_on_duty(
        server: &Server,
        company: &Company,
        agent: String,
        device: String,
        user: &str,
        calls: &Calls<'_>,
    ) -> Phone {
        let port = free_port();
        // The new account reaches telephony when its revision is published there.
        Sipp::register(server.sip, port, user, SECRET);
        let rtp = RtpPeer::start();
        rtp.say(Some(AGENT_HZ));
        let sipp = Sipp::phone(server.sip, port, &Calls { rtp_port: rtp.port, ..calls.clone() });
        company.takes_duty(&agent, &device);
        Phone { sipp, rtp, agent, device }
    }

    /// Waits for the call and directs the sound at the server.
    #[track_caller]
    pub fn wait_call(&self) {
        self.rtp.send_to(wait_for("the agent's phone to be called", SOON, || self.sipp.media()));
    }

    pub fn call(&self) -> PeerCall {
        self.sipp.calls().into_iter().next_back().expect("a call")
    }
}

pub const SECRET: &str = "a-secret-of-the-phone-7";

/// Answers at once, one call.
pub fn auto_answer() -> Calls<'static> {
    Calls { scenario: "auto_answer", pause_ms: 300, ..Calls::default() }
}

/// How long the caller did not hear the agent between hearing him: the hold by the peers' ledger, in milliseconds.
pub fn silence_between(spans: &[(Instant, Instant)]) -> f64 {
    spans.windows(2).map(|pair| pair[1].0.saturating_duration_since(pair[0].1)).sum::<Duration>().as_secs_f64() * 1000.0
}
