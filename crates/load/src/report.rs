//! What a scenario found: lines for people, JSON for programs.
use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Report {
    pub lines: Vec<String>,
    pub json: Value,
    /// Whether what was wanted happened: no call failed, nothing was lost.
    pub is_good: bool,
}

impl Report {
    pub fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json);
        } else {
            self.lines.iter().for_each(|line| println!("{line}"));
        }
    }
}
