//! Rows that are folds of the journal, and the transaction that writes them together with the projector's offset.
//!
//! Only `engine::projector` calls this. A rebuild is [`Store::reset_projections`] and a replay from sequence number 1.
//! Codes in `String` fields are the domain's serde names. Rows of a sample floor carry `sample`.
use std::collections::BTreeMap;

use domain::id::{
    AddressId, AgentId, BlobId, BreakReasonId, ContactId, DeviceId, DispositionId, FloorId, FlowId, InteractionId,
    LegId, NoteId, NumberId, OfferId, QueueId, RecordingId, SegmentId, TenantId, TrunkId, UserId,
};
use domain::localized::Lang;
use domain::medium::Medium;
use domain::routing::DecisionTrace;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::db::sql;
use crate::error::{Error, Result};
use crate::journal::{FloorKind, StoredBatch, read_batches};
use crate::query::Scope;
use crate::value::{Column, TableRow, read_all, select, table_row, upsert_all};

table_row! {
    pub struct InteractionRow in "interactions" (id) fixed (address_key) {
        pub tenant_id: TenantId,
        pub id: InteractionId,
        pub floor_id: FloorId,
        pub sample: bool,
        pub medium: Medium,
        /// `inbound`, `outbound`, `internal`.
        pub direction: String,
        /// `open`, `ended`.
        pub state: String,
        /// Once ended: `answered`, `abandoned`, `voicemail`, `self_service`, `lost`, …
        pub outcome: Option<String>,
        pub number_id: Option<NumberId>,
        /// The customer.
        pub address_id: Option<AddressId>,
        /// `Address::key` of the customer, for finding; written with the first row alone and removed when the address is.
        pub address_key: Option<String>,
        pub contact_id: Option<ContactId>,
        pub trunk_id: Option<TrunkId>,
        pub flow_id: Option<FlowId>,
        pub flow_version: Option<u32>,
        /// The latest.
        pub queue_id: Option<QueueId>,
        /// The latest.
        pub agent_id: Option<AgentId>,
        pub disposition_id: Option<DispositionId>,
        pub note_id: Option<NoteId>,
        pub lang: Option<Lang>,
        pub priority: i32,
        pub started_at: Timestamp,
        pub queued_at: Option<Timestamp>,
        pub answered_at: Option<Timestamp>,
        pub ended_at: Option<Timestamp>,
        /// `domain::leg::EndCause` code.
        pub end_cause: Option<String>,
        pub ended_by: Option<String>,
        /// Sums over its segments.
        pub wait_ms: u64,
        pub talk_ms: u64,
        pub hold_ms: u64,
        pub wrap_ms: u64,
        pub recorded: bool,
        /// Of the last event folded in.
        pub last_seq: u64,
        /// Variables, custom fields: whatever needs no column.
        pub extra: serde_json::Value,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }

    pub struct SegmentRow in "segments" (id) {
        pub tenant_id: TenantId,
        pub id: SegmentId,
        pub floor_id: FloorId,
        pub sample: bool,
        pub interaction_id: InteractionId,
        /// From 0 within the interaction.
        pub ordinal: u32,
        /// `flow`, `queue`, `device`, `voicemail`, `echo`, …
        pub kind: String,
        pub medium: Medium,
        pub state: String,
        /// `answered`, `abandoned`, `short_abandoned`, `overflowed`, `transferred`, `closed`, `lost`, …
        pub outcome: Option<String>,
        pub queue_id: Option<QueueId>,
        pub agent_id: Option<AgentId>,
        pub flow_id: Option<FlowId>,
        pub started_at: Timestamp,
        pub answered_at: Option<Timestamp>,
        pub ended_at: Option<Timestamp>,
        pub wrap_ended_at: Option<Timestamp>,
        pub wait_ms: u64,
        pub ring_ms: u64,
        pub talk_ms: u64,
        pub hold_ms: u64,
        pub wrap_ms: u64,
        /// Decided by the queue's rule at that time; none where it does not apply.
        pub in_service_level: Option<bool>,
        /// Start of the interval in which it arrived.
        pub arrival_interval: Timestamp,
        /// Start of the interval in which it was answered or left.
        pub event_interval: Option<Timestamp>,
        pub disposition_id: Option<DispositionId>,
        pub note_id: Option<NoteId>,
        /// The domain's segment value, if the fold needs more than the columns.
        pub extra: serde_json::Value,
        /// Its states in their order; they tile its length (R7).
        pub spans: Spans,
    }

    pub struct LegRow in "legs" (id) {
        pub tenant_id: TenantId,
        pub id: LegId,
        pub floor_id: FloorId,
        pub interaction_id: Option<InteractionId>,
        pub segment_id: Option<SegmentId>,
        /// `customer`, `agent`, …
        pub party: String,
        pub direction: String,
        pub agent_id: Option<AgentId>,
        pub device_id: Option<DeviceId>,
        pub trunk_id: Option<TrunkId>,
        pub number_id: Option<NumberId>,
        pub address_id: Option<AddressId>,
        /// For metering: `internal`, `mobile`, `national`, …
        pub destination_class: Option<String>,
        pub started_at: Timestamp,
        pub ringing_at: Option<Timestamp>,
        pub answered_at: Option<Timestamp>,
        pub ended_at: Option<Timestamp>,
        pub cause: Option<String>,
        pub ended_by: Option<String>,
        pub codec: Option<String>,
        pub recorded_ms: u64,
        /// `domain::leg::LegStats`.
        pub stats: serde_json::Value,
    }

    pub struct OfferRow in "offers" (id) {
        pub tenant_id: TenantId,
        pub id: OfferId,
        pub floor_id: FloorId,
        pub interaction_id: InteractionId,
        pub segment_id: SegmentId,
        pub queue_id: Option<QueueId>,
        pub agent_id: AgentId,
        pub device_id: Option<DeviceId>,
        pub offered_at: Timestamp,
        pub ended_at: Option<Timestamp>,
        /// `accepted`, `declined`, `missed`, `withdrawn`, …
        pub outcome: Option<String>,
        /// Why this agent: candidates, exclusions.
        pub trace: DecisionTrace,
    }

    /// An agent's presence and occupancy over time.
    pub struct AgentSpanRow in "agent_spans" (floor_id, agent_id, from_seq) {
        pub tenant_id: TenantId,
        pub floor_id: FloorId,
        pub sample: bool,
        pub agent_id: AgentId,
        /// Sequence number of the event that began it.
        pub from_seq: u64,
        pub presence: String,
        pub occupancy: String,
        pub break_reason_id: Option<BreakReasonId>,
        pub seat_class: Option<String>,
        pub interaction_id: Option<InteractionId>,
        pub from_at: Timestamp,
        pub to_at: Option<Timestamp>,
    }

    pub struct RecordingRow in "recordings" (id) {
        pub tenant_id: TenantId,
        pub id: RecordingId,
        pub floor_id: FloorId,
        pub interaction_id: InteractionId,
        pub segment_id: Option<SegmentId>,
        pub agent_id: Option<AgentId>,
        /// `running`, `ended`, `stored`, `lost`.
        pub state: String,
        pub blob_id: Option<BlobId>,
        pub started_at: Timestamp,
        pub length_ms: Option<u64>,
        /// Array of `domain::leg::Gap`.
        pub gaps: serde_json::Value,
        pub retain_until: Option<Timestamp>,
        pub legal_hold: bool,
    }

    /// A message, known by its recording.
    pub struct VoicemailRow in "voicemails" (id) {
        pub tenant_id: TenantId,
        pub id: RecordingId,
        pub floor_id: FloorId,
        pub sample: bool,
        pub interaction_id: InteractionId,
        /// Whose mailbox it is in; the company's if none.
        pub queue_id: Option<QueueId>,
        pub number_id: Option<NumberId>,
        pub address_id: Option<AddressId>,
        pub left_at: Timestamp,
        pub length_ms: u64,
        /// `recording`, `new`, `heard`, `handled`, `discarded`, `deleted`.
        pub state: String,
        pub state_at: Timestamp,
        /// Who marked it last.
        pub user_id: Option<UserId>,
        /// The last call that answered it.
        pub call_id: Option<InteractionId>,
    }

    /// What became of the talk of one conversation (`domain::coverage`).
    pub struct CoverageRow in "coverage" (segment_id) {
        pub tenant_id: TenantId,
        pub segment_id: SegmentId,
        pub floor_id: FloorId,
        pub sample: bool,
        pub interaction_id: InteractionId,
        pub agent_id: Option<AgentId>,
        pub queue_id: Option<QueueId>,
        pub from_at: Timestamp,
        pub talk_ms: u64,
        pub recorded_ms: u64,
        pub masked_ms: u64,
        pub ruled_out_ms: u64,
        pub not_asked_ms: u64,
        pub lost_ms: u64,
        pub crash_ms: u64,
        pub erased_ms: u64,
        /// Of `recorded_ms`.
        pub unstored_ms: u64,
    }

    /// The report fold of one queue or agent in one interval.
    pub struct IntervalRow in "intervals" (floor_id, subject, subject_id, interval_at) {
        pub tenant_id: TenantId,
        pub floor_id: FloorId,
        pub sample: bool,
        /// `queue.event` or `queue.arrival`: which time the figures are sorted by.
        pub subject: String,
        pub subject_id: String,
        pub interval_at: Timestamp,
        pub interval_ms: u64,
        pub figures: serde_json::Value,
    }

    /// What happened to an interaction, for its page; ids and codes only. A piece holds what one transaction brought.
    pub struct TimelineRow in "timeline" (interaction_id, first_seq) {
        pub tenant_id: TenantId,
        pub floor_id: FloorId,
        pub interaction_id: InteractionId,
        /// Of its first event.
        pub first_seq: u64,
        /// A JSON array of events as the journal has them: `{"seq":…,"at":…,"v":…,"kind":…,…}`.
        pub events: String,
    }
}

/// One state of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub state: String,
    pub from_at: Timestamp,
    pub to_at: Option<Timestamp>,
}

/// Stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans(pub Vec<Span>);

/// One event of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineEvent {
    pub seq: u64,
    pub at: Timestamp,
    pub kind: String,
    /// The event's own fields, with `kind`.
    pub detail: serde_json::Value,
}

impl TimelineRow {
    /// Its events, in order.
    pub fn events(&self) -> Result<Vec<TimelineEvent>> {
        let corrupt = || Error::corrupt("timeline", "an event without number, time or kind");
        let events: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&self.events).map_err(|e| Error::corrupt("timeline", e))?;
        let event = |mut fields: serde_json::Map<String, serde_json::Value>| {
            fields.remove("v");
            let seq = fields.remove("seq").and_then(|v| v.as_u64()).ok_or_else(corrupt)?;
            let at = fields.remove("at").and_then(|v| v.as_i64()).map(Timestamp).ok_or_else(corrupt)?;
            let kind = fields.get("kind").and_then(|v| v.as_str()).ok_or_else(corrupt)?.to_owned();
            Ok(TimelineEvent { seq, at, kind, detail: serde_json::Value::Object(fields) })
        };
        events.into_iter().map(event).collect()
    }
}

/// Every table that a replay fills, with the condition that finds a floor's rows by an index. Children first: they are
/// found through their parents.
const TABLES: &[(&str, &str)] = &[
    ("offers", OF_INTERACTIONS),
    ("recordings", OF_INTERACTIONS),
    ("voicemails", OF_INTERACTIONS),
    ("coverage", OF_INTERACTIONS),
    ("segments", OF_INTERACTIONS),
    ("legs", OF_INTERACTIONS),
    ("timeline", OF_INTERACTIONS),
    ("agent_spans", "floor_id = $1"),
    ("intervals", "floor_id = $1"),
    ("interactions", OF_TENANT),
];
const OF_INTERACTIONS: &str = "interaction_id IN (SELECT id FROM interactions \
     WHERE tenant_id = (SELECT tenant_id FROM floors WHERE id = $1) AND floor_id = $1)";
const OF_TENANT: &str = "tenant_id = (SELECT tenant_id FROM floors WHERE id = $1) AND floor_id = $1";

/// Where a projector stands: what one transaction leaves to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    floor: FloorId,
    tenant: TenantId,
    sample: bool,
    offset: u64,
}

impl Position {
    /// Last event folded in.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// Addresses asked for in one statement.
const KEYS: usize = 32;

/// A projector's transaction over one floor.
pub struct Tx {
    tx: crate::db::Tx,
    position: Position,
    fold: Option<String>,
}

impl Store {
    /// Opens the projector's transaction. Read a few batches, write rows, [`Tx::commit`]. On SQLite it holds the writer:
    /// take about a thousand events at a time, so that journal appends are not kept waiting.
    pub async fn begin_projection(&self, floor: FloorId) -> Result<Tx> {
        let mut tx = self.db.begin().await?;
        let row = sql("SELECT tenant_id, kind FROM floors WHERE id = $1").bind(floor).one(&mut tx, "floor").await?;
        let at = sql("INSERT INTO projector_offsets (floor_id, last_seq, updated_at) VALUES ($1, 0, 0) \
                      ON CONFLICT (floor_id) DO UPDATE SET updated_at = projector_offsets.updated_at RETURNING last_seq, fold")
        .bind(floor)
        .one(&mut tx, "projector offset")
        .await?;
        let sample = row.get::<FloorKind>("kind")? == FloorKind::Sample;
        let position = Position { floor, tenant: row.get("tenant_id")?, sample, offset: at.get("last_seq")? };
        Ok(Tx { tx, position, fold: at.get("fold")? })
    }

    /// The same for a projector that knows where it stands and what the fold was: nothing is read. If another has moved
    /// the offset meanwhile, the commit fails.
    pub async fn resume_projection(&self, position: Position) -> Result<Tx> {
        Ok(Tx { tx: self.db.begin().await?, position, fold: None })
    }

    /// Last event folded into the projections of a floor.
    pub async fn projector_offset(&self, floor: FloorId) -> Result<u64> {
        let row = sql("SELECT last_seq FROM projector_offsets WHERE floor_id = $1").bind(floor);
        row.maybe(&mut self.db.read().await?).await?.map_or(Ok(0), |r| r.get("last_seq"))
    }

    /// Deletes every projected row of a floor and sets its offset to 0: then replay. Recordings' blobs stay.
    pub async fn reset_projections(&self, floor: FloorId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for (table, condition) in TABLES {
            sql(format!("DELETE FROM {table} WHERE {condition}")).bind(floor).execute(&mut tx).await?;
        }
        sql("DELETE FROM projector_offsets WHERE floor_id = $1").bind(floor).execute(&mut tx).await?;
        tx.commit().await
    }

    /// Removes the sample history of a tenant: its sample floors with journal, projections, recordings, addresses,
    /// contacts and notes. Returns how many interactions went. A table at a time, so that living floors can append in
    /// between; the floor's own row goes last, so that a call cut short can be repeated.
    pub async fn remove_sample(&self, tenant: TenantId) -> Result<u64> {
        let mut interactions = 0;
        for floor in self.floors(Scope::Tenant(tenant)).await?.iter().filter(|f| f.kind == FloorKind::Sample) {
            self.delete_of(floor.id, format!("DELETE FROM legal_holds WHERE {OF_INTERACTIONS}")).await?;
            for (table, condition) in TABLES {
                let n = self.delete_of(floor.id, format!("DELETE FROM {table} WHERE {condition}")).await?;
                if *table == "interactions" {
                    interactions += n;
                }
            }
            let rows = sql("SELECT id FROM blobs WHERE sample_floor_id = $1").bind(floor.id);
            for row in rows.all(&mut self.db.read().await?).await? {
                self.blobs.remove_file(tenant, row.get("id")?).await?;
            }
            for table in ["blobs", "addresses", "contacts", "notes"] {
                self.delete_of(floor.id, format!("DELETE FROM {table} WHERE sample_floor_id = $1")).await?;
            }
            for table in ["projector_offsets", "snapshots", "journal", "floor_leases"] {
                self.delete_of(floor.id, format!("DELETE FROM {table} WHERE floor_id = $1")).await?;
            }
            self.delete_of(floor.id, "DELETE FROM floors WHERE id = $1".to_owned()).await?;
        }
        Ok(interactions)
    }

    async fn delete_of(&self, floor: FloorId, statement: String) -> Result<u64> {
        let mut tx = self.db.begin().await?;
        let n = sql(statement).bind(floor).execute(&mut tx).await?;
        tx.commit().await?;
        Ok(n)
    }
}

impl Tx {
    pub fn floor(&self) -> FloorId {
        self.position.floor
    }

    pub fn tenant(&self) -> TenantId {
        self.position.tenant
    }

    /// Whether this floor's rows are labelled "sample".
    pub fn is_sample(&self) -> bool {
        self.position.sample
    }

    /// Last event already folded in.
    pub fn offset(&self) -> u64 {
        self.position.offset
    }

    /// What the report fold remembered at the offset (the caller's text; none at the beginning).
    pub fn fold(&self) -> Option<&str> {
        self.fold.as_deref()
    }

    /// Replaces it at the commit.
    pub fn set_fold(&mut self, fold: String) {
        self.fold = Some(fold);
    }

    /// The next batches after the offset. The first may begin before it: skip events up to the offset.
    pub async fn next_batches(&mut self, limit: u32) -> Result<Vec<StoredBatch>> {
        read_batches(self.floor(), self.offset() + 1, limit, &mut self.tx).await
    }

    /// Advances the offset and makes the rows durable. Returns where the projector stands now.
    pub async fn commit(mut self, last_seq: u64, now: Timestamp) -> Result<Position> {
        if last_seq < self.offset() {
            return Err(Error::invalid("projector offset", "it may not go back"));
        }
        let n =
            sql("UPDATE projector_offsets SET last_seq = $1, updated_at = $2, fold = $3 WHERE floor_id = $4 AND last_seq = $5")
                .bind(last_seq)
                .bind(now)
                .bind(self.fold.clone())
                .bind(self.floor())
                .bind(self.offset())
                .execute(&mut self.tx)
                .await?;
        if n == 0 {
            return Err(Error::conflict("projector.offset_moved"));
        }
        self.tx.commit().await?;
        Ok(Position { offset: last_seq, ..self.position })
    }

    async fn find<T: TableRow>(&mut self, key: &'static str, id: impl Column) -> Result<Option<T>> {
        let mut query = select::<T>("WHERE ");
        query.push_bind(&format!("{key} = ?"), id);
        query.push_bind(" AND floor_id = ?", self.floor());
        query.maybe(&mut self.tx).await?.as_ref().map(T::read).transpose()
    }

    pub async fn interaction(&mut self, id: InteractionId) -> Result<Option<InteractionRow>> {
        self.find("id", id).await
    }

    pub async fn segment(&mut self, id: SegmentId) -> Result<Option<SegmentRow>> {
        self.find("id", id).await
    }

    pub async fn leg(&mut self, id: LegId) -> Result<Option<LegRow>> {
        self.find("id", id).await
    }

    pub async fn offer(&mut self, id: OfferId) -> Result<Option<OfferRow>> {
        self.find("id", id).await
    }

    pub async fn recording(&mut self, id: RecordingId) -> Result<Option<RecordingRow>> {
        self.find("id", id).await
    }

    pub async fn voicemail(&mut self, id: RecordingId) -> Result<Option<VoicemailRow>> {
        self.find("id", id).await
    }

    /// What is stored of an interaction's timeline, in order.
    pub async fn timeline(&mut self, id: InteractionId) -> Result<Vec<TimelineRow>> {
        let query = select::<TimelineRow>("WHERE interaction_id = $1 AND floor_id = $2 ORDER BY first_seq");
        read_all(&query.bind(id).bind(self.floor()).all(&mut self.tx).await?)
    }

    /// The span of an agent that has no end yet.
    pub async fn open_agent_span(&mut self, agent: AgentId) -> Result<Option<AgentSpanRow>> {
        let query = select::<AgentSpanRow>(
            "WHERE floor_id = $1 AND agent_id = $2 AND to_at IS NULL ORDER BY from_seq DESC LIMIT 1",
        );
        let row = query.bind(self.floor()).bind(agent).maybe(&mut self.tx).await?;
        row.as_ref().map(AgentSpanRow::read).transpose()
    }

    pub async fn interval(&mut self, subject: &str, subject_id: &str, at: Timestamp) -> Result<Option<IntervalRow>> {
        let query =
            select::<IntervalRow>("WHERE floor_id = $1 AND subject = $2 AND subject_id = $3 AND interval_at = $4");
        let query = query.bind(self.floor()).bind(subject.to_owned()).bind(subject_id.to_owned()).bind(at);
        query.maybe(&mut self.tx).await?.as_ref().map(IntervalRow::read).transpose()
    }

    /// The stored addresses of customers, for `address_key`. One that was erased is not in the answer.
    pub async fn address_keys(&mut self, ids: &[AddressId]) -> Result<BTreeMap<AddressId, String>> {
        let mut keys = BTreeMap::new();
        // Few sizes, so that each statement stays prepared: the last piece asks for its first id again and again.
        for some in ids.chunks(KEYS) {
            let mut query = sql("SELECT id, address_key FROM addresses WHERE tenant_id = ");
            query.push_bind("?", self.tenant());
            query.push(" AND id IN (");
            let size = if some.len() == 1 { 1 } else { KEYS };
            for n in 0..size {
                query.push_bind(if n == 0 { "?" } else { ", ?" }, some.get(n).copied().unwrap_or(some[0]));
            }
            query.push(")");
            for row in query.all(&mut self.tx).await? {
                let key: String = row.get("address_key")?;
                keys.insert(row.get("id")?, crate::address::plain_key(&key).to_owned());
            }
        }
        Ok(keys)
    }

    // Rows of one kind are written with few statements; no key may be in a list twice.

    pub async fn put_interactions(&mut self, rows: &[InteractionRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_segments(&mut self, rows: &[SegmentRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_legs(&mut self, rows: &[LegRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_offers(&mut self, rows: &[OfferRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_agent_spans(&mut self, rows: &[AgentSpanRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_recordings(&mut self, rows: &[RecordingRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_voicemails(&mut self, rows: &[VoicemailRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_coverage(&mut self, rows: &[CoverageRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_intervals(&mut self, rows: &[IntervalRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    pub async fn put_timeline(&mut self, rows: &[TimelineRow]) -> Result<()> {
        rows.iter().try_for_each(|row| self.check(row.tenant_id, row.floor_id))?;
        upsert_all(rows, &mut self.tx).await
    }

    /// R6: nothing crosses tenants.
    fn check(&self, tenant: TenantId, floor: FloorId) -> Result<()> {
        if tenant == self.tenant() && floor == self.floor() {
            Ok(())
        } else {
            Err(Error::invalid("projected row", "it belongs to another floor"))
        }
    }
}
