//! Flows: drafts, validation, versions, publishing.
//!
//! A flow's draft is a draft revision of the configuration that holds nothing else; saving again replaces it.
//! Publishing applies it: the next version, used by new interactions, while those inside keep theirs.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::access::Action;
use domain::flow::validate::Known as KnownIds;
use domain::id::{FlowId, TenantId};
use serde_json::Value;
use store::{Change, ConfigItem, PromptConfig, RevisionRow, Scope};

use crate::App;
use crate::auth::Caller;
use crate::dto::common::Page;
use crate::dto::flow::{Flow, FlowFields, FlowProblem, FlowPublish, FlowValidation, FlowVersion};
use crate::error::{ApiError, ApiResult, Code, FieldProblem, Message};
use crate::http::{JsonBody, Params, PathId, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::{ListQuery, Problems, READ, patched, reader, with_revision, writer};

const TAG: &str = "flows";
const WRITE: Gate = Gate::May(Action::FlowManage);
/// Drafts are looked for among this many newest revisions: a draft older than that is forgotten work.
const DRAFTS_AMONG: usize = 1_000;

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/flows", "list_flows", TAG, READ, list)
            .summary("Flows with their drafts")
            .query("q", "string", "searches names")
            .returns_page::<Flow>(),
        Op::post("/flows", "create_flow", TAG, WRITE, create)
            .summary("Make a flow and publish its first version; it must be valid")
            .idempotent()
            .body::<FlowFields>()
            .returns::<Flow>(StatusCode::CREATED),
        Op::get("/flows/{id}", "get_flow", TAG, READ, get).returns::<Flow>(StatusCode::OK),
        Op::patch("/flows/{id}", "patch_flow", TAG, WRITE, patch)
            .summary("Save a draft; it may be faulty")
            .body_patch::<FlowFields>("FlowDraftPatch")
            .returns::<Flow>(StatusCode::OK),
        Op::delete("/flows/{id}", "delete_flow", TAG, WRITE, delete)
            .summary("Refused while a number, queue or flow names it")
            .returns_nothing(),
        Op::get("/flows/{id}/versions", "list_flow_versions", TAG, READ, versions)
            .summary("Published versions, newest first")
            .returns_page::<FlowVersion>(),
        Op::post("/flows/validate", "validate_flow", TAG, WRITE, validate)
            .summary("What stands in the way of publishing this draft")
            .body::<FlowFields>()
            .returns::<FlowValidation>(StatusCode::OK),
        Op::post("/flows/{id}/publish", "publish_flow", TAG, WRITE, publish)
            .summary("Pin the draft as the next version, used by new interactions")
            .body::<FlowPublish>()
            .returns::<FlowVersion>(StatusCode::OK),
    ]
}

/// A flow's present draft: the revision that holds it, and its content.
struct Draft {
    revision: u64,
    flow: domain::flow::Flow,
}

/// Newest first; at most one draft per flow is kept, so the first found is the one.
async fn drafts(app: &App, scope: Scope) -> ApiResult<Vec<Draft>> {
    let mut page = store::PageRequest { cursor: None, limit: 200 };
    let mut found: Vec<Draft> = Vec::new();
    for _ in 0..DRAFTS_AMONG / 200 {
        let revisions = app.store().revisions(scope, &page).await?;
        found.extend(revisions.items.iter().filter_map(read_draft));
        match revisions.next {
            Some(next) => page.cursor = Some(next),
            None => break,
        }
    }
    Ok(found)
}

fn read_draft(row: &RevisionRow) -> Option<Draft> {
    if row.state != "draft" {
        return None;
    }
    let mut changes: Vec<Change> = serde_json::from_value(row.changes.clone()).ok()?;
    match (changes.pop()?, changes.is_empty()) {
        (Change::Put { class: store::Class::Flow, body, .. }, true) => {
            Some(Draft { revision: row.number, flow: serde_json::from_value(body).ok()? })
        }
        _ => None,
    }
}

fn view(published: domain::flow::Flow, drafts: &[Draft]) -> Flow {
    let version = published.version;
    let draft = drafts.iter().find(|d| d.flow.id == published.id);
    Flow {
        id: published.id,
        published_version: Some(version),
        changed: draft.is_some(),
        draft: draft.map_or(published, |d| d.flow.clone()).into(),
    }
}

async fn list(State(app): State<App>, caller: Caller, Params(query): Params<ListQuery>) -> ApiResult<Json<Page<Flow>>> {
    let scope = reader(&caller)?;
    let page = app.store().items::<domain::flow::Flow>(scope, query.q.as_deref(), &query.page()?).await?;
    let drafts = drafts(&app, scope).await?;
    let items = page.items.into_iter().map(|item| view(item.value, &drafts)).collect();
    Ok(Json(Page { items, next_cursor: page.next }))
}

async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId<FlowId>) -> ApiResult<Json<Flow>> {
    let scope = reader(&caller)?;
    let item = app.store().item::<domain::flow::Flow>(scope, id).await?;
    Ok(Json(view(item.value, &drafts(&app, scope).await?)))
}

async fn create(State(app): State<App>, caller: Caller, JsonBody(fields): JsonBody<FlowFields>) -> ApiResult<Response> {
    writer(&caller, Action::FlowManage)?;
    check(&fields)?;
    let flow = fields.into_flow(FlowId::from_parts(app.now().0, rand::random()), 1);
    refuse_faults(&app, caller.tenant, &flow).await?;
    let mut tx = app.admin(&caller, "").await?;
    let item = tx.put(flow, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision((StatusCode::CREATED, Json(view(item.value, &[]))), rev))
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<FlowId>,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Response> {
    let scope = writer(&caller, Action::FlowManage)?;
    let published = app.store().item::<domain::flow::Flow>(scope, id).await?.value;
    let before = drafts(&app, scope).await?;
    let present: FlowFields = view(published.clone(), &before).draft;
    let fields: FlowFields = patched(&present, change)?;
    check(&fields)?;
    let flow = fields.into_flow(id, published.version);
    let changes = [Change::put(&flow)?];
    let revision = app.store().save_draft(caller.tenant, caller.author(), "", &changes, app.now()).await?;
    for old in before.iter().filter(|d| d.flow.id == id) {
        app.store().discard_draft(caller.tenant, caller.author(), old.revision, app.now()).await?;
    }
    Ok(with_revision(Json(view(published, &[Draft { revision, flow }])), Some(revision)))
}

async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId<FlowId>) -> ApiResult<Response> {
    writer(&caller, Action::FlowManage)?;
    let mut tx = app.admin(&caller, "").await?;
    tx.delete::<domain::flow::Flow>(id, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(nothing(), rev))
}

async fn validate(
    State(app): State<App>,
    caller: Caller,
    JsonBody(fields): JsonBody<FlowFields>,
) -> ApiResult<Json<FlowValidation>> {
    writer(&caller, Action::FlowManage)?;
    check(&fields)?;
    let problems = faults(&app, caller.tenant, &fields.into_flow(FlowId(0), 0)).await?;
    Ok(Json(FlowValidation { valid: problems.is_empty(), problems }))
}

async fn publish(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<FlowId>,
    JsonBody(body): JsonBody<FlowPublish>,
) -> ApiResult<Response> {
    let scope = writer(&caller, Action::FlowManage)?;
    let reason = body.reason.unwrap_or_default();
    if reason.chars().count() > 500 {
        return Err(ApiError::field("reason", "too_long"));
    }
    let published = app.store().item::<domain::flow::Flow>(scope, id).await?;
    let drafts = drafts(&app, scope).await?;
    let draft = drafts.into_iter().find(|d| d.flow.id == id);
    // Without a draft the present version is published again: a way to note a reason, harmless otherwise.
    let flow = draft.as_ref().map_or_else(|| published.value.clone(), |d| d.flow.clone());
    refuse_faults(&app, caller.tenant, &flow).await?;
    let mut tx = app.admin(&caller, &reason).await?;
    let item = tx.put(flow, Some(published.rev)).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    if let Some(draft) = draft {
        app.store().discard_draft(caller.tenant, caller.author(), draft.revision, app.now()).await?;
    }
    let version = FlowVersion {
        flow: id,
        version: item.value.version,
        published_at: item.updated_at.0,
        author: Some(caller.name),
        revision: item.rev,
        fields: item.value.into(),
    };
    Ok(with_revision(Json(version), rev))
}

async fn versions(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<FlowId>,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<FlowVersion>>> {
    let scope = reader(&caller)?;
    let present = app.store().item::<domain::flow::Flow>(scope, id).await?;
    let limit = query.page()?.limit;
    let from = match &query.cursor {
        Some(cursor) => cursor.parse::<u32>().map_err(|_| ApiError::field("cursor", "invalid"))?,
        None => present.value.version,
    };
    let mut items = Vec::new();
    let mut next = None;
    for version in (1..=from.min(present.value.version)).rev() {
        if items.len() as u32 == limit {
            next = Some(version.to_string());
            break;
        }
        let stored = app.store().load_flow(caller.tenant, id, version).await;
        let flow = match stored {
            Ok(flow) => flow,
            Err(store::Error::NotFound { .. }) => continue,
            Err(e) => return Err(e.into()),
        };
        let is_present = version == present.value.version;
        items.push(FlowVersion {
            flow: id,
            version,
            published_at: if is_present { present.updated_at.0 } else { present.created_at.0 },
            author: None,
            revision: present.rev,
            fields: flow.into(),
        });
    }
    Ok(Json(Page { items, next_cursor: next }))
}

fn check(fields: &FlowFields) -> ApiResult<()> {
    let mut problems = Problems::default();
    problems.localized("name", &fields.name);
    if fields.steps.len() > 1_000 {
        problems.add("steps", "too_long");
    }
    problems.into_result()
}

async fn refuse_faults(app: &App, tenant: TenantId, flow: &domain::flow::Flow) -> ApiResult<()> {
    let faults = faults(app, tenant, flow).await?;
    if faults.is_empty() {
        return Ok(());
    }
    let fields = faults
        .into_iter()
        .map(|f| FieldProblem {
            path: f.step.map_or_else(|| "start".to_owned(), |s| format!("steps.{s}")),
            code: f.code,
        })
        .collect();
    Err(ApiError { fields, ..Code::FlowInvalid.into() })
}

async fn faults(app: &App, tenant: TenantId, flow: &domain::flow::Flow) -> ApiResult<Vec<FlowProblem>> {
    let known = app.known(tenant).await?;
    let prompts = app.store().prompt_audio(Scope::Tenant(tenant)).await?;
    let mut ids = KnownIds {
        queues: known.config.queues.keys().copied().collect(),
        flows: known.config.flows.keys().copied().collect(),
        calendars: known.config.calendars.keys().copied().collect(),
        prompts: prompts.into_iter().map(|(_, clip, _)| clip.prompt).collect(),
    };
    // A prompt whose sound comes later may be named already.
    let mut page = store::PageRequest { cursor: None, limit: 200 };
    loop {
        let prompts = app.store().items::<PromptConfig>(Scope::Tenant(tenant), None, &page).await?;
        ids.prompts.extend(prompts.items.iter().map(|p| p.value.id()));
        match prompts.next {
            Some(next) => page.cursor = Some(next),
            None => break,
        }
    }
    Ok(flow
        .validate(&ids)
        .into_iter()
        .map(|fault| FlowProblem {
            step: fault.step.map(|s| s.0),
            code: fault.code.to_owned(),
            message: Message::new(fault.message.zh.unwrap_or_default(), fault.message.en.unwrap_or_default()),
        })
        .collect())
}
