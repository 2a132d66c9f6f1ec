//! Configuration resources that need nothing beyond the five common operations, the company's settings, the trail.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::access::Action;
use domain::calendar::Calendar;
use domain::config::{AgentConfig, NumberConfig, QueueConfig, Team};
use domain::id::{
    AgentId, BreakReasonId, CalendarId, DispositionId, NumberId, QueueId, RouteId, SkillId, TeamId, TenantId,
};
use domain::outbound::{CallClass, RouteConfig};
use serde_json::Value;
use store::{BreakReasonConfig, DispositionConfig, Scope, Settings, SkillConfig};

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::common::{Page, skill_levels, skill_map};
use crate::dto::interaction::{AuditEntry, ConfigRevision};
use crate::dto::people::{
    AgentFields, BreakReasonFields, DispositionFields, Entitlements, SkillFields, TeamFields, TenantFields, TenantView,
};
use crate::dto::recording::{Notice, RecordMode, RecordRule};
use crate::dto::routing::{CalendarFields, QueueFields};
use crate::dto::spend::SpendFields;
use crate::dto::trunk::RouteFields;
use crate::dto::voice::NumberFields;
use crate::dto::voicemail::MailboxFields;
use crate::error::{ApiError, ApiResult};
use crate::http::{JsonBody, Params};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::resource::{self, ListQuery, Problems, READ, Resource, TAG, patched, reader, with_revision, writer};

pub fn operations() -> Vec<Op> {
    let mut all = Vec::new();
    all.extend(resource::operations::<TeamFields>());
    all.extend(resource::operations::<AgentFields>());
    all.extend(resource::operations::<SkillFields>());
    all.extend(resource::operations::<QueueFields>());
    all.extend(resource::operations::<CalendarFields>());
    all.extend(resource::operations::<NumberFields>());
    all.extend(resource::operations::<RouteFields>());
    all.extend(resource::operations::<DispositionFields>());
    all.extend(resource::operations::<BreakReasonFields>());
    all.extend([
        Op::get("/tenant", "get_tenant", TAG, READ, get_tenant)
            .summary("The company itself")
            .returns::<TenantView>(StatusCode::OK),
        Op::patch("/tenant", "patch_tenant", TAG, Gate::May(Action::QueueManage), patch_tenant)
            .summary("Change the company's name, zone, language or music")
            .body_patch::<TenantFields>("TenantPatch")
            .returns::<TenantView>(StatusCode::OK),
        Op::get("/config-revisions", "list_config_revisions", TAG, READ, list_revisions)
            .summary("Changes of configuration, newest first")
            .returns_page::<ConfigRevision>(),
        Op::get("/audit", "list_audit", TAG, Gate::May(Action::AuditView), list_audit)
            .summary("Who did what, newest first")
            .returns_page::<AuditEntry>(),
    ]);
    all
}

macro_rules! resource_consts {
    ($id:ident, $name:literal, $one:literal, $many:literal, $path:literal, $manage:ident) => {
        const MANAGE: Action = Action::$manage;
        const NAME: &'static str = $name;
        const ONE: &'static str = $one;
        const MANY: &'static str = $many;
        const PATH: &'static str = $path;

        fn new_id(unix_ms: i64, random: u128) -> $id {
            $id::from_parts(unix_ms, random)
        }
    };
}
pub(crate) use resource_consts;

/// Resources that are an id and a localized name.
macro_rules! named {
    ($($fields:ident = $item:ident, $id:ident, $name:literal, $one:literal, $many:literal, $path:literal, $manage:ident;)*) => {$(
        impl Resource for $fields {
            type Item = $item;
            resource_consts!($id, $name, $one, $many, $path, $manage);

            fn from_item(item: $item, _: &Known) -> Self {
                Self { name: item.name.into() }
            }

            fn into_item(self, id: $id, _: Option<&$item>) -> $item {
                $item { id, name: self.name.into() }
            }

            fn check(&self, problems: &mut Problems) {
                problems.localized("name", &self.name);
            }
        }
    )*};
}

named! {
    SkillFields = SkillConfig, SkillId, "Skill", "skill", "skills", "/skills", SkillManage;
    DispositionFields = DispositionConfig, DispositionId, "Disposition", "disposition", "dispositions", "/dispositions", QueueManage;
    BreakReasonFields = BreakReasonConfig, BreakReasonId, "BreakReason", "break_reason", "break_reasons", "/break-reasons", QueueManage;
}

impl Resource for TeamFields {
    type Item = Team;
    resource_consts!(TeamId, "Team", "team", "teams", "/teams", TeamManage);

    fn from_item(item: Team, _: &Known) -> Self {
        Self { name: item.name.into(), queues: item.queues }
    }

    fn into_item(self, id: TeamId, _: Option<&Team>) -> Team {
        Team { id, name: self.name.into(), queues: self.queues }
    }

    fn check(&self, problems: &mut Problems) {
        problems.localized("name", &self.name);
        problems.range("queues", self.queues.len(), 0..=1_000);
    }
}

impl Resource for AgentFields {
    type Item = AgentConfig;
    resource_consts!(AgentId, "Agent", "agent", "agents", "/agents", UserManage);

    fn from_item(item: AgentConfig, _: &Known) -> Self {
        Self {
            user: item.user,
            name: item.name,
            extension: item.extension,
            team: item.team,
            skills: skill_levels(item.skills),
            capacity: item.capacity.into(),
            active: item.active,
            record: item.record.map(Into::into),
        }
    }

    fn into_item(self, id: AgentId, _: Option<&AgentConfig>) -> AgentConfig {
        AgentConfig {
            id,
            user: self.user,
            name: self.name,
            extension: self.extension,
            team: self.team,
            skills: skill_map(self.skills),
            capacity: self.capacity.into(),
            active: self.active,
            record: self.record.map(Into::into),
        }
    }

    fn check(&self, problems: &mut Problems) {
        problems.text("name", &self.name, 100);
        let digits = self.extension.bytes().all(|b| b.is_ascii_digit());
        if !digits || !(2..=10).contains(&self.extension.len()) {
            problems.add("extension", "invalid");
        }
        check_levels(problems, "skills", self.skills.iter().map(|s| s.level));
        let capacity = [self.capacity.voice, self.capacity.chat, self.capacity.email, self.capacity.task];
        check_record(problems, "record", self.record);
        if capacity.iter().any(|c| *c > 100) {
            problems.add("capacity", "out_of_range");
        }
    }

    async fn check_stored(&self, app: &App, tenant: TenantId) -> ApiResult<()> {
        match app.store().user(Scope::Tenant(tenant), self.user).await {
            Ok(_) => Ok(()),
            Err(store::Error::NotFound { .. }) => Err(ApiError::field("user", "not_found")),
            Err(e) => Err(e.into()),
        }
    }
}

fn check_record(problems: &mut Problems, path: &str, rule: Option<RecordRule>) {
    let Some(rule) = rule else { return };
    if let RecordMode::Sample { percent } = rule.mode {
        problems.range(&format!("{path}.percent"), percent, 0..=100);
    }
    check_notice(problems, &format!("{path}.notice"), rule.notice);
}

fn check_mailbox(problems: &mut Problems, path: &str, rules: Option<&MailboxFields>) {
    let Some(rules) = rules else { return };
    problems.range(&format!("{path}.max_ms"), rules.max_ms, 5_000..=600_000);
    problems.range(&format!("{path}.least_ms"), rules.least_ms, 0..=30_000);
    problems.range(&format!("{path}.keep_days"), rules.keep_days.unwrap_or(1), 1..=36_500);
}

fn check_spend(problems: &mut Problems, rules: &SpendFields) {
    /// Of any limit, in minor units: beyond what any company spends, far from overflowing a sum.
    const MOST: u64 = 1_000_000_000_000;
    if rules.currency.len() != 3 || !rules.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        problems.add("outbound.spend.currency", "invalid");
    }
    problems.range("outbound.spend.alarm_percent", rules.alarm_percent, 1..=100);
    for (i, price) in rules.prices.iter().enumerate() {
        if price.class == CallClass::Emergency {
            problems.add(format!("outbound.spend.prices[{i}].class"), "invalid");
        }
        if rules.prices[..i].iter().any(|other| other.class == price.class) {
            problems.add(format!("outbound.spend.prices[{i}].class"), "duplicate");
        }
        problems.range(&format!("outbound.spend.prices[{i}].per_minute"), price.per_minute, 0..=1_000_000);
        problems.range(&format!("outbound.spend.prices[{i}].connection"), price.connection, 0..=1_000_000);
    }
    for (name, limit) in [("day", rules.day), ("month", rules.month), ("agent_day", rules.agent_day)] {
        problems.range(&format!("outbound.spend.{name}"), limit.unwrap_or(0), 0..=MOST);
    }
}

fn check_notice(problems: &mut Problems, path: &str, notice: Option<Notice>) {
    if let Some(Notice::Beep { every_s }) = notice {
        problems.range(&format!("{path}.every_s"), every_s, 5..=120);
    }
}

fn check_levels(problems: &mut Problems, path: &str, levels: impl Iterator<Item = u8>) {
    for (i, level) in levels.enumerate() {
        problems.range(&format!("{path}[{i}].level"), level, 1..=10);
    }
}

impl Resource for QueueFields {
    type Item = QueueConfig;
    resource_consts!(QueueId, "Queue", "queue", "queues", "/queues", QueueManage);

    fn from_item(item: QueueConfig, _: &Known) -> Self {
        item.into()
    }

    fn into_item(self, id: QueueId, _: Option<&QueueConfig>) -> QueueConfig {
        self.into_config(id)
    }

    fn check(&self, problems: &mut Problems) {
        problems.localized("name", &self.name);
        if self.media.is_empty() {
            problems.add("media", "required");
        }
        let hour = 3_600_000;
        problems.range("priority", self.priority, 0..=100);
        problems.range("priority_boost_ms", self.priority_boost_ms, 0..=hour);
        problems.range("ring_timeout_ms", self.ring_timeout_ms, 1_000..=120_000);
        problems.range("wrap_up.limit_ms", self.wrap_up.limit_ms, 0..=hour);
        problems.range("service_level_ms", self.service_level_ms, 0..=hour);
        problems.range("short_abandon_ms", self.short_abandon_ms, 0..=hour);
        problems.range("comfort_every_ms", self.comfort_every_ms, 1_000..=hour);
        problems.range("max_waiting", self.max_waiting, 0..=100_000);
        problems.range("members", self.members.len(), 0..=10_000);
        check_record(problems, "record", self.record);
        check_mailbox(problems, "voicemail", self.voicemail.as_ref());
        check_levels(problems, "required_skills", self.required_skills.iter().map(|s| s.level));
        let mut seen = std::collections::HashSet::new();
        for (i, member) in self.members.iter().enumerate() {
            problems.range(&format!("members[{i}].priority"), member.priority, 1..=99);
            if !seen.insert(member.agent) {
                problems.add(format!("members[{i}].agent"), "duplicate");
            }
        }
        if let Some(overflow) = &self.overflow {
            problems.range("overflow.after_ms", overflow.after_ms, 1_000..=24 * hour);
        }
    }
}

impl Resource for CalendarFields {
    type Item = Calendar;
    resource_consts!(CalendarId, "Calendar", "calendar", "calendars", "/calendars", CalendarManage);

    fn from_item(item: Calendar, _: &Known) -> Self {
        item.into()
    }

    fn into_item(self, id: CalendarId, _: Option<&Calendar>) -> Calendar {
        self.into_config(id)
    }

    fn check(&self, problems: &mut Problems) {
        problems.localized("name", &self.name);
        problems.time_zone("time_zone", &self.time_zone);
        problems.range("weekly", self.weekly.len(), 0..=100);
        problems.range("holidays", self.holidays.len(), 0..=1_000);
        for (i, w) in self.weekly.iter().enumerate() {
            problems.range(&format!("weekly[{i}].weekday"), w.weekday, 1..=7);
            if w.to_minute > 1_440 || w.from_minute >= w.to_minute {
                problems.add(format!("weekly[{i}]"), "out_of_range");
            }
        }
        for (i, h) in self.holidays.iter().enumerate() {
            if h.hours.len() > 20 || h.hours.iter().any(|d| d.to_minute > 1_440 || d.from_minute >= d.to_minute) {
                problems.add(format!("holidays[{i}].hours"), "out_of_range");
            }
        }
        // Dates and overlaps: the domain's own rules.
        if self.clone().into_config(CalendarId(0)).validate().is_err() {
            problems.add("holidays", "invalid");
        }
    }
}

impl Resource for NumberFields {
    type Item = NumberConfig;
    resource_consts!(NumberId, "Number", "number", "numbers", "/numbers", NumberManage);

    fn from_item(item: NumberConfig, _: &Known) -> Self {
        item.into()
    }

    fn into_item(self, id: NumberId, _: Option<&NumberConfig>) -> NumberConfig {
        self.into_config(id)
    }

    fn check(&self, problems: &mut Problems) {
        problems.localized("name", &self.name);
        let digits = self.number.strip_prefix('+').unwrap_or(&self.number);
        if !digits.bytes().all(|b| b.is_ascii_digit()) || !(2..=20).contains(&digits.len()) {
            problems.add("number", "invalid");
        }
        check_record(problems, "record", self.record);
    }
}

impl Resource for RouteFields {
    type Item = RouteConfig;
    resource_consts!(RouteId, "Route", "route", "routes", "/routes", NumberManage);

    fn from_item(r: RouteConfig, _: &Known) -> Self {
        let RouteConfig { id: _, name, prefixes, trunks, format, class, caller } = r;
        Self { name, prefixes, trunks, format, class, caller }
    }

    fn into_item(self, id: RouteId, _: Option<&RouteConfig>) -> RouteConfig {
        let Self { name, prefixes, trunks, format, class, caller } = self;
        RouteConfig { id, name, prefixes, trunks, format, class, caller }
    }

    fn check(&self, problems: &mut Problems) {
        problems.text("name", &self.name, 100);
        problems.range("prefixes", self.prefixes.len(), 1..=200);
        problems.range("trunks", self.trunks.len(), 1..=20);
        for (i, t) in self.trunks.iter().enumerate() {
            problems.range(&format!("trunks[{i}].priority"), t.priority, 1..=99);
            problems.range(&format!("trunks[{i}].weight"), t.weight, 1..=1_000);
            if self.trunks[..i].iter().any(|other| other.trunk == t.trunk) {
                problems.add(format!("trunks[{i}].trunk"), "duplicate");
            }
        }
        if self.class == Some(CallClass::Emergency) {
            problems.add("class", "invalid");
        }
        for (i, prefix) in self.prefixes.iter().enumerate() {
            let digits = prefix.strip_prefix('+').unwrap_or(prefix);
            if digits.len() > 15 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                problems.add(format!("prefixes[{i}]"), "invalid");
            }
        }
    }
}

async fn get_tenant(State(app): State<App>, caller: Caller) -> ApiResult<Json<TenantView>> {
    reader(&caller)?;
    tenant_view(&app, caller.tenant).await.map(Json)
}

async fn patch_tenant(
    State(app): State<App>,
    caller: Caller,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Response> {
    writer(&caller, Action::QueueManage)?;
    let known = app.known(caller.tenant).await?;
    let present = &known.settings;
    let fields = TenantFields {
        name: present.name.clone(),
        time_zone: present.time_zone.clone(),
        lang: present.lang.into(),
        region: present.region.clone(),
        music: present.music,
        monitoring_shown: present.monitoring_shown,
        browser_codecs: present.browser_codecs.clone(),
        outbound: Some(present.outbound.clone().into()),
        recording: present.recording.clone().into(),
        voicemail: present.voicemail.clone().into(),
        mask_numbers: present.mask_numbers,
    };
    let fields: TenantFields = patched(&fields, change)?;
    let mut problems = Problems::default();
    problems.text("name", &fields.name, 100);
    problems.time_zone("time_zone", &fields.time_zone);
    if fields.region.as_ref().is_some_and(|r| r.len() != 2 || !r.bytes().all(|b| b.is_ascii_uppercase())) {
        problems.add("region", "invalid");
    }
    problems.codecs("browser_codecs", &fields.browser_codecs);
    if let Some(o) = &fields.outbound {
        if domain::outbound::OutboundRules::from(o.clone()) != present.outbound {
            // The rules against toll fraud belong to whoever looks after numbers and trunks.
            caller.require(Action::NumberManage, &caller.tenant_resource())?;
        }
        problems.range("outbound.concurrent", o.concurrent, 0..=10_000);
        problems.range("outbound.per_minute", o.per_minute, 0..=10_000);
        check_spend(&mut problems, &o.spend);
    }
    check_record(&mut problems, "recording.rule", fields.recording.rule);
    check_notice(&mut problems, "recording.notice", Some(fields.recording.notice));
    problems.range("recording.mask_s", fields.recording.mask_s, 5..=900);
    problems.range("recording.keep_days", fields.recording.keep_days.unwrap_or(1), 1..=36_500);
    check_mailbox(&mut problems, "voicemail", Some(&fields.voicemail));
    if fields.mask_numbers != present.mask_numbers {
        // Nobody shows himself what is hidden from him.
        caller.require(Action::ContactReveal, &caller.tenant_resource())?;
    }
    problems.into_result()?;
    let mut tx = app.admin(&caller, "").await?;
    let settings = Settings {
        tenant: caller.tenant,
        name: fields.name,
        time_zone: fields.time_zone,
        lang: fields.lang.into(),
        sip_domain: present.sip_domain.clone(),
        region: fields.region,
        music: fields.music,
        monitoring_shown: fields.monitoring_shown,
        browser_codecs: fields.browser_codecs,
        outbound: fields.outbound.map_or_else(Default::default, Into::into),
        recording: fields.recording.into(),
        voicemail: fields.voicemail.into(),
        mask_numbers: fields.mask_numbers,
    };
    tx.put(settings, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(Json(tenant_view(&app, caller.tenant).await?), rev))
}

async fn tenant_view(app: &App, tenant: TenantId) -> ApiResult<TenantView> {
    let known = app.known(tenant).await?;
    let (config, settings) = (&known.config, &known.settings);
    let sample = store::query::InteractionFilter { sample: store::query::Sample::Only, ..Default::default() };
    let one = store::PageRequest { cursor: None, limit: 1 };
    let sample = app.store().interactions(Scope::Tenant(tenant), &sample, &one).await?;
    Ok(TenantView {
        id: tenant.to_string(),
        name: settings.name.clone(),
        time_zone: settings.time_zone.clone(),
        lang: settings.lang.into(),
        region: settings.region.clone(),
        music: settings.music.map(|m| m.to_string()),
        monitoring_shown: settings.monitoring_shown,
        browser_codecs: settings.browser_codecs.clone(),
        outbound: settings.outbound.clone().into(),
        recording: settings.recording.clone().into(),
        voicemail: settings.voicemail.clone().into(),
        mask_numbers: settings.mask_numbers,
        sip_domain: settings.sip_domain.clone(),
        entitlements: Entitlements {
            seats: config.entitlements.seats,
            concurrent_calls: config.entitlements.concurrent_calls,
            retention_days: config.entitlements.retention_days,
        },
        revision: config.rev,
        has_sample_history: !sample.items.is_empty(),
    })
}

async fn list_revisions(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<ConfigRevision>>> {
    let page = app.store().revisions(reader(&caller)?, &query.page()?).await?;
    let items = page
        .items
        .into_iter()
        .map(|r| ConfigRevision {
            number: r.number,
            at: r.published_at.unwrap_or(r.created_at).0,
            state: r.state,
            author: r.user_id,
            author_name: Some(r.author),
            reason: r.reason,
            changes: r.changes,
        })
        .collect();
    Ok(Json(Page { items, next_cursor: page.next }))
}

async fn list_audit(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<AuditEntry>>> {
    caller.require(Action::AuditView, &caller.tenant_resource())?;
    let page = app.store().audit(Scope::Tenant(caller.tenant), &query.page()?).await?;
    let items = page
        .items
        .into_iter()
        .map(|a| AuditEntry {
            id: a.seq.to_string(),
            at: a.at.0,
            actor: a.user_id,
            actor_name: Some(a.author),
            action: a.action,
            resource: a.object_id,
            revision: a.rev,
            detail: a.detail,
        })
        .collect();
    Ok(Json(Page { items, next_cursor: page.next }))
}
