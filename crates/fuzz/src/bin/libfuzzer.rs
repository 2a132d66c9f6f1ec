//! libFuzzer's entry: one program for all targets, the one named by `CORDBOARD_FUZZ_TARGET`. Built and started by
//! `cargo xtask fuzz`.
#![no_main]
#![allow(unsafe_code, reason = "libFuzzer's entry point is an exported symbol")]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<&'static fuzz::Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("CORDBOARD_FUZZ_TARGET").unwrap_or_default();
        fuzz::find(&name).unwrap_or_else(|| panic!("CORDBOARD_FUZZ_TARGET must name a target, not `{name}`"))
    });
    target.check(bytes);
});
