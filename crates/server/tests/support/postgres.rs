//! A PostgreSQL cluster of a test's own: fresh directory, free port on loopback, ended by its id.
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wait_for;

pub struct Postgres {
    server: Child,
    dir: PathBuf,
    port: u16,
}

impl Postgres {
    pub fn start(name: &str) -> Postgres {
        let bin = newest_bin();
        let dir = std::env::temp_dir().join(format!("cordboard-pg-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        own(&dir);
        let data = dir.join("data");
        let initdb = as_postgres(&bin.join("initdb"))
            .args(["-A", "trust", "-U", "cordboard", "-E", "UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(&dir)
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs (Debian package postgresql)");
        assert!(initdb.success());
        let port = super::peers::free_port();
        let server = run(&bin, &dir, port);
        let mut pg = Postgres { server, dir, port };
        wait_for("PostgreSQL to be ready", Duration::from_secs(30), || {
            assert!(matches!(pg.server.try_wait(), Ok(None)), "PostgreSQL ended:\n{}", pg.log());
            let ready = Command::new(bin.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
                .is_ok_and(|s| s.success());
            ready.then_some(())
        });
        pg
    }

    /// Stops every process of it where it stands, as a machine that hangs: connections stay open and say nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let main = self.server.id().to_string();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &main]).output().expect("ps runs").stdout;
        let children = String::from_utf8_lossy(&children).into_owned();
        let all = children.split_whitespace().chain([main.as_str()]);
        // A process may have ended in between.
        let _ = Command::new("kill").arg(signal).args(all).stderr(Stdio::null()).status();
    }

    /// An operator's stop: connections are closed, and new ones refused.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }

    pub fn start_again(&mut self) {
        self.server = run(&newest_bin(), &self.dir, self.port);
    }

    pub fn url(&self) -> String {
        format!("postgres://cordboard@127.0.0.1:{}/postgres", self.port)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An orderly end, so that its workers go too; not for one that stands still.
        self.thaw();
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn run(bin: &Path, dir: &Path, port: u16) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("log file");
    as_postgres(&bin.join("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .arg("-k")
        .arg(dir)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .expect("postgres starts")
}

fn newest_bin() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed (Debian package postgresql)")
        .filter_map(|e| Some(e.ok()?.path().join("bin")))
        .filter(|p| p.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("a version of PostgreSQL")
}

fn id(option: &str, user: &str) -> Option<u32> {
    let out = Command::new("id").args([option, user]).output().ok()?;
    String::from_utf8_lossy(&out.stdout).trim().parse().ok()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

/// PostgreSQL refuses to run as root; its package made a user.
fn as_postgres(program: &Path) -> Command {
    let mut c = Command::new(program);
    if is_root() {
        c.uid(id("-u", "postgres").expect("user postgres")).gid(id("-g", "postgres").expect("group postgres"));
    }
    c
}

fn own(dir: &Path) {
    if is_root() {
        std::os::unix::fs::chown(dir, id("-u", "postgres"), id("-g", "postgres")).expect("chown");
    }
}
