//! The short run of every target: the committed inputs and some thousands of changed ones, by a fixed seed; and the bounds
//! on memory as inputs grow. `cargo xtask fuzz` searches for longer.
#![allow(clippy::unwrap_used, reason = "a test")]

use fuzz::{TARGETS, allocation, corpus, driver, worst};

/// Changed inputs per target. The endpoint and the sessions of str0m build a small world for each.
fn executions(name: &str) -> u64 {
    match name {
        "sip_endpoint" | "rtp" | "stun" | "spool" => 1_000,
        "wav" => 2_000,
        _ => 10_000,
    }
}

fn short_run(name: &str) {
    let target = fuzz::find(name).unwrap();
    match driver::run(target, 20_260_101, executions(name)) {
        Ok(ran) => println!("{name}: {} executions, {} octets besides", ran.executions, ran.besides_max),
        Err(input) => {
            let file = std::env::temp_dir().join(format!("cordboard-fuzz-failed-{name}"));
            std::fs::write(&file, &input).unwrap();
            panic!("{name} failed; the input is in {}", file.display());
        }
    }
}

macro_rules! short_runs {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                short_run(stringify!($name));
            }
        )*

        #[test]
        fn every_target_has_a_short_run() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

short_runs! { sip_message sip_stream sip_endpoint sip_other sdp stun rtp wav spool }

#[test]
fn every_target_has_a_committed_corpus_of_moderate_size() {
    for target in TARGETS {
        let files = corpus::files(&corpus::directory(target));
        let size: usize = files.iter().map(Vec::len).sum();
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        assert!(size < 200 * 1024, "the corpus of {} has {size} octets", target.name);
    }
}

#[test]
fn twice_the_input_takes_no_more_than_twice_the_memory() {
    for family in worst::WORST {
        let cost = |n: usize| {
            let input = (family.make)(n);
            // Once before, so that what is made once is not counted.
            (family.target.run)(&input);
            (allocation::measure(|| (family.target.run)(&input)), input.len())
        };
        let (base, small, large) = (cost(0).0, cost(4_000).0, cost(8_000).0);
        for (what, base, small, large) in
            [("octets", base.bytes, small.bytes, large.bytes), ("allocations", base.calls, small.calls, large.calls)]
        {
            // Buffers double; a step of one doubling is not growth.
            let (small, large) = (small.saturating_sub(base), large.saturating_sub(base));
            assert!(
                large <= small * 5 / 2 + 32 * 1024,
                "{}: {small} {what} for 4,000 octets, {large} for 8,000",
                family.name
            );
        }
    }
}
