//! Messages that callers left.
use domain::address::Address;
use domain::id::{FloorId, QueueId, RecordingId, TenantId};
use domain::time::Timestamp;

use super::{Cursor, Page, PageRequest, Scope, page_of};
use crate::Store;
use crate::db::{Sql, sql};
use crate::error::Result;
use crate::hold::NOT_HELD;
use crate::projection::{RecordingRow, VoicemailRow};
use crate::value::{TableRow, select};

/// What there is to be heard, whatever was done about it.
const TO_BE_HEARD: &str = " AND state IN ('new', 'heard', 'handled')";

/// Everything is optional; what is given must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VoicemailFilter {
    /// Those of these queues alone; none for every mailbox, the company's included.
    pub mailboxes: Option<Vec<QueueId>>,
    pub queue: Option<QueueId>,
    /// `new`, `heard`, `handled`.
    pub state: Option<String>,
    /// Who left it.
    pub address: Option<Address>,
}

/// Messages of one mailbox in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxCount {
    pub queue: Option<QueueId>,
    pub state: String,
    pub count: u64,
    /// When the newest of them was left.
    pub newest_at: Timestamp,
}

fn any_of(query: &mut Sql, queues: &[QueueId]) {
    query.push("(");
    for (n, queue) in queues.iter().enumerate() {
        query.push_bind(if n == 0 { "?" } else { ", ?" }, *queue);
    }
    query.push(")");
}

impl Store {
    /// Newest first.
    pub async fn voicemails(
        &self,
        scope: Scope,
        filter: &VoicemailFilter,
        page: &PageRequest,
    ) -> Result<Page<VoicemailRow>> {
        let mut query = select::<VoicemailRow>("WHERE 1 = 1");
        query.push(TO_BE_HEARD);
        scope.filter(&mut query);
        match filter.mailboxes.as_deref() {
            None => {}
            Some([]) => return Ok(Page { items: Vec::new(), next: None }),
            Some(queues) => {
                query.push(" AND queue_id IN ");
                any_of(&mut query, queues);
            }
        }
        if let Some(queue) = filter.queue {
            query.push_bind(" AND queue_id = ?", queue);
        }
        if let Some(state) = &filter.state {
            query.push_bind(" AND state = ?", state.clone());
        }
        if let Some(address) = &filter.address {
            query.push_bind(
                " AND EXISTS (SELECT 1 FROM interactions i WHERE i.id = voicemails.interaction_id \
                 AND i.tenant_id = voicemails.tenant_id AND i.address_key = ?)",
                address.key(),
            );
        }
        if let Some(Cursor(at, id)) = page.after::<i64>()? {
            query.push_bind(" AND (left_at < ?", at);
            query.push_bind(" OR (left_at = ?", at);
            query.push_bind(" AND id < ?))", id);
        }
        query.push_bind(" ORDER BY left_at DESC, id DESC LIMIT ?", page.limit() + 1);
        let rows = query.all(&mut self.db.read().await?).await?;
        let cursor = |r: &crate::db::Row| Ok(Cursor(r.get::<i64>("left_at")?, r.get("id")?));
        page_of(&rows, page.limit(), VoicemailRow::read, cursor)
    }

    /// One that can be heard.
    pub async fn voicemail(&self, scope: Scope, id: RecordingId) -> Result<VoicemailRow> {
        let mut query = select::<VoicemailRow>("WHERE ");
        query.push_bind("id = ?", id);
        query.push(TO_BE_HEARD);
        scope.filter(&mut query);
        VoicemailRow::read(&query.one(&mut self.db.read().await?, "voicemail").await?)
    }

    /// How many there are, by mailbox and state.
    pub async fn voicemail_counts(&self, tenant: TenantId) -> Result<Vec<MailboxCount>> {
        let mut query =
            sql("SELECT queue_id, state, COUNT(*) AS n, MAX(left_at) AS newest FROM voicemails WHERE 1 = 1");
        query.push(TO_BE_HEARD);
        Scope::Tenant(tenant).filter(&mut query);
        query.push(" GROUP BY queue_id, state");
        let rows = query.all(&mut self.db.read().await?).await?;
        let read = |r: &crate::db::Row| {
            Ok(MailboxCount {
                queue: r.get("queue_id")?,
                state: r.get("state")?,
                count: r.get("n")?,
                newest_at: r.get("newest")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Recordings of messages whose sound is to go, oldest first, at most `limit`: the discarded ones, those of the queues
    /// `own` left before the time given (none: kept), and those of every other mailbox left before `others`. None under
    /// legal hold.
    pub async fn messages_due(
        &self,
        tenant: TenantId,
        floor: FloorId,
        own: &[(QueueId, Option<Timestamp>)],
        others: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<RecordingRow>> {
        let mut query = select::<RecordingRow>("WHERE legal_hold = 0 AND blob_id IS NOT NULL");
        query.push(NOT_HELD);
        Scope::Tenant(tenant).filter(&mut query);
        query.push_bind(" AND floor_id = ?", floor);
        query.push_bind(" AND id IN (SELECT id FROM voicemails WHERE tenant_id = ?", tenant);
        query.push(" AND (state = 'discarded'");
        for (queue, before) in own {
            if let Some(before) = before {
                query.push_bind(" OR (queue_id = ?", *queue);
                query.push_bind(" AND left_at < ?)", *before);
            }
        }
        if let Some(before) = others {
            query.push_bind(" OR (left_at < ?", before);
            if !own.is_empty() {
                query.push(" AND (queue_id IS NULL OR queue_id NOT IN ");
                any_of(&mut query, &own.iter().map(|(queue, _)| *queue).collect::<Vec<_>>());
                query.push(")");
            }
            query.push(")");
        }
        query.push_bind(")) ORDER BY started_at, id LIMIT ?", limit);
        let rows = query.all(&mut self.db.read().await?).await?;
        rows.iter().map(RecordingRow::read).collect()
    }
}
