//! Which conversations are recorded, and why: rules of the company, of numbers, queues and agents, and what they come
//! to together. Pure; [`crate::floor::Floor`] asks when a conversation begins and after every change of who takes part.
//!
//! The most specific rule decides: agent, queue, number, company. A rule of the law ([`RecordMode::Forbidden`]) anywhere
//! among them, or of anybody else in the conversation, beats them all.
use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{AgentId, InteractionId, NumberId, PromptId, QueueId};

/// What a rule wants. JSON: `{"mode":"sample","percent":20}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum RecordMode {
    Always,
    /// So many of a hundred interactions; which ones follows from their ids.
    Sample {
        percent: u8,
    },
    /// Not before the agent starts it.
    OnDemand,
    Never,
    /// Never, by law: no other rule and no agent changes that.
    Forbidden,
}

/// How people are told that they are recorded. JSON: `{"kind":"beep","every_s":15}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    #[default]
    None,
    /// Played to the customer before he waits, or to both sides when the conversation begins.
    Announcement { prompt: PromptId },
    /// A short tone that both sides hear now and then while sound is recorded.
    Beep { every_s: u32 },
}

/// One rule, of a number, a queue, an agent or the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordRule {
    #[serde(flatten)]
    pub mode: RecordMode,
    /// None: as the company does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

impl RecordRule {
    pub const ALWAYS: RecordRule = RecordRule { mode: RecordMode::Always, notice: None };
    pub const NEVER: RecordRule = RecordRule { mode: RecordMode::Never, notice: None };

    pub fn prompt(&self) -> Option<PromptId> {
        self.notice.and_then(Notice::prompt)
    }
}

impl Notice {
    pub fn prompt(self) -> Option<PromptId> {
        match self {
            Notice::Announcement { prompt } => Some(prompt),
            Notice::None | Notice::Beep { .. } => None,
        }
    }
}

/// Rules were `true` or `false` once, and are read so.
impl<'de> Deserialize<'de> for RecordRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<RecordRule, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            Old(bool),
            Rule {
                #[serde(flatten)]
                mode: RecordMode,
                #[serde(default)]
                notice: Option<Notice>,
            },
        }
        Ok(match Text::deserialize(from)? {
            Text::Old(true) => RecordRule::ALWAYS,
            Text::Old(false) => RecordRule::NEVER,
            Text::Rule { mode, notice } => RecordRule { mode, notice },
        })
    }
}

/// The company's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRules {
    /// None: conversations for a queue are recorded, and calls out if their rules say so; direct calls are not.
    #[serde(default)]
    pub rule: Option<RecordRule>,
    /// Where the rule that decides has none of its own.
    #[serde(default)]
    pub notice: Notice,
    /// A masked recording goes on by itself after so many seconds.
    #[serde(default = "two_minutes")]
    pub mask_s: u32,
    /// Stored recordings are deleted so many days after; none for as long as the entitlement allows.
    #[serde(default)]
    pub keep_days: Option<u32>,
}

fn two_minutes() -> u32 {
    120
}

impl Default for RecordingRules {
    fn default() -> Self {
        RecordingRules { rule: None, notice: Notice::None, mask_s: two_minutes(), keep_days: None }
    }
}

/// Whose rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum RuleOf {
    /// No rule: the custom of the house.
    Default,
    Company,
    /// The company's rules of calls out.
    Outbound,
    Number {
        number: NumberId,
    },
    Queue {
        queue: QueueId,
    },
    Agent {
        agent: AgentId,
    },
}

/// What the rules come to for one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Recorded without anybody asking.
    pub on: bool,
    pub mode: RecordMode,
    pub of: RuleOf,
    /// The interaction's lot in the sample: recorded if below the percentage.
    pub draw: Option<u8>,
    pub notice: Notice,
}

/// The rules that concern a conversation.
#[derive(Debug, Clone, Default)]
pub struct Concerned {
    pub agent: Option<(AgentId, Option<RecordRule>)>,
    pub queue: Option<(QueueId, Option<RecordRule>)>,
    pub number: Option<(NumberId, Option<RecordRule>)>,
    /// Of a call out: whether the company records those.
    pub outbound: Option<bool>,
    /// Others in the conversation whom the law protects.
    pub forbidden: Option<AgentId>,
}

/// See the module's precedence.
pub fn decide(interaction: InteractionId, rules: &RecordingRules, concerned: &Concerned) -> Decision {
    let Concerned { agent, queue, number, outbound, forbidden } = concerned;
    let company = match (rules.rule, outbound) {
        (_, Some(false)) => Some((RecordRule::NEVER, RuleOf::Outbound)),
        (Some(rule), _) => Some((rule, RuleOf::Company)),
        (None, Some(true)) => Some((RecordRule::ALWAYS, RuleOf::Outbound)),
        (None, None) => None,
    };
    let of_law = rules.rule.filter(|r| r.mode == RecordMode::Forbidden).map(|r| (r, RuleOf::Company));
    let mut all = [
        agent.and_then(|(agent, rule)| Some((rule?, RuleOf::Agent { agent }))),
        queue.and_then(|(queue, rule)| Some((rule?, RuleOf::Queue { queue }))),
        number.and_then(|(number, rule)| Some((rule?, RuleOf::Number { number }))),
        company,
        of_law,
    ]
    .into_iter()
    .flatten();
    let other = forbidden.map(|agent| {
        let rule = RecordRule { mode: RecordMode::Forbidden, notice: None };
        (rule, RuleOf::Agent { agent })
    });
    let lawful = all.clone().find(|(rule, _)| rule.mode == RecordMode::Forbidden).or(other);
    let custom = if queue.is_some() { RecordRule::ALWAYS } else { RecordRule::NEVER };
    let (rule, of) = lawful.or_else(|| all.next()).unwrap_or((custom, RuleOf::Default));
    let draw = matches!(rule.mode, RecordMode::Sample { .. }).then(|| draw(interaction));
    let on = match rule.mode {
        RecordMode::Always => true,
        RecordMode::Sample { percent } => draw.is_some_and(|draw| draw < percent),
        RecordMode::OnDemand | RecordMode::Never | RecordMode::Forbidden => false,
    };
    Decision { on, mode: rule.mode, of, draw, notice: rule.notice.unwrap_or(rules.notice) }
}

/// 0–99, the same for an interaction at every asking. Ids count upwards, so their bits are mixed well (SplitMix64's
/// finalizer).
pub fn draw(interaction: InteractionId) -> u8 {
    let mut x = (interaction.0 as u64) ^ ((interaction.0 >> 64) as u64).rotate_left(32);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) % 100) as u8
}

/// Why a mask ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskEnd {
    Agent,
    /// Nobody resumed in time.
    TimedOut,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: InteractionId = InteractionId(77);

    fn rule(mode: RecordMode) -> Option<RecordRule> {
        Some(RecordRule { mode, notice: None })
    }

    #[test]
    fn the_most_specific_rule_decides_and_the_law_beats_all() {
        let (a, q, n) = (AgentId(1), QueueId(2), NumberId(3));
        let (always, never) = (rule(RecordMode::Always), rule(RecordMode::Never));
        let law = rule(RecordMode::Forbidden);
        let company = |rule| RecordingRules { rule, ..RecordingRules::default() };
        let queued = |agent, queue, number| Concerned {
            agent: Some((a, agent)),
            queue: Some((q, queue)),
            number: Some((n, number)),
            ..Concerned::default()
        };
        let direct = Concerned { agent: Some((a, None)), ..Concerned::default() };
        let out = |record| Concerned { outbound: Some(record), ..direct.clone() };
        let of_agent = RuleOf::Agent { agent: a };
        let (of_queue, of_number) = (RuleOf::Queue { queue: q }, RuleOf::Number { number: n });
        let cases = [
            (company(None), queued(None, None, None), true, RuleOf::Default),
            (company(None), direct.clone(), false, RuleOf::Default),
            (company(always), direct.clone(), true, RuleOf::Company),
            (company(None), out(true), true, RuleOf::Outbound),
            (company(always), out(false), false, RuleOf::Outbound),
            (company(never), out(true), false, RuleOf::Company),
            (company(never), queued(None, None, always), true, of_number),
            (company(never), queued(None, never, always), false, of_queue),
            (company(never), queued(always, never, never), true, of_agent),
            (company(always), queued(always, always, law), false, of_number),
            (company(law), queued(always, always, always), false, RuleOf::Company),
            (company(law), out(false), false, RuleOf::Company),
            (
                company(None),
                Concerned { forbidden: Some(AgentId(9)), ..queued(always, None, None) },
                false,
                RuleOf::Agent { agent: AgentId(9) },
            ),
        ];
        for (i, (rules, concerned, on, of)) in cases.into_iter().enumerate() {
            let decision = decide(CALL, &rules, &concerned);
            assert_eq!((decision.on, decision.of), (on, of), "case {i}");
        }
    }

    #[test]
    fn a_sample_is_what_it_says_and_always_the_same() {
        let sampled = |percent: u8| {
            let rules = RecordingRules { rule: rule(RecordMode::Sample { percent }), ..RecordingRules::default() };
            // Ids as they are minted: an epoch above, a counter below.
            let ids = (0..10_000u128).map(|n| InteractionId((7 << 96) | (3 << 64) | n));
            ids.filter(|id| decide(*id, &rules, &Concerned::default()).on).count()
        };
        assert_eq!((sampled(0), sampled(100)), (0, 10_000));
        let twenty = sampled(20);
        assert!((1_850..2_150).contains(&twenty), "{twenty}");
        assert_eq!(draw(CALL), draw(CALL));
    }

    #[test]
    fn rules_that_were_yes_and_no_are_still_read() {
        let read = |text: &str| serde_json::from_str::<RecordRule>(text).unwrap();
        assert_eq!(read("true"), RecordRule::ALWAYS);
        assert_eq!(read("false"), RecordRule::NEVER);
        let beep = RecordRule { mode: RecordMode::Sample { percent: 5 }, notice: Some(Notice::Beep { every_s: 15 }) };
        let text = serde_json::to_string(&beep).unwrap();
        assert_eq!(text, r#"{"mode":"sample","percent":5,"notice":{"kind":"beep","every_s":15}}"#);
        assert_eq!(read(&text), beep);
    }
}
