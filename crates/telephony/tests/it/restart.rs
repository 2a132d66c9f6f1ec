//! A crash: the calls of the killed run are ended by the next one, and their recordings are found.
use domain::id::RecordingId;
use domain::leg::LegCommand;

use crate::calls::in_echo;
use crate::floor::{Floor, TENANT, eventually};
use crate::phone::Phone;

#[test]
fn calls_left_by_a_crash_get_a_bye_at_the_next_start_and_their_recordings_are_found() {
    let mut floor = Floor::start();
    let phone = Phone::new(1000.0);
    let leg = in_echo(&mut floor, &phone);
    phone.wait_hears(1000.0, 440.0);
    let recording = RecordingId(4);
    floor.command(LegCommand::Record { recording, tenant: TENANT, left: leg, right: None });
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
