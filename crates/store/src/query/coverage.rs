//! What became of every talked millisecond: the conversations of a range of time, and their sums.
use domain::coverage::Covered;
use domain::id::{AgentId, QueueId};
use domain::time::Timestamp;

use super::{Cursor, Page, PageRequest, Sample, Scope, page_of};
use crate::Store;
use crate::db::{Row, Sql, sql};
use crate::error::Result;
use crate::projection::CoverageRow;
use crate::value::{TableRow, select};

/// Conversations that began in [from, to).
#[derive(Debug, Clone, PartialEq)]
pub struct CoverageFilter {
    pub from: Timestamp,
    pub to: Timestamp,
    pub queue: Option<QueueId>,
    pub agent: Option<AgentId>,
    pub state: Option<CoverageState>,
    pub sample: Sample,
}

/// Conversations some of whose talk …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageState {
    /// … ought to be there and is not.
    Missing,
    /// … is not in the store yet.
    Unstored,
    /// … was recorded and is deleted.
    Erased,
    Masked,
    /// … was not to be recorded.
    NotAsked,
    Recorded,
}

/// Sums of one agent's conversations for one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverageSum {
    pub agent: Option<AgentId>,
    pub queue: Option<QueueId>,
    pub conversations: u64,
    pub covered: Covered,
    pub unstored_ms: u64,
}

/// What ought to be there and is not.
const MISSING: &str = "lost_ms + crash_ms";

impl CoverageState {
    fn condition(self) -> &'static str {
        match self {
            CoverageState::Missing => " AND lost_ms + crash_ms > 0",
            CoverageState::Unstored => " AND unstored_ms > 0",
            CoverageState::Erased => " AND erased_ms > 0",
            CoverageState::Masked => " AND masked_ms > 0",
            CoverageState::NotAsked => " AND ruled_out_ms + not_asked_ms > 0",
            CoverageState::Recorded => " AND recorded_ms > 0",
        }
    }
}

impl CoverageFilter {
    fn apply(&self, scope: Scope, query: &mut Sql) {
        query.push_bind(" AND from_at >= ?", self.from);
        query.push_bind(" AND from_at < ?", self.to);
        scope.filter(query);
        if let Some(queue) = self.queue {
            query.push_bind(" AND queue_id = ?", queue);
        }
        if let Some(agent) = self.agent {
            query.push_bind(" AND agent_id = ?", agent);
        }
        if let Some(state) = self.state {
            query.push(state.condition());
        }
        self.sample.filter(query);
    }
}

impl CoverageRow {
    pub fn covered(&self) -> Covered {
        Covered {
            talk_ms: self.talk_ms,
            recorded_ms: self.recorded_ms,
            masked_ms: self.masked_ms,
            ruled_out_ms: self.ruled_out_ms,
            not_asked_ms: self.not_asked_ms,
            lost_ms: self.lost_ms,
            crash_ms: self.crash_ms,
            erased_ms: self.erased_ms,
        }
    }
}

impl Store {
    /// Those of which most is missing first, then the newest.
    pub async fn coverage(
        &self,
        scope: Scope,
        filter: &CoverageFilter,
        page: &PageRequest,
    ) -> Result<Page<CoverageRow>> {
        let mut query = select::<CoverageRow>("WHERE 1 = 1");
        filter.apply(scope, &mut query);
        if let Some(Cursor((missing, at), id)) = page.after::<(i64, i64)>()? {
            query.push_bind(&format!(" AND ({MISSING} < ?"), missing);
            query.push_bind(&format!(" OR ({MISSING} = ?"), missing);
            query.push_bind(" AND (from_at < ?", at);
            query.push_bind(" OR (from_at = ?", at);
            query.push_bind(" AND segment_id < ?))))", id);
        }
        query.push(&format!(" ORDER BY {MISSING} DESC, from_at DESC, segment_id DESC"));
        query.push_bind(" LIMIT ?", page.limit() + 1);
        let rows = query.all(&mut self.db.read().await?).await?;
        let cursor = |r: &Row| {
            let missing = r.get::<i64>("lost_ms")? + r.get::<i64>("crash_ms")?;
            Ok(Cursor((missing, r.get::<i64>("from_at")?), r.get("segment_id")?))
        };
        page_of(&rows, page.limit(), CoverageRow::read, cursor)
    }

    /// By agent and queue: what a caller may not see is left out by him who adds them up.
    pub async fn coverage_sums(&self, scope: Scope, filter: &CoverageFilter) -> Result<Vec<CoverageSum>> {
        const SUMS: [&str; 9] = [
            "talk_ms",
            "recorded_ms",
            "masked_ms",
            "ruled_out_ms",
            "not_asked_ms",
            "lost_ms",
            "crash_ms",
            "erased_ms",
            "unstored_ms",
        ];
        let sums = SUMS.map(|column| format!("CAST(SUM({column}) AS BIGINT) AS {column}")).join(", ");
        let mut query =
            sql(format!("SELECT agent_id, queue_id, COUNT(*) AS conversations, {sums} FROM coverage WHERE 1 = 1"));
        filter.apply(scope, &mut query);
        query.push(" GROUP BY agent_id, queue_id");
        let read = |r: &Row| {
            Ok(CoverageSum {
                agent: r.get("agent_id")?,
                queue: r.get("queue_id")?,
                conversations: r.get("conversations")?,
                covered: Covered {
                    talk_ms: r.get("talk_ms")?,
                    recorded_ms: r.get("recorded_ms")?,
                    masked_ms: r.get("masked_ms")?,
                    ruled_out_ms: r.get("ruled_out_ms")?,
                    not_asked_ms: r.get("not_asked_ms")?,
                    lost_ms: r.get("lost_ms")?,
                    crash_ms: r.get("crash_ms")?,
                    erased_ms: r.get("erased_ms")?,
                },
                unstored_ms: r.get("unstored_ms")?,
            })
        };
        query.all(&mut self.db.read().await?).await?.iter().map(read).collect()
    }
}
