//! Many callers and agents with sound and a ledger of their own (crate `load`), and the comparison of everything the
//! server tells about their calls with that ledger: nothing lost, doubled or stuck, and what was said is in the recordings.
use std::collections::BTreeMap;
use std::time::Duration;

use load::company::{self, Plan};
use load::ledger::{Failure, Record};
use load::phones::{Offer, Phones, Side};
use load::rtp::{Payload, Speakers, Words};
use serde_json::{Value, json};

use super::company::{Company, id, now_ms};
use super::peers::Calls;
use super::server::Server;
use super::sound::{BLOCK, stereo, ulaw_encode};
use super::{SOON, wait_for};

/// Callers, agents' devices and their sound, all in this process.
pub struct Traffic {
    pub phones: Phones,
    speakers: Speakers,
    pub company: company::Company,
    devices: Vec<(String, String)>,
}

impl Traffic {
    pub fn gather(server: &Server, agents: usize) -> Traffic {
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
        Traffic { phones, speakers, company, devices }
    }

    pub fn offer(&self, count: usize, rate: f64, talk_ms: u64) -> Offer {
        Offer { talk: Some(Duration::from_millis(talk_ms)), ..Offer::new(&self.company.number, count, rate) }
    }

    /// After a restart API sessions take their presence again.
    pub fn back_on_duty(&self, server: &Server) {
        let company = Company::of(server);
        for (agent, device) in &self.devices {
            company.takes_duty(agent, device);
        }
    }

    pub fn run_for(&mut self, ms: u64) {
        self.phones.run_for(Duration::from_millis(ms)).expect("sockets");
    }

    /// Until every call is over, for the callers.
    pub fn finish(&mut self, groups: usize) {
        let done = self.phones.run_until(Duration::from_secs(70), |p| (0..groups).all(|g| p.unfinished(g) == 0));
        assert!(done.expect("sockets"), "calls are stuck at the callers");
    }

    pub fn records(&self) -> &[Record] {
        &self.phones.ledger.records
    }

    pub fn unix_ms(&self, at: Duration) -> f64 {
        self.phones.ledger.started_unix_ms as f64 + at.as_secs_f64() * 1000.0
    }

    /// Kills the server in the midst of it and starts it again.
    pub fn kill(&self, server: &mut Server) -> Kill {
        let words = self.speakers.last_words().expect("speakers");
        let kill = Kill { at: now_ms() as f64, words };
        server.kill_and_restart();
        kill
    }
}

/// A moment at which the server was killed, and what had been said until then.
pub struct Kill {
    /// Unix milliseconds.
    at: f64,
    words: Words,
}

/// What happened to the server while the calls went on.
#[derive(Default)]
pub struct Story {
    pub kills: Vec<Kill>,
    /// From when to when new calls could be refused or left waiting, Unix milliseconds.
    pub refuses: Option<(f64, f64)>,
    /// From when to when recordings could not be written: what is missing is listed.
    pub records_nothing: bool,
}

/// A hang-up is answered before it is written: with the process killed in that moment the restart ended the call.
const UNWRITTEN_MS: f64 = 300.0;
/// A killed process may lose so much of what was said last.
const LOST_MS: f64 = 200.0;
/// What the generator and a busy machine may be late by.
const LATE_MS: f64 = 300.0;

/// Everything the server tells about the calls, held against the callers' ledger.
pub fn equal(server: &Server, traffic: &Traffic, story: &Story) {
    let company = Company::of(server);
    let mut left = Value::Null;
    let found = super::company::try_for(Duration::from_secs(100), || {
        left = company.live()["interactions"].take();
        (left == json!([])).then_some(())
    });
    let told = |i: &Value| company.get(&format!("interactions/{}/events", id(i)));
    let told: Vec<Value> = left.as_array().into_iter().flatten().map(told).collect();
    assert!(found.is_some(), "stuck: {left:#} {told:#?}");
    assert_eq!(company.board_queue(&traffic.company.queue)["waiting"], 0, "nobody stuck in the queue");
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
    let (mut served, mut at_kill, mut went_on, mut worst_loss_ms) = (0, 0, (0, 0), 0.0_f64);
    for (call, record) in traffic.records().iter().enumerate() {
        let found = of_caller.remove(&record.caller).unwrap_or_default();
        // A caller whose INVITE was on its way at a kill sends it again: then the first try is recorded as ended by the
        // restart, and the second is the call.
        let (by_restart, kept): (Vec<&Value>, Vec<&Value>) = found.iter().partition(|i| i["end"] == "system.restart");
        assert!(kept.len() <= 1, "doubled: {record:?} is {found:#?}");
        if record.answered.is_some() {
            assert!(!found.is_empty(), "lost: {record:?}");
        }
        if !record.is_success() {
            let invited = traffic.unix_ms(record.invited);
            let ended = record.ended.map(|at| traffic.unix_ms(at));
            let near = |kill: &Kill| invited <= kill.at && ended.is_none_or(|e| e >= kill.at);
            let was_refused = matches!(record.failure, Some(Failure::Deferred | Failure::Refused(503)));
            // Let in at the last moment, one hears nothing until it can be written.
            let may_fail = was_refused || record.failure == Some(Failure::NotConnected);
            let in_time = story.refuses.is_some_and(|(from, to)| invited >= from && invited <= to);
            let excused = story.kills.iter().any(near) || may_fail && in_time;
            assert!(excused, "failed without a cause: {record:?} is {found:#?}");
            // One let in just before nothing could be written waits for its answer until it is given up; that is recorded.
            let given_up = in_time && kept.iter().all(|i| i["end"] == "system.error");
            assert!(!was_refused || kept.is_empty() || given_up, "refused and recorded: {record:?} is {found:#?}");
        }
        let (Some(connected), Some(ended)) = (record.connected, record.ended) else { continue };
        if connected > ended {
            // The device took it when the caller had just given up.
            continue;
        }
        let (connected, ended) = (traffic.unix_ms(connected), traffic.unix_ms(ended));
        let cut = story.kills.iter().find(|kill| connected <= kill.at && kill.at <= ended + UNWRITTEN_MS);
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
                // Hung up at both ends after the kill, it was up when the next process began.
                if ended > kill.at {
                    went_on.1 += 1;
                    went_on.0 += i32::from(at["end"] == "served");
                }
                (*at, kill.at.min(ended))
            }
        };
        let detail = settled(&company, &id(interaction));
        let spoken = until - connected;
        if cut.is_none() {
            let talk = interaction["talk_ms"].as_f64().expect("talk");
            assert!((talk - spoken).abs() < 1_500.0, "{talk} ms of talk instead of {spoken}: {record:?}");
        }
        let said = Said { call, spoken, words: cut.map(|kill| &kill.words) };
        worst_loss_ms = worst_loss_ms.max(recorded(&company, &detail, &said, story));
    }
    of_caller.remove(Calls::default().caller);
    let strange: Vec<_> = of_caller.keys().filter(|c| c.len() == 11 && c.starts_with('1')).collect();
    assert!(strange.is_empty(), "interactions that nobody had: {strange:?}");
    // The report counts what the list shows.
    let figures = wait_for("the report", SOON, || {
        let figures = company.figures(&traffic.company.queue);
        (figures.answered >= served).then_some(figures)
    });
    let kills = story.kills.len();
    assert!(figures.answered <= served + at_kill + kills as i64 * 50, "{figures:?} of {served} and {at_kill}");
    // One may have been between its answer and the note of it.
    assert!(went_on.1 - went_on.0 <= 1.max(went_on.1 / 100), "{} of {} calls went on", went_on.0, went_on.1);
    println!(
        "{} of {} calls that were up went on; {} calls, {served} served, {at_kill} up at a kill, {kills} kills; a kill lost at most {worst_loss_ms:.0} ms of a recording",
        went_on.0,
        went_on.1,
        traffic.records().len()
    );
}

/// The interaction when its recordings are stored, but for those of which the disk took nothing. Longer than the pause
/// after the last try on a full disk.
fn settled(company: &Company, interaction: &str) -> Value {
    wait_for("the recordings to be stored", Duration::from_secs(60), || {
        let detail = company.interaction(interaction);
        let is_settled = |r: &Value| {
            let gaps = r["gaps"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_all = |g: &Value| g["from_ms"] == 0 && g["to_ms"] == r["length_ms"] && g["why"] == "lost";
            r["stored"] == true || gaps.iter().any(is_all)
        };
        let recordings = detail["recordings"].as_array()?;
        (detail["summary"]["ended_at"].is_i64() && recordings.iter().all(is_settled)).then_some(detail)
    })
}

/// One call as its two sides spoke it.
struct Said<'a> {
    call: usize,
    /// Until the hang-up or the kill, in milliseconds.
    spoken: f64,
    /// What had been said when the server was killed.
    words: Option<&'a Words>,
}

/// The call is in its recording: all of it, or all but the last 200 ms before a kill. How much a kill has lost, in
/// milliseconds.
fn recorded(company: &Company, detail: &Value, said: &Said<'_>, story: &Story) -> f64 {
    let recording = &detail["recordings"][0];
    if recording["stored"] != true {
        let may_miss = story.records_nothing || said.spoken <= 2.0 * LOST_MS + LATE_MS;
        assert!(may_miss, "no recording of {} ms: {detail:#}", said.spoken);
        return 0.0;
    }
    let (left, right) = stereo(&company.recording(&id(recording)));
    let gaps = recording["gaps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |gap: &Value, at: &str| gap[at].as_f64().unwrap_or_else(|| panic!("no {at} in {gap}"));
    let lost: f64 = gaps.iter().filter(|g| g["why"] == "lost").map(|g| of(g, "to_ms") - of(g, "from_ms")).sum();
    let length = left.len() as f64 / 8.0;
    let beyond: f64 = gaps.iter().map(|g| (of(g, "to_ms") - of(g, "from_ms").max(length)).max(0.0)).sum();
    let Some(words) = said.words else {
        assert!(story.records_nothing || lost == 0.0, "{lost} ms are listed as lost: {detail:#}");
        let listed = if story.records_nothing { beyond } else { 0.0 };
        assert!(length + listed >= said.spoken - LATE_MS, "{length} ms recorded of {}: {detail:#}", said.spoken);
        return 0.0;
    };
    // By the records the call ended at the last sign of life before the kill: what of it is not there is listed.
    if detail["summary"]["end"] == "system.restart" {
        let ended = detail["summary"]["ended_at"].as_f64().expect("its end");
        let known = ended - recording["started_at"].as_f64().expect("its start");
        // The recording's start is told by another clock, in whole milliseconds.
        assert!(length + beyond >= known - 20.0, "{length} ms and {beyond} ms listed of {known} ms: {detail:#}");
    }
    let mut worst: f64 = 0.0;
    for (side, channel) in [(Side::Caller, &left), (Side::Device, &right)] {
        let Some(last_said) = words.get(&(said.call, side)).map(|ns| *ns as f64 / 1e6) else { continue };
        // What was said afterwards does not count.
        let last_recorded = last_word(channel, last_said - said.spoken - LATE_MS, last_said);
        let missing = match last_recorded {
            Some(at) => last_said - at,
            None => said.spoken,
        };
        assert!(missing <= LOST_MS, "{missing:.0} ms of the {side:?} are missing after a kill: {detail:#}");
        worst = worst.max(missing);
    }
    worst
}

/// When the last packet in this channel was sent, in Unix milliseconds between the two: packets carry it in their sound.
pub fn last_word(channel: &[i16], from: f64, to: f64) -> Option<f64> {
    let coded: Vec<u8> = channel.iter().map(|s| ulaw_encode(*s)).collect();
    (0..coded.len().saturating_sub(BLOCK - 1)).step_by(8).rev().find_map(|at| word(&coded[at..at + BLOCK], from, to))
}

/// A silent octet may have been either of the two that mean silence.
fn word(block: &[u8], from: f64, to: f64) -> Option<f64> {
    let mut octets = block.to_vec();
    Payload::read(&octets)?;
    let silent: Vec<usize> = (4..12).filter(|at| block[*at] == 0xff).collect();
    (0..1u32 << silent.len()).find_map(|choice| {
        for (bit, at) in silent.iter().enumerate() {
            octets[*at] = if choice >> bit & 1 == 0 { 0xff } else { 0x7f };
        }
        let ms = Payload::read(&octets)?.born_ns as f64 / 1e6;
        (ms >= from && ms <= to).then_some(ms)
    })
}
