//! What networks and strangers do: silence, hijacking, re-addressing, garbage; and keep-alives against them.

use super::*;
use proptest::prelude::*;

fn voice(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = rtp::Header { payload_type: 8, ssrc, sequence, ..Default::default() };
    rtp::Packet::new(header, &[0x55; 160]).to_vec()
}

#[test]
fn a_strangers_packets_are_neither_heard_nor_answered() {
    let mut lab = Lab::pair();
    lab.run(500);
    let thief: SocketAddr = "203.0.113.9:666".parse().unwrap();
    lab.peer(B).heard.clear();
    for n in 0..50 {
        // With the right SSRC, even.
        let bytes = voice(A.0 as u32, 40_000 + n);
        lab.inject(A, thief, &bytes);
        lab.run(20);
    }
    assert_hears(&lab.peer(B).heard.clone(), &[440.0]);
    lab.peer(B).assert_continuous();
    let stats = lab.plane.stats(A).unwrap();
    assert_eq!((stats.dropped_foreign, stats.locked_source), (50, Some(addr_of(A))));
}

#[test]
fn silence_of_the_peer_is_reported_once_and_so_is_its_return() {
    let mut lab = Lab::pair();
    lab.run(100);
    lab.peer(A).speaking = false;
    lab.run(12_000);
    lab.peer(A).speaking = true;
    lab.run(100);
    let about_a: Vec<&Event> = lab
        .events
        .iter()
        .filter(|event| matches!(event, Event::MediaSilent { .. } | Event::MediaResumed { .. }))
        .collect();
    assert!(matches!(about_a[0], Event::MediaSilent { leg: A, silent_for } if *silent_for < ms(5020)));
    assert_eq!(about_a[1..], [&Event::MediaResumed { leg: A }]);
}

#[test]
fn a_peer_on_hold_is_not_reported_silent() {
    let mut lab = Lab::pair();
    lab.run(100);
    lab.handle(Command::UpdateLeg(UpdateLeg { direction: Some(Direction::SEND_ONLY), ..UpdateLeg::new(A) }));
    lab.peer(A).speaking = false;
    lab.run(7000);
    assert!(!lab.events.iter().any(|event| matches!(event, Event::MediaSilent { .. })));
    lab.handle(Command::UpdateLeg(UpdateLeg { direction: Some(Direction::BOTH), ..UpdateLeg::new(A) }));
    lab.run(4900);
    assert!(!lab.events.iter().any(|event| matches!(event, Event::MediaSilent { .. })));
    lab.run(200);
    assert!(lab.events.iter().any(|event| matches!(event, Event::MediaSilent { leg: A, .. })));
}

#[test]
fn comfort_noise_is_a_sign_of_life_but_never_locks() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.peer(A).speaking = false;
    let noise = rtp::Packet::new(rtp::Header { payload_type: 13, ..Default::default() }, &[60]).to_vec();
    lab.inject(A, addr_of(A), &noise);
    assert_eq!(lab.plane.stats(A).unwrap().locked_source, None);
    lab.inject(A, addr_of(A), &voice(1, 1));
    for _ in 0..10 {
        lab.run(1000);
        lab.inject(A, addr_of(A), &noise);
    }
    lab.events.retain(|event| !matches!(event, Event::Quality { .. } | Event::Numbers { .. }));
    assert_eq!(lab.events, [Event::MediaStarted { leg: A }]);
    assert_eq!(lab.plane.stats(A).unwrap().dropped_payload_type, 10);
}

#[test]
fn a_stall_of_the_relayed_source_keeps_its_place_in_time() {
    let mut lab = Lab::pair();
    lab.run(500);
    lab.peer(A).speaking = false;
    lab.run(400);
    for _ in 0..20 {
        let bytes = lab.peer(A).speak();
        lab.inject(A, addr_of(A), &bytes);
    }
    lab.peer(A).speaking = true;
    lab.run(500);
    let headers = &lab.peer(B).headers;
    let steps = headers.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp));
    assert!(steps.into_iter().all(|step| step == 160));
    let passed = (lab.now - ms(1000)).as_millis() as usize;
    assert!(lab.peer(B).headers.len().abs_diff(passed / 20) <= 2);
}

#[test]
fn every_peer_gets_a_packet_each_tick_whatever_there_is_to_hear() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.peer(A).speaking = false;
    lab.run(1000);
    assert!((49..=50).contains(&lab.peer(A).headers.len()));
    assert_hears(&lab.peer(A).heard.clone(), &[]);
    lab.peer(A).assert_continuous();
}

#[test]
fn a_relayed_source_that_stops_is_filled_with_silence() {
    let mut lab = Lab::pair();
    lab.run(500);
    lab.peer(A).speaking = false;
    lab.run(2000);
    let before = lab.peer(B).headers.len();
    lab.run(1000);
    assert!((49..=51).contains(&(lab.peer(B).headers.len() - before)));
    // It comes back with its clock moved on by the pause, as phones that suppress silence do.
    let peer = lab.peer(A);
    peer.header.timestamp = peer.header.timestamp.wrapping_add(24_000);
    peer.speaking = true;
    assert_hears(&lab.listen(B, 500), &[440.0]);
    lab.peer(B).assert_continuous();
}

#[test]
fn an_inactive_leg_sends_nothing() {
    let mut lab = Lab::pair();
    lab.run(100);
    lab.handle(Command::UpdateLeg(UpdateLeg { direction: Some(Direction::RECEIVE_ONLY), ..UpdateLeg::new(A) }));
    let before = lab.peer(A).headers.len();
    lab.run(500);
    assert_eq!(lab.peer(A).headers.len(), before);
    assert_hears(&lab.listen(B, 500), &[440.0]);
}

#[test]
fn a_re_invite_to_another_address_is_followed() {
    let mut lab = Lab::pair();
    lab.run(300);
    let moved: SocketAddr = "198.51.100.7:9000".parse().unwrap();
    lab.peer(A).addr = moved;
    lab.handle(Command::UpdateLeg(UpdateLeg { remote: Some(moved), ..UpdateLeg::new(A) }));
    // The lab asserts that packets go to the peer's address.
    assert_hears(&lab.listen(B, 500), &[440.0]);
    assert_eq!(lab.plane.stats(A).unwrap().locked_source, Some(moved));
}

#[test]
fn a_restarted_source_is_relayed_and_mixed_on() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let mut lab = Lab::new();
        lab.add(A, Codec::Pcma, None);
        lab.add(B, codec, None);
        lab.bridge(bridge::pair(A, B));
        lab.run(500);
        lab.peer(A).header.ssrc = 77;
        lab.peer(A).header.sequence = 9;
        lab.peer(A).header.timestamp = 123_456_789;
        assert_hears(&lab.listen(B, 500), &[440.0]);
        lab.peer(B).assert_continuous();
        assert_eq!(lab.plane.stats(A).unwrap().lost, 0);
    }
}

#[test]
fn losses_are_counted_and_concealed_in_the_mix() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.add(B, Codec::Pcmu, None);
    lab.bridge(bridge::pair(A, B));
    lab.run(500);
    lab.peer(A).loses = 10;
    lab.run(4_000);
    lab.peer(A).loses = 0;
    assert_hears(&lab.listen(B, 500), &[440.0]);
    let stats = lab.plane.stats(A).unwrap();
    assert!((10..40).contains(&stats.lost), "{stats:?}");
    assert!(stats.concealed >= stats.lost, "{stats:?}");
}

#[test]
fn a_late_wake_up_skips_time_instead_of_sending_a_burst() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.peer(A).speaking = false;
    lab.run(100);
    let before = lab.peer(A).headers.len();
    lab.now += ms(60_000);
    lab.plane.handle_timeout(lab.now);
    lab.drain();
    assert!(lab.peer(A).headers.len() - before <= 5);
    assert!(lab.plane.next_timeout().unwrap() > lab.now);
}

#[test]
fn webrtc_legs_carry_sound_without_addresses() {
    let mut lab = Lab::new();
    lab.add(A, Codec::Pcma, None);
    lab.handle(Command::AddLeg(AddLeg {
        leg: B,
        transport: Transport::WebRtc,
        codec: params(Codec::Pcma),
        dtmf: None,
        direction: Direction::BOTH,
        seed: 5,
        resume: None,
    }));
    lab.bridge(bridge::pair(A, B));
    lab.plane.handle_packet(lab.now, A, addr_of(A), &voice(1, 1));
    let Some(Output::Event(Event::MediaStarted { leg: A })) = lab.plane.poll() else { panic!("not started") };
    let Some(Output::Packet(packet)) = lab.plane.poll() else { panic!("nothing relayed") };
    assert_eq!((packet.leg, packet.dst), (B, None));
    lab.plane.handle_packet(lab.now, B, "0.0.0.0:0".parse().unwrap(), &voice(2, 1));
    lab.drain();
    assert_eq!(lab.peer(A).heard.len(), 160);
}

#[test]
fn reports_measure_the_round_trip() {
    let mut plane = Plane::new(PlaneConfig::default());
    let transport = Transport::Rtp { remote: Some(addr_of(A)), lock: LockPolicy::Any, rtcp: RtcpMode::NextPort };
    let add = AddLeg {
        leg: A,
        transport,
        codec: params(Codec::Pcma),
        dtmf: None,
        direction: Direction::BOTH,
        seed: 0,
        resume: None,
    };
    plane.handle(ms(0), Command::AddLeg(add)).unwrap();
    let mut now = ms(0);
    let mut report = None;
    while report.is_none() && now < ms(8000) {
        now += ms(20);
        plane.handle_timeout(now);
        while let Some(output) = plane.poll() {
            match output {
                Output::Packet(packet) if packet.rtcp => report = Some(packet),
                _ => {}
            }
        }
    }
    let report = report.unwrap();
    assert_eq!(report.dst.map(|dst| dst.port()), Some(4001));
    let Rtcp::SenderReport { ssrc, info, .. } = &rtcp::parse(&report.bytes)[0] else { panic!("no sender report") };
    let block =
        rtcp::ReportBlock { ssrc: *ssrc, fraction_lost: 26, last_sr: (info.ntp >> 16) as u32, ..Default::default() };
    let mut answer = Vec::new();
    rtcp::write(&Rtcp::ReceiverReport { ssrc: 9, blocks: vec![block] }, &mut answer);
    plane.handle_packet(now + ms(80), A, addr_of(A), &answer);
    let stats = plane.stats(A).unwrap();
    assert_eq!(stats.remote_fraction_lost, 26);
    assert!(stats.round_trip.unwrap().abs_diff(ms(80)) < ms(1));
}

#[test]
fn commands_about_unknown_things_are_refused() {
    let mut plane = Plane::new(PlaneConfig::default());
    let refused = |plane: &mut Plane, command| plane.handle(ms(1), command).unwrap_err();
    assert_eq!(refused(&mut plane, Command::RemoveLeg { leg: A }), MediaError::UnknownLeg(A));
    assert_eq!(refused(&mut plane, Command::RemoveBridge { bridge: BRIDGE }), MediaError::UnknownBridge(BRIDGE));
    let recording = RecordingKey(1);
    assert_eq!(refused(&mut plane, Command::StopRecord { recording }), MediaError::UnknownRecording(recording));
    assert_eq!(plane.next_timeout(), None);
}

/// A packet that is nearly right, or not at all.
fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let nearly =
        (any::<bool>(), 0u8..3, any::<u16>(), any::<u32>(), 0u32..3, proptest::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(marker, kind, sequence, timestamp, ssrc, payload)| {
                let payload_type = [8, 101, 13][usize::from(kind)];
                rtp::Packet::new(rtp::Header { marker, payload_type, sequence, timestamp, ssrc }, &payload).to_vec()
            });
    let random = proptest::collection::vec(any::<u8>(), 0..64);
    prop_oneof![3 => nearly, 1 => random]
}

proptest! {
    #[test]
    fn arbitrary_packets_and_edits_never_panic(
        steps in proptest::collection::vec((1u64..4, any_packet(), 0u64..60, 0u8..20), 1..120)
    ) {
        let mut lab = Lab::new();
        for (key, codec) in [(A, Codec::Pcma), (B, Codec::Pcma), (C, Codec::Pcmu)] {
            lab.add(key, codec, Some(101));
        }
        lab.peers.clear();
        let _ = lab.plane.handle(lab.now, Command::Record { recording: RecordingKey(1), left: A, right: vec![B, C], beep: None, from_ms: 0 });
        for (leg, packet, wait, edit) in steps {
            let leg = LegKey(leg);
            lab.plane.handle_packet(lab.now, leg, addr_of(leg), &packet);
            lab.now += ms(wait);
            lab.plane.handle_timeout(lab.now);
            let command = match edit {
                0 => Command::SetBridge { bridge: BRIDGE, matrix: bridge::conference(&[A, B, C]) },
                1 | 2 => Command::SetBridge { bridge: BRIDGE, matrix: bridge::pair(A, B) },
                3 => Command::SetBridge { bridge: BridgeKey(2), matrix: bridge::echo(leg) },
                4 => Command::Mute { leg, muted: wait % 2 == 0 },
                5 => Command::SendDtmf { leg, digits: "12#".into() },
                6 => Command::RemoveBridge { bridge: BRIDGE },
                7 => Command::Play(Play { looped: true, interruptible: true, ..lab.play(leg, 1, 1100.0, 30) }),
                8 => Command::StopPlay { leg, play: PlayKey(1) },
                9 => Command::UpdateLeg(UpdateLeg { codec: Some(params(Codec::Pcmu)), ..UpdateLeg::new(leg) }),
                10 => Command::RemoveLeg { leg },
                11 => Command::Digit { leg, digit: '1' },
                12 => {
                    if lab.plane.stats(leg).is_none() {
                        lab.add(leg, Codec::Pcmu, None);
                        lab.peers.clear();
                    }
                    continue;
                }
                _ => continue,
            };
            let _ = lab.plane.handle(lab.now, command);
            while lab.plane.poll().is_some() {}
        }
        lab.handle(Command::StopRecord { recording: RecordingKey(1) });
    }
}

#[test]
fn what_a_network_loses_is_told_every_window_and_at_the_end() {
    let mut lab = Lab::pair();
    lab.peer(A).speaking = false;
    for n in 0..1500u32 {
        let bytes = lab.peer(A).speak();
        // Every tenth packet of A is lost on its way; B's come all.
        if !n.is_multiple_of(10) {
            lab.inject(A, addr_of(A), &bytes);
        }
        lab.run(20);
    }
    let of = |leg: LegKey| {
        let told = |event: &Event| match event {
            Event::Quality { leg: about, quality } if *about == leg => Some(*quality),
            _ => None,
        };
        lab.events.iter().filter_map(told).collect::<Vec<_>>()
    };
    let (about_a, about_b) = (of(A), of(B));
    assert_eq!((about_a.len(), about_b.len()), (6, 6), "one a window");
    assert!(about_a.iter().all(|q| (95..=105).contains(&q.lost_in.unwrap()) && q.mos < 360), "{about_a:?}");
    assert!(about_b.iter().all(|q| q.lost_in == Some(0) && q.mos > 430), "{about_b:?}");
    let now = lab.now;
    let whole = lab.plane.quality(now, A).unwrap();
    assert!((95..=105).contains(&whole.whole.lost_in.unwrap()), "{whole:?}");
    assert_eq!((whole.slices.len(), whole.slice_ms), (3, 10_000));
}

#[test]
fn a_peers_report_counts_without_what_was_lost_before_us() {
    let mut lab = Lab::pair();
    lab.peer(A).speaking = false;
    let report = |ssrc, fraction_lost| {
        let block = rtcp::ReportBlock { ssrc, fraction_lost, jitter: 160, ..Default::default() };
        let mut bytes = Vec::new();
        rtcp::write(&Rtcp::ReceiverReport { ssrc: 9, blocks: vec![block] }, &mut bytes);
        bytes
    };
    for n in 0..1000u32 {
        let bytes = lab.peer(A).speak();
        if !n.is_multiple_of(4) {
            lab.inject(A, addr_of(A), &bytes);
        }
        // B misses a quarter, all of it lost before us, and later half of the rest.
        if n % 200 == 150 {
            let ssrc = lab.peer(B).headers.last().unwrap().ssrc;
            let bytes = report(ssrc, if n < 600 { 64 } else { 192 });
            lab.inject(B, addr_of(B), &bytes);
        }
        lab.run(20);
    }
    let told = |event: &Event| match event {
        Event::Quality { leg: B, quality } => quality.lost_out.map(|lost| (lost, quality.jitter_ms)),
        _ => None,
    };
    let about_b: Vec<_> = lab.events.iter().filter_map(told).collect();
    assert!(about_b.iter().all(|(_, jitter)| *jitter == 20), "{about_b:?}");
    assert!(about_b[1].0 < 20 && about_b[2].0 < 20, "{about_b:?}");
    assert!((480..=520).contains(&about_b.last().unwrap().0), "{about_b:?}");
}
