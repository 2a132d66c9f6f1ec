//! The company that takes the load, made through the REST interface: agents with SIP devices, one queue, a number that
//! leads through a flow into it.
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::http::Http;
use crate::phones::Phones;
use crate::sip::digest::Account;

/// What the queue is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub agents: usize,
    pub record: bool,
}

/// Agents on duty, and whom to call to reach them.
#[derive(Debug, Clone)]
pub struct Company {
    pub number: String,
    pub queue: String,
    pub agents: Vec<String>,
}

/// A password for every SIP device of ours.
const SECRET: &str = "load-device-secret";

fn id(value: &Value) -> Result<String> {
    value["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {value}"))
}

/// Makes queue, flow, number and agents; registers the agents' devices by `phones`; puts everyone on duty and waits until
/// all are free.
pub fn open(api: &Http, phones: &mut Phones, plan: Plan) -> Result<Company> {
    let mark = unique();
    let agents = make_agents(api, &mark, plan.agents)?;
    let rows: Vec<Value> = agents
        .iter()
        .enumerate()
        .map(|(n, agent)| {
            json!({"name": format!("Load {mark} {n}"), "agent": agent, "secret": SECRET,
                   "kind": {"kind": "sip", "user": user(&mark, n)}})
        })
        .collect();
    let devices = make_devices(api, &rows)?;
    let members: Vec<Value> = agents.iter().map(|agent| json!({"agent": agent})).collect();
    let queue = id(&post(
        api,
        "queues",
        json!({
            "name": both(&format!("Load {mark}")), "members": members, "wrap_up": {"mode": "none"},
            "max_waiting": 5_000, "record": plan.record, "away_after_missed": false,
        }),
    )?)?;
    let flow = id(&post(
        api,
        "flows",
        json!({"name": both(&format!("Load {mark}")), "start": "queue",
               "steps": {"queue": {"step": "queue", "queue": queue, "priority": 0}}}),
    )?)?;
    let number = format!("4{}", unique_digits());
    post(
        api,
        "numbers",
        json!({"number": number, "name": both("Load"), "lang": "zh-CN", "sample": true, "web": true,
               "entry": {"entry": "flow", "flow": flow}}),
    )?;

    let accounts: Vec<Account> = (0..agents.len()).map(|n| account(&mark, n)).collect();
    phones.register_all(&accounts)?;
    side_by_side(agents.len(), |n| {
        api.put(&format!("/api/v1/agents/{}/duty", agents[n]), &json!({"device": devices[n]})).map(drop)
    })?;
    let places: HashMap<&str, usize> = agents.iter().enumerate().map(|(n, agent)| (agent.as_str(), n)).collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut asked = vec![false; agents.len()];
    loop {
        let live = api.get("/api/v1/live")?;
        let (mut ready, mut to_ask) = (0, Vec::new());
        for row in live["agents"].as_array().into_iter().flatten() {
            let Some(at) = row["id"].as_str().and_then(|id| places.get(id)).copied() else { continue };
            let is_available = row["presence"]["state"] == "available";
            if is_available && row["device_ready"] == true {
                ready += 1;
            } else if !is_available && !std::mem::replace(&mut asked[at], true) {
                to_ask.push(at);
            }
        }
        let command = json!({"command": {"command": "set_presence", "presence": {"state": "available"}}});
        side_by_side(to_ask.len(), |n| {
            api.post(&format!("/api/v1/agents/{}/commands", agents[to_ask[n]]), &command).map(drop)
        })?;
        if ready == agents.len() {
            return Ok(Company { number, queue, agents });
        }
        if Instant::now() > deadline {
            bail!("only {ready} of {} agents are ready", agents.len());
        }
        phones.run_for(Duration::from_millis(100))?;
    }
}

impl Company {
    /// Recording on or off from the next call.
    pub fn record(&self, api: &Http, record: bool) -> Result<()> {
        api.patch(&format!("/api/v1/queues/{}", self.queue), &json!({"record": record})).map(|_| ())
    }
}

/// SIP accounts that belong to no agent.
pub fn phones_without_agents(api: &Http, count: usize) -> Result<Vec<Account>> {
    let mark = unique();
    let rows: Vec<Value> = (0..count)
        .map(|n| {
            json!({"name": format!("Load {mark} {n}"), "secret": SECRET,
                   "kind": {"kind": "sip", "user": user(&mark, n)}})
        })
        .collect();
    make_devices(api, &rows)?;
    Ok((0..count).map(|n| account(&mark, n)).collect())
}

fn user(mark: &str, n: usize) -> String {
    format!("l{mark}{n}")
}

fn account(mark: &str, n: usize) -> Account {
    Account { user: user(mark, n), secret: SECRET.to_owned() }
}

fn make_agents(api: &Http, mark: &str, count: usize) -> Result<Vec<String>> {
    let digits = unique_digits();
    let make = |n: usize| {
        let name = format!("Load {mark} {n}");
        let user = id(&post(api, "users", json!({"name": name, "email": format!("l{mark}{n}@load.test")}))?)?;
        let extension = format!("{}{n:04}", &digits[3..8]);
        let fields = json!({"name": name, "user": user, "extension": extension, "capacity": {"voice": 1}});
        id(&post(api, "agents", fields)?)
    };
    side_by_side(count, make)
}

/// Requests under way at the same time: enough that the server never waits for us.
const AT_A_TIME: usize = 16;

/// `work(0)` to `work(count - 1)`, several at a time; their results in this order, or the first error.
fn side_by_side<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let (next, work) = (&AtomicUsize::new(0), &work);
    let one = || {
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return anyhow::Ok(done);
            }
            // The others find nothing more to do.
            done.push((n, work(n).inspect_err(|_| next.store(count, Ordering::Relaxed))?));
        }
    };
    let mut all = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME.min(count)).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a thread of ours panicked"))??);
        }
        anyhow::Ok(())
    })?;
    all.sort_by_key(|(n, _)| *n);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

/// At most 1,000 in one request.
fn make_devices(api: &Http, rows: &[Value]) -> Result<Vec<String>> {
    let mut devices = Vec::with_capacity(rows.len());
    for rows in rows.chunks(1_000) {
        let made = post(api, "devices/bulk", json!({ "devices": rows }))?;
        if made["failed"] != 0 {
            bail!("devices were refused: {made}");
        }
        for row in made["rows"].as_array().into_iter().flatten() {
            devices.push(id(&row["device"])?);
        }
    }
    Ok(devices)
}

fn post(api: &Http, path: &str, body: Value) -> Result<Value> {
    api.post(&format!("/api/v1/{path}"), &body)
}

fn both(name: &str) -> Value {
    json!({"zh-CN": name, "en": name})
}

/// Eight digits unlike those of an earlier run on the same server.
fn unique_digits() -> String {
    use std::time::{SystemTime, UNIX_EPOCH};
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    format!("{:08}", ms % 100_000_000)
}

fn unique() -> String {
    let digits: u64 = unique_digits().parse().unwrap_or(0);
    format!("{digits:x}x")
}
