//! The four ways to take records, each noting in `effects` which key it was handed: what is true of one has to be true of
//! all.

use std::time::Duration;

use events::{
    consume::{BatchHandler, Batching, Consumer, Handler, Listener, Raw, Received},
    contract::{
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, TopicSpec},
    },
    flow::error::HandlerError,
    publish::Tx,
};
use sqlx::{PgExecutor, PgPool};

use crate::support::{Rig, Running};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Handler,
    Listener,
    Batch,
    RawBatch,
}

pub const MODES: [Mode; 4] = [Mode::Handler, Mode::Listener, Mode::Batch, Mode::RawBatch];

/// What each handler here is called.
pub const NAME: &str = "note";

impl Mode {
    pub async fn consume(self, rig: &Rig, group: &str) -> Running {
        let note = Note(rig.pool().clone());
        let batching = Batching { most: 100, wait: Duration::from_millis(20) };
        let builder = || Consumer::builder(rig.config.clone(), group, "test-service", rig.outbox.clone());
        let consumer = match self {
            Self::Handler => builder().handle(note).build(),
            Self::Listener => {
                Consumer::without_database(rig.config.clone(), group, "test-service").listen(note).build()
            }
            Self::Batch => builder().handle_batches(note, batching).build(),
            Self::RawBatch => builder().handle_batches(NoteRaw, batching).build(),
        };
        Running::consumer(consumer.unwrap()).await
    }
}

async fn note(key: &str, to: impl PgExecutor<'_>) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES (gen_random_uuid(), $1, '', '')")
        .bind(key)
        .execute(to)
        .await?;
    Ok(())
}

struct Note(PgPool);

impl Handler for Note {
    const NAME: &'static str = NAME;
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        note(&event.key, tx.connection()).await
    }
}

impl Listener for Note {
    const NAME: &'static str = NAME;
    type Event = PatientCreationV1;

    async fn hear(&self, event: &Received<PatientCreationV1>) -> Result<(), HandlerError> {
        note(&event.key, &self.0).await
    }
}

impl BatchHandler for Note {
    const NAME: &'static str = NAME;
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, batch: &[&Self::Item], tx: &mut Tx) -> Result<(), HandlerError> {
        for event in batch {
            note(&event.key, tx.connection()).await?;
        }
        Ok(())
    }
}

struct NoteRaw;

impl BatchHandler for NoteRaw {
    const NAME: &'static str = NAME;
    type Item = Raw;

    fn topics(&self) -> Vec<&'static TopicSpec> {
        vec![&AI_RESPONSES]
    }

    async fn apply(&self, batch: &[&Raw], tx: &mut Tx) -> Result<(), HandlerError> {
        for raw in batch {
            note(&String::from_utf8_lossy(raw.key.as_deref().unwrap_or_default()), tx.connection()).await?;
        }
        Ok(())
    }
}
