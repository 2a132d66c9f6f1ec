//! A crash: the calls of the killed run go on with the next one, and their recordings too; what rang stops.
use domain::id::{BridgeId, LegId, RecordingId};
use domain::leg::{CallerId, Dial, EndCause, GapCause, LegCommand, LegEvent};

use crate::calls::{in_echo, pair};
use crate::floor::{Floor, PATIENCE, TENANT, eventually};
use crate::line::{Line, line};
use crate::phone::Phone;

#[test]
fn calls_left_by_a_crash_go_on_with_sound_and_recording() {
    let mut floor = Floor::start();
    let (a, b) = (Phone::new(1000.0), Phone::new(440.0));
    let (left, right) = (in_echo(&mut floor, &a), in_echo(&mut floor, &b));
    floor.command(LegCommand::Bridge { bridge: BridgeId(7), legs: pair(left, right) });
    a.wait_hears(440.0, 1000.0);
    let recording = RecordingId(4);
    floor.command(LegCommand::Record { recording, tenant: TENANT, left, right: Some(right), beep_s: None });
    let part = floor.dir.join("spool").join(format!("{recording}.part"));
    eventually("the recording is on disk", || std::fs::metadata(&part).is_ok_and(|m| m.len() > 2_000));
    floor.kill();
    std::thread::sleep(std::time::Duration::from_millis(400));
    floor.restart();
    a.forget();
    b.forget();
    a.wait_hears(440.0, 1000.0);
    b.wait_hears(1000.0, 440.0);
    let outlived = floor.handle().outlived()[&TENANT].clone();
    assert!(outlived.legs.contains_key(&left) && outlived.legs.contains_key(&right));
    assert!(outlived.recordings.contains(&recording) && floor.handle().leftover_recordings().is_empty());
    // Once more, at once.
    floor.kill();
    floor.restart();
    a.forget();
    a.wait_hears(440.0, 1000.0);
    a.hang_up();
    floor.ended(left);
    let (length, gaps) = floor.wait_leg("the end of the recording", |e| match e {
        LegEvent::RecordingEnded { length_ms, gaps, .. } => Some((*length_ms, gaps.clone())),
        _ => None,
    });
    let lost: u64 = gaps.iter().filter(|g| g.why == GapCause::Lost).map(|g| g.to_ms - g.from_ms).sum();
    assert!((400..length).contains(&lost), "{lost} of {length} ms: {gaps:?}");
    assert!(part.with_extension("rec").exists());
    floor.command(LegCommand::Hangup { leg: right, cause: EndCause::Hangup });
    floor.ended(right);
    assert!(matches!(b.wait_ended(), sip::EndCause::Remote { .. }));
    // Nothing is taken up twice: the next run finds only the file's magic.
    floor.kill();
    floor.restart();
    assert_eq!(std::fs::metadata(floor.dir.join("calls.checkpoint")).unwrap().len(), 8);
    // The new run takes calls.
    in_echo(&mut floor, &Phone::new(700.0));
}

#[test]
fn a_phone_left_ringing_by_a_crash_is_told_to_stop() {
    let mut floor = Floor::start();
    let mut phone = Line::new();
    floor.command(LegCommand::Originate {
        leg: LegId(7),
        tenant: TENANT,
        interaction: None,
        to: Dial::Uri { uri: format!("sip:agent@{}", phone.addr) },
        from: CallerId::default(),
        ring_timeout: PATIENCE,
        beside: None,
    });
    let invite = phone.wait("the INVITE", |m| m.starts_with("INVITE "));
    phone.reply(floor.sip, &invite, "180 Ringing");
    floor.wait_leg("ringing", |e| matches!(e, LegEvent::Ringing { leg: LegId(7) }).then_some(()));
    floor.kill();
    floor.restart();
    // The same branch, addresses, Call-ID and number (RFC 3261 §9.1).
    let cancel = phone.wait("the CANCEL", |m| m.starts_with("CANCEL "));
    for header in ["Via:", "From:", "To:", "Call-ID:"] {
        assert_eq!(line(&cancel, header), line(&invite, header));
    }
    assert_eq!(line(&cancel, "CSeq:"), "CSeq: 1 CANCEL");
    assert_eq!(cancel.split(' ').nth(1), invite.split(' ').nth(1));
    phone.reply(floor.sip, &cancel, "200 OK");
    phone.reply(floor.sip, &invite, "487 Request Terminated");
    let ack = phone.wait("the ACK", |m| m.starts_with("ACK "));
    assert_eq!(line(&ack, "Via:"), line(&invite, "Via:"));
    // It is told once.
    floor.kill();
    floor.restart();
    assert_eq!(std::fs::metadata(floor.dir.join("calls.checkpoint")).unwrap().len(), 8);
}
