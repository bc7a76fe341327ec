//! A system of a test's own: database, topics, the two services, and what their users do with them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use test_kit::{
    kafka::{self, TestRecord},
    postgres::TestDatabase,
    process::ServiceProcess,
    stack,
    wait::wait_for,
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Longer than anything here takes, so that only what hangs fails by it.
pub const LONG: Duration = Duration::from_secs(60);

pub struct System {
    pub voice_ingest: ServiceProcess,
    pub healthcore_publisher: ServiceProcess,
    pub place: Place,
}

/// Where a system is: what its services have in common.
pub struct Place {
    pub database: TestDatabase,
    pub servers: String,
    pub namespace: String,
    pub http: reqwest::Client,
    // The last to go.
    _turn: Turn,
}

/// Tests run beside each other, but none beside one that measures.
enum Turn {
    Beside { _others: RwLockReadGuard<'static, ()> },
    Alone { _nobody: RwLockWriteGuard<'static, ()> },
}

static TURNS: RwLock<()> = RwLock::const_new(());

impl Place {
    pub async fn new(servers: String) -> Self {
        Self::at(servers, Turn::Beside { _others: TURNS.read().await }).await
    }

    /// For a test that measures: no other runs meanwhile.
    pub async fn alone(servers: String) -> Self {
        Self::at(servers, Turn::Alone { _nobody: TURNS.write().await }).await
    }

    async fn at(servers: String, turn: Turn) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build().unwrap();
        Self { database: TestDatabase::create().await, servers, namespace: kafka::namespace(), http, _turn: turn }
    }

    /// The environment of its services; `more` overrides.
    pub fn environment<'e>(&self, more: &[(&'e str, &str)]) -> Vec<(&'e str, String)> {
        let mut all: BTreeMap<&str, String> = BTreeMap::from([
            ("DATABASE_URL", self.database.url().to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS", self.servers.clone()),
            ("KAFKA_TOPIC_NAMESPACE", self.namespace.clone()),
            ("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "6000".to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
        ]);
        all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        all.into_iter().collect()
    }

    pub async fn service(&self, name: &str, more: &[(&str, &str)]) -> ServiceProcess {
        let mut service = ServiceProcess::spawn(name, &self.environment(more)).await;
        service.wait_ready().await;
        service
    }

    /// A topic's name in Kafka.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.namespace)
    }

    /// Everything that a topic holds, once there are so many records.
    pub async fn records(&self, topic: &str, at_least: usize) -> Vec<Event> {
        kafka::read_topic(&self.servers, &self.topic(topic), at_least, LONG).await;
        self.all_records(topic).await
    }

    /// Everything that a topic holds now.
    pub async fn all_records(&self, topic: &str) -> Vec<Event> {
        let mut records = kafka::read_topic_to_end(&self.servers, &self.topic(topic)).await;
        records.sort_by_key(|record| (record.partition, record.offset));
        records.into_iter().map(Event::of).collect()
    }
}

/// A record whose value is an event.
#[derive(Debug)]
pub struct Event {
    pub key: String,
    pub id: String,
    pub value: Value,
    pub headers: BTreeMap<String, String>,
}

impl Event {
    fn of(record: TestRecord) -> Self {
        let value: Value = serde_json::from_slice(record.payload.as_deref().unwrap_or_default()).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            key: text(record.key.unwrap_or_default()),
            id: value["event_id"].as_str().unwrap_or_default().to_owned(),
            value,
            headers: record.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
        }
    }
}

impl System {
    pub async fn start() -> Self {
        Self::with(Place::new(stack::kafka()).await, &[]).await
    }

    pub async fn with(place: Place, more: &[(&str, &str)]) -> Self {
        let environment = place.environment(more);
        let mut voice_ingest = ServiceProcess::spawn("voice-ingest", &environment).await;
        let mut healthcore_publisher = ServiceProcess::spawn("healthcore-publisher", &environment).await;
        voice_ingest.wait_ready().await;
        healthcore_publisher.wait_ready().await;
        Self { voice_ingest, healthcore_publisher, place }
    }

    /// Hands in what the AI says; the answer must be that it is taken.
    pub async fn say(&self, call_id: &str, text: &str) -> Value {
        said(&self.place.http, &self.voice_ingest.base_url(), call_id, text).await.expect("voice-ingest answers")
    }

    /// A call's page, once everything in it is applied.
    pub async fn applied(&self, call_id: &str) -> Value {
        applied(&self.place.http, &self.voice_ingest.base_url(), call_id).await
    }

    pub async fn get(&self, service: &ServiceProcess, path: &str) -> Value {
        let answer = self.place.http.get(format!("{}{path}", service.base_url())).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }
}

/// Hands in what the AI says, once. An error is no answer.
pub async fn said(http: &reqwest::Client, base: &str, call_id: &str, text: &str) -> Result<Value, reqwest::Error> {
    let request = http.post(format!("{base}/api/v1/calls/{call_id}/output")).header("content-type", "text/plain");
    let answer = request.body(text.to_owned()).send().await?;
    let status = answer.status();
    // An answer that breaks off in its body is none either.
    let body = answer.text().await?;
    assert_eq!(status, 202, "{body}");
    Ok(serde_json::from_str(&body).unwrap())
}

pub async fn applied(http: &reqwest::Client, base: &str, call_id: &str) -> Value {
    let what = format!("everything in {call_id} is applied");
    wait_for(&what, LONG, || async {
        let page: Value = http.get(format!("{base}/api/v1/calls/{call_id}")).send().await.ok()?.json().await.ok()?;
        let extractions = page["extractions"].as_array()?;
        let all = !extractions.is_empty() && extractions.iter().all(|one| one["status"] == "applied");
        all.then_some(page)
    })
    .await
}

/// A binary of the workspace, as it lies beside the player.
pub fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_demo")).with_file_name(name);
    assert!(path.exists(), "{} is not built; run: cargo build --workspace --bins", path.display());
    path
}

/// A patient whom nobody else is like, as the AI announces one.
pub fn patient(number: usize) -> String {
    format!("Thank you. PATIENT_CREATION: {}", patient_data(number))
}

pub fn patient_data(number: usize) -> Value {
    json!({
        "name": format!("Caller {number}"),
        "email": email(number),
        "date_of_birth": format!("01/{:02}/1985", number % 28 + 1),
    })
}

pub fn email(number: usize) -> String {
    format!("caller-{number}@example.com")
}
