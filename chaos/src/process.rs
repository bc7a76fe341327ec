//! A process of a system under test, and what is seen of it from outside: its probes, its memory, its end.

use std::{fs, time::Duration};

use test_kit::process::ServiceProcess;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{book::Book, history::Probe};

/// Often enough to see a readiness that is wrong for a second.
const EVERY: Duration = Duration::from_millis(300);
/// As orchestrators give a probe.
const PATIENCE: Duration = Duration::from_secs(1);

/// A process that may be struck.
#[derive(Debug)]
pub struct Process {
    /// Unique in the round, such as `road-worker-1`.
    pub name: String,
    /// Whether it handles events.
    pub is_worker: bool,
    /// Whether its load has poison, so that it soon learns when dead letters are refused.
    pub meets_poison: bool,
    /// Held by whoever strikes it, until it is healed.
    pub service: Mutex<ServiceProcess>,
    base_url: String,
}

impl Process {
    /// Starts it; see [`Self::wait_ready`].
    pub async fn start(name: &str, binary: &str, environment: &[(&str, String)]) -> Self {
        let service = ServiceProcess::spawn(binary, environment).await;
        let base_url = service.base_url();
        Self { name: name.to_owned(), is_worker: false, meets_poison: false, service: Mutex::new(service), base_url }
    }

    /// It handles events.
    pub fn worker(mut self, meets_poison: bool) -> Self {
        (self.is_worker, self.meets_poison) = (true, meets_poison);
        self
    }

    pub async fn wait_ready(&self) {
        self.service.lock().await.wait_ready().await;
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Watches it until told to stop: what is seen goes into the book.
    pub(crate) async fn watch(&self, book: &Book, stop: &CancellationToken) {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("an HTTP client");
        let mut ended = false;
        while !stop.is_cancelled() {
            let at = book.now();
            let mut is_meant_to_run = true;
            // Under a fault it is not looked into: the fault has its lock.
            if let Ok(mut service) = self.service.try_lock() {
                is_meant_to_run = service.id().is_some();
                if let Some(memory) = service.id().and_then(resident_bytes) {
                    book.remembered(&self.name, memory);
                }
                if let Some(status) = service.ended()
                    && !ended
                {
                    ended = true;
                    book.ended(&self.name, status);
                }
            }
            if is_meant_to_run {
                let ready = self.is_ready(&http).await;
                book.probed(Probe { process: self.name.clone(), at, answered: book.now(), ready });
            }
            sleep(EVERY).await;
        }
    }

    async fn is_ready(&self, http: &reqwest::Client) -> bool {
        let answer = http.get(format!("{}/readyz", self.base_url)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

fn resident_bytes(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}
