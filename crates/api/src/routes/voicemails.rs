//! Mailboxes: messages that callers left for a queue, seen by its members and those who answer for it.
//!
//! The sound is the recording's; a call back is an agent's command (`call_back`).
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::access::{Action, Resource};
use domain::address::Address;
use domain::id::{QueueId, RecordingId};
use domain::input::Input;
use domain::mailbox::{MessageState, Notify};
use engine::CommandError;
use serde::Deserialize;
use serde_json::json;
use store::Scope;
use store::projection::VoicemailRow;
use store::query::VoicemailFilter;

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::common::Page;
use crate::dto::voicemail::{MailboxCounts, Voicemail, VoicemailChange, VoicemailCounts};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{JsonBody, Params, PathId, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::page_request;
use crate::views::{Addresses, load_addresses, number_ref, queue_ref, shown};

const TAG: &str = "voicemails";
const USE: Gate = Gate::May(Action::VoicemailUse);

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/voicemails", "list_voicemails", TAG, USE, list)
            .summary("Messages in one's mailboxes, newest first")
            .query("state", "string", "a MessageState")
            .query("queue", "string", "in this queue's mailbox")
            .query("q", "string", "the caller's whole address")
            .returns_page::<Voicemail>(),
        Op::get("/voicemails/counts", "count_voicemails", TAG, USE, counts)
            .summary("How many messages lie in each of one's mailboxes")
            .returns::<VoicemailCounts>(StatusCode::OK),
        Op::get("/voicemails/{id}", "get_voicemail", TAG, USE, get).returns::<Voicemail>(StatusCode::OK),
        Op::patch("/voicemails/{id}", "mark_voicemail", TAG, USE, mark)
            .summary("Says what has become of a message; lists know within a second")
            .body::<VoicemailChange>()
            .returns::<Voicemail>(StatusCode::OK),
        Op::delete("/voicemails/{id}", "delete_voicemail", TAG, Gate::May(Action::VoicemailDelete), delete)
            .summary("With its sound; refused while that is kept for legal reasons")
            .returns_nothing(),
    ]
}

/// The mailbox of a queue concerns the queue and its members; the company's concerns the company.
fn mailbox(caller: &Caller, known: &Known, queue: Option<QueueId>) -> Resource {
    let members = queue.and_then(|q| known.config.queues.get(&q)).into_iter().flat_map(|q| &q.members);
    caller.resource(&known.config, queue, members.map(|m| m.agent))
}

/// Whether this person's desk tells of new messages there.
pub fn is_told(caller: &Caller, known: &Known, queue: Option<QueueId>) -> bool {
    let mailbox = mailbox(caller, known, queue);
    let by = match known.config.mailbox(queue).notify {
        Notify::Everybody => true,
        Notify::Supervisors => caller.may(Action::LiveView, &mailbox),
        Notify::Nobody => false,
    };
    by && caller.may(Action::VoicemailUse, &mailbox)
}

/// The queues whose mailboxes the caller may open; none for every mailbox there is.
fn opened(caller: &Caller, known: &Known) -> Option<Vec<QueueId>> {
    if caller.may(Action::VoicemailUse, &caller.tenant_resource()) {
        return None;
    }
    let may = |q: &QueueId| caller.may(Action::VoicemailUse, &mailbox(caller, known, Some(*q)));
    Some(known.config.queues.keys().copied().filter(may).collect())
}

/// A message that the caller may hear.
pub async fn mine(app: &App, caller: &Caller, id: RecordingId) -> ApiResult<VoicemailRow> {
    let known = app.known(caller.tenant).await?;
    let row = app.store().voicemail(Scope::Tenant(caller.tenant), id).await?;
    caller.require(Action::VoicemailUse, &mailbox(caller, &known, row.queue_id))?;
    Ok(row)
}

#[derive(Deserialize)]
struct Query {
    limit: Option<u32>,
    cursor: Option<String>,
    state: Option<String>,
    queue: Option<QueueId>,
    q: Option<String>,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<Query>,
) -> ApiResult<Json<Page<Voicemail>>> {
    let known = app.known(caller.tenant).await?;
    let page = page_request(query.limit, query.cursor)?;
    if query.state.as_ref().is_some_and(|s| !["new", "heard", "handled"].contains(&s.as_str())) {
        return Err(ApiError::field("state", "invalid"));
    }
    let text = query.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty());
    if text.as_ref().is_some_and(|t| t.chars().count() > 200) {
        return Err(ApiError::field("q", "too_long"));
    }
    if text.is_some() && caller.sees_masked(&known.config) {
        return Err(Code::NumbersMasked.into());
    }
    let filter = VoicemailFilter {
        mailboxes: opened(&caller, &known),
        queue: query.queue,
        state: query.state,
        address: text.map(|t| Address::typed(&t, &known.settings.sip_domain, known.settings.region.as_deref())),
    };
    let found = app.store().voicemails(Scope::Tenant(caller.tenant), &filter, &page).await?;
    Ok(Json(Page { items: views(&app, &caller, &known, found.items).await?, next_cursor: found.next }))
}

async fn views(app: &App, caller: &Caller, known: &Known, rows: Vec<VoicemailRow>) -> ApiResult<Vec<Voicemail>> {
    let tenant = known.config.tenant;
    let mut addresses = Addresses::new();
    load_addresses(app, tenant, rows.iter().filter_map(|r| r.address_id), &mut addresses).await?;
    let addresses = shown(caller, known, &addresses);
    let mut names: BTreeMap<_, _> = known.config.agents.values().map(|a| (a.user, a.name.clone())).collect();
    for user in rows.iter().filter_map(|r| r.user_id) {
        // A supervisor who is no agent.
        if let std::collections::btree_map::Entry::Vacant(place) = names.entry(user)
            && let Ok(row) = app.store().user(Scope::Tenant(tenant), user).await
        {
            place.insert(row.name);
        }
    }
    let view = |row: VoicemailRow| Voicemail {
        id: row.id,
        interaction: row.interaction_id,
        queue: row.queue_id.map(|q| queue_ref(known, q)),
        number: row.number_id.and_then(|n| number_ref(&known.config, n)),
        from: row.address_id.and_then(|a| addresses.get(&a).cloned()),
        left_at: row.left_at.0,
        length_ms: row.length_ms,
        state: state_of(&row.state),
        state_at: row.state_at.0,
        by: row.user_id,
        by_name: row.user_id.and_then(|u| names.get(&u).cloned()),
        call: row.call_id,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Only those that can be heard are read.
fn state_of(word: &str) -> MessageState {
    match word {
        "heard" => MessageState::Heard,
        "handled" => MessageState::Handled,
        _ => MessageState::New,
    }
}

async fn one(app: &App, caller: &Caller, row: VoicemailRow) -> ApiResult<Json<Voicemail>> {
    let known = app.known(caller.tenant).await?;
    let view = views(app, caller, &known, vec![row]).await?.pop();
    view.map(Json).ok_or_else(|| Code::NotFound.into())
}

async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId<RecordingId>) -> ApiResult<Json<Voicemail>> {
    let row = mine(&app, &caller, id).await?;
    one(&app, &caller, row).await
}

async fn counts(State(app): State<App>, caller: Caller) -> ApiResult<Json<VoicemailCounts>> {
    let known = app.known(caller.tenant).await?;
    let opened = opened(&caller, &known);
    let empty = |queue: Option<QueueId>| MailboxCounts {
        queue: queue.map(|q| queue_ref(&known, q)),
        new: 0,
        heard: 0,
        handled: 0,
    };
    let mut mailboxes: BTreeMap<Option<QueueId>, MailboxCounts> = match &opened {
        Some(queues) => queues.iter().map(|q| (Some(*q), empty(Some(*q)))).collect(),
        None => known.config.queues.keys().map(|q| (Some(*q), empty(Some(*q)))).collect(),
    };
    let mut total = VoicemailCounts { new: 0, heard: 0, handled: 0, mailboxes: Vec::new() };
    for found in app.store().voicemail_counts(caller.tenant).await? {
        if opened.as_ref().is_some_and(|queues| found.queue.is_none_or(|q| !queues.contains(&q))) {
            continue;
        }
        let row = mailboxes.entry(found.queue).or_insert_with(|| empty(found.queue));
        let (of_one, of_all) = match state_of(&found.state) {
            MessageState::New => (&mut row.new, &mut total.new),
            MessageState::Heard => (&mut row.heard, &mut total.heard),
            MessageState::Handled => (&mut row.handled, &mut total.handled),
        };
        *of_one += found.count;
        *of_all += found.count;
    }
    total.mailboxes = mailboxes.into_values().collect();
    Ok(Json(total))
}

async fn mark(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<RecordingId>,
    JsonBody(change): JsonBody<VoicemailChange>,
) -> ApiResult<Json<Voicemail>> {
    let mut row = mine(&app, &caller, id).await?;
    if state_of(&row.state) != change.state {
        let (interaction, state, by) = (row.interaction_id, change.state, caller.user);
        let marked = Input::MessageMarked { interaction, recording: id, state, by };
        app.engine().input(caller.tenant, marked).await?;
        row.state = crate::dto::words::MessageState::word(&state).to_owned();
        row.state_at = app.now();
        row.user_id = Some(by);
    }
    one(&app, &caller, row).await
}

async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId<RecordingId>) -> ApiResult<Response> {
    let known = app.known(caller.tenant).await?;
    let scope = Scope::Tenant(caller.tenant);
    let row = app.store().voicemail(scope, id).await?;
    caller.require(Action::VoicemailDelete, &mailbox(&caller, &known, row.queue_id))?;
    let recording = app.store().recording(scope, id).await?;
    match app.engine().delete_recording(caller.tenant, &recording).await {
        Ok(()) => {}
        Err(CommandError::Store(store::Error::Conflict { .. })) => return Err(Code::LegalHold.into()),
        Err(e) => return Err(e.into()),
    }
    let mut tx = app.admin(&caller, "").await?;
    let detail = json!({"interaction": row.interaction_id, "queue": row.queue_id});
    tx.audit("voicemail.delete", Some(id.to_string()), detail).await?;
    app.commit(caller.tenant, tx).await?;
    Ok(nothing())
}
