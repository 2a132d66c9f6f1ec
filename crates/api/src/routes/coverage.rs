//! The completeness report of recordings (R10): sums over a range of time and its conversations, those with something
//! missing first. Sums and rows hold what the caller may see.
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::access::Action;
use domain::coverage::Covered;
use domain::id::{AgentId, QueueId};
use domain::time::Timestamp;
use serde::Deserialize;
use store::query::{CoverageFilter, CoverageState, Sample};
use store::{PageRequest, Scope};

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::common::Lang;
use crate::dto::coverage::{CoverageFigures, CoverageReport, CoverageRow};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::Params;
use crate::openapi::{Gate, Operation as Op};
use crate::routes::analysis::{DAY_MS, csv_answer, wants_csv};
use crate::routes::csv;
use crate::routes::resource::page_request;
use crate::views::{agent_ref, queue_ref};

const READ: Gate = Gate::May(Action::ReportView);
/// Pages read at most to fill one page for somebody who may not see every row.
const PAGES: usize = 10;
/// Lines of a CSV file at most: about 10 MB.
const LINES: u64 = 50_000;

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/reports/recordings", "report_recordings", "reports", READ, report)
            .summary("What became of every talked second: recorded, masked, not asked for, or missing and why")
            .query("from", "integer", "conversations that began at or after, UTC ms; today's midnight if left out")
            .query("to", "integer", "began before, UTC ms; now if left out")
            .query("queue", "string", "only this queue")
            .query("agent", "string", "only this agent")
            .query(
                "state",
                "string",
                "rows with `missing`, `unstored`, `erased`, `masked`, `not_asked` or `recorded` talk",
            )
            .query("sample", "boolean", "seeded history only, or none of it")
            .query("format", "string", "`json` or `csv` (every row); else by Accept")
            .query("lang", "string", "of CSV headings")
            .paged()
            .returns::<CoverageReport>(StatusCode::OK)
            .returns_media(StatusCode::OK, "text/csv"),
    ]
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
    sample: Option<bool>,
    format: Option<String>,
    lang: Option<Lang>,
}

fn filter(query: &Query, known: &Known, now: Timestamp) -> ApiResult<CoverageFilter> {
    let from = query.from.unwrap_or_else(|| domain::calendar::day_start(&known.config.time_zone, now).0);
    let to = query.to.unwrap_or(now.0);
    if from < 0 || to <= from || to - from > 800 * DAY_MS {
        return Err(Code::ReportRange.into());
    }
    let known_queue = query.queue.is_none_or(|q| known.queues.contains_key(&q));
    let known_agent = query.agent.is_none_or(|a| known.agents.contains_key(&a));
    if !known_queue || !known_agent {
        return Err(Code::NotFound.into());
    }
    let state = match query.state.as_deref() {
        None => None,
        Some("missing") => Some(CoverageState::Missing),
        Some("unstored") => Some(CoverageState::Unstored),
        Some("erased") => Some(CoverageState::Erased),
        Some("masked") => Some(CoverageState::Masked),
        Some("not_asked") => Some(CoverageState::NotAsked),
        Some("recorded") => Some(CoverageState::Recorded),
        Some(_) => return Err(ApiError::field("state", "invalid")),
    };
    Ok(CoverageFilter {
        from: Timestamp(from),
        to: Timestamp(to),
        queue: query.queue,
        agent: query.agent,
        state,
        sample: Sample::of(query.sample),
    })
}

async fn report(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> ApiResult<Response> {
    let known = app.known(caller.tenant).await?;
    let filter = filter(&query, &known, app.now())?;
    let csv = wants_csv(query.format.as_deref(), &headers)?;
    let page = page_request(query.limit, query.cursor.clone())?;
    let whole = CoverageFilter { state: None, ..filter.clone() };
    let sums = app.store().coverage_sums(Scope::Tenant(caller.tenant), &whole).await?;
    let (mut total, mut unstored_ms, mut conversations) = (Covered::default(), 0, 0);
    for sum in sums.iter().filter(|s| sees(&caller, &known, s.queue, s.agent)) {
        total.add(&sum.covered);
        unstored_ms += sum.unstored_ms;
        conversations += sum.conversations;
    }
    let mut report = CoverageReport {
        from_at: filter.from.0,
        to_at: filter.to.0,
        total: CoverageFigures::new(&total, unstored_ms),
        conversations,
        rows: Vec::new(),
        next_cursor: None,
    };
    if !csv {
        (report.rows, report.next_cursor) = rows(&app, &caller, &known, &filter, page).await?;
        return Ok(Json(report).into_response());
    }
    if conversations > LINES {
        return Err(Code::ReportRange.into());
    }
    let mut page = PageRequest { cursor: None, limit: 200 };
    loop {
        let (some, next) = rows(&app, &caller, &known, &filter, page.clone()).await?;
        report.rows.extend(some);
        match next {
            // Those that began meanwhile are not to make it endless.
            Some(next) if (report.rows.len() as u64) < LINES => page.cursor = Some(next),
            _ => break,
        }
    }
    let lang = query.lang.unwrap_or_else(|| caller.lang.into());
    Ok(csv_answer(csv::recordings(&report, lang), "recordings"))
}

fn sees(caller: &Caller, known: &Known, queue: Option<QueueId>, agent: Option<AgentId>) -> bool {
    caller.may(Action::ReportView, &caller.resource(&known.config, queue, agent))
}

async fn rows(
    app: &App,
    caller: &Caller,
    known: &Known,
    filter: &CoverageFilter,
    mut page: PageRequest,
) -> ApiResult<(Vec<CoverageRow>, Option<String>)> {
    let limit = if page.limit == 0 { 50 } else { page.limit } as usize;
    let mut rows = Vec::with_capacity(limit);
    let mut next = None;
    for _ in 0..PAGES {
        // Never more than fits, so that a cursor never skips a row.
        page.limit = u32::try_from(limit - rows.len()).unwrap_or(1);
        let found = app.store().coverage(Scope::Tenant(caller.tenant), filter, &page).await?;
        let seen = found.items.iter().filter(|r| sees(caller, known, r.queue_id, r.agent_id));
        rows.extend(seen.map(|r| CoverageRow {
            segment: r.segment_id,
            interaction: r.interaction_id,
            from_at: r.from_at.0,
            agent: r.agent_id.map(|a| agent_ref(known, a)),
            queue: r.queue_id.map(|q| queue_ref(known, q)),
            sample: r.sample,
            figures: CoverageFigures::new(&r.covered(), r.unstored_ms),
        }));
        next = found.next;
        if rows.len() >= limit || next.is_none() {
            break;
        }
        page.cursor.clone_from(&next);
    }
    Ok((rows, next))
}
