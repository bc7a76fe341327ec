//! A private schema registry that a test may take away and bring back. In memory: what was registered is gone with the
//! process. About 240 MB and 5 s each; tests that only need one use [`crate::stack::registry`].

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    folder::{Folder, read_log},
    ports::free_port,
    stack, stop,
    wait::wait_until,
};

const LIMIT: Duration = Duration::from_secs(90);

/// Killed when dropped.
#[derive(Debug)]
pub struct Registry {
    folder: Folder,
    port: u16,
    child: Option<Child>,
}

impl Registry {
    /// One that is away still: it has an address, and nobody answers there.
    pub fn away() -> Self {
        Self { folder: Folder::create("registry"), port: free_port(), child: None }
    }

    /// For `SCHEMA_REGISTRY_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Empty. Ready for clients when this returns.
    pub async fn start(&mut self) {
        assert!(self.child.is_none(), "the private registry runs already");
        let log_file = self.folder.join("registry.log");
        let log = File::create(&log_file).unwrap();
        let child = Command::new(stack::java())
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1"])
            .arg(format!("-Dquarkus.http.port={}", self.port))
            .arg("-jar")
            .arg(runner(&stack::registry_app()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = self
            .child
            .insert(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", stack::java().display())));
        let url = format!("http://127.0.0.1:{}/apis/ccompat/v7/subjects", self.port);
        wait_until("the private registry is ready", LIMIT, || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the private registry ended while starting, {status}:\n{}", read_log(&log_file));
            }
            let answer = reqwest::get(&url);
            async { answer.await.is_ok_and(|answer| answer.status() == 200) }
        })
        .await;
    }

    /// Without a farewell.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            stop::kill9(&mut child);
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn runner(app: &Path) -> PathBuf {
    let files = fs::read_dir(app).unwrap_or_else(|error| panic!("cannot read {}: {error}", app.display()));
    let jar = files.map(|file| file.unwrap().path()).find(|file| file.to_string_lossy().ends_with("-runner.jar"));
    jar.unwrap_or_else(|| panic!("no registry in {}; run: ./scripts/stack up registry", app.display()))
}
