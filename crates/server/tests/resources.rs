//! What the machine runs out of: room on the disk, somebody who reads the log. Calls go on, nothing acknowledged is lost,
//! the cause is shown, and when it is over everything is where it belongs.
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::call::{AGENT_HZ, CALLER_HZ, Caller, Phone, auto_answer};
use support::company::{Company, now_ms};
use support::server::{Server, Unusual};
use support::small_disk::SmallDisk;
use support::traffic::{Story, Traffic, equal};
use support::verdict::{self, must};
use support::{SOON, wait_for};

/// Each hears the other, now.
fn talk(caller: &Caller, phone: &Phone) {
    must("the caller", verdict::hears(&caller.rtp.listen(1_000), AGENT_HZ, CALLER_HZ));
    must("the agent", verdict::hears(&phone.rtp.listen(1_000), CALLER_HZ, AGENT_HZ));
}

#[test]
fn on_a_full_disk_calls_go_on_and_with_room_again_the_records_equal_the_callers_ledger() {
    let disk = SmallDisk::mount("full", 64);
    let server = Server::start_unusual(
        "full",
        Unusual {
            dir: Some(disk.data()),
            expected_errors: &[
                "No space left on device",
                "a recording cannot be written",
                "calls cannot be written",
                "database or disk is full",
            ],
            ..Unusual::default()
        },
    );
    let company = Company::of(&server);
    let mut traffic = Traffic::gather(&server, 6);
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 400);
    phone.rtp.wait_tone(CALLER_HZ, 400);
    let before = traffic.phones.offer(traffic.offer(6, 6.0, 500));
    traffic.finish(before + 1);

    disk.fill();
    let filled = now_ms() as f64;
    // Some more may find a place in blocks that are begun; then new calls are refused.
    let during = traffic.phones.offer(traffic.offer(10_000, 4.0, 500));
    let readiness = |server: &Server| support::http::Http::new(server.http, None).text("/readyz");
    wait_for("new calls to be refused", Duration::from_secs(60), || {
        traffic.run_for(100);
        (readiness(&server).0 == 503).then_some(())
    });
    // Those who talk notice nothing, and people see why.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        traffic.run_for(500);
    }
    talk(&caller, &phone);
    let (_, said) = readiness(&server);
    assert!(said.contains("neither the database nor the spool can be written"), "{said}");
    let totals = &company.live()["totals"];
    assert!(totals["degraded"] == true && totals["refusing"] == true, "the board says nothing: {totals}");
    wait_for("the metric", SOON, || (server.metric("cordboard_degraded") == Some(2.0)).then_some(()));
    assert!(server.log().contains("No space left on device"), "the log does not name the cause");
    traffic.phones.stop(during);
    traffic.finish(during + 1);
    let summary = traffic.phones.ledger.summary(during);
    assert!(summary.failed() > 0, "nobody was refused: {summary:?}");
    // Somebody hangs up while nothing can be written: heard at once, written later.
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();

    disk.make_room();
    wait_for("everything to be written", Duration::from_secs(60), || {
        traffic.run_for(100);
        let (status, said) = readiness(&server);
        (status == 200 && !said.contains("degraded")).then_some(())
    });
    let written = now_ms() as f64;
    let after = traffic.phones.offer(traffic.offer(6, 6.0, 500));
    traffic.finish(after + 1);
    let summary = traffic.phones.ledger.summary(after);
    assert!(summary.failed() == 0, "after the disk has room again: {summary:?}");
    let story = Story { refuses: Some((filled, written)), records_nothing: true, ..Story::default() };
    equal(&server, &traffic, &story);
}

/// Lines that the server says are missing, in all.
fn said_to_be_missing(log: &str) -> u64 {
    let number = |line: &str| {
        let rest = line.split_once("the log was not taken in time: ")?.1;
        rest.split(' ').next()?.parse::<u64>().ok()
    };
    log.lines().filter_map(number).sum()
}

#[test]
fn with_a_log_that_nobody_reads_calls_go_on_and_the_missing_lines_are_counted() {
    let mut server =
        Server::start_unusual("log", Unusual { log: Some("debug"), log_unread: true, ..Unusual::default() });
    let company = Company::of(&server);
    let mut traffic = Traffic::gather(&server, 6);
    let calls = traffic.phones.offer(traffic.offer(10_000, 8.0, 500));
    let dropped = |server: &Server| server.metric("cordboard_log_lines_dropped_total").unwrap_or_default();
    // Strangers who do not speak HTTP get a line each: soon there are more than the server keeps for whoever reads.
    wait_for("lines to be dropped", Duration::from_secs(120), || {
        for _ in 0..200 {
            let stranger = TcpStream::connect(server.http);
            let _ = stranger.and_then(|mut stranger| stranger.write_all(b"?\r\n\r\n"));
        }
        traffic.run_for(200);
        (dropped(&server) > 0.0).then_some(())
    });
    // The log stands still, the calls do not.
    let from = traffic.phones.elapsed();
    let mut phone = Phone::on_duty(&server, &company, "Agent 1", "7101", &auto_answer());
    let mut caller = Caller::dial(&server, "1000");
    phone.wait_call();
    caller.rtp.wait_tone(AGENT_HZ, 400);
    phone.rtp.wait_tone(CALLER_HZ, 400);
    talk(&caller, &phone);
    traffic.run_for(2_000);
    caller.sipp.hang_up();
    caller.sipp.must_end_well();
    phone.sipp.must_end_well();
    traffic.phones.stop(calls);
    traffic.finish(calls + 1);
    for record in traffic.records() {
        assert!(record.is_success(), "{record:?}");
    }
    assert!(traffic.records().iter().any(|r| r.invited > from), "no call while the log stood still");
    equal(&server, &traffic, &Story::default());

    // Somebody reads again: what is there comes, and how much is not.
    let missing = dropped(&server) as u64;
    server.read_log();
    wait_for("the missing lines to be told", SOON, || (said_to_be_missing(&server.log()) >= missing).then_some(()));
    wait_for("the same number in both", Duration::from_secs(30), || {
        (said_to_be_missing(&server.log()) == dropped(&server) as u64).then_some(())
    });
}
