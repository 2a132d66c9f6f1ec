//! The company whose telephones are simulated: its configuration and the directory that telephony is given.
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use domain::config::{
    AgentConfig, DeviceConfig, DeviceKind, EntryPoint, Membership, QueueConfig, Strategy, TenantConfig, TrunkConfig,
    WrapUp, WrapUpMode,
};
use domain::directory::{DeviceEntry, DeviceEntryKind, Directory, NumberEntry, SipAccount, TrunkEntry};
use domain::id::{AgentId, DeviceId, PromptId, QueueId, SkillId, TrunkId, UserId};
use domain::leg::ClipRef;
use domain::localized::Lang;
use domain::medium::{Medium, PerMedium};
use domain::recording::{Notice, RecordMode, RecordRule};
use sip::digest::Ha1;

use crate::company;
use crate::exchange::disk::Disk;
use crate::exchange::register::{DOMAIN, PASSWORD};
use crate::exchange::voice;

/// Prompts that have a sound; the others are missing, which calls must survive.
const PROMPTS: std::ops::RangeInclusive<u128> = 1..=15;

/// The sample company of six with its devices where the simulated phones are.
pub(crate) fn small() -> Arc<TenantConfig> {
    let mut config = (*company::config()).clone();
    config.trunks.insert(CARRIER, carrier());
    let uris = config.devices.values_mut().filter_map(|d| match &mut d.kind {
        DeviceKind::Uri { uri } => Some((d.id, uri)),
        DeviceKind::Browser | DeviceKind::Sip { .. } => None,
    });
    for (device, uri) in uris {
        *uri = format!("sip:agent{}@10.1.0.{}:5060", device.0, device.0);
    }
    recording_rules(&mut config);
    Arc::new(config)
}

/// The trunk by which somebody outside is called. Behind it is the phone of nobody.
pub(crate) const CARRIER: TrunkId = TrunkId(1);
pub(crate) const OUTSIDE: DeviceId = DeviceId(9);

fn carrier() -> TrunkConfig {
    TrunkConfig {
        id: CARRIER,
        name: "carrier".to_owned(),
        addresses: Vec::new(),
        region: None,
        host: Some(format!("10.1.0.{}", OUTSIDE.0)),
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

/// Every kind of rule has its agent; the others are recorded for one queue by sample, else always, and hear of it.
fn recording_rules(config: &mut TenantConfig) {
    let rules = [(3, RecordMode::Sample { percent: 50 }), (5, RecordMode::OnDemand), (6, RecordMode::Forbidden)];
    for (agent, mode) in rules {
        if let Some(agent) = config.agents.get_mut(&AgentId(agent)) {
            agent.record = Some(RecordRule { mode, notice: None });
        }
    }
    if let Some(queue) = config.queues.get_mut(&QueueId(2)) {
        let notice = Some(Notice::Announcement { prompt: PromptId(7) });
        queue.record = Some(RecordRule { mode: RecordMode::Sample { percent: 70 }, notice });
    }
    config.recording.mask_s = 8;
}

/// A floor of so many agents with SIP telephones in two queues, every fourth of them in both.
pub(crate) fn large(agents: usize) -> Arc<TenantConfig> {
    let mut config = (*small()).clone();
    let ids = || (1..=agents as u128).map(AgentId);
    config.entitlements.seats = agents as u32;
    config.entitlements.concurrent_calls = 3 * agents as u32;
    config.agents = ids().map(|a| (a, agent(a))).collect();
    config.devices = ids().map(|a| (DeviceId(a.0), device(a))).collect();
    config.numbers.retain(|_, n| !matches!(n.entry, EntryPoint::Device { .. }));
    let template = config.queues.values().next().cloned();
    let queues = template.into_iter().flat_map(|q| [(QueueId(1), 0), (QueueId(2), 1)].map(|at| (at, q.clone())));
    let queues: BTreeMap<QueueId, QueueConfig> = queues
        .map(|((id, half), q)| {
            let members = ids().filter(|a| a.0 % 4 == 0 || a.0 % 2 == half);
            let queue = QueueConfig {
                id,
                media: vec![Medium::Voice],
                members: members.map(|agent| Membership { agent, priority: 1 }).collect(),
                required_skills: BTreeMap::new(),
                strategy: Strategy::LongestIdle,
                away_after_missed: true,
                wrap_up: WrapUp { mode: WrapUpMode::Optional, limit: Duration::from_secs(60) },
                max_waiting: agents as u32,
                overflow: None,
                ..q
            };
            (id, queue)
        })
        .collect();
    config.queues = queues;
    Arc::new(config)
}

fn agent(id: AgentId) -> AgentConfig {
    AgentConfig {
        id,
        user: UserId(id.0),
        name: format!("agent {}", id.0),
        extension: format!("{}", 8000 + id.0),
        team: None,
        skills: BTreeMap::from([(SkillId(1), 5)]),
        capacity: PerMedium { voice: 1, chat: 0, email: 0, task: 0 },
        record: None,
        active: true,
    }
}

fn device(agent: AgentId) -> DeviceConfig {
    let kind = DeviceKind::Sip { user: format!("phone{}", agent.0) };
    DeviceConfig {
        id: DeviceId(agent.0),
        name: format!("device {}", agent.0),
        agent: Some(agent),
        kind,
        srtp: Default::default(),
        codecs: Vec::new(),
    }
}

/// What the engine pushes to telephony: built from the configuration and the stored registrations.
pub(crate) fn directory(config: &TenantConfig, disk: &Disk, accounts: &Accounts) -> Arc<Directory> {
    let tenant = config.tenant;
    let mut directory = Directory { default_tenant: Some(tenant), ..Directory::default() };
    directory.domains.insert(DOMAIN.to_owned(), tenant);
    for number in config.numbers.values() {
        let entry = NumberEntry { number: number.id, sample: number.sample };
        directory.numbers.insert((tenant, number.number.clone()), entry);
    }
    for device in config.devices.values() {
        let kind = match &device.kind {
            DeviceKind::Browser => DeviceEntryKind::Browser,
            DeviceKind::Uri { uri } => DeviceEntryKind::Uri { uri: uri.clone() },
            DeviceKind::Sip { user } => {
                if let Some(account) = accounts.0.get(&device.id) {
                    directory.accounts.insert((user.clone(), DOMAIN.to_owned()), account.clone());
                }
                let bindings = disk.bindings.get(&device.id).cloned().unwrap_or_default();
                DeviceEntryKind::Sip { user: user.clone(), realm: DOMAIN.to_owned(), bindings }
            }
        };
        directory.devices.insert(device.id, DeviceEntry { tenant, kind, srtp: Default::default(), codecs: Vec::new() });
    }
    let addresses = (1..=4).map(|n| IpAddr::V4(Ipv4Addr::new(10, 2, 0, n))).collect();
    directory.trunks.push(TrunkEntry {
        trunk: CARRIER,
        tenant,
        addresses,
        region: Some("CN".to_owned()),
        host: config.trunks.get(&CARRIER).and_then(|t| t.host.clone()),
        transport: Default::default(),
        check_certificate: true,
        identity: Default::default(),
        srtp: Default::default(),
        codecs: Vec::new(),
        account: None,
        check: Default::default(),
        active: true,
    });
    for prompt in PROMPTS {
        for lang in [Lang::Zh, Lang::En] {
            directory.clips.insert(ClipRef { prompt: domain::id::PromptId(prompt), lang }, voice::clip(prompt));
        }
    }
    Arc::new(directory)
}

/// The SIP accounts of devices; their hashes are made once.
pub(crate) struct Accounts(BTreeMap<DeviceId, SipAccount>);

impl Accounts {
    pub(crate) fn new(config: &TenantConfig) -> Accounts {
        let hex = |bytes: Option<&[u8]>| bytes.unwrap_or_default().iter().map(|b| format!("{b:02x}")).collect();
        let of = config.devices.values().filter_map(|d| match &d.kind {
            DeviceKind::Sip { user } => {
                let ha1 = Ha1::from_password(user, DOMAIN, PASSWORD);
                let ha1_md5 = hex(ha1.md5.as_ref().map(|b| &b[..]));
                let ha1_sha256 = hex(ha1.sha256.as_ref().map(|b| &b[..]));
                Some((d.id, SipAccount { tenant: config.tenant, device: d.id, ha1_md5, ha1_sha256 }))
            }
            DeviceKind::Browser | DeviceKind::Uri { .. } => None,
        });
        Accounts(of.collect())
    }
}
