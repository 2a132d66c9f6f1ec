//! The walls between crates: which may import which, held against manifests (`cargo metadata`) and sources.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{command, output, root};

/// Crate → what it may import of ours. The table of ARCHITECTURE.md.
pub const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("sip", &[]),
    ("media", &[]),
    ("switch", &["domain", "sip", "media"]),
    ("telephony", &["domain", "sip", "media", "switch"]),
    ("store", &["domain"]),
    ("engine", &["domain", "store"]),
    ("api", &["domain", "store", "engine"]),
    ("sim", &["domain", "sip", "media", "switch"]),
    ("server", &["domain", "sip", "media", "switch", "telephony", "store", "engine", "api", "sim"]),
    ("load", &[]),
    ("fuzz", &["sip", "media", "telephony"]),
    ("xtask", &[]),
];

/// Pure crates: no clock, no sockets, no threads, no randomness.
const PURE: &[&str] = &["domain", "sip", "media", "switch"];
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::thread",
    "tokio::",
    "rand::",
];

pub fn walls() -> Result<()> {
    let found = violations()?;
    if found.is_empty() {
        println!("walls: {} crates keep to the table", ALLOWED.len());
        return Ok(());
    }
    for line in &found {
        eprintln!("walls: {line}");
    }
    bail!("{} breach(es) of the walls", found.len())
}

pub fn violations() -> Result<Vec<String>> {
    let meta = output(command("cargo", &["metadata", "--no-deps", "--format-version", "1", "--offline"]))
        .or_else(|_| output(command("cargo", &["metadata", "--no-deps", "--format-version", "1"])))?;
    let meta: Value = serde_json::from_str(&meta).context("cargo metadata printed no JSON")?;
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut found = Vec::new();
    let packages = meta["packages"].as_array().cloned().unwrap_or_default();
    let ours: Vec<String> = packages.iter().filter_map(|p| p["name"].as_str().map(str::to_owned)).collect();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(may) = allowed.get(name) else {
            found.push(format!("crate `{name}` is not in the table: decide its wall and add it"));
            continue;
        };
        let mut imports = Vec::new();
        for dep in package["dependencies"].as_array().into_iter().flatten() {
            let dep_name = dep["name"].as_str().unwrap_or_default();
            if ours.iter().any(|o| o == dep_name) {
                imports.push(dep_name.to_owned());
            }
            // Tests may look over the walls; products may not.
            let is_dev = dep["kind"].as_str() == Some("dev");
            if !is_dev && ours.iter().any(|o| o == dep_name) && !may.contains(&dep_name) {
                found.push(format!("`{name}` may not import `{dep_name}`"));
            }
        }
        scan(name, &root().join("crates").join(name).join("src"), &imports, &mut found)?;
    }
    Ok(found)
}

/// `imports`: our crates that this one depends on. A module of its own may bear another crate's name.
fn scan(name: &str, dir: &Path, imports: &[String], found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            scan(name, &path, imports, found)?;
            continue;
        }
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        if !text.starts_with("//!") {
            found.push(format!("{shown} does not open with `//!`"));
        }
        // Unit tests at the end of a file may use clocks.
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let reexport = code.trim_start().strip_prefix("pub use ").and_then(|r| r.split("::").next());
            if let Some(other) = reexport
                && imports.iter().any(|o| o == other)
                && other != name
            {
                found.push(format!("{shown}:{} re-exports `{other}`", number + 1));
            }
            if PURE.contains(&name)
                && let Some(what) = IMPURE.iter().find(|what| code.contains(**what))
            {
                found.push(format!("{shown}:{} uses `{what}` in a pure crate", number + 1));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_keeps_its_walls() {
        assert_eq!(super::violations().unwrap(), Vec::<String>::new());
    }
}
