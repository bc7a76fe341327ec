//! From a row to its acknowledgement: the producer, what is in flight, what is held, and the position that may be saved.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use sqlx::{Connection, PgConnection};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    cursor::{self, OutboxRow, Position},
    held::Held,
    relay::{RelayError, RelayStatus},
    window::{Sent, Window},
};
use crate::{
    contract::topics::{self, TopicNames},
    flow::{error::chain, ledger::Ticket},
    kafka::{
        client::Client,
        config::KafkaConfig,
        producer::{owned, refused_for_good},
    },
};

/// The position is saved this often while it moves. What lies behind it is published again after a crash.
const SAVE: Duration = Duration::from_millis(200);
/// A position that moved without rows is saved this often; each save is a transaction that moves it again.
const SAVE_IDLE: Duration = Duration::from_secs(30);
/// A look is cut off when Kafka takes nothing for this long, so that an outage holds no snapshot open.
const STALL: Duration = Duration::from_secs(2);
/// While the client's queue is full, it is tried this often at least.
const FULL: Duration = Duration::from_millis(50);
/// At shutdown, what is in flight gets this long to be acknowledged.
const GRACE: Duration = Duration::from_secs(5);
/// What a record of the log needs besides its key, value and headers, with room to spare.
const OVERHEAD: usize = 512;

pub(super) struct Sink {
    /// Holds the advisory lock; the position is saved through it, so a relay that lost the lock cannot save.
    lock: PgConnection,
    producer: ThreadedProducer<Deliveries>,
    deliveries: Arc<DeliveryBox>,
    names: TopicNames,
    pub(super) window: Window,
    held: Held,
    status: RelayStatus,
    saved: Position,
    saved_at: Instant,
    /// Whether the position moved by a row since it was saved.
    moved: bool,
}

/// What became of a row that was offered to the client.
pub(super) enum Sending {
    Taken,
    /// The client's queue was full for a long time, or a shutdown came.
    NoRoom,
}

impl Sink {
    pub(super) async fn open(
        mut lock: PgConnection,
        saved: Position,
        config: &KafkaConfig,
        service: &str,
        status: RelayStatus,
    ) -> Result<Self, RelayError> {
        let held = Held::load(&mut lock).await?;
        status.holds(held.len());
        let deliveries = Arc::new(DeliveryBox::default());
        let context = Deliveries { client: Client::default(), inbox: Arc::clone(&deliveries) };
        let producer = config.producer(service, None).create_with_context(context).map_err(RelayError::Producer)?;
        Ok(Self {
            lock,
            producer,
            deliveries,
            names: config.topic_names(),
            window: Window::new(saved.snapshot.clone()),
            held,
            status,
            saved,
            saved_at: Instant::now(),
            moved: false,
        })
    }

    /// Hands one row to the client, waiting for room. Rows are offered one after the other, so their order stands.
    pub(super) async fn send(&mut self, row: &OutboxRow, shutdown: &CancellationToken) -> Result<Sending, RelayError> {
        if self.held.contains(row) {
            return self.hold(row, "an earlier record of its key is held").await;
        }
        let Some(topic) = topics::find(&row.topic) else {
            return self.hold(row, "the catalogue has no topic of this name").await;
        };
        let Ok(headers) = headers(&row.headers) else {
            return self.hold(row, "its headers are no JSON object").await;
        };
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>()
            + row.key.len()
            + row.payload.len()
            + OVERHEAD;
        // Refused here rather than by the broker: later records of its key are not on their way yet.
        if size > topic.max_message_bytes as usize {
            return self.hold(row, "larger than its topic takes").await;
        }
        let name = self.names.in_kafka(topic);
        let mut record = BaseRecord::with_opaque_to(&name, self.window.next_ticket().0 as usize)
            .key(row.key.as_str())
            .payload(&row.payload)
            .headers(owned(&headers));
        let since = Instant::now();
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.window.charge(Sent { id: row.id, created_at: row.created_at });
                    return Ok(Sending::Taken);
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    if shutdown.is_cancelled() || since.elapsed() > STALL {
                        return Ok(Sending::NoRoom);
                    }
                    record = refused;
                    self.wait_for_news(FULL).await;
                    self.settle().await?;
                }
                Err((KafkaError::MessageProduction(code), _)) if refused_for_good(code) => {
                    return self.hold(row, &code.to_string()).await;
                }
                Err((error, _)) => {
                    return Err(RelayError::Delivery(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)));
                }
            }
        }
    }

    async fn hold(&mut self, row: &OutboxRow, reason: &str) -> Result<Sending, RelayError> {
        self.held.keep(&mut self.lock, row.id, reason).await?;
        self.status.holds(self.held.len());
        let ticket = self.window.charge(Sent { id: row.id, created_at: row.created_at });
        self.window.complete(ticket);
        self.moved = true;
        Ok(Sending::Taken)
    }

    /// Waits for a delivery, at most `limit`.
    pub(super) async fn wait_for_news(&self, limit: Duration) {
        let _ = timeout(limit, self.deliveries.news.notified()).await;
    }

    /// Books the deliveries that came in, and saves the position when it is time.
    pub(super) async fn settle(&mut self) -> Result<(), RelayError> {
        let mut newest = None;
        let mut sent = 0;
        for (ticket, refusal) in self.deliveries.take() {
            match refusal {
                None => sent += 1,
                Some(code) => {
                    self.check_client()?;
                    if !refused_for_good(code) {
                        return Err(RelayError::Delivery(code));
                    }
                    if let Some(row) = self.window.get(ticket) {
                        self.held.keep(&mut self.lock, row.id, &code.to_string()).await?;
                        self.status.holds(self.held.len());
                    }
                }
            }
            newest = self.window.complete(ticket).or(newest);
        }
        metrics::counter!("kafka_producer_messages_sent_total").increment(sent);
        if let Some(row) = newest {
            let latency = (chrono::Utc::now() - row.created_at).as_seconds_f64().max(0.0);
            metrics::histogram!("relay_publish_latency_seconds").record(latency);
            self.moved = true;
        }
        let due = if self.moved { SAVE } else { SAVE_IDLE };
        if self.saved_at.elapsed() >= due {
            self.save().await?;
        }
        Ok(())
    }

    async fn save(&mut self) -> Result<(), RelayError> {
        let position = self.window.position();
        if position != self.saved {
            cursor::save(&mut self.lock, &position).await?;
            self.saved = position;
        }
        self.saved_at = Instant::now();
        self.moved = false;
        Ok(())
    }

    fn check_client(&self) -> Result<(), RelayError> {
        match self.producer.client().fatal_error() {
            Some((code, reason)) => Err(RelayError::Fatal { code, reason }),
            None => Ok(()),
        }
    }

    /// Checks that the client lives; whoever uses the connection that is returned learns whether the lock is still held.
    pub(super) async fn check(&mut self) -> Result<&mut PgConnection, RelayError> {
        self.check_client()?;
        Ok(&mut self.lock)
    }

    /// Waits for what is in flight, saves, gives the lock back.
    pub(super) async fn end(mut self, sound: bool) {
        let deadline = Instant::now() + GRACE;
        while sound && self.window.open() > 0 && Instant::now() < deadline {
            self.wait_for_news(FULL).await;
            if self.settle().await.is_err() {
                break;
            }
        }
        if sound && let Err(error) = self.save().await {
            tracing::warn!(error = chain(&error), "the relay's position was not saved");
        }
        let _ = self.lock.close().await;
        // Dropping a producer waits for its threads.
        let _ = tokio::task::spawn_blocking(move || drop(self.producer)).await;
    }
}

fn headers(json: &str) -> Result<Vec<(String, Vec<u8>)>, serde_json::Error> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json)?;
    let texts = object.into_iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(text) => Some((name, text.into_bytes())),
        // A trigger writes null for what it does not know.
        _ => None,
    });
    Ok(texts.collect())
}

/// Deliveries as the client's thread reports them.
#[derive(Debug, Default)]
struct DeliveryBox {
    delivered: Mutex<Vec<(Ticket, Option<RDKafkaErrorCode>)>>,
    news: Notify,
}

impl DeliveryBox {
    fn take(&self) -> Vec<(Ticket, Option<RDKafkaErrorCode>)> {
        self.delivered.lock().map(|mut delivered| std::mem::take(&mut *delivered)).unwrap_or_default()
    }
}

#[derive(Clone)]
struct Deliveries {
    client: Client,
    inbox: Arc<DeliveryBox>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let code = |error: &KafkaError| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let refusal = result.as_ref().err().map(|(error, _)| code(error));
        if let Ok(mut delivered) = self.inbox.delivered.lock() {
            delivered.push((Ticket(ticket as u64), refusal));
        }
        self.inbox.news.notify_one();
    }
}
