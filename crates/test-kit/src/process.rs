//! A service of the workspace as a process of its own, for tests that end it.

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

use crate::{daemon::Daemon, folder::Folder, ports::free_port};

/// What a service gets from the test's own environment; all else would make a test depend on the shell it runs in.
const PASSED_ON: [&str; 3] = ["PATH", "HOME", "RUST_LOG"];

const LIMIT: Duration = Duration::from_secs(60);

/// Killed when dropped; its log is printed when that is because the test failed.
#[derive(Debug)]
pub struct ServiceProcess {
    daemon: Daemon,
    name: String,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    port: u16,
    folder: Folder,
}

impl ServiceProcess {
    /// Starts the workspace's binary of that name (or `examples/<name>` of the crate under test) with these variables, on a free port. Does not wait: see
    /// [`Self::wait_ready`].
    pub async fn spawn(binary: &str, environment: &[(&str, String)]) -> Self {
        let port = free_port();
        let mut variables: BTreeMap<String, String> =
            PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?))).collect();
        variables.insert("HTTP_BIND".to_owned(), format!("127.0.0.1:{port}"));
        variables.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let folder = Folder::create("service");
        let mut process = Self {
            daemon: Daemon::new(binary, folder.join("log")),
            name: binary.to_owned(),
            binary: beside_the_tests(binary),
            environment: variables,
            port,
            folder,
        };
        process.start();
        process
    }

    /// Such as `http://127.0.0.1:20123`; the same after [`Self::restart`].
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until `/readyz` answers 200; panics with the log if it does not, or if the process ends.
    pub async fn wait_ready(&mut self) {
        let url = format!("{}/readyz", self.base_url());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        self.daemon
            .wait_ready(LIMIT, || {
                let answer = client.get(&url).send();
                async { answer.await.is_ok_and(|answer| answer.status() == 200) }
            })
            .await;
    }

    /// As when the machine takes it away: no farewell, nothing finished.
    pub fn kill9(&mut self) {
        self.daemon.kill9();
    }

    /// SIGSTOP: it does nothing, yet its connections stand, as on a machine that hangs. Until [`Self::resume`].
    pub fn pause(&mut self) {
        self.daemon.signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.daemon.signal("CONT");
    }

    /// The process id while it is meant to run.
    pub fn id(&self) -> Option<u32> {
        self.daemon.id()
    }

    /// How it ended, if it did so by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.ended()
    }

    /// SIGTERM, as at a rollout; waits for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.daemon.end_by("TERM", LIMIT).await
    }

    /// What it gets at its next start.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Starts it again with the same port and variables, after SIGTERM if it still runs. Does not wait until it is ready.
    pub async fn restart(&mut self) {
        if self.id().is_some() {
            self.terminate().await;
        }
        self.start();
    }

    /// What it has written since the first start.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    fn start(&mut self) {
        let mut command = Command::new(&self.binary);
        // A `.env` of the checkout must not reach it.
        command.current_dir(self.folder.path()).env_clear().envs(&self.environment);
        self.daemon.start(&mut command);
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            eprintln!("---- log of {} ----\n{}", self.name, self.log());
        }
    }
}

/// Test executables are in `target/<profile>/deps`, binaries one folder up.
fn beside_the_tests(binary: &str) -> PathBuf {
    let own = env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    let binaries = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let path = binaries.join(binary);
    assert!(path.exists(), "{} is not built; run: cargo build --workspace --bins", path.display());
    path
}
