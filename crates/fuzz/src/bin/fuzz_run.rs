//! Runs targets without libFuzzer. Called by `cargo xtask fuzz`, and by hand to look at one input.
//!
//! ```text
//! fuzz-run list                          the targets
//! fuzz-run run TARGET EXECUTIONS SEED    mutates by seed; a failing input is kept as `failed-TARGET`
//! fuzz-run replay TARGET FILE…           runs these inputs
//! fuzz-run seeds TARGET DIRECTORY        writes the inputs to start from there, for libFuzzer
//! fuzz-run disagreements EXECUTIONS SEED counts those of the two SIP parsers that are not known, an example each
//! fuzz-run worst                         the families of worst inputs
//! fuzz-run work FAMILY SIZE [dry]        makes one of these inputs and, unless dry, runs it: to be counted from outside
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use fuzz::target::{known, sip_other};
use fuzz::{TARGETS, Target, corpus, driver, find, worst};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match act(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("fuzz-run: {message}");
            ExitCode::FAILURE
        }
    }
}

fn act(args: &[&str]) -> Result<(), String> {
    match *args {
        ["list"] => TARGETS.iter().for_each(|target| println!("{}", target.name)),
        ["worst"] => worst::WORST.iter().for_each(|family| println!("{}", family.name)),
        ["run", name, executions, seed] => {
            let target = target(name)?;
            match driver::run(target, number(seed)?, number(executions)?) {
                Ok(ran) => println!("{name}: {} executions, at most {} octets beside the input's", ran.executions, ran.besides_max),
                Err(input) => {
                    let file = format!("failed-{name}");
                    std::fs::write(&file, input).map_err(|e| format!("cannot write {file}: {e}"))?;
                    return Err(format!("{name} failed; the input is in {file}"));
                }
            }
        }
        ["replay", name, ref files @ ..] => {
            for file in files {
                let input = std::fs::read(file).map_err(|e| format!("cannot read {file}: {e}"))?;
                let spent = target(name)?.check(&input);
                println!("{file}: {} octets, {} allocations for {}", spent.bytes, spent.calls, input.len());
            }
        }
        ["seeds", name, directory] => {
            let inputs = corpus::seeds(target(name)?);
            for (n, input) in inputs.iter().enumerate() {
                let path = Path::new(directory).join(format!("seed-{n:03}"));
                std::fs::write(&path, input).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            }
        }
        ["disagreements", executions, seed] => disagreements(number(executions)?, number(seed)?),
        ["work", family, size, ref dry @ ..] => {
            let worst = worst::WORST.iter().find(|w| w.name == family).ok_or("there is no such family")?;
            let input = (worst.make)(usize::try_from(number(size)?).map_err(|e| e.to_string())?);
            if dry.is_empty() {
                worst.target.check(&input);
            }
        }
        _ => return Err("list | run TARGET EXECUTIONS SEED | replay TARGET FILE… | seeds TARGET DIRECTORY | disagreements EXECUTIONS SEED | worst | work FAMILY SIZE [dry]".to_owned()),
    }
    Ok(())
}

fn disagreements(executions: u64, seed: u64) {
    let mut found: BTreeMap<String, (u64, Vec<u8>)> = BTreeMap::new();
    for input in driver::inputs(&sip_other::TARGET, seed).take(usize::try_from(executions).unwrap_or(usize::MAX)) {
        for (kind, what) in sip_other::differences(&input) {
            if !known::is_known(kind, &what, &input) {
                // What stands behind a colon is of this one input.
                let short = what.split(':').next().unwrap_or_default();
                let entry = found.entry(format!("{kind:?} {short}")).or_insert_with(|| (0, input.clone()));
                entry.0 += 1;
                if input.len() < entry.1.len() {
                    entry.1.clone_from(&input);
                }
            }
        }
    }
    for (label, (count, input)) in found {
        println!(
            "=== {count} times {label}\n{}\n{:?}",
            String::from_utf8_lossy(&input),
            sip_other::differences(&input)
        );
    }
}

fn target(name: &str) -> Result<&'static Target, String> {
    find(name).ok_or_else(|| format!("there is no target `{name}`"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
