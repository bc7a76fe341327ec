//! What a record holds: an event, or nothing, which says of its key that it is no more.

use chrono::{DateTime, Utc};

use super::record::{Record, Subscribed};
use crate::contract::{
    codec::Opened,
    event::{EventId, Origin},
    replay::Replay,
};

pub(super) enum Content<'r> {
    Event(Opened<'r>),
    Tombstone(Tombstone),
}

/// A record without a value, as a handler that asks for them gets it.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// Its identity: derived from where and when it stood first, else from the dead letter that is replayed.
    pub id: EventId,
    /// The record's key: what is no more. Empty where it had none.
    pub key: String,
    /// The record's own time; of a replay that of its first place, where that is known.
    pub timestamp: Option<DateTime<Utc>>,
}

impl Tombstone {
    pub(super) fn read(record: &Record, topic: &Subscribed, replay: Option<&Replay>) -> Self {
        let origin = Origin::from(record.origin(topic, replay));
        Self {
            id: origin.id(),
            key: record.key().map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default(),
            timestamp: origin.timestamp_ms().and_then(DateTime::from_timestamp_millis),
        }
    }
}
