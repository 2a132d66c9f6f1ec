//! Live work: the board's snapshot, agent commands and duty by API, the demo call, the socket.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::access::Action;
use domain::command::{AgentCommand as FloorCommand, Presence};
use domain::config::DeviceKind;
use domain::id::AgentId;

use crate::App;
use crate::auth::Caller;
use crate::dto::command::{CommandAccepted, CommandRequest, SupervisionRequest, Targets};
use crate::dto::live::LiveView;
use crate::dto::people::{DemoCall, Duty, DutyStart};
use crate::dto::socket::{ClientMessage, ServerMessage};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{JsonBody, PathId, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::writer;
use crate::socket::agent::open;
use crate::socket::commands::{agent_command, supervise};
use crate::views::{Addresses, live, live_addresses, load_addresses, shown, targets};

const TAG: &str = "live";
/// Own desk, or an agent one answers for: the handler asks which.
const DESK: Gate = Gate::May(Action::DeskUse);

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/live", "get_live", TAG, Gate::May(Action::LiveView), get_live)
            .summary("The live board's snapshot")
            .returns::<LiveView>(StatusCode::OK),
        Op::put("/agents/{id}/duty", "start_duty", TAG, DESK, start_duty)
            .summary("Go on duty with a SIP or URI device, without a tab")
            .body::<DutyStart>()
            .returns::<Duty>(StatusCode::OK),
        Op::delete("/agents/{id}/duty", "end_duty", TAG, DESK, end_duty)
            .summary("Go off duty when the present work is done")
            .returns::<Duty>(StatusCode::OK),
        Op::post("/agents/{id}/commands", "command_agent", TAG, DESK, command)
            .summary("Any command of an agent's desk; answered once durable")
            .body::<CommandRequest>()
            .returns::<CommandAccepted>(StatusCode::OK),
        Op::post("/supervision", "command_supervisor", TAG, Gate::SignedIn, supervision)
            .summary("Any command of a supervisor; watching takes the device at which one is on duty")
            .body::<SupervisionRequest>()
            .returns_nothing(),
        Op::get("/agents/{id}/targets", "list_targets", TAG, DESK, list_targets)
            .summary("Colleagues, queues, phones and flows that this agent may transfer to or consult")
            .returns::<Targets>(StatusCode::OK),
        Op::post("/demo-call", "start_demo_call", TAG, DESK, demo_call)
            .summary("Ring me: the server's demo caller enters the sample queue")
            .returns::<DemoCall>(StatusCode::ACCEPTED),
        Op::delete(
            "/sample-history",
            "delete_sample_history",
            TAG,
            Gate::May(Action::SampleRemove),
            delete_sample_history,
        )
        .summary("Remove the seeded week")
        .returns_nothing(),
        Op::get("/socket", "socket", TAG, Gate::SignedIn, open)
            .summary("WebSocket: ClientMessage up, ServerMessage down")
            .with::<ClientMessage>()
            .with::<ServerMessage>()
            .returns_media(StatusCode::SWITCHING_PROTOCOLS, "application/octet-stream"),
    ]
}

async fn get_live(State(app): State<App>, caller: Caller) -> ApiResult<Json<LiveView>> {
    let known = app.known(caller.tenant).await?;
    let view = app.engine().view(caller.tenant).await?;
    let mut addresses = Addresses::new();
    load_addresses(&app, caller.tenant, live_addresses(&view), &mut addresses).await?;
    let addresses = shown(&caller, &known, &addresses);
    let mut view = live(&view, &known, &addresses, app.engine().quality());
    if !caller.may(Action::LiveView, &caller.tenant_resource()) {
        let sees = |queues: Vec<_>, agents: Vec<_>| {
            caller.may(Action::LiveView, &caller.resource(&known.config, queues, agents))
        };
        view.queues.retain(|q| sees(vec![q.id], vec![]));
        view.agents.retain(|a| sees(vec![], vec![a.id]));
        view.interactions.retain(|i| {
            let queues = i.segments.iter().filter_map(|s| s.queue).collect();
            sees(queues, i.segments.iter().filter_map(|s| s.agent).collect())
        });
    }
    Ok(Json(view))
}

/// The agent exists here, and the caller is it or answers for it.
async fn control(app: &App, caller: &Caller, agent: AgentId) -> ApiResult<()> {
    let known = app.known(caller.tenant).await?;
    if !known.config.agents.contains_key(&agent) {
        return Err(Code::NotFound.into());
    }
    let resource = caller.resource(&known.config, [], [agent]);
    if caller.agent == Some(agent) && caller.may(Action::DeskUse, &resource) {
        return Ok(());
    }
    caller.require(Action::AgentControl, &resource)
}

async fn start_duty(
    State(app): State<App>,
    caller: Caller,
    PathId(agent): PathId<AgentId>,
    JsonBody(start): JsonBody<DutyStart>,
) -> ApiResult<Json<Duty>> {
    control(&app, &caller, agent).await?;
    let known = app.known(caller.tenant).await?;
    let device = known.config.devices.get(&start.device).ok_or_else(|| ApiError::field("device", "not_found"))?;
    if device.agent != Some(agent) {
        return Err(domain::input::RejectCode::DeviceNotYours.into());
    }
    if device.kind == DeviceKind::Browser {
        // A browser device is its tab: without one it reaches nobody.
        return Err(ApiError::field("device", "invalid"));
    }
    let (engine, tenant) = (app.engine(), caller.tenant);
    engine.agent(tenant, agent, FloorCommand::SignIn { device: device.id, seat: Default::default() }).await?;
    engine.lease(tenant, agent).await?;
    engine.agent(tenant, agent, FloorCommand::SetPresence { presence: Presence::Available }).await?;
    Ok(Json(Duty { agent, device: Some(device.id), on_duty: true }))
}

async fn end_duty(State(app): State<App>, caller: Caller, PathId(agent): PathId<AgentId>) -> ApiResult<Json<Duty>> {
    control(&app, &caller, agent).await?;
    match app.engine().agent(caller.tenant, agent, FloorCommand::SignOut).await {
        Ok(_) | Err(engine::CommandError::Rejected(domain::input::RejectCode::AgentNotSignedIn)) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(Json(Duty { agent, device: None, on_duty: false }))
}

async fn command(
    State(app): State<App>,
    caller: Caller,
    PathId(agent): PathId<AgentId>,
    JsonBody(body): JsonBody<CommandRequest>,
) -> ApiResult<Json<CommandAccepted>> {
    control(&app, &caller, agent).await?;
    let seq = agent_command(&app, &caller, agent, body.command, None).await?;
    Ok(Json(CommandAccepted { seq }))
}

/// The right over whom it concerns is asked by [`supervise`].
async fn supervision(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<SupervisionRequest>,
) -> ApiResult<Response> {
    supervise(&app, &caller, body.command).await?;
    Ok(nothing())
}

async fn list_targets(
    State(app): State<App>,
    caller: Caller,
    PathId(agent): PathId<AgentId>,
) -> ApiResult<Json<Targets>> {
    control(&app, &caller, agent).await?;
    let known = app.known(caller.tenant).await?;
    let view = app.engine().view(caller.tenant).await?;
    Ok(Json(targets(&view, &known, agent)))
}

async fn demo_call(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    app.engine().demo_call(caller.tenant, caller.lang).await?;
    let view = app.engine().view(caller.tenant).await?;
    let ready = |a: &&domain::view::AgentView| {
        a.signed_in && a.presence == Presence::Available && a.device.as_ref().is_some_and(|d| d.ready)
    };
    let agents_ready = view.agents.iter().filter(ready).map(|a| a.agent).collect();
    Ok((StatusCode::ACCEPTED, Json(DemoCall { agents_ready })).into_response())
}

async fn delete_sample_history(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    writer(&caller, Action::SampleRemove)?;
    let removed = app.store().remove_sample(caller.tenant).await?;
    let mut tx = app.admin(&caller, "").await?;
    tx.audit("sample.remove", None, serde_json::json!({"interactions": removed})).await?;
    app.commit(caller.tenant, tx).await?;
    Ok(nothing())
}
