//! The relay: outbox rows become records, at least once, in order per key, without waiting for deliveries one by one.
//!
//! One relay per service is active (an advisory lock names it); the others stand by and take over within seconds. What
//! was cut off with records in the client's buffer may repeat some of them after its successor: readers with an inbox
//! drop them. The saved position never passes what is not acknowledged.

use std::{fmt, time::Duration};

use futures::TryStreamExt;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    client::at_start,
    cursor::{self, Position, Snapshot},
    relay_error::RelayError,
    relay_status::RelayStatus,
    retention,
    sink::{Sending, Sink},
};
use crate::{
    flow::error::chain,
    kafka::{admin, config::KafkaConfig},
};

/// While there is work, the outbox is looked at this often; a look takes about 0.1 ms.
const BUSY: Duration = Duration::from_millis(2);
/// An idle outbox is looked at this often.
const IDLE: Duration = Duration::from_millis(50);
/// Housekeeping: the lock is still ours, the backlog's metrics.
const TICK: Duration = Duration::from_secs(2);
/// Published slots are looked through this often.
const FORGET: Duration = Duration::from_secs(60);
/// A relay that stands by, or that met an error, tries again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// The relay of one service's outbox.
pub struct Relay {
    pool: PgPool,
    config: KafkaConfig,
    service: String,
    retention: Duration,
    status: RelayStatus,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Relay {
    /// The relay of the outbox in the schema of `pool`'s search path.
    pub fn new(pool: PgPool, config: KafkaConfig, service: &str) -> Self {
        let status = RelayStatus::default();
        Self { pool, config, service: service.to_owned(), retention: Duration::from_secs(24 * 3600), status }
    }

    /// How long published rows are kept, so that they can be published again; a day unless set, at most 36 hours.
    pub fn keep(mut self, retention: Duration) -> Self {
        self.retention = retention.min(retention::LONGEST);
        self
    }

    /// What it is doing.
    pub fn status(&self) -> RelayStatus {
        self.status.clone()
    }

    /// Publishes until told to stop. Failures are logged and tried again; only the shutdown ends it.
    pub async fn run(self, shutdown: CancellationToken) {
        let restarts = metrics::counter!("relay_restarts_total");
        restarts.increment(0);
        self.config.tell_what_is_not_obeyed();
        let mut said = String::new();
        let mut alone_until = None;
        while !shutdown.is_cancelled() {
            let outcome = self.active(alone_until, &shutdown).await;
            if let Err(error) = outcome {
                if let RelayError::Refused { until, .. } = error {
                    alone_until = alone_until.max(Some(until));
                }
                let text = chain(&error);
                self.status.failed(&error);
                // An outage repeats itself every second; once is enough.
                if said != text {
                    tracing::error!(
                        service = self.service,
                        error = text,
                        "the relay stopped and tries again every second"
                    );
                    said = text;
                }
                restarts.increment(1);
            }
            let _ = timeout(AGAIN, shutdown.cancelled()).await;
        }
    }

    /// Takes the lock, or returns when another relay has it. Rows up to `alone_until` are sent one by one.
    async fn active(&self, alone_until: Option<i64>, shutdown: &CancellationToken) -> Result<(), RelayError> {
        let mut lock = self.pool.acquire().await?.detach();
        // A peer that vanished without a word must not keep the lock for hours.
        for setting in ["tcp_keepalives_idle = 5", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3"] {
            sqlx::query(sqlx::AssertSqlSafe(format!("SET {setting}"))).execute(&mut lock).await?;
        }
        let taken: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('outbox relay'), hashtext(current_schema()))")
                .fetch_one(&mut lock)
                .await?;
        if !taken {
            self.status.stands_by();
            lock.close().await?;
            return Ok(());
        }
        let read = self.pool.acquire().await?.detach();
        let mut run = Run::begin(self, lock, read, alone_until).await?;
        let outcome = run.publish(shutdown).await;
        run.sink.end(outcome.is_ok()).await;
        outcome
    }
}

/// One spell of being the active relay.
struct Run<'r> {
    relay: &'r Relay,
    read: PgConnection,
    /// Read up to here; ahead of what is acknowledged.
    at: Position,
    sink: Sink,
    ticked_at: Instant,
    forgot_at: Instant,
}

impl<'r> Run<'r> {
    async fn begin(
        relay: &'r Relay,
        mut lock: PgConnection,
        mut read: PgConnection,
        alone_until: Option<i64>,
    ) -> Result<Self, RelayError> {
        let at = cursor::load(&mut lock).await?;
        cursor::prepare(&mut read).await?;
        let needed: Vec<_> = at_start(&relay.service).collect();
        admin::ensure(&relay.config, &relay.service, &needed).await.map_err(Box::new)?;
        let status = relay.status.clone();
        let sink = Sink::open(lock, at.clone(), &relay.config, &relay.service, status, alone_until).await?;
        relay.status.is_now_active();
        tracing::info!(service = relay.service, "the relay is active");
        let now = Instant::now();
        Ok(Self { relay, read, at, sink, ticked_at: now, forgot_at: now })
    }

    async fn publish(&mut self, shutdown: &CancellationToken) -> Result<(), RelayError> {
        let mut pause = BUSY;
        while !shutdown.is_cancelled() {
            let step = self.step(shutdown).await?;
            self.sink.settle().await?;
            self.tick().await?;
            pause = match step {
                Step::Rows => BUSY,
                Step::Nothing => {
                    self.sink.is_idle();
                    (pause * 2).min(IDLE)
                }
                Step::CutOff => {
                    self.wait_for_room(shutdown).await?;
                    continue;
                }
            };
            let _ = timeout(pause, shutdown.cancelled()).await;
        }
        Ok(())
    }

    /// Sends what became visible since the last look.
    async fn step(&mut self, shutdown: &CancellationToken) -> Result<Step, RelayError> {
        let Self { read, at, sink, .. } = self;
        let mut until = at.step.as_ref().map(|(step, _)| step.clone());
        let mut last = at.step.as_ref().map(|(_, id)| *id);
        if let Some(step) = &until {
            sink.window.begin_step(step, last);
        }
        let mut step = Step::Nothing;
        let mut rows = 0;
        {
            let mut news = std::pin::pin!(cursor::look(read, at));
            while let Some((snapshot, row)) = news.try_next().await? {
                if until.is_none() {
                    sink.window.begin_step(&snapshot, None);
                    until = Some(Snapshot::clone(&snapshot));
                }
                let Some(row) = row else { continue };
                match sink.send(&row, shutdown).await? {
                    Sending::Taken => (rows, last) = (rows + 1, Some(row.id)),
                    Sending::NoRoom => {
                        last = last.or(Some(row.id - 1));
                        step = Step::CutOff;
                        break;
                    }
                }
                step = Step::Rows;
            }
        }
        let Some(until) = until.or_else(|| at.step.take().map(|(step, _)| step)) else {
            return Ok(step);
        };
        let last = last.unwrap_or(0);
        if matches!(step, Step::CutOff) {
            *at = Position { snapshot: at.snapshot.clone(), step: Some((until, last)) };
            // What is left of this result must not be waited for when the connection is next used.
            self.read = self.relay.pool.acquire().await?.detach();
            cursor::prepare(&mut self.read).await?;
        } else {
            *at = at.after(until, rows, last);
            if at.step.is_none() {
                sink.window.end_step();
            }
        }
        Ok(step)
    }

    /// After a cut: Kafka has to take something before the rest of the step is worth reading.
    async fn wait_for_room(&mut self, shutdown: &CancellationToken) -> Result<(), RelayError> {
        while !shutdown.is_cancelled() && !self.sink.wait_for_room(shutdown).await? {
            self.tick().await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), RelayError> {
        if self.ticked_at.elapsed() < TICK {
            return Ok(());
        }
        self.ticked_at = Instant::now();
        let lock = self.sink.check().await?;
        let oldest: f64 = sqlx::query_scalar(
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8
             FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()",
        )
        .fetch_one(&mut *lock)
        .await?;
        metrics::gauge!("outbox_oldest_transaction_seconds").set(oldest);
        let backlog: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT FROM outbox WHERE xid >= (SELECT pg_snapshot_xmax(snapshot) FROM outbox_cursor)
             LIMIT 100000) AS waiting",
        )
        .fetch_one(&mut *lock)
        .await?;
        metrics::gauge!("outbox_backlog").set(backlog as f64);
        if self.forgot_at.elapsed() >= FORGET {
            self.forgot_at = Instant::now();
            retention::forget(lock, self.relay.retention).await?;
        }
        Ok(())
    }
}

/// What one look came to.
enum Step {
    Rows,
    Nothing,
    /// Kafka takes nothing, or a shutdown came: the rest of the step is still to be read.
    CutOff,
}
