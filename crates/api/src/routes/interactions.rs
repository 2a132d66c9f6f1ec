//! Interactions, their events and recordings.
use axum::http::StatusCode;

use crate::dto::interaction::{InteractionDetail, InteractionEvents, InteractionSummary, Peaks};
use crate::http::unwritten as u;
use crate::openapi::{Action, Gate, Operation as Op};

const TAG: &str = "interactions";
const READ: Gate = Gate::May(Action::ReadInteractions);

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/interactions", "list_interactions", TAG, READ, u)
            .summary("Newest first")
            .query("from", "integer", "started at or after, UTC ms")
            .query("to", "integer", "started before, UTC ms")
            .query("queue", "string", "went through this queue")
            .query("agent", "string", "handled by this agent")
            .query("state", "string", "`live` or `ended`")
            .query("end", "string", "an InteractionEnd")
            .query("direction", "string", "`inbound` or `outbound`")
            .query("medium", "string", "a Medium")
            .query("number", "string", "id of our number")
            .query("q", "string", "the other party's address, or an id")
            .query("sample", "boolean", "seeded history only, or none of it")
            .returns_page::<InteractionSummary>(),
        Op::get("/interactions/{id}", "get_interaction", TAG, READ, u)
            .summary("With segments, legs, offers and recordings")
            .returns::<InteractionDetail>(StatusCode::OK),
        Op::get("/interactions/{id}/events", "list_interaction_events", TAG, READ, u)
            .summary("Its facts in the order of the journal")
            .returns::<InteractionEvents>(StatusCode::OK),
        Op::get("/recordings/{id}", "get_recording", TAG, Gate::May(Action::ReadRecordings), u)
            .summary("Stereo sound, customer left, agent right; takes Range")
            .returns_media(StatusCode::OK, "audio/wav")
            .returns_media(StatusCode::PARTIAL_CONTENT, "audio/wav"),
        Op::get("/recordings/{id}/peaks", "get_recording_peaks", TAG, Gate::May(Action::ReadRecordings), u)
            .summary("Loudness for a waveform")
            .returns::<Peaks>(StatusCode::OK),
    ]
}
