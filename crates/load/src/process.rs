//! The server's process seen from outside: CPU time by thread and memory, from `/proc`.
//!
//! CPU time is the kernel's account of time on a processor, not what a clock on the wall shows, so that figures taken on a
//! shared machine mean something. On loopback the receiving socket's share of the kernel's work is done by, and charged to,
//! the sender.
use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Clock ticks a second in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux platform with Rust's standard library.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time since the process began, in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    /// utime + stime of all threads, dead ones too; 10 ms steps.
    pub total_us: u64,
    /// Living threads: (name, CPU time in nanoseconds) by thread id.
    threads: BTreeMap<u32, (String, u64)>,
}

impl Cpu {
    pub fn of(pid: u32) -> Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server's process has gone")?;
        let total_us = ticks(&stat).context("/proc/PID/stat cannot be read")? * (1_000_000 / TICKS_PER_SECOND);
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))?.filter_map(Result::ok) {
            let Some(tid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            // A thread may end while we look.
            let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
            let Ok(times) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            let Some(ns) = times.split(' ').next().and_then(|n| n.parse().ok()) else { continue };
            threads.insert(tid, (name.trim().to_owned(), ns));
        }
        Ok(Cpu { total_us, threads })
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Cpu) -> Used {
        let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
        let mut sum_ns = 0;
        for (tid, (name, ns)) in &self.threads {
            let earlier = before.threads.get(tid).map_or(0, |(_, ns)| *ns);
            let used = ns.saturating_sub(earlier);
            *by_name.entry(name.clone()).or_default() += used;
            sum_ns += used;
        }
        let total_us = self.total_us.saturating_sub(before.total_us);
        // Threads that have ended are in the total alone. The finer account is used as long as it is not less by more
        // than the total's steps.
        let exact = if sum_ns / 1000 + 20_000 >= total_us { sum_ns / 1000 } else { total_us };
        let mut threads: Vec<(String, u64)> = by_name.into_iter().map(|(name, ns)| (name, ns / 1000)).collect();
        threads.sort_by_key(|(_, us)| std::cmp::Reverse(*us));
        threads.retain(|(_, us)| *us > 0);
        Used { total_us: exact, threads }
    }
}

/// utime + stime: the 14th and 15th field, counted after the name in parentheses, which may hold spaces.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// CPU time used in an interval, in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Used {
    pub total_us: u64,
    /// By thread name, most first.
    pub threads: Vec<(String, u64)>,
}

impl Used {
    /// Microseconds for each of `units`; 0 for none.
    pub fn per(&self, units: u64) -> f64 {
        if units == 0 { 0.0 } else { self.total_us as f64 / units as f64 }
    }

    /// Of the thread(s) whose names begin so.
    pub fn of(&self, name: &str) -> u64 {
        self.threads.iter().filter(|(n, _)| n.starts_with(name)).map(|(_, us)| us).sum()
    }

    /// Totals and shares, in microseconds for each of `units`.
    pub fn to_json(&self, units: u64) -> Value {
        let each = |us: u64| if units == 0 { 0.0 } else { us as f64 / units as f64 };
        let threads: Vec<Value> =
            self.threads.iter().map(|(name, us)| json!({"name": name, "us_per_unit": each(*us)})).collect();
        json!({"total_ms": self.total_us / 1000, "units": units, "us_per_unit": self.per(units), "threads": threads})
    }
}

/// Memory in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    pub rss_kib: u64,
    /// Shared pages divided by those who share them.
    pub pss_kib: u64,
    /// Private to the process and written to: heap, stacks, changed data.
    pub anonymous_kib: u64,
}

impl Memory {
    pub fn of(pid: u32) -> Result<Memory> {
        let text =
            fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server's memory cannot be read")?;
        let field = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|l| l.trim().strip_suffix(" kB")).and_then(|n| n.trim().parse().ok()).unwrap_or(0)
        };
        Ok(Memory { rss_kib: field("Rss"), pss_kib: field("Pss"), anonymous_kib: field("Anonymous") })
    }

    pub fn to_json(&self) -> Value {
        json!({"rss_kib": self.rss_kib, "pss_kib": self.pss_kib, "anonymous_kib": self.anonymous_kib})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "42 (tokio ) rt) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100 1 1";
        assert_eq!(ticks(stat), Some(300));
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let pid = std::process::id();
        let before = Cpu::of(pid).unwrap();
        let mut x = 1u64;
        while Cpu::of(pid).unwrap().since(&before).total_us < 30_000 {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        assert!(Memory::of(pid).unwrap().rss_kib > 500);
    }
}
