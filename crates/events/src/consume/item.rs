//! What a batch is made of.

use chrono::{DateTime, Utc};

use super::{
    Received,
    record::{Record, Subscribed},
};
use crate::contract::{
    codec::{self, DecodeError},
    event::{Event, EventId, Origin},
    headers::Headers,
    replay::Replay,
    topics::TopicSpec,
};

/// What a [`BatchHandler`](super::BatchHandler) can take: [`Received`] events, or [`Raw`] records.
pub trait Item: sealed::Read {}

pub(super) mod sealed {
    use super::{DecodeError, EventId, Record, Replay, Subscribed, TopicSpec};

    pub trait Read: Sized + Send + Sync + 'static {
        const TOPICS: &'static [&'static TopicSpec];
        /// Whether a record whose headers cannot all be read is none.
        const READS_HEADERS: bool;
        /// `None` for what is of another type, or no event: a tombstone.
        fn read(
            record: &Record,
            topic: &Subscribed,
            replay: Option<&Replay>,
        ) -> Result<Option<(EventId, Self)>, DecodeError>;
    }
}

impl<E: Event> Item for Received<E> {}

impl<E: Event> sealed::Read for Received<E> {
    const TOPICS: &'static [&'static TopicSpec] = &[E::TOPIC];
    const READS_HEADERS: bool = true;

    fn read(
        record: &Record,
        topic: &Subscribed,
        replay: Option<&Replay>,
    ) -> Result<Option<(EventId, Self)>, DecodeError> {
        let Some(value) = record.payload() else { return Ok(None) };
        let mut opened = codec::open(topic.spec, record.origin(topic, replay), value)?;
        if opened.event_type != E::TYPE {
            return Ok(None);
        }
        let id = opened.event_id;
        Ok(Some((id, Received::read(&mut opened, record)?)))
    }
}

/// A record as it stands in Kafka, whatever it holds. It is claimed by where and when it stood, also where it holds an event: one
/// that was written twice is two records.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The topic as the catalogue has it.
    pub topic: &'static TopicSpec,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The record's own time.
    pub timestamp: Option<DateTime<Utc>>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Its headers, without those whose names are no text.
    pub headers: Headers,
}

impl Item for Raw {}

impl sealed::Read for Raw {
    const TOPICS: &'static [&'static TopicSpec] = &[];
    const READS_HEADERS: bool = false;

    fn read(
        record: &Record,
        topic: &Subscribed,
        replay: Option<&Replay>,
    ) -> Result<Option<(EventId, Self)>, DecodeError> {
        let headers = record.headers().pairs().map(|(name, value)| (name.to_owned(), value.to_vec()));
        let raw = Self {
            topic: topic.spec,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp_ms.and_then(DateTime::from_timestamp_millis),
            key: record.key().map(<[u8]>::to_vec),
            payload: record.payload().map(<[u8]>::to_vec),
            headers: Headers::new(headers.collect()),
        };
        Ok(Some((Origin::from(record.origin(topic, replay)).id(), raw)))
    }
}
