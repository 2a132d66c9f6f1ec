//! Kamailio as a carrier: a registrar and proxy that nobody here wrote, which asks for user name and password.
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
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard-kamailio-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers/carrier.cfg");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = File::create(dir.join("log")).expect("a file");
        let set = |what: &str, value: String| ["-A".to_owned(), format!("{what}={value}")];
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "16", "-M", "4", "-l", &format!("udp:{address}")])
            .args(["-f".as_ref(), config.as_os_str(), "-w".as_ref(), dir.as_os_str(), "-Y".as_ref(), dir.as_os_str()])
            .args(["-P".as_ref(), dir.join("pid").as_os_str()])
            .args(set("CALLEE", format!("\"sip:127.0.0.1:{callee}\"")))
            .args(set("CUSTOMER", customer.to_string()))
            .args(set("LINE", format!("\"{USER}\"")))
            .args(set("PASSWORD", format!("\"{PASSWORD}\"")))
            .args(set("LIFE", registration_s.to_string()))
            .args(set("FRESH", "60".to_owned()))
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
            eprintln!("--- the carrier\n{}", fs::read_to_string(self.dir.join("log")).unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
