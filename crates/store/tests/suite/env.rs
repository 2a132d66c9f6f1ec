//! A fresh installation per test: SQLite in a directory of its own, or a database of its own in one PostgreSQL cluster
//! that this process starts (once) and that ends with it.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use domain::config::Entitlements;
use domain::id::TenantId;
use domain::localized::Lang;
use domain::time::Timestamp;
use sqlx::{AssertSqlSafe, Connection};
use store::{Author, HostScope, NewTenant, Options, Settings, Store, UserRow};

pub const NOW: Timestamp = Timestamp(1_790_000_000_000);
const POSTGRES_BIN: &str = "/usr/lib/postgresql/15/bin";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// `both!(async fn a_fact(env) { … });`
#[macro_export]
macro_rules! both {
    ($(async fn $name:ident($env:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn check($env: $crate::env::Env) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check($crate::env::Env::new($crate::env::Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                check($crate::env::Env::new($crate::env::Backend::Postgres).await).await;
            }
        }
    )+};
}

pub struct Env {
    pub store: Store,
    pub options: Options,
    pub host: HostScope,
    /// Two tenants with settings.
    pub a: TenantId,
    pub b: TenantId,
}

impl Env {
    pub async fn new(backend: Backend) -> Env {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cordboard_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut options = Options::in_dir(std::env::temp_dir().join(&name));
        if backend == Backend::Postgres {
            options.database_url = Some(cluster().create_database(&name).await);
        }
        let store = Store::open(&options).await.unwrap();
        let host = HostScope::whole_installation();
        let owner = store.create_host(host, "Host", NOW).await.unwrap();
        let mut tenants = Vec::new();
        for slug in ["alpha", "beta"] {
            let new = NewTenant {
                host: owner.id,
                slug: slug.into(),
                name: slug.into(),
                entitlements: Entitlements { seats: 5, concurrent_calls: 10, retention_days: 30 },
                is_default: slug == "alpha",
            };
            let tenant = store.create_tenant(host, new, NOW).await.unwrap().id;
            let mut tx = store.admin(tenant, Author::system(), "set up", NOW).await.unwrap();
            let settings = Settings {
                tenant,
                name: slug.into(),
                time_zone: "Asia/Shanghai".into(),
                lang: Lang::Zh,
                sip_domain: format!("{slug}.example"),
                region: Some("CN".into()),
                music: None,
                monitoring_shown: false,
                browser_codecs: Vec::new(),
                outbound: Default::default(),
                recording: Default::default(),
                voicemail: Default::default(),
                mask_numbers: false,
            };
            tx.put(settings, None).await.unwrap();
            tx.commit().await.unwrap();
            tenants.push(tenant);
        }
        Env { store, options, host, a: tenants[0], b: tenants[1] }
    }

    /// A user of `tenant` with a login of its own.
    pub async fn user(&self, tenant: TenantId, email: &str) -> UserRow {
        let login = self.store.login_for_email(email, NOW).await.unwrap();
        let mut tx = self.store.admin(tenant, Author::system(), "new user", NOW).await.unwrap();
        let user = tx.create_user(&login, email, Lang::En).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    /// Runs a statement past the store, to damage things.
    pub async fn raw(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        match &self.options.database_url {
            Some(url) => {
                let mut c = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::query(statement).execute(&mut c).await.unwrap();
            }
            None => {
                let path = self.options.data_dir.join("cordboard.db");
                let mut c = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                sqlx::query(statement).execute(&mut c).await.unwrap();
            }
        }
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.options.data_dir);
    }
}

pub struct Cluster {
    dir: PathBuf,
    /// Its standard input is the cluster's life line: when this process ends, however it ends, the shell reads the end
    /// of file and stops the server.
    _shell: Child,
}

pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    fn start() -> Cluster {
        assert!(
            Path::new(POSTGRES_BIN).join("postgres").exists(),
            "these tests need PostgreSQL: install Debian's package `postgresql` (programs expected in {POSTGRES_BIN})"
        );
        let dir = std::env::temp_dir().join(format!("cordboard-pg-{}", std::process::id()));
        let script = format!(
            "cd / && umask 077 && rm -rf {dir} && mkdir {dir} || exit 1
             {POSTGRES_BIN}/initdb -D {dir}/data -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N > {dir}/initdb.log 2>&1 || exit 1
             {POSTGRES_BIN}/postgres -D {dir}/data -k {dir} -c listen_addresses= -c fsync=off -c max_connections=300 \
                 > {dir}/server.log 2>&1 < /dev/null &
             cat > /dev/null
             kill -INT $!
             wait
             rm -rf {dir}",
            dir = dir.display()
        );
        // The server refuses to run as root.
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        let mut command = if root {
            let mut c = Command::new("runuser");
            c.args(["-u", "postgres", "--", "sh", "-c", &script]);
            c
        } else {
            let mut c = Command::new("sh");
            c.args(["-c", &script]);
            c
        };
        let shell = command.stdin(Stdio::piped()).spawn().expect("start the PostgreSQL shell");
        let socket = dir.join(".s.PGSQL.5432");
        let start = Instant::now();
        while !std::os::unix::net::UnixStream::connect(&socket).is_ok_and(|_| is_ready(&dir)) {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "PostgreSQL did not start; see {}/initdb.log and {}/server.log",
                dir.display(),
                dir.display()
            );
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(20));
        }
        Cluster { dir, _shell: shell }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.dir.display())
    }

    async fn create_database(&self, name: &str) -> String {
        let mut c = sqlx::PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut c).await.unwrap();
        self.url(name)
    }
}

fn is_ready(dir: &Path) -> bool {
    Command::new(format!("{POSTGRES_BIN}/pg_isready")).args(["-q", "-h"]).arg(dir).status().is_ok_and(|s| s.success())
}
