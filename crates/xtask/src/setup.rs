//! Debian packages the tests need, installed with retries when they are missing.
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::run::{command, run};

/// Peers (SIPp, baresip, Linphone, Kamailio), a relay (coturn), a certificate authority (pebble), a browser with Chinese fonts, PostgreSQL, tools for sound.
pub const PACKAGES: &[&str] = &[
    "sip-tester",
    "baresip-core",
    "linphone-cli",
    "kamailio",
    "kamailio-outbound-modules",
    "coturn",
    "pebble",
    "chromium",
    "fonts-noto-cjk",
    "postgresql",
    "git",
    "ca-certificates",
];

pub fn setup() -> Result<()> {
    let missing: Vec<&str> = PACKAGES.iter().copied().filter(|p| !is_installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    for attempt in 1..=4u64 {
        if apt(&["update", "-qq"]).and_then(|()| install(&missing)).is_ok() {
            return Ok(());
        }
        println!("attempt {attempt} failed; trying again");
        sleep(Duration::from_secs(10 * attempt));
    }
    bail!("cannot install {}: install them by hand, then run this again", missing.join(" "))
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${Status}", package])
        .output()
        .is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("ok installed"))
}

fn install(missing: &[&str]) -> Result<()> {
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(missing);
    apt(&args)
}

fn apt(args: &[&str]) -> Result<()> {
    let is_root = std::env::var("USER").is_ok_and(|u| u == "root") || uid_is_zero();
    let mut c = if is_root {
        command("apt-get", &["-o", "DPkg::Lock::Timeout=300"])
    } else {
        command("sudo", &["apt-get", "-o", "DPkg::Lock::Timeout=300"])
    };
    c.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    run(c)
}

fn uid_is_zero() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| String::from_utf8_lossy(&o.stdout).trim() == "0")
}
