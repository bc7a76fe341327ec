//! voice-ingest and healthcore-publisher, driven as their users do: callers over HTTP, each call with one patient after
//! another.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    ground::Ground,
    history::{
        Fact, Write,
        WriteOutcome::{self, Acknowledged, Failed, Indeterminate},
    },
    process::Process,
    system::{Hop, System},
};

pub(super) const NAME: &str = "practice";

const CALLS: usize = 8;
/// Between one answer and the next piece of a call: about 15 pieces a second in all.
const BREATH: Duration = Duration::from_millis(500);
/// Longer than the service's own limit of 10 s: a piece that it still worked on could come after the next one.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Practice {
    /// voice-ingest is the first.
    processes: Vec<Process>,
    http: reqwest::Client,
    writes: Mutex<Vec<Write>>,
    hush: PathBuf,
}

impl Practice {
    pub(super) async fn start(ground: &Ground) -> Self {
        let environment = ground.environment(NAME);
        let mut processes = Vec::new();
        for name in ["voice-ingest", "healthcore-publisher"] {
            processes.push(Process::start(name, name, &environment).await.worker(false));
        }
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("an HTTP client");
        Self { processes, http, writes: Mutex::default(), hush: ground.hush_file() }
    }

    async fn call(&self, key: String, stop: &CancellationToken) {
        let url = format!("{}/api/v1/calls/{key}/output", self.processes[0].base_url());
        let mut fact = Fact { key, seq: 0 };
        while !stop.is_cancelled() {
            if self.hush.exists() {
                _ = timeout(BREATH, stop.cancelled()).await;
                continue;
            }
            fact.seq += 1;
            let outcome = self.say(&url, &fact).await;
            self.noted().push(Write { fact: fact.clone(), poison: false, outcome });
            _ = timeout(BREATH, stop.cancelled()).await;
        }
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn say(&self, url: &str, fact: &Fact) -> WriteOutcome {
        let text = format!("Thank you. PATIENT_CREATION: {}", patient(fact));
        match self.http.post(url).header("content-type", "text/plain").body(text).send().await {
            Ok(answer) if answer.status() == 202 => Acknowledged,
            // It never got there.
            Err(error) if error.is_connect() => Failed,
            // A commit whose answer was lost is answered 503 as well.
            _ => Indeterminate,
        }
    }
}

impl System for Practice {
    fn name(&self) -> &'static str {
        NAME
    }

    fn processes(&self) -> &[Process] {
        &self.processes
    }

    fn hops(&self) -> Vec<Hop> {
        vec![
            Hop {
                name: "said to registered",
                outbox: "voice",
                topic: "ai-responses",
                group: "ai-response-processor",
                workers: "healthcore-publisher",
                fact,
                event: None,
                written: None,
                effects: "SELECT split_part(email, '.', 1), substring(email, '[.]([0-9]+)@')::bigint, split_part(email, '.', 1)
                          FROM healthcore.patients ORDER BY id",
                follow_ups: Some(("healthcore.patient.created", "healthcore")),
            },
            Hop {
                name: "registered to noted",
                outbox: "healthcore",
                topic: "healthcore.patient.created",
                group: "voice-ingest",
                workers: "voice-ingest",
                fact,
                event: None,
                written: Some(
                    "SELECT split_part(email, '.', 1), substring(email, '[.]([0-9]+)@')::bigint FROM healthcore.patients",
                ),
                effects: "SELECT split_part(data->>'email', '.', 1), substring(data->>'email', '[.]([0-9]+)@')::bigint,
                                 patient_id::text
                          FROM voice.extractions WHERE applied_at IS NOT NULL ORDER BY applied_at",
                follow_ups: None,
            },
        ]
    }

    fn load<'s>(&'s self, stop: &'s CancellationToken) -> BoxFuture<'s, ()> {
        let calls = (0..CALLS).map(|number| self.call(format!("call{number}"), stop));
        join_all(calls).map(drop).boxed()
    }

    fn writes(&self) -> anyhow::Result<Vec<Write>> {
        Ok(self.noted().clone())
    }
}

/// Nobody else has this address, so each is a patient of his own.
fn patient(fact: &Fact) -> Value {
    json!({ "name": format!("Caller {} {}", fact.key, fact.seq), "email": format!("{}.{}@example.com", fact.key, fact.seq) })
}

fn fact(value: &Value) -> Option<Fact> {
    let (own, _) = value["data"]["email"].as_str()?.split_once('@')?;
    let (key, seq) = own.split_once('.')?;
    Some(Fact { key: key.to_owned(), seq: seq.parse().ok()? })
}
