//! Random interleavings of commands, phones, browsers, faults and time, with the real SIP endpoint and media plane: every
//! leg ends exactly once, nothing is told about it afterwards, and no table keeps an entry (S1, S2).
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::device::DeviceSignal;
use domain::id::{BridgeId, LegId, PlayId, RecordingId};
use domain::leg::{Dial, EndCause, GapCause, Hears, LegCommand, LegEvent, RejectReason};
use harness::*;
use proptest::prelude::*;
use switch::{Input, PeerEvent, PeerRef};

/// One step; the numbers pick a leg, a phone or a device.
#[derive(Debug, Clone)]
enum Step {
    Call(u16),
    Originate(u8),
    Floor(u8, usize),
    Bridge(usize, usize),
    Record(usize, usize),
    PhoneAnswers(u16),
    PhoneProgresses(u16),
    PhoneSpeaks(u16),
    PhoneRefuses(u16),
    PhoneHangsUp(u16),
    PhoneHolds(u16),
    PhoneVanishes(u16, bool),
    Browser(u8, bool),
    MediaStuck(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let phone = 1u16..5;
    let rarely = || prop::bool::weighted(0.2);
    // Small numbers pick recent legs, which are alive more often.
    let leg = || prop_oneof![6 => 0usize..3, 1 => 3usize..9];
    prop_oneof![
        4 => phone.clone().prop_map(Step::Call),
        4 => (0u8..5).prop_map(Step::Originate),
        6 => leg().prop_map(|leg| Step::Floor(1, leg)),
        9 => (0u8..9, leg()).prop_map(|(what, leg)| Step::Floor(what, leg)),
        4 => (leg(), leg()).prop_map(|(a, b)| Step::Bridge(a, b)),
        4 => (leg(), leg()).prop_map(|(a, b)| Step::Record(a, b)),
        6 => phone.clone().prop_map(Step::PhoneAnswers),
        3 => phone.clone().prop_map(Step::PhoneProgresses),
        2 => phone.clone().prop_map(Step::PhoneSpeaks),
        1 => phone.clone().prop_map(Step::PhoneRefuses),
        2 => phone.clone().prop_map(Step::PhoneHangsUp),
        2 => phone.clone().prop_map(Step::PhoneHolds),
        1 => (phone, rarely()).prop_map(|(phone, gone)| Step::PhoneVanishes(phone, gone)),
        6 => (0u8..5, any::<bool>()).prop_map(|(what, guest)| Step::Browser(what, guest)),
        1 => rarely().prop_map(Step::MediaStuck),
        4 => (1u64..9).prop_map(Step::Wait),
    ]
}

/// The legs the floor may know, and the calls the phones may know.
#[derive(Default)]
struct Known {
    legs: Vec<LegId>,
    calls: BTreeMap<u16, Vec<sip::CallId>>,
    generation: u64,
    number: u128,
}

fn apply(w: &mut World, known: &mut Known, step: Step) {
    known.number += 1;
    let pick = |at: usize| known.legs.len().checked_sub(1 + at).and_then(|at| known.legs.get(at).copied());
    let sip_call = |w: &mut World, n: u16| {
        let rung = w.phone_at(phone(n)).events.iter().rev().find_map(|e| match e {
            sip::Event::IncomingCall(call) => Some(call.call),
            _ => None,
        });
        rung.or_else(|| known.calls.get(&n).and_then(|calls| calls.last().copied()))
    };
    let offer = |n| sdp(rtp_of(phone(n)), "8 101", "");
    match step {
        Step::Call(n) => {
            let call = w.call(phone(n), "3000", None);
            known.calls.entry(n).or_default().push(call);
        }
        Step::Originate(which) => {
            let to = match [SIP_DEVICE, BROWSER, URI_DEVICE, GUEST].get(usize::from(which)) {
                Some(device) => Dial::Device { device: *device },
                None => Dial::Trunk { trunk: TRUNK, address: domain::id::AddressId(1), number: "110".to_owned() },
            };
            known.legs.push(w.originate_to(to));
        }
        Step::Floor(what, at) => {
            let Some(leg) = pick(at) else { return };
            w.leg(match what {
                0 => LegCommand::Ring { leg },
                1 | 2 => LegCommand::Answer { leg },
                3 => LegCommand::Reject { leg, why: RejectReason::Busy },
                4 => LegCommand::Hangup { leg, cause: EndCause::Hangup },
                5 => LegCommand::Play {
                    leg,
                    play: PlayId(known.number),
                    clips: vec![CLIP],
                    looped: false,
                    interruptible: true,
                    collect: None,
                },
                6 => LegCommand::StopPlay { leg },
                7 => LegCommand::Mute { leg, muted: known.number.is_multiple_of(2) },
                _ => LegCommand::SendDigits { leg, digits: "12".to_owned() },
            });
        }
        Step::Bridge(a, b) => {
            let (Some(a), Some(b)) = (pick(a), pick(b)) else { return };
            let legs = match known.number % 5 {
                0 => Vec::new(),
                _ => vec![Hears { leg: a, hears: vec![b] }, Hears { leg: b, hears: vec![a] }],
            };
            w.leg(LegCommand::Bridge { bridge: BridgeId(known.number % 3), legs });
        }
        Step::Record(a, b) => {
            let (Some(left), right) = (pick(a), pick(b)) else { return };
            let recording = RecordingId(known.number % 4);
            w.leg(match known.number % 3 {
                0 => LegCommand::StopRecording { recording },
                1 => LegCommand::PauseRecording { recording, why: Some(GapCause::Mask) },
                _ => LegCommand::Record { recording, tenant: TENANT, left, right, beep_s: None },
            });
        }
        Step::PhoneAnswers(n) => {
            if let Some(call) = sip_call(w, n) {
                w.phone(phone(n), sip::Command::Answer { call, sdp: offer(n), headers: Vec::new() });
            }
        }
        Step::PhoneProgresses(n) => {
            if let Some(call) = sip_call(w, n) {
                let (status, sdp) = if known.number.is_multiple_of(3) { (180, None) } else { (183, Some(offer(n))) };
                w.phone(phone(n), sip::Command::Progress { call, status, sdp });
            }
        }
        Step::PhoneSpeaks(n) => {
            if let Some(media) = w.carriers.keys().next_back().copied() {
                w.speak(media, rtp_of(phone(n)), 8, 3);
            }
        }
        Step::PhoneRefuses(n) => {
            if let Some(call) = sip_call(w, n) {
                w.phone(phone(n), sip::Command::Reject { call, status: 486, headers: Vec::new() });
            }
        }
        Step::PhoneHangsUp(n) => {
            if let Some(call) = sip_call(w, n) {
                w.phone(phone(n), sip::Command::Hangup { call, headers: Vec::new() });
            }
        }
        Step::PhoneHolds(n) => {
            if let Some(call) = sip_call(w, n) {
                let sdp = sdp(rtp_of(phone(n)), "8", "a=inactive\r\n");
                w.phone(phone(n), sip::Command::Reinvite { call, sdp: Some(sdp) });
            }
        }
        Step::PhoneVanishes(n, gone) => w.phone_at(phone(n)).is_gone = gone,
        Step::Browser(what, guest) => {
            let device = if guest { GUEST } else { BROWSER };
            known.generation += 1;
            let generation = known.generation;
            match what {
                0 | 1 => w.connected(device, generation),
                2 => {
                    let closed = PeerRef::Device { device, generation: generation - 1 };
                    w.input(Input::Peer(PeerEvent::Closed { peer: closed }));
                }
                3 => w.input(Input::Device(DeviceSignal::Dial { device, number: ECHO })),
                _ => w.input(Input::Device(DeviceSignal::HangUp { device })),
            }
        }
        Step::MediaStuck(stuck) => w.is_media_stuck = stuck,
        Step::Wait(seconds) => w.advance(Duration::from_secs(seconds)),
    }
    for event in &w.events {
        if let LegEvent::Offered { leg, .. } = event
            && !known.legs.contains(leg)
        {
            known.legs.push(*leg);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_leg_ends_once_and_leaves_nothing(steps in prop::collection::vec(step(), 1..80)) {
        let mut w = World::with_short_sessions();
        w.register(phone(2), 3600);
        for n in 1..5 {
            w.phone_at(phone(n));
        }
        let mut known = Known::default();
        for step in steps {
            apply(&mut w, &mut known, step);
        }
        for device in [BROWSER, GUEST] {
            for generation in 0..=known.generation {
                w.input(Input::Device(DeviceSignal::Close { device, generation }));
            }
        }
        w.input(Input::Drain);
        w.advance(Duration::from_secs(6));

        let mut ended = BTreeSet::new();
        let mut offered = BTreeSet::new();
        for event in &w.events {
            let Some(leg) = event.leg() else { continue };
            prop_assert!(!ended.contains(&leg), "{event:?} comes after the leg's end");
            match event {
                LegEvent::Offered { .. } => {
                    prop_assert!(offered.insert(leg), "a leg is offered once");
                }
                LegEvent::Ended { .. } => {
                    ended.insert(leg);
                }
                _ => {}
            }
        }
        let all: BTreeSet<LegId> = known.legs.iter().copied().collect();
        prop_assert_eq!(&all, &ended, "every leg ends");
        prop_assert_eq!(w.switch.table_entries(), 0, "{:?}", w.switch);
        w.assert_empty();
    }
}
