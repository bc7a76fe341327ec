//! The writer: for each key one fact after the other, each a row and its event in one transaction.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use events::{
    contract::event::NewEvent,
    publish::{Outbox, PublishError},
};
use futures::future::try_join_all;
use service_kit::lifecycle::Lifecycle;
use tokio_util::sync::CancellationToken;

use super::{
    schema::AskedV1,
    write_log::{self, WriteLog},
};
use crate::history::{Fact, WriteOutcome};

const KEYS: usize = 16;
/// For the first of them the second system is asked too: few, so that the others' events go on meanwhile.
const KEYS_FOR_NOTARY: usize = 2;
/// Between one write of a key and its next: about 25 writes a second in all, a load that two cores bear beside the faults.
const BREATH: Duration = Duration::from_millis(600);
/// One write of so many is poison: each worker meets some within a second.
const POISON: u32 = 8;
/// A write waits up to 5 s for a connection.
const BUDGET: Duration = Duration::from_secs(15);

/// How it writes.
#[derive(Clone)]
pub(super) struct Pace {
    /// No write begins while this file exists.
    pub(super) hush: PathBuf,
    /// What each event has besides, in bytes.
    pub(super) padding: usize,
}

pub(super) struct Writer {
    log: Arc<WriteLog>,
    run: u64,
    pace: Pace,
    outbox: Outbox,
    /// The last place that was intended, by key.
    last: HashMap<String, u32>,
}

impl Writer {
    /// Goes on where the log ends: a place that was intended is never used again, whatever became of it.
    pub(super) fn open(path: &Path, run: u64, pace: Pace, outbox: Outbox) -> anyhow::Result<Self> {
        let log = WriteLog::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut last = HashMap::new();
        for write in write_log::read(path)? {
            last.insert(write.fact.key, write.fact.seq);
        }
        Ok(Self { log: Arc::new(log), run, pace, outbox, last })
    }

    pub(super) fn spawn(self, lifecycle: &Lifecycle) {
        lifecycle.spawn("writer", BUDGET, |stop| async move {
            let keys = (0..KEYS).map(|number| {
                let key = format!("key-{number}");
                let seq = self.last.get(&key).copied().unwrap_or(0);
                self.write_on(key, number < KEYS_FOR_NOTARY, seq, &stop)
            });
            try_join_all(keys).await.map(drop)
        });
    }

    async fn write_on(&self, key: String, notary: bool, last: u32, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut fact = Fact { key, seq: last };
        while !stop.is_cancelled() {
            if self.pace.hush.exists() {
                _ = tokio::time::timeout(BREATH, stop.cancelled()).await;
                continue;
            }
            fact.seq += 1;
            let asked = AskedV1 {
                run: self.run,
                key: fact.key.clone(),
                seq: fact.seq,
                poison: fastrand::u32(0..POISON) == 0,
                notary,
                padding: "x".repeat(self.pace.padding),
            };
            self.log.intend(&fact, asked.poison).context("cannot write the log")?;
            let outcome = self.write(asked).await;
            self.log.told(&fact, outcome).context("cannot write the log")?;
            _ = tokio::time::timeout(BREATH, stop.cancelled()).await;
        }
        Ok(())
    }

    async fn write(&self, asked: AskedV1) -> WriteOutcome {
        let Ok(mut tx) = self.outbox.begin().await else { return WriteOutcome::Failed };
        let written = async {
            // The row's lock puts the writes of a key in order, also those of a writer that was killed in the middle.
            sqlx::query(
                "INSERT INTO written (key, seq) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET seq = excluded.seq",
            )
            .bind(&asked.key)
            .bind(i64::from(asked.seq))
            .execute(tx.connection())
            .await
            .map_err(|source| PublishError::Write { event_type: "written", source })?;
            tx.publish(NewEvent::fact(asked)).await
        };
        if written.await.is_err() {
            return WriteOutcome::Failed;
        }
        // Without an answer the commit may have happened.
        match tx.commit().await {
            Ok(()) => WriteOutcome::Acknowledged,
            Err(_) => WriteOutcome::Indeterminate,
        }
    }
}
