//! What happened, as the floor is told: by telephony, devices, people, channels and the clock. `engine` builds these;
//! [`crate::floor::Floor::handle`] takes them one at a time.
use std::sync::Arc;

use crate::command::{AgentCommand, SupervisorCommand, Target};
use crate::config::TenantConfig;
use crate::device::DeviceLoss;
use crate::id::{
    AddressId, AgentId, BlobId, DeviceId, InteractionId, LegId, NumberId, QueueId, RecordingId, TrunkId, UserId,
};
use crate::leg::{Gap, LegEvent, Outlived, Verified, Via};
use crate::localized::Lang;
use crate::mailbox::MessageState;
use crate::medium::Medium;
use crate::outbound::PlanError;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A newer revision is in force. Live work goes on; interactions keep their flow version.
    ConfigPublished(Arc<TenantConfig>),
    /// The engine stored the caller's address ([`LegEvent::Offered`] itself is refused as `input.unexpected`).
    CallOffered {
        leg: LegId,
        number: NumberId,
        from: AddressId,
        via: Via,
        known: CallFacts,
    },
    /// The engine found out what was dialled ([`LegEvent::Dialled`] itself is refused as `input.unexpected`).
    PhoneDialled {
        leg: LegId,
        device: DeviceId,
        call: PhoneCall,
    },
    /// Every other leg event. Events about legs the floor does not know are accepted and ignored.
    Leg(LegEvent),
    DeviceReady {
        device: DeviceId,
    },
    DeviceLost {
        device: DeviceId,
        why: DeviceLoss,
    },
    /// A trunk can carry our calls again, or no longer can. Every trunk is taken to be able until the first word of it.
    TrunkChanged {
        trunk: TrunkId,
        up: bool,
    },
    Agent {
        agent: AgentId,
        command: AgentCommand,
    },
    /// The tab or API session that held the agent's presence is gone (after the engine's grace time).
    LeaseLost {
        agent: AgentId,
    },
    /// It is back: after a restart or during live work the agent gets the presence he had.
    LeaseTaken {
        agent: AgentId,
    },
    /// A chat episode, an e-mail, a task. The reply names the interaction.
    WorkArrived {
        medium: Medium,
        queue: QueueId,
        from: Option<AddressId>,
        priority: i32,
        lang: Option<Lang>,
    },
    /// The customer ended a chat, or the task was withdrawn. (An agent ends it by `HangUp`.)
    WorkDone {
        interaction: InteractionId,
    },
    Supervisor {
        by: UserId,
        command: SupervisorCommand,
    },
    /// The shipper stored a recording; its interaction may have ended long ago.
    RecordingStored {
        recording: RecordingId,
        blob: BlobId,
        length_ms: u64,
        bytes: u64,
        /// Of one that never ended in order.
        gaps: Vec<Gap>,
        /// How long something is to be heard of the customer in it.
        heard_ms: u64,
    },
    /// Somebody says what has become of a message.
    MessageMarked {
        interaction: InteractionId,
        recording: RecordingId,
        state: MessageState,
        by: UserId,
    },
    /// The sound of a stored recording was deleted: its time was over, or somebody deleted the message.
    RecordingDeleted {
        interaction: InteractionId,
        recording: RecordingId,
    },
    /// First input after a crash (after snapshot and journal were applied): of what was live, this has survived; the rest
    /// ended at the last heartbeat.
    Recovered {
        last_heartbeat: Timestamp,
        outlived: Outlived,
    },
    /// The clock reached [`crate::floor::Floor::next_timeout`]. Timers that are due fire before any input.
    Tick,
}

/// [`crate::keys::Dialled`] with ids.
#[derive(Debug, Clone, PartialEq)]
pub enum PhoneCall {
    Place(u16),
    /// `from`: the phone's own address, of a call within the company.
    To {
        to: Target,
        from: Option<AddressId>,
    },
    Nowhere(RejectCode),
}

/// [`crate::leg::Claims`] with ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallFacts {
    pub diverted: Option<AddressId>,
    pub verified: Option<Verified>,
}

/// Answer to an input that was carried out. Acknowledge to the outside once the events up to `seq` are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Last event emitted so far.
    pub seq: u64,
    /// The interaction begun by `CallOffered` or `PhoneDialled` (unless it was rejected), `WorkArrived` or `Dial`, or for which
    /// somebody outside is called.
    pub interaction: Option<InteractionId>,
}

/// The floor refused an input and changed nothing but timers that were due anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", .code.as_str())]
pub struct Rejected {
    pub code: RejectCode,
}

macro_rules! reject_codes {
    ($($name:ident = $code:literal, $zh:literal, $en:literal;)*) => {
        /// Stable codes of refusals, with a plain cause in both languages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RejectCode { $($name,)* }

        impl RejectCode {
            pub const ALL: &'static [RejectCode] = &[$(RejectCode::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(RejectCode::$name => $code,)* }
            }

            pub fn text(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((RejectCode::$name, Lang::Zh) => $zh, (RejectCode::$name, Lang::En) => $en,)*
                }
            }
        }
    };
}

reject_codes! {
    AgentUnknown = "agent.unknown", "没有这个座席，或已停用。", "There is no such agent, or it is inactive.";
    AgentNotSignedIn = "agent.not_signed_in", "座席尚未签入。", "The agent is not signed in.";
    AgentBusy = "agent.busy", "座席正在通话，暂时不能这样做。", "The agent is on a call: not before it is over.";
    BreakReasonUnknown = "break_reason.unknown", "没有这个小休原因。", "There is no such break reason.";
    DeviceUnknown = "device.unknown", "没有这个终端。", "There is no such device.";
    DeviceNotReady = "device.not_ready", "终端未就绪，无法接通。", "The device is not ready for a call.";
    DeviceNotYours = "device.not_yours", "这个终端属于其他座席。", "The device belongs to another agent.";
    DigitsInvalid = "digits.invalid", "按键无效：只能是 0-9、*、#、A-D，最多 32 位。", "Only 0-9, *, # and A-D, at most 32.";
    DispositionUnknown = "disposition.unknown", "这个技能组没有该小结。", "The queue has no such disposition.";
    DispositionRequired = "disposition.required", "请先选择小结。", "Choose a disposition first.";
    InputUnexpected = "input.unexpected", "这个输入不属于现场。", "This input is not for the floor.";
    InteractionUnknown = "interaction.unknown", "会话不存在或已结束。", "The interaction does not exist or has ended.";
    LimitOutbound = "limit.outbound", "外呼已达上限（同时数或每分钟数）。", "Outbound calls have reached their limit (at once, or a minute).";
    LimitSpend = "limit.spend", "公司的外呼费用已达上限，暂不能拨打外线（紧急号码除外）。请联系管理员。", "The company has spent what it allows for outside calls; only emergency numbers go out. Ask an administrator.";
    LimitSpendAgent = "limit.spend_agent", "你今天的外呼费用已达上限（紧急号码除外）。请联系班长或管理员。", "You have spent what is allowed a day for outside calls; only emergency numbers go out. Ask a supervisor.";
    NumberForbidden = "number.forbidden", "公司的外呼规则不允许拨打这类号码。", "The company's rules forbid calling this kind of number.";
    NumberInternal = "number.internal", "这是公司内的分机号。", "This is an extension of the company itself.";
    NumberInvalid = "number.invalid", "这不是可以拨打的号码。", "This is not a number that can be called.";
    RecordingRuled = "recording.ruled", "录音由规则决定，不能手动开始或停止。", "The rules decide about this recording; it cannot be started or stopped by hand.";
    RouteMissing = "route.missing", "没有通往这个号码的外呼路由。", "No outbound route leads to this number.";
    RouteDown = "route.down", "通往这个号码的中继线路目前都不通，请稍后再试或通知管理员。", "None of the trunks that lead to this number answers at present. Try again later, or tell an administrator.";
    LegDuplicate = "leg.duplicate", "这个通话支路已存在。", "The leg exists already.";
    LimitCalls = "limit.calls", "同时通话数已达上限。", "The number of concurrent calls has reached its limit.";
    LimitSeats = "limit.seats", "签入座席数已达上限。", "The number of signed-in agents has reached its limit.";
    NumberUnknown = "number.unknown", "没有这个号码。", "There is no such number.";
    OfferGone = "offer.gone", "这个派单已不在。", "The offer is gone.";
    QueueFull = "queue.full", "技能组排队已满。", "The queue is full.";
    QueueUnknown = "queue.unknown", "没有这个技能组，或它不接此类会话。", "There is no such queue, or it does not take this medium.";
    SupervisorNotSignedIn = "supervisor.not_signed_in", "请先在坐席台签入，才能参与通话。", "Sign in at a desk first to take part in calls.";
    TrunkUnknown = "trunk.unknown", "没有这个中继线路。", "There is no such trunk.";
    TargetUnavailable = "target.unavailable", "对方现在不能接听。", "The target cannot take this now.";
    TargetUnknown = "target.unknown", "没有这个目标，或它不接此类会话。", "There is no such target, or it does not take this.";
    ParkFull = "park.full", "驻留位已满。", "All parking places are taken.";
    SegmentNotYours = "segment.not_yours", "这不是该座席正在处理的会话。", "The agent is not handling this.";
    SegmentState = "segment.state", "当前状态下不能这样做。", "This cannot be done in the present state.";
}

impl From<PlanError> for RejectCode {
    fn from(why: PlanError) -> Self {
        match why {
            PlanError::Invalid => RejectCode::NumberInvalid,
            PlanError::Internal => RejectCode::NumberInternal,
            PlanError::Forbidden => RejectCode::NumberForbidden,
            PlanError::NoRoute => RejectCode::RouteMissing,
        }
    }
}

impl From<RejectCode> for Rejected {
    fn from(code: RejectCode) -> Self {
        Rejected { code }
    }
}
