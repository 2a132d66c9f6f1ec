//! A crash: the calls of the killed run are ended by the next one, ringing ones too, and their recordings are found.
use domain::id::{LegId, RecordingId};
use domain::leg::{CallerId, Dial, LegCommand, LegEvent};

use crate::calls::in_echo;
use crate::floor::{Floor, PATIENCE, TENANT, eventually};
use crate::line::{Line, line};
use crate::phone::Phone;

#[test]
fn calls_left_by_a_crash_get_a_bye_at_the_next_start_and_their_recordings_are_found() {
    let mut floor = Floor::start();
    let phone = Phone::new(1000.0);
    let leg = in_echo(&mut floor, &phone);
    phone.wait_hears(1000.0, 440.0);
    let recording = RecordingId(4);
    floor.command(LegCommand::Record { recording, tenant: TENANT, left: leg, right: None, beep_s: None });
    let part = floor.dir.join("spool").join(format!("{recording}.part"));
    eventually("the recording is on disk", || std::fs::metadata(&part).is_ok_and(|m| m.len() > 2_000));
    floor.kill();
    floor.restart();
    let cause = phone.wait_ended();
    assert!(matches!(cause, sip::EndCause::Remote { .. }), "{cause:?}");
    let leftovers = floor.handle().leftover_recordings();
    assert_eq!(leftovers.iter().map(|l| (l.recording, l.complete)).collect::<Vec<_>>(), [(recording, false)]);
    // Nothing is ended twice: the third run finds only the file's magic.
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
