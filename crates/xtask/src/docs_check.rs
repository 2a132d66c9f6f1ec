//! The documents, held against the repository: commands and settings of the READMEs, links, the table of requirements
//! and the tests it names, the table of crates, the paths of the interface, the decision records. Run with the tests of this crate.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::run::root;
use crate::walls::ALLOWED;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];
const REQUIREMENTS: &str = "docs/requirements.md";
/// The whole product on two printed pages.
const REQUIREMENTS_LINES_MAX: usize = 180;

#[test]
fn readmes_show_exactly_the_two_commands() {
    for name in READMES {
        assert_eq!(blocks_of_sh(&read(name)), ["cargo run --release", "cargo xtask test"], "{name}");
    }
}

#[test]
fn readmes_name_every_setting_of_the_server() {
    let settings = read("crates/server/src/settings.rs");
    let raw = settings.split("struct Raw {").nth(1).and_then(|s| s.split('}').next()).expect("struct Raw");
    let names: Vec<&str> = raw.lines().filter_map(|l| l.trim().split_once(':')).map(|(name, _)| name).collect();
    assert!(names.len() >= 8, "{names:?}");
    for readme in READMES {
        let text = read(readme);
        for name in &names {
            let (flag, variable) = (name.replace('_', "-"), format!("CORDBOARD_{}", name.to_uppercase()));
            assert!(text.contains(&format!("--{flag}`")) || text.contains(&variable), "{readme} does not name {flag}");
        }
    }
}

#[test]
fn variables_named_by_the_help_are_known_to_the_settings() {
    let (help, settings) = (read("crates/server/src/main.rs"), read("crates/server/src/settings.rs"));
    let upper = |c: char| c.is_ascii_uppercase() || c == '_';
    let names: BTreeSet<String> = help
        .split("CORDBOARD_")
        .skip(1)
        .map(|rest| rest.split(|c| !upper(c)).next().unwrap_or_default().to_lowercase())
        .collect();
    assert!(names.contains("master_key") && names.contains("http"), "{names:?}");
    // A field, or set aside because it is read elsewhere; anything else is refused as unknown.
    let known = |name: &str| settings.contains(&format!("{name}: ")) || settings.contains(&format!("\"{name}\""));
    assert_eq!(names.iter().filter(|n| !known(n)).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn links_of_documents_resolve() {
    let mut broken = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).expect("a document is text");
        for target in links(&text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let found = if path.is_empty() { file.clone() } else { file.parent().unwrap_or(&file).join(path) };
            let whole = found.exists()
                && (anchor.is_empty() || fs::read_to_string(&found).is_ok_and(|t| anchors(&t).contains(anchor)));
            if !whole {
                broken.push(format!("{}: {target}", shown(&file)));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn requirements_are_few_numbered_once_and_name_true_tests() {
    let text = read(REQUIREMENTS);
    let lines = text.lines().count();
    assert!(lines <= REQUIREMENTS_LINES_MAX, "{lines} lines");
    let mut numbers = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in rows(&text, "| No. |") {
        let [number, _, shown_by] = row.as_slice() else { panic!("three cells expected: {row:?}") };
        // A heading within the table.
        if number.is_empty() {
            continue;
        }
        if !numbers.insert(number.clone()) {
            wrong.push(format!("{number} occurs twice"));
        }
        let tests = quoted(shown_by);
        if tests.is_empty() && shown_by != "not yet" {
            wrong.push(format!("{number}: neither a test nor \"not yet\": {shown_by}"));
        }
        wrong.extend(tests.iter().filter(|t| !test_exists(t)).map(|t| format!("{number}: no test {t}")));
    }
    assert!(numbers.len() > 50, "{} rows", numbers.len());
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_table_of_crates_is_that_of_the_walls() {
    let text = read("ARCHITECTURE.md");
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&text, "| Crate |") {
        let [crates, imports] = row.as_slice() else { panic!("two cells expected: {row:?}") };
        for name in crates.split(", ") {
            let imports = imports.split(", ").filter(|i| *i != "nothing of ours").map(str::to_owned).collect();
            assert!(told.insert(name.to_owned(), imports).is_none(), "{name} occurs twice");
        }
    }
    let held = ALLOWED.iter().map(|(name, may)| ((*name).to_owned(), may.iter().map(|m| (*m).to_owned()).collect()));
    assert_eq!(told, held.collect());
}

#[test]
fn every_path_of_the_interface_is_described() {
    let document: serde_json::Value = serde_json::from_str(&read("web/openapi.json")).expect("JSON");
    let text = read("docs/design/interfaces.md");
    let paths = document["paths"].as_object().expect("paths").keys();
    let names: Vec<&str> = paths.map(|p| p.strip_prefix("/api/v1").unwrap_or(p)).collect();
    assert!(names.len() > 30, "{names:?}");
    // The common ones stand in one row without their `/{id}`.
    let described = |p: &str| text.contains(&format!("`{p}`"));
    let missing: Vec<_> = names.iter().filter(|p| !described(p) && !described(p.trim_end_matches("/{id}"))).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[test]
fn decision_records_are_numbered_without_gaps_and_whole() {
    let mut names: Vec<String> = fs::read_dir(root().join("docs/decisions"))
        .expect("docs/decisions")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|n| n.ends_with(".md") && n != "README.md")
        .collect();
    names.sort();
    let index = read("docs/decisions/README.md");
    for (at, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", at + 1)), "{name} is not number {}", at + 1);
        let text = read(&format!("docs/decisions/{name}"));
        for part in ["**Context.**", "**Decision.**", "**Consequence.**"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
        assert!(index.contains(&format!("]({name})")), "the index does not list {name}");
    }
    assert!(!names.is_empty());
}

#[test]
fn links_rows_and_quotes_are_read() {
    assert_eq!(links("see [a](b.md) and ![c](d.png \"t\"); `[x](y)`\n```text\n[e](f)\n```\n"), ["b.md", "d.png"]);
    let table = "| No. | What | By |\n|---|---|---|\n| V1 | say `x` | `f.rs::t` |\n\ntext\n| other |\n";
    assert_eq!(rows(table, "| No. |"), [["V1", "say `x`", "`f.rs::t`"]]);
    assert_eq!(quoted("`a::b`, `c`"), ["a::b", "c"]);
    assert!(anchors("## What works now?\n").contains("what-works-now"));
    assert!(!test_exists("xtask/src/docs_check.rs::no_such_test") && !test_exists("xtask/src/run.rs::run"));
    assert!(test_exists("xtask/src/docs_check.rs::links_rows_and_quotes_are_read"));
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// Every line of the `sh` blocks, comments included: nothing else may stand there.
fn blocks_of_sh(text: &str) -> Vec<&str> {
    let mut fence = None;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fence = if fence.is_none() { Some(language) } else { None };
        } else if fence == Some("sh") {
            found.push(line);
        }
    }
    found
}

/// Markdown files of the root and of `docs/`.
fn documents() -> Vec<PathBuf> {
    fn walk(dir: &Path, deep: bool, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && deep {
                walk(&path, deep, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), false, &mut found);
    walk(&root().join("docs"), true, &mut found);
    found.sort();
    found
}

/// Targets of inline links and pictures outside code.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        for piece in line.split('`').step_by(2) {
            for rest in piece.split("](").skip(1) {
                let target = rest.split([')', ' ']).next().unwrap_or_default();
                found.push(target);
            }
        }
    }
    found
}

/// The anchors that headings get: lower case, blanks as hyphens, without punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let slug = |heading: &str| {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    text.lines().filter(|l| l.starts_with('#')).map(|l| slug(l.trim_start_matches('#'))).collect()
}

/// Rows of all tables whose head begins with `head`, as trimmed cells.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with(head) {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|-") {
            found.push(line.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect());
        }
    }
    found
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `file::name`: a Rust test below `crates/`, or a TypeScript test below `web/` by its title.
fn test_exists(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    if file.starts_with("web/") {
        return fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains(&format!("it('{name}'")));
    }
    let Ok(text) = fs::read_to_string(root().join("crates").join(file)) else { return false };
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        let declared = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if declared.is_some_and(|d| d.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '<']))) {
            // `both!` makes one test for each database of a function of the environment.
            if text.contains("both! {") && line.ends_with("(env) {") {
                return true;
            }
            // Its attributes stand directly above.
            let attributes = lines.iter().rev().take_while(|l| l.starts_with("#[") || l.starts_with("//"));
            return attributes.into_iter().any(|l| l.starts_with("#[test]") || l.starts_with("#[tokio::test"));
        }
        lines.push(line);
    }
    false
}
