//! Signalling by TLS and sound by SRTP: an agent's softphone behind both, a carrier that proves who it is, a caller who
//! brings keys.
mod support;

use std::path::Path;
use std::process::Command;

use serde_json::json;

use support::baresip::{Account, Baresip, Manner};
use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, SECRET, auto_answer};
use support::company::{Company, id};
use support::scenario::newest;
use support::server::{Server, Unusual};
use support::sound::stereo;
use support::verdict::{self, Expected, must, must_fail};

#[test]
fn a_softphone_over_tls_with_srtp_serves_a_plain_caller() {
    let server = Server::start("tls-phone");
    let company = Company::of(&server);
    let agent = company.agent("Agent 1");
    let device = company.sip_device(&agent, "7105", SECRET);
    company.patch(&format!("devices/{device}"), json!({"srtp": "required"}));
    let account = Account { user: "7105", secret: SECRET };
    let manner = Manner { tls: true, srtp: true, ..Manner::default() };
    let phone = Baresip::start_in(server.sip_tls, AGENT_HZ, Some(&account), &manner);
    company.on_duty(&agent, &device);

    let mut caller = Caller::dial(&server, "1000");
    caller.rtp.wait_tone(AGENT_HZ, 300);
    phone.wait_tone(CALLER_HZ, 300);
    let (at_caller, at_agent) = (caller.rtp.listen(1000), phone.listen(1000));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must_fail("the sides swapped", verdict::hears(&at_caller, CALLER_HZ, AGENT_HZ));
    let interaction = id(&newest(&company, &[]));
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    // The BYE found its way back over the phone's own connection.
    phone.wait_event("CALL_CLOSED");
    let (segment, _) = company.wait_segment(&agent, "wrap_up");
    company.wrap_up(&agent, &segment, "Resolved");
    let detail = company.wait_detail(&interaction);
    assert_eq!(detail["summary"]["end"], "served");
    let (left, right) = stereo(&company.recording(&id(&detail["recordings"][0])));
    let length_ms = detail["summary"]["talk_ms"].as_f64().expect("talk");
    let expected = Expected { left_hz: CALLER_HZ, right_hz: AGENT_HZ, length_ms, gaps: Vec::new() };
    must("the recording", verdict::recording(&left, &right, &expected));
}

/// A certificate for `localhost` and nothing else, and one file with its key behind it.
fn certificate(dir: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name| std::fs::read_to_string(dir.join(name)).expect("a file");
    std::fs::write(dir.join("both.pem"), read("cert.pem") + &read("key.pem")).expect("a file");
}

#[test]
fn a_call_goes_out_over_tls_to_the_carrier_whose_certificate_fits() {
    let dir = std::env::temp_dir().join(format!("cordboard-certificate-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    certificate(&dir);
    let roots = Some(dir.join("cert.pem"));
    let server = Server::start_unusual("tls-trunk", Unusual { roots, ..Unusual::default() });
    let company = Company::of(&server);
    let both = dir.join("both.pem");
    let manner = Manner { tls: true, srtp: true, certificate: Some(&both), ..Manner::default() };
    let carrier = Baresip::start_in(server.sip, CALLER_HZ, None, &manner);
    let trunk = |name: &str, host: &str| {
        let host = format!("{host}:{}", carrier.port + 1);
        id(&company
            .post("trunks", json!({"name": name, "host": host, "transport": "tls", "srtp": "required", "check_s": 0})))
    };
    // The same server by a name that its certificate does not have, then by its own.
    let (doubtful, proved) = (trunk("doubtful", "127.0.0.1"), trunk("proved", "localhost"));
    let route = json!({"name": "out", "prefixes": ["+86"], "trunks": [doubtful, proved], "format": "national"});
    company.post("routes", route);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    company.command(&phone.agent, json!({"command": "dial", "number": "139 0013 9000"}));
    phone.wait_call();
    phone.rtp.wait_tone(CALLER_HZ, 300);
    carrier.wait_tone(AGENT_HZ, 300);
    let (at_agent, at_callee) = (phone.rtp.listen(800), carrier.listen(800));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must("the callee", verdict::hears(&at_callee, AGENT_HZ, CALLER_HZ));
    let (segment, interaction) = company.wait_segment(&phone.agent, "talking");
    company.command(&phone.agent, json!({"command": "hang_up", "segment": segment}));
    carrier.wait_event("CALL_CLOSED");
    let detail = company.wait_detail(&interaction);
    let legs = detail["legs"].as_array().cloned().unwrap_or_default();
    let tried: Vec<_> = legs.iter().filter(|l| l["role"] == "customer").map(|l| &l["cause"]).collect();
    assert_eq!(tried, ["unreachable", "hangup"]);
    assert!(server.log().contains("no TLS connection to a trunk"), "the operator can read why");
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn a_caller_who_brings_keys_is_heard_and_hears_by_srtp() {
    let mut server = Server::start("srtp-caller");
    let company = Company::of(&server);
    let phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Baresip::start_in(server.sip, CALLER_HZ, None, &Manner { srtp: true, ..Manner::default() });
    caller.dial(server.sip, "1000");
    phone.rtp.wait_tone(CALLER_HZ, 300);
    caller.wait_tone(AGENT_HZ, 300);
    let (at_agent, at_caller) = (phone.rtp.listen(800), caller.listen(800));
    must("the agent", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must("the caller", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    // The process is killed: the next one goes on with the same keys, and with the dialog.
    server.kill_and_restart();
    let company = Company::of(&server);
    company.takes_duty(&phone.agent, &phone.device);
    phone.rtp.wait_tone(CALLER_HZ, 300);
    let (at_agent, at_caller) = (phone.rtp.listen(800), caller.listen(800));
    must("the agent after a crash", verdict::hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must("the caller after a crash", verdict::hears(&at_caller, AGENT_HZ, CALLER_HZ));
    // A hold and back: offers that name the same keys, and the session goes on with them.
    caller.hold();
    phone.rtp.wait_without(CALLER_HZ, 300);
    caller.resume();
    phone.rtp.wait_tone(CALLER_HZ, 500);
    caller.hang_up();
    caller.wait_event("CALL_CLOSED");
    assert_eq!(server.metric("cordboard_srtp_rejected_total").unwrap_or_default(), 0.0);
}
