//! Browsers behind firewalls: an agent's and a customer's sound by nothing but a relay (coturn, reached by TCP), which then
//! dies in the middle of the call.
mod support;

use std::time::Instant;

use serde_json::json;

use support::browser::Browser;
use support::call::{AGENT_HZ, CALLER_HZ};
use support::company::Company;
use support::relay::{Relay, SECRET};
use support::server::{Server, Unusual};
use support::verdict::{self, must, must_fail};
use support::{SOON, wait_for};

#[test]
fn an_agent_and_a_customer_talk_through_a_relay_by_tcp_and_go_on_when_it_comes_back() {
    let mut relay = Relay::start("turn");
    let options = ["--turn", &relay.url(), "--turn-only"].map(str::to_owned).to_vec();
    let environment = vec![("CORDBOARD_TURN_SECRET", SECRET)];
    let log = Some("debug,sqlx=warn");
    let server = Server::start_unusual("turn", Unusual { options, environment, log, ..Unusual::default() });
    let tenant = Company::of(&server).get("me")["tenant"]["id"].as_str().expect("a tenant").to_owned();
    let mut agent = Browser::start(&server, AGENT_HZ);
    agent.at_desk("agent", "agent1@sample.test");
    let mut customer = Browser::start(&server, CALLER_HZ);
    customer.order(json!({"do": "open", "page": "customer", "path": format!("/call/{tenant}")}));
    customer.order(json!({"do": "choose", "page": "customer", "selector": "input[name=number][value=\"1000\"]"}));
    customer.click("customer", "call");
    agent.click("agent", "accept");
    agent.wait_tone("agent", CALLER_HZ);
    customer.wait_tone("customer", AGENT_HZ);
    let (at_agent, at_customer) = (agent.listen("agent", 1000), customer.listen("customer", 1000));
    must("the agent", verdict::browser_hears(&at_agent, CALLER_HZ, AGENT_HZ));
    must("the customer", verdict::browser_hears(&at_customer, AGENT_HZ, CALLER_HZ));
    must_fail("the sides swapped", verdict::browser_hears(&at_agent, AGENT_HZ, CALLER_HZ));
    // The browsers say so, and so does the relay.
    let way = |browser: &mut Browser, page: &str| browser.order(json!({"do": "way", "page": page}));
    for way in [way(&mut agent, "agent"), way(&mut customer, "customer")] {
        assert_eq!((&way["type"], &way["protocol"]), (&json!("relay"), &json!("tcp")), "{way}");
    }
    let allocations = relay.log().matches("ALLOCATE processed, success").count();
    assert!(allocations >= 2, "one each: {}", relay.log());

    // The way is cut and comes back: the legs live on, each page makes itself another connection.
    relay.kill();
    let cut = Instant::now();
    relay.start_again();
    let back = |browser: &mut Browser, page: &str, hz, own| {
        wait_for("sound by the relay again", SOON + SOON, || {
            let heard = browser.listen(page, 400);
            verdict::browser_hears(&heard, hz, own).ok().map(|()| cut.elapsed())
        })
    };
    let at_agent = back(&mut agent, "agent", CALLER_HZ, AGENT_HZ);
    let at_customer = back(&mut customer, "customer", AGENT_HZ, CALLER_HZ);
    println!("sound was back {at_agent:?} and {at_customer:?} after the relay's end");
    assert_eq!(way(&mut agent, "agent")["type"], "relay");
    agent.wait("agent", "work-state", "data-state", "talking");
    customer.click("customer", "hang-up");
    agent.wait_shown("agent", "wrap-up");

    // Who reads the server's log does not get into the relay.
    let (log, credential) = (server.log(), way(&mut agent, "agent")["credential"].clone());
    let credential = credential.as_str().filter(|c| !c.is_empty()).expect("an account at the relay");
    assert!(!log.contains(credential) && !log.contains(SECRET));
}
