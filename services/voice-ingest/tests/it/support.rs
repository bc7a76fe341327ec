//! The service with a database and a name space of Kafka of its own, and the ways in which a client speaks to it.

use std::{
    process::{Command, Output},
    time::Duration,
};

use chrono::{DateTime, Utc};
use events::contract::{
    codec,
    envelope::Envelope,
    event::{Event, EventId, NewEvent},
    headers,
    schema::healthcore::AppointmentV1,
    topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, TopicNames, TopicSpec},
};
use serde_json::{Value, json};
use test_kit::{
    kafka::{self, TestRecord},
    postgres::TestDatabase,
    process::ServiceProcess,
    stack,
    wait::{wait_for, wait_until},
};

/// Longer than anything here takes, so that only what hangs fails by it.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Voice {
    pub service: ServiceProcess,
    pub client: reqwest::Client,
    pub names: TopicNames,
    // Dropped last: the service's connections are cut with it.
    pub database: TestDatabase,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} is no JSON", self.body))
    }

    /// What the piece completed, after the answer 202.
    pub fn extractions(&self) -> Vec<Value> {
        assert_eq!(self.status, 202, "{}", self.body);
        self.json()["extractions"].as_array().unwrap().clone()
    }
}

impl Voice {
    /// With Kafka, ready.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// What is said is recorded and goes nowhere.
    pub async fn without_kafka() -> Self {
        Self::with(&[("KAFKA_ENABLED", "false")]).await
    }

    pub async fn with(more: &[(&str, &str)]) -> Self {
        Self::on(TestDatabase::create().await, kafka::namespace(), more).await
    }

    /// Another process with the same database and name space.
    pub async fn again(self, more: &[(&str, &str)]) -> Self {
        let Self { mut service, database, names, .. } = self;
        service.kill9();
        Self::on(database, names.namespace, more).await
    }

    async fn on(database: TestDatabase, namespace: String, more: &[(&str, &str)]) -> Self {
        let mut environment = vec![
            ("DATABASE_URL", database.url().to_owned()),
            ("DATABASE_MAX_CONNECTIONS", "5".to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS", stack::kafka()),
            ("KAFKA_TOPIC_NAMESPACE", namespace.clone()),
            ("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "6000".to_owned()),
        ];
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut service = ServiceProcess::spawn("voice-ingest", &environment).await;
        service.wait_ready().await;
        let client = reqwest::Client::builder().timeout(LONG).no_proxy().build().unwrap();
        Self { service, client, names: TopicNames { namespace, ..TopicNames::default() }, database }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.service.base_url())
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = match request.send().await {
            Ok(answer) => answer,
            // No answer is an answer that no test expects; the others of a table are still told.
            Err(error) => return Answer { status: 0, content_type: String::new(), body: format!("{error:?}") },
        };
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        Answer {
            status: answer.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: answer.text().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.client.post(self.url(path)).header("content-type", content_type);
        self.send(request.body(body)).await
    }

    /// The whole of what the AI said in a call.
    pub async fn say(&self, call: &str, text: &str) -> Answer {
        self.post(&format!("/api/v1/calls/{call}/output"), "text/plain", text.to_owned()).await
    }

    /// A piece of it.
    pub async fn say_piece(&self, call: &str, text: &str, last: bool) -> Answer {
        self.post(&format!("/api/v1/calls/{call}/output?final={last}"), "text/plain", text.to_owned()).await
    }

    /// One fact as data.
    pub async fn respond(&self, call: &str, response_type: &str, data: Value) -> Answer {
        let body = json!({ "call_id": call, "response_type": response_type, "data": data });
        self.post("/api/v1/ai-responses", "application/json", body.to_string()).await
    }

    pub async fn call_page(&self, call: &str) -> Value {
        let answer = self.get(&format!("/api/v1/calls/{call}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// The extractions on the call's page.
    pub async fn shown(&self, call: &str) -> Vec<Value> {
        self.call_page(call).await["extractions"].as_array().unwrap().clone()
    }

    /// Waits until the call's only extraction has this status.
    pub async fn wait_for_status(&self, call: &str, status: &str) -> Value {
        wait_for(&format!("the extraction of {call} is {status}"), LONG, || async {
            let [only] = <[Value; 1]>::try_from(self.shown(call).await).unwrap();
            (only["status"] == status).then_some(only)
        })
        .await
    }

    /// Rows by table of the service's schema, without those that every empty database has.
    pub async fn rows(&self) -> Vec<(String, i64)> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c
             WHERE c.relnamespace = 'voice'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND c.relname <> 'outbox_cursor' AND NOT c.relname ~ '_migrations$' ORDER BY 1",
        )
        .fetch_all(self.database.pool())
        .await
        .unwrap();
        for expected in ["calls", "extractions", "outbox"] {
            assert!(tables.iter().any(|table| table == expected), "{tables:?}");
        }
        let mut rows = Vec::new();
        for table in tables {
            let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM voice.{table}"));
            rows.push((table, sqlx::query_scalar(count).fetch_one(self.database.pool()).await.unwrap()));
        }
        rows
    }

    pub async fn assert_nothing_was_written(&self) {
        for (table, count) in self.rows().await {
            assert_eq!(count, 0, "rows in voice.{table}");
        }
    }

    /// Waits until the relay has brought every row of the outbox to Kafka: what a topic then holds is all that it will hold.
    pub async fn wait_until_published(&self) {
        wait_until("the outbox is drained", LONG, || async {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM voice.outbox o, voice.outbox_cursor c WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)",
            )
            .fetch_one(self.database.pool())
            .await
            .unwrap();
            waiting == 0
        })
        .await;
    }

    /// Everything on a topic once the outbox is drained.
    async fn records(&self, topic: &TopicSpec) -> Vec<TestRecord> {
        self.wait_until_published().await;
        kafka::read_topic_to_end(&stack::kafka(), &self.names.in_kafka(topic)).await
    }

    pub async fn responses(&self) -> Vec<TestRecord> {
        self.records(&AI_RESPONSES).await
    }

    pub async fn dead_letters(&self) -> Vec<TestRecord> {
        self.records(&DEAD_LETTER_QUEUE).await
    }

    /// Publishes an event of the record system, as it does.
    pub async fn tell<E: Event>(&self, call: &str, cause: Option<EventId>, data: E) {
        self.tell_at(call, cause, Utc::now(), data).await;
    }

    /// The same, of what happened then.
    pub async fn tell_at<E: Event>(&self, call: &str, cause: Option<EventId>, occurred_at: DateTime<Utc>, data: E) {
        let event = NewEvent { causation_id: cause, occurred_at, ..NewEvent::fact(data) }.correlated(call);
        let envelope = Envelope::seal(event, "healthcore-publisher");
        let headers = headers::of(&envelope);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let value = codec::encode(&envelope).unwrap();
        self.tell_raw(E::TOPIC, envelope.data.key().as_bytes(), &value, &headers).await;
    }

    pub async fn tell_raw(&self, topic: &TopicSpec, key: &[u8], value: &[u8], headers: &[(&str, &[u8])]) {
        kafka::produce(&stack::kafka(), &self.names.in_kafka(topic), Some(key), value, headers).await;
    }
}

/// One of the service's commands, with these variables and no others.
pub fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voice-ingest"))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The header of a record as text.
pub fn header(record: &TestRecord, name: &str) -> String {
    text(record.header(name).unwrap_or_else(|| panic!("no header {name}")))
}

pub fn payload(record: &TestRecord) -> Value {
    serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap()
}

/// An appointment of the record system.
pub fn appointment(id: i64, patient: Option<i64>, dentist: &str, date: &str, time: &str) -> AppointmentV1 {
    let start = format!("{date}T{time}:00Z");
    AppointmentV1 {
        appointment_id: id,
        patient_id: patient,
        patient_name: "Ada Byron".to_owned(),
        dentist: dentist.to_owned(),
        date: date.parse().unwrap(),
        time: format!("{time}:00").parse().unwrap(),
        starts_at: start.parse().unwrap(),
        status: "booked".to_owned(),
        reason: None,
    }
}
