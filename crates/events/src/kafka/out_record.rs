//! A record on its way out, as it will stand in Kafka.

use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::BaseRecord,
    util::IntoOpaque,
};

use super::{record_size, send_error::SendError};
use crate::contract::{
    codec,
    envelope::Envelope,
    event::{Event, NewEvent},
    headers,
    topics::TopicNames,
};

/// A record to be sent, with its name in Kafka.
#[derive(Debug, Clone)]
pub struct OutRecord {
    /// The name in Kafka.
    pub topic: String,
    /// Decides the partition; records of one key stay in order.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Names and values, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl OutRecord {
    /// The record of an event, as the service `source` publishes it; plain JSON.
    pub(crate) fn of<E: Event>(event: NewEvent<E>, source: &str, names: &TopicNames) -> Result<Self, SendError> {
        let envelope = Envelope::seal(event, source);
        let headers = headers::of(&envelope).into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
        let payload = codec::encode(&envelope).map_err(|source| SendError::Encode { event_type: E::TYPE, source })?;
        Ok(Self {
            topic: names.in_kafka(E::TOPIC),
            key: Some(envelope.key().into_bytes()),
            headers: headers.collect(),
            payload: Some(payload),
        })
    }

    /// What it counts against its topic's limit.
    pub(super) fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| record_size::header(name, value)).sum();
        record_size::record(
            self.key.as_deref().unwrap_or_default(),
            self.payload.as_deref().unwrap_or_default(),
            headers,
        )
    }

    pub(crate) fn with_opaque<O: IntoOpaque>(&self, opaque: O) -> BaseRecord<'_, [u8], [u8], O> {
        let mut record = BaseRecord::with_opaque_to(&self.topic, opaque).headers(owned(&self.headers));
        record.key = self.key.as_deref();
        record.payload = self.payload.as_deref();
        record
    }
}

/// Headers in librdkafka's form.
fn owned(headers: &[(String, Vec<u8>)]) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (key, value)| {
        all.insert(Header { key, value: Some(value) })
    })
}
