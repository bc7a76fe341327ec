//! What a record holds: an event, or nothing, which says of its key that it is no more.

use chrono::{DateTime, Utc};

use super::record::{Record, Subscribed};
use crate::contract::{codec::Opened, event::EventId, replay::Replay};

pub(super) enum Content<'r> {
    Event(Opened<'r>),
    Tombstone(Tombstone),
}

/// A record without a value, as a handler that asks for them gets it.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// Its identity: derived from where it stands, or from the dead letter that is replayed.
    pub id: EventId,
    /// The record's key: what is no more. Empty where it had none.
    pub key: String,
    /// The record's own time.
    pub timestamp: Option<DateTime<Utc>>,
}

impl Tombstone {
    pub(super) fn read(record: &Record, topic: &Subscribed, replay: Option<&Replay>) -> Self {
        Self {
            id: id_of(record, topic, replay),
            key: record.key().map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default(),
            timestamp: record.timestamp_ms.and_then(DateTime::from_timestamp_millis),
        }
    }
}

/// Names a record that names itself by nothing: by where it stands, so that a redelivery is a repeat; a replay by its
/// letter, so that another run of it is one too.
pub(super) fn id_of(record: &Record, topic: &Subscribed, replay: Option<&Replay>) -> EventId {
    match replay {
        Some(replay) => EventId::derived(&["replay", &replay.dead_letter_id.to_string()]),
        None => EventId::derived(&[&topic.name, &record.partition.to_string(), &record.offset.to_string()]),
    }
}
