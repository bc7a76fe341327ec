//! Header names, the one function that writes an event's headers, and the one type that reads a record's.
//!
//! The `ce_` names are CloudEvents 1.0 in binary mode, so that any CloudEvents SDK can read a record; trace context uses
//! the plain W3C names that OpenTelemetry instrumentations read and write.

use super::{
    envelope::{Envelope, Metadata},
    event::Event,
};

/// Always `1.0`.
pub const CE_SPECVERSION: &str = "ce_specversion";
/// The event id.
pub const CE_ID: &str = "ce_id";
/// The event type.
pub const CE_TYPE: &str = "ce_type";
/// The service that published it.
pub const CE_SOURCE: &str = "ce_source";
/// When the fact happened.
pub const CE_TIME: &str = "ce_time";
/// What it is about: the record key.
pub const CE_SUBJECT: &str = "ce_subject";
/// Subject and version of the schema.
pub const CE_DATASCHEMA: &str = "ce_dataschema";
/// Always `application/json`.
pub const CONTENT_TYPE: &str = "content-type";
/// The journey, as in the metadata.
pub const CORRELATION_ID: &str = "correlation_id";
/// The cause, as in the metadata.
pub const CAUSATION_ID: &str = "causation_id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C trace context.
pub const TRACESTATE: &str = "tracestate";

/// On a replay: the only consumer group that handles the record.
pub const TARGET_GROUP: &str = "x-target-group";
/// On a replay: the only handler of that group, where it has several for the event.
pub const TARGET_HANDLER: &str = "x-target-handler";
/// On a replay: the dead letter that is replayed.
pub const DEAD_LETTER_ID: &str = "x-dead-letter-id";
/// On a replay: the run that it belongs to.
pub const REPLAY_ID: &str = "x-replay-id";
/// On a replay: who holds the key of [`ReplayKey`](super::replay::ReplayKey) sent it.
pub const REPLAY_SIGNATURE: &str = "x-replay-signature";
/// All that are on replays alone. They say something only together: see [`Replay::read`](super::replay::Replay::read).
pub const OF_REPLAY: [&str; 5] = [TARGET_GROUP, TARGET_HANDLER, DEAD_LETTER_ID, REPLAY_ID, REPLAY_SIGNATURE];

/// On dead letters only.
pub mod dlq {
    /// What all of them begin with.
    pub const PREFIX: &str = "dlq.";
    /// The same for the same failure of the same record.
    pub const ID: &str = "dlq.id";
    /// The topic that the record is from. This, partition, offset and time are those where the record of a replay stood first, as far
    /// as that is known.
    pub const TOPIC: &str = "dlq.topic";
    /// Its partition; -1 for what never got into a topic.
    pub const PARTITION: &str = "dlq.partition";
    /// Its offset; -1 for what never got into a topic.
    pub const OFFSET: &str = "dlq.offset";
    /// The record's own time.
    pub const TIMESTAMP: &str = "dlq.timestamp";
    /// The consumer group that gave it up; empty for what never got into a topic, whose replay is for everybody.
    pub const GROUP: &str = "dlq.group";
    /// The handler that gave it up; empty where none got that far.
    pub const HANDLER: &str = "dlq.handler";
    /// The service that gave it up.
    pub const SERVICE: &str = "dlq.service";
    /// That service's version.
    pub const SERVICE_VERSION: &str = "dlq.service_version";
    /// One of five; see [`Category`](crate::flow::error::Category).
    pub const CATEGORY: &str = "dlq.category";
    /// A short stable name of the reason.
    pub const CODE: &str = "dlq.code";
    /// The reason in a sentence.
    pub const MESSAGE: &str = "dlq.message";
    /// The chain of causes, at most 8 KiB.
    pub const CHAIN: &str = "dlq.chain";
    /// The same for failures of the same kind.
    pub const FINGERPRINT: &str = "dlq.fingerprint";
    /// How often the handler was tried.
    pub const ATTEMPTS: &str = "dlq.attempts";
    /// When it failed first; a replay does not change it.
    pub const FIRST_FAILED_AT: &str = "dlq.first_failed_at";
    /// When it failed last.
    pub const FAILED_AT: &str = "dlq.failed_at";
    /// How often it was replayed.
    pub const REPLAYS: &str = "dlq.replays";
    /// The id of the event, where one could be read.
    pub const EVENT_ID: &str = "dlq.event_id";
    /// The type of the event, where one could be read.
    pub const EVENT_TYPE: &str = "dlq.event_type";
    /// The journey, where one is known.
    pub const CORRELATION_ID: &str = "dlq.correlation_id";

    /// Only where the topic does not take the whole record: which of `key`, `value`, `headers` the letter is without, with
    /// commas.
    pub const OMITTED: &str = "dlq.omitted";
    /// With it: how many bytes the whole record has.
    pub const BYTES: &str = "dlq.bytes";
    /// With it: where the whole record is. The name of a table in the schema of `dlq.service`, or [`LOG`].
    pub const KEPT_IN: &str = "dlq.kept_in";
    /// With [`LOG`]: until when, as the catalogue has it.
    pub const KEPT_UNTIL: &str = "dlq.kept_until";
    /// Says of a record that it is kept where `dlq.topic`, `dlq.partition` and `dlq.offset` point to.
    pub const LOG: &str = "log";
}

/// The headers of an event.
pub fn of<E: Event>(envelope: &Envelope<E>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        (CE_SPECVERSION, "1.0".to_owned()),
        (CE_ID, envelope.event_id.to_string()),
        (CE_TYPE, envelope.event_type.clone()),
        (CE_SOURCE, envelope.metadata.source.clone()),
        (CE_TIME, super::envelope::timestamp(&envelope.timestamp)),
        (CE_SUBJECT, envelope.key()),
        (CE_DATASCHEMA, dataschema::<E>(&envelope.metadata)),
        (CONTENT_TYPE, "application/json".to_owned()),
    ];
    if let Some(id) = &envelope.metadata.correlation_id {
        headers.push((CORRELATION_ID, id.clone()));
    }
    if let Some(id) = &envelope.metadata.causation_id {
        headers.push((CAUSATION_ID, id.clone()));
    }
    headers
}

/// Subject and version: `:v1` for 1.0, `:v1.1` for 1.1.
fn dataschema<E: Event>(metadata: &Metadata) -> String {
    let version = metadata.version.strip_suffix(".0").unwrap_or(&metadata.version);
    format!("{}-{}:v{version}", E::TOPIC.name, E::TYPE)
}

/// The headers of a received record, names and bytes as they came.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Takes over a record's headers.
    pub fn new(headers: Vec<(String, Vec<u8>)>) -> Self {
        Self(headers)
    }

    /// The last value of `name` that is text; a later header of a name overrides an earlier one.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }

    /// All headers in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::contract::{
        event::{EventId, NewEvent},
        schema::healthcore::PatientDeletedV1,
    };

    #[test]
    fn each_header_has_its_value() {
        let event = NewEvent {
            occurred_at: Utc.with_ymd_and_hms(2025, 12, 14, 19, 0, 0).unwrap(),
            causation_id: Some(EventId::derived(&["cause"])),
            ..NewEvent::fact(PatientDeletedV1 { patient_id: 123 }).correlated("call-7f3a")
        };
        let envelope = Envelope::seal(event, "healthcore-publisher");
        let id = envelope.event_id.to_string();
        let cause = EventId::derived(&["cause"]).to_string();
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", &id),
            ("ce_type", "patient.deleted"),
            ("ce_source", "healthcore-publisher"),
            ("ce_time", "2025-12-14T19:00:00.000Z"),
            ("ce_subject", "123"),
            ("ce_dataschema", "healthcore.patient.deleted-patient.deleted:v1"),
            ("content-type", "application/json"),
            ("correlation_id", "call-7f3a"),
            ("causation_id", &cause),
        ];
        let written = of(&envelope);
        let written: Vec<_> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn a_later_header_overrides_an_earlier_one() {
        let headers = Headers::new(vec![("a".into(), b"1".to_vec()), ("a".into(), b"2".to_vec())]);
        assert_eq!(headers.text("a"), Some("2"));
    }
}
