//! From a row to its acknowledgement: the producer, what is in flight, what is held, and the position that may be saved.

use std::{
    borrow::Cow,
    collections::HashMap,
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
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    cursor::{self, OutboxRow, Position},
    figures::Figures,
    headers,
    held::Held,
    relay_error::RelayError,
    relay_status::RelayStatus,
    window::{Sent, Window},
};
use crate::{
    contract::topics::{CATALOGUE, TopicSpec},
    flow::{error::chain, ledger::Ticket},
    kafka::{
        client::Client,
        config::KafkaConfig,
        producer::refused_for_good,
        registry::{self, Registry, RegistryError},
    },
    sabotage::{self, Sabotage},
};

/// The position is saved this often while it moves. What lies behind it is published again after a crash.
const SAVE: Duration = Duration::from_millis(200);
/// A position that moved without rows is saved this often; each save is a transaction that moves it again.
const SAVE_IDLE: Duration = Duration::from_secs(30);
/// A look is cut off when Kafka takes nothing for this long, so that an outage holds no snapshot open.
const STALL: Duration = Duration::from_secs(2);
/// The most records in flight: several times what a broker is sent at once (five requests of at most 1 MiB), so more would
/// make nothing faster.
const MOST: usize = 20_000;
/// While nothing else is to be done than to wait for deliveries, they are looked for this often.
const NEWS: Duration = Duration::from_millis(2);
/// A client that reports nothing for this long while it has records is taken for stuck, which librdkafka's can be after a
/// broker's return; in an outage its successor waits as it did.
const SILENT: Duration = Duration::from_secs(30);
/// At shutdown, what is in flight gets this long to be acknowledged.
const GRACE: Duration = Duration::from_secs(5);
/// Why a row is held that nothing is wrong with.
const BEHIND: &str = "an earlier record of its key is held";
/// What a record of the log needs besides its key, value and headers, with room to spare.
const OVERHEAD: usize = 512;

pub(super) struct Sink {
    /// Holds the advisory lock; the position is saved through it, so a relay that lost the lock cannot save.
    lock: PgConnection,
    producer: ThreadedProducer<Deliveries>,
    deliveries: Arc<DeliveryBox>,
    /// By the catalogue's names, with their names in Kafka.
    topics: HashMap<&'static str, (&'static TopicSpec, Arc<str>)>,
    registry: Option<Registry>,
    pub(super) window: Window,
    /// Handed to the client and not reported back; the window also has what waits behind such a one.
    in_flight: usize,
    /// When a record was last reported back, or handed over with none before it.
    heard_at: Instant,
    held: Held,
    status: RelayStatus,
    figures: Figures,
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
        let names = config.topic_names();
        let context = Deliveries { client: Client::default(), inbox: Arc::clone(&deliveries) };
        let producer = config.producer(service, None).create_with_context(context).map_err(RelayError::Producer)?;
        Ok(Self {
            lock,
            producer,
            deliveries,
            topics: CATALOGUE.iter().map(|topic| (topic.name, (*topic, names.in_kafka(topic).into()))).collect(),
            registry: Registry::of(config),
            window: Window::new(saved.snapshot.clone()),
            in_flight: 0,
            heard_at: Instant::now(),
            held,
            status,
            figures: Figures::new(),
            saved,
            saved_at: Instant::now(),
            moved: false,
        })
    }

    /// Hands one row to the client, waiting for room. Rows are offered one after the other, so their order stands.
    pub(super) async fn send(&mut self, row: &OutboxRow, shutdown: &CancellationToken) -> Result<Sending, RelayError> {
        if self.in_flight >= MOST && !self.wait_for_room(shutdown).await? {
            return Ok(Sending::NoRoom);
        }
        if self.held.contains(row) {
            return self.hold(row, BEHIND).await;
        }
        let Some((topic, name)) = self.topics.get(row.topic.as_str()) else {
            return self.hold(row, "the catalogue has no topic of this name").await;
        };
        let Ok((headers, header_bytes)) = headers::read(&row.headers) else {
            return self.hold(row, "its headers are no JSON object").await;
        };
        let (topic, name) = (*topic, Arc::clone(name));
        let since = Instant::now();
        let payload = loop {
            let Some(registry) = &self.registry else { break Cow::Borrowed(&*row.payload) };
            match registry.id(&name, |name| headers::value(&headers, name)).await {
                Ok(None) => break Cow::Borrowed(&*row.payload),
                Ok(Some(id)) => break Cow::Owned(registry::framed(id, &row.payload)),
                Err(error @ RegistryError::Refused { .. }) => return self.hold(row, &error.to_string()).await,
                // Later rows wait behind this one, as behind a full queue.
                Err(RegistryError::Away { .. }) => {
                    if shutdown.is_cancelled() || since.elapsed() > STALL {
                        return Ok(Sending::NoRoom);
                    }
                    let _ = timeout(registry::AGAIN, shutdown.cancelled()).await;
                    self.settle().await?;
                    if self.held.contains(row) {
                        return self.hold(row, BEHIND).await;
                    }
                }
            }
        };
        // Refused here rather than by the broker: later records of its key are not on their way yet.
        if header_bytes + row.key.len() + payload.len() + OVERHEAD > topic.max_message_bytes as usize {
            return self.hold(row, "larger than its topic takes").await;
        }
        let sent_at = Instant::now();
        let mut record = BaseRecord::with_opaque_to(&name, self.window.next_ticket().0 as usize)
            .key(row.key.as_str())
            .payload(&*payload)
            .headers(headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    let flight = Some((topic, sent_at));
                    self.window.charge(Sent { id: row.id, created_at: row.created_at, flight });
                    if self.in_flight == 0 {
                        self.heard_at = sent_at;
                    }
                    self.in_flight += 1;
                    return Ok(Sending::Taken);
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    if !self.wait_for_room(shutdown).await? {
                        return Ok(Sending::NoRoom);
                    }
                    // Meanwhile an earlier one may have come back refused.
                    if self.held.contains(row) {
                        return self.hold(row, BEHIND).await;
                    }
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
        let ticket = self.window.charge(Sent { id: row.id, created_at: row.created_at, flight: None });
        self.window.complete(ticket);
        self.moved = true;
        Ok(Sending::Taken)
    }

    /// Waits until half of what is in flight is reported back: going on at the first would mean to wait again for every
    /// row. `false` when Kafka reports nothing for a long time, or a shutdown came.
    pub(super) async fn wait_for_room(&mut self, shutdown: &CancellationToken) -> Result<bool, RelayError> {
        let enough = self.in_flight / 2;
        let (mut least, mut since) = (self.in_flight, Instant::now());
        while self.in_flight > enough {
            if shutdown.is_cancelled() || since.elapsed() > STALL {
                return Ok(false);
            }
            sleep(NEWS).await;
            self.settle().await?;
            if self.in_flight < least {
                (least, since) = (self.in_flight, Instant::now());
            }
        }
        Ok(true)
    }

    /// Books the deliveries that came in, and saves the position when it is time.
    pub(super) async fn settle(&mut self) -> Result<(), RelayError> {
        let mut newest = None;
        for (ticket, refusal) in self.deliveries.take() {
            self.in_flight -= 1;
            self.heard_at = Instant::now();
            if let Some((topic, since)) = self.window.get(ticket).and_then(|row| row.flight) {
                self.figures.note(topic, since, refusal.is_some());
            }
            if let Some(code) = refusal {
                self.check_client()?;
                if !refused_for_good(code) {
                    return Err(RelayError::Delivery(code));
                }
                if let Some(row) = self.window.get(ticket) {
                    self.held.keep(&mut self.lock, row.id, &code.to_string()).await?;
                    self.status.holds(self.held.len());
                }
            }
            newest = self.window.complete(ticket).or(newest);
        }
        self.figures.tell();
        if let Some(row) = newest {
            let latency = (chrono::Utc::now() - row.created_at).as_seconds_f64().max(0.0);
            self.figures.latency.record(latency);
            self.moved = true;
        }
        let due = if self.moved || sabotage::is(Sabotage::RelaySavesBeforeAck) { SAVE } else { SAVE_IDLE };
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
        if self.in_flight > 0 && self.heard_at.elapsed() > SILENT {
            return Err(RelayError::Silent { records: self.in_flight });
        }
        Ok(&mut self.lock)
    }

    /// Waits for what is in flight, saves, gives the lock back.
    pub(super) async fn end(mut self, sound: bool) {
        let deadline = Instant::now() + GRACE;
        while sound && self.window.open() > 0 && Instant::now() < deadline {
            sleep(NEWS).await;
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

/// Deliveries as the client's thread reports them.
#[derive(Debug, Default)]
struct DeliveryBox(Mutex<Vec<(Ticket, Option<RDKafkaErrorCode>)>>);

impl DeliveryBox {
    fn take(&self) -> Vec<(Ticket, Option<RDKafkaErrorCode>)> {
        self.0.lock().map(|mut delivered| std::mem::take(&mut *delivered)).unwrap_or_default()
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
        if let Ok(mut delivered) = self.inbox.0.lock() {
            delivered.push((Ticket(ticket as u64), refusal));
        }
    }
}
