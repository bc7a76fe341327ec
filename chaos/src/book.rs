//! What was seen of the processes while the round went on, and its clock.

use std::{
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::history::{Operation, Probe};

/// Written by whoever sees something.
#[derive(Debug)]
pub struct Book {
    began: Instant,
    seen: Mutex<Operation>,
}

impl Book {
    /// Its clock begins.
    pub fn open() -> Self {
        Self { began: Instant::now(), seen: Mutex::default() }
    }

    /// Since the round began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Operation> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn probed(&self, probe: Probe) {
        self.seen().probes.push(probe);
    }

    pub(crate) fn remembered(&self, process: &str, memory: u64) {
        let mut seen = self.seen();
        let most = seen.memory.entry(process.to_owned()).or_default();
        *most = memory.max(*most);
    }

    /// It ended by itself.
    pub(crate) fn ended(&self, process: &str, how: ExitStatus) {
        self.seen().ended.push((process.to_owned(), how.to_string()));
    }

    /// It ended as it was told; that must be in peace.
    pub(crate) fn ended_when_told(&self, process: &str, how: ExitStatus) {
        // By the signal itself: it had just been started, and there was nothing to finish yet.
        if !how.success() && how.signal().is_none() {
            self.seen().ended.push((process.to_owned(), format!("after SIGTERM with {how}")));
        }
    }

    /// Whether it said that it is ready when it was asked last.
    pub(crate) fn is_ready(&self, process: &str) -> bool {
        self.seen().probes.iter().rev().find(|probe| probe.process == process).is_some_and(|probe| probe.ready)
    }
}
