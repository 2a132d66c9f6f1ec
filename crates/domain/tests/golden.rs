//! Stored events stay readable: one golden file for each kind and version, written once and read for ever.
//!
//! `UPDATE_EXPECT=1 cargo test -p domain --test golden` writes the files of new kinds. A changed file means a changed
//! format: raise the version and keep the old file instead.
use std::collections::BTreeSet;
use std::time::Duration;

use domain::command::{Occupancy, Presence, SeatClass, WatchMode};
use domain::config::Strategy;
use domain::device::DeviceLoss;
use domain::event::*;
use domain::flow::StepId;
use domain::id::*;
use domain::leg::{Attestation, Codec, EndCause, EndedBy, Gap, GapCause, LegQuality, LegStats, Quality, Verified, Via};
use domain::localized::Lang;
use domain::mailbox::MessageState;
use domain::medium::Medium;
use domain::outbound::CallClass;
use domain::recording::{MaskEnd, RecordMode, RuleOf};
use domain::routing::{Candidate, DecisionTrace, Excluded, Exclusion};
use domain::spend::SpendLimit;
use domain::time::Timestamp;
use expect_test::expect_file;

const AT: Timestamp = Timestamp(1_790_000_000_000);

fn samples() -> Vec<EventBody> {
    let (interaction, segment, leg) = (InteractionId(1), SegmentId(2), LegId(3));
    let (agent, device, queue, offer) = (AgentId(4), DeviceId(5), QueueId(6), OfferId(7));
    let (play, recording, number, from) = (PlayId(8), RecordingId(9), NumberId(10), AddressId(11));
    let step = StepId("menu".into());
    let later = Some(AT + Duration::from_secs(20));
    let trace = DecisionTrace {
        strategy: Strategy::LongestIdle,
        waited_ms: 1500,
        priority: 10,
        place: 1,
        candidates: vec![Candidate { agent, priority: 1, level: 8, idle_ms: 60_000 }],
        excluded: vec![Excluded { agent: AgentId(12), why: Exclusion::OnBreak }],
        left_out: 0,
    };
    let stats = LegStats { answered_ms: 61_000, rtp_received: 3050, rtp_sent: 3049, ..LegStats::default() };
    vec![
        EventBody::ConfigPublished { rev: 3 },
        EventBody::FloorRecovered { last_heartbeat: AT, recordings: vec![] },
        EventBody::AgentSignedIn { agent, device, seat: SeatClass::Standard, queues: vec![queue] },
        EventBody::AgentQueuesChanged { agent, queues: vec![] },
        EventBody::AgentSignedOut { agent, why: SignOutCause::Restart },
        EventBody::PresenceChanged {
            agent,
            presence: Presence::Break { reason: BreakReasonId(13) },
            why: PresenceCause::Supervisor,
            by: Some(UserId(14)),
        },
        EventBody::OccupancyChanged { agent, occupancy: Occupancy::WrapUp },
        EventBody::LeaseLost { agent, until: later },
        EventBody::LeaseTaken { agent },
        EventBody::AgentLeaving { agent, why: SignOutCause::Agent },
        EventBody::DeviceReady { device },
        EventBody::DeviceLost { device, why: DeviceLoss::IceFailed },
        EventBody::CallRejected { leg, number, from, why: CallRefusal::LimitCalls },
        EventBody::InteractionStarted {
            interaction,
            medium: Medium::Voice,
            direction: Direction::Inbound,
            number: Some(number),
            from: Some(from),
            lang: Lang::Zh,
            priority: 0,
        },
        EventBody::LanguageSet { interaction, lang: Lang::En },
        EventBody::PrioritySet { interaction, priority: 50 },
        EventBody::VariableSet { interaction, name: "topic".into(), value: "sales".into() },
        EventBody::InteractionEnded { interaction, why: InteractionEnd::Restart },
        EventBody::SegmentStarted {
            interaction,
            segment,
            of: SegmentOf::Queue {
                queue,
                priority: 10,
                virtual_since: AT,
                service_level: Duration::from_secs(20),
                short_abandon: Duration::from_secs(5),
            },
            why: SegmentStart::Flow,
            state: SegmentState::Waiting,
            until: later,
            by: None,
        },
        EventBody::SegmentStateChanged {
            interaction,
            segment,
            state: SegmentState::WrapUp,
            until: later,
            ended: Some(SegmentEnd::CallerHungUp),
        },
        EventBody::SegmentEnded { interaction, segment, why: SegmentEnd::Restart },
        EventBody::WrapUpExtended { interaction, segment, until: AT },
        EventBody::DispositionSet { interaction, segment, disposition: DispositionId(15), note: Some(NoteId(16)) },
        EventBody::StepEntered { interaction, segment, step: step.clone(), attempt: 1, play: Some(play), until: later },
        EventBody::DigitsCollected {
            interaction,
            segment,
            step,
            variable: "account".into(),
            count: 6,
            sensitive: true,
        },
        EventBody::PlayStarted { interaction, segment, play, what: PlayWhat::Music, until: later },
        EventBody::OfferMade {
            interaction,
            offer,
            segment,
            agent,
            device,
            waiting: Some(SegmentId(17)),
            until: AT,
            trace,
        },
        EventBody::OfferAccepted { interaction, offer, agent },
        EventBody::OfferEnded { interaction, offer, segment, agent, why: OfferEnd::Missed, not_before: later },
        EventBody::LegStarted {
            interaction,
            leg,
            segment: None,
            direction: Direction::Inbound,
            role: LegRole::Customer,
            via: Some(Via::Trunk { trunk: TrunkId(18) }),
            device: None,
            destination: DestinationClass::Number,
            place: LegPlace::Main,
        },
        EventBody::LegRinging { interaction, leg },
        EventBody::LegAnswered { interaction, leg, codec: Codec::Pcma },
        EventBody::LegPeerHeld { interaction, leg, held: true },
        EventBody::LegMuted { interaction, leg, muted: true },
        EventBody::LegSilent { interaction, leg, silent: true },
        EventBody::LegHangUpSent { interaction, leg, cause: EndCause::Hangup },
        EventBody::LegEnded { interaction, leg, cause: EndCause::MediaLost, by: EndedBy::System, stats },
        EventBody::Bridged { interaction, segment, bridge: BridgeId(19), legs: vec![leg, LegId(20)], hears: vec![] },
        EventBody::RecordingRequested {
            interaction,
            segment,
            recording,
            left: leg,
            right: Some(LegId(20)),
            message: None,
        },
        EventBody::RecordingStarted { interaction, recording },
        EventBody::RecordingEnded {
            interaction,
            recording,
            length_ms: 60_000,
            gaps: vec![Gap { from_ms: 1000, to_ms: 2000, why: GapCause::Hold }],
        },
        EventBody::RecordingStored { recording, blob: BlobId(21), length_ms: 60_000, bytes: 960_044, gaps: vec![] },
        EventBody::ConsultMerged { interaction, segment },
        EventBody::WatchChanged { interaction, segment, target: SegmentId(22), mode: WatchMode::Whisper },
        EventBody::MusicStopped { interaction, play },
        EventBody::LegMoved { interaction, leg, segment },
        EventBody::DialPlanned { interaction, class: CallClass::National, trunks: vec![TrunkId(23)] },
        EventBody::LegEarlyMedia { interaction, leg },
        EventBody::TrunkChanged { trunk: TrunkId(23), up: false },
        EventBody::RecordingDecided {
            interaction,
            segment,
            on: false,
            mode: RecordMode::Sample { percent: 20 },
            of: RuleOf::Queue { queue },
            draw: Some(57),
            by: None,
        },
        EventBody::RecordingAnnounced { interaction, prompt: PromptId(32) },
        EventBody::MaskStarted { interaction, segment, agent, until: AT + Duration::from_secs(120) },
        EventBody::MaskEnded { interaction, why: MaskEnd::Agent, agent: Some(agent) },
        EventBody::RecordingDeleted { interaction, recording },
        EventBody::MessageLeft { interaction, recording, length_ms: 7_000 },
        EventBody::MessageDiscarded { interaction, recording, blob: BlobId(21), heard_ms: 120 },
        EventBody::MessageMarked {
            interaction,
            recording,
            state: MessageState::Handled,
            by: Some(UserId(14)),
            call: Some(InteractionId(33)),
        },
        EventBody::CallBackStarted { interaction: InteractionId(33), of: interaction, message: Some(recording) },
        EventBody::InteractionResumed { interaction },
        EventBody::CallIdentified {
            interaction,
            diverted: Some(AddressId(35)),
            verified: Some(Verified { passed: Some(true), attested: Some(Attestation::A) }),
        },
        EventBody::CallCharged {
            interaction,
            leg,
            class: CallClass::National,
            agent: Some(agent),
            talk_ms: 61_000,
            cost: 35,
            day: AT,
            month: AT,
        },
        EventBody::SpendReached {
            limit: SpendLimit::AgentDay { agent },
            percent: 80,
            spent: 85,
            most: 100,
            day: AT,
            month: AT,
        },
    ]
}

#[test]
fn every_kind_has_a_golden_file_that_still_reads() {
    let mut seen = BTreeSet::new();
    for (n, body) in samples().into_iter().enumerate() {
        let kind = body.kind();
        seen.insert(kind);
        let event = Event { seq: n as u64 + 1, at: AT, v: EVENT_VERSION, body };
        let text = serde_json::to_string_pretty(&event).unwrap() + "\n";
        expect_file![format!("golden/{kind}.json")].assert_eq(&text);
        assert_eq!(Event::from_json(&text).unwrap(), event);
        assert_eq!(Event::from_json(&event.to_json().unwrap()).unwrap(), event);
    }
    assert_eq!(seen, EventBody::KINDS.iter().copied().collect(), "a kind has no sample");
}

#[test]
fn unknown_fields_are_ignored_and_unknown_kinds_named() {
    let old = r#"{"seq":1,"at":5,"v":1,"kind":"config_published","rev":2,"author":"later"}"#;
    assert_eq!(Event::from_json(old).unwrap().body, EventBody::ConfigPublished { rev: 2 });
    let error = |text: &str| Event::from_json(text).unwrap_err().to_string();
    assert_eq!(
        error(r#"{"seq":1,"at":5,"v":1,"kind":"telepathy"}"#),
        "event kind `telepathy` is unknown to this version of the program"
    );
    assert_eq!(
        error(r#"{"seq":1,"at":5,"v":9,"kind":"config_published","rev":2}"#),
        "event kind `config_published` has version 9, this program reads up to 1"
    );
    assert_eq!(error(r#"{"seq":1,"at":5,"v":1,"kind":"config_published"}"#), "event is malformed");
}

/// Added to `leg_ended` without a new version: absent from older events, unknown to older readers.
#[test]
fn a_legs_quality_is_stored_in_few_words_and_read_back() {
    let flawless = Quality { mos: 440, lost_in: Some(0), lost_out: None, jitter_ms: 2, round_trip_ms: Some(40) };
    let quality = LegQuality {
        mos_min: 362,
        whole: Quality { mos: 401, lost_in: Some(40), lost_out: None, jitter_ms: 9, round_trip_ms: Some(41) },
        slice_ms: 10_000,
        slices: vec![Some(flawless), None, Some(Quality { mos: 362, lost_in: Some(80), ..flawless })],
    };
    let stats = LegStats { quality: Some(Box::new(quality)), ..LegStats::default() };
    let text = serde_json::to_string(&stats.quality).unwrap();
    expect_test::expect![[r#"{"mos_min":362,"whole":[401,40,null,9,41],"slice_ms":10000,"slices":[[440,0,null,2,40],null,[362,80,null,2,40]]}"#]]
        .assert_eq(&text);
    let written = serde_json::to_string(&stats).unwrap();
    assert_eq!(serde_json::from_str::<LegStats>(&written).unwrap(), stats);
}
