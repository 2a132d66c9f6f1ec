//! Two companies with one of everything, a router to call, a server to connect to.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use domain::calendar::{Calendar, WeeklyHours};
use domain::config::{
    AgentConfig, Destination, DeviceConfig, DeviceKind, Entitlements, EntryPoint, Membership, NumberConfig,
    QueueConfig, Strategy, Team, TrunkConfig, WrapUp, WrapUpMode,
};
use domain::flow::{Flow, Step, StepId};
use domain::id::*;
use domain::localized::{Lang, Localized};
use domain::medium::{Medium, PerMedium};
use domain::outbound::{RouteConfig, RouteTrunk};
use domain::time::Timestamp;
use engine::port::{Down, TelephonyPort, Up};
use engine::{Engine, EngineConfig, Rendered};
use http_body_util::BodyExt;
use serde_json::Value;
use store::projection::{CoverageRow, InteractionRow, IntervalRow, RecordingRow, SegmentRow, Spans, VoicemailRow};
use store::{
    Author, BreakReasonConfig, DispositionConfig, FloorKind, HostScope, NewBlob, NewTenant, Options, PromptConfig,
    Scope, Settings, SkillConfig, Store,
};
use tokio::sync::mpsc;
use tower::ServiceExt;

pub const PASSWORD: &str = "a long enough password";

pub struct World {
    pub router: Router,
    pub store: Store,
    pub engine: Engine,
    pub a: Company,
    pub b: Company,
    /// Into the engine, as telephony would.
    pub up: mpsc::Sender<Up>,
    /// What telephony was told.
    pub down: Arc<Mutex<Vec<Down>>>,
    _dir: tempfile::TempDir,
}

/// One of everything.
#[derive(Clone)]
pub struct Company {
    pub tenant: TenantId,
    pub slug: String,
    pub admin: Person,
    pub supervisor: Person,
    pub worker: Person,
    /// A user without any grant.
    pub nobody: Person,
    pub agent: AgentId,
    pub team: TeamId,
    pub skill: SkillId,
    pub queue: QueueId,
    pub calendar: CalendarId,
    pub flow: FlowId,
    pub number: NumberId,
    pub phone: DeviceId,
    pub uri: DeviceId,
    pub disposition: DispositionId,
    pub break_reason: BreakReasonId,
    pub prompt: PromptId,
    pub trunk: TrunkId,
    pub route: RouteId,
    pub api_token: TokenId,
    pub interaction: InteractionId,
    pub recording: RecordingId,
    /// Left by a caller of the queue.
    pub message: RecordingId,
}

#[derive(Clone)]
pub struct Person {
    pub user: UserId,
    pub login: LoginId,
    pub email: String,
    /// An API token's secret.
    pub token: String,
}

impl World {
    pub async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::in_dir(dir.path())).await.unwrap();
        let host = HostScope::whole_installation();
        let now = now();
        let operator = store.create_host(host, "host", now).await.unwrap();
        let hash = api::auth::password::Passwords::new().unwrap().hash(PASSWORD).await.unwrap();
        let a = company(&store, operator.id, "alpha", &hash).await;
        let b = company(&store, operator.id, "beta", &hash).await;
        let down: Arc<Mutex<Vec<Down>>> = Arc::default();
        let (up, up_receiver) = mpsc::channel(100);
        let told = down.clone();
        let engine = Engine::start(
            EngineConfig {
                node: "test".to_owned(),
                sip: ([127, 0, 0, 1], 5060).into(),
                recordings: dir.path().join("spool"),
                render: Arc::new(|_| {
                    let started_at = domain::time::Timestamp(0);
                    Ok(Rendered {
                        wav: Vec::new(),
                        length_ms: 0,
                        started_at,
                        is_complete: true,
                        gaps: Vec::new(),
                        heard_ms: 0,
                    })
                }),
                demo_speech: vec![(Lang::En, Arc::from([0_i16].as_slice()))],
            },
            store.clone(),
            TelephonyPort {
                down: Arc::new(move |d| {
                    told.lock().unwrap().push(d);
                    Ok(())
                }),
                up: up_receiver,
                outlived: Default::default(),
            },
        )
        .await
        .unwrap();
        let phone_doors = api::provisioning::PhoneDoors { sip: 5060, ..Default::default() };
        let app = api::App::new(
            engine.clone(),
            api::Options { ogg: Some(Arc::new(ogg_told)), phone_doors, ..api::Options::default() },
        )
        .unwrap();
        let router = api::router(app, None);
        World { router, store, engine, a, b, up, down, _dir: dir }
    }

    /// Calls the API with a person's token.
    pub async fn call(&self, who: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {}", who.token))], body).await
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.call(who, Method::GET, path, None).await
    }

    pub async fn post(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.call(who, Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.call(who, Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, who: &Person, path: &str, body: Value) -> Answer {
        self.call(who, Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, who: &Person, path: &str) -> Answer {
        self.call(who, Method::DELETE, path, None).await
    }

    /// `path` is below `/api/v1` unless it names what stands outside.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let outside = ["/healthz", "/readyz", "/metrics", "/elsewhere"].contains(&path);
        let uri = if outside { path.to_owned() } else { format!("/api/v1{path}") };
        let mut request = Request::builder().method(method).uri(uri).header(header::HOST, "desk.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap()
            }
            None => request.body(Body::empty()).unwrap(),
        };
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// Waits until what telephony was told contains something.
    pub async fn told<T>(&self, find: impl Fn(&Down) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = self.down.lock().unwrap().iter().rev().find_map(&find) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found).await.expect("telephony was not told in 10 s")
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{}", self.text());
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

pub fn now() -> Timestamp {
    store::random::wall_clock()
}

pub fn name(text: &str) -> Localized {
    Localized { zh: None, en: Some(text.to_owned()) }
}

fn bits() -> u128 {
    store::random::bits()
}

async fn company(store: &Store, host: HostId, slug: &str, hash: &str) -> Company {
    let scope = HostScope::whole_installation();
    let new = NewTenant {
        host,
        slug: slug.to_owned(),
        name: slug.to_owned(),
        entitlements: Entitlements { seats: 10, concurrent_calls: 50, retention_days: 90 },
        is_default: slug == "alpha",
    };
    let tenant = store.create_tenant(scope, new, now()).await.unwrap().id;
    let c = Ids::new(now());
    let mut logins = Vec::new();
    for role in ["admin", "supervisor", "worker", "nobody"] {
        let login = store.login_for_email(&format!("{role}@{slug}.test"), now()).await.unwrap();
        store.set_password_hash(login.id, hash).await.unwrap();
        logins.push(login);
    }
    let mut tx = store.admin(tenant, Author::system(), "test", now()).await.unwrap();
    let settings = Settings {
        tenant,
        name: format!("{slug} company"),
        time_zone: "Asia/Shanghai".to_owned(),
        lang: Lang::En,
        sip_domain: format!("{slug}.example"),
        region: Some("CN".to_owned()),
        music: None,
        monitoring_shown: false,
        browser_codecs: Vec::new(),
        outbound: Default::default(),
        recording: Default::default(),
        voicemail: Default::default(),
        mask_numbers: false,
    };
    tx.put(settings, None).await.unwrap();
    let mut people = Vec::new();
    let roles = [Some(("admin", "tenant")), Some(("supervisor", "tenant")), Some(("agent", "own")), None];
    let mut api_token = TokenId(0);
    for (login, role) in logins.iter().zip(roles) {
        let user = tx.create_user(login, &login.email, Lang::En).await.unwrap();
        if let Some((role, scope)) = role {
            tx.grant(user.id, role, scope, None).await.unwrap();
        }
        let (row, token) = tx.create_token(user.id, "test", None).await.unwrap();
        api_token = row.id;
        people.push(Person { user: user.id, login: login.id, email: login.email.clone(), token });
    }
    put_config(&mut tx, &c, slug, people[2].user).await;
    tx.commit().await.unwrap();
    put_history(store, tenant, &c).await;
    Company {
        tenant,
        slug: slug.to_owned(),
        admin: people[0].clone(),
        supervisor: people[1].clone(),
        worker: people[2].clone(),
        nobody: people[3].clone(),
        agent: c.agent,
        team: c.team,
        skill: c.skill,
        queue: c.queue,
        calendar: c.calendar,
        flow: c.flow,
        number: c.number,
        phone: c.phone,
        uri: c.uri,
        disposition: c.disposition,
        break_reason: c.break_reason,
        prompt: c.prompt,
        trunk: c.trunk,
        route: c.route,
        api_token,
        interaction: c.interaction,
        recording: c.recording,
        message: c.message,
    }
}

struct Ids {
    agent: AgentId,
    team: TeamId,
    skill: SkillId,
    queue: QueueId,
    calendar: CalendarId,
    flow: FlowId,
    number: NumberId,
    phone: DeviceId,
    uri: DeviceId,
    disposition: DispositionId,
    break_reason: BreakReasonId,
    prompt: PromptId,
    trunk: TrunkId,
    route: RouteId,
    interaction: InteractionId,
    recording: RecordingId,
    message: RecordingId,
}

impl Ids {
    fn new(now: Timestamp) -> Ids {
        let at = now.0;
        Ids {
            agent: AgentId::from_parts(at, bits()),
            team: TeamId::from_parts(at, bits()),
            skill: SkillId::from_parts(at, bits()),
            queue: QueueId::from_parts(at, bits()),
            calendar: CalendarId::from_parts(at, bits()),
            flow: FlowId::from_parts(at, bits()),
            number: NumberId::from_parts(at, bits()),
            phone: DeviceId::from_parts(at, bits()),
            uri: DeviceId::from_parts(at, bits()),
            disposition: DispositionId::from_parts(at, bits()),
            break_reason: BreakReasonId::from_parts(at, bits()),
            prompt: PromptId::from_parts(at, bits()),
            trunk: TrunkId::from_parts(at, bits()),
            route: RouteId::from_parts(at, bits()),
            interaction: InteractionId::from_parts(at, bits()),
            recording: RecordingId::from_parts(at, bits()),
            message: RecordingId::from_parts(at, bits()),
        }
    }
}

pub fn queue_config(id: QueueId, text: &str, agent: AgentId) -> QueueConfig {
    QueueConfig {
        id,
        name: name(text),
        media: vec![Medium::Voice],
        members: vec![Membership { agent, priority: 1 }],
        required_skills: BTreeMap::new(),
        strategy: Strategy::LongestIdle,
        priority: 0,
        priority_boost: Duration::from_secs(10),
        ring_timeout: Duration::from_secs(20),
        away_after_missed: true,
        wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: Duration::from_secs(30) },
        dispositions: Vec::new(),
        service_level: Duration::from_secs(20),
        short_abandon: Duration::from_secs(5),
        calendar: None,
        max_waiting: 100,
        overflow: None,
        closed: Destination::HangUp { prompt: None },
        welcome: None,
        music: None,
        comfort: None,
        comfort_every: Duration::from_secs(30),
        record: Some(domain::recording::RecordRule::ALWAYS),
        transferred: Default::default(),
        voicemail: None,
    }
}

async fn put_config(tx: &mut store::AdminTx, c: &Ids, slug: &str, user: UserId) {
    let mut queue = queue_config(c.queue, &format!("{slug} queue"), c.agent);
    queue.dispositions = vec![c.disposition];
    queue.required_skills = BTreeMap::from([(c.skill, 1)]);
    tx.put(SkillConfig { id: c.skill, name: name(&format!("{slug} skill")) }, None).await.unwrap();
    tx.put(DispositionConfig { id: c.disposition, name: name(&format!("{slug} resolved")) }, None).await.unwrap();
    tx.put(BreakReasonConfig { id: c.break_reason, name: name(&format!("{slug} meal")) }, None).await.unwrap();
    tx.put(Team { id: c.team, name: name(&format!("{slug} team")), queues: vec![c.queue] }, None).await.unwrap();
    let agent = AgentConfig {
        id: c.agent,
        user,
        name: format!("{slug} worker"),
        extension: "601".to_owned(),
        team: Some(c.team),
        skills: BTreeMap::from([(c.skill, 5)]),
        capacity: PerMedium { voice: 1, ..PerMedium::default() },
        record: None,
        active: true,
    };
    tx.put(agent, None).await.unwrap();
    tx.put(queue, None).await.unwrap();
    let calendar = Calendar {
        id: c.calendar,
        name: name(&format!("{slug} hours")),
        time_zone: "Asia/Shanghai".to_owned(),
        weekly: vec![WeeklyHours { weekday: 1, from_minute: 540, to_minute: 1_080 }],
        holidays: Vec::new(),
    };
    tx.put(calendar, None).await.unwrap();
    let prompt = PromptConfig {
        id: c.prompt,
        name: name(&format!("{slug} welcome")),
        audio: BTreeMap::new(),
        source: "test".to_owned(),
        licence: "CC0".to_owned(),
    };
    tx.put(prompt, None).await.unwrap();
    let flow = Flow {
        id: c.flow,
        version: 1,
        name: name(&format!("{slug} menu")),
        start: StepId("start".to_owned()),
        steps: BTreeMap::from([(StepId("start".to_owned()), Step::Queue { queue: c.queue, priority: 0 })]),
    };
    tx.put(flow, None).await.unwrap();
    for (id, digits, entry) in [
        (c.number, "1000", EntryPoint::Queue { queue: c.queue }),
        (NumberId::from_parts(0, bits()), "2000", EntryPoint::Flow { flow: c.flow }),
    ] {
        let number = NumberConfig {
            id,
            number: if digits == "1000" { digits.to_owned() } else { format!("{digits}{}", slug.len()) },
            name: name(&format!("{slug} {digits}")),
            entry,
            lang: Lang::En,
            sample: true,
            web: digits == "1000",
            record: None,
        };
        tx.put(number, None).await.unwrap();
    }
    for (id, kind) in [
        (c.phone, DeviceKind::Sip { user: format!("phone-{slug}") }),
        (c.uri, DeviceKind::Uri { uri: format!("sip:stand-in@{slug}.example") }),
    ] {
        let device = DeviceConfig {
            id,
            name: format!("{slug} device"),
            agent: Some(c.agent),
            kind,
            srtp: Default::default(),
            codecs: Vec::new(),
        };
        tx.put(device, None).await.unwrap();
    }
    let trunk = TrunkConfig {
        id: c.trunk,
        name: format!("{slug} carrier"),
        addresses: Vec::new(),
        region: None,
        host: Some(format!("carrier.{slug}.example")),
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
    };
    tx.put(trunk, None).await.unwrap();
    let route = RouteConfig {
        id: c.route,
        name: format!("{slug} out"),
        prefixes: vec!["+86".to_owned()],
        trunks: vec![RouteTrunk { trunk: c.trunk, priority: 1, weight: 1 }],
        format: Default::default(),
        class: None,
        caller: None,
    };
    tx.put(route, None).await.unwrap();
    tx.set_device_secret(c.phone, "a long sip secret").await.unwrap();
}

/// Ten seconds of stereo, 8 kHz: left loud, right silent.
pub fn wav() -> Vec<u8> {
    let frames = 80_000_u32;
    let mut w = b"RIFF".to_vec();
    w.extend((36 + frames * 4).to_le_bytes());
    w.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    w.extend(8_000_u32.to_le_bytes());
    w.extend(32_000_u32.to_le_bytes());
    w.extend([4, 0, 16, 0]);
    w.extend(b"data");
    w.extend((frames * 4).to_le_bytes());
    for frame in 0..frames {
        let left: i16 = if frame % 2 == 0 { 16_384 } else { -16_384 };
        w.extend(left.to_le_bytes());
        w.extend([0, 0]);
    }
    w
}

/// One finished, recorded interaction on a sample floor, an hour ago.
async fn put_history(store: &Store, tenant: TenantId, c: &Ids) {
    let started = Timestamp(now().0 - 3_600_000);
    let floor = store.create_floor(tenant, FloorKind::Sample, started).await.unwrap().id;
    let new = NewBlob {
        tenant,
        kind: "recording",
        content_type: "audio/wav".to_owned(),
        retain_until: None,
        sample_floor: Some(floor),
    };
    let blob = store.blobs().put_bytes(new.clone(), wav(), started).await.unwrap().id;
    let message_blob = store.blobs().put_bytes(new, wav(), started).await.unwrap().id;
    let segment = SegmentId::from_parts(started.0, bits());
    let interval = Timestamp(started.0 - started.0.rem_euclid(900_000));
    let mut tx = store.begin_projection(floor).await.unwrap();
    let interaction = InteractionRow {
        tenant_id: tenant,
        id: c.interaction,
        floor_id: floor,
        sample: true,
        medium: Medium::Voice,
        direction: "inbound".to_owned(),
        state: "ended".to_owned(),
        outcome: Some("served".to_owned()),
        number_id: Some(c.number),
        address_id: None,
        address_key: None,
        contact_id: None,
        trunk_id: None,
        flow_id: None,
        flow_version: None,
        queue_id: Some(c.queue),
        agent_id: Some(c.agent),
        disposition_id: None,
        note_id: None,
        lang: Some(Lang::En),
        priority: 0,
        started_at: started,
        queued_at: Some(started),
        answered_at: Some(Timestamp(started.0 + 5_000)),
        ended_at: Some(Timestamp(started.0 + 15_000)),
        end_cause: Some("hangup".to_owned()),
        ended_by: Some("peer".to_owned()),
        wait_ms: 5_000,
        talk_ms: 10_000,
        hold_ms: 0,
        wrap_ms: 0,
        recorded: true,
        last_seq: 0,
        extra: serde_json::json!({}),
        retain_until: None,
        legal_hold: false,
    };
    tx.put_interactions(std::slice::from_ref(&interaction)).await.unwrap();
    let row = SegmentRow {
        tenant_id: tenant,
        id: segment,
        floor_id: floor,
        sample: true,
        interaction_id: c.interaction,
        ordinal: 0,
        kind: "agent".to_owned(),
        medium: Medium::Voice,
        state: "ended".to_owned(),
        outcome: Some("caller_hung_up".to_owned()),
        queue_id: Some(c.queue),
        agent_id: Some(c.agent),
        flow_id: None,
        started_at: started,
        answered_at: interaction.answered_at,
        ended_at: interaction.ended_at,
        wrap_ended_at: None,
        wait_ms: 0,
        ring_ms: 5_000,
        talk_ms: 10_000,
        hold_ms: 0,
        wrap_ms: 0,
        in_service_level: None,
        arrival_interval: interval,
        event_interval: Some(interval),
        disposition_id: None,
        note_id: None,
        extra: serde_json::json!({"why": "offer"}),
        spans: Spans::default(),
    };
    tx.put_segments(std::slice::from_ref(&row)).await.unwrap();
    let recording = RecordingRow {
        tenant_id: tenant,
        id: c.recording,
        floor_id: floor,
        interaction_id: c.interaction,
        segment_id: Some(segment),
        agent_id: Some(c.agent),
        state: "stored".to_owned(),
        blob_id: Some(blob),
        started_at: started,
        length_ms: Some(10_000),
        gaps: serde_json::json!([]),
        retain_until: None,
        legal_hold: false,
    };
    tx.put_recordings(std::slice::from_ref(&recording)).await.unwrap();
    let coverage = CoverageRow {
        tenant_id: tenant,
        segment_id: segment,
        floor_id: floor,
        sample: true,
        interaction_id: c.interaction,
        agent_id: Some(c.agent),
        queue_id: Some(c.queue),
        from_at: Timestamp(started.0 + 5_000),
        talk_ms: 10_000,
        recorded_ms: 7_500,
        masked_ms: 0,
        ruled_out_ms: 0,
        not_asked_ms: 0,
        lost_ms: 0,
        crash_ms: 2_500,
        erased_ms: 0,
        unstored_ms: 0,
    };
    tx.put_coverage(std::slice::from_ref(&coverage)).await.unwrap();
    let message = RecordingRow {
        id: c.message,
        segment_id: None,
        agent_id: None,
        blob_id: Some(message_blob),
        started_at: Timestamp(started.0 + 1),
        ..recording
    };
    tx.put_recordings(std::slice::from_ref(&message)).await.unwrap();
    let voicemail = VoicemailRow {
        tenant_id: tenant,
        id: c.message,
        floor_id: floor,
        sample: true,
        interaction_id: c.interaction,
        queue_id: Some(c.queue),
        number_id: Some(c.number),
        address_id: None,
        left_at: message.started_at,
        length_ms: 10_000,
        state: "new".to_owned(),
        state_at: message.started_at,
        user_id: None,
        call_id: None,
    };
    tx.put_voicemails(std::slice::from_ref(&voicemail)).await.unwrap();
    let figures = domain::report::Measures {
        offered: 4,
        answered: 3,
        answered_in_time: 2,
        abandoned: 1,
        wait_ms: 15_000,
        talk_ms: 30_000,
        handled: 3,
        ..Default::default()
    };
    for (subject, at) in [("queue.event", interval), ("queue.arrival", interval)] {
        let row = IntervalRow {
            tenant_id: tenant,
            floor_id: floor,
            sample: true,
            subject: subject.to_owned(),
            subject_id: c.queue.to_string(),
            interval_at: at,
            interval_ms: 900_000,
            figures: serde_json::to_value(figures).unwrap(),
        };
        tx.put_intervals(std::slice::from_ref(&row)).await.unwrap();
    }
    tx.commit(1, now()).await.unwrap();
}

/// In place of the codec: what it was told, as text.
fn ogg_told(channels: usize, _: u32) -> api::OggWriter {
    let mut octets = 0;
    Box::new(move |piece| {
        octets += piece.map_or(0, <[u8]>::len);
        if piece.is_none() { format!("OggS {channels} {octets}").into_bytes() } else { Vec::new() }
    })
}

pub fn scope(company: &Company) -> Scope {
    Scope::Tenant(company.tenant)
}
