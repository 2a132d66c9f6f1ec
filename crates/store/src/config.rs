//! Configuration objects: what every class is called, ordered by, unique by and refers to; and the compilers that turn
//! published rows into a [`TenantConfig`] for the floor and a [`Directory`] for telephony.
//!
//! Bodies are the domain's own values as JSON. They are written by [`crate::admin::AdminTx`] only.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::calendar::Calendar;
use domain::config::{
    AgentConfig, Destination, DeviceConfig, DeviceKind, EntryPoint, NumberConfig, QueueConfig, Team, TenantConfig,
    TrunkConfig,
};
use domain::directory::{
    DeviceEntry, DeviceEntryKind, Directory, NumberEntry, Password, SipAccount, TrunkEntry, TrunkLogin,
};
use domain::flow::{Flow, Step};
use domain::id::{
    AgentId, BlobId, BreakReasonId, CalendarId, DeviceId, DispositionId, FlowId, NumberId, PromptId, QueueId, RouteId,
    SkillId, TeamId, TenantId, TrunkId,
};
use domain::leg::{ClipRef, Codec};
use domain::localized::{Lang, Localized};
use domain::mailbox::MailboxRules;
use domain::outbound::{OutboundRules, RouteConfig};
use domain::recording::{RecordRule, RecordingRules};
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::admin::TRUNK_PASSWORD;
use crate::db::{Row, sql};
use crate::error::{Error, Result};
use crate::query::{HostScope, Scope};

/// The classes of configuration objects; the names are stable (table, audit, API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Settings,
    Agent,
    Team,
    Skill,
    Queue,
    Calendar,
    Flow,
    Number,
    Device,
    Disposition,
    BreakReason,
    Prompt,
    Trunk,
    Route,
}
crate::value::names!(Class);

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Settings => "settings",
            Class::Agent => "agent",
            Class::Team => "team",
            Class::Skill => "skill",
            Class::Queue => "queue",
            Class::Calendar => "calendar",
            Class::Flow => "flow",
            Class::Number => "number",
            Class::Device => "device",
            Class::Disposition => "disposition",
            Class::BreakReason => "break_reason",
            Class::Prompt => "prompt",
            Class::Trunk => "trunk",
            Class::Route => "route",
        }
    }
}

/// A configuration object.
pub trait ConfigItem: Serialize + DeserializeOwned + Clone + Send + Sync {
    const CLASS: Class;
    type Id: std::fmt::Display + Copy + Send;
    fn id(&self) -> Self::Id;
    /// Orders lists.
    fn name(&self) -> String;
    /// Unique within tenant and class: number, extension.
    fn natural_key(&self) -> Option<String> {
        None
    }
    /// Other objects of the tenant this one needs.
    fn references(&self) -> Vec<(Class, String)> {
        Vec::new()
    }
    /// Values the store decides, such as a flow's next version.
    fn prepare(&mut self, _previous: Option<&Self>) {}
}

/// The tenant's own settings; one object, with the tenant's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub tenant: TenantId,
    pub name: String,
    pub time_zone: String,
    pub lang: Lang,
    /// Lower case; realm of the devices' secrets.
    pub sip_domain: String,
    /// ISO 3166, for national numbers.
    pub region: Option<String>,
    pub music: Option<PromptId>,
    /// Agents see that a supervisor listens.
    #[serde(default)]
    pub monitoring_shown: bool,
    /// What browsers speak, the best first; none named: G.711.
    #[serde(default)]
    pub browser_codecs: Vec<Codec>,
    /// Rules of calls to the outside.
    #[serde(default)]
    pub outbound: OutboundRules,
    /// Which conversations are recorded, and how long recordings are kept.
    #[serde(default)]
    pub recording: RecordingRules,
    /// How messages are taken.
    #[serde(default)]
    pub voicemail: MailboxRules,
    /// Customers' numbers are shown in part to whoever may not see them, and on phones.
    #[serde(default)]
    pub mask_numbers: bool,
}

/// An id and a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named<I> {
    pub id: I,
    pub name: Localized,
}
pub type SkillConfig = Named<SkillId>;
pub type DispositionConfig = Named<DispositionId>;
pub type BreakReasonConfig = Named<BreakReasonId>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptConfig {
    pub id: PromptId,
    pub name: Localized,
    /// WAV per language; see [`crate::blob`].
    pub audio: BTreeMap<Lang, BlobId>,
    /// Who made it, and under which licence it may be used.
    pub source: String,
    pub licence: String,
}

/// The Chinese name first: it sorts lists where both exist; both are searched.
fn name_of(name: &Localized) -> String {
    match (&name.zh, &name.en) {
        (Some(zh), Some(en)) if zh != en => format!("{zh} / {en}"),
        (Some(one), _) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    }
}

fn refs<T: ToString>(class: Class, ids: impl IntoIterator<Item = T>) -> impl Iterator<Item = (Class, String)> {
    ids.into_iter().map(move |id| (class, id.to_string()))
}

fn destination_refs(to: &Destination) -> Vec<(Class, String)> {
    match to {
        Destination::Queue { queue } => refs(Class::Queue, [queue]).collect(),
        Destination::Flow { flow } => refs(Class::Flow, [flow]).collect(),
        Destination::Voicemail { greeting: prompt } | Destination::HangUp { prompt } => {
            refs(Class::Prompt, prompt).collect()
        }
    }
}

/// The announcement of a rule.
fn record_refs(rule: Option<RecordRule>) -> impl Iterator<Item = (Class, String)> {
    refs(Class::Prompt, rule.and_then(|r| r.prompt()))
}

impl ConfigItem for Settings {
    const CLASS: Class = Class::Settings;
    type Id = TenantId;
    fn id(&self) -> TenantId {
        self.tenant
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn references(&self) -> Vec<(Class, String)> {
        refs(Class::Prompt, self.music)
            .chain(refs(Class::Number, self.outbound.caller))
            .chain(refs(Class::Prompt, self.recording.notice.prompt()))
            .chain(record_refs(self.recording.rule))
            .chain(refs(Class::Prompt, self.voicemail.greeting))
            .collect()
    }
}

impl ConfigItem for AgentConfig {
    const CLASS: Class = Class::Agent;
    type Id = AgentId;
    fn id(&self) -> AgentId {
        self.id
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn natural_key(&self) -> Option<String> {
        (!self.extension.is_empty()).then(|| self.extension.clone())
    }
    fn references(&self) -> Vec<(Class, String)> {
        refs(Class::Team, self.team)
            .chain(refs(Class::Skill, self.skills.keys()))
            .chain(record_refs(self.record))
            .collect()
    }
}

impl ConfigItem for Team {
    const CLASS: Class = Class::Team;
    type Id = TeamId;
    fn id(&self) -> TeamId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
    fn references(&self) -> Vec<(Class, String)> {
        refs(Class::Queue, &self.queues).collect()
    }
}

impl ConfigItem for QueueConfig {
    const CLASS: Class = Class::Queue;
    type Id = QueueId;
    fn id(&self) -> QueueId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
    fn references(&self) -> Vec<(Class, String)> {
        let mut all: Vec<_> = refs(Class::Agent, self.members.iter().map(|m| m.agent))
            .chain(refs(Class::Skill, self.required_skills.keys()))
            .chain(refs(Class::Disposition, &self.dispositions))
            .chain(refs(Class::Calendar, self.calendar))
            .chain(refs(Class::Prompt, [self.welcome, self.music, self.comfort].into_iter().flatten()))
            .chain(destination_refs(&self.closed))
            .chain(record_refs(self.record))
            .chain(refs(Class::Prompt, self.voicemail.as_ref().and_then(|v| v.greeting)))
            .collect();
        if let Some(overflow) = &self.overflow {
            all.extend(destination_refs(&overflow.to));
        }
        all
    }
}

impl ConfigItem for Calendar {
    const CLASS: Class = Class::Calendar;
    type Id = CalendarId;
    fn id(&self) -> CalendarId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
}

impl ConfigItem for Flow {
    const CLASS: Class = Class::Flow;
    type Id = FlowId;
    fn id(&self) -> FlowId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
    fn references(&self) -> Vec<(Class, String)> {
        self.steps
            .values()
            .flat_map(|step| -> Vec<(Class, String)> {
                match step {
                    Step::Play { prompts, .. } | Step::Collect { prompts, .. } => {
                        refs(Class::Prompt, prompts).collect()
                    }
                    Step::Menu { prompts, invalid, .. } => {
                        refs(Class::Prompt, prompts).chain(refs(Class::Prompt, invalid)).collect()
                    }
                    Step::Hours { calendar, .. } => refs(Class::Calendar, [calendar]).collect(),
                    Step::Set { .. } => Vec::new(),
                    Step::Queue { queue, .. } => refs(Class::Queue, [queue]).collect(),
                    Step::Transfer { flow } => refs(Class::Flow, [flow]).collect(),
                    Step::Voicemail { greeting, queue, .. } => {
                        refs(Class::Prompt, greeting).chain(refs(Class::Queue, queue)).collect()
                    }
                    Step::HangUp { prompt } => refs(Class::Prompt, prompt).collect(),
                }
            })
            .collect()
    }
    fn prepare(&mut self, previous: Option<&Self>) {
        self.version = previous.map_or(1, |p| p.version + 1);
    }
}

impl ConfigItem for NumberConfig {
    const CLASS: Class = Class::Number;
    type Id = NumberId;
    fn id(&self) -> NumberId {
        self.id
    }
    fn name(&self) -> String {
        self.number.clone()
    }
    fn natural_key(&self) -> Option<String> {
        Some(self.number.clone())
    }
    fn references(&self) -> Vec<(Class, String)> {
        let mut all: Vec<_> = match &self.entry {
            EntryPoint::Flow { flow } => refs(Class::Flow, [flow]).collect(),
            EntryPoint::Queue { queue } => refs(Class::Queue, [queue]).collect(),
            EntryPoint::Device { device } => refs(Class::Device, [device]).collect(),
            EntryPoint::Echo => Vec::new(),
        };
        all.extend(record_refs(self.record));
        all
    }
}

impl ConfigItem for DeviceConfig {
    const CLASS: Class = Class::Device;
    type Id = DeviceId;
    fn id(&self) -> DeviceId {
        self.id
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn natural_key(&self) -> Option<String> {
        match &self.kind {
            DeviceKind::Sip { user } => Some(user.clone()),
            DeviceKind::Browser | DeviceKind::Uri { .. } => None,
        }
    }
    fn references(&self) -> Vec<(Class, String)> {
        refs(Class::Agent, self.agent).collect()
    }
}

impl ConfigItem for SkillConfig {
    const CLASS: Class = Class::Skill;
    type Id = SkillId;
    fn id(&self) -> SkillId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
}

impl ConfigItem for DispositionConfig {
    const CLASS: Class = Class::Disposition;
    type Id = DispositionId;
    fn id(&self) -> DispositionId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
}

impl ConfigItem for BreakReasonConfig {
    const CLASS: Class = Class::BreakReason;
    type Id = BreakReasonId;
    fn id(&self) -> BreakReasonId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
}

impl ConfigItem for PromptConfig {
    const CLASS: Class = Class::Prompt;
    type Id = PromptId;
    fn id(&self) -> PromptId {
        self.id
    }
    fn name(&self) -> String {
        name_of(&self.name)
    }
}

impl ConfigItem for TrunkConfig {
    const CLASS: Class = Class::Trunk;
    type Id = TrunkId;
    fn id(&self) -> TrunkId {
        self.id
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn references(&self) -> Vec<(Class, String)> {
        refs(Class::Number, self.caller).collect()
    }
}

impl ConfigItem for RouteConfig {
    const CLASS: Class = Class::Route;
    type Id = RouteId;
    fn id(&self) -> RouteId {
        self.id
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn references(&self) -> Vec<(Class, String)> {
        refs(Class::Trunk, self.trunks.iter().map(|t| t.trunk)).chain(refs(Class::Number, self.caller)).collect()
    }
}

/// A stored configuration object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item<T> {
    pub value: T,
    /// Of the revision that wrote it; pass it back to update without losing somebody else's change.
    pub rev: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

pub(crate) const ITEM_COLUMNS: &str = "body, rev, created_at, updated_at, name, id";

pub(crate) fn read_item<T: ConfigItem>(row: &Row) -> Result<Item<T>> {
    Ok(Item {
        value: decode(&row.get::<String>("body")?)?,
        rev: row.get("rev")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

pub(crate) fn decode<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|e| Error::corrupt("configuration object", e))
}

fn keyed<T: ConfigItem, K: Ord>(body: &str, key: impl Fn(&T) -> K, into: &mut BTreeMap<K, T>) -> Result<()> {
    let value: T = decode(body)?;
    into.insert(key(&value), value);
    Ok(())
}

impl Store {
    /// Compiles the published configuration of a tenant. One statement, so always one revision.
    pub async fn load_config(&self, tenant: TenantId) -> Result<TenantConfig> {
        let rows = sql("SELECT t.name, t.published_rev, t.entitlements, i.class, i.body FROM tenants t \
                        LEFT JOIN config_items i ON i.tenant_id = t.id AND i.deleted_at IS NULL WHERE t.id = $1")
        .bind(tenant)
        .all(&mut self.db.read().await?)
        .await?;
        let first = rows.first().ok_or(Error::NotFound { what: "tenant" })?;
        let mut config = TenantConfig {
            tenant,
            rev: first.get("published_rev")?,
            name: first.get("name")?,
            time_zone: "UTC".to_owned(),
            lang: Lang::En,
            entitlements: first.get("entitlements")?,
            agents: BTreeMap::new(),
            teams: BTreeMap::new(),
            skills: BTreeMap::new(),
            queues: BTreeMap::new(),
            calendars: BTreeMap::new(),
            flows: BTreeMap::new(),
            numbers: BTreeMap::new(),
            devices: BTreeMap::new(),
            dispositions: BTreeMap::new(),
            break_reasons: BTreeMap::new(),
            music: None,
            monitoring_shown: false,
            region: None,
            trunks: BTreeMap::new(),
            routes: BTreeMap::new(),
            outbound: OutboundRules::default(),
            recording: RecordingRules::default(),
            voicemail: MailboxRules::default(),
            mask_numbers: false,
        };
        for row in &rows {
            let (Some(class), Some(body)) = (row.get::<Option<Class>>("class")?, row.get::<Option<String>>("body")?)
            else {
                continue;
            };
            match class {
                Class::Settings => {
                    let s: Settings = decode(&body)?;
                    (config.name, config.time_zone, config.lang, config.music) = (s.name, s.time_zone, s.lang, s.music);
                    config.monitoring_shown = s.monitoring_shown;
                    (config.region, config.outbound, config.recording) = (s.region, s.outbound, s.recording);
                    (config.voicemail, config.mask_numbers) = (s.voicemail, s.mask_numbers);
                }
                Class::Agent => keyed(&body, |v: &AgentConfig| v.id, &mut config.agents)?,
                Class::Team => keyed(&body, |v: &Team| v.id, &mut config.teams)?,
                Class::Queue => keyed(&body, |v: &QueueConfig| v.id, &mut config.queues)?,
                Class::Calendar => keyed(&body, |v: &Calendar| v.id, &mut config.calendars)?,
                Class::Number => keyed(&body, |v: &NumberConfig| v.id, &mut config.numbers)?,
                Class::Device => keyed(&body, |v: &DeviceConfig| v.id, &mut config.devices)?,
                Class::Flow => {
                    let flow: Flow = decode(&body)?;
                    config.flows.insert(flow.id, Arc::new(flow));
                }
                Class::Skill => {
                    let s: SkillConfig = decode(&body)?;
                    config.skills.insert(s.id, s.name);
                }
                Class::Disposition => {
                    let d: DispositionConfig = decode(&body)?;
                    config.dispositions.insert(d.id, d.name);
                }
                Class::BreakReason => {
                    let b: BreakReasonConfig = decode(&body)?;
                    config.break_reasons.insert(b.id, b.name);
                }
                Class::Trunk => keyed(&body, |v: &TrunkConfig| v.id, &mut config.trunks)?,
                Class::Route => keyed(&body, |v: &RouteConfig| v.id, &mut config.routes)?,
                Class::Prompt => {}
            }
        }
        Ok(config)
    }

    /// A version of a flow, for interactions pinned to it.
    pub async fn load_flow(&self, tenant: TenantId, flow: FlowId, version: u32) -> Result<Flow> {
        let row = sql("SELECT body FROM flow_versions WHERE tenant_id = $1 AND flow_id = $2 AND version = $3")
            .bind(tenant)
            .bind(flow)
            .bind(version)
            .one(&mut self.db.read().await?, "flow version")
            .await?;
        decode(&row.get::<String>("body")?)
    }

    /// Everything telephony needs of all tenants, HA1s unsealed. `clips` is left empty: see [`Store::prompt_audio`].
    pub async fn load_directory(&self, _host: HostScope) -> Result<Directory> {
        let mut conn = self.db.read().await?;
        let mut directory = Directory::default();
        for row in sql("SELECT id, is_default FROM tenants WHERE suspended_at IS NULL").all(&mut conn).await? {
            if row.get("is_default")? {
                directory.default_tenant = Some(row.get("id")?);
            }
        }
        let items = sql("SELECT tenant_id, class, body FROM config_items WHERE deleted_at IS NULL \
                         AND class IN ('settings', 'number', 'device', 'trunk') \
                         AND tenant_id IN (SELECT id FROM tenants WHERE suspended_at IS NULL)")
        .all(&mut conn)
        .await?;
        let secrets =
            sql("SELECT tenant_id, device_id, sip_user, realm, sealed_ha1 FROM device_secrets").all(&mut conn).await?;
        let passwords = sql("SELECT tenant_id, trunk_id, sealed_password FROM trunk_secrets").all(&mut conn).await?;
        let bindings = sql("SELECT device_id, bindings FROM sip_bindings").all(&mut conn).await?;
        drop(conn);

        let mut realms: HashMap<DeviceId, String> = HashMap::new();
        for row in &secrets {
            let (tenant, device): (TenantId, DeviceId) = (row.get("tenant_id")?, row.get("device_id")?);
            let (user, realm): (String, String) = (row.get("sip_user")?, row.get("realm")?);
            let ha1 = crate::admin::Ha1::unseal(&self.keys, tenant, device, &row.get::<Vec<u8>>("sealed_ha1")?).await?;
            realms.insert(device, realm.clone());
            directory
                .accounts
                .insert((user, realm), SipAccount { tenant, device, ha1_md5: ha1.md5, ha1_sha256: ha1.sha256 });
        }
        let mut trunk_passwords: HashMap<TrunkId, Password> = HashMap::new();
        for row in &passwords {
            let (tenant, trunk): (TenantId, TrunkId) = (row.get("tenant_id")?, row.get("trunk_id")?);
            let sealed: Vec<u8> = row.get("sealed_password")?;
            let plain = self.keys.open_sealed(tenant, TRUNK_PASSWORD, &trunk.to_string(), &sealed).await?;
            let plain = String::from_utf8(plain).map_err(|e| Error::corrupt("trunk password", e))?;
            trunk_passwords.insert(trunk, Password(plain));
        }
        let mut bound = HashMap::new();
        for row in &bindings {
            let text: String = row.get("bindings")?;
            bound.insert(row.get::<DeviceId>("device_id")?, decode(&text)?);
        }
        for row in &items {
            let (tenant, class): (TenantId, Class) = (row.get("tenant_id")?, row.get("class")?);
            let body: String = row.get("body")?;
            match class {
                Class::Settings => {
                    let s: Settings = decode(&body)?;
                    directory.domains.insert(s.sip_domain.to_lowercase(), tenant);
                    directory.browser_codecs.insert(tenant, s.browser_codecs);
                }
                Class::Number => {
                    let n: NumberConfig = decode(&body)?;
                    directory.numbers.insert((tenant, n.number), NumberEntry { number: n.id, sample: n.sample });
                }
                Class::Device => {
                    let d: DeviceConfig = decode(&body)?;
                    let kind = match d.kind {
                        DeviceKind::Browser => DeviceEntryKind::Browser,
                        DeviceKind::Uri { uri } => DeviceEntryKind::Uri { uri },
                        DeviceKind::Sip { user } => DeviceEntryKind::Sip {
                            user,
                            realm: realms.remove(&d.id).unwrap_or_default(),
                            bindings: bound.remove(&d.id).unwrap_or_default(),
                        },
                    };
                    directory.devices.insert(d.id, DeviceEntry { tenant, kind, srtp: d.srtp, codecs: d.codecs });
                }
                Class::Trunk => {
                    let t: TrunkConfig = decode(&body)?;
                    let password = trunk_passwords.remove(&t.id);
                    directory.trunks.push(TrunkEntry {
                        trunk: t.id,
                        tenant,
                        addresses: t.addresses,
                        region: t.region,
                        host: t.host,
                        transport: t.transport,
                        check_certificate: t.check_certificate,
                        srtp: t.srtp,
                        codecs: t.codecs,
                        account: t.account.zip(password).map(|(account, password)| TrunkLogin { account, password }),
                        check: Duration::from_secs(t.check_s.into()),
                        identity: t.identity,
                        active: t.active,
                    });
                }
                _ => {}
            }
        }
        Ok(directory)
    }

    /// Where the sound of every prompt is; decode the WAV blobs into `Directory::clips`.
    pub async fn prompt_audio(&self, scope: Scope) -> Result<Vec<(TenantId, ClipRef, BlobId)>> {
        let mut query = sql("SELECT tenant_id, body FROM config_items WHERE class = 'prompt' AND deleted_at IS NULL");
        scope.filter(&mut query);
        let mut all = Vec::new();
        for row in query.all(&mut self.db.read().await?).await? {
            let prompt: PromptConfig = decode(&row.get::<String>("body")?)?;
            let tenant = row.get("tenant_id")?;
            all.extend(
                prompt.audio.iter().map(|(lang, blob)| (tenant, ClipRef { prompt: prompt.id, lang: *lang }, *blob)),
            );
        }
        Ok(all)
    }
}
