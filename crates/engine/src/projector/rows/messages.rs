//! Rows of messages, and of what belongs to one another: an interaction and the calls that answer it.
use domain::event::{Event, EventBody};
use domain::id::{InteractionId, RecordingId};
use domain::mailbox::MessageFor;
use domain::time::Timestamp;
use serde_json::json;
use store::projection::{Tx, VoicemailRow};

use super::{Result, Rows, word};

impl Rows {
    /// A recording was begun as a message.
    pub(super) async fn message_begun(
        &mut self,
        tx: &mut Tx,
        at: Timestamp,
        interaction: InteractionId,
        recording: RecordingId,
        message: MessageFor,
    ) -> Result<()> {
        let (mut number_id, mut address_id) = (None, None);
        with_row!(self, tx, interactions, interaction, interaction, |row| {
            (number_id, address_id) = (row.number_id, row.address_id);
        });
        let row = VoicemailRow {
            tenant_id: tx.tenant(),
            id: recording,
            floor_id: tx.floor(),
            sample: tx.is_sample(),
            interaction_id: interaction,
            queue_id: message.queue,
            number_id,
            address_id,
            left_at: at,
            length_ms: 0,
            state: "recording".to_owned(),
            state_at: at,
            user_id: None,
            call_id: None,
        };
        self.voicemails.insert(recording, row);
        Ok(())
    }

    /// Its sound is gone, and with it the message.
    pub(super) async fn message_deleted(&mut self, tx: &mut Tx, at: Timestamp, recording: RecordingId) -> Result<()> {
        with_row!(self, tx, voicemails, voicemail, recording, |row| {
            row.state = "deleted".to_owned();
            row.state_at = at;
        });
        self.mail = true;
        Ok(())
    }

    pub(super) async fn message(&mut self, tx: &mut Tx, event: &Event) -> Result<()> {
        let at = event.at;
        match &event.body {
            EventBody::MessageLeft { recording, length_ms, .. } => {
                with_row!(self, tx, voicemails, voicemail, *recording, |row| {
                    row.state = "new".to_owned();
                    row.state_at = at;
                    row.length_ms = *length_ms;
                });
                self.mail = true;
            }
            EventBody::MessageDiscarded { recording, .. } => {
                with_row!(self, tx, voicemails, voicemail, *recording, |row| {
                    row.state = "discarded".to_owned();
                    row.state_at = at;
                });
            }
            EventBody::MessageMarked { recording, state, by, .. } => {
                let state = word(state)?;
                with_row!(self, tx, voicemails, voicemail, *recording, |row| {
                    // Nobody brings back one that was deleted meanwhile.
                    if matches!(row.state.as_str(), "new" | "heard" | "handled") {
                        row.state = state;
                        row.state_at = at;
                        row.user_id = *by;
                    }
                });
                self.mail = true;
            }
            EventBody::CallBackStarted { interaction, of, message } => {
                with_row!(self, tx, interactions, interaction, *interaction, |row| {
                    row.extra["calls_back"] = json!(of);
                });
                with_row!(self, tx, interactions, interaction, *of, |row| {
                    match row.extra["called_back_by"].as_array_mut() {
                        Some(calls) => calls.push(json!(interaction)),
                        None => row.extra["called_back_by"] = json!([interaction]),
                    }
                    row.last_seq = event.seq;
                });
                if let Some(recording) = message {
                    with_row!(self, tx, voicemails, voicemail, *recording, |row| row.call_id = Some(*interaction));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
