//! One throw-away PostgreSQL cluster for this process, which ends with it.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Debian 12's package `postgresql`.
const BIN: &str = "/usr/lib/postgresql/15/bin";

struct Cluster {
    dir: PathBuf,
    /// Its standard input is the cluster's life line: when this process ends, however it ends, the shell reads the end
    /// of file and stops the server.
    _shell: Child,
}

/// The URL of a new database.
pub fn new_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.get_or_init(start);
    let name = format!("engine_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let made = Command::new(Path::new(BIN).join("createdb"))
        .args(["-U", "postgres", "-h"])
        .arg(&cluster.dir)
        .arg(&name)
        .status()
        .unwrap();
    assert!(made.success());
    format!("postgres://postgres@localhost/{name}?host={}", cluster.dir.display())
}

fn start() -> Cluster {
    assert!(Path::new(BIN).join("postgres").exists(), "these tests need Debian's package `postgresql` in {BIN}");
    let dir = std::env::temp_dir().join(format!("cordboard-engine-pg-{}", std::process::id()));
    let script = format!(
        "cd / && umask 077 && rm -rf {dir} && mkdir {dir} || exit 1
         {BIN}/initdb -D {dir}/data -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N > {dir}/initdb.log 2>&1 || exit 1
         {BIN}/postgres -D {dir}/data -k {dir} -c listen_addresses= -c fsync=off > {dir}/server.log 2>&1 < /dev/null &
         cat > /dev/null
         kill -INT $!
         wait
         rm -rf {dir}",
        dir = dir.display()
    );
    // The server refuses to run as root.
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let mut command = Command::new(if root { "runuser" } else { "sh" });
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    let shell = command.args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let ready = || Command::new(Path::new(BIN).join("pg_isready")).args(["-q", "-h"]).arg(&dir).status();
    while !ready().is_ok_and(|s| s.success()) {
        assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL did not start; see {}", dir.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    Cluster { dir, _shell: shell }
}
