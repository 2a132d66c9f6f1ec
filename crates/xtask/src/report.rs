//! The tally of a test run: what passed, what failed, how long each part took.
use std::time::Instant;

use anyhow::Result;

use crate::run::seconds;

#[derive(Default)]
pub struct Report {
    pub passed: u64,
    pub failed: u64,
    rows: Vec<(String, f64, String)>,
}

impl Report {
    /// Runs one part which counts its own tests; a part that errs without counting a failure counts as one.
    pub fn part(&mut self, name: &str, f: impl FnOnce(&mut Counts) -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        let mut counts = Counts::default();
        let result = f(&mut counts);
        if let Err(e) = &result {
            eprintln!("{name}: {e:#}");
            counts.failed = counts.failed.max(1);
        } else if counts.passed + counts.failed == 0 {
            counts.passed = 1;
        }
        self.passed += counts.passed;
        self.failed += counts.failed;
        let outcome = format!("{} passed, {} failed", counts.passed, counts.failed);
        self.rows.push((name.to_owned(), seconds(start), outcome));
    }

    /// The table and the closing line that CI reads.
    pub fn print(&self) {
        println!();
        for (name, seconds, outcome) in &self.rows {
            println!("{name:<28} {seconds:>7.1} s  {outcome}");
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
    }
}

#[derive(Default)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// Reads `test result: ok. 12 passed; 0 failed; …` of libtest.
    pub fn libtest_line(&mut self, line: &str) {
        if let Some(rest) = line.trim_start().strip_prefix("test result: ") {
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
        }
    }

    /// Reads `Tests  12 passed (12)` or `Tests  1 failed | 11 passed (12)` of vitest.
    pub fn vitest_line(&mut self, line: &str) {
        let plain: String = strip_ansi(line);
        if let Some(rest) = plain.trim_start().strip_prefix("Tests ") {
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some(end) = text.find(word) else { return 0 };
    let head = &text[..end];
    head.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn strip_ansi(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for d in chars.by_ref() {
                if d.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_test_runners_are_counted() {
        let mut c = Counts::default();
        c.libtest_line("test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
        c.vitest_line("\u{1b}[2m      Tests \u{1b}[22m 1 failed | 11 passed (12)");
        assert_eq!((c.passed, c.failed), (23, 4));
    }
}
