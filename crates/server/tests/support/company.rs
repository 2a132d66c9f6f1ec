//! The sample company through the API, as a script of the operator would see it.
use std::time::Duration;

use serde_json::{Value, json};

use super::http::Http;
use super::ledger::Figures;
use super::server::Server;
use super::{SOON, wait_for};

pub struct Company {
    pub api: Http,
}

pub fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

/// Now in Unix milliseconds.
pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    now.as_millis() as i64
}

impl Company {
    pub fn of(server: &Server) -> Company {
        Company { api: server.api() }
    }

    pub fn get(&self, path: &str) -> Value {
        self.api.get(&format!("/api/v1/{path}"))
    }

    pub fn post(&self, path: &str, body: Value) -> Value {
        self.api.post(&format!("/api/v1/{path}"), body)
    }

    pub fn put(&self, path: &str, body: Value) -> Value {
        self.api.put(&format!("/api/v1/{path}"), body)
    }

    pub fn patch(&self, path: &str, body: Value) -> Value {
        self.api.patch(&format!("/api/v1/{path}"), body)
    }

    fn items(&self, path: &str) -> Vec<Value> {
        let mut items = self.get(&format!("{path}?limit=200"));
        items["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    fn named(&self, path: &str, name: &str) -> Value {
        let found = self.items(path).into_iter().find(|v| v["name"]["en"] == name || v["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} among the {path}"))
    }

    /// Id of the queue with this English name.
    pub fn queue(&self, name: &str) -> String {
        id(&self.named("queues", name))
    }

    pub fn agent(&self, name: &str) -> String {
        id(&self.named("agents", name))
    }

    pub fn disposition(&self, name: &str) -> String {
        id(&self.named("dispositions", name))
    }

    pub fn number(&self, digits: &str) -> Value {
        self.items("numbers").into_iter().find(|n| n["number"] == digits).expect("a number of the sample company")
    }

    /// The published menu as data.
    pub fn flow(&self) -> Value {
        self.items("flows").into_iter().next().expect("the sample flow")
    }

    pub fn calendar(&self) -> String {
        id(&self.items("calendars").into_iter().next().expect("the sample calendar"))
    }

    /// A SIP account for this agent.
    pub fn sip_device(&self, agent: &str, user: &str, secret: &str) -> String {
        let kind = json!({"kind": "sip", "user": user});
        let made = self.post("devices", json!({"name": user, "agent": agent, "kind": kind, "secret": secret}));
        assert_eq!(made["secret"], secret, "a given secret is kept");
        id(&made)
    }

    pub fn uri_device(&self, agent: &str, uri: &str) -> String {
        let kind = json!({"kind": "uri", "uri": uri});
        id(&self.post("devices", json!({"name": uri, "agent": agent, "kind": kind})))
    }

    /// On duty by API, and available; waits until the board says so.
    pub fn on_duty(&self, agent: &str, device: &str) {
        self.takes_duty(agent, device);
        self.wait_agent(agent, "idle", |a| a["device_ready"] == true && a["presence"]["state"] == "available");
    }

    /// The same for one who may have his hands full already.
    pub fn takes_duty(&self, agent: &str, device: &str) {
        self.put(&format!("agents/{agent}/duty"), json!({"device": device}));
        if self.board_agent(agent)["presence"]["state"] != "available" {
            self.command(agent, json!({"command": "set_presence", "presence": {"state": "available"}}));
        }
    }

    pub fn command(&self, agent: &str, command: Value) -> Value {
        self.post(&format!("agents/{agent}/commands"), json!({"command": command}))
    }

    pub fn live(&self) -> Value {
        self.get("live")
    }

    pub fn board_agent(&self, agent: &str) -> Value {
        let live = self.live();
        let found = live["agents"].as_array().and_then(|a| a.iter().find(|a| a["id"] == agent)).cloned();
        found.unwrap_or(Value::Null)
    }

    pub fn board_queue(&self, queue: &str) -> Value {
        let live = self.live();
        let found = live["queues"].as_array().and_then(|a| a.iter().find(|a| a["id"] == queue)).cloned();
        found.unwrap_or(Value::Null)
    }

    /// Waits until the agent does this (and that).
    #[track_caller]
    pub fn wait_agent(&self, agent: &str, occupancy: &str, also: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = try_for(SOON, || {
            last = self.board_agent(agent);
            (last["occupancy"] == occupancy && also(&last)).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("waited in vain for {agent} to be {occupancy}; last seen {last}"))
    }

    #[track_caller]
    pub fn wait_waiting(&self, queue: &str, waiting: u64) {
        wait_for(&format!("{waiting} waiting in the queue"), SOON, || {
            (self.board_queue(queue)["waiting"] == waiting).then_some(())
        });
    }

    /// The live segment of an agent in this state, and its interaction.
    #[track_caller]
    pub fn wait_segment(&self, agent: &str, state: &str) -> (String, String) {
        wait_for(&format!("a segment of {agent} in state {state}"), SOON, || {
            let live = self.live();
            live["interactions"].as_array()?.iter().find_map(|i| {
                let s = i["segments"].as_array()?.iter().find(|s| s["agent"] == agent && s["state"] == state)?;
                Some((s["segment"].as_str()?.to_owned(), i["id"].as_str()?.to_owned()))
            })
        })
    }

    /// Disposition, then the end of the wrap-up.
    pub fn wrap_up(&self, agent: &str, segment: &str, disposition: &str) {
        let disposition = self.disposition(disposition);
        let set =
            json!({"command": "set_disposition", "segment": segment, "disposition": disposition, "note": "checked"});
        self.command(agent, set);
        self.command(agent, json!({"command": "end_wrap_up", "segment": segment}));
    }

    /// Not of the seeded history, oldest first.
    pub fn interactions(&self) -> Vec<Value> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("interactions?sample=false&limit=200{cursor}"));
            found.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        found.sort_by_key(|i| i["started_at"].as_i64());
        found
    }

    pub fn interaction(&self, id: &str) -> Value {
        self.get(&format!("interactions/{id}"))
    }

    /// Waits until this many are listed and all have ended; oldest first.
    #[track_caller]
    pub fn wait_ended(&self, count: usize, limit: Duration) -> Vec<Value> {
        let mut last = Vec::new();
        let found = try_for(limit, || {
            last = self.interactions();
            assert!(last.len() <= count, "{} interactions instead of {count}", last.len());
            (last.len() == count && last.iter().all(|i| i["ended_at"].is_i64())).then(|| last.clone())
        });
        found.unwrap_or_else(|| {
            let open = last.iter().filter(|i| !i["ended_at"].is_i64()).count();
            panic!("waited in vain for {count} interactions to end: {} listed, {open} open: {last:#?}", last.len())
        })
    }

    /// The interaction once ended and, if it has recordings, once they are stored.
    #[track_caller]
    pub fn wait_detail(&self, interaction: &str) -> Value {
        let mut last = Value::Null;
        let found = try_for(SOON, || {
            last = self.interaction(interaction);
            let stored = last["recordings"].as_array()?.iter().all(|r| r["stored"] == true);
            (last["summary"]["ended_at"].is_i64() && stored).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("waited in vain for the end of the interaction; last seen {last:#}"))
    }

    pub fn recording(&self, id: &str) -> Vec<u8> {
        self.api.bytes(&format!("/api/v1/recordings/{id}"))
    }

    /// The queue's sums since long ago (seeded history included: compare by difference).
    pub fn figures(&self, queue: &str) -> Figures {
        let (from, to) = (now_ms() - 86_400_000, now_ms() + 86_400_000);
        let report = self.get(&format!("reports/queues?queue={queue}&from={from}&to={to}&interval=all&time=event"));
        let mut sums = Figures::default();
        for row in report["rows"].as_array().into_iter().flatten() {
            assert_eq!(row["queue"]["id"], queue, "only the queue asked for");
            let f = &row["figures"];
            let n = |name: &str| f[name].as_i64().unwrap_or_else(|| panic!("no {name} in {f}"));
            sums.offered += n("offered");
            sums.answered += n("answered");
            sums.abandoned += n("abandoned");
            sums.handled += n("handled");
            sums.wait_ms += n("wait_ms") as f64;
            sums.abandon_wait_ms += n("abandon_wait_ms") as f64;
            sums.talk_ms += n("talk_ms") as f64;
            sums.hold_ms += n("hold_ms") as f64;
        }
        sums
    }

    /// What the queue's row gained since `before`, once it shows as many offered and handled as `expected`.
    #[track_caller]
    pub fn wait_figures(&self, queue: &str, before: &Figures, expected: &Figures) -> Figures {
        let mut last = Figures::default();
        let found = try_for(SOON, || {
            last = self.figures(queue).minus(before);
            let there = last.offered >= expected.offered
                && last.handled >= expected.handled
                && last.abandoned >= expected.abandoned;
            there.then_some(last)
        });
        found.unwrap_or_else(|| panic!("waited in vain for the report; last {last:?} instead of {expected:?}"))
    }
}

/// Like [`wait_for`], but the caller says what is wrong.
pub fn try_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = std::time::Instant::now() + limit;
    loop {
        let found = probe();
        if found.is_some() || std::time::Instant::now() >= deadline {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
