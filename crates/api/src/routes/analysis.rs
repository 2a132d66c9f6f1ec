//! Reports as JSON or CSV, and their formulas. Figures of queues are rows of the report fold, added up; those of agents
//! are sums of their segments, offers and spans.
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::Action;
use domain::id::{AgentId, QueueId};
use domain::report::{FORMULAS, INTERVAL_MS, Measures};
use domain::time::Timestamp;
use serde::Deserialize;
use store::Scope;
use store::query::Sample;

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::analysis::{AgentFigures, AgentReport, AgentReportRow, Formula, Formulas, QueueReport, QueueReportRow};
use crate::dto::common::{Lang, Localized};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::Params;
use crate::openapi::{Gate, Operation as Op};
use crate::routes::csv;
use crate::views::{agent_ref, queue_ref};

const TAG: &str = "reports";
const READ: Gate = Gate::May(Action::ReportView);
pub(super) const DAY_MS: i64 = 24 * 3_600_000;
/// Rows of segments read at once.
const PIECE: u32 = 5_000;

pub fn operations() -> Vec<Op> {
    vec![
        ranged(
            Op::get("/reports/queues", "report_queues", TAG, READ, queues)
                .summary("Figures by queue and interval")
                .query("queue", "string", "only this queue")
                .returns::<QueueReport>(StatusCode::OK),
        ),
        ranged(
            Op::get("/reports/agents", "report_agents", TAG, READ, agents)
                .summary("Figures by agent and interval")
                .query("agent", "string", "only this agent")
                .returns::<AgentReport>(StatusCode::OK),
        ),
        Op::get("/reports/formulas", "report_formulas", TAG, Gate::SignedIn, formulas)
            .summary("How each figure is computed")
            .returns::<Formulas>(StatusCode::OK),
    ]
}

fn ranged(op: Op) -> Op {
    op.query("from", "integer", "UTC ms, inclusive; today's midnight if left out")
        .query("to", "integer", "UTC ms, exclusive; now if left out")
        .query("interval", "string", "`15m`, `1h`, `1d` or `all`; days begin at the company's midnight")
        .query("time", "string", "`event` or `arrival` (queues only)")
        .query("sample", "boolean", "seeded history only, or none of it")
        .query("format", "string", "`json` or `csv`; else by Accept")
        .query("lang", "string", "of CSV headings")
        .returns_media(StatusCode::OK, "text/csv")
}

#[derive(Deserialize)]
struct Query {
    from: Option<i64>,
    to: Option<i64>,
    interval: Option<String>,
    time: Option<String>,
    queue: Option<QueueId>,
    agent: Option<AgentId>,
    sample: Option<bool>,
    format: Option<String>,
    lang: Option<Lang>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interval {
    Quarter,
    Hour,
    Day,
    All,
}

/// A checked range with its grid.
struct Range {
    from: i64,
    to: i64,
    interval: Interval,
    zone: String,
    sample: Sample,
}

impl Range {
    fn of(query: &Query, known: &Known, now: Timestamp) -> ApiResult<Range> {
        let zone = known.config.time_zone.clone();
        let interval = match query.interval.as_deref() {
            None | Some("1d") => Interval::Day,
            Some("15m") => Interval::Quarter,
            Some("1h") => Interval::Hour,
            Some("all") => Interval::All,
            Some(_) => return Err(ApiError::field("interval", "invalid")),
        };
        let from = query.from.unwrap_or_else(|| domain::calendar::day_start(&zone, now).0);
        let to = query.to.unwrap_or(now.0);
        // About 3,000 columns of each queue at most.
        let longest = match interval {
            Interval::Quarter => 32 * DAY_MS,
            Interval::Hour => 125 * DAY_MS,
            Interval::Day | Interval::All => 800 * DAY_MS,
        };
        if from < 0 || to <= from || to - from > longest {
            return Err(Code::ReportRange.into());
        }
        let sample = Sample::of(query.sample);
        // Whole quarters: figures are not kept finer.
        let from = from - from.rem_euclid(INTERVAL_MS);
        Ok(Range { from, to, interval, zone, sample })
    }

    /// The interval that holds `at`, cut to the range.
    fn cell(&self, at: i64) -> (i64, i64) {
        let day = || domain::calendar::day_start(&self.zone, Timestamp(at)).0;
        let (start, end) = match self.interval {
            Interval::Quarter => {
                let start = at - at.rem_euclid(INTERVAL_MS);
                (start, start + INTERVAL_MS)
            }
            Interval::Hour => {
                let start = at - (at - day()).rem_euclid(3_600_000);
                (start, start + 3_600_000)
            }
            Interval::Day => {
                let start = day();
                // Days of a clock change have 23 or 25 hours.
                (start, domain::calendar::day_start(&self.zone, Timestamp(start + 36 * 3_600_000)).0)
            }
            Interval::All => (self.from, self.to),
        };
        (start.max(self.from), end.min(self.to))
    }
}

pub(super) fn wants_csv(format: Option<&str>, headers: &HeaderMap) -> ApiResult<bool> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(ApiError::field("format", "invalid")),
        None => Ok(headers
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.split(',').any(|p| p.trim().starts_with("text/csv")))),
    }
}

async fn queues(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> ApiResult<Response> {
    let known = app.known(caller.tenant).await?;
    let range = Range::of(&query, &known, app.now())?;
    let subject = match query.time.as_deref() {
        None | Some("event") => "queue.event",
        Some("arrival") => "queue.arrival",
        Some(_) => return Err(ApiError::field("time", "invalid")),
    };
    if let Some(queue) = query.queue
        && !known.queues.contains_key(&queue)
    {
        return Err(Code::NotFound.into());
    }
    let scope = Scope::Tenant(caller.tenant);
    let (from, to) = (Timestamp(range.from), Timestamp(range.to));
    let rows = app.store().report_intervals(scope, subject, from, to, range.sample).await?;
    let mut cells: BTreeMap<(i64, QueueId), Measures> = BTreeMap::new();
    let mut total = Measures::default();
    for row in rows {
        let Ok(queue) = row.subject_id.parse::<QueueId>() else { continue };
        let visible = caller.may(Action::ReportView, &caller.resource(&known.config, [queue], []));
        if !visible || query.queue.is_some_and(|q| q != queue) {
            continue;
        }
        let figures: Measures = serde_json::from_value(row.figures).map_err(|e| ApiError::internal(&e))?;
        cells.entry((range.cell(row.interval_at.0).0, queue)).or_default().add(&figures);
        total.add(&figures);
    }
    let rows: Vec<QueueReportRow> = cells
        .into_iter()
        .map(|((from_at, queue), measures)| QueueReportRow {
            from_at,
            to_at: range.cell(from_at).1,
            queue: queue_ref(&known, queue),
            figures: (&measures).into(),
        })
        .collect();
    let report = QueueReport {
        from_at: range.from,
        to_at: range.to,
        time_zone: range.zone.clone(),
        rows,
        total: (&total).into(),
    };
    if wants_csv(query.format.as_deref(), &headers)? {
        let lang = query.lang.unwrap_or_else(|| caller.lang.into());
        return Ok(csv_answer(csv::queues(&report, lang), "queues"));
    }
    Ok(Json(report).into_response())
}

async fn agents(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> ApiResult<Response> {
    let known = app.known(caller.tenant).await?;
    let range = Range::of(&query, &known, app.now())?;
    if let Some(agent) = query.agent
        && !known.agents.contains_key(&agent)
    {
        return Err(Code::NotFound.into());
    }
    let mut visible: BTreeMap<AgentId, bool> = BTreeMap::new();
    let mut sees = |agent: AgentId| {
        query.agent.is_none_or(|a| a == agent)
            && *visible
                .entry(agent)
                .or_insert_with(|| caller.may(Action::ReportView, &caller.resource(&known.config, [], [agent])))
    };
    let mut cells: BTreeMap<(i64, AgentId), AgentFigures> = BTreeMap::new();
    add_segments(&app, &caller, &range, &mut sees, &mut cells).await?;
    add_spans(&app, &caller, &range, &mut sees, &mut cells).await?;
    let mut total = AgentFigures::default();
    let rows: Vec<AgentReportRow> = cells
        .into_iter()
        .map(|((from_at, agent), mut figures)| {
            add_agent(&mut total, &figures);
            ratios(&mut figures);
            AgentReportRow { from_at, to_at: range.cell(from_at).1, agent: agent_ref(&known, agent), figures }
        })
        .collect();
    ratios(&mut total);
    let report = AgentReport { from_at: range.from, to_at: range.to, time_zone: range.zone.clone(), rows, total };
    if wants_csv(query.format.as_deref(), &headers)? {
        let lang = query.lang.unwrap_or_else(|| caller.lang.into());
        return Ok(csv_answer(csv::agents(&report, lang), "agents"));
    }
    Ok(Json(report).into_response())
}

type Cells = BTreeMap<(i64, AgentId), AgentFigures>;

/// Offers and work, in the interval in which the offer was made.
async fn add_segments(
    app: &App,
    caller: &Caller,
    range: &Range,
    sees: &mut impl FnMut(AgentId) -> bool,
    cells: &mut Cells,
) -> ApiResult<()> {
    let scope = Scope::Tenant(caller.tenant);
    let (from, to) = (Timestamp(range.from), Timestamp(range.to));
    let mut after = None;
    loop {
        let rows = app.store().report_segments(scope, from, to, range.sample, after, PIECE).await?;
        for row in &rows {
            let Some(agent) = row.agent_id.filter(|a| row.kind == "agent" && sees(*a)) else { continue };
            let cell = cells.entry((range.cell(row.started_at.0).0, agent)).or_default();
            cell.offers += 1;
            match row.outcome.as_deref() {
                Some("missed" | "unreachable") => cell.offers_missed += 1,
                Some("declined") => cell.offers_declined += 1,
                _ => {}
            }
            cell.handled += u64::from(row.answered_at.is_some() && row.ended_at.is_some());
            cell.talk_ms += row.talk_ms;
            cell.hold_ms += row.hold_ms;
            cell.wrap_ms += row.wrap_ms;
        }
        match rows.last() {
            Some(last) if rows.len() == PIECE as usize => after = Some((last.started_at, last.id)),
            _ => return Ok(()),
        }
    }
}

/// Idle, break and signed-in time, split at the intervals.
async fn add_spans(
    app: &App,
    caller: &Caller,
    range: &Range,
    sees: &mut impl FnMut(AgentId) -> bool,
    cells: &mut Cells,
) -> ApiResult<()> {
    let scope = Scope::Tenant(caller.tenant);
    let (from, to) = (Timestamp(range.from), Timestamp(range.to));
    let now = app.now().0;
    for span in app.store().report_agent_spans(scope, from, to, range.sample).await? {
        if !sees(span.agent_id) {
            continue;
        }
        let mut at = span.from_at.0.max(range.from);
        let end = span.to_at.map_or(now, |t| t.0).min(range.to);
        while at < end {
            let (start, cell_end) = range.cell(at);
            let until = end.min(cell_end.max(at + 1));
            let ms = u64::try_from(until - at).unwrap_or(0);
            let cell = cells.entry((start, span.agent_id)).or_default();
            cell.signed_in_ms += ms;
            match (span.presence.as_str(), span.occupancy.as_str()) {
                ("break", _) => cell.break_ms += ms,
                ("available", "idle") => cell.idle_ms += ms,
                _ => {}
            }
            at = until;
        }
    }
    Ok(())
}

fn add_agent(total: &mut AgentFigures, f: &AgentFigures) {
    total.offers += f.offers;
    total.offers_missed += f.offers_missed;
    total.offers_declined += f.offers_declined;
    total.handled += f.handled;
    total.talk_ms += f.talk_ms;
    total.hold_ms += f.hold_ms;
    total.wrap_ms += f.wrap_ms;
    total.idle_ms += f.idle_ms;
    total.break_ms += f.break_ms;
    total.signed_in_ms += f.signed_in_ms;
}

/// By the formulas of `domain::report`.
fn ratios(f: &mut AgentFigures) {
    let measures = Measures {
        handled: f.handled,
        talk_ms: f.talk_ms,
        hold_ms: f.hold_ms,
        wrap_ms: f.wrap_ms,
        idle_ms: f.idle_ms,
        ..Measures::default()
    };
    f.aht_ms = measures.aht_ms();
    f.occupancy = measures.occupancy();
}

pub(super) fn csv_answer(text: String, name: &str) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\""));
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if let Ok(value) = disposition {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

async fn formulas() -> Json<Formulas> {
    let items = FORMULAS
        .iter()
        .map(|f| {
            let (metric, unit) = match f.key {
                "asa" => ("asa_ms", "ms"),
                "aht" => ("aht_ms", "ms"),
                other => (other, "ratio"),
            };
            Formula {
                metric: metric.to_owned(),
                name: Localized { zh: Some(f.zh.to_owned()), en: Some(f.en.to_owned()) },
                formula: f.expression.to_owned(),
                unit: unit.to_owned(),
            }
        })
        .collect();
    Json(Formulas { items })
}
