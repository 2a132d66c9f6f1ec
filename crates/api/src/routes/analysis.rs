//! Reports as JSON or CSV, and their formulas.
use axum::http::StatusCode;

use crate::dto::analysis::{AgentReport, Formulas, QueueReport};
use crate::http::unwritten as u;
use crate::openapi::{Action, Gate, Operation as Op};

const TAG: &str = "reports";
const READ: Gate = Gate::May(Action::ReadReports);

fn ranged(op: Op) -> Op {
    op.query("from", "integer", "UTC ms, inclusive")
        .query("to", "integer", "UTC ms, exclusive")
        .query("interval", "string", "`15m`, `1h`, `1d` or `all`; days begin at the tenant's midnight")
        .query("time", "string", "`event` or `arrival`")
        .query("format", "string", "`json` or `csv`; else by Accept")
        .query("lang", "string", "of CSV headings")
        .returns_media(StatusCode::OK, "text/csv")
}

pub fn operations() -> Vec<Op> {
    vec![
        ranged(
            Op::get("/reports/queues", "report_queues", TAG, READ, u)
                .summary("Figures by queue and interval")
                .query("queue", "string", "only this queue")
                .returns::<QueueReport>(StatusCode::OK),
        ),
        ranged(
            Op::get("/reports/agents", "report_agents", TAG, READ, u)
                .summary("Figures by agent and interval")
                .query("agent", "string", "only this agent")
                .returns::<AgentReport>(StatusCode::OK),
        ),
        Op::get("/reports/formulas", "report_formulas", TAG, Gate::SignedIn, u)
            .summary("How each figure is computed")
            .returns::<Formulas>(StatusCode::OK),
    ]
}
