//! Crashes and outages under load, against the generator's own ledger: the server killed at random moments, the database
//! stopped. Nothing is lost, doubled or stuck, and calls go on.
//!
//! Longer variants by the environment (`cargo xtask crash`): CORDBOARD_CRASH_KILLS, CORDBOARD_CRASH_SEED,
//! CORDBOARD_OUTAGE_SECONDS.
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use load::company::{self, Plan};
use load::ledger::Record;
use load::phones::{Offer, Phones};
use load::rtp::Speakers;
use serde_json::{Value, json};

use support::call::{CALLER_HZ, Caller};
use support::company::{Company, id, now_ms};
use support::peers::Calls;
use support::postgres::Postgres;
use support::server::Server;
use support::sound::stereo;
use support::verdict::{self, must};
use support::{SOON, wait_for};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// A small seeded generator: moments need variety, not quality.
struct Moments(u64);

impl Moments {
    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        from + (self.0 >> 33) % (to - from)
    }
}

/// Callers, agents' devices and their sound, all in this process.
struct Crowd {
    phones: Phones,
    _speakers: Speakers,
    company: company::Company,
    devices: Vec<(String, String)>,
}

impl Crowd {
    fn gather(server: &Server, agents: usize) -> Crowd {
        let mut phones = Phones::new(server.sip).expect("sockets");
        let speakers = Speakers::start().expect("sockets");
        phones.ports = speakers.ports.clone();
        phones.media = Some(speakers.news());
        let api = load::http::Http::new(server.http, Some(server.token()));
        let company = company::open(&api, &mut phones, Plan { agents, record: true }).expect("a company");
        let mut devices = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = api.get(&format!("/api/v1/devices?limit=200{cursor}")).expect("the devices");
            for device in page["items"].as_array().into_iter().flatten() {
                let agent = device["agent"].as_str().unwrap_or_default().to_owned();
                if company.agents.contains(&agent) {
                    devices.push((agent, id(device)));
                }
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(devices.len(), agents, "a device each");
        Crowd { phones, _speakers: speakers, company, devices }
    }

    fn offer(&self, count: usize, rate: f64, talk_ms: u64) -> Offer {
        Offer { talk: Some(Duration::from_millis(talk_ms)), ..Offer::new(&self.company.number, count, rate) }
    }

    /// After a restart API sessions take their presence again.
    fn back_on_duty(&self, server: &Server) {
        let company = Company::of(server);
        for (agent, device) in &self.devices {
            company.on_duty(agent, device);
        }
    }

    fn run_for(&mut self, ms: u64) {
        self.phones.run_for(Duration::from_millis(ms)).expect("sockets");
    }

    /// Until every call is over, for the callers.
    fn finish(&mut self, groups: usize) {
        let done = self.phones.run_until(Duration::from_secs(70), |p| (0..groups).all(|g| p.unfinished(g) == 0));
        assert!(done.expect("sockets"), "calls are stuck at the callers");
    }

    fn records(&self) -> &[Record] {
        &self.phones.ledger.records
    }

    fn unix_ms(&self, at: Duration) -> f64 {
        self.phones.ledger.started_unix_ms as f64 + at.as_secs_f64() * 1000.0
    }
}

/// A hang-up is answered before it is written: with the process killed in that moment the restart ended the call.
const UNWRITTEN_MS: f64 = 300.0;

/// Everything the server tells about the calls, held against the callers' ledger. `kills`: when it was killed, Unix ms.
fn equal(server: &Server, crowd: &Crowd, kills: &[f64]) {
    let company = Company::of(server);
    wait_for("all interactions to end", Duration::from_secs(60), || {
        (company.live()["interactions"] == json!([])).then_some(())
    });
    assert_eq!(company.board_queue(&crowd.company.queue)["waiting"], 0, "nobody stuck in the queue");
    let all = wait_for("the tables", SOON, || {
        let all = company.interactions();
        all.iter().all(|i| i["ended_at"].is_i64()).then_some(all)
    });
    let mut of_caller: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for interaction in &all {
        let shown = interaction["from"]["text"].as_str();
        let digits: String = shown.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let caller = digits.get(digits.len().saturating_sub(11)..).unwrap_or_default().to_owned();
        of_caller.entry(caller).or_default().push(interaction);
    }
    let (mut served, mut at_kill) = (0, 0);
    for record in crowd.records() {
        let found = of_caller.remove(&record.caller).unwrap_or_default();
        // A caller whose INVITE was on its way at a kill sends it again: then the first try is recorded as ended by the
        // restart, and the second is the call.
        let (by_restart, kept): (Vec<&Value>, Vec<&Value>) = found.iter().partition(|i| i["end"] == "system.restart");
        assert!(kept.len() <= 1, "doubled: {record:?} is {found:#?}");
        if record.answered.is_some() {
            assert!(!found.is_empty(), "lost: {record:?}");
        }
        if !record.is_success() {
            let ended = record.ended.map(|at| crowd.unix_ms(at));
            let near = |kill: &f64| crowd.unix_ms(record.invited) <= *kill && ended.is_none_or(|e| e >= *kill);
            assert!(kills.iter().any(near), "failed without a crash: {record:?} is {found:#?}");
        }
        let (Some(connected), Some(ended)) = (record.connected, record.ended) else { continue };
        let (connected, ended) = (crowd.unix_ms(connected), crowd.unix_ms(ended));
        let cut = kills.iter().copied().find(|kill| connected <= *kill && *kill <= ended + UNWRITTEN_MS);
        let (interaction, until) = match cut {
            None => {
                assert_eq!(kept.len(), 1, "lost: {record:?} is {found:#?}");
                assert_eq!(kept[0]["end"], "served", "{record:?} is {:#?}", kept[0]);
                served += 1;
                (kept[0], ended)
            }
            Some(kill) => {
                let Some(at) = by_restart.last().or(kept.first()) else { panic!("lost: {record:?} is {found:#?}") };
                at_kill += 1;
                (*at, kill.min(ended))
            }
        };
        // Heard and recorded but for the last 200 ms; and what the machine takes to be this busy.
        let detail = company.wait_detail(&id(interaction));
        let recording = &detail["recordings"][0];
        let spoken = until - connected;
        if cut.is_none() {
            let talk = interaction["talk_ms"].as_f64().expect("talk");
            assert!((talk - spoken).abs() < 1_500.0, "{talk} ms of talk instead of {spoken}: {record:?}");
        }
        if spoken > 500.0 && recording["stored"] == true {
            let (left, _) = stereo(&company.recording(&id(recording)));
            let listed: f64 = recording["gaps"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|g| Some(g["to_ms"].as_f64()? - g["from_ms"].as_f64()?))
                .sum();
            let length = left.len() as f64 / 8.0;
            assert!(
                length >= spoken - 200.0 - 300.0,
                "{length} ms recorded of {spoken}, {listed} ms listed: {record:?}"
            );
        } else {
            assert!(spoken <= 700.0, "no recording: {record:?} is {detail:#}");
        }
    }
    of_caller.remove(Calls::default().caller);
    let strange: Vec<_> = of_caller.keys().filter(|c| c.len() == 11 && c.starts_with('1')).collect();
    assert!(strange.is_empty(), "interactions that nobody had: {strange:?}");
    // The report counts what the list shows.
    let figures = wait_for("the report", SOON, || {
        let figures = company.figures(&crowd.company.queue);
        (figures.answered >= served).then_some(figures)
    });
    assert!(figures.answered <= served + at_kill + kills.len() as i64 * 50, "{figures:?} of {served} and {at_kill}");
    println!("{} calls, {served} served, {at_kill} up at a kill, {} kills", crowd.records().len(), kills.len());
}

fn killed(mut server: Server) {
    let kills = setting("CORDBOARD_CRASH_KILLS", 3);
    let seed = setting("CORDBOARD_CRASH_SEED", 20_261_122);
    println!("seed {seed}");
    let mut moments = Moments(seed);
    let mut crowd = Crowd::gather(&server, 8);
    let mut times = Vec::new();
    for kill in 0..kills as usize {
        let group = crowd.phones.offer(crowd.offer(10_000, 8.0, 900));
        assert_eq!(group, kill);
        crowd.run_for(moments.between(1_500, 4_000));
        crowd.phones.stop(group);
        times.push(now_ms() as f64);
        server.kill_and_restart();
        crowd.back_on_duty(&server);
        crowd.run_for(200);
    }
    let group = crowd.phones.offer(crowd.offer(10, 8.0, 900));
    crowd.finish(group + 1);
    equal(&server, &crowd, &times);
}

#[test]
fn killed_at_random_moments_under_load_the_records_equal_the_callers_ledger() {
    killed(Server::start("crash"));
}

#[test]
fn killed_at_random_moments_under_load_the_records_equal_the_callers_ledger_on_postgres() {
    let pg = Postgres::start("crash");
    killed(Server::start_with("crash-pg", Some(pg.url())));
}

fn http_text(server: &Server, path: &str) -> (u16, String) {
    support::http::Http::new(server.http, None).text(path)
}

/// Asks for readiness and for a list from a thread of its own: the answers may take long, and phones cannot wait.
struct Watcher {
    seen: Arc<Mutex<BTreeSet<(u16, String)>>>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    fn start(server: &Server) -> Watcher {
        let watcher = Watcher { seen: Arc::default(), stop: Arc::default() };
        for (path, token) in [("/readyz", None), ("/api/v1/interactions", Some(server.token()))] {
            let (seen, stop) = (watcher.seen.clone(), watcher.stop.clone());
            let http = support::http::Http::new(server.http, token);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let (status, body) = http.text(path);
                    // A list that is still read is long.
                    let said = if status == 200 && body.len() > 200 { String::new() } else { body };
                    seen.lock().expect("no panic in the watcher").insert((status, said));
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            });
        }
        watcher
    }

    fn seen(&self) -> Vec<(u16, String)> {
        self.seen.lock().expect("no panic in the watcher").iter().cloned().collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The database is `away` for a while and comes `back`: nobody on the phone notices.
fn outage(server: &Server, mut away: impl FnMut(), mut back: impl FnMut()) {
    let seconds = setting("CORDBOARD_OUTAGE_SECONDS", 13);
    let mut crowd = Crowd::gather(server, 6);
    // Nobody is there for this one: he waits, with music, in his place.
    let company = Company::of(server);
    let support = company.queue("Support");
    let mut waiting = Caller::dial_as(server, &Calls::default());
    company.wait_waiting(&support, 1);
    let one_long_call = crowd.phones.offer(crowd.offer(1, 5.0, seconds * 1000 + 4_000));
    crowd.run_for(1_500);
    assert_eq!(crowd.phones.up(one_long_call), 1, "a call that lives through it");
    away();
    let began = Instant::now();
    let watcher = Watcher::start(server);
    let during = crowd.phones.offer(crowd.offer((seconds * 3 - 6) as usize, 3.0, 700));
    waiting.rtp.take();
    while began.elapsed() < Duration::from_secs(seconds) {
        crowd.run_for(1_000);
        must("the waiting caller", verdict::hears_music(&waiting.rtp.take(), &[CALLER_HZ]));
    }
    let seen = watcher.seen();
    assert!(seen.iter().any(|(status, said)| *status == 200 && said.contains("degraded")), "nobody was told: {seen:?}");
    assert!(
        seen.iter().any(|(status, said)| *status == 503 && said.contains("system.")),
        "no read was refused: {seen:?}"
    );
    assert_eq!(crowd.phones.up(one_long_call), 1, "the call that lived at the beginning");
    back();
    wait_for("the database to hold everything again", Duration::from_secs(60), || {
        crowd.run_for(100);
        let (status, body) = http_text(server, "/readyz");
        (status == 200 && !body.contains("degraded")).then_some(())
    });
    crowd.finish(during + 1);
    for record in crowd.records() {
        assert!(record.is_success(), "{record:?}");
    }
    assert_eq!(company.board_queue(&support)["waiting"], 1, "still in his place");
    waiting.sipp.hang_up();
    waiting.sipp.must_end_well();
    equal(server, &crowd, &[]);
}

#[test]
fn postgres_that_hangs_is_not_noticed_on_the_phone_and_gets_everything_later() {
    let pg = Postgres::start("hangs");
    let server = Server::start_with("hangs", Some(pg.url()));
    outage(&server, || pg.freeze(), || pg.thaw());
}

#[test]
fn postgres_stopped_and_started_is_not_noticed_on_the_phone_and_gets_everything_later() {
    let pg = std::cell::RefCell::new(Postgres::start("stops"));
    let server = Server::start_with("stops", Some(pg.borrow().url()));
    outage(&server, || pg.borrow_mut().stop(), || pg.borrow_mut().start_again());
}
