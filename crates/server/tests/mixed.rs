//! Calls of all kinds at once on real sockets: served, abandoned, refused, handed from one to the next by every command a
//! desk has, in any state and order, calls to the outside, devices that refuse. In the end nothing is left: no leg, port,
//! transaction or dialog, no agent who is busy with nobody, no interaction without an end.
//!
//! Longer by the environment (`cargo xtask mixed`): MIXED_CALLS, MIXED_SEED.
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use load::phones::{Answering, Offer};
use serde_json::{Value, json};

use support::SOON;
use support::company::{Company, id};
use support::random::{Random, setting};
use support::server::Server;
use support::traffic::Traffic;
use support::wait_for;

const AGENTS: usize = 24;
/// Calls a second, of all kinds together.
const RATE: f64 = 8.0;

/// What people at desks do, by its weight: mostly what makes sense, sometimes what does not.
const DEEDS: [(&str, u64); 15] = [
    ("hold", 8),
    ("resume", 10),
    ("transfer", 10),
    ("consult", 14),
    ("switch_party", 5),
    ("complete_transfer", 8),
    ("conference", 8),
    ("end_consult", 4),
    ("park", 6),
    ("pick_up", 8),
    ("hang_up", 6),
    ("mute", 3),
    ("mask", 3),
    ("dial", 4),
    ("end_wrap_up", 12),
];

/// Everybody at the desks, acting on what the live board shows.
struct Office<'a> {
    company: Company,
    agents: &'a [String],
    queue: &'a str,
    random: Random,
    /// How often each was done, and refused because things had changed or it made no sense.
    done: BTreeMap<&'static str, (u64, u64)>,
}

impl Office<'_> {
    fn agent(&mut self) -> String {
        self.agents[self.random.below(self.agents.len() as u64) as usize].clone()
    }

    fn target(&mut self) -> Value {
        match self.random.below(10) {
            0..5 => json!({"to": "agent", "agent": self.agent()}),
            5..8 => json!({"to": "queue", "queue": self.queue}),
            8 => json!({"to": "outside", "number": "010-8888-6666"}),
            _ => json!({"to": "voicemail", "greeting": null}),
        }
    }

    fn deed(&mut self) -> &'static str {
        let mut at = self.random.below(DEEDS.iter().map(|(_, weight)| weight).sum());
        for (name, weight) in DEEDS {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return name,
            }
        }
        "resume"
    }

    /// One look at the board, and a deed for about a third of those who are at something.
    fn round(&mut self) {
        let live = self.company.live();
        for interaction in live["interactions"].as_array().into_iter().flatten() {
            for segment in interaction["segments"].as_array().into_iter().flatten() {
                if self.random.below(3) == 0 {
                    self.act(interaction, segment);
                }
            }
        }
    }

    fn act(&mut self, interaction: &Value, segment: &Value) {
        let deed = self.deed();
        if self.random.below(100) == 0 {
            return self.end(interaction);
        }
        let own = segment["agent"].as_str().map(str::to_owned);
        let agent = match deed {
            "pick_up" | "dial" => self.agent(),
            _ => match own {
                Some(agent) => agent,
                None => return,
            },
        };
        let segment = &segment["segment"];
        let command = match deed {
            "transfer" | "consult" => json!({"command": deed, "segment": segment, "to": self.target()}),
            "pick_up" => json!({"command": deed, "interaction": interaction["id"]}),
            "dial" => json!({"command": deed, "number": "010-8888-6666"}),
            "mute" => json!({"command": deed, "segment": segment, "muted": self.random.below(2) == 0}),
            _ => json!({"command": deed, "segment": segment}),
        };
        self.order(deed, &agent, command);
    }

    fn order(&mut self, deed: &'static str, agent: &str, command: Value) {
        let path = format!("/api/v1/agents/{agent}/commands");
        let (status, body) = self.company.api.status("POST", &path, Some(json!({"command": command})));
        assert!((200..500).contains(&status), "{status} for {command}: {body}");
        let count = self.done.entry(deed).or_default();
        match status {
            200..300 => count.0 += 1,
            _ => count.1 += 1,
        }
    }

    fn end(&mut self, interaction: &Value) {
        let command = json!({"command": {"command": "end_interaction", "interaction": interaction["id"]}});
        let (status, body) = self.company.api.status("POST", "/api/v1/supervision", Some(command));
        assert!((200..500).contains(&status), "{status} at an end: {body}");
    }

    /// The shift is over: everybody takes leave of whom he still has.
    fn close(&mut self) -> bool {
        let live = self.company.live();
        let interactions = live["interactions"].as_array().cloned().unwrap_or_default();
        for interaction in &interactions {
            for segment in interaction["segments"].as_array().into_iter().flatten() {
                let Some(agent) = segment["agent"].as_str() else { continue };
                for deed in ["end_consult", "hang_up", "end_wrap_up"] {
                    self.order(deed, agent, json!({"command": deed, "segment": segment["segment"]}));
                }
            }
            // Two outside with nobody between them, or one in a mailbox, and none of them hangs up.
            self.end(interaction);
        }
        interactions.is_empty()
    }
}

#[test]
fn calls_of_all_kinds_leave_nothing_behind() {
    let count = setting("MIXED_CALLS", 120) as usize;
    let seed = setting("MIXED_SEED", 20_261_130);
    println!("seed {seed}");
    let mut server = Server::start("mixed");
    let company = Company::of(&server);
    let mut traffic = Traffic::gather(&server, AGENTS);
    let carrier = company
        .post("trunks", json!({"name": "carrier", "host": traffic.phones.devices_at().to_string(), "check_s": 0}));
    company.post("routes", json!({"name": "out", "prefixes": ["+86"], "trunks": [id(&carrier)], "format": "national"}));
    let caller = id(&company.number("1000"));
    company.patch(
        "tenant",
        json!({"outbound": {"allowed": ["national"], "concurrent": 20, "per_minute": 1_000, "caller": caller, "record": true}}),
    );
    // A first call, so that what is made once is there.
    let warm = traffic.phones.offer(traffic.offer(1, 1.0, 300));
    traffic.finish(warm + 1);
    wait_quiet(&server, &company, None);
    let ports = server.media_ports_open();
    let entries = server.metric("cordboard_switch_entries");

    let number = traffic.company.number.clone();
    let wrap_up = json!({"wrap_up": {"mode": "optional", "limit_ms": 1_000}});
    company.patch(&format!("queues/{}", traffic.company.queue), wrap_up);
    let kind = |number: &str, share: f64, talk_ms: u64, patience_ms: u64| Offer {
        talk: Some(Duration::from_millis(talk_ms)),
        patience: Duration::from_millis(patience_ms),
        ..Offer::new(number, (count as f64 * share) as usize, RATE * share)
    };
    let kinds = [
        kind(&number, 0.30, 2_000, 20_000),
        kind(&number, 0.20, 5_000, 20_000),
        // Who gives up before, while or just after he is answered.
        kind(&number, 0.15, 300, 40),
        kind(&number, 0.10, 300, 400),
        kind("3000", 0.10, 300, 700),
        kind("2000", 0.10, 300, 1_500),
        kind("99999999", 0.05, 300, 2_000),
    ];
    let groups: Vec<usize> = kinds.map(|offer| traffic.phones.offer(offer)).into();
    let (agents, queue) = (traffic.company.agents.clone(), traffic.company.queue.clone());
    let random = Random::new(seed);
    let mut office =
        Office { company: Company::of(&server), agents: &agents, queue: &queue, random, done: BTreeMap::new() };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let office = &mut office;
        let over = &over;
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                office.round();
                std::thread::park_timeout(Duration::from_millis(150));
            }
        });
        let mut moods = Random::new(seed + 1);
        let limit = Duration::from_secs_f64(count as f64 / RATE + 70.0);
        let start = traffic.phones.elapsed();
        while groups.iter().any(|g| traffic.phones.unfinished(*g) > 0) {
            // Now and then all devices and the carrier refuse for a moment.
            traffic.phones.answering = if moods.below(12) == 0 { Answering::Refuse(486) } else { Answering::Accept };
            traffic.run_for(500);
            if traffic.phones.elapsed() - start > limit {
                over.store(true, Ordering::Relaxed);
                panic!("calls are stuck at the callers");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    traffic.phones.answering = Answering::Accept;
    let mut is_closed = false;
    for _ in 0..100 {
        is_closed = office.close();
        if is_closed {
            break;
        }
        traffic.run_for(200);
    }
    println!("{} calls; done and refused: {:?}", traffic.records().len(), office.done);
    assert!(is_closed, "stuck: {:#}", company.live()["interactions"]);
    let useful: Vec<&str> = office.done.iter().filter(|(_, (done, _))| *done > 0).map(|(deed, _)| *deed).collect();
    assert!(useful.len() >= 12, "few deeds were possible: {useful:?}");

    traffic.run_for(1_000);
    wait_quiet(&server, &company, Some(&mut traffic));
    assert_eq!(server.media_ports_open(), ports, "no port is held");
    assert_eq!(server.metric("cordboard_switch_entries"), entries, "no timer, bridge or recording is left");
    let all = company.interactions();
    assert!(all.iter().all(|i| i["ended_at"].is_i64()), "an interaction without an end");
    let answered = traffic.records().iter().filter(|r| r.answered.is_some()).count();
    assert!(all.len() >= answered, "{} interactions of {answered} answered calls", all.len());

    // Nor does anything come back.
    server.kill_and_restart();
    let company = Company::of(&server);
    traffic.back_on_duty(&server);
    wait_quiet(&server, &company, Some(&mut traffic));
    let served = traffic.phones.offer(traffic.offer(5, 5.0, 300));
    traffic.finish(served + 1);
    let summary = traffic.phones.ledger.summary(served);
    assert_eq!((summary.successes, summary.failed()), (5, 0), "{summary:?}");
}

/// Until no call, leg, dialog or transaction is left, and every agent is idle, available and reachable.
fn wait_quiet(server: &Server, company: &Company, mut traffic: Option<&mut Traffic>) {
    let mut last = String::new();
    let found = support::company::try_for(Duration::from_secs(60), || {
        if let Some(traffic) = traffic.as_deref_mut() {
            traffic.run_for(200);
        }
        let gauge = |name: &str| server.metric(&format!("cordboard_{name}")).unwrap_or(-1.0);
        let names = ["calls", "waiting", "legs", "sip_dialogs", "sip_transactions", "engine_backlog"];
        let gauges: Vec<(&str, f64)> = names.iter().map(|name| (*name, gauge(name))).collect();
        let live = company.live();
        let agents = live["agents"].as_array().cloned().unwrap_or_default();
        let is_idle = |a: &&Value| a["occupancy"] == "idle" && (a["signed_in"] == false || a["device_ready"] == true);
        let busy: Vec<&Value> = agents.iter().filter(|a| !is_idle(a)).collect();
        last = format!("{gauges:?}, {busy:#?}, {:#}", live["interactions"]);
        let is_quiet = gauges.iter().all(|(_, n)| *n <= 0.0) && busy.is_empty();
        (is_quiet && live["interactions"] == json!([])).then_some(())
    });
    assert!(found.is_some(), "not quiet: {last}");
    wait_for("the tables", SOON, || company.interactions().iter().all(|i| i["ended_at"].is_i64()).then_some(()));
}
