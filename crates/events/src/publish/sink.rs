//! From a row to its acknowledgement: the producer, what is in flight, what is held, and the position that may be saved.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedHeaders,
    producer::BaseRecord,
};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    client::Client,
    cursor::{self, OutboxRow, Position},
    figures::Figures,
    headers,
    held::Held,
    relay_error::RelayError,
    relay_status::RelayStatus,
    window::{Flight, Sent, Window},
};
use crate::{
    contract::topics::{CATALOGUE, TopicSpec},
    flow::{error::chain, ledger::Ticket},
    kafka::{
        blame::{Blame, blame},
        config::{KafkaConfig, QUEUE_RECORDS},
        frame, record_size,
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
/// While nothing else is to be done than to wait for deliveries, they are looked for this often.
const NEWS: Duration = Duration::from_millis(2);
/// A client that reports nothing for this long while it has records is taken for stuck, which librdkafka's can be after a
/// broker's return; in an outage its successor waits as it did.
const SILENT: Duration = Duration::from_secs(30);
/// At shutdown, what is in flight gets this long to be acknowledged.
const GRACE: Duration = Duration::from_secs(5);
/// Why a row is held that nothing is wrong with.
const BEHIND: &str = "an earlier record of its key is held";

pub(super) struct Sink {
    /// Holds the advisory lock; the position is saved through it, so a relay that lost the lock cannot save.
    lock: PgConnection,
    client: Client,
    /// By the catalogue's names, with their names in Kafka.
    topics: HashMap<&'static str, (&'static TopicSpec, Arc<str>)>,
    registry: Option<Registry>,
    pub(super) window: Window,
    /// Handed to the client and not reported back; the window also has what waits behind such a one.
    in_flight: usize,
    /// When a record was last reported back, or handed over with none before it.
    heard_at: Instant,
    /// Rows up to this id go alone.
    alone_until: Option<i64>,
    /// What was sent last goes alone: nothing is sent until it is reported back.
    last_is_alone: bool,
    /// The largest id that was handed to the client.
    last_id: i64,
    held: Held,
    status: RelayStatus,
    figures: Figures,
    saved: Position,
    saved_at: Instant,
    /// Whether the position moved by a row since it was saved.
    moved: bool,
}

/// What is to be sent of a row.
enum Value<'r> {
    Is(Cow<'r, [u8]>),
    /// The registry refuses its schema.
    Refused(String),
    /// The registry has been away for a long time, or a shutdown came.
    NotYet,
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
        alone_until: Option<i64>,
    ) -> Result<Self, RelayError> {
        let held = Held::load(&mut lock).await?;
        status.holds(held.len());
        let names = config.topic_names();
        Ok(Self {
            lock,
            client: Client::open(config, service)?,
            topics: CATALOGUE.iter().map(|topic| (topic.name, (*topic, names.in_kafka(topic).into()))).collect(),
            registry: Registry::of(config),
            window: Window::new(saved.snapshot.clone()),
            in_flight: 0,
            heard_at: Instant::now(),
            alone_until,
            last_is_alone: false,
            last_id: 0,
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
        if self.in_flight >= QUEUE_RECORDS && !self.wait_for_room(shutdown).await? {
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
        // Refused here rather than by the broker: later records of its key are not on their way yet.
        let size = record_size::record(row.key.as_bytes(), &row.payload, header_bytes);
        if size > topic.max_message_bytes as usize {
            return self.hold(row, &format!("with {size} bytes it is larger than its topic takes")).await;
        }
        let payload = match self.value(row, &name, &headers, shutdown).await? {
            Value::Is(payload) => payload,
            Value::Refused(reason) => return self.hold(row, &reason).await,
            Value::NotYet => return Ok(Sending::NoRoom),
        };
        let Some((partition, is_alone)) = self.turn(row, topic, &name, shutdown).await? else {
            return Ok(Sending::NoRoom);
        };
        // While it waited, an earlier one may have come back refused.
        if self.held.contains(row) {
            return self.hold(row, BEHIND).await;
        }
        let since = Instant::now();
        let mut record = BaseRecord::with_opaque_to(&name, self.window.next_ticket().0 as usize)
            .key(row.key.as_str())
            .payload(&*payload)
            .headers(headers);
        loop {
            match self.client.producer.send(record) {
                Ok(()) => {
                    let flight = Some(Flight { topic, partition, since, is_alone });
                    self.window.charge(Sent { id: row.id, created_at: row.created_at, flight });
                    self.client.lead.sent(topic.name, partition);
                    self.last_is_alone = is_alone;
                    self.last_id = self.last_id.max(row.id);
                    if self.in_flight == 0 {
                        self.heard_at = since;
                    }
                    self.in_flight += 1;
                    return Ok(Sending::Taken);
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    if !self.wait_for_room(shutdown).await? {
                        return Ok(Sending::NoRoom);
                    }
                    if self.held.contains(row) {
                        return self.hold(row, BEHIND).await;
                    }
                }
                Err((error, _)) => {
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                    self.client.check()?;
                    match blame(code) {
                        Blame::Record => return self.hold(row, &code.to_string()).await,
                        Blame::Client if self.client.was_refused() => return Ok(Sending::NoRoom),
                        _ => return Err(RelayError::Delivery { topic: name, code }),
                    }
                }
            }
        }
    }

    /// The value as it goes out. What is framed already needs no registry.
    async fn value<'r>(
        &mut self,
        row: &'r OutboxRow,
        name: &str,
        headers: &OwnedHeaders,
        shutdown: &CancellationToken,
    ) -> Result<Value<'r>, RelayError> {
        let since = Instant::now();
        while let Some(registry) = self.registry.as_ref().filter(|_| !frame::is_framed(&row.payload)) {
            match registry.id(name, |name| headers::value(headers, name)).await {
                Ok(None) => break,
                Ok(Some(id)) => return Ok(Value::Is(frame::framed(id, &row.payload))),
                Err(error @ RegistryError::Refused { .. }) => return Ok(Value::Refused(error.to_string())),
                // Later rows wait behind this one, as behind a full queue.
                Err(RegistryError::Away { .. }) => {
                    if shutdown.is_cancelled() || since.elapsed() > STALL {
                        return Ok(Value::NotYet);
                    }
                    let _ = timeout(registry::AGAIN, shutdown.cancelled()).await;
                    self.settle().await?;
                }
            }
        }
        Ok(Value::Is(Cow::Borrowed(&row.payload)))
    }

    /// Waits for a row's turn: behind the one that leads on its partition, behind one that goes alone, and until nothing is on
    /// its way where it has to go alone itself. So has a client's first, lest others are sent in vain where Kafka takes none.
    /// Returns its partition and whether it is alone; `None` when it takes long, or a shutdown came.
    async fn turn(
        &mut self,
        row: &OutboxRow,
        topic: &'static TopicSpec,
        name: &Arc<str>,
        shutdown: &CancellationToken,
    ) -> Result<Option<(usize, bool)>, RelayError> {
        let since = Instant::now();
        loop {
            let is_alone = !self.client.is_heard || self.alone_until.is_some_and(|until| row.id <= until);
            match self.client.lead.partition(topic.name, &row.key) {
                None => self.client.look_at(topic, name).await?,
                // The first row behind those that go alone could otherwise share the batch of the last of them.
                Some(partition)
                    if self.in_flight == 0
                        || !(is_alone || self.last_is_alone || self.client.lead.is_led(topic.name, partition)) =>
                {
                    return Ok(Some((partition, is_alone)));
                }
                Some(_) => {}
            }
            if shutdown.is_cancelled() || since.elapsed() > STALL {
                return Ok(None);
            }
            if self.in_flight > 0 {
                sleep(NEWS).await;
                self.settle().await?;
            }
        }
    }

    async fn hold(&mut self, row: &OutboxRow, reason: &str) -> Result<Sending, RelayError> {
        self.keep(row.id, reason).await?;
        let ticket = self.window.charge(Sent { id: row.id, created_at: row.created_at, flight: None });
        self.window.complete(ticket);
        self.moved = true;
        Ok(Sending::Taken)
    }

    async fn keep(&mut self, id: i64, reason: &str) -> Result<(), RelayError> {
        self.held.keep(&mut self.lock, id, reason).await?;
        self.status.holds(self.held.len());
        Ok(())
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
            self.settle().await?;
            if self.in_flight < least {
                (least, since) = (self.in_flight, Instant::now());
            } else {
                sleep(NEWS).await;
            }
        }
        Ok(true)
    }

    /// Books the deliveries that came in, and saves the position when it is time.
    pub(super) async fn settle(&mut self) -> Result<(), RelayError> {
        let mut newest = None;
        let mut failed: Option<(Ticket, Flight, RDKafkaErrorCode)> = None;
        for (ticket, refusal) in self.reported().await {
            self.in_flight -= 1;
            self.heard_at = Instant::now();
            let Some(flight) = self.window.get(ticket).and_then(|row| row.flight) else { continue };
            self.figures.note(flight.topic, flight.since, refusal.is_some());
            match refusal {
                None => {
                    self.acknowledged(flight);
                    newest = self.window.complete(ticket).or(newest);
                }
                Some(code) if failed.is_none_or(|(_, _, before)| blame(before) < blame(code)) => {
                    failed = Some((ticket, flight, code));
                }
                Some(_) => {}
            }
        }
        self.figures.tell();
        if let Some(row) = newest {
            let latency = (chrono::Utc::now() - row.created_at).as_seconds_f64().max(0.0);
            self.figures.latency.record(latency);
            self.moved = true;
        }
        if let Some((ticket, flight, code)) = failed {
            self.failed(ticket, flight, code).await?;
        }
        let due = if self.moved || sabotage::is(Sabotage::RelaySavesBeforeAck) { SAVE } else { SAVE_IDLE };
        if self.saved_at.elapsed() >= due {
            self.save().await?;
        }
        Ok(())
    }

    /// What came in. Once a refusal has ended the client all the rest comes too, and the refusal itself not always first.
    async fn reported(&self) -> Vec<(Ticket, Option<RDKafkaErrorCode>)> {
        let mut reported = self.client.deliveries.take();
        if reported.iter().any(|(_, refusal)| refusal.is_some()) && self.client.was_refused() {
            let since = Instant::now();
            while reported.len() < self.in_flight && since.elapsed() < STALL {
                sleep(NEWS).await;
                reported.extend(self.client.deliveries.take());
            }
        }
        reported
    }

    fn acknowledged(&mut self, flight: Flight) {
        if !self.client.is_heard {
            self.client.is_heard = true;
            self.status.is_not_denied();
        }
        self.client.lead.acknowledged(flight.topic.name, flight.partition, self.heard_at);
    }

    /// A record that was refused alone is held. Everything else ends the client, and with it the relay's turn.
    async fn failed(&mut self, ticket: Ticket, flight: Flight, code: RDKafkaErrorCode) -> Result<(), RelayError> {
        let topic = Arc::clone(&self.topics[flight.topic.name].1);
        match blame(code) {
            Blame::Record if flight.is_alone || sabotage::is(Sabotage::ObeyProducerSettings) => {
                if let Some(row) = self.window.get(ticket) {
                    self.keep(row.id, &code.to_string()).await?;
                }
                self.window.complete(ticket);
                self.moved = true;
                if flight.is_alone { self.client.renew() } else { Ok(()) }
            }
            Blame::Record => Err(RelayError::Refused { topic, code, until: self.last_id }),
            Blame::Client => {
                self.client.check()?;
                Err(RelayError::Refused { topic, code, until: self.last_id })
            }
            Blame::Setting(_) | Blame::Outage => Err(RelayError::Delivery { topic, code }),
        }
    }

    /// There is nothing to publish.
    pub(super) fn is_idle(&self) {
        if self.window.open() == 0 {
            self.status.is_not_denied();
        }
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

    /// Checks that the client lives; whoever uses the connection that is returned learns whether the lock is still held.
    pub(super) async fn check(&mut self) -> Result<&mut PgConnection, RelayError> {
        self.client.check()?;
        let waits_since = if self.in_flight > 0 { Some(self.heard_at) } else { self.client.unanswered_since };
        if waits_since.is_some_and(|since| since.elapsed() > SILENT) {
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
        // Also where its turn ends by an error: what is acknowledged need not be repeated.
        match timeout(STALL, self.save()).await {
            Ok(Err(error)) if sound => tracing::warn!(error = chain(&error), "the relay's position was not saved"),
            _ => {}
        }
        let _ = self.lock.close().await;
        self.client.end().await;
    }
}
