//! Orders of the floor to the outside, drained by `engine` with [`crate::floor::Floor::poll_effect`] in order.
//!
//! *Urgent* effects (tear-down, hold, mute, prompts on existing legs) go out at once and their facts with the next
//! batch; *gated* ones (offer, answer, originate, send) wait until the events emitted before them are durable. An
//! urgent effect still waits behind a gated one it [`Effect::must_follow`].
//!
//! Asking the outside on behalf of a flow (HTTP, look-up, bot) will be one more effect, with an answering input; it
//! comes with the first step that asks.
use crate::id::{
    AddressId, AgentId, DeviceId, InteractionId, LegId, NumberId, OfferId, QueueId, RecordingId, SegmentId,
};
use crate::leg::LegCommand;
use crate::medium::Medium;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Leg(LegCommand),
    /// Show an offer on the agent's desk (a SIP or URI device rings besides).
    Offer(OfferCard),
    /// Take it away again; the accepting desk gets none.
    OfferWithdrawn {
        agent: AgentId,
        offer: OfferId,
    },
}

/// What the desk needs to ring; the engine adds names and numbers from their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferCard {
    pub offer: OfferId,
    pub agent: AgentId,
    pub interaction: InteractionId,
    pub segment: SegmentId,
    pub medium: Medium,
    pub queue: Option<QueueId>,
    pub from: Option<AddressId>,
    pub number: Option<NumberId>,
    pub device: DeviceId,
    /// The device rings by itself and is answered there; the desk shows the offer without an accept button.
    pub device_rings: bool,
    pub until: Timestamp,
    pub waited_ms: u64,
    /// A colleague's doing: who, and whether he sends the customer or asks about him.
    pub handover: Option<Handover>,
}

/// Why an agent is asked though no queue's line led to him.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Handover {
    pub kind: HandoverKind,
    pub by: Option<AgentId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverKind {
    Transfer,
    Consult,
    /// The agent's own transfer came to nothing.
    Returned,
}

impl Effect {
    /// May go out before the events emitted before it are durable.
    pub fn is_urgent(&self) -> bool {
        match self {
            Effect::Offer(_) => false,
            Effect::OfferWithdrawn { .. } => true,
            Effect::Leg(command) => match command {
                LegCommand::Ring { .. }
                | LegCommand::EarlyMedia { .. }
                | LegCommand::Answer { .. }
                | LegCommand::Originate { .. }
                | LegCommand::SendDigits { .. } => false,
                LegCommand::Reject { .. }
                | LegCommand::Hangup { .. }
                | LegCommand::Play { .. }
                | LegCommand::StopPlay { .. }
                | LegCommand::Bridge { .. }
                | LegCommand::Mute { .. }
                | LegCommand::RefuseTransfer { .. }
                | LegCommand::Record { .. }
                | LegCommand::PauseRecording { .. }
                | LegCommand::StopRecording { .. } => true,
            },
        }
    }

    /// Both concern the same leg, recording or offer, so `self` may not overtake `earlier`.
    pub fn must_follow(&self, earlier: &Effect) -> bool {
        match (self, earlier) {
            (Effect::OfferWithdrawn { offer: a, .. }, Effect::Offer(card)) => *a == card.offer,
            (Effect::Leg(a), Effect::Leg(b)) => {
                let (legs, recording) = touched(a);
                let (earlier_legs, earlier_recording) = touched(b);
                legs.iter().any(|l| earlier_legs.contains(l)) || (recording.is_some() && recording == earlier_recording)
            }
            (Effect::Leg(_) | Effect::Offer(_) | Effect::OfferWithdrawn { .. }, _) => false,
        }
    }
}

fn touched(command: &LegCommand) -> (Vec<LegId>, Option<RecordingId>) {
    match command {
        LegCommand::Ring { leg }
        | LegCommand::EarlyMedia { leg }
        | LegCommand::Answer { leg }
        | LegCommand::Reject { leg, .. }
        | LegCommand::Originate { leg, .. }
        | LegCommand::Hangup { leg, .. }
        | LegCommand::Play { leg, .. }
        | LegCommand::StopPlay { leg }
        | LegCommand::Mute { leg, .. }
        | LegCommand::RefuseTransfer { leg, .. }
        | LegCommand::SendDigits { leg, .. } => (vec![*leg], None),
        LegCommand::Bridge { legs, .. } => (legs.iter().map(|h| h.leg).collect(), None),
        LegCommand::Record { recording, left, right, .. } => {
            (std::iter::once(*left).chain(*right).collect(), Some(*recording))
        }
        LegCommand::PauseRecording { recording, .. } | LegCommand::StopRecording { recording } => {
            (Vec::new(), Some(*recording))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BridgeId;
    use crate::leg::{EndCause, Hears};

    #[test]
    fn a_tear_down_is_urgent_but_not_before_the_answer_of_its_leg() {
        let answer = Effect::Leg(LegCommand::Answer { leg: LegId(1) });
        let hangup = Effect::Leg(LegCommand::Hangup { leg: LegId(1), cause: EndCause::Hangup });
        let other = Effect::Leg(LegCommand::Hangup { leg: LegId(2), cause: EndCause::Hangup });
        let bridge = Effect::Leg(LegCommand::Bridge {
            bridge: BridgeId(9),
            legs: vec![Hears { leg: LegId(1), hears: vec![LegId(2)] }],
        });
        assert!(!answer.is_urgent() && hangup.is_urgent() && bridge.is_urgent());
        assert!(hangup.must_follow(&answer) && bridge.must_follow(&answer) && !other.must_follow(&answer));
    }
}
