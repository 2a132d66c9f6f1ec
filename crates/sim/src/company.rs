//! A small company to simulate: every medium, device kind, wrap-up rule and way to overflow occurs once.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::config::{
    AgentConfig, Destination, DeviceConfig, DeviceKind, Entitlements, EntryPoint, Membership, NumberConfig, Overflow,
    QueueConfig, Strategy, TenantConfig, WrapUp, WrapUpMode,
};
use domain::flow::{Assign, Flow, Step, StepId};
use domain::id::{
    AgentId, BreakReasonId, DeviceId, DispositionId, FlowId, NumberId, PromptId, QueueId, SkillId, TenantId, UserId,
};
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};

const SUPPORT: QueueId = QueueId(1);
const SALES: QueueId = QueueId(2);
const NIGHT: QueueId = QueueId(3);
const AGENTS: u128 = 6;

/// Six agents (three browsers, two phones, one external URI), three queues, four numbers.
pub fn config() -> Arc<TenantConfig> {
    let agents = (1..=AGENTS).map(AgentId);
    Arc::new(TenantConfig {
        tenant: TenantId(1),
        rev: 1,
        name: "Sample".into(),
        time_zone: "Asia/Shanghai".into(),
        lang: Lang::Zh,
        entitlements: Entitlements { seats: 5, concurrent_calls: 8, retention_days: 90 },
        agents: agents.clone().map(|a| (a, agent(a))).collect(),
        teams: BTreeMap::new(),
        skills: BTreeMap::from([(SkillId(1), Localized::both("英语", "English"))]),
        queues: queues(),
        calendars: BTreeMap::new(),
        flows: BTreeMap::from([(FlowId(1), Arc::new(menu()))]),
        numbers: [
            number(1, EntryPoint::Queue { queue: SUPPORT }),
            number(2, EntryPoint::Flow { flow: FlowId(1) }),
            number(3, EntryPoint::Echo),
            number(4, EntryPoint::Device { device: DeviceId(1) }),
            number(5, EntryPoint::Device { device: DeviceId(9) }),
        ]
        .map(|n| (n.id, n))
        .into(),
        devices: agents
            .map(|a| device(DeviceId(a.0), Some(a)))
            .chain([device(DeviceId(9), None)])
            .map(|d| (d.id, d))
            .collect(),
        dispositions: BTreeMap::from([(DispositionId(1), Localized::both("已解决", "solved"))]),
        break_reasons: BTreeMap::from([(BreakReasonId(1), Localized::both("午餐", "lunch"))]),
        music: Some(PromptId(2)),
        monitoring_shown: false,
        region: None,
        trunks: Default::default(),
        routes: Default::default(),
        outbound: Default::default(),
        recording: Default::default(),
        voicemail: Default::default(),
        mask_numbers: false,
    })
}

fn agent(id: AgentId) -> AgentConfig {
    AgentConfig {
        id,
        user: UserId(id.0),
        name: format!("agent {}", id.0),
        extension: format!("80{}", id.0),
        team: None,
        skills: BTreeMap::from([(SkillId(1), if id.0.is_multiple_of(2) { 7 } else { 3 })]),
        capacity: PerMedium { voice: 1, chat: 2, email: 1, task: 1 },
        record: None,
        active: true,
    }
}

fn device(id: DeviceId, agent: Option<AgentId>) -> DeviceConfig {
    let kind = match id.0 {
        1..=3 => DeviceKind::Browser,
        4 | 5 => DeviceKind::Sip { user: format!("phone{}", id.0) },
        _ => DeviceKind::Uri { uri: format!("sip:agent{}@192.0.2.1", id.0) },
    };
    DeviceConfig { id, name: format!("device {}", id.0), agent, kind, srtp: Default::default(), codecs: Vec::new() }
}

fn number(n: u128, entry: EntryPoint) -> NumberConfig {
    NumberConfig {
        id: NumberId(n),
        number: format!("{n}000"),
        name: Localized::both("号码", "number"),
        entry,
        lang: Lang::Zh,
        sample: true,
        web: true,
        record: None,
    }
}

fn queues() -> BTreeMap<QueueId, QueueConfig> {
    let members = |agents: &[u128]| {
        agents.iter().map(|a| Membership { agent: AgentId(*a), priority: 1 + u8::from(*a > 4) }).collect::<Vec<_>>()
    };
    let secs = Duration::from_secs;
    let support = QueueConfig {
        id: SUPPORT,
        name: Localized::both("客服", "Support"),
        media: vec![Medium::Voice, Medium::Chat, Medium::Email, Medium::Task],
        members: members(&[1, 2, 3, 4, 5, 6]),
        required_skills: BTreeMap::new(),
        strategy: Strategy::LongestIdle,
        priority: 0,
        priority_boost: secs(10),
        ring_timeout: secs(15),
        away_after_missed: true,
        wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: secs(30) },
        dispositions: vec![DispositionId(1)],
        service_level: secs(20),
        short_abandon: secs(5),
        calendar: None,
        max_waiting: 8,
        overflow: Some(Overflow { after: secs(90), to: Destination::Voicemail { greeting: Some(PromptId(4)) } }),
        closed: Destination::HangUp { prompt: Some(PromptId(3)) },
        welcome: Some(PromptId(1)),
        music: None,
        comfort: Some(PromptId(5)),
        comfort_every: secs(20),
        record: Some(domain::recording::RecordRule::ALWAYS),
        transferred: Default::default(),
        voicemail: None,
    };
    let sales = QueueConfig {
        id: SALES,
        name: Localized::both("销售", "Sales"),
        members: members(&[2, 4, 6]),
        required_skills: BTreeMap::from([(SkillId(1), 5)]),
        strategy: Strategy::SkillLevel,
        priority: 2,
        away_after_missed: false,
        wrap_up: WrapUp { mode: WrapUpMode::Required, limit: secs(30) },
        max_waiting: 2,
        overflow: Some(Overflow { after: secs(40), to: Destination::Queue { queue: NIGHT } }),
        welcome: None,
        comfort: None,
        ..support.clone()
    };
    let night = QueueConfig {
        id: NIGHT,
        name: Localized::both("备用", "Spare"),
        members: members(&[1, 3, 5]),
        wrap_up: WrapUp { mode: WrapUpMode::None, limit: secs(0) },
        overflow: Some(Overflow { after: secs(30), to: Destination::HangUp { prompt: Some(PromptId(3)) } }),
        record: Some(domain::recording::RecordRule::NEVER),
        ..support.clone()
    };
    [support, sales, night].map(|q| (q.id, q)).into()
}

fn menu() -> Flow {
    let step = |name: &str| StepId(name.to_owned());
    let secs = Duration::from_secs;
    Flow {
        id: FlowId(1),
        version: 1,
        name: Localized::both("菜单", "Menu"),
        start: step("menu"),
        steps: BTreeMap::from([
            (
                step("menu"),
                Step::Menu {
                    prompts: vec![PromptId(10)],
                    choices: BTreeMap::from([
                        ('1', step("sales")),
                        ('2', step("account")),
                        ('3', step("message")),
                        ('4', step("urgent")),
                    ]),
                    timeout: secs(5),
                    attempts: 3,
                    invalid: Some(PromptId(11)),
                    otherwise: step("bye"),
                },
            ),
            (
                step("account"),
                Step::Collect {
                    prompts: vec![PromptId(12)],
                    variable: "account".into(),
                    min_digits: 1,
                    max_digits: 6,
                    timeout: secs(5),
                    attempts: 2,
                    sensitive: false,
                    next: step("support"),
                    otherwise: step("bye"),
                },
            ),
            (step("urgent"), Step::Set { assign: Assign::Priority { priority: 5 }, next: step("support") }),
            (step("support"), Step::Queue { queue: SUPPORT, priority: 1 }),
            (step("sales"), Step::Queue { queue: SALES, priority: 0 }),
            (step("message"), Step::Voicemail { greeting: Some(PromptId(4)), max_length: secs(60), queue: None }),
            (step("bye"), Step::HangUp { prompt: Some(PromptId(3)) }),
        ]),
    }
}
