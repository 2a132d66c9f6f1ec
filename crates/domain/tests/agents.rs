//! Timelines of agents: seats, presence, leases, wrap-up rules, and work that is not a call.
mod rig;

use domain::command::{AgentCommand, Presence, SeatClass, SupervisorCommand};
use domain::config::{WrapUp, WrapUpMode};
use domain::id::UserId;
use domain::input::Input;
use domain::medium::Medium;
use expect_test::expect;
use rig::*;

#[test]
fn seats_are_limited_and_devices_belong_to_their_agents() {
    let mut config = config();
    config.entitlements.seats = 1;
    check_with(
        config,
        |r| {
            r.agent(ANN, AgentCommand::SetPresence { presence: Presence::Available });
            r.agent(ANN, AgentCommand::SignIn { device: PHONE, seat: SeatClass::Standard });
            r.agent(ANN, AgentCommand::SignIn { device: TAB, seat: SeatClass::Elastic });
            r.agent(BOB, AgentCommand::SignIn { device: PHONE, seat: SeatClass::Standard });
            r.agent(ANN, AgentCommand::SignOut);
            r.agent(BOB, AgentCommand::SignIn { device: PHONE, seat: SeatClass::Standard });
        },
        expect![[r#"
              0.000 refused agent.not_signed_in
              0.000 refused device.not_yours
              0.000 agent_signed_in agent=ann device=dev1 queues=[que1,que2] seat=elastic
              0.000 refused limit.seats
              0.000 agent_leaving agent=ann why=agent
              0.000 agent_signed_out agent=ann why=agent
              0.000 agent_signed_in agent=bob device=dev2 queues=[que1,que2] seat=standard
        "#]],
    );
}

#[test]
fn signing_out_in_mid_call_waits_for_its_end() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.forget();
            r.pass(5);
            r.agent(ANN, AgentCommand::SignOut);
            r.pass(5);
            r.hangs_up(caller);
        },
        expect![[r#"
            5.000 agent_leaving agent=ann why=agent
            5.000 presence_changed agent=ann presence=offline why=signed_out
            10.000 leg_ended by=peer cause=hangup leg=leg#1
            10.000 leg_hang_up_sent cause=hangup leg=leg#2
            10.000 segment_ended segment=seg#2 why=caller_hung_up
            10.000 occupancy_changed agent=ann occupancy=idle
            10.000 agent_signed_out agent=ann why=agent
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
            10.000 recording_ended gaps=[] length_ms=10000 recording=rec#1
            10.000 leg_ended by=us cause=hangup leg=leg#2
            10.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_lost_lease_means_offline_and_the_call_goes_on() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.forget();
            let _ = r.input(Input::LeaseLost { agent: ANN });
            r.pass(2);
            let _ = r.input(Input::LeaseTaken { agent: ANN });
            r.pass(2);
            let _ = r.input(Input::LeaseLost { agent: ANN });
            r.pass(2);
            r.hangs_up(caller);
        },
        expect![[r#"
            0.000 lease_lost agent=ann
            0.000 agent_leaving agent=ann why=lease_lost
            0.000 presence_changed agent=ann presence=offline why=lease_lost
            2.000 lease_taken agent=ann
            2.000 presence_changed agent=ann presence=available why=lease_taken
            4.000 lease_lost agent=ann
            4.000 agent_leaving agent=ann why=lease_lost
            4.000 presence_changed agent=ann presence=offline why=lease_lost
            6.000 leg_ended by=peer cause=hangup leg=leg#1
            6.000 leg_hang_up_sent cause=hangup leg=leg#2
            6.000 segment_ended segment=seg#2 why=caller_hung_up
            6.000 occupancy_changed agent=ann occupancy=idle
            6.000 agent_signed_out agent=ann why=lease_lost
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
            6.000 recording_ended gaps=[] length_ms=6000 recording=rec#1
            6.000 leg_ended by=us cause=hangup leg=leg#2
            6.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn a_required_disposition_must_be_given() {
    let mut config = config();
    let queue = config.queues.get_mut(&SUPPORT).unwrap();
    queue.wrap_up = WrapUp { mode: WrapUpMode::Required, limit: secs(30) };
    check_with(
        config,
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.pass(5);
            r.hangs_up(caller);
            r.forget();
            r.pass(300);
            let segment = r.work(ANN);
            let disposition = domain::id::DispositionId(99);
            r.agent(ANN, AgentCommand::SetDisposition { segment, disposition, note: None });
            r.agent(ANN, AgentCommand::EndWrapUp { segment });
            r.agent(ANN, AgentCommand::SetDisposition { segment, disposition: SOLVED, note: None });
            r.agent(ANN, AgentCommand::EndWrapUp { segment });
        },
        expect![[r#"
            305.000 refused disposition.unknown
            305.000 refused disposition.required
            305.000 disposition_set disposition=dsp1 segment=seg#2
            305.000 segment_ended segment=seg#2 why=caller_hung_up
            305.000 occupancy_changed agent=ann occupancy=idle
            305.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn without_wrap_up_the_agent_is_free_at_once_and_gets_the_next_caller() {
    let mut config = config();
    config.queues.get_mut(&SUPPORT).unwrap().wrap_up.mode = WrapUpMode::None;
    check_with(
        config,
        |r| {
            r.sign_in(ANN, TAB);
            let caller = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.call(TO_SUPPORT);
            r.forget();
            r.pass(5);
            r.hangs_up(caller);
        },
        expect![[r#"
            5.000 leg_ended by=peer cause=hangup leg=leg#1
            5.000 leg_hang_up_sent cause=hangup leg=leg#2
            5.000 segment_ended segment=seg#2 why=caller_hung_up
            5.000 occupancy_changed agent=ann occupancy=idle
            5.000 segment_started of=ann:agent:que1 segment=seg#4 state=offered until=25.000 why=offer
            5.000 offer_made agent=ann device=dev1 offer=ofr#2 segment=seg#4 until=25.000 waiting=seg#3
            5.000 occupancy_changed agent=ann occupancy=offered
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
               > offer ann rings=false
            5.000 recording_ended gaps=[] length_ms=5000 recording=rec#1
            5.000 leg_ended by=us cause=hangup leg=leg#2
            5.000 interaction_ended why=served
        "#]],
    );
}

#[test]
fn going_on_a_break_declines_what_rings() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.call(TO_SUPPORT);
            r.forget();
            r.agent(ANN, AgentCommand::SetPresence { presence: Presence::Break { reason: LUNCH } });
            r.agent(
                ANN,
                AgentCommand::SetPresence { presence: Presence::Break { reason: domain::id::BreakReasonId(9) } },
            );
        },
        expect![[r#"
            0.000 presence_changed agent=ann presence=brk1:break why=agent
            0.000 offer_ended agent=ann not_before=15.000 offer=ofr#1 segment=seg#2 why=declined
            0.000 segment_ended segment=seg#2 why=declined
            0.000 occupancy_changed agent=ann occupancy=idle
               > offer_withdrawn ann
            0.000 refused break_reason.unknown
        "#]],
    );
}

#[test]
fn a_supervisor_sets_presence_and_ends_a_call() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.call(TO_SUPPORT);
            r.accept(ANN);
            r.forget();
            let by = UserId(9);
            let presence = Presence::Break { reason: LUNCH };
            let _ = r
                .input(Input::Supervisor { by, command: SupervisorCommand::SetAgentPresence { agent: ANN, presence } });
            let interaction = r.floor.view(r.now).interactions[0].interaction;
            let _ = r.input(Input::Supervisor { by, command: SupervisorCommand::EndInteraction { interaction } });
            let _ = r.input(Input::Supervisor { by, command: SupervisorCommand::SignOutAgent { agent: ANN } });
            let _ = r.input(Input::Supervisor { by, command: SupervisorCommand::EndInteraction { interaction } });
        },
        expect![[r#"
            0.000 presence_changed agent=ann by=usr9 presence=brk1:break why=supervisor
            0.000 leg_hang_up_sent cause=hangup leg=leg#2
            0.000 segment_state_changed ended=supervisor segment=seg#2 state=wrap_up until=30.000
            0.000 leg_hang_up_sent cause=hangup leg=leg#1
            0.000 occupancy_changed agent=ann occupancy=wrap_up
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
               > hangup cause=hangup leg=leg#1
            0.000 recording_ended gaps=[] length_ms=0 recording=rec#1
            0.000 leg_ended by=us cause=hangup leg=leg#2
            0.000 leg_ended by=us cause=hangup leg=leg#1
            0.000 agent_leaving agent=ann why=supervisor
            0.000 presence_changed agent=ann by=usr9 presence=offline why=supervisor
            0.000 segment_ended segment=seg#2 why=supervisor
            0.000 occupancy_changed agent=ann occupancy=idle
            0.000 agent_signed_out agent=ann why=supervisor
            0.000 interaction_ended why=served
            0.000 refused interaction.unknown
        "#]],
    );
}

#[test]
fn chats_fill_their_slots_and_exclude_calls() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            r.forget();
            let chat = |queue| Input::WorkArrived { medium: Medium::Chat, queue, from: None, priority: 0, lang: None };
            let first = r.input(chat(SUPPORT)).unwrap().unwrap();
            r.accept(ANN);
            r.input(chat(SUPPORT)).unwrap();
            r.accept(ANN);
            r.input(chat(SUPPORT)).unwrap();
            let caller = r.call(TO_SALES_BY_QUEUE);
            assert!(caller.0 > 0);
            r.pass(10);
            let _ = r.input(Input::WorkDone { interaction: first });
            r.agent(ANN, AgentCommand::EndWrapUp { segment: r.work(ANN) });
        },
        expect![[r#"
            0.000 interaction_started direction=inbound lang=zh-CN medium=chat priority=0
            0.000 segment_started of=queue:0:que1 segment=seg#1 state=waiting until=120.000 why=entry
            0.000 segment_started of=ann:agent:que1 segment=seg#2 state=offered until=20.000 why=offer
            0.000 offer_made agent=ann device=dev1 offer=ofr#1 segment=seg#2 until=20.000 waiting=seg#1
            0.000 occupancy_changed agent=ann occupancy=offered
               > offer ann rings=false
            0.000 offer_accepted agent=ann offer=ofr#1
            0.000 segment_ended segment=seg#1 why=answered
            0.000 segment_state_changed segment=seg#2 state=talking
            0.000 occupancy_changed agent=ann occupancy=busy
            0.000 interaction_started direction=inbound lang=zh-CN medium=chat priority=0
            0.000 segment_started of=queue:0:que1 segment=seg#3 state=waiting until=120.000 why=entry
            0.000 segment_started of=ann:agent:que1 segment=seg#4 state=offered until=20.000 why=offer
            0.000 offer_made agent=ann device=dev1 offer=ofr#2 segment=seg#4 until=20.000 waiting=seg#3
               > offer ann rings=false
            0.000 offer_accepted agent=ann offer=ofr#2
            0.000 segment_ended segment=seg#3 why=answered
            0.000 segment_state_changed segment=seg#4 state=talking
            0.000 interaction_started direction=inbound lang=zh-CN medium=chat priority=0
            0.000 segment_started of=queue:0:que1 segment=seg#5 state=waiting until=120.000 why=entry
            0.000 interaction_started direction=inbound lang=en medium=voice number=numz8 priority=0
            0.000 leg_started destination=number direction=inbound leg=leg#1 role=customer via=loopback
            0.000 segment_started of=queue:0:que1 segment=seg#6 state=waiting until=120.000 why=entry
               > answer leg=leg#1
            0.000 leg_answered codec=pcma leg=leg#1
            0.000 play_started play=ply#1 segment=seg#6 what=welcome
               > play clips=[pmt1] interruptible=false leg=leg#1 looped=false play=ply#1
            10.000 segment_state_changed ended=caller_hung_up segment=seg#2 state=wrap_up until=40.000
            10.000 segment_ended segment=seg#2 why=caller_hung_up
            10.000 segment_started of=ann:agent:que1 segment=seg#7 state=offered until=30.000 why=offer
            10.000 offer_made agent=ann device=dev1 offer=ofr#3 segment=seg#7 until=30.000 waiting=seg#5
            10.000 interaction_ended why=served
               > offer ann rings=false
        "#]],
    );
}

/// The menu's number would ask for digits; calls straight to support compete with the chats.
const TO_SALES_BY_QUEUE: domain::id::NumberId = TO_SUPPORT;

#[test]
fn priority_and_place_in_line_decide_who_is_served_first() {
    let mut config = config();
    config.queues.get_mut(&SALES).unwrap().priority = 1;
    check_with(
        config,
        |r| {
            let work =
                |queue, priority| Input::WorkArrived { medium: Medium::Chat, queue, from: None, priority, lang: None };
            r.input(work(SUPPORT, 0)).unwrap();
            r.pass(5);
            r.input(work(SUPPORT, 0)).unwrap();
            // Ten seconds of waiting are worth one point: this one passes both.
            r.pass(4);
            r.input(work(SALES, 0)).unwrap();
            r.forget();
            r.sign_in(ANN, TAB);
        },
        expect![[r#"
            9.000 device_ready device=dev1
            9.000 agent_signed_in agent=ann device=dev1 queues=[que1,que2] seat=standard
            9.000 presence_changed agent=ann presence=available why=agent
            9.000 segment_started of=ann:agent:que2 segment=seg#4 state=offered until=29.000 why=offer
            9.000 offer_made agent=ann device=dev1 offer=ofr#1 segment=seg#4 until=29.000 waiting=seg#3
            9.000 segment_started of=ann:agent:que1 segment=seg#5 state=offered until=29.000 why=offer
            9.000 offer_made agent=ann device=dev1 offer=ofr#2 segment=seg#5 until=29.000 waiting=seg#1
            9.000 occupancy_changed agent=ann occupancy=offered
               > offer ann rings=false
               > offer ann rings=false
        "#]],
    );
}

fn published(change: impl FnOnce(&mut domain::config::TenantConfig)) -> Input {
    let mut config = config();
    config.rev = 2;
    change(&mut config);
    Input::ConfigPublished(std::sync::Arc::new(config))
}

#[test]
fn a_revision_may_remove_a_queue_and_an_agent_under_live_work() {
    check(
        |r| {
            r.sign_in(ANN, TAB);
            let talking = r.call(TO_SUPPORT);
            r.accept(ANN);
            r.call(TO_SUPPORT);
            r.forget();
            r.pass(5);
            let _ = r.input(published(|c| {
                c.queues.remove(&SUPPORT);
                c.agents.get_mut(&ANN).unwrap().active = false;
            }));
            // The conversation goes on; its agent leaves with it.
            r.pass(5);
            r.hangs_up(talking);
            r.agent(ANN, AgentCommand::SignIn { device: TAB, seat: SeatClass::Standard });
        },
        expect![[r#"
            5.000 config_published rev=2
            5.000 agent_leaving agent=ann why=removed
            5.000 presence_changed agent=ann presence=offline why=signed_out
            5.000 segment_ended segment=seg#3 why=system.error
            5.000 leg_hang_up_sent cause=hangup leg=leg#3
               > hangup cause=hangup leg=leg#3
            5.000 leg_ended by=us cause=hangup leg=leg#3
            5.000 interaction_ended why=system.error
            10.000 leg_ended by=peer cause=hangup leg=leg#1
            10.000 leg_hang_up_sent cause=hangup leg=leg#2
            10.000 segment_ended segment=seg#2 why=caller_hung_up
            10.000 occupancy_changed agent=ann occupancy=idle
            10.000 agent_signed_out agent=ann why=removed
               > stop_recording recording=rec#1
               > hangup cause=hangup leg=leg#2
            10.000 recording_ended gaps=[] length_ms=10000 recording=rec#1
            10.000 leg_ended by=us cause=hangup leg=leg#2
            10.000 interaction_ended why=served
            10.000 refused agent.unknown
        "#]],
    );
}

#[test]
fn a_lower_capacity_takes_nothing_away_and_new_memberships_bring_work() {
    check(
        |r| {
            let chat = |queue| Input::WorkArrived { medium: Medium::Chat, queue, from: None, priority: 0, lang: None };
            let _ = r.input(published(|c| c.queues.get_mut(&SALES).unwrap().members.clear()));
            r.sign_in(ANN, TAB);
            for _ in 0..2 {
                r.input(chat(SUPPORT)).unwrap();
                r.accept(ANN);
            }
            r.input(chat(SALES)).unwrap();
            r.forget();
            let _ = r.input(published(|c| c.agents.get_mut(&ANN).unwrap().capacity.chat = 1));
            let _ = r.input(published(|c| c.agents.get_mut(&ANN).unwrap().capacity.chat = 3));
        },
        expect![[r#"
            0.000 config_published rev=2
            0.000 agent_queues_changed agent=ann queues=[que1,que2]
            0.000 config_published rev=2
            0.000 segment_started of=ann:agent:que2 segment=seg#6 state=offered until=20.000 why=offer
            0.000 offer_made agent=ann device=dev1 offer=ofr#3 segment=seg#6 until=20.000 waiting=seg#5
               > offer ann rings=false
        "#]],
    );
}
