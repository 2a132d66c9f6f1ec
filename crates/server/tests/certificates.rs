//! Certificates: fetched from an authority and renewed while the server runs, seen by browsers and phones alike; one that the
//! operator puts in the place of another.
mod support;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::authority::Authority;
use support::peers::free_port;
use support::server::{Server, Unusual};
use support::{SOON, wait_for};

const NAMES: &str = "calls.cordboard.test,sip.cordboard.test";

/// What a listener shows to whoever asks for the name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    issuer: String,
    serial: String,
    names: String,
}

fn shown(address: SocketAddr, name: &str) -> Option<Shown> {
    let hello = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-servername", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("openssl is installed");
    let mut read = Command::new("openssl")
        .args(["x509", "-noout", "-issuer", "-serial", "-ext", "subjectAltName"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    // It may end before it has read all.
    let _ = std::io::Write::write_all(&mut read.stdin.take().expect("input"), &hello.stdout);
    let text = String::from_utf8(read.wait_with_output().ok()?.stdout).ok()?;
    let line = |start: &str| text.lines().find_map(|l| l.trim().strip_prefix(start)).map(str::to_owned);
    Some(Shown { issuer: line("issuer=")?, serial: line("serial=")?, names: line("DNS:").unwrap_or_default() })
}

#[test]
fn a_certificate_is_fetched_from_an_authority_and_renewed() {
    let port = free_port();
    let authority = Authority::start("renewed", port, 30);
    let options = ["--https", &format!("127.0.0.1:{port}"), "--acme", NAMES, "--acme-directory", &authority.directory];
    let unusual =
        Unusual { roots: Some(authority.root()), options: options.map(str::to_owned).to_vec(), ..Unusual::default() };
    let mut server = Server::start_unusual("acme", unusual);
    let https = SocketAddr::from(([127, 0, 0, 1], port));
    let first = wait_for("a certificate", SOON, || {
        shown(https, "calls.cordboard.test").filter(|s| s.issuer.contains("Pebble"))
    });
    assert!(first.names.contains("calls.cordboard.test") && first.names.contains("sip.cordboard.test"), "{first:?}");
    // Phones see the same, and nothing was started anew.
    assert_eq!(shown(server.sip_tls, "sip.cordboard.test"), Some(first.clone()));
    let renewed = wait_for("another certificate", Duration::from_secs(60), || {
        shown(https, "calls.cordboard.test").filter(|s| s.serial != first.serial)
    });
    assert!(renewed.issuer.contains("Pebble"), "{renewed:?}");

    // The next start goes on with it, even where nobody answers.
    drop(authority);
    server.kill_and_restart();
    assert_eq!(shown(https, "calls.cordboard.test").map(|s| s.serial), Some(renewed.serial));
}
