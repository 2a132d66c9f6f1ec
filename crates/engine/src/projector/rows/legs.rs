//! Rows of legs and recordings.
use domain::event::{Event, EventBody};
use domain::id::{InteractionId, LegId};
use serde_json::json;
use store::projection::{LegRow, RecordingRow, Tx};

use super::{Result, Rows, word};
use crate::projector::json as to_json;

impl Rows {
    pub(super) async fn leg(&mut self, tx: &mut Tx, event: &Event) -> Result<()> {
        let at = event.at;
        match &event.body {
            EventBody::LegStarted { interaction, leg, segment, direction, role, via, device, destination, .. } => {
                let (mut agent_id, mut number_id, mut address_id) = (None, None, None);
                if let Some(segment) = segment {
                    with_row!(self, tx, segments, segment, *segment, |row| agent_id = row.agent_id);
                }
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    number_id = row.number_id;
                    address_id = row.address_id;
                });
                let trunk_id = match via {
                    Some(domain::leg::Via::Trunk { trunk }) => Some(*trunk),
                    _ => None,
                };
                if trunk_id.is_some() {
                    with_row!(self, tx, interactions, interaction, *interaction, |row| row.trunk_id = trunk_id);
                }
                let row = LegRow {
                    tenant_id: tx.tenant(),
                    id: *leg,
                    floor_id: tx.floor(),
                    interaction_id: Some(*interaction),
                    segment_id: *segment,
                    party: word(role)?,
                    direction: word(direction)?,
                    agent_id,
                    device_id: *device,
                    trunk_id,
                    number_id,
                    address_id,
                    destination_class: Some(word(destination)?),
                    started_at: at,
                    ringing_at: None,
                    answered_at: None,
                    ended_at: None,
                    cause: None,
                    ended_by: None,
                    codec: None,
                    recorded_ms: 0,
                    stats: json!({}),
                };
                self.legs.insert(*leg, row);
            }
            EventBody::LegRinging { leg, .. } => {
                with_row!(self, tx, legs, leg, *leg, |row| {
                    row.ringing_at.get_or_insert(at);
                });
            }
            EventBody::LegAnswered { leg, codec, .. } => {
                let codec = word(codec)?;
                with_row!(self, tx, legs, leg, *leg, |row| {
                    row.answered_at = Some(at);
                    row.codec = Some(codec);
                });
            }
            EventBody::LegMoved { leg, segment, .. } => {
                let mut agent_id = None;
                with_row!(self, tx, segments, segment, *segment, |row| agent_id = row.agent_id);
                with_row!(self, tx, legs, leg, *leg, |row| {
                    row.segment_id = Some(*segment);
                    row.agent_id = agent_id;
                    row.party = "agent".to_owned();
                });
            }
            EventBody::LegEnded { interaction, leg, cause, by, stats } => {
                let (cause, by, stats) = (word(cause)?, word(by)?, to_json(stats)?);
                let mut is_customer = false;
                with_row!(self, tx, legs, leg, *leg, |row| {
                    row.ended_at = Some(at);
                    row.cause = Some(cause.clone());
                    row.ended_by = Some(by.clone());
                    row.stats = stats;
                    is_customer = row.party == "customer";
                });
                if is_customer {
                    with_row!(self, tx, interactions, interaction, *interaction, |row| {
                        row.end_cause = Some(cause);
                        row.ended_by = Some(by);
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the interaction concerned: one of the events does not name it.
    pub(super) async fn recording(&mut self, tx: &mut Tx, event: &Event) -> Result<Option<InteractionId>> {
        let at = event.at;
        match &event.body {
            EventBody::RecordingRequested { interaction, segment, recording, left, message, .. } => {
                let mut agent_id = None;
                with_row!(self, tx, segments, segment, *segment, |row| agent_id = row.agent_id);
                let row = RecordingRow {
                    tenant_id: tx.tenant(),
                    id: *recording,
                    floor_id: tx.floor(),
                    interaction_id: *interaction,
                    segment_id: Some(*segment),
                    agent_id,
                    state: "running".to_owned(),
                    blob_id: None,
                    started_at: at,
                    length_ms: None,
                    gaps: json!([]),
                    retain_until: None,
                    legal_hold: false,
                };
                self.recordings.insert(*recording, row);
                if let Some(message) = message {
                    self.message_begun(tx, at, *interaction, *recording, *message).await?;
                }
                // Metering counts recorded time on the customer's leg.
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    row.extra["recorded_leg"] = json!(left);
                });
                Ok(Some(*interaction))
            }
            EventBody::RecordingStarted { interaction, recording } => {
                with_row!(self, tx, recordings, recording, *recording, |row| row.started_at = at);
                Ok(Some(*interaction))
            }
            EventBody::RecordingEnded { interaction, recording, length_ms, gaps } => {
                let gaps = to_json(gaps)?;
                with_row!(self, tx, recordings, recording, *recording, |row| {
                    if row.state == "running" {
                        row.state = "ended".to_owned();
                    }
                    row.length_ms = Some(*length_ms);
                    row.gaps = gaps;
                });
                let mut leg = None;
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    leg = row.extra["recorded_leg"].as_str().and_then(|l| l.parse::<LegId>().ok());
                });
                if let Some(leg) = leg {
                    with_row!(self, tx, legs, leg, leg, |row| row.recorded_ms += length_ms);
                }
                Ok(Some(*interaction))
            }
            EventBody::RecordingStored { recording, blob, length_ms, gaps, .. } => {
                let mut interaction = None;
                let gaps = if gaps.is_empty() { None } else { Some(to_json(gaps)?) };
                with_row!(self, tx, recordings, recording, *recording, |row| {
                    row.state = "stored".to_owned();
                    row.blob_id = Some(*blob);
                    row.length_ms = Some(*length_ms);
                    row.gaps = gaps.unwrap_or_else(|| row.gaps.take());
                    interaction = Some(row.interaction_id);
                });
                // There is something to hear from now on.
                if let Some(interaction) = interaction {
                    with_row!(self, tx, interactions, interaction, interaction, |row| row.recorded = true);
                }
                Ok(interaction)
            }
            EventBody::RecordingDeleted { interaction, recording } => {
                with_row!(self, tx, recordings, recording, *recording, |row| {
                    row.state = "deleted".to_owned();
                    row.blob_id = None;
                });
                with_row!(self, tx, interactions, interaction, *interaction, |row| row.recorded = false);
                self.message_deleted(tx, at, *recording).await?;
                Ok(Some(*interaction))
            }
            _ => Ok(None),
        }
    }
}
