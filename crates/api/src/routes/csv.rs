//! Reports as CSV (RFC 4180) with a byte-order mark, so that spreadsheets read Chinese headings.
use crate::dto::analysis::{AgentFigures, AgentReport, Figures, QueueReport};
use crate::dto::common::{Lang, Localized};
use crate::dto::coverage::{CoverageFigures, CoverageReport};

const BOM: char = '\u{feff}';

/// Column headings: field, Chinese, English.
const FIGURES: &[(&str, &str)] = &[
    ("进入", "Offered"),
    ("应答", "Answered"),
    ("及时应答", "Answered in time"),
    ("放弃", "Abandoned"),
    ("短放弃", "Short abandons"),
    ("溢出", "Overflowed"),
    ("丢失", "Lost"),
    ("派单", "Offers"),
    ("未接派单", "Missed offers"),
    ("拒绝派单", "Declined offers"),
    ("处理量", "Handled"),
    ("等待毫秒", "Wait ms"),
    ("最长等待毫秒", "Longest wait ms"),
    ("通话毫秒", "Talk ms"),
    ("保持毫秒", "Hold ms"),
    ("话后毫秒", "Wrap-up ms"),
    ("空闲毫秒", "Idle ms"),
    ("服务水平", "Service level"),
    ("放弃率", "Abandon rate"),
    ("平均应答毫秒", "ASA ms"),
    ("平均处理毫秒", "AHT ms"),
    ("利用率", "Occupancy"),
];

const AGENT_FIGURES: &[(&str, &str)] = &[
    ("派单", "Offers"),
    ("未接派单", "Missed offers"),
    ("拒绝派单", "Declined offers"),
    ("处理量", "Handled"),
    ("通话毫秒", "Talk ms"),
    ("保持毫秒", "Hold ms"),
    ("话后毫秒", "Wrap-up ms"),
    ("空闲毫秒", "Idle ms"),
    ("小休毫秒", "Break ms"),
    ("签入毫秒", "Signed-in ms"),
    ("平均处理毫秒", "AHT ms"),
    ("利用率", "Occupancy"),
];

const COVERAGE: &[(&str, &str)] = &[
    ("开始", "From (UTC)"),
    ("座席", "Agent"),
    ("技能组", "Queue"),
    ("联络", "Interaction"),
    ("通话毫秒", "Talk ms"),
    ("已录音毫秒", "Recorded ms"),
    ("已屏蔽毫秒", "Masked ms"),
    ("规则不录毫秒", "Not recorded by rule ms"),
    ("未要求录音毫秒", "Not asked for ms"),
    ("缺失毫秒", "Missing ms"),
    ("因重启缺失毫秒", "Missing by restart ms"),
    ("已删除毫秒", "Erased ms"),
    ("尚未入库毫秒", "Not stored yet ms"),
    ("录音完整率", "Share recorded"),
];

pub fn queues(report: &QueueReport, lang: Lang) -> String {
    let mut table = Table::new(lang, ("技能组", "Queue"), FIGURES);
    for row in &report.rows {
        table.row(row.from_at, row.to_at, &name(&row.queue.name, lang), &figures(&row.figures));
    }
    table.row(report.from_at, report.to_at, pick(("合计", "Total"), lang), &figures(&report.total));
    table.text
}

pub fn agents(report: &AgentReport, lang: Lang) -> String {
    let mut table = Table::new(lang, ("座席", "Agent"), AGENT_FIGURES);
    for row in &report.rows {
        table.row(row.from_at, row.to_at, &row.agent.name, &agent_figures(&row.figures));
    }
    table.row(report.from_at, report.to_at, pick(("合计", "Total"), lang), &agent_figures(&report.total));
    table.text
}

pub fn recordings(report: &CoverageReport, lang: Lang) -> String {
    let mut table = Table { text: String::from(BOM) };
    table.line(COVERAGE.iter().map(|c| pick(*c, lang).to_owned()));
    for row in &report.rows {
        let queue = row.queue.as_ref().map(|q| name(&q.name, lang)).unwrap_or_default();
        let agent = row.agent.as_ref().map(|a| a.name.clone()).unwrap_or_default();
        let who = [instant(row.from_at), agent, queue, row.interaction.to_string()];
        table.line(who.into_iter().chain(coverage(&row.figures)));
    }
    let who = [instant(report.from_at), pick(("合计", "Total"), lang).to_owned(), String::new(), String::new()];
    table.line(who.into_iter().chain(coverage(&report.total)));
    table.text
}

fn coverage(f: &CoverageFigures) -> Vec<String> {
    let sums = [
        f.talk_ms,
        f.recorded_ms,
        f.masked_ms,
        f.ruled_out_ms,
        f.not_asked_ms,
        f.lost_ms,
        f.crash_ms,
        f.erased_ms,
        f.unstored_ms,
    ];
    let mut cells: Vec<String> = sums.iter().map(u64::to_string).collect();
    cells.push(ratio(f.share));
    cells
}

fn figures(f: &Figures) -> Vec<String> {
    let counts = [
        f.offered,
        f.answered,
        f.answered_in_time,
        f.abandoned,
        f.short_abandons,
        f.overflowed,
        f.lost,
        f.offers,
        f.offers_missed,
        f.offers_declined,
        f.handled,
        f.wait_ms,
        f.wait_ms_max,
        f.talk_ms,
        f.hold_ms,
        f.wrap_ms,
        f.idle_ms,
    ];
    let mut cells: Vec<String> = counts.iter().map(u64::to_string).collect();
    cells.extend([ratio(f.service_level), ratio(f.abandon_rate), whole(f.asa_ms), whole(f.aht_ms), ratio(f.occupancy)]);
    cells
}

fn agent_figures(f: &AgentFigures) -> Vec<String> {
    let counts = [
        f.offers,
        f.offers_missed,
        f.offers_declined,
        f.handled,
        f.talk_ms,
        f.hold_ms,
        f.wrap_ms,
        f.idle_ms,
        f.break_ms,
        f.signed_in_ms,
    ];
    let mut cells: Vec<String> = counts.iter().map(u64::to_string).collect();
    cells.extend([whole(f.aht_ms), ratio(f.occupancy)]);
    cells
}

fn ratio(value: Option<f64>) -> String {
    value.map(|v| format!("{v:.4}")).unwrap_or_default()
}

fn whole(value: Option<u64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn pick(texts: (&'static str, &'static str), lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => texts.0,
        Lang::En => texts.1,
    }
}

fn name(name: &Localized, lang: Lang) -> String {
    let (first, second) = match lang {
        Lang::Zh => (&name.zh, &name.en),
        Lang::En => (&name.en, &name.zh),
    };
    first.as_ref().or(second.as_ref()).cloned().unwrap_or_default()
}

struct Table {
    text: String,
}

impl Table {
    fn new(lang: Lang, subject: (&'static str, &'static str), columns: &[(&'static str, &'static str)]) -> Self {
        let mut table = Table { text: String::from(BOM) };
        let fixed = [("开始", "From (UTC)"), ("结束", "To (UTC)"), subject];
        table.line(fixed.iter().chain(columns).map(|c| pick(*c, lang).to_owned()));
        table
    }

    fn row(&mut self, from: i64, to: i64, subject: &str, cells: &[String]) {
        let fixed = [instant(from), instant(to), subject.to_owned()];
        self.line(fixed.into_iter().chain(cells.iter().cloned()));
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) {
        let cells: Vec<String> = cells.map(|c| escape(&c)).collect();
        self.text.push_str(&cells.join(","));
        self.text.push_str("\r\n");
    }
}

/// RFC 4180 §2; a leading `=`, `+`, `-` or `@` would be run as a formula by spreadsheets.
fn escape(cell: &str) -> String {
    let cell = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// `2026-11-22 08:15:00`, UTC. Days from civil: Howard Hinnant's algorithm.
fn instant(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3_600, rest % 3_600 / 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped_and_times_are_readable() {
        assert_eq!(escape("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(escape("=SUM(A1)"), "'=SUM(A1)");
        assert_eq!(instant(0), "1970-01-01 00:00:00");
        assert_eq!(instant(1_709_210_096_000), "2024-02-29 12:34:56");
        assert_eq!(instant(-1_000), "1969-12-31 23:59:59");
    }
}
