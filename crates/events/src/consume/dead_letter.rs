//! What cannot be applied is kept: original key, bytes and headers, and beside them why, where and since when. The write is
//! acknowledged before the offset moves.

use chrono::DateTime;

use super::{
    failure::Failure,
    record::{Record, Subscribed},
};
use crate::{
    contract::{
        codec::Opened,
        dead_letter::DeadLetter,
        event::EventId,
        headers::{self, dlq},
    },
    kafka::producer::OutRecord,
};

/// Who gave it up.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    pub(super) group: &'a str,
    /// Empty where no handler got that far.
    pub(super) handler: &'a str,
    pub(super) service: &'a str,
}

/// The dead letter of a record.
pub(super) fn write(
    queue: String,
    record: &Record,
    topic: &Subscribed,
    event: &Option<Opened<'_>>,
    by: &Reporter<'_>,
    failure: &Failure,
) -> OutRecord {
    let (original, event) = (record.headers(), event.as_ref());
    let replayed = original.text(headers::DEAD_LETTER_ID);
    // The same failure of the same record is the same letter, however often the record is delivered.
    let id = replayed.map(str::to_owned).unwrap_or_else(|| {
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        EventId::derived(&["dead letter", by.group, by.handler, &topic.name, &partition, &offset]).to_string()
    });
    let replays = original.text(dlq::REPLAYS).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let correlation = event.and_then(|event| event.metadata.correlation_id.clone());
    let ours = DeadLetter {
        id,
        topic: &topic.name,
        position: Some((record.partition, record.offset)),
        timestamp: record.timestamp_ms.and_then(DateTime::from_timestamp_millis),
        group: by.group,
        handler: by.handler,
        service: by.service,
        category: failure.category,
        code: failure.code,
        message: &failure.message,
        chain: &failure.chain,
        attempts: failure.attempts,
        first_failed_at: original
            .text(dlq::FIRST_FAILED_AT)
            .and_then(|at| at.parse().ok())
            .unwrap_or(failure.first_failed_at),
        replays: replays.saturating_add(u32::from(replayed.is_some())),
        event_id: event.map(|event| event.event_id.to_string()).unwrap_or_default(),
        event_type: event.map(|event| event.event_type.to_string()).unwrap_or_default(),
        correlation_id: correlation
            .or_else(|| original.text(headers::CORRELATION_ID).map(str::to_owned))
            .unwrap_or_default(),
    };
    // Headers of an earlier failure and of the replay are replaced, never added to.
    let kept = original.pairs().filter(|(name, _)| {
        !name.starts_with(dlq::PREFIX)
            && ![headers::TARGET_GROUP, headers::TARGET_HANDLER, headers::DEAD_LETTER_ID, headers::REPLAY_ID]
                .contains(name)
    });
    let kept = kept.map(|(name, value)| (name.to_owned(), value.to_vec()));
    OutRecord {
        topic: queue,
        key: record.key().map(<[u8]>::to_vec),
        payload: record.payload().map(<[u8]>::to_vec),
        headers: kept
            .chain(ours.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())))
            .collect(),
    }
}
