//! Crashes and outages under load, against the generator's own ledger: the server killed at random moments, the database
//! stopped. Nothing is lost, doubled or stuck, and calls go on.
//!
//! Longer variants by the environment (`cargo xtask crash`): CRASH_KILLS, CRASH_SEED,
//! OUTAGE_SECONDS.
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::call::{CALLER_HZ, Caller};
use support::company::Company;
use support::peers::Calls;
use support::postgres::Postgres;
use support::random::{Random, setting};
use support::server::Server;
use support::traffic::{Story, Traffic, equal};
use support::verdict::{self, must};
use support::wait_for;

fn killed(mut server: Server) {
    let kills = setting("CRASH_KILLS", 3);
    let seed = setting("CRASH_SEED", 20_261_122);
    println!("seed {seed}");
    let mut moments = Random::new(seed);
    let mut traffic = Traffic::gather(&server, 8);
    let mut story = Story::default();
    for kill in 0..kills as usize {
        let group = traffic.phones.offer(traffic.offer(10_000, 8.0, 900));
        assert_eq!(group, kill);
        traffic.run_for(moments.between(1_500, 4_000));
        traffic.phones.stop(group);
        story.kills.push(traffic.kill(&mut server));
        traffic.back_on_duty(&server);
        traffic.run_for(200);
    }
    let group = traffic.phones.offer(traffic.offer(10, 8.0, 900));
    traffic.finish(group + 1);
    equal(&server, &traffic, &story);
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
    let seconds = setting("OUTAGE_SECONDS", 13);
    let mut traffic = Traffic::gather(server, 6);
    // Nobody is there for this one: he waits, with music, in his place.
    let company = Company::of(server);
    let support = company.queue("Support");
    let mut waiting = Caller::dial_as(server, &Calls::default());
    company.wait_waiting(&support, 1);
    let one_long_call = traffic.phones.offer(traffic.offer(1, 5.0, seconds * 1000 + 4_000));
    traffic.run_for(1_500);
    assert_eq!(traffic.phones.up(one_long_call), 1, "a call that lives through it");
    away();
    let began = Instant::now();
    let watcher = Watcher::start(server);
    let during = traffic.phones.offer(traffic.offer((seconds * 3 - 6) as usize, 3.0, 700));
    waiting.rtp.take();
    while began.elapsed() < Duration::from_secs(seconds) {
        traffic.run_for(1_000);
        must("the waiting caller", verdict::hears_music(&waiting.rtp.take(), &[CALLER_HZ]));
    }
    let seen = watcher.seen();
    assert!(seen.iter().any(|(status, said)| *status == 200 && said.contains("degraded")), "nobody was told: {seen:?}");
    assert!(
        seen.iter().any(|(status, said)| *status == 503 && said.contains("system.")),
        "no read was refused: {seen:?}"
    );
    assert_eq!(traffic.phones.up(one_long_call), 1, "the call that lived at the beginning");
    back();
    wait_for("the database to hold everything again", Duration::from_secs(60), || {
        traffic.run_for(100);
        let (status, body) = http_text(server, "/readyz");
        (status == 200 && !body.contains("degraded")).then_some(())
    });
    traffic.finish(during + 1);
    for record in traffic.records() {
        assert!(record.is_success(), "{record:?}");
    }
    assert_eq!(company.board_queue(&support)["waiting"], 1, "still in his place");
    waiting.sipp.hang_up();
    waiting.sipp.must_end_well();
    equal(server, &traffic, &Story::default());
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
