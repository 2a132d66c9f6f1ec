//! What breaks: the server is killed with calls up, a peer vanishes. Nothing is lost, doubled or stuck.
mod support;

use std::time::Duration;

use serde_json::json;

use support::call::{AGENT_HZ, Caller, Phone, auto_answer};
use support::company::{Company, id};
use support::postgres::Postgres;
use support::scenario::{a_crash_loses_nothing, segment_of};
use support::server::Server;

#[test]
fn killed_with_calls_up_the_server_comes_back_whole() {
    a_crash_loses_nothing(&mut Server::start("kill"));
}

#[test]
fn killed_with_calls_up_the_server_comes_back_whole_on_postgres() {
    let pg = Postgres::start("kill");
    a_crash_loses_nothing(&mut Server::start_with("kill-pg", Some(pg.url())));
}

#[test]
fn a_call_whose_caller_vanishes_ends_with_the_true_cause() {
    let server = Server::start("vanish");
    let company = Company::of(&server);
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 400);
    // The power goes at the caller's: no BYE, no more sound, nobody answers there.
    caller.sipp.vanish();
    drop(caller.rtp);
    // Half a minute of silence, then the time a request takes to be given up (RFC 3261 §17.1.2.2).
    assert!(phone.sipp.wait(Duration::from_secs(100)), "the agent is still on the line: {}", phone.sipp.errors());
    assert!(!phone.call().ended_here);
    let (segment, _) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Follow up");
    let ended = company.wait_ended(1, Duration::from_secs(20));
    let detail = company.wait_detail(&id(&ended[0]));
    let leg = detail["legs"].as_array().and_then(|l| l.iter().find(|l| l["role"] == "customer")).expect("a leg");
    let cause = leg["cause"].as_str().unwrap_or_default();
    assert!(["signalling.lost", "media.lost"].contains(&cause), "{leg:#}");
    assert_eq!(leg["ended_by"], json!("system"));
    assert_eq!(segment_of(&detail, &phone.agent)["end"], "lost");
}
