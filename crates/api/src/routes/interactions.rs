//! Interactions, their events and recordings.
use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::{Action, Resource};
use domain::address::Address;
use domain::id::{AddressId, AgentId, InteractionId, NoteId, NumberId, OfferId, QueueId, RecordingId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::Scope;
use store::projection::{InteractionRow, LegRow, OfferRow, RecordingRow, SegmentRow};
use store::query::{InteractionFilter, Sample};

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::common::{Medium, Page};
use crate::dto::interaction::{
    Candidate, DecisionTrace, Excluded, Hold, InteractionDetail, InteractionEvent, InteractionEvents,
    InteractionSummary, Leg, Offer, Peaks, Recording, Segment, Span,
};
use crate::dto::routing::Strategy;
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{Params, PathId};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::page_request;
use crate::routes::{sound, voicemails};
use crate::views::{Addresses, agent_ref, load_addresses, number_ref, queue_ref, shown};

const TAG: &str = "interactions";
const READ: Gate = Gate::May(Action::InteractionView);
const LISTEN: Gate = Gate::May(Action::RecordingListen);
/// Pages read at most to fill one page for somebody who may not see every row.
const PAGES: usize = 10;

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/interactions", "list_interactions", TAG, READ, list)
            .summary("Newest first")
            .query("from", "integer", "started at or after, UTC ms")
            .query("to", "integer", "started before, UTC ms")
            .query("queue", "string", "went through this queue")
            .query("agent", "string", "handled by this agent")
            .query("state", "string", "`live` or `ended`")
            .query("end", "string", "an InteractionEnd")
            .query("direction", "string", "`inbound`, `outbound` or `internal`")
            .query("medium", "string", "a Medium")
            .query("number", "string", "id of our number")
            .query("q", "string", "the other party's whole address, or an id")
            .query("sample", "boolean", "seeded history only, or none of it")
            .query("held", "boolean", "kept for a court only")
            .returns_page::<InteractionSummary>(),
        Op::get("/interactions/{id}", "get_interaction", TAG, READ, get)
            .summary("With segments, legs, offers and recordings")
            .returns::<InteractionDetail>(StatusCode::OK),
        Op::get("/interactions/{id}/events", "list_interaction_events", TAG, READ, events)
            .summary("Its facts in the order of the journal")
            .returns::<InteractionEvents>(StatusCode::OK),
        Op::get("/recordings/{id}", "get_recording", TAG, LISTEN, recording)
            .summary("Stereo sound, customer left, agent right; takes Range, but for Ogg")
            .query("format", "string", "`wav` or `ogg` (Opus), the former if left out")
            .returns_media(StatusCode::OK, "audio/wav")
            .returns_media(StatusCode::OK, "audio/ogg")
            .returns_media(StatusCode::PARTIAL_CONTENT, "audio/wav"),
        Op::get("/recordings/{id}/peaks", "get_recording_peaks", TAG, LISTEN, peaks)
            .summary("Loudness for a waveform")
            .returns::<Peaks>(StatusCode::OK),
    ]
}

#[derive(Deserialize)]
struct SoundQuery {
    format: Option<String>,
}

#[derive(Deserialize)]
struct Query {
    limit: Option<u32>,
    cursor: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
    queue: Option<QueueId>,
    agent: Option<AgentId>,
    state: Option<String>,
    end: Option<String>,
    direction: Option<String>,
    medium: Option<Medium>,
    number: Option<NumberId>,
    q: Option<String>,
    sample: Option<bool>,
    held: Option<bool>,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<Query>,
) -> ApiResult<Json<Page<InteractionSummary>>> {
    let known = app.known(caller.tenant).await?;
    let scope = Scope::Tenant(caller.tenant);
    let mut page = page_request(query.limit, query.cursor.clone())?;
    let (filter, id) = filter(query, &known)?;
    if filter.address.is_some() && id.is_none() && caller.sees_masked(&known.config) {
        // Whoever may try numbers finds out the hidden digits.
        return Err(Code::NumbersMasked.into());
    }
    if let Some(id) = id {
        // One by its id, if it is there and may be seen.
        let row = match app.store().interaction(scope, id).await {
            Ok(row) => Some(row).filter(|r| sees(&caller, &known, r)),
            Err(store::Error::NotFound { .. }) => None,
            Err(e) => return Err(e.into()),
        };
        let items = summaries(&app, &caller, &known, row.into_iter().collect()).await?;
        return Ok(Json(Page { items, next_cursor: None }));
    }
    let limit = page.limit as usize;
    let mut rows = Vec::new();
    let mut next = None;
    for _ in 0..PAGES {
        // Never more than fits, so that a cursor never skips a row.
        page.limit = u32::try_from(limit - rows.len()).unwrap_or(1);
        let found = app.store().interactions(scope, &filter, &page).await?;
        rows.extend(found.items.into_iter().filter(|r| sees(&caller, &known, r)));
        next = found.next;
        if rows.len() >= limit || next.is_none() {
            break;
        }
        page.cursor.clone_from(&next);
    }
    Ok(Json(Page { items: summaries(&app, &caller, &known, rows).await?, next_cursor: next }))
}

fn filter(query: Query, known: &Known) -> ApiResult<(InteractionFilter, Option<InteractionId>)> {
    let state = match query.state.as_deref() {
        None => None,
        Some("live") => Some("open".to_owned()),
        Some("ended") => Some("ended".to_owned()),
        Some(_) => return Err(ApiError::field("state", "invalid")),
    };
    let text = query.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty());
    if text.as_ref().is_some_and(|t| t.chars().count() > 200) {
        return Err(ApiError::field("q", "too_long"));
    }
    let id = text.as_ref().and_then(|t| t.parse().ok());
    let typed = |t: String| Address::typed(&t, &known.settings.sip_domain, known.settings.region.as_deref());
    let address = text.map(typed);
    let filter = InteractionFilter {
        from: query.from.map(Timestamp),
        to: query.to.map(Timestamp),
        queue: query.queue,
        agent: query.agent,
        direction: query.direction,
        state,
        outcome: query.end,
        medium: query.medium.map(Into::into),
        number: query.number,
        address,
        sample: Sample::of(query.sample),
        held: query.held == Some(true),
    };
    Ok((filter, id))
}

fn resource(caller: &Caller, known: &Known, row: &InteractionRow) -> Resource {
    caller.resource(&known.config, row.queue_id, row.agent_id)
}

fn sees(caller: &Caller, known: &Known, row: &InteractionRow) -> bool {
    caller.may(Action::InteractionView, &resource(caller, known, row))
}

async fn summaries(
    app: &App,
    caller: &Caller,
    known: &Known,
    rows: Vec<InteractionRow>,
) -> ApiResult<Vec<InteractionSummary>> {
    let mut addresses = Addresses::new();
    let tenant = known.config.tenant;
    load_addresses(app, tenant, rows.iter().filter_map(|r| r.address_id), &mut addresses).await?;
    let addresses = shown(caller, known, &addresses);
    let holds = app.store().holds(tenant, &rows.iter().map(|r| r.id).collect::<Vec<_>>()).await?;
    let held = |row: &InteractionRow| holds.contains_key(&row.id);
    Ok(rows.into_iter().map(|row| (held(&row), row)).map(|(held, row)| summary(row, held, known, &addresses)).collect())
}

fn summary(row: InteractionRow, held: bool, known: &Known, addresses: &Addresses) -> InteractionSummary {
    InteractionSummary {
        id: row.id,
        medium: row.medium.into(),
        direction: word(&row.direction).unwrap_or(domain::event::Direction::Inbound),
        number: row.number_id.and_then(|n| number_ref(&known.config, n)),
        from: row.address_id.and_then(|a| addresses.get(&a).cloned()),
        lang: row.lang.unwrap_or(known.config.lang).into(),
        started_at: row.started_at.0,
        ended_at: row.ended_at.map(|t| t.0),
        end: row.outcome.as_deref().and_then(word),
        queues: row.queue_id.map(|q| queue_ref(known, q)).into_iter().collect(),
        agents: row.agent_id.map(|a| agent_ref(known, a)).into_iter().collect(),
        waited_ms: row.wait_ms,
        talk_ms: row.talk_ms,
        hold_ms: row.hold_ms,
        has_recording: row.recorded,
        sample: row.sample,
        held,
    }
}

/// A stored word as the `domain` value it is the serde name of.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

/// The stored detail, if the caller may see it.
async fn detail(app: &App, caller: &Caller, id: InteractionId) -> ApiResult<store::query::InteractionDetail> {
    let known = app.known(caller.tenant).await?;
    let mut detail = app.store().interaction_detail(Scope::Tenant(caller.tenant), id).await?;
    let queues = detail.segments.iter().filter_map(|s| s.queue_id);
    let agents = detail.segments.iter().filter_map(|s| s.agent_id);
    let resource = caller.resource(&known.config, queues, agents);
    if !caller.may(Action::InteractionView, &resource) && !has_message_for(app, caller, &detail).await {
        return Err(Code::Forbidden.into());
    }
    if !known.config.monitoring_shown && !caller.may(Action::CallMonitor, &resource) {
        hide_supervisors(&mut detail);
    }
    Ok(detail)
}

/// Whoever may hear a message may know of the call in which it was left.
async fn has_message_for(app: &App, caller: &Caller, detail: &store::query::InteractionDetail) -> bool {
    for recording in &detail.recordings {
        if voicemails::mine(app, caller, recording.id).await.is_ok() {
            return true;
        }
    }
    false
}

/// Agents are not to know who listened.
fn hide_supervisors(detail: &mut store::query::InteractionDetail) {
    let segments: Vec<String> =
        detail.segments.iter().filter(|s| s.kind == "supervisor").map(|s| s.id.to_string()).collect();
    if segments.is_empty() {
        return;
    }
    let hidden = |l: &&LegRow| l.party == "supervisor";
    let legs: Vec<String> = detail.legs.iter().filter(hidden).map(|l| l.id.to_string()).collect();
    detail.segments.retain(|s| s.kind != "supervisor");
    detail.legs.retain(|l| l.party != "supervisor");
    detail.timeline.retain(|row| {
        let names =
            |field: &str, among: &[String]| row.detail[field].as_str().is_some_and(|v| among.iter().any(|a| a == v));
        let mut bridged = row.detail["legs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let with_them = bridged.any(|leg| legs.iter().any(|l| l == leg));
        row.kind != "watch_changed" && !names("segment", &segments) && !names("leg", &legs) && !with_them
    });
}

async fn get(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<InteractionId>,
) -> ApiResult<Json<InteractionDetail>> {
    let detail = detail(&app, &caller, id).await?;
    let known = app.known(caller.tenant).await?;
    let mut notes: HashMap<NoteId, String> = detail.notes.into_iter().map(|n| (n.id, n.text)).collect();
    for id in detail.segments.iter().filter_map(|s| s.note_id) {
        if !notes.contains_key(&id)
            && let Ok(note) = app.store().note(caller.tenant, id).await
        {
            notes.insert(id, note.text);
        }
    }
    // Until when an offer rang stands in its event only.
    let until: HashMap<OfferId, i64> = detail
        .timeline
        .iter()
        .filter(|t| t.kind == "offer_made")
        .filter_map(|t| Some((t.detail["offer"].as_str()?.parse().ok()?, t.detail["until"].as_i64()?)))
        .collect();
    let extra = detail.interaction.extra.clone();
    let diverted: Option<AddressId> = extra["diverted"].as_str().and_then(|id| id.parse().ok());
    let verified: Option<domain::leg::Verified> = serde_json::from_value(extra["verified"].clone()).ok().flatten();
    let mut addresses: Addresses = detail.address.iter().map(|a| (a.id, a.into())).collect();
    let others = detail.segments.iter().filter_map(address_of).chain(diverted);
    load_addresses(&app, caller.tenant, others, &mut addresses).await?;
    let addresses = shown(&caller, &known, &addresses);
    let hold = app.store().holds(caller.tenant, &[id]).await?.remove(&id);
    let may_hold = caller.may(Action::RecordingHold, &resource(&caller, &known, &detail.interaction));
    let mut summary = summary(detail.interaction, hold.is_some(), &known, &addresses);
    let calls_back = extra["calls_back"].as_str().and_then(|id| id.parse().ok());
    let calls = extra["called_back_by"].as_array().into_iter().flatten();
    let called_back_by = calls.filter_map(|id| id.as_str()?.parse().ok()).collect();
    summary.queues.clear();
    summary.agents.clear();
    for segment in &detail.segments {
        if let Some(queue) = segment.queue_id
            && summary.queues.iter().all(|q| q.id != queue)
        {
            summary.queues.push(queue_ref(&known, queue));
        }
        if let Some(agent) = segment.agent_id
            && segment.answered_at.is_some()
            && summary.agents.iter().all(|a| a.id != agent)
        {
            summary.agents.push(agent_ref(&known, agent));
        }
    }
    Ok(Json(InteractionDetail {
        summary,
        hold: hold.map(|row| Hold::new(&row, may_hold)),
        segments: detail.segments.into_iter().map(|s| segment(s, &known, &notes, &addresses)).collect(),
        legs: detail.legs.into_iter().map(leg).collect(),
        offers: detail.offers.into_iter().map(|o| offer(o, &known, &until)).collect(),
        recordings: detail.recordings.into_iter().map(recording_view).collect(),
        diverted: diverted.and_then(|id| addresses.get(&id).cloned()),
        verified: verified.map(Into::into),
        calls_back,
        called_back_by,
    }))
}

/// Of somebody outside.
fn address_of(row: &SegmentRow) -> Option<AddressId> {
    row.extra["address"].as_str()?.parse().ok()
}

fn segment(row: SegmentRow, known: &Known, notes: &HashMap<NoteId, String>, addresses: &Addresses) -> Segment {
    let of = match row.kind.as_str() {
        "queue" | "agent" | "device" | "supervisor" | "outside" | "parked" => row.kind.clone(),
        _ => "flow".to_owned(),
    };
    Segment {
        id: row.id,
        of,
        flow: row.flow_id,
        flow_version: row.extra["flow_version"].as_u64().and_then(|v| u32::try_from(v).ok()),
        queue: row.queue_id.map(|q| queue_ref(known, q)),
        agent: row.agent_id.map(|a| agent_ref(known, a)),
        device: row.extra["device"].as_str().and_then(|d| d.parse().ok()),
        outside: address_of(&row).and_then(|a| addresses.get(&a).cloned()),
        place: row.extra["place"].as_u64().and_then(|p| u16::try_from(p).ok()),
        started_at: row.started_at.0,
        start: row.extra["why"].as_str().and_then(word).unwrap_or(domain::event::SegmentStart::Entry),
        ended_at: row.ended_at.map(|t| t.0),
        end: row.outcome.as_deref().and_then(word),
        spans: row
            .spans
            .0
            .iter()
            .filter_map(|s| Some(Span { state: word(&s.state)?, from_at: s.from_at.0, to_at: s.to_at.map(|t| t.0) }))
            .collect(),
        disposition: row.disposition_id,
        disposition_name: row
            .disposition_id
            .and_then(|d| known.config.dispositions.get(&d))
            .map(|name| name.clone().into()),
        note: row.note_id.and_then(|n| notes.get(&n).cloned()),
    }
}

fn leg(row: LegRow) -> Leg {
    let stats: Option<domain::leg::LegStats> = serde_json::from_value(row.stats).ok();
    Leg {
        id: row.id,
        segment: row.segment_id,
        role: word(&row.party).unwrap_or(domain::event::LegRole::Customer),
        direction: word(&row.direction).unwrap_or(domain::event::Direction::Inbound),
        destination: row.destination_class.as_deref().and_then(word).unwrap_or(domain::event::DestinationClass::Number),
        device: row.device_id,
        codec: row.codec.as_deref().and_then(word),
        started_at: row.started_at.0,
        ringing_at: row.ringing_at.map(|t| t.0),
        answered_at: row.answered_at.map(|t| t.0),
        ended_at: row.ended_at.map(|t| t.0),
        cause: row.cause.as_deref().and_then(word),
        ended_by: row.ended_by.as_deref().and_then(word),
        stats: stats.filter(|_| row.ended_at.is_some()).map(Into::into),
    }
}

fn offer(row: OfferRow, known: &Known, until: &HashMap<OfferId, i64>) -> Offer {
    let trace = row.trace;
    Offer {
        id: row.id,
        segment: row.segment_id,
        agent: agent_ref(known, row.agent_id),
        made_at: row.offered_at.0,
        until_at: until.get(&row.id).copied().unwrap_or(row.offered_at.0),
        ended_at: row.ended_at.map(|t| t.0),
        accepted: row.outcome.as_deref() == Some("accepted"),
        end: row.outcome.as_deref().and_then(word),
        trace: DecisionTrace {
            strategy: match trace.strategy {
                domain::config::Strategy::LongestIdle => Strategy::LongestIdle,
                domain::config::Strategy::SkillLevel => Strategy::SkillLevel,
            },
            waited_ms: trace.waited_ms,
            priority: trace.priority,
            place: trace.place,
            candidates: trace
                .candidates
                .into_iter()
                .map(|c| Candidate {
                    agent: agent_ref(known, c.agent),
                    priority: c.priority,
                    level: c.level,
                    idle_ms: c.idle_ms,
                })
                .collect(),
            excluded: trace
                .excluded
                .into_iter()
                .map(|e| Excluded { agent: agent_ref(known, e.agent), why: e.why })
                .collect(),
            left_out: trace.left_out,
        },
    }
}

fn recording_view(row: RecordingRow) -> Recording {
    let deleted = is_deleted(&row);
    let gaps: Vec<domain::leg::Gap> = serde_json::from_value(row.gaps).unwrap_or_default();
    Recording {
        id: row.id,
        interaction: row.interaction_id,
        segment: row.segment_id,
        started_at: row.started_at.0,
        length_ms: row.length_ms,
        stored: row.blob_id.is_some(),
        deleted,
        gaps: gaps.into_iter().map(Into::into).collect(),
    }
}

async fn events(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<InteractionId>,
) -> ApiResult<Json<InteractionEvents>> {
    let detail = detail(&app, &caller, id).await?;
    let items = detail
        .timeline
        .into_iter()
        .map(|row| InteractionEvent { seq: row.seq, at: row.at.0, kind: row.kind, data: row.detail })
        .collect();
    Ok(Json(InteractionEvents { items }))
}

/// The stored sound of a recording the caller may hear.
async fn audible(app: &App, caller: &Caller, id: RecordingId) -> ApiResult<domain::id::BlobId> {
    let scope = Scope::Tenant(caller.tenant);
    let known = app.known(caller.tenant).await?;
    let row = app.store().recording(scope, id).await?;
    let interaction = app.store().interaction(scope, row.interaction_id).await?;
    let agents = row.agent_id.into_iter().chain(interaction.agent_id);
    if !caller.may(Action::RecordingListen, &caller.resource(&known.config, interaction.queue_id, agents)) {
        // Whoever may open the mailbox hears the messages in it.
        match voicemails::mine(app, caller, id).await {
            Ok(_) => {}
            Err(e) if e.status == StatusCode::NOT_FOUND => return Err(Code::Forbidden.into()),
            Err(e) => return Err(e),
        }
    }
    row.blob_id.ok_or_else(|| if is_deleted(&row) { Code::RecordingDeleted } else { Code::RecordingNotReady }.into())
}

fn is_deleted(row: &RecordingRow) -> bool {
    row.state == "deleted"
}

async fn recording(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<RecordingId>,
    Params(query): Params<SoundQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let blob = audible(&app, &caller, id).await?;
    match query.format.as_deref() {
        None | Some("wav") => {}
        Some("ogg") => return sound::ogg(&app, Scope::Tenant(caller.tenant), blob).await,
        Some(_) => return Err(ApiError::field("format", "invalid")),
    }
    sound::serve(&app, Scope::Tenant(caller.tenant), blob, &headers).await
}

async fn peaks(State(app): State<App>, caller: Caller, PathId(id): PathId<RecordingId>) -> ApiResult<Json<Peaks>> {
    let blob = audible(&app, &caller, id).await?;
    sound::peaks(&app, Scope::Tenant(caller.tenant), blob).await.map(Json)
}
