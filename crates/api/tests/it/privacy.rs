//! Customers' numbers hidden from agents: on every screen, on their phones, in searches; and called all the same.
use std::time::Duration;

use domain::address::Address;
use domain::id::LegId;
use domain::leg::{Codec, Dial, LegCommand, LegEvent, Via};
use engine::port::{Down, Up};
use serde_json::{Value, json};

use crate::support::{Person, World};

/// A customer calls and talks with the agent, who sits at a phone elsewhere; what that phone was shown.
async fn talk(world: &World) -> Option<String> {
    let a = &world.a;
    let duty = json!({"device": a.uri});
    let path = format!("/agents/{}/duty", a.agent);
    world.call(&a.worker, axum::http::Method::PUT, &path, Some(duty)).await.ok();
    let leg = LegId(u128::MAX - 1);
    let from = Address::from_sip("13800138000", "carrier.example", Some("CN"));
    let (tenant, number, name) = (a.tenant, a.number, Some("13800138000".to_owned()));
    let offered = LegEvent::Offered { leg, tenant, number, from, name, via: Via::Loopback, claims: Default::default() };
    world.up.send(Up::Leg(offered)).await.unwrap();
    world.told(|d| matches!(d, Down::Leg(LegCommand::Answer { leg: l }) if *l == leg).then_some(())).await;
    world.up.send(Up::Leg(LegEvent::Answered { leg, codec: Codec::Pcma })).await.unwrap();
    let (phone, shown) = world
        .told(|d| match d {
            Down::Leg(LegCommand::Originate { leg, from, to: Dial::Device { .. }, .. }) => Some((*leg, from.clone())),
            _ => None,
        })
        .await;
    world.up.send(Up::Leg(LegEvent::Answered { leg: phone, codec: Codec::Pcmu })).await.unwrap();
    assert!(shown.name.is_none_or(|name| shown.user.as_ref().is_some_and(|user| user.contains(&name))));
    shown.user
}

/// The one live interaction as this person sees it, once the tables know it and its agent.
async fn seen(world: &World, who: &Person) -> Value {
    for _ in 0..1_000 {
        let live = world.get(who, "/interactions?state=live").await.ok();
        if let Some(row) = live["items"].as_array().and_then(|rows| rows.iter().find(|r| r["agents"][0].is_object())) {
            return row.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no live interaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_masked_numbers_everywhere_and_can_call_them_back() {
    let world = World::new().await;
    let a = &world.a;
    world.patch(&a.worker, "/tenant", json!({"mask_numbers": true})).await.refused(403, "auth.forbidden");
    assert_eq!(world.patch(&a.admin, "/tenant", json!({"mask_numbers": true})).await.ok()["mask_numbers"], json!(true));
    assert_eq!(talk(&world).await.as_deref(), Some("+86138****8000"), "on the phone");
    let masked = json!({"kind": "phone", "text": "+86138****8000", "name": null, "masked": true});
    let whole = json!({"kind": "phone", "text": "+8613800138000", "name": null, "masked": false});
    let row = seen(&world, &a.worker).await;
    let interaction = row["id"].as_str().unwrap();
    assert_eq!(row["from"], masked);
    assert_eq!(seen(&world, &a.supervisor).await["from"], whole);
    let path = format!("/interactions/{interaction}");
    for (who, wanted) in [(&a.worker, &masked), (&a.admin, &whole)] {
        assert_eq!(&world.get(who, &path).await.ok()["summary"]["from"], wanted);
    }
    let live = world.get(&a.supervisor, "/live").await.ok();
    assert_eq!(live["interactions"][0]["from"], whole);
    let me = async |who: &Person| world.get(who, "/me").await.ok()["numbers_masked"].clone();
    assert_eq!((me(&a.worker).await, me(&a.supervisor).await), (json!(true), json!(false)));

    // Nobody finds out the hidden digits by trying.
    for path in ["/interactions?q=13800138000", "/voicemails?q=13800138000"] {
        world.get(&a.worker, path).await.refused(403, "numbers.masked");
        world.get(&a.supervisor, path).await.ok();
    }
    assert_eq!(world.get(&a.worker, &format!("/interactions?q={interaction}")).await.ok()["items"][0]["from"], masked);

    // Called by what it was, not by number: refused only because the agent is on the line already.
    let back = json!({"command": {"command": "call_back", "interaction": interaction}});
    world.post(&a.worker, &format!("/agents/{}/commands", a.agent), back).await.refused(409, "agent.busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_rule_everybody_sees_the_number() {
    let world = World::new().await;
    assert_eq!(talk(&world).await.as_deref(), Some("+8613800138000"));
    let row = seen(&world, &world.a.worker).await;
    assert_eq!(row["from"], json!({"kind": "phone", "text": "+8613800138000", "name": null, "masked": false}));
}
