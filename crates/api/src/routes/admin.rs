//! Configuration resources: the same five operations on each, and bulk devices.
use axum::http::StatusCode;
use utoipa::ToSchema;

use crate::dto::interaction::{AuditEntry, ConfigRevision};
use crate::dto::people::{
    AgentFields, BreakReasonFields, DispositionFields, Login, LoginNew, LoginPatch, SkillFields, TeamFields,
    TenantFields, TenantView, UserFields,
};
use crate::dto::routing::{CalendarFields, QueueFields};
use crate::dto::voice::{DeviceCreated, DeviceFields, DevicesBulk, DevicesBulkResult, NumberFields, PromptFields};
use crate::http::unwritten as u;
use crate::openapi::{Action, Gate, Operation as Op};

const TAG: &str = "configuration";
const READ: Gate = Gate::May(Action::ReadConfig);
const WRITE: Gate = Gate::May(Action::Configure);

fn crud<F: ToSchema>(path: &str, name: &str, one: &str, many: &str) -> Vec<Op> {
    // A device's generated secret is shown in the answer to its creation only.
    let created = if name == "Device" { "DeviceCreated" } else { name };
    let item = format!("{path}/{{id}}");
    vec![
        Op::get(path, format!("list_{many}"), TAG, READ, u)
            .resource::<F>(name)
            .query("q", "string", "searches names")
            .returns_page_named(name),
        Op::post(path, format!("create_{one}"), TAG, WRITE, u)
            .idempotent()
            .body_named(&format!("{name}New"))
            .returns_named(StatusCode::CREATED, created),
        Op::get(item.clone(), format!("get_{one}"), TAG, READ, u).returns_named(StatusCode::OK, name),
        Op::patch(item.clone(), format!("patch_{one}"), TAG, WRITE, u)
            .body_named(&format!("{name}Patch"))
            .returns_named(StatusCode::OK, name),
        Op::delete(item, format!("delete_{one}"), TAG, WRITE, u).returns_nothing(),
    ]
}

pub fn operations() -> Vec<Op> {
    let mut all = Vec::new();
    all.extend([
        Op::get("/logins", "list_logins", TAG, READ, u)
            .summary("Sign-ins of this company's members")
            .query("q", "string", "searches names and addresses")
            .returns_page::<Login>(),
        Op::post("/logins", "create_login", TAG, WRITE, u)
            .summary("Make a sign-in and its membership")
            .idempotent()
            .body::<LoginNew>()
            .returns::<Login>(StatusCode::CREATED),
        Op::get("/logins/{id}", "get_login", TAG, READ, u).returns::<Login>(StatusCode::OK),
        Op::patch("/logins/{id}", "patch_login", TAG, WRITE, u)
            .summary("Set a password or lift a bar; not for a login that belongs to other companies too")
            .body::<LoginPatch>()
            .returns::<Login>(StatusCode::OK),
    ]);
    all.extend(crud::<UserFields>("/users", "User", "user", "users"));
    all.extend(crud::<TeamFields>("/teams", "Team", "team", "teams"));
    all.extend(crud::<AgentFields>("/agents", "Agent", "agent", "agents"));
    all.extend(crud::<SkillFields>("/skills", "Skill", "skill", "skills"));
    all.extend(crud::<QueueFields>("/queues", "Queue", "queue", "queues"));
    all.extend(crud::<CalendarFields>("/calendars", "Calendar", "calendar", "calendars"));
    all.extend(crud::<NumberFields>("/numbers", "Number", "number", "numbers"));
    all.extend(crud::<DeviceFields>("/devices", "Device", "device", "devices"));
    all.extend(crud::<DispositionFields>("/dispositions", "Disposition", "disposition", "dispositions"));
    all.extend(crud::<BreakReasonFields>("/break-reasons", "BreakReason", "break_reason", "break_reasons"));
    all.extend(crud::<PromptFields>("/prompts", "Prompt", "prompt", "prompts"));
    all.extend([
        Op::get("/prompts/{id}/audio/{lang}", "get_prompt_audio", TAG, READ, u)
            .summary("The sound of a prompt")
            .returns_media(StatusCode::OK, "audio/wav"),
        Op::post("/devices/bulk", "create_devices", TAG, WRITE, u)
            .summary("Up to 1,000 devices; one result or error per row, generated secrets shown once")
            .idempotent()
            .largest_body(2 * 1024 * 1024)
            .with::<DeviceCreated>()
            .body::<DevicesBulk>()
            .returns::<DevicesBulkResult>(StatusCode::OK),
        Op::get("/tenant", "get_tenant", TAG, READ, u)
            .summary("The company itself")
            .returns::<TenantView>(StatusCode::OK),
        Op::patch("/tenant", "patch_tenant", TAG, WRITE, u)
            .summary("Change the company's name, zone, language or music")
            .body_patch::<TenantFields>("TenantPatch")
            .returns::<TenantView>(StatusCode::OK),
        Op::get("/config-revisions", "list_config_revisions", TAG, READ, u)
            .summary("Changes of configuration, newest first")
            .returns_page::<ConfigRevision>(),
        Op::get("/audit", "list_audit", TAG, Gate::May(Action::ReadAudit), u)
            .summary("Who did what, newest first")
            .returns_page::<AuditEntry>(),
    ]);
    all
}
