//! Timelines of messages: for whom they are taken, which of them count, calls that answer them.
#![allow(clippy::unwrap_used, reason = "a test's own machinery")]
mod rig;

use std::time::Duration;

use domain::command::AgentCommand;
use domain::config::{Destination, TenantConfig};
use domain::event::{EventBody, InteractionEnd};
use domain::id::*;
use domain::input::Input;
use domain::mailbox::*;
use domain::outbound::{CallClass, RouteTrunk};
use rig::*;

/// A queue that nobody can wait in.
fn full() -> TenantConfig {
    let mut c = config();
    c.queues.get_mut(&SUPPORT).unwrap().max_waiting = 0;
    c
}

/// Leaves a message of so many seconds; returns its interaction and recording.
fn leave(r: &mut Rig, number: NumberId, seconds: u64) -> (InteractionId, RecordingId) {
    let caller = r.call(number);
    r.play_ends(caller, "");
    r.pass(seconds);
    r.hangs_up(caller);
    r.events
        .iter()
        .rev()
        .find_map(|e| match e.body {
            EventBody::RecordingRequested { interaction, recording, .. } => Some((interaction, recording)),
            _ => None,
        })
        .unwrap()
}

fn stored(r: &mut Rig, recording: RecordingId, length_ms: u64, heard_ms: u64) {
    let input = Input::RecordingStored { recording, blob: BlobId(5), length_ms, bytes: 1, gaps: vec![], heard_ms };
    r.input(input).unwrap();
}

/// Whose mailboxes messages went to, in order.
fn mailboxes(r: &Rig) -> Vec<Option<QueueId>> {
    let of = |e: &domain::event::Event| match &e.body {
        EventBody::RecordingRequested { message, .. } => message.map(|m| m.queue),
        _ => None,
    };
    r.events.iter().filter_map(of).collect()
}

fn ends(r: &Rig) -> Vec<InteractionEnd> {
    let why = |e: &domain::event::Event| match e.body {
        EventBody::InteractionEnded { why, .. } => Some(why),
        _ => None,
    };
    r.events.iter().filter_map(why).collect()
}

#[test]
fn a_message_is_told_when_it_can_be_heard_and_an_empty_one_never() {
    let mut r = Rig::new(full());
    let (_, first) = leave(&mut r, TO_SUPPORT, 7);
    let (_, silent) = leave(&mut r, TO_SUPPORT, 7);
    let (_, brief) = leave(&mut r, TO_SUPPORT, 0);
    assert_eq!(mailboxes(&r), [Some(SUPPORT); 3]);
    assert_eq!(ends(&r), [InteractionEnd::Voicemail, InteractionEnd::Voicemail, InteractionEnd::Left]);
    r.forget();
    stored(&mut r, first, 7_000, 4_000);
    stored(&mut r, silent, 7_000, 999);
    // Nothing was recorded of the third: its recording never came to be.
    stored(&mut r, brief, 0, 0);
    // Told once.
    stored(&mut r, first, 7_000, 4_000);
    let told: Vec<&str> = r.out.lines().filter(|l| l.contains("message_")).map(|l| l.trim()).collect();
    assert_eq!(
        told,
        [
            "7.000 message_left length_ms=7000 recording=rec#1",
            "7.000 message_discarded blob=blb5 heard_ms=999 recording=rec#2"
        ]
        .map(|line| line.replace("7.000 ", "14.000 "))
    );
}

#[test]
fn a_message_survives_a_crash_between_its_end_and_its_storing() {
    let c = full();
    let mut r = Rig::new(c.clone());
    let (_, recording) = leave(&mut r, TO_SUPPORT, 7);
    let mut again = domain::floor::Floor::new(FloorId(1), std::sync::Arc::new(c), IdMint::new(1, 2));
    r.events.iter().for_each(|event| again.apply(event));
    let now = r.now;
    again.handle(now, Input::Recovered { last_heartbeat: now, outlived: domain::leg::Outlived::default() }).unwrap();
    let gaps = vec![];
    let stored =
        Input::RecordingStored { recording, blob: BlobId(5), length_ms: 7_000, bytes: 1, gaps, heard_ms: 6_000 };
    again.handle(now, stored).unwrap();
    let told = std::iter::from_fn(|| again.poll_event()).any(|e| matches!(e.body, EventBody::MessageLeft { .. }));
    assert!(told);
}

#[test]
fn a_step_names_the_mailbox_and_the_rules_of_the_queue_hold() {
    let mut c = config();
    c.queues.get_mut(&SUPPORT).unwrap().voicemail =
        Some(MailboxRules { max: Duration::from_secs(30), least: Duration::from_secs(3), ..MailboxRules::default() });
    let mut r = Rig::new(c.clone());
    // After hours the menu takes a message for nobody in particular.
    r.pass(9 * 3600);
    let (_, of_company) = leave(&mut r, TO_MENU, 10);
    // … unless its step says for whom.
    let mut flow = (*c.flows[&FlowId(1)]).clone();
    let step = flow.steps.get_mut(&domain::flow::StepId("message".into())).unwrap();
    if let domain::flow::Step::Voicemail { queue, .. } = step {
        *queue = Some(SUPPORT);
    }
    flow.version += 1;
    c.flows.insert(FlowId(1), std::sync::Arc::new(flow));
    c.rev += 1;
    r.input(Input::ConfigPublished(std::sync::Arc::new(c))).unwrap();
    let (_, of_queue) = leave(&mut r, TO_MENU, 10);
    assert_eq!(mailboxes(&r), [None, Some(SUPPORT)]);
    r.forget();
    stored(&mut r, of_company, 10_000, 2_000);
    stored(&mut r, of_queue, 10_000, 2_000);
    assert!(r.out.contains("message_left length_ms=10000 recording=rec#1"), "{}", r.out);
    assert!(r.out.contains("message_discarded blob=blb5 heard_ms=2000 recording=rec#2"), "{}", r.out);
}

#[test]
fn a_mailbox_that_is_off_takes_nothing_and_its_greeting_is_the_queues() {
    let mut c = full();
    let queue = c.queues.get_mut(&SUPPORT).unwrap();
    queue.overflow.as_mut().unwrap().to = Destination::Voicemail { greeting: None };
    queue.voicemail = Some(MailboxRules { greeting: Some(PromptId(9)), ..MailboxRules::default() });
    let mut r = Rig::new(c.clone());
    leave(&mut r, TO_SUPPORT, 5);
    assert!(r.out.contains("> play clips=[pmt9]"), "{}", r.out);

    c.queues.get_mut(&SUPPORT).unwrap().voicemail = Some(MailboxRules { on: false, ..MailboxRules::default() });
    let mut r = Rig::new(c);
    r.call(TO_SUPPORT);
    assert!(mailboxes(&r).is_empty());
    assert_eq!(ends(&r), [InteractionEnd::Finished]);
}

#[test]
fn a_call_back_answers_the_message_when_somebody_answers_the_call() {
    const CARRIER: TrunkId = TrunkId(1);
    let mut c = full();
    c.trunks.insert(CARRIER, trunk(CARRIER, Some("carrier.example".into())));
    let mut r = Rig::new(c);
    let (of, recording) = leave(&mut r, TO_SUPPORT, 7);
    stored(&mut r, recording, 7_000, 6_000);
    r.sign_in(ANN, TAB);
    r.forget();
    let back = Some(CallBack { of, message: Some(recording) });
    let trunks = vec![RouteTrunk { trunk: CARRIER, priority: 1, weight: 1 }];
    let dial = AgentCommand::Dial { to: AddressId(7), class: CallClass::National, trunks, caller: None, back };
    r.agent(ANN, dial);
    // Her own tab is on the line at once; then the customer's phone rings.
    let customer = r.dialled();
    assert!(r.out.contains("call_back_started message=rec#1"), "{}", r.out);
    assert!(!r.out.contains("message_marked"), "{}", r.out);
    r.leg(answered(customer));
    let marked = r.events.iter().find_map(|e| match e.body {
        EventBody::MessageMarked { interaction, recording, state, by, call } => {
            Some((interaction, recording, state, by.is_some(), call.is_some()))
        }
        _ => None,
    });
    assert_eq!(marked, Some((of, recording, MessageState::Handled, true, true)));
}
