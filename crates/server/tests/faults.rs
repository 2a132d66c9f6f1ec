//! What breaks: the server is killed with calls up and goes on with them; a peer vanishes.
mod support;

use std::time::Duration;

use serde_json::Value;

use support::call::{AGENT_HZ, Caller, Phone, auto_answer};
use support::company::{Company, id};
use support::postgres::Postgres;
use support::scenario::{calls_outlive, segment_of};
use support::server::Server;
use support::verdict::{Verdict, must, must_fail};

#[test]
fn killed_with_calls_up_the_server_goes_on_with_them() {
    calls_outlive(&mut Server::start("kill"), Server::kill);
}

#[test]
fn killed_with_calls_up_the_server_goes_on_with_them_on_postgres() {
    let pg = Postgres::start("kill");
    calls_outlive(&mut Server::start_with("kill-pg", Some(pg.url())), Server::kill);
}

#[test]
fn an_upgrade_keeps_the_calls() {
    calls_outlive(&mut Server::start("upgrade"), Server::hand_over);
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
    must("the vanished caller", was_lost(&company.wait_detail(&id(&ended[0])), &phone.agent));

    // Sabotage twin: a caller who hangs up is not taken for a vanished one.
    let (agent, device) = (phone.agent.clone(), phone.device.clone());
    drop(phone);
    let mut phone = Phone::back_on_duty(&server, &company, agent, device, "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 400);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();
    let (segment, interaction) = company.wait_segment(&phone.agent, "wrap_up");
    company.wrap_up(&phone.agent, &segment, "Resolved");
    must_fail("a caller who hung up", was_lost(&company.wait_detail(&interaction), &phone.agent));
}

/// The customer's leg was given up by the switch, and the agent's segment says so.
fn was_lost(detail: &Value, agent: &str) -> Verdict {
    let leg = detail["legs"].as_array().and_then(|l| l.iter().find(|l| l["role"] == "customer")).expect("a leg");
    let lost = ["signalling.lost", "media.lost"].iter().any(|cause| leg["cause"] == *cause);
    if !lost || leg["ended_by"] != "system" {
        return Err(format!("the customer's leg ended otherwise: {leg:#}"));
    }
    match &segment_of(detail, agent)["end"] {
        end if end == "lost" => Ok(()),
        end => Err(format!("the agent's segment ended by {end}")),
    }
}
