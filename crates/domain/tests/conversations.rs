//! Timelines of transfers, consultations, conferences and supervisors: every edit of who hears whom.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use domain::command::{AgentCommand, Presence, SupervisorCommand, Target, WatchMode};
use domain::config::{DeviceConfig, DeviceKind, TenantConfig};
use domain::event::{EventBody, SegmentEnd, SegmentState};
use domain::id::*;
use domain::input::Input;
use domain::leg::*;
use expect_test::expect;
use rig::*;

/// A supervisor, in no queue.
const EVE: AgentId = AgentId(3);
const EVES: DeviceId = DeviceId(4);

fn company() -> TenantConfig {
    let mut c = config();
    let mut eve = c.agents[&ANN].clone();
    (eve.id, eve.user, eve.extension) = (EVE, UserId(3), "3".into());
    c.agents.insert(EVE, eve);
    c.devices.insert(
        EVES,
        DeviceConfig {
            id: EVES,
            name: "device".into(),
            agent: Some(EVE),
            kind: DeviceKind::Browser,
            srtp: Default::default(),
            codecs: Vec::new(),
        },
    );
    c.entitlements.seats = 3;
    c
}

/// Ann talks with a caller of the support queue.
fn ann_talks(r: &mut Rig) -> (LegId, SegmentId) {
    r.sign_in(ANN, TAB);
    let caller = r.call(TO_SUPPORT);
    r.accept(ANN);
    r.pass(10);
    let work = r.work(ANN);
    r.sign_in(BOB, PHONE);
    r.pass(1);
    (caller, work)
}

fn bob_answers(r: &mut Rig) -> LegId {
    let phone = r.dialled();
    r.leg(answered(phone));
    phone
}

/// Who hears whom, by the last order: `customer<-ann,bob ann<-customer …`.
fn hears(r: &Rig) -> String {
    let names = |leg: LegId| -> String {
        let mut name = "?".to_owned();
        for e in &r.events {
            if let EventBody::LegStarted { leg: l, role, .. } = &e.body
                && *l == leg
            {
                name = format!("{role:?}").to_lowercase();
                if let EventBody::LegStarted { device: Some(device), .. } = &e.body {
                    name = match *device {
                        TAB => "ann".into(),
                        PHONE => "bob".into(),
                        EVES => "eve".into(),
                        _ => "door".into(),
                    };
                }
            }
        }
        name
    };
    let last = r.events.iter().rev().find_map(|e| match &e.body {
        EventBody::Bridged { legs, hears, .. } => Some((legs.clone(), hears.clone())),
        _ => None,
    });
    let Some((legs, mut rows)) = last else { return String::new() };
    if rows.is_empty() {
        let others = |leg: LegId| legs.iter().copied().filter(|l| *l != leg).collect();
        rows = legs.iter().map(|leg| Hears { leg: *leg, hears: others(*leg) }).collect();
    }
    let row = |h: &Hears| {
        let heard: Vec<String> = h.hears.iter().map(|l| names(*l)).collect();
        format!("{}<-{}", names(h.leg), heard.join(","))
    };
    rows.iter().map(row).collect::<Vec<_>>().join(" ")
}

/// Runs a scenario and holds R8 against it; its timeline is not of interest.
fn play(scenario: impl FnOnce(&mut Rig)) {
    let mut rig = Rig::new(company());
    scenario(&mut rig);
    let mut replayed = domain::floor::Floor::new(FloorId(1), std::sync::Arc::new(company()), IdMint::new(1, 2));
    for event in &rig.events {
        let read = domain::event::Event::from_json(&event.to_json().unwrap()).unwrap();
        assert_eq!(&read, event);
        replayed.apply(&read);
    }
    assert_eq!(replayed.snapshot(), rig.floor.snapshot());
}

fn state(r: &Rig, agent: AgentId) -> Vec<SegmentState> {
    r.floor.agent_view(agent).unwrap().work.iter().map(|w| w.state).collect()
}

fn music(r: &Rig) -> bool {
    let mut playing = false;
    for e in &r.events {
        match &e.body {
            EventBody::PlayStarted { what: domain::event::PlayWhat::HoldMusic, .. } => playing = true,
            EventBody::MusicStopped { .. } => playing = false,
            _ => {}
        }
    }
    playing
}

fn ended(r: &Rig) -> bool {
    r.events.iter().any(|e| matches!(e.body, EventBody::InteractionEnded { .. }))
}

#[test]
fn an_attended_transfer() {
    let mut r = Rig::new(company());
    let (caller, work) = ann_talks(&mut r);
    r.forget();
    r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
    r.pass(3);
    bob_answers(&mut r);
    r.pass(20);
    r.agent(ANN, AgentCommand::CompleteTransfer { segment: work });
    r.pass(30);
    r.hangs_up(caller);
    expect![[r#"
        11.000 segment_state_changed segment=seg#2 state=consulting
        11.000 bridged bridge=brg#1 hears=[[]:leg#1,[]:leg#2] legs=[leg#1,leg#2] segment=seg#2
        11.000 play_started play=ply#2 segment=seg#2 what=hold_music
        11.000 segment_started by=seg#2 of=bob:agent:que1 segment=seg#3 state=offered until=31.000 why=consult
        11.000 offer_made agent=bob device=dev2 offer=ofr#2 segment=seg#3 until=31.000
        11.000 leg_started destination=sip_device device=dev2 direction=outbound leg=leg#3 role=agent segment=seg#3
        11.000 occupancy_changed agent=bob occupancy=offered
           > bridge bridge=brg#1 legs=[[]:leg#1,[]:leg#2]
           > play clips=[pmt2] interruptible=false leg=leg#1 looped=true play=ply#2
           > pause_recording recording=rec#1 why=hold
           > offer bob rings=true
           > originate leg=leg#3 to=dev2:device
        14.000 leg_answered codec=pcma leg=leg#3
        14.000 offer_accepted agent=bob offer=ofr#2
        14.000 segment_state_changed segment=seg#3 state=connecting until=24.000
        14.000 segment_state_changed segment=seg#3 state=consulting
        14.000 bridged bridge=brg#1 hears=[[]:leg#1,[leg#3]:leg#2,[leg#2]:leg#3] legs=[leg#1,leg#2,leg#3] segment=seg#3
        14.000 occupancy_changed agent=bob occupancy=busy
           > bridge bridge=brg#1 legs=[[]:leg#1,[leg#3]:leg#2,[leg#2]:leg#3]
        34.000 leg_hang_up_sent cause=hangup leg=leg#2
        34.000 segment_state_changed ended=transferred segment=seg#2 state=wrap_up until=64.000
        34.000 consult_merged segment=seg#3
        34.000 segment_state_changed segment=seg#3 state=talking
        34.000 bridged bridge=brg#1 legs=[leg#1,leg#3] segment=seg#3
        34.000 music_stopped play=ply#2
        34.000 recording_decided mode=always of=queue on=true queue=que1 segment=seg#3
        34.000 recording_requested left=leg#1 recording=rec#2 right=leg#3 segment=seg#3
        34.000 occupancy_changed agent=ann occupancy=wrap_up
           > stop_recording recording=rec#1
           > hangup cause=hangup leg=leg#2
           > bridge bridge=brg#1 legs=[[leg#3]:leg#1,[leg#1]:leg#3]
           > stop_play leg=leg#1
           > record left=leg#1 recording=rec#2 right=leg#3
        34.000 recording_ended gaps=[] length_ms=34000 recording=rec#1
        34.000 leg_ended by=us cause=hangup leg=leg#2
        64.000 segment_ended segment=seg#2 why=transferred
        64.000 occupancy_changed agent=ann occupancy=idle
        64.000 leg_ended by=peer cause=hangup leg=leg#1
        64.000 leg_hang_up_sent cause=hangup leg=leg#3
        64.000 segment_state_changed ended=caller_hung_up segment=seg#3 state=wrap_up until=94.000
        64.000 occupancy_changed agent=bob occupancy=wrap_up
           > stop_recording recording=rec#2
           > hangup cause=hangup leg=leg#3
        64.000 recording_ended gaps=[] length_ms=30000 recording=rec#2
        64.000 leg_ended by=us cause=hangup leg=leg#3
    "#]]
    .assert_eq(&r.out);
}

#[test]
fn each_step_of_a_consultation_says_who_hears_whom() {
    play(|r| {
        let (_, work) = ann_talks(r);
        assert_eq!(hears(r), "customer<-ann ann<-customer");
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        assert_eq!(hears(r), "customer<- ann<-");
        assert!(music(r));
        let bob = bob_answers(r);
        assert_eq!(hears(r), "customer<- ann<-bob bob<-ann");
        assert_eq!(state(r, BOB), [SegmentState::Consulting]);
        r.agent(ANN, AgentCommand::SwitchParty { segment: work });
        assert_eq!(hears(r), "customer<-ann ann<-customer bob<-");
        assert!(!music(r));
        r.agent(ANN, AgentCommand::SwitchParty { segment: work });
        assert_eq!(hears(r), "customer<- ann<-bob bob<-ann");
        r.agent(ANN, AgentCommand::Conference { segment: work });
        assert_eq!(hears(r), "customer<-ann,bob ann<-customer,bob bob<-customer,ann");
        assert!(!music(r));
        // One holds: the others go on.
        r.agent(ANN, AgentCommand::Hold { segment: work });
        assert_eq!(hears(r), "customer<-bob ann<- bob<-customer");
        assert!(!music(r));
        r.agent(ANN, AgentCommand::Resume { segment: work });
        // One leaves: the others go on.
        r.agent(ANN, AgentCommand::HangUp { segment: work });
        assert_eq!(hears(r), "customer<-bob bob<-customer");
        assert_eq!(state(r, ANN), [SegmentState::WrapUp]);
        // The last one: the customer goes too.
        r.hangs_up(bob);
        r.pass(40);
        assert!(ended(r));
    });
}

#[test]
fn a_consultation_that_fails_leaves_the_customer_on_hold() {
    play(|r| {
        let (_, work) = ann_talks(r);
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        let phone = r.dialled();
        r.leg(ended_leg(phone, EndCause::Busy));
        assert_eq!(state(r, ANN), [SegmentState::Held]);
        assert!(music(r));
        // The same again would be asked too soon of a queue, but a colleague asks when he likes.
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        bob_answers(r);
        r.agent(ANN, AgentCommand::EndConsult { segment: work });
        assert_eq!(state(r, ANN), [SegmentState::Held]);
        assert_eq!(state(r, BOB), []);
        r.agent(ANN, AgentCommand::Resume { segment: work });
        assert_eq!(hears(r), "customer<-ann ann<-customer");
        assert!(!music(r));
    });
}

fn ended_leg(leg: LegId, cause: EndCause) -> LegEvent {
    rig::ended(leg, cause, EndedBy::Peer)
}

#[test]
fn hanging_up_in_the_middle_of_a_consultation_hands_the_customer_over() {
    play(|r| {
        let (_, work) = ann_talks(r);
        let ann = r.events.iter().find_map(|e| match e.body {
            EventBody::LegStarted { leg, device: Some(TAB), .. } => Some(leg),
            _ => None,
        });
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        bob_answers(r);
        // By the desk it is refused, so that nobody loses the customer by a slip.
        assert!(r.input(Input::Agent { agent: ANN, command: AgentCommand::HangUp { segment: work } }).is_err());
        r.hangs_up(ann.unwrap());
        assert_eq!(hears(r), "customer<-bob bob<-customer");
        assert_eq!(state(r, BOB), [SegmentState::Talking]);
        assert_eq!(state(r, ANN), [SegmentState::WrapUp]);
    });
}

#[test]
fn a_transfer_completed_before_the_answer_rings_on_for_the_customer() {
    play(|r| {
        let (_, work) = ann_talks(r);
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        r.agent(ANN, AgentCommand::CompleteTransfer { segment: work });
        assert_eq!(hears(r), "customer<-");
        assert!(music(r));
        bob_answers(r);
        assert_eq!(hears(r), "customer<-bob bob<-customer");
        assert!(!music(r));
    });
}

#[test]
fn the_customer_leaves_in_the_middle_of_a_consultation() {
    play(|r| {
        let (caller, work) = ann_talks(r);
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        bob_answers(r);
        r.hangs_up(caller);
        assert_eq!(state(r, BOB), []);
        assert_eq!(state(r, ANN), [SegmentState::WrapUp]);
        r.pass(40);
        assert!(ended(r));
    });
}

#[test]
fn a_blind_transfer_that_nobody_answers_returns_with_its_place() {
    play(|r| {
        let (_, work) = ann_talks(r);
        let waiting = |r: &Rig| r.floor.queue_view(SUPPORT, r.now).unwrap().waiting;
        r.agent(ANN, AgentCommand::Transfer { segment: work, to: Target::Agent { agent: BOB } });
        assert!(music(r));
        // A later caller waits behind him.
        r.agent(ANN, AgentCommand::SetPresence { presence: Presence::Break { reason: LUNCH } });
        let later = r.call(TO_SUPPORT);
        r.pass(21);
        assert_eq!(waiting(r), 2);
        let order: Vec<_> = r
            .events
            .iter()
            .rev()
            .filter_map(|e| match &e.body {
                EventBody::SegmentStarted { of: domain::event::SegmentOf::Queue { virtual_since, .. }, .. } => {
                    Some(*virtual_since)
                }
                _ => None,
            })
            .take(2)
            .collect();
        assert!(order[0] < order[1], "the one who came back stands before the one who came later");
        r.hangs_up(later);
    });
}

#[test]
fn transfers_to_queue_flow_device_and_voicemail() {
    play(|r| {
        let (_, work) = ann_talks(r);
        r.agent(BOB, AgentCommand::SetPresence { presence: Presence::Break { reason: LUNCH } });
        r.agent(ANN, AgentCommand::Transfer { segment: work, to: Target::Queue { queue: SALES } });
        assert_eq!(hears(r), "customer<-");
        assert_eq!(r.floor.queue_view(SALES, r.now).unwrap().waiting, 1);
        r.agent(ANN, AgentCommand::EndWrapUp { segment: work });
        // Ann serves sales too.
        r.accept(ANN);
        let work = r.work(ANN);
        assert_eq!(hears(r), "customer<-ann ann<-customer");
        r.agent(ANN, AgentCommand::Transfer { segment: work, to: Target::Device { device: DOOR } });
        assert!(music(r));
        let door = r.dialled();
        r.leg(answered(door));
        assert_eq!(hears(r), "customer<-door door<-customer");
        r.hangs_up(door);
        r.pass(40);
        assert!(ended(r));
    });
    play(|r| {
        let (_, work) = ann_talks(r);
        r.agent(ANN, AgentCommand::Hold { segment: work });
        r.agent(ANN, AgentCommand::Transfer { segment: work, to: Target::Flow { flow: FlowId(1) } });
        assert!(!music(r));
        assert!(r.plays.len() == 1 && !ended(r));
    });
    play(|r| {
        let (caller, work) = ann_talks(r);
        r.agent(ANN, AgentCommand::Transfer { segment: work, to: Target::Voicemail { greeting: None } });
        r.pass(5);
        r.hangs_up(caller);
        r.pass(40);
        assert!(ended(r));
    });
}

#[test]
fn a_device_that_does_not_answer_gives_the_customer_back() {
    play(|r| {
        let (_, work) = ann_talks(r);
        r.agent(ANN, AgentCommand::Transfer { segment: work, to: Target::Device { device: DOOR } });
        let door = r.dialled();
        r.leg(ended_leg(door, EndCause::NoAnswer));
        assert_eq!(r.floor.queue_view(SUPPORT, r.now).unwrap().waiting, 1);
        // Bob is offered the one who came back.
        assert_eq!(r.floor.agent_view(BOB).unwrap().offers.len(), 1);
    });
}

#[test]
fn targets_that_cannot_take_it_are_refused_and_nothing_changes() {
    play(|r| {
        let (_, work) = ann_talks(r);
        let before = r.floor.snapshot();
        let mut refused = |to| {
            let transfer = AgentCommand::Transfer { segment: work, to };
            r.input(Input::Agent { agent: ANN, command: transfer }).unwrap_err().code.as_str()
        };
        assert_eq!(refused(Target::Agent { agent: ANN }), "target.unknown");
        assert_eq!(refused(Target::Agent { agent: AgentId(99) }), "target.unknown");
        assert_eq!(refused(Target::Agent { agent: EVE }), "target.unavailable");
        assert_eq!(refused(Target::Device { device: TAB }), "target.unknown");
        // Found by the simulator: the phone at which Bob sits was taken from him, and the next caller met a busy line.
        assert_eq!(refused(Target::Device { device: PHONE }), "target.unavailable");
        assert_eq!(refused(Target::Queue { queue: QueueId(99) }), "target.unknown");
        assert_eq!(refused(Target::Flow { flow: FlowId(99) }), "target.unknown");
        assert_eq!(r.floor.snapshot(), before);
    });
}

fn supervise(r: &mut Rig, command: SupervisorCommand) -> Result<(), &'static str> {
    r.input(Input::Supervisor { by: UserId(3), command }).map(drop).map_err(|e| e.code.as_str())
}

#[test]
fn a_supervisor_monitors_whispers_barges_in_and_takes_over() {
    play(|r| {
        let (caller, work) = ann_talks(r);
        let interaction = r.floor.agent_view(ANN).unwrap().work[0].interaction;
        let watch = |mode| SupervisorCommand::Watch { interaction, segment: work, mode };
        assert_eq!(supervise(r, watch(WatchMode::Monitor)), Err("supervisor.not_signed_in"));
        r.sign_in(EVE, EVES);
        assert_eq!(supervise(r, watch(WatchMode::Monitor)), Ok(()));
        let eve = r.dialled();
        r.leg(answered(eve));
        assert_eq!(hears(r), "customer<-ann ann<-customer eve<-customer,ann");
        let seen = |r: &Rig| r.floor.agent_view(ANN).unwrap().work[0].watchers.len();
        assert_eq!(seen(r), 0);
        assert_eq!(supervise(r, watch(WatchMode::Whisper)), Ok(()));
        assert_eq!(hears(r), "customer<-ann ann<-customer,eve eve<-customer,ann");
        assert_eq!(seen(r), 1);
        assert_eq!(supervise(r, watch(WatchMode::Barge)), Ok(()));
        assert_eq!(hears(r), "customer<-ann,eve ann<-customer,eve eve<-customer,ann");
        // With the customer on hold, whoever barges in talks with the agent, and the customer has music.
        r.agent(ANN, AgentCommand::Hold { segment: work });
        assert_eq!(hears(r), "customer<- ann<-eve eve<-ann");
        assert!(music(r));
        r.agent(ANN, AgentCommand::Resume { segment: work });
        assert_eq!(supervise(r, SupervisorCommand::TakeOver { interaction, segment: work }), Ok(()));
        assert_eq!(hears(r), "customer<-eve eve<-customer");
        assert_eq!(state(r, ANN), [SegmentState::WrapUp]);
        assert_eq!(state(r, EVE), [SegmentState::Talking]);
        let recordings = r.events.iter().filter(|e| matches!(e.body, EventBody::RecordingRequested { .. })).count();
        assert_eq!(recordings, 2, "the supervisor's conversation is recorded like the agent's");
        r.hangs_up(caller);
        assert_eq!(state(r, EVE), [SegmentState::WrapUp]);
    });
}

#[test]
fn a_supervisor_follows_the_customer_and_goes_when_nobody_is_left() {
    play(|r| {
        let (caller, work) = ann_talks(r);
        let interaction = r.floor.agent_view(ANN).unwrap().work[0].interaction;
        r.sign_in(EVE, EVES);
        let watch = SupervisorCommand::Watch { interaction, segment: work, mode: WatchMode::Monitor };
        assert_eq!(supervise(r, watch.clone()), Ok(()));
        let eve = r.dialled();
        r.leg(answered(eve));
        r.agent(ANN, AgentCommand::Consult { segment: work, to: Target::Agent { agent: BOB } });
        bob_answers(r);
        assert_eq!(hears(r), "customer<- ann<-bob eve<-ann,bob bob<-ann");
        r.agent(ANN, AgentCommand::CompleteTransfer { segment: work });
        assert_eq!(hears(r), "customer<-bob eve<-customer,bob bob<-customer");
        r.hangs_up(caller);
        assert_eq!(state(r, EVE), []);
        let over =
            r.events.iter().any(|e| matches!(e.body, EventBody::SegmentEnded { why: SegmentEnd::WatchOver, .. }));
        assert!(over);
        // There is nothing to watch any more.
        assert_eq!(supervise(r, watch), Err("segment.state"));
    });
}

#[test]
fn a_chat_is_passed_on_without_legs() {
    play(|r| {
        r.sign_in(ANN, TAB);
        r.sign_in(BOB, PHONE);
        r.agent(BOB, AgentCommand::SetPresence { presence: Presence::Break { reason: LUNCH } });
        let work = Input::WorkArrived {
            medium: domain::medium::Medium::Chat,
            queue: SUPPORT,
            from: None,
            priority: 0,
            lang: None,
        };
        r.input(work).unwrap();
        r.accept(ANN);
        let segment = r.work(ANN);
        r.agent(BOB, AgentCommand::SetPresence { presence: Presence::Available });
        r.agent(ANN, AgentCommand::Transfer { segment, to: Target::Agent { agent: BOB } });
        assert_eq!(state(r, ANN), [SegmentState::WrapUp]);
        r.accept(BOB);
        assert_eq!(state(r, BOB), [SegmentState::Talking]);
    });
}
