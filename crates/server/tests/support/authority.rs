//! A certificate authority that nobody here wrote: pebble, with the name server that comes with it. Every name is this machine.
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::peers::free_port;
use super::{SOON, wait_for};

pub struct Authority {
    processes: [Child; 2],
    dir: PathBuf,
    pub directory: String,
}

impl Authority {
    /// Looks for proofs on `https_port`; what it certifies is good for `life_s`.
    pub fn start(name: &str, https_port: u16, life_s: u32) -> Authority {
        let dir = std::env::temp_dir().join(format!("cordboard-authority-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(dir.join("cert.pem"), own.cert.pem()).expect("a file");
        fs::write(dir.join("key.pem"), own.signing_key.serialize_pem()).expect("a file");
        let (port, manage, dns) = (free_port(), free_port(), free_port());
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": format!("127.0.0.1:{manage}"),
            "certificate": "cert.pem", "privateKey": "key.pem", "httpPort": free_port(), "tlsPort": https_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": life_s,
        }});
        fs::write(dir.join("pebble.json"), config.to_string()).expect("a file");
        let names = Self::run(
            &dir,
            "pebble-challtestsrv",
            &[
                ["-dns01", &format!("127.0.0.1:{dns}")],
                ["-defaultIPv4", "127.0.0.1"],
                ["-defaultIPv6", ""],
                ["-http01", ""],
                ["-https01", ""],
                ["-tlsalpn01", ""],
                ["-management", &format!("127.0.0.1:{}", free_port())],
            ],
        );
        let authority =
            Self::run(&dir, "pebble", &[["-config", "pebble.json"], ["-dnsserver", &format!("127.0.0.1:{dns}")]]);
        wait_for("the authority", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
        Authority { processes: [names, authority], dir, directory: format!("https://localhost:{port}/dir") }
    }

    fn run(dir: &Path, program: &str, options: &[[&str; 2]]) -> Child {
        let log = fs::File::create(dir.join(format!("{program}.log"))).expect("a file");
        Command::new(program)
            .args(options.iter().flatten())
            .current_dir(dir)
            // Else it waits at random before it looks at a proof, and refuses good messages at random.
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file"))
            .stdout(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{program} (of the package pebble): {e}"))
    }

    /// The certificate that it shows itself, for whoever is to trust it.
    pub fn root(&self) -> PathBuf {
        self.dir.join("cert.pem")
    }

    /// Good and bad questions that came so far, in its words.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("pebble.log")).unwrap_or_default()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the authority's log\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
