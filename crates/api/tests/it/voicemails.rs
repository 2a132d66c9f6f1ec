//! Mailboxes: who may open which, marks, deletion, rules.
use domain::event::{Event, EventBody};
use domain::mailbox::MessageState;
use serde_json::{Value, json};
use store::{FloorKind, PageRequest};

use crate::support::{Person, World, scope, wav};

async fn journal(world: &World) -> Vec<EventBody> {
    let floors = world.store.floors(scope(&world.a)).await.unwrap();
    let live = floors.iter().find(|f| f.kind == FloorKind::Live).unwrap();
    let batches = world.store.read_journal(live.id, 1, 1_000).await.unwrap();
    batches.iter().flat_map(|b| b.events::<Event>().unwrap()).map(|(_, e)| e.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_its_queues_members_and_their_supervisors() {
    let world = World::new().await;
    let a = &world.a;
    let message = format!("/voicemails/{}", a.message);
    let seen = async |who: &Person| world.get(who, "/voicemails").await.ok()["items"].as_array().unwrap().len();
    assert_eq!((seen(&a.worker).await, seen(&a.supervisor).await, seen(&a.admin).await), (1, 1, 1));
    let row = world.get(&a.worker, &message).await.ok();
    assert_eq!((&row["state"], &row["queue"]["id"], &row["by"]), (&json!("new"), &json!(a.queue), &Value::Null));
    let counts = world.get(&a.worker, "/voicemails/counts").await.ok();
    assert_eq!((&counts["new"], &counts["mailboxes"][0]["queue"]["id"]), (&json!(1), &json!(a.queue)));
    for (query, wanted) in
        [("state=new", 1), ("state=heard", 0), (&format!("queue={}", a.queue), 1), ("q=13800138000", 0)]
    {
        let page = world.get(&a.worker, &format!("/voicemails?{query}")).await.ok();
        assert_eq!(page["items"].as_array().unwrap().len(), wanted, "{query}");
    }
    world.get(&a.worker, "/voicemails?state=odd").await.refused(422, "request.invalid");
    // Who is no member any more has no business with it, its sound and its call.
    let sound = format!("/recordings/{}", a.message);
    assert_eq!(world.get(&a.worker, &sound).await.bytes, wav());
    world.patch(&a.admin, &format!("/queues/{}", a.queue), json!({"members": []})).await.ok();
    assert_eq!((seen(&a.worker).await, seen(&a.supervisor).await), (0, 1));
    world.get(&a.worker, &message).await.refused(403, "auth.forbidden");
    world.patch(&a.worker, &message, json!({"state": "heard"})).await.refused(403, "auth.forbidden");
    let back = json!({"command": {"command": "call_back", "interaction": a.interaction, "message": a.message}});
    let commands = format!("/agents/{}/commands", a.agent);
    world.post(&a.worker, &commands, back).await.refused(403, "auth.forbidden");
    let counts = world.get(&a.worker, "/voicemails/counts").await.ok();
    assert_eq!((&counts["new"], counts["mailboxes"].as_array().unwrap().len()), (&json!(0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_are_facts_of_the_journal_and_name_who_made_them() {
    let world = World::new().await;
    let a = &world.a;
    let message = format!("/voicemails/{}", a.message);
    let row = world.patch(&a.worker, &message, json!({"state": "handled"})).await.ok();
    assert_eq!((&row["state"], &row["by_name"]), (&json!("handled"), &json!("alpha worker")));
    world.patch(&a.worker, &message, json!({"state": "lost"})).await.refused(422, "request.invalid");
    let marked = journal(&world).await.into_iter().find_map(|body| match body {
        EventBody::MessageMarked { interaction, recording, state, by, call } => {
            Some((interaction, recording, state, by, call))
        }
        _ => None,
    });
    assert_eq!(marked, Some((a.interaction, a.message, MessageState::Handled, Some(a.worker.user), None)));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_takes_the_sound_is_told_and_is_audited() {
    let world = World::new().await;
    let a = &world.a;
    let message = format!("/voicemails/{}", a.message);
    world.delete(&a.worker, &message).await.refused(403, "auth.forbidden");
    assert_eq!(world.delete(&a.supervisor, &message).await.status.as_u16(), 204);
    world.get(&a.supervisor, &format!("/recordings/{}", a.message)).await.refused(404, "not_found");
    let deleted =
        |body: &EventBody| matches!(body, EventBody::RecordingDeleted { recording, .. } if *recording == a.message);
    assert!(journal(&world).await.iter().any(deleted));
    let audit = world.store.audit(scope(a), &PageRequest::default()).await.unwrap();
    let entry = audit.items.iter().find(|row| row.action == "voicemail.delete").unwrap();
    assert_eq!((entry.object_id.clone(), entry.user_id), (Some(a.message.to_string()), Some(a.supervisor.user)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_back_needs_a_number_and_the_right_interaction() {
    let world = World::new().await;
    let a = &world.a;
    let commands = format!("/agents/{}/commands", a.agent);
    let back = |interaction: Value, message: Value| json!({"command": {"command": "call_back", "interaction": interaction, "message": message}});
    // The sample's caller withheld his number.
    let withheld = back(json!(a.interaction), json!(a.message));
    world.post(&a.worker, &commands, withheld).await.refused(422, "number.invalid");
    let other = back(json!(world.b.interaction), json!(a.message));
    world.post(&a.worker, &commands, other).await.refused(404, "not_found");
    let foreign = back(json!(world.b.interaction), Value::Null);
    world.post(&a.worker, &commands, foreign).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_the_companys_unless_the_queue_has_its_own() {
    let world = World::new().await;
    let a = &world.a;
    let queue = format!("/queues/{}", a.queue);
    assert_eq!(world.get(&a.admin, &queue).await.ok()["voicemail"], Value::Null);
    let rules = json!({"on": true, "greeting": a.prompt, "max_ms": 60_000, "least_ms": 2_000,
                       "notify": "supervisors", "keep_days": 14});
    assert_eq!(world.patch(&a.admin, &queue, json!({"voicemail": rules})).await.ok()["voicemail"], rules);
    let company = json!({"voicemail": {"on": false}});
    let tenant = world.patch(&a.admin, "/tenant", company).await.ok();
    assert_eq!((&tenant["voicemail"]["on"], &tenant["voicemail"]["max_ms"]), (&json!(false), &json!(120_000)));
    let config = world.store.load_config(a.tenant).await.unwrap();
    assert!(!config.mailbox(None).on && config.mailbox(Some(a.queue)).on);
    for wrong in [json!({"max_ms": 1_000}), json!({"least_ms": 60_000}), json!({"keep_days": 0})] {
        world.patch(&a.admin, &queue, json!({"voicemail": wrong})).await.refused(422, "request.invalid");
    }
    let foreign = json!({"voicemail": {"greeting": world.b.prompt}});
    world.patch(&a.admin, &queue, foreign.clone()).await.refused(422, "request.invalid");
    world.patch(&a.admin, "/tenant", foreign).await.refused(422, "request.invalid");
}
