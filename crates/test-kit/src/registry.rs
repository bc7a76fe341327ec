//! A private schema registry that a test may take away and bring back. In memory: what was registered is gone with the
//! process. About 240 MB and 5 s each; tests that only need one use [`crate::stack::registry`].

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{daemon::Daemon, folder::Folder, ports::free_port, stack};

const LIMIT: Duration = Duration::from_secs(90);

/// Killed when dropped.
#[derive(Debug)]
pub struct Registry {
    daemon: Daemon,
    port: u16,
    /// Where its log is.
    _folder: Folder,
}

impl Registry {
    /// One that is away still: it has an address, and nobody answers there.
    pub fn away() -> Self {
        let folder = Folder::create("registry");
        Self { daemon: Daemon::new("the private registry", folder.join("log")), port: free_port(), _folder: folder }
    }

    /// For `SCHEMA_REGISTRY_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Empty. Ready for clients when this returns.
    pub async fn start(&mut self) {
        let mut command = Command::new(stack::java());
        command
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1"])
            .arg(format!("-Dquarkus.http.port={}", self.port))
            .arg("-jar")
            .arg(runner(&stack::registry_app()));
        self.daemon.start(&mut command);
        let url = format!("{}/subjects", self.url());
        self.daemon
            .wait_ready(LIMIT, || {
                let answer = reqwest::get(&url);
                async { answer.await.is_ok_and(|answer| answer.status() == 200) }
            })
            .await;
    }

    /// Without a farewell.
    pub fn kill(&mut self) {
        self.daemon.kill9();
    }
}

fn runner(app: &Path) -> PathBuf {
    let files = fs::read_dir(app).unwrap_or_else(|error| panic!("cannot read {}: {error}", app.display()));
    let jar = files.map(|file| file.unwrap().path()).find(|file| file.to_string_lossy().ends_with("-runner.jar"));
    jar.unwrap_or_else(|| panic!("no registry in {}; run: ./scripts/stack up registry", app.display()))
}
