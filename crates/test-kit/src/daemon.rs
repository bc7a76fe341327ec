//! A program that a test starts, ends and starts again, its output in a file.

use std::{
    fs::OpenOptions,
    future::Future,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{
    folder::read_log,
    wait::{wait_for, wait_until},
};

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    log: PathBuf,
    child: Option<Child>,
}

impl Daemon {
    /// One that does not run yet. `name` is for messages.
    pub(crate) fn new(name: &str, log: PathBuf) -> Self {
        Self { name: name.to_owned(), log, child: None }
    }

    /// Starts it. What it writes goes behind what is in its log already.
    pub(crate) fn start(&mut self, command: &mut Command) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let child = self.logged(command).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")));
    }

    /// Runs what it needs before it starts, such as a data folder to be made.
    pub(crate) async fn prepare(&self, mut command: Command) {
        self.logged(&mut command);
        let said = format!("{command:?}");
        let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap();
        let status = status.unwrap_or_else(|error| panic!("cannot start {said}: {error}"));
        assert!(status.success(), "preparing {} failed, {status}:\n{}", self.name, self.log());
    }

    /// Waits until it says that it is ready; panics with its log if it does not, or if it ends.
    pub(crate) async fn wait_ready<F: Future<Output = bool>>(
        &mut self,
        limit: Duration,
        mut is_ready: impl FnMut() -> F,
    ) {
        assert!(self.child.is_some(), "{} was ended", self.name);
        wait_until(&format!("{} is ready", self.name), limit, || {
            if let Some(status) = self.ended() {
                panic!("{} ended while starting, {status}:\n{}", self.name, self.log());
            }
            is_ready()
        })
        .await;
    }

    /// `kill -9`, and gone when this returns.
    pub(crate) fn kill9(&mut self) {
        if let Some(child) = &mut self.child {
            // Fails only for one that has ended already.
            let _ = child.kill();
        }
        self.wait();
    }

    /// Waits for its end, whatever it is due to.
    pub(crate) fn wait(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// Sends the signal of this name and waits for the end.
    pub(crate) async fn end_by(&mut self, signal: &str, limit: Duration) -> ExitStatus {
        assert!(self.child.is_some(), "{} was ended already", self.name);
        self.signal(signal);
        let what = format!("{} ends after SIG{signal}", self.name);
        let status = wait_for(&what, limit, || {
            let ended = self.ended();
            async move { ended }
        })
        .await;
        self.child = None;
        status
    }

    /// Sends a signal by its name, such as `STOP`. One that has ended already is left in peace.
    pub(crate) fn signal(&mut self, name: &str) {
        let Some(child) = &mut self.child else { return };
        // The shell's own kill: the command is not on every machine, and the call would need unsafe code.
        let kill = ["-c", "kill -\"$0\" \"$1\"", name, &child.id().to_string()];
        let sent = Command::new("sh").args(kill).status().unwrap();
        assert!(sent.success() || child.try_wait().unwrap().is_some(), "cannot send SIG{name} to {}", self.name);
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// The process id while it is meant to run.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has written; empty before it was started.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }

    fn logged<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
    }
}
