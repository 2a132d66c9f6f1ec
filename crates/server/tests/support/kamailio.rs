//! Kamailio, a proxy that nobody here wrote: as a carrier, which asks for user name and password, and as the edge of our own
//! network, by which phones come.
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::peers::free_port;

pub const USER: &str = "1001";
pub const PASSWORD: &str = "open sesame";
pub const DOMAIN: &str = "carrier.test";

pub struct Kamailio {
    child: Child,
    dir: PathBuf,
    pub address: SocketAddr,
}

impl Kamailio {
    /// `customer`: the port of the server that is registered there. Calls of his go to `callee`.
    pub fn start(customer: u16, callee: u16, registration_s: u32) -> Kamailio {
        let sets = [
            ("CALLEE", format!("\"sip:127.0.0.1:{callee}\"")),
            ("CUSTOMER", customer.to_string()),
            ("LINE", format!("\"{USER}\"")),
            ("PASSWORD", format!("\"{PASSWORD}\"")),
            ("LIFE", registration_s.to_string()),
            ("FRESH", "60".to_owned()),
        ];
        Kamailio::run("carrier.cfg", &["udp"], &sets)
    }

    /// Stands before the server, for phones by UDP and TCP.
    pub fn edge(server: SocketAddr) -> Kamailio {
        let core = format!("\"sip:{server}\"");
        Kamailio::run("edge.cfg", &["udp", "tcp"], &[("CORE", server.port().to_string()), ("CORE_URI", core)])
    }

    fn run(config: &str, transports: &[&str], sets: &[(&str, String)]) -> Kamailio {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-kamailio-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(config);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = File::create(dir.join("log")).expect("a file");
        let listens = transports.iter().flat_map(|by| ["-l".to_owned(), format!("{by}:{address}")]);
        let sets = sets.iter().flat_map(|(what, value)| ["-A".to_owned(), format!("{what}={value}")]);
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "16", "-M", "4"])
            .args(listens)
            .args(["-f".as_ref(), config.as_os_str(), "-w".as_ref(), dir.as_os_str(), "-Y".as_ref(), dir.as_os_str()])
            .args(["-P".as_ref(), dir.join("pid").as_os_str()])
            .args(sets)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().expect("a file")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("kamailio is installed (Debian package kamailio)");
        Kamailio { child, dir, address }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Asked, not killed: it ends its own children.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the proxy\n{}", fs::read_to_string(self.dir.join("log")).unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
