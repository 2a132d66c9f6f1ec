//! Legal holds: keeping an interaction and what belongs to it for a court, and releasing it.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::access::Action;
use domain::id::InteractionId;
use store::Scope;

use crate::App;
use crate::auth::Caller;
use crate::dto::interaction::{Hold, HoldChange};
use crate::error::{ApiResult, Code};
use crate::http::{JsonBody, PathId};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::Problems;

pub fn operations() -> Vec<Op> {
    vec![
        Op::put("/interactions/{id}/hold", "hold_interaction", "interactions", Gate::May(Action::RecordingHold), put)
            .summary("Keep it from deletion, or release it; the reason goes into the audit")
            .body::<HoldChange>()
            .returns::<Option<Hold>>(StatusCode::OK),
    ]
}

async fn put(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<InteractionId>,
    JsonBody(change): JsonBody<HoldChange>,
) -> ApiResult<Json<Option<Hold>>> {
    let known = app.known(caller.tenant).await?;
    let row = app.store().interaction(Scope::Tenant(caller.tenant), id).await?;
    let resource = caller.resource(&known.config, row.queue_id, row.agent_id);
    if !caller.may(Action::InteractionView, &resource) {
        return Err(Code::Forbidden.into());
    }
    caller.require(Action::RecordingHold, &resource)?;
    let reason = change.reason.trim();
    let mut problems = Problems::default();
    problems.text("reason", reason, 500);
    problems.into_result()?;
    let mut tx = app.admin(&caller, reason).await?;
    let hold = if change.held { Some(tx.hold(id).await?) } else { tx.release(id).await.map(|()| None)? };
    app.commit(caller.tenant, tx).await?;
    Ok(Json(hold.map(|row| Hold::new(&row, true))))
}
