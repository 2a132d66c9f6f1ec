//! A floor with a small company, a switch that obeys, and a readable timeline; for table tests.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::calendar::{Calendar, WeeklyHours};
use domain::command::{AgentCommand, Presence, SeatClass, Target};
use domain::config::*;
use domain::effect::Effect;
use domain::event::Event;
use domain::floor::Floor;
use domain::flow::{Assign, Flow, Step, StepId};
use domain::id::*;
use domain::input::{CallFacts, Input, PhoneCall, Rejected};
use domain::keys::{Dialled, dialled};
use domain::leg::*;
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use domain::outbound::Plan;
use domain::time::Timestamp;

/// Monday 2026-09-21, 10:00 in Shanghai.
pub const START: Timestamp = Timestamp(1_789_956_000_000);

pub const ANN: AgentId = AgentId(1);
pub const BOB: AgentId = AgentId(2);
pub const SUPPORT: QueueId = QueueId(1);
pub const SALES: QueueId = QueueId(2);
pub const TO_SUPPORT: NumberId = NumberId(1000);
pub const TO_MENU: NumberId = NumberId(2000);
pub const TO_ECHO: NumberId = NumberId(3000);
pub const TO_DOOR: NumberId = NumberId(4000);
pub const TO_ANN: NumberId = NumberId(5000);
/// Ann's tab, Bob's phone, a door phone of nobody.
pub const TAB: DeviceId = DeviceId(1);
pub const PHONE: DeviceId = DeviceId(2);
pub const DOOR: DeviceId = DeviceId(3);
pub const SOLVED: DispositionId = DispositionId(1);
pub const LUNCH: BreakReasonId = BreakReasonId(1);
pub const GERMAN: SkillId = SkillId(1);

pub fn queue(id: QueueId) -> QueueConfig {
    QueueConfig {
        id,
        name: Localized::both("队列", "queue"),
        media: vec![Medium::Voice, Medium::Chat],
        members: [ANN, BOB].map(|agent| Membership { agent, priority: 1 }).to_vec(),
        required_skills: BTreeMap::new(),
        strategy: Strategy::LongestIdle,
        priority: 0,
        priority_boost: secs(10),
        ring_timeout: secs(20),
        away_after_missed: true,
        wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: secs(30) },
        dispositions: vec![SOLVED],
        service_level: secs(20),
        short_abandon: secs(5),
        calendar: None,
        max_waiting: 3,
        overflow: Some(Overflow { after: secs(120), to: Destination::Voicemail { greeting: Some(PromptId(4)) } }),
        closed: Destination::HangUp { prompt: Some(PromptId(3)) },
        welcome: Some(PromptId(1)),
        music: Some(PromptId(2)),
        comfort: Some(PromptId(5)),
        comfort_every: secs(30),
        record: Some(domain::recording::RecordRule::ALWAYS),
        transferred: Default::default(),
        voicemail: None,
    }
}

pub fn config() -> TenantConfig {
    let agent = |id: AgentId| AgentConfig {
        id,
        user: UserId(id.0),
        name: "agent".into(),
        extension: id.0.to_string(),
        team: None,
        skills: BTreeMap::from([(GERMAN, 3 + u8::try_from(id.0).unwrap())]),
        capacity: PerMedium { voice: 1, chat: 2, email: 1, task: 1 },
        record: None,
        active: true,
    };
    let device = |id, agent, kind| DeviceConfig {
        id,
        name: "device".into(),
        agent,
        kind,
        srtp: Default::default(),
        codecs: Vec::new(),
    };
    let number = |id: NumberId, entry| NumberConfig {
        id,
        number: id.0.to_string(),
        name: Localized::both("号码", "number"),
        entry,
        lang: Lang::En,
        sample: true,
        web: true,
        record: None,
    };
    let step = |name: &str| StepId(name.into());
    let flow = Flow {
        id: FlowId(1),
        version: 1,
        name: Localized::both("菜单", "menu"),
        start: step("hours"),
        steps: BTreeMap::from([
            (
                step("hours"),
                Step::Hours { calendar: CalendarId(1), open: step("menu"), closed: step("message"), holiday: None },
            ),
            (
                step("menu"),
                Step::Menu {
                    prompts: vec![PromptId(10)],
                    choices: BTreeMap::from([('1', step("sales")), ('2', step("account"))]),
                    timeout: secs(5),
                    attempts: 2,
                    invalid: Some(PromptId(11)),
                    otherwise: step("bye"),
                },
            ),
            (
                step("account"),
                Step::Collect {
                    prompts: vec![PromptId(12)],
                    variable: "account".into(),
                    min_digits: 4,
                    max_digits: 6,
                    timeout: secs(5),
                    attempts: 1,
                    sensitive: false,
                    next: step("english"),
                    otherwise: step("bye"),
                },
            ),
            (step("english"), Step::Set { assign: Assign::Language { lang: Lang::En }, next: step("support") }),
            (step("support"), Step::Queue { queue: SUPPORT, priority: 1 }),
            (step("sales"), Step::Queue { queue: SALES, priority: 0 }),
            (step("message"), Step::Voicemail { greeting: Some(PromptId(4)), max_length: secs(60), queue: None }),
            (step("bye"), Step::HangUp { prompt: Some(PromptId(3)) }),
        ]),
    };
    TenantConfig {
        tenant: TenantId(1),
        rev: 1,
        name: "Sample".into(),
        time_zone: "Asia/Shanghai".into(),
        lang: Lang::Zh,
        entitlements: Entitlements { seats: 2, concurrent_calls: 5, retention_days: 90 },
        agents: [ANN, BOB].map(|a| (a, agent(a))).into(),
        teams: BTreeMap::new(),
        skills: BTreeMap::from([(GERMAN, Localized::both("德语", "German"))]),
        queues: [SUPPORT, SALES].map(|q| (q, queue(q))).into(),
        calendars: BTreeMap::from([(
            CalendarId(1),
            Calendar {
                id: CalendarId(1),
                name: Localized::both("工作时间", "hours"),
                time_zone: "Asia/Shanghai".into(),
                weekly: vec![WeeklyHours { weekday: 1, from_minute: 9 * 60, to_minute: 18 * 60 }],
                holidays: vec![],
            },
        )]),
        flows: BTreeMap::from([(FlowId(1), Arc::new(flow))]),
        numbers: [
            number(TO_SUPPORT, EntryPoint::Queue { queue: SUPPORT }),
            number(TO_MENU, EntryPoint::Flow { flow: FlowId(1) }),
            number(TO_ECHO, EntryPoint::Echo),
            number(TO_DOOR, EntryPoint::Device { device: DOOR }),
            number(TO_ANN, EntryPoint::Device { device: TAB }),
        ]
        .map(|n| (n.id, n))
        .into(),
        devices: [
            device(TAB, Some(ANN), DeviceKind::Browser),
            device(PHONE, Some(BOB), DeviceKind::Sip { user: "bob".into() }),
            device(DOOR, None, DeviceKind::Uri { uri: "sip:door@192.0.2.1".into() }),
        ]
        .map(|d| (d.id, d))
        .into(),
        dispositions: BTreeMap::from([(SOLVED, Localized::both("已解决", "solved"))]),
        break_reasons: BTreeMap::from([(LUNCH, Localized::both("午餐", "lunch"))]),
        music: None,
        monitoring_shown: false,
        region: None,
        trunks: Default::default(),
        routes: Default::default(),
        outbound: Default::default(),
        recording: Default::default(),
        voicemail: Default::default(),
        mask_numbers: false,
    }
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Our calls go to `host`, if there is one.
pub fn trunk(id: TrunkId, host: Option<String>) -> TrunkConfig {
    TrunkConfig {
        id,
        name: id.0.to_string(),
        addresses: vec![],
        region: None,
        host,
        transport: Default::default(),
        check_certificate: true,
        identity: Default::default(),
        srtp: Default::default(),
        codecs: Vec::new(),
        calls_max: None,
        calls_per_second: None,
        account: None,
        check_s: 0,
        caller: None,
        active: true,
    }
}

pub struct Rig {
    pub floor: Floor,
    pub now: Timestamp,
    pub events: Vec<Event>,
    pub out: String,
    names: BTreeMap<String, String>,
    counts: BTreeMap<String, u32>,
    next_leg: u128,
    pub plays: BTreeMap<LegId, PlayId>,
    /// Started by the floor and not ended: ringing phones among them.
    pub dialled: Vec<LegId>,
    pub recordings: BTreeMap<RecordingId, Timestamp>,
    /// The switch answers at once; phones are picked up by hand.
    pub obedient: bool,
}

impl Rig {
    pub fn new(config: TenantConfig) -> Rig {
        Rig {
            floor: Floor::new(FloorId(1), Arc::new(config), IdMint::new(1, 1)),
            now: START,
            events: vec![],
            out: String::new(),
            names: BTreeMap::new(),
            counts: BTreeMap::new(),
            next_leg: 0,
            plays: BTreeMap::new(),
            dialled: vec![],
            recordings: BTreeMap::new(),
            obedient: true,
        }
    }

    pub fn input(&mut self, input: Input) -> Result<Option<InteractionId>, Rejected> {
        let result = self.floor.handle(self.now, input);
        self.drain();
        if let Err(rejected) = &result {
            let _ = writeln!(self.out, "{} refused {rejected}", self.clock(self.now));
        }
        result.map(|a| a.interaction)
    }

    fn drain(&mut self) {
        while let Some(event) = self.floor.poll_event() {
            let value = serde_json::to_value(&event.body).unwrap();
            let line = self.line(&value);
            let _ = writeln!(self.out, "{} {line}", self.clock(event.at));
            self.events.push(event);
        }
        let mut replies = VecDeque::new();
        while let Some(effect) = self.floor.poll_effect() {
            let line = match &effect {
                Effect::Leg(command) => {
                    let value = serde_json::to_value(command).unwrap();
                    self.line(&value)
                }
                Effect::Offer(card) => {
                    format!("offer {} rings={}", self.name(&card.agent.to_string()), card.device_rings)
                }
                Effect::OfferWithdrawn { agent, .. } => format!("offer_withdrawn {}", self.name(&agent.to_string())),
            };
            let _ = writeln!(self.out, "   > {line}");
            if let Effect::Leg(command) = effect {
                self.obey(command, &mut replies);
            }
        }
        while let Some(reply) = replies.pop_front() {
            let _ = self.input(Input::Leg(reply));
        }
    }

    fn obey(&mut self, command: LegCommand, replies: &mut VecDeque<LegEvent>) {
        match command {
            LegCommand::Answer { leg } if self.obedient => replies.push_back(answered(leg)),
            LegCommand::Originate { leg, to, .. } => {
                self.dialled.push(leg);
                if to == (Dial::Device { device: TAB }) && self.obedient {
                    replies.push_back(answered(leg));
                }
            }
            LegCommand::Hangup { leg, cause } if self.obedient => {
                replies.push_back(ended(leg, cause, EndedBy::Us));
                self.dialled.retain(|l| *l != leg);
            }
            LegCommand::Play { leg, play, .. } => {
                self.plays.insert(leg, play);
            }
            LegCommand::Record { recording, .. } => {
                self.recordings.insert(recording, self.now);
            }
            LegCommand::StopRecording { recording } => {
                if let Some(since) = self.recordings.remove(&recording) {
                    let length_ms = u64::try_from(self.now - since).unwrap();
                    replies.push_back(LegEvent::RecordingEnded { recording, length_ms, gaps: vec![] });
                }
            }
            _ => {}
        }
    }

    /// Lets time pass, with a tick whenever the floor asks for one.
    pub fn pass(&mut self, seconds: u64) {
        let until = self.now + secs(seconds);
        while let Some(at) = self.floor.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let _ = self.input(Input::Tick);
        }
        self.now = until;
    }

    pub fn call(&mut self, number: NumberId) -> LegId {
        self.next_leg += 1;
        let leg = LegId(1 << 127 | self.next_leg);
        let via = Via::Loopback;
        let _ = self.input(Input::CallOffered { leg, number, from: AddressId(7), via, known: CallFacts::default() });
        leg
    }

    /// A phone of ours dials; addresses of those outside are made up.
    pub fn phone_dials(&mut self, device: DeviceId, keys: &str) -> LegId {
        self.next_leg += 1;
        let leg = LegId(1 << 127 | self.next_leg);
        let call = match dialled(self.floor.config(), keys) {
            Dialled::Place(place) => PhoneCall::Place(place),
            Dialled::Nowhere(code) => PhoneCall::Nowhere(code),
            Dialled::Inside(to) => PhoneCall::To { to, from: Some(AddressId(5)) },
            Dialled::Outside(Plan { class, trunks, caller, .. }) => {
                PhoneCall::To { to: Target::Outside { address: AddressId(9), class, trunks, caller }, from: None }
            }
        };
        let _ = self.input(Input::PhoneDialled { leg, device, call });
        leg
    }

    pub fn leg(&mut self, event: LegEvent) {
        let _ = self.input(Input::Leg(event));
    }

    /// The person at the other end hangs up.
    pub fn hangs_up(&mut self, leg: LegId) {
        self.dialled.retain(|l| *l != leg);
        self.leg(ended(leg, EndCause::Hangup, EndedBy::Peer));
    }

    pub fn play_ends(&mut self, leg: LegId, digits: &str) {
        let play = self.plays[&leg];
        let why = if digits.is_empty() { PlayEnd::Finished } else { PlayEnd::Interrupted };
        self.leg(LegEvent::PlayEnded { leg, play, why, digits: digits.into() });
    }

    /// The last leg dialled.
    pub fn dialled(&self) -> LegId {
        *self.dialled.last().expect("nothing was dialled")
    }

    pub fn agent(&mut self, agent: AgentId, command: AgentCommand) {
        let _ = self.input(Input::Agent { agent, command });
    }

    pub fn sign_in(&mut self, agent: AgentId, device: DeviceId) {
        let _ = self.input(Input::DeviceReady { device });
        self.agent(agent, AgentCommand::SignIn { device, seat: SeatClass::Standard });
        self.agent(agent, AgentCommand::SetPresence { presence: Presence::Available });
    }

    pub fn offer(&self, agent: AgentId) -> OfferId {
        self.floor.agent_view(agent).unwrap().offers[0].offer
    }

    pub fn accept(&mut self, agent: AgentId) {
        let offer = self.offer(agent);
        self.agent(agent, AgentCommand::AcceptOffer { offer });
    }

    pub fn work(&self, agent: AgentId) -> SegmentId {
        self.floor.agent_view(agent).unwrap().work[0].segment
    }

    /// Forgets the timeline so far.
    pub fn forget(&mut self) {
        self.out.clear();
    }

    fn clock(&self, at: Timestamp) -> String {
        let ms = at - START;
        format!("{}.{:03}", ms / 1000, ms % 1000)
    }

    /// `kind field=value …` with short names for ids; the interaction is left out.
    fn line(&mut self, value: &serde_json::Value) -> String {
        let object = value.as_object().unwrap();
        let mut line = object["kind"].as_str().unwrap().to_owned();
        for (key, value) in object {
            let skip =
                ["kind", "interaction", "tenant", "beside", "trace", "stats", "service_level_ms", "short_abandon_ms"];
            let zero = ["from", "ring_timeout"];
            if skip.contains(&key.as_str()) || zero.contains(&key.as_str()) || value.is_null() {
                continue;
            }
            let text = self.short(value);
            let _ = write!(line, " {key}={text}");
        }
        line
    }

    fn short(&mut self, value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::String(text) => self.name(text),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(at) if at > 1_000_000_000_000 => self.clock(Timestamp(at)),
                _ => format!("{n}"),
            },
            serde_json::Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|v| self.short(v)).collect();
                format!("[{}]", items.join(","))
            }
            serde_json::Value::Object(map) => {
                let skip = ["service_level_ms", "short_abandon_ms", "lang", "arrived", "virtual_since"];
                let parts: Vec<String> = map
                    .iter()
                    .filter(|(k, v)| !skip.contains(&k.as_str()) && !v.is_null())
                    .map(|(_, v)| self.short(v))
                    .collect();
                parts.join(":")
            }
            other => other.to_string(),
        }
    }

    /// `seg_000…` becomes `seg1` in the order of appearance; configured things keep their number.
    fn name(&mut self, text: &str) -> String {
        let Some((prefix, digits)) = text.split_once('_').filter(|(p, d)| p.len() == 3 && d.len() == 26) else {
            return text.to_owned();
        };
        if digits.starts_with("000000000000000000000") {
            let n = digits.trim_start_matches('0');
            return match text.parse::<AgentId>() {
                Ok(ANN) => "ann".into(),
                Ok(BOB) => "bob".into(),
                _ => format!("{prefix}{n}"),
            };
        }
        if let Some(known) = self.names.get(text) {
            return known.clone();
        }
        let n = self.counts.entry(prefix.to_owned()).or_default();
        *n += 1;
        let name = format!("{prefix}#{n}");
        self.names.insert(text.to_owned(), name.clone());
        name
    }
}

pub fn answered(leg: LegId) -> LegEvent {
    LegEvent::Answered { leg, codec: Codec::Pcma }
}

pub fn ended(leg: LegId, cause: EndCause, by: EndedBy) -> LegEvent {
    LegEvent::Ended { leg, cause, by, stats: LegStats::default() }
}

/// Runs a scenario on the sample company and compares its timeline.
pub fn check(scenario: impl FnOnce(&mut Rig), expected: expect_test::Expect) {
    check_with(config(), scenario, expected);
}

pub fn check_with(config: TenantConfig, scenario: impl FnOnce(&mut Rig), expected: expect_test::Expect) {
    let mut rig = Rig::new(config.clone());
    scenario(&mut rig);
    expected.assert_eq(&rig.out);
    // R8: the journal alone gives the same floor, also through JSON.
    let mut replayed = Floor::new(FloorId(1), Arc::new(config), IdMint::new(1, 2));
    for event in &rig.events {
        let read = Event::from_json(&event.to_json().unwrap()).unwrap();
        assert_eq!(&read, event);
        replayed.apply(&read);
    }
    assert_eq!(replayed.snapshot(), rig.floor.snapshot());
}
