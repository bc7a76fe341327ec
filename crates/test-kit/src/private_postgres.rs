//! A private PostgreSQL cluster that a test may stop without a farewell and start again without disturbing the others.
//!
//! With fsync, unlike a cluster that is only for speed: what it said to be committed must be there after a crash. About 2 s
//! each: for tests of outages, not for all.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    process::Command,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{daemon::Daemon, folder::Folder, ports::free_port, stack};

/// The role that needs a password.
const GUARDED: &str = "guarded";

const LIMIT: Duration = Duration::from_secs(60);

/// Stopped when dropped, its data with it. `postgres` needs no password, every other role has to have one.
#[derive(Debug)]
pub struct PrivatePostgres {
    daemon: Daemon,
    folder: Folder,
    port: u16,
    /// The server refuses to run as root: user and group that it runs as instead.
    account: Option<(u32, u32)>,
}

impl PrivatePostgres {
    /// Ready for connections when this returns.
    pub async fn start() -> Self {
        let folder = Folder::create("postgres");
        let account = account();
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let daemon = Daemon::new("the private PostgreSQL", folder.join("log"));
        let mut postgres = Self { daemon, folder, port: free_port(), account };
        postgres.make_cluster().await;
        postgres.start_again().await;
        postgres
    }

    /// Its database `postgres`; the same after [`Self::start_again`].
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes the role that has to log in with a password, unlike the server's own; the database is its. Returns its URL.
    pub async fn with_password(&self, password: &str) -> String {
        self.run(format!(
            "CREATE ROLE {GUARDED} LOGIN PASSWORD '{password}'; ALTER DATABASE postgres OWNER TO {GUARDED}"
        ))
        .await;
        format!("postgres://{GUARDED}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Gives that role another password and ends its sessions, as at a rotation. One that is just being let in by the old password
    /// shows up after that, and lives on until [`Self::end_sessions`].
    pub async fn change_password(&self, password: &str) {
        // By itself: until this is committed the old password is good.
        self.run(format!("ALTER ROLE {GUARDED} PASSWORD '{password}'")).await;
        self.end_sessions().await;
    }

    /// Ends all sessions of that role, and returns when they have ended.
    pub async fn end_sessions(&self) {
        self.run(format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{GUARDED}'"))
            .await;
    }

    async fn run(&self, sql: String) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        // Only words of tests go into it.
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }

    /// One of its databases as a role sees it.
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// As `pg_ctl stop -m immediate`: every session breaks off, nothing is written down, and the next start recovers.
    pub async fn stop_immediately(&mut self) {
        self.daemon.end_by("QUIT", LIMIT).await;
    }

    /// With the same data on the same port. Ready for connections when this returns.
    pub async fn start_again(&mut self) {
        let mut command = self.program("postgres");
        command
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            // No socket folder: its path has a limit of 107 bytes.
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        self.daemon.start(&mut command);
        let url = self.url();
        self.daemon
            .wait_ready(LIMIT, || {
                let connecting = PgConnection::connect(&url);
                async { connecting.await.is_ok() }
            })
            .await;
    }

    async fn make_cluster(&self) {
        let mut command = self.program("initdb");
        // There is nothing to lose yet.
        command.args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        self.daemon.prepare(command).await;
        let rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.folder.join("data").join("pg_hba.conf"), rules).unwrap();
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(stack::postgres_programs().join(name));
        // Where the tests stand the account may not be allowed to.
        command.arg("-D").arg(self.folder.join("data")).current_dir("/");
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // A kill would leave its children behind.
        self.daemon.signal("QUIT");
        self.daemon.wait();
    }
}

/// `postgres`, else `nobody`, when this is root; as the local stack does it.
pub(crate) fn account() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    // The folder of our own process belongs to who we are.
    if fs::metadata("/proc/self").map(|own| own.uid()).unwrap_or(1) != 0 {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let mut fields = accounts.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}
