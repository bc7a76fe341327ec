//! A record as the engine carries it, and the load that it puts on its partition while it is carried.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers as _},
};

use crate::contract::{codec::Coordinates, headers::Headers, topics::TopicSpec};

/// What is in flight of one partition. The poll thread adds, whoever drops a record subtracts.
#[derive(Debug, Default)]
pub(super) struct Load {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Load {
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A record, copied out of the client's memory.
#[derive(Debug)]
pub(crate) struct Record {
    pub(super) topic: Arc<str>,
    pub(super) spec: &'static TopicSpec,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: Option<i64>,
    /// Key and payload, one after the other.
    bytes: Box<[u8]>,
    key: Option<usize>,
    has_payload: bool,
    pub(super) headers: Headers,
    load: Arc<Load>,
}

impl Record {
    pub(super) fn copy(
        message: &BorrowedMessage<'_>,
        topic: &Arc<str>,
        spec: &'static TopicSpec,
        load: &Arc<Load>,
    ) -> Self {
        let (key, payload) = (message.key(), message.payload());
        let bytes = [key.unwrap_or_default(), payload.unwrap_or_default()].concat().into_boxed_slice();
        let headers = message.headers().map(|headers| {
            let pairs = headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
            Headers::new(pairs.collect())
        });
        load.records.fetch_add(1, Ordering::Relaxed);
        load.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        Self {
            topic: Arc::clone(topic),
            spec,
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            bytes,
            key: key.map(<[u8]>::len),
            has_payload: payload.is_some(),
            headers: headers.unwrap_or_default(),
            load: Arc::clone(load),
        }
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.map(|length| &self.bytes[..length])
    }

    pub(super) fn payload(&self) -> Option<&[u8]> {
        self.has_payload.then(|| &self.bytes[self.key.unwrap_or(0)..])
    }

    pub(super) fn coordinates(&self) -> Coordinates<'_> {
        Coordinates { topic: &self.topic, partition: self.partition, offset: self.offset }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.load.records.fetch_sub(1, Ordering::Relaxed);
        self.load.bytes.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
