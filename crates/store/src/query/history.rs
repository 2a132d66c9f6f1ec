//! Interactions, their details, and what reports fold.
use domain::address::Address;
use domain::id::{AgentId, InteractionId, NumberId, QueueId, RecordingId, TenantId};
use domain::medium::Medium;
use domain::time::Timestamp;
use serde::Serialize;

use super::{Cursor, Page, PageRequest, Scope, page_of};
use crate::Store;
use crate::address::{AddressRow, NoteRow};
use crate::db::{Conn, Sql};
use crate::error::Result;
use crate::hold::{HELD, NOT_HELD};
use crate::projection::{
    AgentSpanRow, InteractionRow, IntervalRow, LegRow, OfferRow, RecordingRow, SegmentRow, TimelineEvent, TimelineRow,
};
use crate::value::{Column, TableRow, read_all, select};

/// Seeded history, real history, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sample {
    #[default]
    Both,
    Only,
    Without,
}

/// Everything is optional; what is given must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InteractionFilter {
    /// Started at or after.
    pub from: Option<Timestamp>,
    /// Started before.
    pub to: Option<Timestamp>,
    /// Any of its segments was in this queue.
    pub queue: Option<QueueId>,
    /// Any of its segments was with this agent.
    pub agent: Option<AgentId>,
    pub direction: Option<String>,
    pub state: Option<String>,
    pub outcome: Option<String>,
    pub medium: Option<Medium>,
    /// The number that was called.
    pub number: Option<NumberId>,
    /// The customer.
    pub address: Option<Address>,
    /// Kept for a court.
    pub held: bool,
    pub sample: Sample,
}

impl Sample {
    /// Only the seeded, or none of it.
    pub fn of(wanted: Option<bool>) -> Sample {
        match wanted {
            None => Sample::Both,
            Some(true) => Sample::Only,
            Some(false) => Sample::Without,
        }
    }

    pub(super) fn filter(self, query: &mut Sql) {
        match self {
            Sample::Both => {}
            Sample::Only => drop(query.push(" AND sample = 1")),
            Sample::Without => drop(query.push(" AND sample = 0")),
        }
    }
}

/// All that is stored about one interaction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InteractionDetail {
    pub interaction: InteractionRow,
    pub segments: Vec<SegmentRow>,
    pub legs: Vec<LegRow>,
    pub offers: Vec<OfferRow>,
    pub recordings: Vec<RecordingRow>,
    pub timeline: Vec<TimelineEvent>,
    pub notes: Vec<NoteRow>,
    pub address: Option<AddressRow>,
}

/// One interaction has at most this many rows of a kind on its page.
const DETAIL: &str = "LIMIT 2000";

async fn rows_of<T: TableRow>(id: InteractionId, tenant: TenantId, order: &str, on: &mut Conn) -> Result<Vec<T>> {
    let query = select::<T>(&format!("WHERE interaction_id = $1 AND tenant_id = $2 ORDER BY {order} {DETAIL}"));
    read_all(&query.bind(id).bind(tenant).all(on).await?)
}

impl Store {
    pub async fn interaction(&self, scope: Scope, id: InteractionId) -> Result<InteractionRow> {
        let mut query = select::<InteractionRow>("WHERE ");
        query.push_bind("id = ?", id);
        scope.filter(&mut query);
        InteractionRow::read(&query.one(&mut self.db.read().await?, "interaction").await?)
    }

    /// Newest first.
    pub async fn interactions(
        &self,
        scope: Scope,
        filter: &InteractionFilter,
        page: &PageRequest,
    ) -> Result<Page<InteractionRow>> {
        let mut query = select::<InteractionRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        fn and<T: Column>(query: &mut Sql, condition: &str, value: Option<T>) {
            if let Some(value) = value {
                query.push_bind(condition, value);
            }
        }
        and(&mut query, " AND started_at >= ?", filter.from);
        and(&mut query, " AND started_at < ?", filter.to);
        and(&mut query, " AND direction = ?", filter.direction.clone());
        and(&mut query, " AND state = ?", filter.state.clone());
        and(&mut query, " AND outcome = ?", filter.outcome.clone());
        and(&mut query, " AND medium = ?", filter.medium);
        and(&mut query, " AND number_id = ?", filter.number);
        and(&mut query, " AND address_key = ?", filter.address.as_ref().map(Address::key));
        let any = |column| {
            format!(
                " AND EXISTS (SELECT 1 FROM segments s WHERE s.interaction_id = interactions.id \
                 AND s.tenant_id = interactions.tenant_id AND s.{column} = ?)"
            )
        };
        and(&mut query, &any("queue_id"), filter.queue);
        and(&mut query, &any("agent_id"), filter.agent);
        filter.sample.filter(&mut query);
        if filter.held {
            query.push(HELD);
        }
        if let Some(Cursor(at, id)) = page.after::<i64>()? {
            query.push_bind(" AND (started_at < ?", at);
            query.push_bind(" OR (started_at = ?", at);
            query.push_bind(" AND id < ?))", id);
        }
        query.push_bind(" ORDER BY started_at DESC, id DESC LIMIT ?", page.limit() + 1);
        let rows = query.all(&mut self.db.read().await?).await?;
        let cursor = |r: &crate::db::Row| Ok(Cursor(r.get::<i64>("started_at")?, r.get("id")?));
        page_of(&rows, page.limit(), InteractionRow::read, cursor)
    }

    pub async fn interaction_detail(&self, scope: Scope, id: InteractionId) -> Result<InteractionDetail> {
        let interaction = self.interaction(scope, id).await?;
        let tenant = interaction.tenant_id;
        let mut conn = self.db.read().await?;
        let address = match interaction.address_id {
            Some(address) => {
                let query = select::<AddressRow>("WHERE id = $1 AND tenant_id = $2").bind(address).bind(tenant);
                query.maybe(&mut conn).await?.as_ref().map(AddressRow::read).transpose()?
            }
            None => None,
        };
        let pieces: Vec<TimelineRow> = rows_of(id, tenant, "first_seq", &mut conn).await?;
        let timeline = pieces.iter().map(TimelineRow::events).collect::<Result<Vec<_>>>()?;
        Ok(InteractionDetail {
            segments: rows_of(id, tenant, "ordinal, id", &mut conn).await?,
            legs: rows_of(id, tenant, "started_at, id", &mut conn).await?,
            offers: rows_of(id, tenant, "offered_at, id", &mut conn).await?,
            recordings: rows_of(id, tenant, "started_at, id", &mut conn).await?,
            timeline: timeline.concat(),
            notes: rows_of(id, tenant, "created_at, id", &mut conn).await?,
            address,
            interaction,
        })
    }

    pub async fn recording(&self, scope: Scope, id: RecordingId) -> Result<RecordingRow> {
        let mut query = select::<RecordingRow>("WHERE ");
        query.push_bind("id = ?", id);
        scope.filter(&mut query);
        RecordingRow::read(&query.one(&mut self.db.read().await?, "recording").await?)
    }

    /// Stored recordings of a floor that began before `before`, oldest first, at most `limit`; none under legal hold.
    pub async fn recordings_due(
        &self,
        tenant: TenantId,
        floor: domain::id::FloorId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<RecordingRow>> {
        let mut query = select::<RecordingRow>("WHERE legal_hold = 0 AND blob_id IS NOT NULL");
        query.push(NOT_HELD);
        Scope::Tenant(tenant).filter(&mut query);
        query.push_bind(" AND floor_id = ?", floor);
        query.push_bind(" AND started_at < ?", before);
        query.push_bind(" ORDER BY started_at, id LIMIT ?", limit);
        let rows = query.all(&mut self.db.read().await?).await?;
        rows.iter().map(RecordingRow::read).collect()
    }

    /// Newest first.
    pub async fn recordings(&self, scope: Scope, page: &PageRequest) -> Result<Page<RecordingRow>> {
        let mut query = select::<RecordingRow>("WHERE 1 = 1");
        scope.filter(&mut query);
        if let Some(Cursor(at, id)) = page.after::<i64>()? {
            query.push_bind(" AND (started_at < ?", at);
            query.push_bind(" OR (started_at = ?", at);
            query.push_bind(" AND id < ?))", id);
        }
        query.push_bind(" ORDER BY started_at DESC, id DESC LIMIT ?", page.limit() + 1);
        let rows = query.all(&mut self.db.read().await?).await?;
        let cursor = |r: &crate::db::Row| Ok(Cursor(r.get::<i64>("started_at")?, r.get("id")?));
        page_of(&rows, page.limit(), RecordingRow::read, cursor)
    }

    /// Segments that arrived in [from, to), in order, a page at a time: what `domain::report` folds by arrival.
    pub async fn report_segments(
        &self,
        scope: Scope,
        from: Timestamp,
        to: Timestamp,
        sample: Sample,
        after: Option<(Timestamp, domain::id::SegmentId)>,
        limit: u32,
    ) -> Result<Vec<SegmentRow>> {
        let mut query = select::<SegmentRow>("WHERE ");
        query.push_bind("started_at >= ?", from);
        query.push_bind(" AND started_at < ?", to);
        scope.filter(&mut query);
        sample.filter(&mut query);
        if let Some((at, id)) = after {
            query.push_bind(" AND (started_at > ?", at);
            query.push_bind(" OR (started_at = ?", at);
            query.push_bind(" AND id > ?))", id);
        }
        query.push_bind(" ORDER BY started_at, id LIMIT ?", limit.clamp(1, 10_000));
        read_all(&query.all(&mut self.db.read().await?).await?)
    }

    /// Spans of agents that touch [from, to), ordered by agent and time.
    pub async fn report_agent_spans(
        &self,
        scope: Scope,
        from: Timestamp,
        to: Timestamp,
        sample: Sample,
    ) -> Result<Vec<AgentSpanRow>> {
        let mut query = select::<AgentSpanRow>("WHERE ");
        query.push_bind("from_at < ?", to);
        query.push_bind(" AND (to_at IS NULL OR to_at > ?)", from);
        scope.filter(&mut query);
        sample.filter(&mut query);
        query.push(" ORDER BY agent_id, from_at, from_seq LIMIT 200000");
        read_all(&query.all(&mut self.db.read().await?).await?)
    }

    /// Interval rows that begin in [from, to).
    pub async fn report_intervals(
        &self,
        scope: Scope,
        subject: &str,
        from: Timestamp,
        to: Timestamp,
        sample: Sample,
    ) -> Result<Vec<IntervalRow>> {
        let mut query = select::<IntervalRow>("WHERE ");
        query.push_bind("subject = ?", subject.to_owned());
        query.push_bind(" AND interval_at >= ?", from);
        query.push_bind(" AND interval_at < ?", to);
        scope.filter(&mut query);
        sample.filter(&mut query);
        query.push(" ORDER BY interval_at, subject_id LIMIT 200000");
        read_all(&query.all(&mut self.db.read().await?).await?)
    }

    /// Offers made in [from, to): RONA and decision reports.
    pub async fn report_offers(&self, scope: Scope, from: Timestamp, to: Timestamp) -> Result<Vec<OfferRow>> {
        let mut query = select::<OfferRow>("WHERE ");
        query.push_bind("offered_at >= ?", from);
        query.push_bind(" AND offered_at < ?", to);
        scope.filter(&mut query);
        query.push(" ORDER BY offered_at, id LIMIT 200000");
        read_all(&query.all(&mut self.db.read().await?).await?)
    }
}
