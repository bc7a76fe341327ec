//! What the tests of this crate share: a database with an outbox, settings of their own name space, a handler that does
//! what its event says.

use std::time::Duration;

use clap::Parser;
use events::{
    consume::{Consumer, ConsumerBuilder, ConsumerStatus, Handler, Received},
    contract::{
        codec,
        envelope::Envelope,
        event::{Event, NewEvent},
        headers,
        schema::voice::{BookingConfirmationV1, PatientCreationV1},
        topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, TopicSpec},
    },
    flow::{error::HandlerError, retry::RetryPolicy},
    kafka::{admin, config::KafkaConfig},
    publish::{MIGRATOR, Outbox, Relay, RelayStatus, Tx},
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use sqlx::PgPool;
use test_kit::{kafka, postgres::TestDatabase, stack, wait::wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, so that only what hangs fails by it.
pub const LONG: Duration = Duration::from_secs(60);

pub async fn outbox_database() -> TestDatabase {
    let database = TestDatabase::create().await;
    MIGRATOR.run(database.pool()).await.unwrap();
    database
}

/// The one recorder of these tests.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: std::sync::LazyLock<PrometheusHandle> =
        std::sync::LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());
    &RECORDER
}

/// The value of a metric whose labels contain all of these; handles that were made before the first call are not seen.
pub fn figure(name: &str, labels: &[&str]) -> Option<f64> {
    let text = recorder().render();
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let is_it = |series: &str| {
        series.starts_with(&format!("{name}{{")) && labels.iter().all(|label| series.contains(&format!("\"{label}\"")))
    };
    lines.find(|(series, _)| is_it(series)).map(|(_, value)| value.parse().unwrap())
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Settings for a broker, in a name space.
pub fn settings(bootstrap: &str, namespace: &str, more: &[&str]) -> KafkaConfig {
    let own = [
        "test",
        "--kafka-bootstrap-servers",
        bootstrap,
        "--kafka-topic-namespace",
        namespace,
        "--kafka-consumer-session-timeout-ms",
        "6000",
    ];
    let mut config = Settings::parse_from(own.iter().chain(more)).kafka;
    // Whoever has the stack's registry in the environment tests without it all the same; `registry` names its own.
    config.registry.schema_registry_url = None;
    config
}

/// A database and a name space of Kafka of their own.
pub struct Rig {
    pub database: TestDatabase,
    pub config: KafkaConfig,
    pub outbox: Outbox,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(&stack::kafka(), &[]).await
    }

    pub async fn with(bootstrap: &str, more: &[&str]) -> Self {
        Self::with_config(settings(bootstrap, &kafka::namespace(), more)).await
    }

    /// A database of its own beside another's name space.
    pub async fn with_config(config: KafkaConfig) -> Self {
        let database = outbox_database().await;
        sqlx::raw_sql(
            "CREATE TABLE effects (id bigserial, event_id uuid NOT NULL, call_id text NOT NULL, name text NOT NULL,
                                   worker text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())",
        )
        .execute(database.pool())
        .await
        .unwrap();
        let outbox = Outbox::new(database.pool().clone(), "test-service");
        Self { database, config, outbox }
    }

    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    pub fn servers(&self) -> String {
        self.config.kafka_bootstrap_servers.to_string()
    }

    pub fn topic(&self, spec: &TopicSpec) -> String {
        self.config.topic_names().in_kafka(spec)
    }

    pub fn group(&self) -> String {
        self.config.topic_names().group("test-group")
    }

    pub async fn create_topics(&self) {
        admin::ensure(&self.config, "test", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE]).await.unwrap();
    }

    /// Puts an event into Kafka as another service would.
    pub async fn send(&self, event: NewEvent<PatientCreationV1>) -> (i32, i64) {
        let envelope = Envelope::seal(event, "another-service");
        let headers = headers::of(&envelope);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let value = codec::encode(&envelope).unwrap();
        self.send_raw(Some(envelope.data.key().as_bytes()), &value, &headers).await
    }

    pub async fn send_raw(&self, key: Option<&[u8]>, value: &[u8], headers: &[(&str, &[u8])]) -> (i32, i64) {
        kafka::produce(&self.servers(), &self.topic(&AI_RESPONSES), key, value, headers).await
    }

    pub fn builder(&self, worker: &str) -> ConsumerBuilder {
        self.builder_with(worker, self.outbox.clone())
    }

    /// The same with its own way to the database.
    pub fn builder_with(&self, worker: &str, outbox: Outbox) -> ConsumerBuilder {
        Consumer::builder(self.config.clone(), "test-group", "test-service", outbox)
            .handle(DoAsSaid { worker: worker.to_owned() })
            .retry(RetryPolicy { base: Duration::from_millis(20), max_attempts: 4, ..RetryPolicy::default() })
    }

    pub async fn consume(&self, worker: &str) -> Running {
        Running::consumer(self.builder(worker).build().unwrap()).await
    }

    pub fn relay(&self) -> (Running, RelayStatus) {
        self.relay_of("voice-ingest")
    }

    pub fn relay_of(&self, service: &str) -> (Running, RelayStatus) {
        let relay = Relay::new(self.pool().clone(), self.config.clone(), service);
        let status = relay.status();
        let token = CancellationToken::new();
        let task = tokio::spawn(relay.run(token.clone()));
        (Running { token, task, status: None }, status)
    }

    /// What was done, in its order: call and name.
    pub async fn effects(&self) -> Vec<(String, String)> {
        sqlx::query_as("SELECT call_id, name FROM effects ORDER BY id").fetch_all(self.pool()).await.unwrap()
    }

    pub async fn wait_for_effects(&self, count: usize) {
        wait_until(&format!("{count} effects"), LONG, || async { self.effects().await.len() >= count }).await;
    }

    /// Waits until the group has committed everything that is in the topic.
    pub async fn wait_until_committed(&self) {
        let topic = self.topic(&AI_RESPONSES);
        let ends: i64 = kafka::read_topic_to_end(&self.servers(), &topic).await.len() as i64;
        wait_until("all offsets are committed", LONG, || async {
            self.committed().await.iter().map(|(_, offset)| (*offset).max(0)).sum::<i64>() >= ends
        })
        .await;
    }

    pub async fn committed(&self) -> Vec<(i32, i64)> {
        kafka::committed(&self.servers(), &self.group(), &self.topic(&AI_RESPONSES)).await
    }

    /// A lost commit, in its purest form: the group has never committed anything. Nobody may be in it.
    pub async fn forget_offsets(&self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.servers()).create().unwrap();
        let forgotten = admin.delete_groups(&[&self.group()], &AdminOptions::new()).await.unwrap();
        assert!(forgotten[0].is_ok(), "{forgotten:?}");
    }

    pub async fn dead_letters(&self, at_least: usize) -> Vec<kafka::TestRecord> {
        kafka::read_topic(&self.servers(), &self.topic(&DEAD_LETTER_QUEUE), at_least, LONG).await
    }
}

/// An event whose name says what its handler does.
pub fn said(call: &str, name: &str) -> NewEvent<PatientCreationV1> {
    NewEvent::fact(PatientCreationV1 {
        call_id: call.to_owned(),
        name: name.to_owned(),
        email: None,
        phone: None,
        phone_e164: None,
        date_of_birth: None,
        extraction_id: String::new(),
    })
    .correlated(call)
}

/// An event of another type on the same topic.
pub fn booking(call: &str) -> NewEvent<BookingConfirmationV1> {
    NewEvent::fact(BookingConfirmationV1 {
        call_id: call.to_owned(),
        dentist: "Dr. Smith".to_owned(),
        date: chrono::NaiveDate::from_ymd_opt(2030, 1, 1).unwrap(),
        time: chrono::NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        patient_name: "John".to_owned(),
        service: None,
        notes: None,
        extraction_id: String::new(),
    })
}

/// Notes the event, or fails as its name says: `reject`, `panic`, `unheard`, `slow <ms>`, `flaky <times>`, `bomb <times>`
/// with a panic that breaks whoever catches it.
pub struct DoAsSaid {
    pub worker: String,
}

impl Handler for DoAsSaid {
    const NAME: &'static str = "do-as-said";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let said = &event.data;
        match said.name.split_once(' ').unwrap_or((&said.name, "")) {
            ("reject", _) => return Err(HandlerError::reject("said_so", "row 17 was told to be rejected")),
            ("panic", _) => panic!("told to panic"),
            ("unheard", _) => {
                assert!(sqlx::query("SELECT 1 / 0").execute(tx.connection()).await.is_err());
                return Ok(());
            }
            ("slow", millis) => tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await,
            ("flaky", times) if is_to_fail(event, times).await => return Err(HandlerError::retry("not yet")),
            ("bomb", times) if is_to_fail(event, times).await => std::panic::panic_any(Bomb),
            _ => {}
        }
        note(event, &self.worker, tx).await
    }
}

/// Leaves an effect that tells of the event and of who handled it.
pub async fn note(event: &Received<PatientCreationV1>, worker: &str, tx: &mut Tx) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES ($1, $2, $3, $4)")
        .bind(event.id.0)
        .bind(&event.data.call_id)
        .bind(&event.data.name)
        .bind(worker)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Whether this event has failed fewer times than it says. Counted outside the transaction, which a failure takes back.
async fn is_to_fail(event: &Received<PatientCreationV1>, times: &str) -> bool {
    let mut failed = FAILED.lock().await;
    let failed = failed.entry(event.id.to_string()).or_insert(0);
    *failed += 1;
    *failed <= times.parse().unwrap()
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("told to break the engine");
    }
}

static FAILED: tokio::sync::Mutex<std::collections::BTreeMap<String, u32>> =
    tokio::sync::Mutex::const_new(std::collections::BTreeMap::new());

/// Something that runs until it is told to stop.
pub struct Running {
    token: CancellationToken,
    task: JoinHandle<()>,
    pub status: Option<ConsumerStatus>,
}

impl Running {
    pub async fn consumer(consumer: Consumer) -> Self {
        let (running, joined) = Self::begin(consumer);
        wait_until("the consumer has joined its group", LONG, || async { joined.check().is_ok() }).await;
        running
    }

    /// The same for one that need not become ready.
    pub fn begin(consumer: Consumer) -> (Self, ConsumerStatus) {
        let status = consumer.status();
        let token = CancellationToken::new();
        let stop = token.clone();
        let task = tokio::spawn(async move { consumer.run(stop).await.unwrap() });
        (Self { token, task, status: Some(status.clone()) }, status)
    }

    /// As at a SIGTERM.
    pub async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap();
    }

    /// Cut off in the middle: nothing more is booked or committed.
    pub fn abort(self) {
        self.task.abort();
    }
}
