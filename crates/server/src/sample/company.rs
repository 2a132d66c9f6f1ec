//! The sample company as configuration values: people, queues, a menu, three numbers. `seed` writes it.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::calendar::{Calendar, Holiday, WeeklyHours};
use domain::config::{
    AgentConfig, Destination, DeviceConfig, DeviceKind, EntryPoint, Membership, NumberConfig, Overflow, QueueConfig,
    Strategy, Team, WrapUp, WrapUpMode,
};
use domain::flow::{Flow, Step, StepId};
use domain::id::{
    AgentId, BreakReasonId, CalendarId, DeviceId, DispositionId, FlowId, NumberId, PromptId, QueueId, SkillId, TeamId,
    UserId,
};
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};

/// SIP user of the sample phone.
pub const PHONE_USER: &str = "6001";
pub const TIME_ZONE: &str = "Asia/Shanghai";
pub const AGENTS: usize = 6;
pub const ADMIN_EMAIL: &str = "admin@sample.test";

/// A person who signs in. The domain `sample.test` reaches nobody (RFC 2606).
pub struct Person {
    pub user: UserId,
    pub email: String,
    pub name: String,
    pub role: PersonRole,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PersonRole {
    Admin,
    Supervisor,
    Agent,
}

pub struct Company {
    pub people: Vec<Person>,
    pub agents: Vec<AgentConfig>,
    pub teams: Vec<Team>,
    pub skills: BTreeMap<SkillId, Localized>,
    pub queues: Vec<QueueConfig>,
    pub calendars: Vec<Calendar>,
    pub flows: Vec<Arc<Flow>>,
    pub numbers: Vec<NumberConfig>,
    pub devices: Vec<DeviceConfig>,
    pub dispositions: BTreeMap<DispositionId, Localized>,
    pub break_reasons: BTreeMap<BreakReasonId, Localized>,
    pub prompts: Vec<Prompt>,
    pub music: PromptId,
    pub phone: DeviceId,
    /// The admin's own place among the agents; he took no call in the history.
    pub admin: AgentId,
}

/// A prompt with its sound per language: WAV files of `assets/prompts`.
pub struct Prompt {
    pub id: PromptId,
    pub name: Localized,
    pub sounds: Vec<(Lang, &'static [u8])>,
}

macro_rules! spoken {
    ($id:expr, $zh:literal, $en:literal, $file:literal) => {
        Prompt {
            id: $id,
            name: Localized::both($zh, $en),
            sounds: vec![
                (Lang::Zh, include_bytes!(concat!("../../assets/prompts/zh/", $file, ".wav"))),
                (Lang::En, include_bytes!(concat!("../../assets/prompts/en/", $file, ".wav"))),
            ],
        }
    };
}

/// Builds the company; `id` gives 128 fresh bits each time it is called.
pub fn company(mut id: impl FnMut() -> u128) -> Company {
    let prompt = |p: &mut dyn FnMut() -> u128| PromptId(p());
    let (welcome, menu, invalid, closed) = (prompt(&mut id), prompt(&mut id), prompt(&mut id), prompt(&mut id));
    let (holiday, comfort, voicemail, goodbye) = (prompt(&mut id), prompt(&mut id), prompt(&mut id), prompt(&mut id));
    let music = prompt(&mut id);
    let music_sound: &'static [u8] = include_bytes!("../../assets/prompts/music.wav");
    let prompts = vec![
        spoken!(welcome, "欢迎语", "Welcome", "welcome"),
        spoken!(menu, "菜单", "Menu", "menu"),
        spoken!(invalid, "输入有误", "Wrong key", "invalid"),
        spoken!(closed, "非工作时间", "Closed", "closed"),
        spoken!(holiday, "节假日", "Holiday", "holiday"),
        spoken!(comfort, "排队安抚语", "Please wait", "comfort"),
        spoken!(voicemail, "留言提示", "Leave a message", "voicemail"),
        spoken!(goodbye, "再见", "Goodbye", "goodbye"),
        Prompt {
            id: music,
            name: Localized::both("等待音乐", "Music on hold"),
            sounds: vec![(Lang::Zh, music_sound), (Lang::En, music_sound)],
        },
    ];

    let (skill_sales, skill_support) = (SkillId(id()), SkillId(id()));
    let skills = BTreeMap::from([
        (skill_sales, Localized::both("销售", "Selling")),
        (skill_support, Localized::both("技术支持", "Technical support")),
    ]);
    let resolved = DispositionId(id());
    let dispositions = BTreeMap::from([
        (resolved, Localized::both("已解决", "Resolved")),
        (DispositionId(id()), Localized::both("需跟进", "Follow up")),
        (DispositionId(id()), Localized::both("打错电话", "Wrong number")),
    ]);
    let break_reasons = BTreeMap::from([
        (BreakReasonId(id()), Localized::both("小休", "Short break")),
        (BreakReasonId(id()), Localized::both("用餐", "Meal")),
        (BreakReasonId(id()), Localized::both("培训", "Training")),
    ]);
    let calendar = CalendarId(id());
    let calendars = vec![Calendar {
        id: calendar,
        name: Localized::both("全天服务", "Around the clock"),
        time_zone: TIME_ZONE.to_owned(),
        weekly: (1..=7).map(|weekday| WeeklyHours { weekday, from_minute: 0, to_minute: 1440 }).collect(),
        holidays: vec![Holiday {
            date: "2027-01-01".to_owned(),
            name: Localized::both("元旦", "New Year's Day"),
            hours: Vec::new(),
        }],
    }];

    let (queue_sales, queue_support) = (QueueId(id()), QueueId(id()));
    let (team_sales, team_support) = (TeamId(id()), TeamId(id()));
    let mut people = vec![
        Person { user: UserId(id()), email: ADMIN_EMAIL.to_owned(), name: "Admin".to_owned(), role: PersonRole::Admin },
        Person {
            user: UserId(id()),
            email: "supervisor@sample.test".to_owned(),
            name: "Supervisor".to_owned(),
            role: PersonRole::Supervisor,
        },
    ];
    let mut agents = Vec::new();
    let mut devices = Vec::new();
    for n in 1..=AGENTS {
        let (user, agent) = (UserId(id()), AgentId(id()));
        // 1–4 support, 3–6 sell: two of them do both, at different levels.
        let mut levels = BTreeMap::new();
        if n <= 4 {
            levels.insert(skill_support, (11 - n) as u8);
        }
        if n >= 3 {
            levels.insert(skill_sales, (3 + n) as u8);
        }
        people.push(Person {
            user,
            email: format!("agent{n}@sample.test"),
            name: format!("Agent {n}"),
            role: PersonRole::Agent,
        });
        agents.push(AgentConfig {
            id: agent,
            user,
            name: format!("Agent {n}"),
            extension: format!("80{n:02}"),
            team: Some(if n <= 3 { team_support } else { team_sales }),
            skills: levels,
            capacity: PerMedium { voice: 1, chat: 3, email: 5, task: 5 },
            record: None,
            active: true,
        });
        devices.push(DeviceConfig {
            id: DeviceId(id()),
            name: format!("Agent {n}: browser"),
            agent: Some(agent),
            kind: DeviceKind::Browser,
            srtp: Default::default(),
            codecs: Vec::new(),
        });
    }
    // Whoever follows the first link is the admin: he can answer the demo caller too. The supervisor has a place among the
    // agents, in no queue, from which he takes part in their calls.
    let (admin, supervisor) = (AgentId(id()), AgentId(id()));
    let places = [(admin, "8000", BTreeMap::from([(skill_support, 1)])), (supervisor, "8009", BTreeMap::new())];
    for ((agent, extension, skills), person) in places.into_iter().zip(&people) {
        agents.push(AgentConfig {
            id: agent,
            user: person.user,
            name: person.name.clone(),
            extension: extension.to_owned(),
            team: Some(team_support),
            skills,
            capacity: PerMedium { voice: 1, chat: 3, email: 5, task: 5 },
            record: None,
            active: true,
        });
        devices.push(DeviceConfig {
            id: DeviceId(id()),
            name: format!("{}: browser", person.name),
            agent: Some(agent),
            kind: DeviceKind::Browser,
            srtp: Default::default(),
            codecs: Vec::new(),
        });
    }
    let phone = DeviceId(id());
    devices.push(DeviceConfig {
        id: phone,
        name: "Sample phone".to_owned(),
        agent: None,
        kind: DeviceKind::Sip { user: PHONE_USER.to_owned() },
        srtp: Default::default(),
        codecs: Vec::new(),
    });

    let queue = |queue_id: QueueId, name: Localized, skill: SkillId| QueueConfig {
        id: queue_id,
        name,
        media: vec![Medium::Voice, Medium::Chat, Medium::Email, Medium::Task],
        members: agents
            .iter()
            .filter(|a| a.skills.contains_key(&skill))
            .map(|a| Membership { agent: a.id, priority: 1 })
            .collect(),
        required_skills: BTreeMap::from([(skill, 1)]),
        strategy: Strategy::LongestIdle,
        priority: 0,
        priority_boost: Duration::from_secs(30),
        ring_timeout: Duration::from_secs(20),
        away_after_missed: true,
        wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: Duration::from_secs(30) },
        dispositions: dispositions.keys().copied().collect(),
        service_level: Duration::from_secs(20),
        short_abandon: Duration::from_secs(5),
        calendar: Some(calendar),
        max_waiting: 200,
        overflow: Some(Overflow {
            after: Duration::from_secs(300),
            to: Destination::Voicemail { greeting: Some(voicemail) },
        }),
        closed: Destination::Voicemail { greeting: Some(voicemail) },
        welcome: Some(welcome),
        music: None,
        comfort: Some(comfort),
        comfort_every: Duration::from_secs(30),
        record: Some(domain::recording::RecordRule::ALWAYS),
        transferred: Default::default(),
        voicemail: None,
    };
    let queues = vec![
        queue(queue_support, Localized::both("技术支持", "Support"), skill_support),
        queue(queue_sales, Localized::both("销售", "Sales"), skill_sales),
    ];
    let teams = vec![
        Team { id: team_support, name: Localized::both("支持班组", "Support team"), queues: vec![queue_support] },
        Team { id: team_sales, name: Localized::both("销售班组", "Sales team"), queues: vec![queue_sales] },
    ];

    let step = |name: &str| StepId(name.to_owned());
    let flow = Flow {
        id: FlowId(id()),
        version: 1,
        name: Localized::both("总机菜单", "Main menu"),
        start: step("hours"),
        steps: BTreeMap::from([
            (
                step("hours"),
                Step::Hours {
                    calendar,
                    open: step("greeting"),
                    closed: step("closed"),
                    holiday: Some(step("holiday")),
                },
            ),
            (step("greeting"), Step::Play { prompts: vec![welcome], next: step("menu") }),
            (
                step("menu"),
                Step::Menu {
                    prompts: vec![menu],
                    choices: BTreeMap::from([('1', step("sales")), ('2', step("support"))]),
                    timeout: Duration::from_secs(6),
                    attempts: 3,
                    invalid: Some(invalid),
                    otherwise: step("support"),
                },
            ),
            (step("sales"), Step::Queue { queue: queue_sales, priority: 0 }),
            (step("support"), Step::Queue { queue: queue_support, priority: 0 }),
            (step("closed"), Step::Play { prompts: vec![closed], next: step("message") }),
            (
                step("message"),
                Step::Voicemail { greeting: Some(voicemail), max_length: Duration::from_secs(120), queue: None },
            ),
            (step("holiday"), Step::Play { prompts: vec![holiday], next: step("goodbye") }),
            (step("goodbye"), Step::HangUp { prompt: Some(goodbye) }),
        ]),
    };
    let number = |number_id: NumberId, digits: &str, name: Localized, entry: EntryPoint| NumberConfig {
        id: number_id,
        number: digits.to_owned(),
        name,
        entry,
        lang: Lang::Zh,
        sample: true,
        web: true,
        record: None,
    };
    let numbers = vec![
        number(
            NumberId(id()),
            "1000",
            Localized::both("技术支持直线", "Support, direct"),
            EntryPoint::Queue { queue: queue_support },
        ),
        number(NumberId(id()), "2000", Localized::both("总机", "Main menu"), EntryPoint::Flow { flow: flow.id }),
        number(NumberId(id()), "3000", Localized::both("回声测试", "Echo test"), EntryPoint::Echo),
    ];
    Company {
        people,
        agents,
        teams,
        skills,
        queues,
        calendars,
        flows: vec![Arc::new(flow)],
        numbers,
        devices,
        dispositions,
        break_reasons,
        prompts,
        music,
        phone,
        admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_company_is_whole() {
        let mut n = 0;
        let company = company(|| {
            n += 1;
            n
        });
        assert_eq!((company.people.len(), company.agents.len(), company.queues.len()), (8, AGENTS + 2, 2));
        for queue in &company.queues {
            assert!(queue.members.len() >= 4, "{:?}", queue.name);
        }
        for prompt in &company.prompts {
            assert!(prompt.sounds.iter().all(|(_, wav)| wav.starts_with(b"RIFF")));
        }
    }
}
