//! Is a flow fit to be published? Every fault names its step, a stable code, and what to do in both languages.
use std::collections::BTreeSet;
use std::time::Duration;

use super::{Assign, Flow, Step, StepId};
use crate::id::{CalendarId, FlowId, PromptId, QueueId};
use crate::localized::Localized;

/// Steps of one flow; more belong into a second flow.
pub const STEPS_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// None if the flow as a whole is meant.
    pub step: Option<StepId>,
    pub code: &'static str,
    pub message: Localized,
}

/// What a flow may refer to.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub queues: BTreeSet<QueueId>,
    pub flows: BTreeSet<FlowId>,
    pub calendars: BTreeSet<CalendarId>,
    pub prompts: BTreeSet<PromptId>,
}

impl Flow {
    /// All faults, in the order of the steps; none means it can be published.
    pub fn validate(&self, known: &Known) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |step: Option<&StepId>, code: &'static str, zh: String, en: String| {
            faults.push(Fault { step: step.cloned(), code, message: Localized::both(zh, en) });
        };
        if !self.steps.contains_key(&self.start) {
            fault(
                None,
                "flow.no_start",
                format!("起始节点“{}”不存在，请选择一个起始节点。", self.start.0),
                format!("The start step `{}` does not exist; choose one.", self.start.0),
            );
        }
        if self.steps.len() > STEPS_MAX {
            fault(
                None,
                "flow.too_long",
                format!("节点超过 {STEPS_MAX} 个，请拆成多个流程。"),
                format!("More than {STEPS_MAX} steps; split the flow."),
            );
        }
        for (id, step) in &self.steps {
            if !valid_name(&id.0) {
                fault(
                    Some(id),
                    "step.name",
                    "节点名只能用小写字母、数字和下划线，最多 40 个字符。".into(),
                    "A step's name has lower-case letters, digits and `_`, at most 40.".into(),
                );
            }
            for next in step.next_steps() {
                if !self.steps.contains_key(next) {
                    fault(
                        Some(id),
                        "step.next_missing",
                        format!("下一节点“{}”不存在。", next.0),
                        format!("The next step `{}` does not exist.", next.0),
                    );
                }
            }
            for (code, what) in step.unknown(known) {
                fault(
                    Some(id),
                    code,
                    format!("{what} 不存在，或尚未发布。"),
                    format!("{what} does not exist or is not published."),
                );
            }
            if let Some((code, zh, en)) = step.bad_value() {
                fault(Some(id), code, zh.to_owned(), en.to_owned());
            }
        }
        for id in self.unreachable() {
            fault(
                Some(&id),
                "step.unreachable",
                "没有任何路径到达该节点。".into(),
                "No path leads to this step.".into(),
            );
        }
        if let Some(id) = self.idle_loop() {
            fault(
                Some(&id),
                "flow.idle_loop",
                "这些节点不停循环而不等待来电者。".into(),
                "These steps go round without ever waiting for the caller.".into(),
            );
        }
        faults
    }

    fn unreachable(&self) -> Vec<StepId> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![&self.start];
        while let Some(id) = todo.pop() {
            if let Some(step) = self.steps.get(id)
                && seen.insert(id)
            {
                todo.extend(step.next_steps());
            }
        }
        self.steps.keys().filter(|id| !seen.contains(id)).cloned().collect()
    }

    /// A step from which only `hours` and `set` steps lead back to itself.
    fn idle_loop(&self) -> Option<StepId> {
        self.steps
            .keys()
            .find(|start| {
                let mut seen = BTreeSet::new();
                let mut todo = vec![*start];
                while let Some(id) = todo.pop() {
                    let Some(step @ (Step::Hours { .. } | Step::Set { .. })) = self.steps.get(id) else { continue };
                    for next in step.next_steps() {
                        if next == *start {
                            return true;
                        }
                        if seen.insert(next) {
                            todo.push(next);
                        }
                    }
                }
                false
            })
            .cloned()
    }
}

fn valid_name(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl Step {
    /// Where it may lead within the flow.
    pub fn next_steps(&self) -> Vec<&StepId> {
        match self {
            Step::Play { next, .. } | Step::Set { next, .. } => vec![next],
            Step::Menu { choices, otherwise, .. } => choices.values().chain([otherwise]).collect(),
            Step::Collect { next, otherwise, .. } => vec![next, otherwise],
            Step::Hours { open, closed, holiday, .. } => [open, closed].into_iter().chain(holiday).collect(),
            Step::Queue { .. } | Step::Transfer { .. } | Step::Voicemail { .. } | Step::HangUp { .. } => Vec::new(),
        }
    }

    fn prompts(&self) -> Vec<PromptId> {
        match self {
            Step::Play { prompts, .. } | Step::Collect { prompts, .. } => prompts.clone(),
            Step::Menu { prompts, invalid, .. } => prompts.iter().copied().chain(*invalid).collect(),
            Step::Voicemail { greeting: prompt, .. } | Step::HangUp { prompt } => prompt.iter().copied().collect(),
            Step::Hours { .. } | Step::Set { .. } | Step::Queue { .. } | Step::Transfer { .. } => Vec::new(),
        }
    }

    fn unknown(&self, known: &Known) -> Vec<(&'static str, String)> {
        let mut out: Vec<(&'static str, String)> = self
            .prompts()
            .into_iter()
            .filter(|p| !known.prompts.contains(p))
            .map(|p| ("step.prompt_unknown", p.to_string()))
            .collect();
        match self {
            Step::Queue { queue, .. } | Step::Voicemail { queue: Some(queue), .. } if !known.queues.contains(queue) => {
                out.push(("step.queue_unknown", queue.to_string()));
            }
            Step::Transfer { flow } if !known.flows.contains(flow) => out.push(("step.flow_unknown", flow.to_string())),
            Step::Hours { calendar, .. } if !known.calendars.contains(calendar) => {
                out.push(("step.calendar_unknown", calendar.to_string()));
            }
            _ => {}
        }
        out
    }

    fn bad_value(&self) -> Option<(&'static str, &'static str, &'static str)> {
        const SECOND: Duration = Duration::from_secs(1);
        match self {
            Step::Menu { choices, .. } if choices.is_empty() => {
                Some(("step.no_choice", "菜单至少要有一个按键。", "A menu needs at least one choice."))
            }
            Step::Menu { choices, .. } if choices.keys().any(|c| !matches!(c, '0'..='9' | '*' | '#')) => {
                Some(("step.digit", "按键只能是 0-9、* 或 #。", "A choice is one of 0-9, * and #."))
            }
            Step::Menu { timeout, attempts, .. } | Step::Collect { timeout, attempts, .. }
                if *timeout < SECOND || *timeout > 60 * SECOND || !(1..=5).contains(attempts) =>
            {
                Some((
                    "step.patience",
                    "等待按键需 1–60 秒，尝试 1–5 次。",
                    "Wait 1 to 60 seconds for a digit, and try 1 to 5 times.",
                ))
            }
            Step::Collect { min_digits, max_digits, .. }
                if *max_digits == 0 || *max_digits > 32 || min_digits > max_digits =>
            {
                Some((
                    "step.digits",
                    "位数需 1–32，且下限不大于上限。",
                    "1 to 32 digits, the least not above the most.",
                ))
            }
            Step::Collect { variable: name, .. } | Step::Set { assign: Assign::Variable { name, .. }, .. }
                if !valid_name(name) =>
            {
                Some((
                    "step.variable",
                    "变量名只能用小写字母、数字和下划线。",
                    "A variable's name has lower-case letters, digits and `_`.",
                ))
            }
            Step::Voicemail { max_length, .. } if *max_length < 5 * SECOND || *max_length > 600 * SECOND => {
                Some(("step.length", "留言时长需 5–600 秒。", "A message may last 5 to 600 seconds."))
            }
            _ => None,
        }
    }
}
