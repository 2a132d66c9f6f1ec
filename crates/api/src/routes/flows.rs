//! Flows: drafts, validation, versions, publishing.
use axum::http::StatusCode;

use crate::dto::flow::{FlowFields, FlowPublish, FlowValidation, FlowVersion};
use crate::http::unwritten as u;
use crate::openapi::{Action, Gate, Operation as Op};

const TAG: &str = "flows";
const READ: Gate = Gate::May(Action::ReadConfig);
const WRITE: Gate = Gate::May(Action::Configure);

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/flows", "list_flows", TAG, READ, u)
            .summary("Flows with their drafts")
            .query("q", "string", "searches names")
            .returns_page::<crate::dto::flow::Flow>(),
        Op::post("/flows", "create_flow", TAG, WRITE, u)
            .summary("Save a new flow as a draft")
            .idempotent()
            .body::<FlowFields>()
            .returns::<crate::dto::flow::Flow>(StatusCode::CREATED),
        Op::get("/flows/{id}", "get_flow", TAG, READ, u).returns::<crate::dto::flow::Flow>(StatusCode::OK),
        Op::patch("/flows/{id}", "patch_flow", TAG, WRITE, u)
            .summary("Change the draft")
            .body_patch::<FlowFields>("FlowDraftPatch")
            .returns::<crate::dto::flow::Flow>(StatusCode::OK),
        Op::delete("/flows/{id}", "delete_flow", TAG, WRITE, u).returns_nothing(),
        Op::get("/flows/{id}/versions", "list_flow_versions", TAG, READ, u)
            .summary("Published versions, newest first")
            .returns_page::<FlowVersion>(),
        Op::post("/flows/validate", "validate_flow", TAG, WRITE, u)
            .summary("What stands in the way of publishing this draft")
            .body::<FlowFields>()
            .returns::<FlowValidation>(StatusCode::OK),
        Op::post("/flows/{id}/publish", "publish_flow", TAG, WRITE, u)
            .summary("Pin the draft as the next version, used by new interactions")
            .body::<FlowPublish>()
            .returns::<FlowVersion>(StatusCode::OK),
    ]
}
