//! Telephones against the real server: the echo, a queue served by SIP phones, faults. Sound is judged outside.
mod support;

use std::time::Duration;

use support::peers::{Calls, Sipp};
use support::rtp::RtpPeer;
use support::server::Server;
use support::sound::heard_ms;

#[test]
fn number_3000_answers_and_echoes() {
    let server = Server::start("echo");
    let caller = RtpPeer::start();
    caller.say(Some(1000.0));
    let mut sipp = Sipp::call(
        server.sip,
        &Calls { scenario: "caller_hangs_up", number: "3000", rtp_port: caller.port, pause_ms: 3000, ..Calls::default() },
    );
    caller.wait_tone(1000.0, 1000);
    caller.say(Some(440.0));
    caller.wait_tone(440.0, 500);
    caller.say(None);
    // Sabotage twin: what was not sent is not heard.
    assert_eq!(heard_ms(&caller.listen(400), 697.0), 0);
    assert!(sipp.wait(Duration::from_secs(15)), "{}", sipp.errors());
}
