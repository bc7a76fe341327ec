//! A record as the engine carries it: its bytes one after the other, in a block that it shares with its neighbours.

use std::{
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use opentelemetry::propagation::Extractor;
use rdkafka::{Message, message::Headers as _};

use crate::contract::{
    event::Coordinates,
    headers::{self, dlq},
    topics::TopicSpec,
};

/// A topic of this consumer; records name it by its place in the list.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// The name in Kafka.
    pub(crate) name: String,
    pub(crate) spec: &'static TopicSpec,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of its topic.
    pub(super) topic: u16,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// A record, copied out of the client's memory.
#[derive(Debug)]
pub struct Record {
    /// Index of its topic.
    pub(super) topic: u16,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: Option<i64>,
    /// Key, payload and headers, one after the other.
    bytes: Bytes,
    /// Lengths; -1 for what it does not have. Kafka's own are 32 bits with a sign.
    key: i32,
    payload: i32,
    is_addressed: bool,
    has_unreadable_headers: bool,
    /// Its bytes are its own.
    is_apart: bool,
}

/// Headers that say whom a record is for, and who waits for an answer. Most records have none.
const ADDRESS: [&str; 5] = headers::OF_REPLAY;

/// A header takes about this much; more costs another allocation and no more.
const HEADER: usize = 64;

const BLOCK: usize = 16 << 10;

/// The milliseconds that are a time.
const CALENDAR: RangeInclusive<i64> =
    DateTime::<Utc>::MIN_UTC.timestamp_millis()..=DateTime::<Utc>::MAX_UTC.timestamp_millis();

/// Where records are copied to. It is allocated by the poll thread and freed by whoever handles the last of its records,
/// which with a block for each record took the handlers an eighth of their time. A record that waits is copied out of it.
#[derive(Debug)]
pub(super) struct Block(BytesMut);

impl Default for Block {
    fn default() -> Self {
        Self(BytesMut::with_capacity(BLOCK))
    }
}

impl Record {
    pub(super) fn copy(message: &impl Message, topic: u16, block: &mut Block) -> Self {
        let (key, payload, headers) = (message.key(), message.payload(), message.headers());
        let count = headers.map_or(0, |headers| headers.count());
        let (own, value) = (key.unwrap_or_default(), payload.unwrap_or_default());
        let bytes = &mut block.0;
        bytes.reserve(own.len() + value.len() + count * HEADER);
        bytes.put_slice(own);
        bytes.put_slice(value);
        let (mut is_addressed, mut has_unreadable_headers) = (false, false);
        for (index, headers) in headers.iter().flat_map(|headers| (0..count).map(move |index| (index, headers))) {
            // librdkafka takes names of any bytes, and the client panics over one that is no text.
            let Ok(read) = catch_unwind(AssertUnwindSafe(|| headers.try_get(index))) else {
                has_unreadable_headers = true;
                continue;
            };
            let Some(header) = read else { continue };
            is_addressed |= ADDRESS.contains(&header.key);
            for part in [header.key.as_bytes(), header.value.unwrap_or_default()] {
                bytes.put_u32_le(part.len() as u32);
                bytes.put_slice(part);
            }
        }
        let length = |part: Option<&[u8]>| part.map_or(-1, |part| part.len() as i32);
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            bytes: bytes.split().freeze(),
            key: length(key),
            payload: length(payload),
            is_addressed,
            has_unreadable_headers,
            is_apart: false,
        }
    }

    /// Whether some of its headers have names that are no text; they are left out. What they would have said is not known, so
    /// the record must not be handled as if they were not there.
    pub(super) fn has_unreadable_headers(&self) -> bool {
        self.has_unreadable_headers
    }

    /// It will wait: copies it out of its block, which would else live as long, whatever of it is done.
    pub(super) fn leave_block(&mut self) {
        // What takes more than half of a block costs less than its double.
        if !self.is_apart && self.bytes.len() < BLOCK / 2 {
            self.bytes = Bytes::copy_from_slice(&self.bytes);
        }
        self.is_apart = true;
    }

    /// What it weighs, for back-pressure.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        (self.key >= 0).then(|| &self.bytes[..self.key as usize])
    }

    pub(super) fn payload(&self) -> Option<&[u8]> {
        (self.payload >= 0).then(|| &self.bytes[self.payload_begins()..self.headers_begin()])
    }

    pub(super) fn headers(&self) -> RecordHeaders<'_> {
        RecordHeaders(&self.bytes[self.headers_begin()..])
    }

    /// The headers, where any of [`ADDRESS`] is among them: seen when the record was copied, so that not every look for
    /// one goes through all.
    pub(super) fn address(&self) -> Option<RecordHeaders<'_>> {
        self.is_addressed.then(|| self.headers())
    }

    pub(super) fn place(&self) -> Place {
        Place { topic: self.topic, partition: self.partition, offset: self.offset }
    }

    /// Where it stands, and since when.
    pub(super) fn coordinates<'a>(&self, topic: &'a Subscribed) -> Coordinates<'a> {
        let Self { partition, offset, timestamp_ms, .. } = *self;
        // No letter could say a time that is in no calendar.
        let timestamp_ms = timestamp_ms.filter(|time| CALENDAR.contains(time));
        Coordinates { topic: &topic.name, partition, offset, timestamp_ms }
    }

    fn payload_begins(&self) -> usize {
        self.key.max(0) as usize
    }

    fn headers_begin(&self) -> usize {
        self.payload_begins() + self.payload.max(0) as usize
    }
}

/// The headers of a record, names and bytes as they came.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeaders<'a>(&'a [u8]);

impl<'a> RecordHeaders<'a> {
    /// Where its letter says that it stood, and since when. Anybody can write these headers.
    pub(super) fn told_place(self) -> Option<Coordinates<'a>> {
        let number = |name: &str| self.text(name)?.parse::<i64>().ok().filter(|number| *number >= 0);
        let time = self.text(dlq::TIMESTAMP).and_then(|time| time.parse::<DateTime<Utc>>().ok());
        Some(Coordinates {
            topic: self.text(dlq::TOPIC)?,
            partition: number(dlq::PARTITION)?.try_into().ok()?,
            offset: number(dlq::OFFSET)?,
            timestamp_ms: time.map(|time| time.timestamp_millis()),
        })
    }

    /// The last value of `name` that is text; a later header of a name overrides an earlier one.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        let (_, value) = self.filter(|(header, _)| *header == name.as_bytes()).last()?;
        std::str::from_utf8(value).ok()
    }

    /// Names and values in their order; names that are no text were left out before they got here.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(part)
    }
}

/// For the trace context.
impl Extractor for RecordHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.text(key)
    }

    fn keys(&self) -> Vec<&str> {
        self.pairs().map(|(name, _)| name).collect()
    }
}

impl<'a> Iterator for RecordHeaders<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.part()?, self.part()?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_calendar_is_what_can_be_a_time() {
        for (time, is_one) in [
            (*CALENDAR.start() - 1, false),
            (*CALENDAR.start(), true),
            (*CALENDAR.end(), true),
            (*CALENDAR.end() + 1, false),
        ] {
            assert_eq!(DateTime::from_timestamp_millis(time).is_some(), is_one, "{time}");
        }
    }

    #[test]
    fn a_record_that_waits_does_not_keep_its_block() {
        struct Owner(Vec<u8>, #[expect(dead_code, reason = "counts who holds the block")] Arc<()>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let held = Arc::new(());
        let bytes = Bytes::from_owner(Owner(b"keyvalue".repeat(BLOCK / 8), Arc::clone(&held))).slice(..8);
        let mut record = Record {
            topic: 0,
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            bytes,
            key: 3,
            payload: 5,
            is_addressed: false,
            has_unreadable_headers: false,
            is_apart: false,
        };
        assert_eq!(Arc::strong_count(&held), 2);
        record.leave_block();
        assert_eq!(Arc::strong_count(&held), 1, "the block is free");
        assert_eq!((record.key(), record.payload()), (Some(&b"key"[..]), Some(&b"value"[..])));
    }
}
