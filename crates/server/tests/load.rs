//! The load generator against the program: what it counts is what the server records.
mod support;

use std::time::Duration;

use load::ledger::Failure;
use load::phones::{Answering, Offer, Phones};

use support::SOON;
use support::company::Company;
use support::server::Server;

const CALLS: usize = 20;

#[test]
fn twenty_calls_at_ten_a_second_are_carried_and_counted() {
    let server = Server::start("load");
    let company = Company::of(&server);
    let api = load::http::Http::new(server.http, Some(server.token()));
    let mut phones = Phones::new(server.sip).expect("sockets");
    let plan = load::company::Plan { agents: 4, record: false };
    let target = load::company::open(&api, &mut phones, plan).expect("a company with four agents");

    let before = load::process::Cpu::of(server.pid()).expect("a living process");
    let group = phones.offer(Offer::new(&target.number, CALLS, 10.0));
    let done = phones.run_until(Duration::from_secs(60), |p| p.unfinished(group) == 0).expect("sockets");
    let summary = phones.ledger.summary(group);
    assert!(done && summary.successes == CALLS && summary.failed() == 0, "{summary:?}");
    assert_eq!((phones.ledger.strangers, phones.ledger.second_offers), (0, 0));
    let used = load::process::Cpu::of(server.pid()).expect("a living process").since(&before);
    assert!(used.total_us > 0 && used.of("tel-control") > 0, "{used:?}");

    let ended = company.wait_ended(CALLS, SOON);
    for (record, summary) in phones.ledger.of(group).zip(&ended) {
        assert_eq!(summary["end"], "served", "{record:?} against {summary:#}");
    }

    // The devices refuse: the same calls reach nobody, and the generator says so.
    phones.answering = Answering::Refuse(486);
    let mut offer = Offer::new(&target.number, 4, 10.0);
    offer.patience = Duration::from_secs(2);
    let group = phones.offer(offer);
    let done = phones.run_until(Duration::from_secs(60), |p| p.unfinished(group) == 0).expect("sockets");
    let summary = phones.ledger.summary(group);
    assert!(done && summary.count(Failure::NotConnected) == 4 && summary.successes == 0, "{summary:?}");
}
