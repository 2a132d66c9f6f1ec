//! What makes a flow unfit for publishing.
mod rig;

use domain::flow::validate::Known;
use domain::flow::{Assign, Step, StepId};
use domain::id::*;
use domain::localized::Lang;
use rig::*;

fn known() -> Known {
    Known {
        queues: [SUPPORT, SALES].into(),
        flows: [FlowId(1)].into(),
        calendars: [CalendarId(1)].into(),
        prompts: [3, 4, 10, 11, 12].map(PromptId).into(),
    }
}

/// Faults of the sample menu after a change, as `step code`.
fn faults(change: impl FnOnce(&mut domain::flow::Flow)) -> Vec<String> {
    let mut flow = (*config().flows[&FlowId(1)]).clone();
    change(&mut flow);
    let faults = flow.validate(&known());
    for f in &faults {
        assert!(f.message.get(Lang::Zh).is_some() && f.message.get(Lang::En).is_some());
    }
    faults.iter().map(|f| format!("{} {}", f.step.as_ref().map_or("-", |s| &s.0), f.code)).collect()
}

fn step(name: &str) -> StepId {
    StepId(name.into())
}

#[test]
fn the_sample_menu_is_fit() {
    assert_eq!(faults(|_| {}), [] as [&str; 0]);
}

#[test]
fn each_fault_names_its_step_and_code() {
    assert_eq!(
        faults(|f| {
            f.steps.remove(&step("bye"));
        }),
        ["account step.next_missing", "menu step.next_missing"]
    );
    assert_eq!(faults(|f| f.start = step("nowhere")).first().map(String::as_str), Some("- flow.no_start"),);
    assert_eq!(
        faults(|f| {
            f.steps.insert(step("attic"), Step::HangUp { prompt: None });
        }),
        ["attic step.unreachable"]
    );
    assert_eq!(
        faults(|f| {
            f.steps.insert(step("support"), Step::Queue { queue: QueueId(99), priority: 0 });
        }),
        ["support step.queue_unknown"]
    );
    assert_eq!(
        faults(|f| {
            f.steps.insert(step("bye"), Step::HangUp { prompt: Some(PromptId(99)) });
        }),
        ["bye step.prompt_unknown"]
    );
    assert_eq!(
        faults(|f| {
            if let Some(Step::Menu { attempts, .. }) = f.steps.get_mut(&step("menu")) {
                *attempts = 0;
            }
        }),
        ["menu step.patience"]
    );
    assert_eq!(
        faults(|f| {
            let around = Step::Set { assign: Assign::Priority { priority: 1 }, next: step("english") };
            f.steps.insert(step("english"), around);
        }),
        ["support step.unreachable", "english flow.idle_loop"]
    );
    assert_eq!(
        faults(|f| {
            f.steps.insert(step("message"), Step::Voicemail { greeting: None, max_length: secs(1), queue: None });
        }),
        ["message step.length"]
    );
}
