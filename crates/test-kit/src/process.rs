//! A service as the process that it is, to be killed and started again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{broker::free_port, wait::wait_for, wait::wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// A service of the workspace, running.
#[derive(Debug)]
pub struct ServiceProcess {
    binary: PathBuf,
    env: Vec<(String, String)>,
    port: u16,
    log: PathBuf,
    child: Option<Child>,
}

/// A binary of the workspace, which lies beside the test's own folder.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing; build it first: cargo build --workspace --bins", path.display());
    path
}

impl ServiceProcess {
    /// Starts a service with this environment and nothing else, on a free port.
    pub async fn spawn(name: &str, env: &[(&str, String)]) -> Self {
        let port = free_port();
        let id = uuid::Uuid::now_v7().simple();
        let log = std::env::temp_dir().join(format!("sb-{name}-{id}.log"));
        let mut env: Vec<(String, String)> =
            env.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        env.push(("HTTP_BIND".to_owned(), format!("127.0.0.1:{port}")));
        for key in ["PATH", "HOME", "RUST_LOG", "RUST_BACKTRACE"] {
            if let Ok(value) = std::env::var(key) {
                env.push((key.to_owned(), value));
            }
        }
        let mut service = Self { binary: binary(name), env, port, log, child: None };
        service.start();
        service
    }

    fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            // No .env of the checkout.
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until `/readyz` says so.
    pub async fn wait_ready(&mut self) {
        let url = format!("{}/readyz", self.base_url());
        wait_until(&format!("{} is ready", self.binary.display()), LIMIT, || {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.binary.display(), fs::read_to_string(&self.log).unwrap());
            }
            let url = url.clone();
            async move { reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) }
        })
        .await;
    }

    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        signal(child.id(), "TERM");
        wait_for("the service has ended", LIMIT, async || child.try_wait().unwrap()).await
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) {
        self.kill9();
        self.start();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.binary.display(), self.log());
        }
        let _ = fs::remove_file(&self.log);
    }
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().unwrap();
    assert!(sent.success(), "kill -{name} {process}");
}
