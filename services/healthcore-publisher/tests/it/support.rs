//! The service with a database and a name space of Kafka of its own; what the voice AI says to it, and what it publishes.

use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};
use events::contract::{
    codec::{self, Opened},
    envelope::{Envelope, timestamp},
    event::{Coordinates, Event, EventId, NewEvent},
    headers,
    schema::{
        healthcore::{
            AppointmentBookedV1, AppointmentCancelledV1, AppointmentCompletedV1, AppointmentHeldV1, PatientCreatedV1,
            PatientDeletedV1, PatientUpdatedV1,
        },
        voice::{BookingConfirmationV1, PatientCreationV1},
    },
    topics::{self, AI_RESPONSES, TopicNames},
};
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool, Row, postgres::PgRow};
use test_kit::{kafka, postgres::TestDatabase, process::ServiceProcess, stack, wait::wait_until};

/// Longer than anything here takes, so that only what hangs fails by it.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Record {
    pub service: ServiceProcess,
    pub client: reqwest::Client,
    pub names: TopicNames,
    // Dropped last: the service's connections are cut with it.
    pub database: TestDatabase,
}

impl Record {
    /// With Kafka, ready.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The tables and the HTTP interface.
    pub async fn without_kafka() -> Self {
        Self::with(&[("KAFKA_ENABLED", "false")]).await
    }

    pub async fn with(more: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create().await;
        let namespace = kafka::namespace();
        let mut environment = vec![
            ("DATABASE_URL", database.url().to_owned()),
            ("DATABASE_MAX_CONNECTIONS", "10".to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS", stack::kafka()),
            ("KAFKA_TOPIC_NAMESPACE", namespace.clone()),
            ("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "6000".to_owned()),
        ];
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut service = ServiceProcess::spawn("healthcore-publisher", &environment).await;
        service.wait_ready().await;
        let client = reqwest::Client::builder().timeout(LONG).no_proxy().build().unwrap();
        Self { service, client, names: TopicNames { namespace, ..TopicNames::default() }, database }
    }

    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Status, content type, body.
    pub async fn get(&self, path: &str) -> (u16, String, Value) {
        let answer = self.client.get(format!("{}{path}", self.service.base_url())).send().await.unwrap();
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        (answer.status().as_u16(), content_type, answer.json().await.unwrap())
    }

    /// Puts an event of the voice AI into Kafka, as voice-ingest does.
    pub async fn hear<E: Event>(&self, call: &str, data: E) -> EventId {
        let envelope = Envelope::seal(NewEvent::fact(data).correlated(call), "voice-ingest");
        let headers = headers::of(&envelope);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.hear_raw(call.as_bytes(), &codec::encode(&envelope).unwrap(), &headers).await;
        envelope.event_id
    }

    pub async fn hear_raw(&self, key: &[u8], value: &[u8], headers: &[(&str, &[u8])]) {
        kafka::produce(&stack::kafka(), &self.names.in_kafka(&AI_RESPONSES), Some(key), value, headers).await;
    }

    /// The same, and waits until a handler has dealt with it.
    pub async fn told<E: Event>(&self, call: &str, data: E) -> EventId {
        let id = self.hear(call, data).await;
        self.wait_until_handled(id).await;
        id
    }

    pub async fn wait_until_handled(&self, id: EventId) {
        wait_until(&format!("event {id} is handled"), LONG, || async {
            let handled = sqlx::query_scalar("SELECT EXISTS (SELECT FROM healthcore.inbox WHERE event_id = $1)");
            handled.bind(id.0).fetch_one(self.pool()).await.unwrap()
        })
        .await;
    }

    /// Every event that was published so far, in the order of the outbox.
    pub async fn events(&self) -> Vec<Published> {
        published(self.pool()).await
    }

    /// The events that this one caused.
    pub async fn caused_by(&self, id: EventId) -> Vec<Published> {
        let id = id.to_string();
        self.events().await.into_iter().filter(|event| event.causation.as_deref() == Some(id.as_str())).collect()
    }

    pub async fn patient_count(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM healthcore.patients").fetch_one(self.pool()).await.unwrap()
    }

    /// Patient, status and reason of every appointment, the oldest first.
    pub async fn appointments(&self) -> Vec<(Option<i64>, String, Option<String>)> {
        let all = sqlx::query_as("SELECT patient_id, status, reason FROM healthcore.appointments ORDER BY id");
        all.fetch_all(self.pool()).await.unwrap()
    }
}

/// An event of the outbox, read by the contract's own reader and found to be in the form that the contract's writer gives it.
#[derive(Debug, Clone)]
pub struct Published {
    pub event_type: String,
    pub key: String,
    pub data: Value,
    pub correlation: Option<String>,
    pub causation: Option<String>,
    pub actor: Option<String>,
}

impl Published {
    pub fn is(&self, event_type: &str) -> bool {
        self.event_type == event_type
    }
}

pub async fn published(pool: &PgPool) -> Vec<Published> {
    let rows = sqlx::query("SELECT topic, key, headers::text, payload FROM healthcore.outbox ORDER BY id");
    rows.fetch_all(pool).await.unwrap().iter().map(read).collect()
}

fn read(row: &PgRow) -> Published {
    let (topic, key, payload): (String, String, Vec<u8>) = (row.get(0), row.get(1), row.get(3));
    let spec = topics::find(&topic).unwrap_or_else(|| panic!("{topic} is in no catalogue"));
    let at = Coordinates { topic: &topic, partition: 0, offset: 0, timestamp_ms: None };
    let opened = codec::open(spec, at, &payload).unwrap_or_else(|error| panic!("{topic}: {error}"));
    let written: Vec<(String, String)> = {
        let headers: Value = serde_json::from_str(row.get(2)).unwrap();
        let headers = headers.as_object().unwrap().clone();
        headers.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect()
    };
    let (expected, bytes) = match topic.trim_start_matches("healthcore.") {
        "patient.created" => as_the_contract_writes::<PatientCreatedV1>(&opened, &topic, &key),
        "patient.updated" => as_the_contract_writes::<PatientUpdatedV1>(&opened, &topic, &key),
        "patient.deleted" => as_the_contract_writes::<PatientDeletedV1>(&opened, &topic, &key),
        "appointment.booked" => as_the_contract_writes::<AppointmentBookedV1>(&opened, &topic, &key),
        "appointment.held" => as_the_contract_writes::<AppointmentHeldV1>(&opened, &topic, &key),
        "appointment.cancelled" => as_the_contract_writes::<AppointmentCancelledV1>(&opened, &topic, &key),
        "appointment.completed" => as_the_contract_writes::<AppointmentCompletedV1>(&opened, &topic, &key),
        other => panic!("{other} is no event of this service"),
    };
    let sorted = |mut pairs: Vec<(String, String)>| {
        pairs.sort();
        pairs
    };
    assert_eq!(sorted(written), sorted(expected), "the headers of {topic}");
    // Field for field what the contract writes: nothing missing, nothing more.
    let value: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(comparable(&value), comparable(&serde_json::from_slice(&bytes).unwrap()), "the payload of {topic}");
    Published {
        event_type: opened.event_type.to_string(),
        key,
        data: value["data"].clone(),
        correlation: opened.metadata.correlation_id.clone(),
        causation: opened.metadata.causation_id.clone(),
        actor: opened.metadata.actor.clone(),
    }
}

/// A moment may be written with and without its fraction of a second.
fn comparable(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(Value::String(moment)) = event.pointer_mut("/data/starts_at") {
        *moment = timestamp(&moment.parse().unwrap());
    }
    event
}

type Pairs = Vec<(String, String)>;

/// The headers and the payload that the contract's writer makes of the same event.
fn as_the_contract_writes<E: Event>(opened: &Opened<'_>, topic: &str, key: &str) -> (Pairs, Vec<u8>) {
    let data: E = opened.typed().unwrap_or_else(|error| panic!("{topic}: {error}"));
    assert_eq!((topic, key), (E::TOPIC.name, data.key().as_str()));
    let mut envelope = Envelope::seal(
        NewEvent { id: opened.event_id, actor: opened.metadata.actor.clone(), ..NewEvent::fact(data) },
        "healthcore-publisher",
    );
    envelope.timestamp = opened.timestamp;
    envelope.metadata.correlation_id = opened.metadata.correlation_id.clone();
    envelope.metadata.causation_id = opened.metadata.causation_id.clone();
    assert_eq!(opened.event_id.0.get_version_num(), 7);
    let age = chrono::Utc::now() - opened.timestamp;
    assert!(age.num_seconds().abs() < 120, "{} is not now", timestamp(&opened.timestamp));
    let headers = headers::of(&envelope).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (headers, codec::encode(&envelope).unwrap())
}

/// A plain connection, as another application has one.
pub async fn connect(record: &Record) -> PgConnection {
    PgConnection::connect(record.database.url()).await.unwrap()
}

/// Runs statements of another application; `Err` says why they were refused.
pub async fn try_run(connection: &mut PgConnection, sql: &str) -> Result<(), String> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.map(|_| ()).map_err(|error| error.to_string())
}

pub async fn run(connection: &mut PgConnection, sql: &str) {
    try_run(connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Runs statements and returns what they published.
pub async fn by(record: &Record, connection: &mut PgConnection, sql: &str) -> Vec<Published> {
    let before = record.events().await.len();
    run(connection, sql).await;
    record.events().await.split_off(before)
}

pub fn types(events: &[Published]) -> Vec<&str> {
    events.iter().map(|event| event.event_type.as_str()).collect()
}

/// A caller's data; `contact` is an e-mail address or a phone number.
pub fn patient(call: &str, name: &str, contact: &str, born: Option<&str>) -> PatientCreationV1 {
    let (email, phone) = match contact {
        "" => (None, None),
        address if address.contains('@') => (Some(address.to_owned()), None),
        number => (None, Some(number.to_owned())),
    };
    PatientCreationV1 {
        call_id: call.to_owned(),
        name: name.to_owned(),
        email,
        phone,
        phone_e164: None,
        date_of_birth: born.map(day),
        extraction_id: EventId::new().to_string(),
    }
}

pub fn booking(call: &str, name: &str, dentist: &str, time: &str) -> BookingConfirmationV1 {
    BookingConfirmationV1 {
        call_id: call.to_owned(),
        dentist: dentist.to_owned(),
        date: day("2026-12-01"),
        time: clock(time),
        patient_name: name.to_owned(),
        service: None,
        notes: None,
        extraction_id: EventId::new().to_string(),
    }
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn clock(text: &str) -> NaiveTime {
    format!("{text}:00").parse().unwrap()
}
