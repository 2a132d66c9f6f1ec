//! Agents' presence and occupancy over time: each change ends a span and begins the next.
use std::collections::BTreeMap;

use domain::command::Presence;
use domain::event::{Event, EventBody};
use domain::id::AgentId;
use store::projection::{AgentSpanRow, Tx};

use super::kept::Kept;
use super::{Result, word};

#[derive(Default)]
pub(super) struct Agents {
    /// The open span of an agent, with his present words.
    open: Kept<AgentId, AgentSpanRow>,
    /// Ended in this transaction: their agent may have begun another since.
    ended: BTreeMap<(AgentId, u64), AgentSpanRow>,
}

impl Agents {
    pub(super) async fn apply(&mut self, tx: &mut Tx, event: &Event) -> Result<()> {
        match &event.body {
            EventBody::AgentSignedIn { agent, seat, .. } => {
                let seat = word(seat)?;
                let change = |row: &mut AgentSpanRow| {
                    row.presence = "offline".to_owned();
                    row.occupancy = "idle".to_owned();
                    row.break_reason_id = None;
                    row.seat_class = Some(seat);
                };
                self.next(tx, event, *agent, change).await
            }
            EventBody::PresenceChanged { agent, presence, .. } => {
                let (text, reason) = match presence {
                    Presence::Available => ("available", None),
                    Presence::Break { reason } => ("break", Some(*reason)),
                    Presence::Offline => ("offline", None),
                };
                let change = |row: &mut AgentSpanRow| {
                    row.presence = text.to_owned();
                    row.break_reason_id = reason;
                };
                self.next(tx, event, *agent, change).await
            }
            EventBody::OccupancyChanged { agent, occupancy } => {
                let text = word(occupancy)?;
                self.next(tx, event, *agent, |row| row.occupancy = text).await
            }
            EventBody::AgentSignedOut { agent, .. } => {
                if let Some(mut row) = self.take(tx, *agent).await? {
                    row.to_at = Some(event.at);
                    self.ended.insert((*agent, row.from_seq), row);
                }
                Ok(())
            }
            // Of calls: the caller's match names them.
            _ => Ok(()),
        }
    }

    /// Ends the agent's present span and begins the next with `change` applied.
    async fn next(
        &mut self,
        tx: &mut Tx,
        event: &Event,
        agent: AgentId,
        change: impl FnOnce(&mut AgentSpanRow),
    ) -> Result<()> {
        let mut next = match self.take(tx, agent).await? {
            Some(mut row) => {
                let next = row.clone();
                row.to_at = Some(event.at);
                self.ended.insert((agent, row.from_seq), row);
                next
            }
            None => AgentSpanRow {
                tenant_id: tx.tenant(),
                floor_id: tx.floor(),
                sample: tx.is_sample(),
                agent_id: agent,
                from_seq: 0,
                presence: "offline".to_owned(),
                occupancy: "idle".to_owned(),
                break_reason_id: None,
                seat_class: None,
                interaction_id: None,
                from_at: event.at,
                to_at: None,
            },
        };
        change(&mut next);
        next.from_seq = event.seq;
        next.from_at = event.at;
        self.open.insert(agent, next);
        Ok(())
    }

    async fn take(&mut self, tx: &mut Tx, agent: AgentId) -> Result<Option<AgentSpanRow>> {
        match self.open.remove(agent) {
            Some(row) => Ok(Some(row)),
            // Stored as open, but ended since.
            None => Ok(tx.open_agent_span(agent).await?.filter(|r| !self.ended.contains_key(&(agent, r.from_seq)))),
        }
    }

    /// Writes what was touched.
    pub(super) async fn flush(&mut self, tx: &mut Tx) -> Result<()> {
        let ended: Vec<AgentSpanRow> = std::mem::take(&mut self.ended).into_values().collect();
        tx.put_agent_spans(&ended).await?;
        tx.put_agent_spans(&self.open.take_touched(|_| true)).await
    }
}
