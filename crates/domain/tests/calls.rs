//! Timelines of calls: what the floor decides on every path of a caller to an agent and back.
mod rig;

use domain::command::{AgentCommand, Presence};
use domain::device::DeviceLoss;
use domain::input::Input;
use domain::leg::*;
use expect_test::expect;
use rig::*;

#[test]
fn a_caller_is_served_by_an_agent_in_the_browser() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.forget();
            let caller = r.call(TO_SUPPORT);
            r.pass(3);
            r.accept(ANN);
            r.pass(60);
            let work = r.work(ANN);
            r.agent(ANN, AgentCommand::Hold { segment: work });
            r.pass(10);
            r.agent(ANN, AgentCommand::Resume { segment: work });
            r.pass(5);
            r.hangs_up(caller);
            r.pass(4);
            r.agent(ANN, AgentCommand::SetDisposition { segment: work, disposition: SOLVED, note: None });
            r.agent(ANN, AgentCommand::EndWrapUp { segment: work });
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=numz8 priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            0.000 segment_started of=queue:0:que1 segment=seg#1 state=waiting until=120.000 why=entry
            0.000 segment_started of=ann:agent:que1 segment=seg#2 state=offered until=20.000 why=offer
            0.000 offer_made agent=ann device=dev1 offer=ofr#1 segment=seg#2 until=20.000 waiting=seg#1
            0.000 occupancy_changed agent=ann occupancy=offered
               > answer leg=leg#1
               > offer ann rings=false
            0.000 leg_answered codec=pcma leg=leg#1
            0.000 play_started play=ply#1 segment=seg#1 what=welcome
               > play clips=[pmt1] interruptible=false leg=leg#1 looped=false play=ply#1
            3.000 offer_accepted agent=ann offer=ofr#1
            3.000 segment_state_changed segment=seg#2 state=connecting until=13.000
            3.000 leg_started destination=browser device=dev1 direction=outbound leg=leg#2 role=agent segment=seg#2
            3.000 occupancy_changed agent=ann occupancy=busy
               > originate leg=leg#2 to=dev1:device
            3.000 leg_answered codec=pcma leg=leg#2
            3.000 segment_ended segment=seg#1 why=answered
            3.000 segment_state_changed segment=seg#2 state=talking
            3.000 bridged bridge=brg#1 legs=[leg#1,leg#2] segment=seg#2
            3.000 recording_decided mode=always of=queue on=true queue=que1 segment=seg#2
            3.000 recording_requested left=leg#1 recording=rec#1 right=leg#2 segment=seg#2
               > stop_play leg=leg#1
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
               > record left=leg#1 recording=rec#1 right=leg#2
            63.000 segment_state_changed segment=seg#2 state=held
            63.000 bridged bridge=brg#1 hears=[[]:leg#1,[]:leg#2] legs=[leg#1,leg#2] segment=seg#2
            63.000 play_started play=ply#2 segment=seg#2 what=hold_music
               > bridge bridge=brg#1 legs=[[]:leg#1,[]:leg#2]
               > play clips=[pmt2] interruptible=false leg=leg#1 looped=true play=ply#2
               > pause_recording recording=rec#1 why=hold
            73.000 segment_state_changed segment=seg#2 state=talking
            73.000 bridged bridge=brg#1 legs=[leg#1,leg#2] segment=seg#2
            73.000 music_stopped play=ply#2
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
               > stop_play leg=leg#1
               > pause_recording recording=rec#1
            78.000 leg_ended by=peer cause=hangup leg=leg#1
            78.000 leg_hang_up_sent cause=hangup leg=leg#2
            78.000 segment_state_changed ended=caller_hung_up segment=seg#2 state=wrap_up until=108.000
            78.000 occupancy_changed agent=ann occupancy=wrap_up
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
            78.000 recording_ended gaps=[] length_ms=75000 recording=rec#1
            78.000 leg_ended by=us cause=hangup leg=leg#2
            82.000 disposition_set disposition=dsp1 segment=seg#2
            82.000 segment_ended segment=seg#2 why=caller_hung_up
            82.000 occupancy_changed agent=ann occupancy=idle
            82.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_phone_is_rung_and_answering_it_accepts() {
    check(
        |r| {
            r.sign_in(BOB, PHONE);
            let caller = r.call(TO_SUPPORT);
            r.forget();
            r.pass(2);
            let phone = r.dialled();
            r.leg(LegEvent::Ringing { leg: phone });
            r.leg(answered(phone));
            r.pass(30);
            r.hangs_up(phone);
            assert!(caller.0 > 0);
            r.pass(60);
        },
        expect![[r#"
            2.000 leg_ringing leg=leg#2
            2.000 leg_answered codec=pcma leg=leg#2
            2.000 offer_accepted agent=bob offer=ofr#1
            2.000 segment_state_changed segment=seg#2 state=connecting until=12.000
            2.000 segment_ended segment=seg#1 why=answered
            2.000 segment_state_changed segment=seg#2 state=talking
            2.000 bridged bridge=brg#1 legs=[leg#1,leg#2] segment=seg#2
            2.000 recording_decided mode=always of=queue on=true queue=que1 segment=seg#2
            2.000 recording_requested left=leg#1 recording=rec#1 right=leg#2 segment=seg#2
            2.000 occupancy_changed agent=bob occupancy=busy
               > stop_play leg=leg#1
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
               > record left=leg#1 recording=rec#1 right=leg#2
            32.000 leg_ended by=peer cause=hangup leg=leg#2
            32.000 segment_state_changed ended=agent_hung_up segment=seg#2 state=wrap_up until=62.000
            32.000 leg_hang_up_sent cause=hangup leg=leg#1
            32.000 occupancy_changed agent=bob occupancy=wrap_up
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#1
            32.000 recording_ended gaps=[] length_ms=30000 recording=rec#1
            32.000 leg_ended by=us cause=hangup leg=leg#1
            62.000 segment_ended segment=seg#2 why=agent_hung_up
            62.000 occupancy_changed agent=bob occupancy=idle
            62.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_missed_ring_goes_to_the_next_agent_and_not_back_to_the_same() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.pass(1);
            r.sign_in(BOB, PHONE);
            r.forget();
            r.call(TO_SUPPORT);
            r.pass(21);
            let phone = r.dialled();
            r.leg(ended(phone, EndCause::Busy, EndedBy::Peer));
            r.pass(14);
            // Bob declined: after a while he is asked again; Ann missed and is away.
            r.pass(1);
        },
        expect![[r#"
            1.000 interaction_started direction=inbound lang=en medium=voice number=numz8 priority=0
            1.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            1.000 segment_started of=queue:0:que1 segment=seg#1 state=waiting until=121.000 why=entry
            1.000 segment_started of=ann:agent:que1 segment=seg#2 state=offered until=21.000 why=offer
            1.000 offer_made agent=ann device=dev1 offer=ofr#1 segment=seg#2 until=21.000 waiting=seg#1
            1.000 occupancy_changed agent=ann occupancy=offered
               > answer leg=leg#1
               > offer ann rings=false
            1.000 leg_answered codec=pcma leg=leg#1
            1.000 play_started play=ply#1 segment=seg#1 what=welcome
               > play clips=[pmt1] interruptible=false leg=leg#1 looped=false play=ply#1
            21.000 offer_ended agent=ann not_before=36.000 offer=ofr#1 segment=seg#2 why=missed
            21.000 segment_ended segment=seg#2 why=missed
            21.000 presence_changed agent=ann presence=offline why=missed_offer
            21.000 occupancy_changed agent=ann occupancy=idle
            21.000 segment_started of=bob:agent:que1 segment=seg#3 state=offered until=41.000 why=offer
            21.000 offer_made agent=bob device=dev2 offer=ofr#2 segment=seg#3 until=41.000 waiting=seg#1
            21.000 leg_started destination=sip_device device=dev2 direction=outbound leg=leg#2 role=agent segment=seg#3
            21.000 occupancy_changed agent=bob occupancy=offered
               > offer_withdrawn ann
               > offer bob rings=true
               > originate leg=leg#2 to=dev2:device
            22.000 leg_ended by=peer cause=busy leg=leg#2
            22.000 offer_ended agent=bob not_before=37.000 offer=ofr#2 segment=seg#3 why=declined
            22.000 segment_ended segment=seg#3 why=declined
            22.000 occupancy_changed agent=bob occupancy=idle
               > offer_withdrawn bob
            37.000 segment_started of=bob:agent:que1 segment=seg#4 state=offered until=57.000 why=offer
            37.000 offer_made agent=bob device=dev2 offer=ofr#3 segment=seg#4 until=57.000 waiting=seg#1
            37.000 leg_started destination=sip_device device=dev2 direction=outbound leg=leg#3 role=agent segment=seg#4
            37.000 occupancy_changed agent=bob occupancy=offered
               > offer bob rings=true
               > originate leg=leg#3 to=dev2:device
        "#]],
    );
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_withdraws_the_offer() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.forget();
            r.pass(4);
            let offer = r.offer(ANN);
            r.leg(ended(caller, EndCause::Hangup, EndedBy::Peer));
            r.agent(ANN, AgentCommand::AcceptOffer { offer });
        },
        expect![[r#"
            4.000 leg_ended by=peer cause=hangup leg=leg#1
            4.000 segment_ended segment=seg#1 why=caller_hung_up
            4.000 offer_ended agent=ann offer=ofr#1 segment=seg#2 why=withdrawn
            4.000 segment_ended segment=seg#2 why=withdrawn
            4.000 occupancy_changed agent=ann occupancy=idle
            4.000 interaction_ended why=abandoned
               > offer_withdrawn ann
            4.000 refused offer.gone
        "#]],
    );
}

#[test]
fn accept_and_hang_up_may_cross() {
    check(
        |r| {
            r.obedient = false;
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.leg(answered(caller));
            r.forget();
            r.accept(ANN);
            let tab = r.dialled();
            r.hangs_up(caller);
            // The tab's leg answers after it was told to go.
            r.leg(answered(tab));
            r.leg(ended(tab, EndCause::Cancelled, EndedBy::Us));
        },
        expect![[r#"
            0.000 offer_accepted agent=ann offer=ofr#1
            0.000 segment_state_changed segment=seg#2 state=connecting until=10.000
            0.000 leg_started destination=browser device=dev1 direction=outbound leg=leg#2 role=agent segment=seg#2
            0.000 occupancy_changed agent=ann occupancy=busy
               > originate leg=leg#2 to=dev1:device
            0.000 leg_ended by=peer cause=hangup leg=leg#1
            0.000 segment_ended segment=seg#1 why=caller_hung_up
            0.000 offer_ended agent=ann offer=ofr#1 segment=seg#2 why=withdrawn
            0.000 segment_ended segment=seg#2 why=withdrawn
            0.000 leg_hang_up_sent cause=cancelled leg=leg#2
            0.000 occupancy_changed agent=ann occupancy=idle
               > offer_withdrawn ann
               > hangup cause=cancelled leg=leg#2
            0.000 leg_answered codec=pcma leg=leg#2
            0.000 leg_ended by=us cause=cancelled leg=leg#2
            0.000 interaction_ended why=abandoned
        "#]],
    );
}

#[test]
fn the_agents_hang_up_ends_the_callers_leg() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.call(TO_SUPPORT);
            r.accept(ANN);
            r.pass(9);
            r.forget();
            let segment = r.work(ANN);
            r.agent(ANN, AgentCommand::Mute { segment, muted: true });
            r.agent(ANN, AgentCommand::SendDigits { segment, digits: "12#".into() });
            r.agent(ANN, AgentCommand::SendDigits { segment, digits: "x".into() });
            r.agent(ANN, AgentCommand::HangUp { segment });
            r.agent(ANN, AgentCommand::ExtendWrapUp { segment, by: secs(60) });
            r.agent(ANN, AgentCommand::HangUp { segment });
            r.pass(100);
        },
        expect![[r#"
            9.000 leg_muted leg=leg#2 muted=true
               > mute leg=leg#2 muted=true
               > send_digits digits=12# leg=leg#1
            9.000 refused digits.invalid
            9.000 leg_hang_up_sent cause=hangup leg=leg#2
            9.000 segment_state_changed ended=agent_hung_up segment=seg#2 state=wrap_up until=39.000
            9.000 leg_hang_up_sent cause=hangup leg=leg#1
            9.000 occupancy_changed agent=ann occupancy=wrap_up
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
               > hangup cause=hangup leg=leg#1
            9.000 recording_ended gaps=[] length_ms=9000 recording=rec#1
            9.000 leg_ended by=us cause=hangup leg=leg#2
            9.000 leg_ended by=us cause=hangup leg=leg#1
            9.000 wrap_up_extended segment=seg#2 until=99.000
            9.000 refused segment.state
            99.000 segment_ended segment=seg#2 why=agent_hung_up
            99.000 occupancy_changed agent=ann occupancy=idle
            99.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_phone_on_hold_gives_the_caller_music() {
    check(
        |r| {
            r.sign_in(BOB, PHONE);
            r.call(TO_SUPPORT);
            let phone = r.dialled();
            r.leg(answered(phone));
            r.pass(5);
            r.forget();
            r.leg(LegEvent::PeerHeld { leg: phone, held: true });
            let segment = r.work(BOB);
            r.agent(BOB, AgentCommand::Resume { segment });
            r.pass(5);
            r.leg(LegEvent::PeerHeld { leg: phone, held: false });
        },
        expect![[r#"
            5.000 leg_peer_held held=true leg=leg#2
            5.000 segment_state_changed segment=seg#2 state=held
            5.000 bridged bridge=brg#1 hears=[[]:leg#1,[]:leg#2] legs=[leg#1,leg#2] segment=seg#2
            5.000 play_started play=ply#2 segment=seg#2 what=hold_music
               > bridge bridge=brg#1 legs=[[]:leg#1,[]:leg#2]
               > play clips=[pmt2] interruptible=false leg=leg#1 looped=true play=ply#2
               > pause_recording recording=rec#1 why=hold
            5.000 refused segment.state
            10.000 leg_peer_held held=false leg=leg#2
            10.000 segment_state_changed segment=seg#2 state=talking
            10.000 bridged bridge=brg#1 legs=[leg#1,leg#2] segment=seg#2
            10.000 music_stopped play=ply#2
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
               > stop_play leg=leg#1
               > pause_recording recording=rec#1
        "#]],
    );
}

#[test]
fn a_waiting_caller_hears_welcome_music_and_comfort_and_overflows_to_voicemail() {
    check(
        |r| {
            let caller = r.call(TO_SUPPORT);
            r.pass(4);
            r.play_ends(caller, "");
            r.pass(30);
            r.pass(3);
            r.play_ends(caller, "");
            r.pass(85);
            r.play_ends(caller, "");
            r.pass(7);
            r.leg(LegEvent::Digit { leg: caller, digit: '#' });
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=numz8 priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            0.000 segment_started of=queue:0:que1 segment=seg#1 state=waiting until=120.000 why=entry
               > answer leg=leg#1
            0.000 leg_answered codec=pcma leg=leg#1
            0.000 play_started play=ply#1 segment=seg#1 what=welcome
               > play clips=[pmt1] interruptible=false leg=leg#1 looped=false play=ply#1
            4.000 play_started play=ply#2 segment=seg#1 until=34.000 what=music
               > play clips=[pmt2] interruptible=false leg=leg#1 looped=true play=ply#2
            34.000 play_started play=ply#3 segment=seg#1 what=comfort
               > play clips=[pmt5] interruptible=false leg=leg#1 looped=false play=ply#3
            37.000 play_started play=ply#4 segment=seg#1 until=67.000 what=music
               > play clips=[pmt2] interruptible=false leg=leg#1 looped=true play=ply#4
            67.000 play_started play=ply#5 segment=seg#1 what=comfort
               > play clips=[pmt5] interruptible=false leg=leg#1 looped=false play=ply#5
            120.000 segment_ended segment=seg#1 why=overflow
            120.000 segment_started of=que1:flow segment=seg#2 state=voicemail why=overflow
            120.000 play_started play=ply#6 segment=seg#2 until=720.000 what=greeting
               > play clips=[pmt4] interruptible=false leg=leg#1 looped=false play=ply#6
            122.000 segment_state_changed segment=seg#2 state=voicemail until=242.000
            122.000 recording_requested left=leg#1 message=1000:que1 recording=rec#1 segment=seg#2
               > record left=leg#1 recording=rec#1
            129.000 segment_ended segment=seg#2 why=finished
            129.000 leg_hang_up_sent cause=hangup leg=leg#1
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#1
            129.000 recording_ended gaps=[] length_ms=7000 recording=rec#1
            129.000 leg_ended by=us cause=hangup leg=leg#1
            129.000 interaction_ended why=voicemail
        "#]],
    );
}

#[test]
fn a_menu_choice_leads_to_a_queue_and_digits_stay_out_of_the_journal() {
    check(
        |r| {
            let caller = r.call(TO_MENU);
            r.play_ends(caller, "9");
            r.play_ends(caller, "2");
            r.play_ends(caller, "123456");
            r.pass(2);
            r.hangs_up(caller);
            assert!(!r.out.contains("123456"));
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=num1yg priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            0.000 segment_started of=flo1:flow:1 segment=seg#1 state=running why=entry
               > answer leg=leg#1
            0.000 leg_answered codec=pcma leg=leg#1
            0.000 step_entered attempt=1 segment=seg#1 step=hours
            0.000 step_entered attempt=1 play=ply#1 segment=seg#1 step=menu until=600.000
               > play clips=[pmta] collect=5000:3000:1: interruptible=true leg=leg#1 looped=false play=ply#1
            0.000 step_entered attempt=2 play=ply#2 segment=seg#1 step=menu until=600.000
               > play clips=[pmtb,pmta] collect=5000:3000:1: interruptible=true leg=leg#1 looped=false play=ply#2
            0.000 step_entered attempt=1 play=ply#3 segment=seg#1 step=account until=600.000
               > play clips=[pmtc] collect=5000:3000:6:# interruptible=true leg=leg#1 looped=false play=ply#3
            0.000 digits_collected count=6 segment=seg#1 sensitive=false step=account variable=account
            0.000 step_entered attempt=1 segment=seg#1 step=english
            0.000 language_set lang=en
            0.000 step_entered attempt=1 segment=seg#1 step=support
            0.000 segment_ended segment=seg#1 why=moved_on
            0.000 segment_started of=queue:1:que1 segment=seg#2 state=waiting until=120.000 why=flow
            0.000 play_started play=ply#4 segment=seg#2 what=welcome
               > play clips=[pmt1] interruptible=false leg=leg#1 looped=false play=ply#4
            2.000 leg_ended by=peer cause=hangup leg=leg#1
            2.000 segment_ended segment=seg#2 why=caller_hung_up
            2.000 interaction_ended why=abandoned
        "#]],
    );
}

#[test]
fn a_silent_caller_is_asked_twice_and_let_go() {
    check(
        |r| {
            let caller = r.call(TO_MENU);
            r.forget();
            r.play_ends(caller, "");
            r.play_ends(caller, "");
            r.play_ends(caller, "");
        },
        expect![[r#"
            0.000 step_entered attempt=2 play=ply#2 segment=seg#1 step=menu until=600.000
               > play clips=[pmta] collect=5000:3000:1: interruptible=true leg=leg#1 looped=false play=ply#2
            0.000 step_entered attempt=1 segment=seg#1 step=bye
            0.000 play_started play=ply#3 segment=seg#1 until=600.000 what=farewell
               > play clips=[pmt3] interruptible=false leg=leg#1 looped=false play=ply#3
            0.000 segment_ended segment=seg#1 why=finished
            0.000 leg_hang_up_sent cause=hangup leg=leg#1
               > hangup cause=hangup leg=leg#1
            0.000 leg_ended by=us cause=hangup leg=leg#1
            0.000 interaction_ended why=finished
        "#]],
    );
}

#[test]
fn after_hours_the_menu_takes_a_message() {
    check(
        |r| {
            r.pass(9 * 3600);
            let caller = r.call(TO_MENU);
            r.play_ends(caller, "");
            r.pass(100);
        },
        expect![[r#"
            32400.000 interaction_started direction=inbound lang=en medium=voice number=num1yg priority=0
            32400.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            32400.000 segment_started of=flo1:flow:1 segment=seg#1 state=running why=entry
               > answer leg=leg#1
            32400.000 leg_answered codec=pcma leg=leg#1
            32400.000 step_entered attempt=1 segment=seg#1 step=hours
            32400.000 step_entered attempt=1 segment=seg#1 step=message
            32400.000 segment_state_changed segment=seg#1 state=voicemail
            32400.000 play_started play=ply#1 segment=seg#1 until=33000.000 what=greeting
               > play clips=[pmt4] interruptible=false leg=leg#1 looped=false play=ply#1
            32400.000 segment_state_changed segment=seg#1 state=voicemail until=32460.000
            32400.000 recording_requested left=leg#1 message=1000 recording=rec#1 segment=seg#1
               > record left=leg#1 recording=rec#1
            32460.000 segment_ended segment=seg#1 why=finished
            32460.000 leg_hang_up_sent cause=hangup leg=leg#1
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#1
            32460.000 recording_ended gaps=[] length_ms=60000 recording=rec#1
            32460.000 leg_ended by=us cause=hangup leg=leg#1
            32460.000 interaction_ended why=voicemail
        "#]],
    );
}

#[test]
fn a_full_queue_overflows_at_once() {
    let mut config = config();
    config.queues.get_mut(&SUPPORT).unwrap().max_waiting = 1;
    check_with(
        config,
        |r| {
            r.call(TO_SUPPORT);
            r.forget();
            r.call(TO_SUPPORT);
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=numz8 priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#2 role=customer via=loopback
            0.000 segment_started of=que1:flow segment=seg#2 state=voicemail why=full
            0.000 play_started play=ply#2 segment=seg#2 until=600.000 what=greeting
               > answer leg=leg#2
            0.000 leg_answered codec=pcma leg=leg#2
               > play clips=[pmt4] interruptible=false leg=leg#2 looped=false play=ply#2
        "#]],
    );
}

#[test]
fn a_closed_queue_says_goodbye() {
    let mut config = config();
    config.queues.get_mut(&SUPPORT).unwrap().calendar = Some(domain::id::CalendarId(1));
    check_with(
        config,
        |r| {
            r.pass(9 * 3600);
            let caller = r.call(TO_SUPPORT);
            r.play_ends(caller, "");
        },
        expect![[r#"
            32400.000 interaction_started direction=inbound lang=en medium=voice number=numz8 priority=0
            32400.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            32400.000 segment_started of=flow segment=seg#1 state=running why=closed
            32400.000 play_started play=ply#1 segment=seg#1 until=33000.000 what=farewell
               > answer leg=leg#1
            32400.000 leg_answered codec=pcma leg=leg#1
               > play clips=[pmt3] interruptible=false leg=leg#1 looped=false play=ply#1
            32400.000 segment_ended segment=seg#1 why=finished
            32400.000 leg_hang_up_sent cause=hangup leg=leg#1
               > hangup cause=hangup leg=leg#1
            32400.000 leg_ended by=us cause=hangup leg=leg#1
            32400.000 interaction_ended why=finished
        "#]],
    );
}

#[test]
fn the_echo_answers_and_lets_the_caller_hear_himself() {
    check(
        |r| {
            let caller = r.call(TO_ECHO);
            r.pass(5);
            r.hangs_up(caller);
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=num2xr priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            0.000 segment_started of=flow segment=seg#1 state=echo why=entry
               > answer leg=leg#1
            0.000 leg_answered codec=pcma leg=leg#1
            0.000 bridged bridge=brg#1 hears=[[leg#1]:leg#1] legs=[leg#1] segment=seg#1
               > bridge bridge=brg#1 legs=[[leg#1]:leg#1]
            5.000 leg_ended by=peer cause=hangup leg=leg#1
            5.000 segment_ended segment=seg#1 why=caller_hung_up
            5.000 interaction_ended why=finished
        "#]],
    );
}

#[test]
fn a_device_with_its_own_number_rings_and_is_bridged() {
    check(
        |r| {
            r.call(TO_DOOR);
            r.pass(3);
            let door = r.dialled();
            r.leg(LegEvent::Ringing { leg: door });
            r.leg(answered(door));
            r.pass(20);
            r.hangs_up(door);
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=num3x0 priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            0.000 segment_started of=dev3:device segment=seg#1 state=connecting until=45.000 why=entry
            0.000 leg_started destination=sip_uri device=dev3 direction=outbound leg=leg#2 role=device segment=seg#1
               > ring leg=leg#1
               > originate leg=leg#2 to=dev3:device
            3.000 leg_ringing leg=leg#2
            3.000 leg_answered codec=pcma leg=leg#2
               > answer leg=leg#1
            3.000 leg_answered codec=pcma leg=leg#1
            3.000 segment_state_changed segment=seg#1 state=talking
            3.000 bridged bridge=brg#1 legs=[leg#1,leg#2] segment=seg#1
            3.000 recording_decided mode=never of=default on=false segment=seg#1
               > bridge bridge=brg#1 legs=[[leg#2]:leg#1,[leg#1]:leg#2]
            23.000 leg_ended by=peer cause=hangup leg=leg#2
            23.000 segment_ended segment=seg#1 why=agent_hung_up
            23.000 leg_hang_up_sent cause=hangup leg=leg#1
               > hangup cause=hangup leg=leg#1
            23.000 leg_ended by=us cause=hangup leg=leg#1
            23.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_device_that_does_not_answer_ends_the_call() {
    check(
        |r| {
            r.call(TO_DOOR);
            r.forget();
            r.pass(45);
        },
        expect![[r#"
            45.000 segment_ended segment=seg#1 why=missed
            45.000 leg_hang_up_sent cause=no_answer leg=leg#2
            45.000 leg_hang_up_sent cause=no_answer leg=leg#1
               > hangup cause=no_answer leg=leg#2
               > hangup cause=no_answer leg=leg#1
            45.000 leg_ended by=us cause=no_answer leg=leg#2
            45.000 leg_ended by=us cause=no_answer leg=leg#1
            45.000 interaction_ended why=unanswered
        "#]],
    );
}

#[test]
fn an_agents_own_number_is_offered_on_his_desk() {
    check(
        |r| {
            let early = r.call(TO_ANN);
            assert!(early.0 > 0);
            r.sign_in(ANN, TAB);
            r.forget();
            let caller = r.call(TO_ANN);
            r.accept(ANN);
            r.pass(10);
            r.hangs_up(caller);
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=en medium=voice number=num4w8 priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#2 role=customer via=loopback
            0.000 segment_started of=ann:agent segment=seg#1 state=offered until=30.000 why=entry
            0.000 offer_made agent=ann device=dev1 offer=ofr#1 segment=seg#1 until=30.000
            0.000 occupancy_changed agent=ann occupancy=offered
               > ring leg=leg#2
               > offer ann rings=false
            0.000 offer_accepted agent=ann offer=ofr#1
            0.000 segment_state_changed segment=seg#1 state=connecting until=10.000
            0.000 leg_started destination=browser device=dev1 direction=outbound leg=leg#3 role=agent segment=seg#1
            0.000 occupancy_changed agent=ann occupancy=busy
               > originate leg=leg#3 to=dev1:device
            0.000 leg_answered codec=pcma leg=leg#3
               > answer leg=leg#2
            0.000 leg_answered codec=pcma leg=leg#2
            0.000 segment_state_changed segment=seg#1 state=talking
            0.000 bridged bridge=brg#1 legs=[leg#2,leg#3] segment=seg#1
            0.000 recording_decided mode=never of=default on=false segment=seg#1
               > bridge bridge=brg#1 legs=[[leg#3]:leg#2,[leg#2]:leg#3]
            10.000 leg_ended by=peer cause=hangup leg=leg#2
            10.000 leg_hang_up_sent cause=hangup leg=leg#3
            10.000 segment_ended segment=seg#1 why=caller_hung_up
            10.000 occupancy_changed agent=ann occupancy=idle
               > hangup cause=hangup leg=leg#3
            10.000 leg_ended by=us cause=hangup leg=leg#3
            10.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn more_calls_than_entitled_are_refused() {
    let mut config = config();
    config.entitlements.concurrent_calls = 1;
    check_with(
        config,
        |r| {
            r.call(TO_ECHO);
            r.forget();
            r.call(TO_ECHO);
            r.call(domain::id::NumberId(99));
        },
        expect![[r#"
            0.000 call_rejected leg=leg#2 number=num2xr why=limit.calls
               > reject leg=leg#2 why=overload
            0.000 call_rejected leg=leg#3 number=num33 why=number.unknown
               > reject leg=leg#3 why=not_found
        "#]],
    );
}

#[test]
fn losing_the_device_while_it_rings_offers_to_another() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.pass(1);
            r.sign_in(BOB, PHONE);
            r.call(TO_SUPPORT);
            r.forget();
            let _ = r.input(Input::DeviceLost { device: TAB, why: DeviceLoss::IceFailed });
        },
        expect![[r#"
            1.000 device_lost device=dev1 why=ice_failed
            1.000 offer_ended agent=ann offer=ofr#1 segment=seg#2 why=withdrawn
            1.000 segment_ended segment=seg#2 why=withdrawn
            1.000 occupancy_changed agent=ann occupancy=idle
            1.000 segment_started of=bob:agent:que1 segment=seg#3 state=offered until=21.000 why=offer
            1.000 offer_made agent=bob device=dev2 offer=ofr#2 segment=seg#3 until=21.000 waiting=seg#1
            1.000 leg_started destination=sip_device device=dev2 direction=outbound leg=leg#2 role=agent segment=seg#3
            1.000 occupancy_changed agent=bob occupancy=offered
               > offer_withdrawn ann
               > offer bob rings=true
               > originate leg=leg#2 to=dev2:device
        "#]],
    );
}

#[test]
fn lost_media_ends_the_call_with_its_true_cause() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.pass(9);
            r.forget();
            r.leg(LegEvent::MediaSilent { leg: caller, silent: true });
            r.leg(ended(caller, EndCause::MediaLost, EndedBy::System));
            let segment = r.work(ANN);
            r.agent(ANN, AgentCommand::EndWrapUp { segment });
        },
        expect![[r#"
            9.000 leg_silent leg=leg#1 silent=true
            9.000 leg_ended by=system cause=media.lost leg=leg#1
            9.000 leg_hang_up_sent cause=hangup leg=leg#2
            9.000 segment_state_changed ended=lost segment=seg#2 state=wrap_up until=39.000
            9.000 occupancy_changed agent=ann occupancy=wrap_up
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
            9.000 recording_ended gaps=[] length_ms=9000 recording=rec#1
            9.000 leg_ended by=us cause=hangup leg=leg#2
            9.000 segment_ended segment=seg#2 why=lost
            9.000 occupancy_changed agent=ann occupancy=idle
            9.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_crash_ends_everything_live_at_the_last_heartbeat() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let talking = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.call(TO_SUPPORT);
            r.pass(10);
            r.forget();
            r.pass(30);
            let last_heartbeat = START + secs(12);
            let _ = r.input(Input::Recovered { last_heartbeat, outlived: Outlived::default() });
            // A straggler from before the crash changes nothing.
            r.hangs_up(talking);
            r.pass(5);
            let _ = r.input(Input::DeviceReady { device: TAB });
            let _ = r.input(Input::LeaseTaken { agent: ANN });
        },
        expect![[r#"
             12.000 floor_recovered last_heartbeat=12.000
             12.000 segment_ended segment=seg#2 why=system.restart
             12.000 leg_ended by=system cause=system.restart leg=leg#1
             12.000 leg_ended by=system cause=system.restart leg=leg#2
             12.000 segment_ended segment=seg#3 why=system.restart
             12.000 leg_ended by=system cause=system.restart leg=leg#3
             12.000 presence_changed agent=ann presence=offline why=system.restart
             12.000 occupancy_changed agent=ann occupancy=idle
             12.000 interaction_ended why=system.restart
             12.000 interaction_ended why=system.restart
             40.000 lease_lost agent=ann until=100.000
             45.000 device_ready device=dev1
             45.000 lease_taken agent=ann
             45.000 presence_changed agent=ann presence=available why=lease_taken
        "#]],
    );
}

#[test]
fn an_agent_who_does_not_return_after_a_crash_is_signed_out() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.forget();
            let _ = r.input(Input::Recovered { last_heartbeat: START, outlived: Outlived::default() });
            r.pass(60);
            r.agent(ANN, AgentCommand::SetPresence { presence: Presence::Available });
        },
        expect![[r#"
            0.000 floor_recovered last_heartbeat=0.000
            0.000 presence_changed agent=ann presence=offline why=system.restart
            0.000 lease_lost agent=ann until=60.000
            60.000 agent_leaving agent=ann why=system.restart
            60.000 agent_signed_out agent=ann why=system.restart
            60.000 refused agent.not_signed_in
        "#]],
    );
}

#[test]
fn the_desk_shows_durations_that_tile_the_call() {
    let mut r = Rig::new(config());
    r.sign_in(ANN, TAB);
    let caller = r.call(TO_SUPPORT);
    r.pass(3);
    r.accept(ANN);
    r.pass(60);
    let segment = r.work(ANN);
    r.agent(ANN, AgentCommand::Hold { segment });
    r.pass(10);
    let view = |r: &Rig| r.floor.agent_view(ANN).unwrap().work[0].clone();
    assert_eq!((view(&r).talk_ms, view(&r).hold_ms), (60_000, 0), "the present span is told by its beginning");
    r.agent(ANN, AgentCommand::Resume { segment });
    r.pass(5);
    assert_eq!((view(&r).talk_ms, view(&r).hold_ms), (60_000, 10_000));
    assert_eq!(r.now - view(&r).state_since, 5_000);
    let board = r.floor.view(r.now);
    assert_eq!((board.calls, board.counts.busy, board.counts.offline), (1, 1, 1));
    let support = r.floor.queue_view(SUPPORT, r.now).unwrap();
    assert_eq!((support.waiting, support.today.offered, support.today.answered), (0, 1, 1));
    assert_eq!((support.today.talk_ms, support.today.hold_ms), (65_000, 10_000), "open spans included");
    r.hangs_up(caller);
    r.pass(4);
    assert_eq!(view(&r).wrap_up_until, Some(r.now + secs(26)));
    assert_eq!((view(&r).talk_ms, view(&r).hold_ms, view(&r).disposition_required), (65_000, 10_000, false));
}

#[test]
fn a_caller_inside_a_flow_keeps_its_version() {
    check(
        |r| {
            let caller = r.call(TO_MENU);
            let mut config = config();
            config.rev = 2;
            let mut flow = (*config.flows[&domain::id::FlowId(1)]).clone();
            flow.version = 2;
            flow.steps.retain(|step, _| step.0 != "account");
            config.flows.insert(flow.id, std::sync::Arc::new(flow));
            let _ = r.input(Input::ConfigPublished(std::sync::Arc::new(config)));
            r.forget();
            r.play_ends(caller, "2");
            r.play_ends(caller, "1234");
        },
        expect![[r#"
            0.000 step_entered attempt=1 play=ply#2 segment=seg#1 step=account until=600.000
               > play clips=[pmtc] collect=5000:3000:6:# interruptible=true leg=leg#1 looped=false play=ply#2
            0.000 digits_collected count=4 segment=seg#1 sensitive=false step=account variable=account
            0.000 step_entered attempt=1 segment=seg#1 step=english
            0.000 language_set lang=en
            0.000 step_entered attempt=1 segment=seg#1 step=support
            0.000 segment_ended segment=seg#1 why=moved_on
            0.000 segment_started of=queue:1:que1 segment=seg#2 state=waiting until=120.000 why=flow
            0.000 play_started play=ply#3 segment=seg#2 what=welcome
               > play clips=[pmt1] interruptible=false leg=leg#1 looped=false play=ply#3
        "#]],
    );
}
