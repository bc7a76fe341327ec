//! What cannot be applied is kept: original key, bytes and headers, and beside them why, where and since when. The write is
//! acknowledged before the offset moves.
//!
//! Where the topic does not take the whole record, the letter is a pointer: it says what it is without, and where that is.

use chrono::{DateTime, TimeDelta};

use super::{
    failure::Failure,
    record::{Record, Subscribed},
};
use crate::{
    contract::{
        codec::Opened,
        dead_letter::DeadLetter,
        envelope::timestamp,
        event::{Coordinates, EventId},
        headers::{self, dlq},
        replay::Replay,
    },
    kafka::producer::OutRecord,
};

/// What of a record is larger than this is left out of its letter where the topic does not take all of it: three such parts
/// and the explanation are far below the smallest limit that is of any use.
const LARGE: usize = 4 << 10;

/// A client (librdkafka) that reads a record of more than 100 000 headers sees none of them.
const MOST_HEADERS: usize = 100_000;
/// What a header takes besides its name and its value, at least.
const HEADER: usize = 2;

/// Where its record stands.
const OF_PLACE: [&str; 4] = [dlq::TOPIC, dlq::PARTITION, dlq::OFFSET, dlq::TIMESTAMP];

/// Who gave it up.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    pub(super) group: &'a str,
    /// Empty where no handler got that far.
    pub(super) handler: &'a str,
    /// No other handler of the group wants such events.
    pub(super) is_alone: bool,
    pub(super) service: &'a str,
}

/// Which letter it is.
struct Identity<'a> {
    id: String,
    /// Where and when its record stood first, as far as that is known.
    at: Coordinates<'a>,
    /// It was written before and has failed again in a replay.
    is_again: bool,
}

impl<'a> Identity<'a> {
    /// The same failure of the same record is the same letter, however often the record is delivered. Each handler's is its own,
    /// also where the replay of one handler's letter fails at another.
    fn of(record: &'a Record, topic: &'a Subscribed, replay: Option<&Replay>, by: &Reporter<'_>) -> Self {
        let derived = |at: Coordinates<'_>| at.letter_id(by.group, by.handler).to_string();
        let original = record.headers();
        let at = record.coordinates(topic);
        let Some(replay) = replay else {
            return Self { id: derived(at), at, is_again: false };
        };
        let replayed = &*replay.dead_letter_id.to_string();
        let first = record.first_place(replay);
        let is_again = match (original.text(dlq::HANDLER), &replay.handler) {
            // Nobody else has a letter of a record that nobody can read.
            _ if by.handler.is_empty() => true,
            (Some(handler), _) => handler == by.handler,
            (None, Some(_)) => true,
            (None, None) => by.is_alone || original.told_place().is_some_and(|told| derived(told) == replayed),
        };
        let id = match first {
            _ if is_again => replayed.to_owned(),
            Some(first) => derived(first),
            None => EventId::derived(&["dead letter", by.group, by.handler, replayed]).to_string(),
        };
        Self { id, at: first.unwrap_or(at), is_again }
    }
}

/// A dead letter to be sent.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) record: OutRecord,
}

impl Letter {
    /// Whether whoever reads it sees its headers.
    pub(super) fn is_readable(&self) -> bool {
        self.record.headers.len() <= MOST_HEADERS
    }
}

/// The dead letter of a record.
pub(super) fn write(
    queue: String,
    record: &Record,
    topic: &Subscribed,
    event: &Option<Opened<'_>>,
    replay: Option<&Replay>,
    by: &Reporter<'_>,
    failure: &Failure,
) -> Letter {
    let (original, event) = (record.headers(), event.as_ref());
    let Identity { id, at, is_again } = Identity::of(record, topic, replay, by);
    let before = |name: &str| original.text(name).filter(|_| is_again);
    let first_failed_at = before(dlq::FIRST_FAILED_AT).and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    let first_failed_at = first_failed_at.map_or(failure.first_failed_at, |time| time.to_utc());
    let replays = before(dlq::REPLAYS).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let correlation = event.and_then(|event| event.metadata.correlation_id.clone());
    let ours = DeadLetter {
        id: id.clone(),
        topic: at.topic,
        position: Some((at.partition, at.offset)),
        timestamp: at.timestamp_ms.and_then(DateTime::from_timestamp_millis),
        group: by.group,
        handler: by.handler,
        service: by.service,
        category: failure.category,
        code: failure.code,
        message: &failure.message,
        chain: &failure.chain,
        attempts: failure.attempts,
        first_failed_at,
        replays: replays.saturating_add(u32::from(is_again)),
        event_id: event.map(|event| event.event_id.to_string()).unwrap_or_default(),
        event_type: event.map(|event| event.event_type.to_string()).unwrap_or_default(),
        correlation_id: correlation
            .or_else(|| original.text(headers::CORRELATION_ID).map(str::to_owned))
            .unwrap_or_default(),
    };
    // Headers of an earlier failure and of the replay are replaced, never added to.
    let kept =
        original.pairs().filter(|(name, _)| !name.starts_with(dlq::PREFIX) && !headers::OF_REPLAY.contains(name));
    let kept = kept.map(|(name, value)| (name.to_owned(), value.to_vec()));
    let record = OutRecord {
        topic: queue,
        key: record.key().map(<[u8]>::to_vec),
        payload: record.payload().map(<[u8]>::to_vec),
        headers: kept
            .chain(ours.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())))
            .collect(),
    };
    Letter { id, record }
}

/// Where the bytes are that a letter is without.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeptIn {
    /// In the table `dead_letter_bytes`.
    Database,
    /// In the record's own topic, for as long as that keeps it.
    Log,
}

/// A letter without what is large of its record.
#[derive(Debug)]
pub(super) struct Pointer {
    letter: OutRecord,
    omitted: String,
}

impl Pointer {
    /// `None` where no part is large: then it is not for them that the letter is refused.
    pub(super) fn of(mut letter: OutRecord) -> Option<Self> {
        let mut omitted = Vec::new();
        for (name, part) in [("key", &mut letter.key), ("value", &mut letter.payload)] {
            if part.take_if(|part| part.len() > LARGE).is_some() {
                omitted.push(name);
            }
        }
        let is_own = |name: &str| !name.starts_with(dlq::PREFIX);
        let own = letter.headers.iter().filter(|(name, _)| is_own(name));
        if own.map(|(name, value)| name.len() + value.len() + HEADER).sum::<usize>() > LARGE {
            letter.headers.retain(|(name, _)| !is_own(name));
            omitted.push("headers");
        }
        (!omitted.is_empty()).then(|| Self { letter, omitted: omitted.join(",") })
    }

    /// The letter, with where the whole record is.
    pub(super) fn to(self, kept_in: KeptIn, record: &Record, topic: &Subscribed) -> OutRecord {
        let Self { mut letter, omitted } = self;
        if matches!(kept_in, KeptIn::Log) {
            letter.headers.retain(|(name, _)| !OF_PLACE.contains(&name.as_str()));
        }
        let mut say = |name: &str, value: String| letter.headers.push((name.to_owned(), value.into_bytes()));
        say(dlq::OMITTED, omitted);
        say(dlq::BYTES, record.size().to_string());
        match kept_in {
            KeptIn::Database => say(dlq::KEPT_IN, "dead_letter_bytes".to_owned()),
            KeptIn::Log => {
                say(dlq::KEPT_IN, dlq::LOG.to_owned());
                // The bytes of a replay are not where its record stood first.
                let recorded_at = record.timestamp_ms.and_then(DateTime::from_timestamp_millis);
                say(dlq::TOPIC, topic.name.clone());
                say(dlq::PARTITION, record.partition.to_string());
                say(dlq::OFFSET, record.offset.to_string());
                say(dlq::TIMESTAMP, recorded_at.map(|at| timestamp(&at)).unwrap_or_default());
                if let Some(until) = recorded_at
                    .and_then(|at| at.checked_add_signed(TimeDelta::from_std(topic.spec.retention).unwrap_or_default()))
                {
                    say(dlq::KEPT_UNTIL, timestamp(&until));
                }
            }
        }
        letter
    }
}
