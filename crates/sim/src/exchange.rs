//! The whole exchange in one process and on one virtual clock: a node with the real floor, switch, SIP endpoint and
//! media plane; telephones that are SIP endpoints of their own; browsers; a network that loses, delays, doubles and
//! reorders; a disk that outlives crashes. One seed decides everything; [`Digest`] tells two runs apart.
//!
//! After every step the floor's own rules hold (R1–R3, R5–R7), no leg says anything after its end (S1), nobody hears
//! whom the floor has not let him hear, and who is put through hears the other (`talks`); from the journal follow R4,
//! R5, R9 and R10; at intervals and at the end come the costly comparisons: R8 (the journal alone gives the same floor),
//! that recordings hold the talk, each voice on its side (R10), and that both sides of the network hold nothing any more.
//! See [`Plan`] for what is simulated of the sound.
//!
//! ```
//! use sim::exchange::{Exchange, Level, Plan};
//!
//! let plan = Plan { interactions: 5, ..Plan::hectic(3, Level::Mild) };
//! let outcome = Exchange::play(&plan);
//! assert_eq!(outcome.violations, []);
//! assert_eq!(outcome.digest, Exchange::play(&plan).digest);
//! ```
mod agenda;
mod agents;
mod checks;
mod crash;
mod customers;
mod digest;
mod disk;
mod ears;
mod faults;
mod handovers;
mod ledger;
mod node;
mod office;
mod outside;
mod phones;
mod plan;
mod premises;
mod recorder;
mod register;
mod talks;
mod voice;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::config::{DeviceKind, TenantConfig};
use domain::floor::Floor;
use domain::id::{AgentId, DispositionId, InteractionId, SegmentId};
use domain::input::Input;

use crate::dice::Dice;
use agenda::{Agenda, Happening};
pub use digest::Digest;
use disk::Disk;
use ears::Ears;
use faults::Faults;
pub use faults::Level;
use ledger::Ledger;
use node::{Node, Start};
use outside::Outside;
pub use outside::{Counts, Violation};
use phones::{DeviceMap, Owner, Phone};
pub use plan::{Plan, Sabotage};
use premises::Accounts;
use register::Registration;
use switch::PeerRef;
use talks::Talks;
use voice::Law;

/// After the last call everything is over within this time.
const CLOSING_MAX: Duration = Duration::from_secs(1800);
/// Then late repeats are waited for (RFC 3261 §17: 64·T1), and phones that ring on although the node that called them
/// died (five minutes, and the repeats of their refusal).
const LINGER: Duration = Duration::from_secs(400);
const INSPECT_EVERY: Duration = Duration::from_secs(120);
/// The wall clock at the beginning: a Monday morning in Shanghai.
const START_MS: i64 = 1_789_956_000_000;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub digest: Digest,
    pub violations: Vec<Violation>,
    pub counts: Counts,
    /// Kinds of events that occurred, and how segments ended.
    pub kinds: BTreeSet<String>,
    /// Simulated.
    pub length: Duration,
    /// The last steps, if the plan wanted them.
    pub story: Vec<String>,
}

/// The state of a run.
pub struct Exchange {
    out: Outside,
    plan: Plan,
    people: Dice,
    config: Arc<TenantConfig>,
    devices: Arc<DeviceMap>,
    accounts: Accounts,
    node: Option<Node>,
    /// What the journal alone makes of the floor (R8), as far as people have seen it.
    replica: Option<Floor>,
    /// Batches when it was compared last.
    compared: u64,
    /// Agents' first, by device; then customers'.
    phones: Vec<Phone>,
    free_customers: VecDeque<usize>,
    stints: BTreeMap<SegmentId, (AgentId, Option<DispositionId>, InteractionId)>,
    /// Stints that have come to a conversation with the customer.
    talked: BTreeSet<SegmentId>,
    written: BTreeSet<InteractionId>,
    ledger: Ledger,
    closing: bool,
    /// Nothing new at all begins.
    resting: bool,
}

impl Exchange {
    /// Plays one run to its end, or to the first violation.
    pub fn play(plan: &Plan) -> Outcome {
        let mut exchange = Exchange::new(plan.clone());
        exchange.run();
        exchange.outcome()
    }

    pub fn new(plan: Plan) -> Exchange {
        let mut people = Dice::new(plan.seed);
        let faults = Faults::draw(plan.faults, &mut people);
        let config = if plan.agents == 0 { premises::small() } else { premises::large(plan.agents) };
        let tolerance = match plan.faults {
            Level::None => Duration::from_millis(300),
            Level::Mild | Level::Wild => Duration::from_secs(12),
        };
        // A dozing tick starts and ends recordings on time but sees packets late.
        let ledger = Ledger::new(config.clone(), tolerance + plan.pace);
        let out = Outside {
            now: Duration::ZERO,
            agenda: Agenda::default(),
            weather: Dice::new(plan.seed ^ 0x005e_ed0f_7e47),
            faults,
            disk: Disk::default(),
            digest: Digest::default(),
            counts: Counts::default(),
            ears: Ears::default(),
            talks: Talks::new(plan.pace, plan.ticks),
            seen: VecDeque::new(),
            violations: Vec::new(),
            cut: BTreeMap::new(),
            parted: false,
            desks: 0,
            thorough: plan.thorough,
            wall_ms: START_MS,
            dies_at: None,
            dying: false,
            story: VecDeque::new(),
            story_max: plan.story,
        };
        let accounts = Accounts::new(&config);
        let mut exchange = Exchange {
            out,
            plan,
            people,
            config: config.clone(),
            devices: Arc::default(),
            accounts,
            node: None,
            replica: None,
            compared: 0,
            phones: Vec::new(),
            free_customers: VecDeque::new(),
            stints: BTreeMap::new(),
            talked: BTreeSet::new(),
            written: BTreeSet::new(),
            ledger,
            closing: false,
            resting: false,
        };
        exchange.furnish(&config);
        exchange.start_node();
        exchange.begin();
        exchange
    }

    /// A telephone or a browser for each device. Devices are numbered from 1, so that phone n − 1 stands where the
    /// configuration's URIs say.
    fn furnish(&mut self, config: &TenantConfig) {
        let mut devices = DeviceMap::new();
        let last = config.devices.keys().next_back().map_or(0, |d| d.0 as usize);
        self.out.desks = last;
        let agents: Vec<AgentId> = config.agents.keys().copied().collect();
        for index in 0..last {
            let id = domain::id::DeviceId(index as u128 + 1);
            let device = config.devices.get(&id);
            let agent = device.and_then(|d| d.agent).and_then(|a| agents.iter().position(|b| *b == a));
            let kind = device.map(|d| d.kind.clone());
            let browser = kind == Some(DeviceKind::Browser);
            let law = if !browser && self.people.chance(self.out.faults.ulaw) { Law::Mu } else { Law::A };
            let mut phone = Phone::new(index, Owner::Desk { agent, device: id }, law, self.plan.seed, browser);
            if let Some(DeviceKind::Sip { user }) = kind {
                let expires = self.plan.registration.mul_f64(0.5 + self.people.part());
                phone.registration = Some(Registration::new(user, expires));
            }
            if device.is_some() {
                devices.insert(id, index);
            }
            self.phones.push(phone);
        }
        self.devices = Arc::new(devices);
    }

    fn begin(&mut self) {
        for phone in 0..self.phones.len() {
            let after = self.people.between(Duration::from_millis(200), Duration::from_secs(2));
            if self.phones[phone].registration.is_some() {
                self.out.plan(after, Happening::PhoneRegisters(phone));
            } else if self.phones[phone].is_browser() {
                self.out.plan(after, Happening::BrowserConnects(phone));
            }
        }
        for agent in self.config.clone().agents.keys() {
            let after = self.people.between(Duration::from_secs(1), Duration::from_secs(5));
            self.out.plan(after, Happening::Back(*agent));
            self.plan_whim(*agent);
        }
        self.out.plan(Duration::from_secs(3), Happening::Call);
        if self.plan.between_chats > Duration::ZERO {
            self.out.plan(Duration::from_secs(4), Happening::Chat);
        }
        self.out.plan(INSPECT_EVERY, Happening::Inspect);
        self.plan_troubles();
    }

    fn start(&self) -> Start {
        let doze = self.plan.pace.saturating_sub(Duration::from_millis(20));
        let Plan { seed, ticks, sabotage, .. } = self.plan;
        Start { seed, doze, ticks, sampled: 16, sabotage }
    }

    /// New work is let in.
    fn is_open(&self) -> bool {
        !self.closing
    }

    /// Plays to the end, or to the first violation.
    pub fn run(&mut self) {
        while self.out.violations.is_empty() {
            let enough = self.out.counts.interactions >= self.plan.interactions || self.out.now >= self.plan.length;
            if enough && !self.closing {
                break;
            }
            if !self.step() {
                return;
            }
        }
        self.close();
    }

    /// One happening with all it causes. False when nothing is to come, which never is.
    fn step(&mut self) -> bool {
        let Some((at, what)) = self.out.agenda.pop() else { return false };
        self.out.now = self.out.now.max(at);
        self.out.counts.steps += 1;
        self.happen(what);
        self.after_step();
        true
    }

    fn after_step(&mut self) {
        self.people_see();
        if self.out.dying {
            self.crash();
        }
        self.compare();
        if let Some(node) = &mut self.node
            && let Some(next) = node.next()
            && node.armed.is_none_or(|at| next < at)
        {
            node.armed = Some(next);
            self.out.agenda.plan(next.max(self.out.now), Happening::Node);
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Packet { from, to, bytes } => self.arrives(from, to, bytes.as_slice()),
            Happening::PeerPacket { device, generation, to_node, bytes } => {
                if to_node {
                    if let Some(node) = &mut self.node {
                        node.peer_packet(&mut self.out, PeerRef::Device { device, generation }, bytes.as_slice());
                    }
                } else if let Some(phone) = self.devices.get(&device).copied() {
                    self.hears(phone, bytes.as_slice());
                }
            }
            Happening::Refused(phone) => {
                self.phones[phone].refused(&mut self.out);
                self.phone_news(phone);
            }
            Happening::Node => {
                if let Some(node) = &mut self.node {
                    node.armed = node.armed.filter(|at| *at > self.out.now);
                    node.run(&mut self.out);
                }
            }
            Happening::PhoneTimer(phone) => {
                self.phones[phone].timer(&mut self.out);
                self.phone_news(phone);
            }
            Happening::PhoneRegisters(phone) => {
                if let Some(registration) = &mut self.phones[phone].registration
                    && !self.resting
                {
                    registration.run(&mut self.out, phone);
                }
            }
            Happening::Speak(phone, line) => self.speaks(phone, line),
            Happening::Call => self.call(),
            Happening::Chat => self.chat(),
            Happening::ChatOver(interaction) => self.tell_floor(Input::WorkDone { interaction }),
            Happening::GiveUp(..)
            | Happening::HangUp(..)
            | Happening::Press(..)
            | Happening::KeyUp(..)
            | Happening::PhoneRefers(..)
            | Happening::PhoneHolds(..) => self.at_the_phone(what),
            Happening::PickUp(phone, line) => self.pick_up(phone, line),
            Happening::Vanish(phone) => self.vanish(phone),
            Happening::Reappear(phone) => drop(self.out.cut.remove(&phone)),
            Happening::Partition => self.partition(),
            Happening::Heal => self.out.parted = false,
            Happening::BrowserConnects(phone) => self.browser_connects(phone),
            Happening::BrowserDrops => self.browser_drops(),
            Happening::React(..)
            | Happening::DeskHangUp(..)
            | Happening::DeskHold(..)
            | Happening::DeskResume(..)
            | Happening::DeskMute(..)
            | Happening::DeskMask(..)
            | Happening::DeskRecords(..)
            | Happening::WrapUpDone(..) => self.at_the_desk(what),
            Happening::DeskHandsOver(..)
            | Happening::DeskGoesOn(..)
            | Happening::DeskPicksUp(..)
            | Happening::SupervisorWatches(..)
            | Happening::SupervisorGoesOn(..) => self.between_desks(what),
            Happening::Back(agent) if !self.resting => self.back(agent),
            Happening::Back(_) => {}
            Happening::Whim(agent) => self.whim(agent),
            Happening::Crash => self.plan_death(),
            Happening::Restart => self.start_node(),
            Happening::ClockStep => self.clock_step(),
            Happening::Inspect => self.inspect(),
        }
    }

    /// What came of it.
    pub fn outcome(self) -> Outcome {
        Outcome {
            digest: self.out.digest,
            violations: self.out.violations,
            counts: self.out.counts,
            kinds: self.ledger.kinds,
            length: self.out.now,
            story: self.out.story.into(),
        }
    }

    /// What is known so far; for whoever catches a panic.
    pub fn so_far(&self) -> (Counts, Duration, Vec<String>) {
        (self.out.counts, self.out.now, self.out.story.iter().cloned().collect())
    }
}

/// Sessions so short that they are refreshed in mid-talk, whatever the network does meanwhile.
fn sip_config(secret: [u8; 32]) -> sip::Config {
    let mut config = sip::Config::new(secret);
    config.session_expires = Some(config.min_se);
    config
}
