//! Timelines of calls that outlive a crash of their node.
mod rig;

use domain::command::AgentCommand;
use domain::id::LegId;
use domain::input::Input;
use domain::leg::*;
use expect_test::expect;
use rig::*;

/// The node was gone from 12 s to 15 s; these legs were found again, and all recordings.
fn crash(r: &mut Rig, legs: &[LegId]) {
    let legs = legs.iter().map(|leg| (*leg, Codec::Pcma)).collect();
    let recordings = r.recordings.keys().copied().collect();
    r.forget();
    let last_heartbeat = START + secs(12);
    let _ = r.input(Input::Recovered { last_heartbeat, outlived: Outlived { legs, recordings } });
}

#[test]
fn a_conversation_goes_on_and_the_agent_takes_his_place_again() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            let agent = r.dialled();
            r.pass(15);
            crash(r, &[caller, agent]);
            r.pass(2);
            let _ = r.input(Input::DeviceReady { device: TAB });
            let _ = r.input(Input::LeaseTaken { agent: ANN });
            r.hangs_up(caller);
        },
        expect![[r#"
            12.000 floor_recovered last_heartbeat=12.000 recordings=[rec#1]
            12.000 presence_changed agent=ann presence=offline why=system.restart
            15.000 lease_lost agent=ann until=75.000
            15.000 interaction_resumed
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
               > pause_recording recording=rec#1
            17.000 device_ready device=dev1
            17.000 lease_taken agent=ann
            17.000 presence_changed agent=ann presence=available why=lease_taken
            17.000 leg_ended by=peer cause=hangup leg=leg#1
            17.000 leg_hang_up_sent cause=hangup leg=leg#2
            17.000 segment_state_changed ended=caller_hung_up segment=seg#2 state=wrap_up until=47.000
            17.000 occupancy_changed agent=ann occupancy=wrap_up
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
            17.000 recording_ended gaps=[] length_ms=17000 recording=rec#1
            17.000 leg_ended by=us cause=hangup leg=leg#2
        "#]],
    );
}

#[test]
fn who_waited_waits_on_and_is_offered_to_the_first_agent_who_returns() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let first = r.call(TO_SUPPORT);
            let second = r.call(TO_SUPPORT);
            r.play_ends(second, "");
            r.pass(15);
            // The first was being offered, and is gone; the second heard music.
            crash(r, &[second]);
            let _ = (first, r.input(Input::DeviceReady { device: TAB }));
            let _ = r.input(Input::LeaseTaken { agent: ANN });
        },
        expect![[r#"
            12.000 floor_recovered last_heartbeat=12.000
            12.000 segment_ended segment=seg#1 why=system.restart
            12.000 offer_ended agent=ann offer=ofr#1 segment=seg#2 why=withdrawn
            12.000 segment_ended segment=seg#2 why=system.restart
            12.000 leg_ended by=system cause=system.restart leg=leg#1
            12.000 presence_changed agent=ann presence=offline why=system.restart
            12.000 occupancy_changed agent=ann occupancy=idle
            12.000 interaction_ended why=system.restart
            15.000 lease_lost agent=ann until=75.000
            15.000 interaction_resumed
               > play clips=[pmt2] interruptible=false leg=leg#2 looped=true play=ply#3
            15.000 device_ready device=dev1
            15.000 lease_taken agent=ann
            15.000 presence_changed agent=ann presence=available why=lease_taken
            15.000 segment_started of=ann:agent:que1 segment=seg#4 state=offered until=35.000 why=offer
            15.000 offer_made agent=ann device=dev1 offer=ofr#2 segment=seg#4 until=35.000 waiting=seg#3
            15.000 occupancy_changed agent=ann occupancy=offered
               > offer ann rings=false
        "#]],
    );
}

#[test]
fn a_lost_agent_is_as_if_he_had_hung_up_and_lost_orders_are_given_again() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            let (agent, work) = (r.dialled(), r.work(ANN));
            r.pass(3);
            r.agent(ANN, AgentCommand::Hold { segment: work });
            r.pass(12);
            crash(r, &[caller, agent]);
            r.pass(1);
            // And once more, without the agent.
            crash(r, &[caller]);
        },
        expect![[r#"
            15.000 floor_recovered last_heartbeat=12.000 recordings=[rec#1]
            15.000 leg_ended by=system cause=system.restart leg=leg#2
            15.000 segment_ended segment=seg#2 why=system.restart
            15.000 leg_hang_up_sent cause=hangup leg=leg#1
            15.000 occupancy_changed agent=ann occupancy=idle
            16.000 lease_lost agent=ann until=76.000
            16.000 interaction_resumed
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#1
               > hangup cause=system.restart leg=leg#1
               > bridge bridge=brg#1 legs=[[]:leg#1,[]:leg#2]
            16.000 recording_ended gaps=[] length_ms=16000 recording=rec#1
            16.000 leg_ended by=us cause=hangup leg=leg#1
            16.000 interaction_ended why=system.restart
        "#]],
    );
}

#[test]
fn legs_that_no_call_knows_are_hung_up() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.pass(15);
            crash(r, &[LegId(77)]);
        },
        expect![[r#"
            12.000 floor_recovered last_heartbeat=12.000
            12.000 presence_changed agent=ann presence=offline why=system.restart
            15.000 lease_lost agent=ann until=75.000
               > hangup cause=system.restart leg=leg2d
        "#]],
    );
}

#[test]
fn a_recording_that_is_lost_is_begun_anew_with_its_beep() {
    let mut config = config();
    config.recording.notice = domain::recording::Notice::Beep { every_s: 15 };
    check_with(
        config,
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            let agent = r.dialled();
            r.pass(15);
            r.recordings.clear();
            crash(r, &[caller, agent]);
        },
        expect![[r#"
            12.000 floor_recovered last_heartbeat=12.000
            12.000 presence_changed agent=ann presence=offline why=system.restart
            15.000 lease_lost agent=ann until=75.000
            15.000 interaction_resumed
            15.000 recording_decided mode=always of=queue on=true queue=que1 segment=seg#2
            15.000 recording_requested left=leg#1 recording=rec#2 right=leg#2 segment=seg#2
               > record beep_s=15 left=leg#1 recording=rec#2 right=leg#2
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
               > pause_recording recording=rec#2
        "#]],
    );
}
