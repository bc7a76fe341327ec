//! A private PostgreSQL cluster that a test may stop without a farewell and start again without disturbing the others.
//!
//! With fsync, unlike a cluster that is only for speed: what it said to be committed must be there after a crash. About 2 s
//! each: for tests of outages, not for all.

use std::{
    fs::{self, File},
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{Connection, PgConnection};

use crate::{
    folder::{Folder, read_log},
    ports::free_port,
    stack, stop,
    wait::wait_until,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Stopped when dropped, its data with it.
#[derive(Debug)]
pub struct PrivatePostgres {
    folder: Folder,
    port: u16,
    /// The server refuses to run as root: user and group that it runs as instead.
    account: Option<(u32, u32)>,
    child: Option<Child>,
}

impl PrivatePostgres {
    /// Ready for connections when this returns.
    pub async fn start() -> Self {
        let folder = Folder::create("postgres");
        let account = account();
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut postgres = Self { folder, port: free_port(), account, child: None };
        postgres.make_cluster().await;
        postgres.start_again().await;
        postgres
    }

    /// Its database `postgres`; the same after [`Self::start_again`].
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// As `pg_ctl stop -m immediate`: every session breaks off, nothing is written down, and the next start recovers.
    pub async fn stop_immediately(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop::signal(&mut child, "QUIT", "the private PostgreSQL");
            stop::ended(&mut child, "the private PostgreSQL ends after SIGQUIT", LIMIT).await;
        }
    }

    /// With the same data on the same port. Ready for connections when this returns.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "the private PostgreSQL still runs");
        let log = self.folder.join("log");
        let mut command = self.program("postgres", &log);
        command
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            // No socket folder: its path has a limit of 107 bytes.
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let child = self.child.insert(child);
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        wait_until("the private PostgreSQL is ready", LIMIT, || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the private PostgreSQL ended while starting, {status}:\n{}", read_log(&log));
            }
            let connecting = PgConnection::connect(&url);
            async { connecting.await.is_ok() }
        })
        .await;
    }

    async fn make_cluster(&self) {
        let log = self.folder.join("initdb.log");
        let mut command = self.program("initdb", &log);
        // There is nothing to lose yet.
        command.args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap();
        let status = status.unwrap_or_else(|error| panic!("cannot start initdb: {error}"));
        assert!(status.success(), "initdb failed:\n{}", read_log(&log));
    }

    fn program(&self, name: &str, log: &Path) -> Command {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(stack::postgres_programs().join(name));
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            // Where the tests stand the account may not be allowed to.
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A kill would leave its children behind. A panic here would hide why the test failed.
            stop::signal(&mut child, "QUIT", "the private PostgreSQL");
            let _ = child.wait();
        }
    }
}

/// `postgres`, else `nobody`, when this is root; as the local stack does it.
fn account() -> Option<(u32, u32)> {
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
