//! What every handler has to stand, whatever it does: an event that comes twice, one that cannot be read, a worker that dies
//! between its commit and Kafka's. Run it over each handler of each service; it panics with what did not hold.

use std::{collections::BTreeMap, time::Duration};

use clap::Parser;
use events::{
    consume::{Consumer, Handler},
    contract::{
        codec,
        envelope::Envelope,
        event::{Event, NewEvent},
        headers,
        topics::DEAD_LETTER_QUEUE,
    },
    flow::retry::RetryPolicy,
    kafka::{admin, config::KafkaConfig},
    publish::Outbox,
};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    kafka::{self, TestRecord},
    stack,
    wait::wait_until,
};

const LONG: Duration = Duration::from_secs(60);
const GROUP: &str = "conformance";
const SERVICE: &str = "conformance-suite";

/// A handler with what it needs.
pub struct Trial<'a, H: Handler> {
    /// Makes it; each worker has its own.
    pub handler: &'a dyn Fn() -> H,
    /// Its service's database, migrated, with the service's schema first in the search path.
    pub pool: &'a PgPool,
    /// Counts its effects, such as `SELECT count(*) FROM patients`. Each event has one at least.
    pub effects: &'static str,
    /// Event number n, valid, and of a key of its own.
    pub event: &'a dyn Fn(u32) -> NewEvent<H::Event>,
}

impl<H: Handler> std::fmt::Debug for Trial<'_, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("handler", &H::NAME).finish_non_exhaustive()
    }
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// A worker with the handler in it.
struct Worker {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Worker {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Cut off in the middle: nothing more is booked or committed.
    fn die(self) {
        self.task.abort();
    }
}

/// The books before or after something: effects, and events that were published.
type Books = (i64, i64);

impl<H: Handler> Trial<'_, H>
where
    H::Event: Clone,
{
    /// Puts the handler to all of it.
    pub async fn conforms(&self) {
        let place = Place::new::<H::Event>().await;
        self.an_event_that_comes_again_changes_nothing(&place).await;
        self.poison_becomes_one_dead_letter_and_its_key_goes_on(&place).await;
        self.a_worker_that_dies_before_its_offset_is_committed_does_nothing_twice(&place).await;
    }

    async fn an_event_that_comes_again_changes_nothing(&self, place: &Place) {
        let before = self.books().await;
        let event = (self.event)(1);
        place.send(&event).await;
        let worker = self.work(place).await;
        place.wait_until_committed().await;
        let once = self.books().await;
        assert!(once.0 > before.0, "{}: an event has no effect that {:?} counts", H::NAME, self.effects);
        for _ in 0..2 {
            place.send(&event).await;
        }
        place.wait_until_committed().await;
        assert_eq!(self.books().await, once, "{}: (effects, published) of an event that came thrice", H::NAME);
        worker.end().await;
    }

    async fn poison_becomes_one_dead_letter_and_its_key_goes_on(&self, place: &Place) {
        let before = self.books().await;
        let good = (self.event)(2);
        let key = good.data.key();
        let mut envelope = serde_json::to_value(Envelope::seal(good.clone(), SERVICE)).unwrap();
        envelope["data"] = "no object".into();
        envelope["event_id"] = "01890000-0000-7000-8000-000000000001".into();
        let poison = serde_json::to_vec(&envelope).unwrap();
        let (partition, offset) = place.send_raw(key.as_bytes(), &poison, &[("kept", b"as it came")]).await;
        place.send(&good).await;
        let worker = self.work(place).await;
        place.wait_until_committed().await;
        worker.end().await;

        assert!(self.books().await.0 > before.0, "{}: the event behind the poison was not applied", H::NAME);
        let letters = place.dead_letters().await;
        assert_eq!(letters.len(), 1, "{}: dead letters of one poison record", H::NAME);
        let letter = &letters[0];
        assert_eq!((letter.key.as_deref(), letter.payload.as_deref()), (Some(key.as_bytes()), Some(&poison[..])));
        let told: BTreeMap<&str, &str> =
            letter.headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
        let expected = [
            ("kept", "as it came".to_owned()),
            ("dlq.topic", place.topic.clone()),
            ("dlq.partition", partition.to_string()),
            ("dlq.offset", offset.to_string()),
            ("dlq.group", place.config.topic_names().group(GROUP)),
            ("dlq.handler", H::NAME.to_owned()),
            ("dlq.service", SERVICE.to_owned()),
            ("dlq.category", "schema_validation".to_owned()),
            ("dlq.code", "schema_mismatch".to_owned()),
            ("dlq.attempts", "1".to_owned()),
            ("dlq.replays", "0".to_owned()),
            ("dlq.event_id", "01890000-0000-7000-8000-000000000001".to_owned()),
            ("dlq.event_type", H::Event::TYPE.to_owned()),
        ];
        for (name, value) in expected {
            assert_eq!(told.get(name), Some(&value.as_str()), "{}: header {name}", H::NAME);
        }
        for name in [
            "dlq.id",
            "dlq.message",
            "dlq.chain",
            "dlq.fingerprint",
            "dlq.first_failed_at",
            "dlq.failed_at",
            "dlq.timestamp",
        ] {
            assert!(told.get(name).is_some_and(|value| !value.is_empty()), "{}: header {name} is missing", H::NAME);
        }
    }

    async fn a_worker_that_dies_before_its_offset_is_committed_does_nothing_twice(&self, place: &Place) {
        let before = self.books().await;
        let worker = self.work(place).await;
        place.send(&(self.event)(3)).await;
        wait_until("the effect is there", LONG, || async { self.books().await.0 > before.0 }).await;
        worker.die();
        let once = self.books().await;
        let worker = self.work(place).await;
        place.wait_until_committed().await;
        worker.end().await;
        assert_eq!(self.books().await, once, "{}: (effects, published) after a worker died", H::NAME);
        assert_eq!(place.dead_letters().await.len(), 1, "{}: the poison's is the only dead letter", H::NAME);
    }

    async fn work(&self, place: &Place) -> Worker {
        let consumer = Consumer::builder(place.config.clone(), GROUP, SERVICE, Outbox::new(self.pool.clone(), SERVICE))
            .handle((self.handler)())
            .retry(RetryPolicy { base: Duration::from_millis(20), ..RetryPolicy::default() })
            .build()
            .unwrap();
        let stop = CancellationToken::new();
        let running = consumer.run(stop.clone());
        Worker { task: tokio::spawn(async move { running.await.unwrap() }), stop }
    }

    async fn books(&self) -> Books {
        let effects = sqlx::query_scalar(self.effects).fetch_one(self.pool).await.unwrap();
        let published = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(self.pool).await.unwrap();
        (effects, published)
    }
}

/// Topics that nobody else has.
struct Place {
    config: KafkaConfig,
    topic: String,
}

impl Place {
    async fn new<E: Event>() -> Self {
        let (servers, namespace) = (stack::kafka(), kafka::namespace());
        let config = Settings::parse_from([
            "conformance",
            "--kafka-bootstrap-servers",
            &servers,
            "--kafka-topic-namespace",
            &namespace,
            "--kafka-consumer-session-timeout-ms",
            "6000",
        ])
        .kafka;
        admin::ensure(&config, SERVICE, &[E::TOPIC, &DEAD_LETTER_QUEUE]).await.unwrap();
        Self { topic: config.topic_names().in_kafka(E::TOPIC), config }
    }

    async fn send<E: Event + Clone>(&self, event: &NewEvent<E>) -> (i32, i64) {
        let envelope = Envelope::seal(event.clone(), SERVICE);
        let headers = headers::of(&envelope);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.send_raw(envelope.data.key().as_bytes(), &codec::encode(&envelope).unwrap(), &headers).await
    }

    async fn send_raw(&self, key: &[u8], value: &[u8], headers: &[(&str, &[u8])]) -> (i32, i64) {
        kafka::produce(&stack::kafka(), &self.topic, Some(key), value, headers).await
    }

    async fn wait_until_committed(&self) {
        let ends = kafka::read_topic_to_end(&stack::kafka(), &self.topic).await.len() as i64;
        let group = self.config.topic_names().group(GROUP);
        wait_until("all offsets are committed", LONG, || async {
            let committed = kafka::committed(&stack::kafka(), &group, &self.topic).await;
            committed.iter().map(|(_, offset)| (*offset).max(0)).sum::<i64>() >= ends
        })
        .await;
    }

    async fn dead_letters(&self) -> Vec<TestRecord> {
        let topic = self.config.topic_names().in_kafka(&DEAD_LETTER_QUEUE);
        kafka::read_topic_to_end(&stack::kafka(), &topic).await
    }
}
