//! Every operation is open to exactly the roles whose actions it asks for.
use std::collections::BTreeMap;

use api::openapi::Gate;
use axum::http::Method;
use serde_json::json;

use crate::support::{Person, World};

/// A path of company A for an operation: ids that exist, so that only permission decides.
fn path(world: &World, template: &str) -> String {
    let a = &world.a;
    let ids: BTreeMap<&str, String> = BTreeMap::from([
        ("/logins/", a.worker.login.to_string()),
        ("/users/", a.worker.user.to_string()),
        ("/teams/", a.team.to_string()),
        ("/agents/", a.agent.to_string()),
        ("/skills/", a.skill.to_string()),
        ("/queues/", a.queue.to_string()),
        ("/calendars/", a.calendar.to_string()),
        ("/numbers/", a.number.to_string()),
        ("/trunks/", a.trunk.to_string()),
        ("/routes/", a.route.to_string()),
        ("/devices/", a.phone.to_string()),
        ("/dispositions/", a.disposition.to_string()),
        ("/break-reasons/", a.break_reason.to_string()),
        ("/prompts/", a.prompt.to_string()),
        ("/flows/", a.flow.to_string()),
        ("/tokens/", a.api_token.to_string()),
        ("/interactions/", a.interaction.to_string()),
        ("/recordings/", a.recording.to_string()),
        ("/voicemails/", a.message.to_string()),
    ]);
    let id = ids.iter().find(|(prefix, _)| template.starts_with(**prefix)).map(|(_, id)| id.clone());
    template.replace("{id}", &id.unwrap_or_default()).replace("{lang}", "en")
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_reach_what_their_actions_say_and_nothing_else() {
    let world = World::new().await;
    let a = &world.a;
    let people: [(&str, &Person); 4] =
        [("admin", &a.admin), ("supervisor", &a.supervisor), ("agent", &a.worker), ("", &a.nobody)];
    let mut refused = BTreeMap::new();
    for operation in api::routes::operations().into_iter().filter(|o| !o.is_socket()) {
        for (role, person) in people {
            let built_in = domain::access::BuiltIn::ALL.iter().find(|r| r.as_str() == role);
            let allowed = match operation.gate {
                Gate::Anonymous | Gate::SignedIn => true,
                Gate::May(action) => built_in.is_some_and(|r| r.role().actions.contains(&action)),
            };
            if allowed && operation.method != Method::GET {
                // Doing it for real is the business of other tests; here only refusals and reads.
                continue;
            }
            let answer = world.call(person, operation.method.clone(), &path(&world, &operation.path), None).await;
            let status = answer.status.as_u16();
            if allowed {
                assert!(![401, 403].contains(&status), "{role} {}: {}", operation.id, answer.text());
            } else {
                assert_eq!(status, 403, "{role:?} {}: {}", operation.id, answer.text());
                *refused.entry(role).or_insert(0) += 1;
            }
        }
        if operation.gate != Gate::Anonymous {
            let answer = world.send(operation.method.clone(), &path(&world, &operation.path), &[], None).await;
            assert_eq!(answer.status.as_u16(), 401, "{}: {}", operation.id, answer.text());
        }
    }
    // Admins reach everything; the others are refused much.
    assert_eq!(refused.get("admin"), None);
    assert!(refused["supervisor"] > 30 && refused["agent"] > 50 && refused[""] > 60, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_what_he_handled_and_a_team_supervisor_his_team() {
    let world = World::new().await;
    let a = &world.a;
    // A second agent, of no team, and a supervisor of another team.
    let admin = &a.admin;
    let email = json!({"email": "second@alpha.test", "name": "Second",
                       "grants": [{"role": "agent", "scope": {"scope": "own"}}]});
    let second = world.post(admin, "/users", email).await.ok();
    let body = json!({"user": second["id"], "name": "Second", "extension": "602", "capacity": {"voice": 1}});
    let second_agent = world.post(admin, "/agents", body).await.ok();
    let team = world.post(admin, "/teams", json!({"name": {"en": "Other"}})).await.ok();
    let chief = json!({"email": "chief@alpha.test", "name": "Chief",
                       "grants": [{"role": "supervisor", "scope": {"scope": "team", "team": team["id"]}}]});
    let chief = world.post(admin, "/users", chief).await.ok();
    let token = async |user: &serde_json::Value| {
        let user = user["id"].as_str().unwrap().parse().unwrap();
        let mut tx = world.store.admin(a.tenant, store::Author::system(), "", crate::support::now()).await.unwrap();
        let (_, token) = tx.create_token(user, "test", None).await.unwrap();
        tx.commit().await.unwrap();
        Person { token, ..a.admin.clone() }
    };
    let (second, chief) = (token(&second).await, token(&chief).await);
    let interaction = format!("/interactions/{}", a.interaction);
    let recording = format!("/recordings/{}", a.recording);
    let seen = async |who: &Person| world.get(who, "/interactions").await.ok()["items"].as_array().unwrap().len();

    assert_eq!((seen(&a.worker).await, seen(&second).await, seen(&chief).await), (1, 0, 0));
    world.get(&a.worker, &interaction).await.ok();
    world.get(&second, &interaction).await.refused(403, "auth.forbidden");
    assert_eq!(world.get(&a.worker, &recording).await.status.as_u16(), 200);
    world.get(&chief, &recording).await.refused(403, "auth.forbidden");
    assert!(world.get(&chief, "/live").await.ok()["agents"].as_array().unwrap().is_empty());
    let other = format!("/agents/{}/commands", second_agent["id"].as_str().unwrap());
    let command = json!({"command": {"command": "sign_out"}});
    world.post(&a.worker, &other, command.clone()).await.refused(403, "auth.forbidden");
    world.post(&chief, &other, command).await.refused(403, "auth.forbidden");

    // The team gets the queue: its supervisor answers for what went through it.
    let path = format!("/teams/{}", team["id"].as_str().unwrap());
    world.patch(admin, &path, json!({"queues": [a.queue]})).await.ok();
    assert_eq!(seen(&chief).await, 1);
    assert_eq!(world.get(&chief, &recording).await.status.as_u16(), 200);
    assert_eq!(world.get(&chief, "/live").await.ok()["queues"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_rights_over_the_installation() {
    let world = World::new().await;
    let grants = json!([{"role": "host", "scope": {"scope": "host"}}]);
    let path = format!("/users/{}", world.a.worker.user);
    world.patch(&world.a.admin, &path, json!({"grants": grants})).await.refused(403, "auth.forbidden");
    let body = json!({"email": "x@alpha.test", "name": "x", "grants": grants});
    world.post(&world.a.admin, "/users", body).await.refused(403, "auth.forbidden");
}
