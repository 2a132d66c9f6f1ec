//! Schemas of `domain` enumerations that go to the outside as they are: one word each.
//!
//! A DTO holds the `domain` type and names the schema here (`#[schema(value_type = words::Occupancy)]`). Each list is
//! held against the enumeration by an exhaustive match and a test.
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! words {
    ($($name:ident = $of:path { $($variant:ident = $word:literal,)* })*) => {
        $(
            pub struct $name;

            impl $name {
                /// The word of a value, as serde writes it.
                pub fn word(value: &$of) -> &'static str {
                    use $of as E;
                    match value { $(E::$variant => $word,)* }
                }
            }

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),*])).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*

        #[cfg(test)]
        mod tests {
            #[test]
            fn words_are_those_serde_writes() {
                $($({
                    use $of as E;
                    assert_eq!(serde_json::to_value(E::$variant).unwrap(), $word);
                })*)*
            }
        }
    };
}

words! {
    Attestation = domain::leg::Attestation {
        A = "A",
        B = "B",
        C = "C",
    }
    Occupancy = domain::command::Occupancy {
        Busy = "busy",
        WrapUp = "wrap_up",
        Offered = "offered",
        Idle = "idle",
    }
    DeviceLoss = domain::device::DeviceLoss {
        Closed = "closed",
        IceFailed = "ice_failed",
        RegistrationExpired = "registration_expired",
        Unregistered = "unregistered",
        Replaced = "replaced",
    }
    Direction = domain::event::Direction {
        Inbound = "inbound",
        Outbound = "outbound",
        Internal = "internal",
    }
    SegmentState = domain::event::SegmentState {
        Running = "running",
        Voicemail = "voicemail",
        Echo = "echo",
        Waiting = "waiting",
        Offered = "offered",
        Connecting = "connecting",
        Talking = "talking",
        Held = "held",
        Consulting = "consulting",
        Watching = "watching",
        Parked = "parked",
        WrapUp = "wrap_up",
    }
    SegmentStart = domain::event::SegmentStart {
        Entry = "entry",
        Flow = "flow",
        Overflow = "overflow",
        Full = "full",
        Closed = "closed",
        Offer = "offer",
        Transfer = "transfer",
        Consult = "consult",
        Returned = "returned",
        Watch = "watch",
        TakeOver = "take_over",
        Dial = "dial",
        Park = "park",
        PickUp = "pick_up",
    }
    WatchMode = domain::command::WatchMode {
        Monitor = "monitor",
        Whisper = "whisper",
        Barge = "barge",
    }
    CallClass = domain::outbound::CallClass {
        Emergency = "emergency",
        National = "national",
        International = "international",
        Premium = "premium",
    }
    NumberFormat = domain::outbound::NumberFormat {
        E164 = "e164",
        Digits = "digits",
        National = "national",
    }
    TrunkState = domain::trunk::TrunkState {
        Drained = "drained",
        Unchecked = "unchecked",
        Connecting = "connecting",
        Registered = "registered",
        Reachable = "reachable",
        Unreachable = "unreachable",
    }
    TrunkFault = domain::trunk::TrunkFault {
        NameUnknown = "name_unknown",
        Silent = "silent",
        Refused = "refused",
        Credentials = "credentials",
        AccountUnknown = "account_unknown",
        Rejected = "rejected",
    }
    TestStage = domain::trunk::TestStage {
        Resolve = "resolve",
        Answer = "answer",
        SignIn = "sign_in",
    }
    TrunkTransport = domain::config::TrunkTransport {
        Udp = "udp",
        Tcp = "tcp",
        Tls = "tls",
    }
    Srtp = domain::config::Srtp {
        Off = "off",
        Offered = "offered",
        Required = "required",
    }
    HandoverKind = domain::effect::HandoverKind {
        Transfer = "transfer",
        Consult = "consult",
        Returned = "returned",
    }
    SegmentEnd = domain::event::SegmentEnd {
        Answered = "answered",
        CallerHungUp = "caller_hung_up",
        AgentHungUp = "agent_hung_up",
        Missed = "missed",
        Declined = "declined",
        Unreachable = "unreachable",
        Withdrawn = "withdrawn",
        Overflow = "overflow",
        MovedOn = "moved_on",
        Finished = "finished",
        Transferred = "transferred",
        Parked = "parked",
        Returned = "returned",
        ConsultOver = "consult_over",
        WatchOver = "watch_over",
        Lost = "lost",
        Supervisor = "supervisor",
        Error = "system.error",
        Restart = "system.restart",
        Shutdown = "system.shutdown",
    }
    InteractionEnd = domain::event::InteractionEnd {
        Served = "served",
        Abandoned = "abandoned",
        Left = "left",
        Finished = "finished",
        Voicemail = "voicemail",
        Unanswered = "unanswered",
        Supervisor = "supervisor",
        Error = "system.error",
        Restart = "system.restart",
        Shutdown = "system.shutdown",
    }
    OfferEnd = domain::event::OfferEnd {
        Declined = "declined",
        Missed = "missed",
        Unreachable = "unreachable",
        Withdrawn = "withdrawn",
    }
    LegRole = domain::event::LegRole {
        Customer = "customer",
        Agent = "agent",
        Device = "device",
        Supervisor = "supervisor",
        Outside = "outside",
    }
    DestinationClass = domain::event::DestinationClass {
        Number = "number",
        Browser = "browser",
        SipDevice = "sip_device",
        SipUri = "sip_uri",
        Trunk = "trunk",
    }
    Codec = domain::leg::Codec {
        Pcmu = "pcmu",
        Pcma = "pcma",
        G722 = "g722",
        Opus = "opus",
    }
    EndCause = domain::leg::EndCause {
        Hangup = "hangup",
        Cancelled = "cancelled",
        Rejected = "rejected",
        Busy = "busy",
        NoAnswer = "no_answer",
        Unreachable = "unreachable",
        NotFound = "not_found",
        Elsewhere = "elsewhere",
        MediaLost = "media.lost",
        SignallingLost = "signalling.lost",
        SessionExpired = "session.expired",
        MediaIncompatible = "media.incompatible",
        Limit = "limit.calls",
        SystemRestart = "system.restart",
        SystemShutdown = "system.shutdown",
        SystemError = "system.error",
    }
    EndedBy = domain::leg::EndedBy {
        Peer = "peer",
        Us = "us",
        System = "system",
    }
    Grade = domain::leg::Grade {
        Poor = "poor",
        Fair = "fair",
        Good = "good",
    }
    GapCause = domain::leg::GapCause {
        Hold = "hold",
        Mask = "mask",
        Fax = "fax",
        Lost = "lost",
    }
    Exclusion = domain::routing::Exclusion {
        NotSignedIn = "not_signed_in",
        Offline = "offline",
        OnBreak = "on_break",
        Skill = "skill",
        DeviceNotReady = "device_not_ready",
        Capacity = "capacity",
        AskedBefore = "asked_before",
        Leaving = "leaving",
        TakenNow = "taken_now",
    }
    MessageState = domain::mailbox::MessageState {
        New = "new",
        Heard = "heard",
        Handled = "handled",
    }
    GuestCallState = domain::device::GuestCallState {
        Ringing = "ringing",
        Answered = "answered",
        Ended = "ended",
        Refused = "refused",
    }
}
