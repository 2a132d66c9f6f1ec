//! Live work: the board's snapshot, agent commands and duty by API, the demo call, the socket.
use axum::http::StatusCode;

use crate::dto::desk::{CommandAccepted, CommandRequest, LiveView};
use crate::dto::interaction::DemoCall;
use crate::dto::people::{Duty, DutyStart};
use crate::dto::socket::{ClientMessage, ServerMessage};
use crate::http::unwritten as u;
use crate::openapi::{Action, Gate, Operation as Op};

const TAG: &str = "live";

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/live", "get_live", TAG, Gate::May(Action::WatchLive), u)
            .summary("The live board's snapshot")
            .returns::<LiveView>(StatusCode::OK),
        Op::put("/agents/{id}/duty", "start_duty", TAG, Gate::May(Action::WorkAsAgent), u)
            .summary("Go on duty with a SIP or URI device, without a tab")
            .body::<DutyStart>()
            .returns::<Duty>(StatusCode::OK),
        Op::delete("/agents/{id}/duty", "end_duty", TAG, Gate::May(Action::WorkAsAgent), u)
            .summary("Go off duty when the present work is done")
            .returns::<Duty>(StatusCode::OK),
        Op::post("/agents/{id}/commands", "command_agent", TAG, Gate::May(Action::WorkAsAgent), u)
            .summary("Any command of an agent's desk; answered once durable")
            .body::<CommandRequest>()
            .returns::<CommandAccepted>(StatusCode::OK),
        Op::post("/demo-call", "start_demo_call", TAG, Gate::SignedIn, u)
            .summary("Ring me: the server's demo caller enters the Support queue")
            .returns::<DemoCall>(StatusCode::ACCEPTED),
        Op::delete("/sample-history", "delete_sample_history", TAG, Gate::May(Action::Configure), u)
            .summary("Remove the seeded week")
            .returns_nothing(),
        Op::get("/socket", "socket", TAG, Gate::SignedIn, u)
            .summary("WebSocket: ClientMessage up, ServerMessage down")
            .with::<ClientMessage>()
            .with::<ServerMessage>()
            .returns_media(StatusCode::SWITCHING_PROTOCOLS, "application/octet-stream"),
    ]
}
