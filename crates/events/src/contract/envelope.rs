//! The record's value: identity, type and time of an event, its data, and where it comes from.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{
    event::{Event, EventId, NewEvent},
    outside_text::plain,
};

/// An event as it stands in Kafka.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<D> {
    /// UUID; a reader that has handled it once ignores it.
    pub event_id: EventId,
    /// Such as `patient.created`.
    pub event_type: String,
    /// When the fact happened: UTC, RFC 3339, milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub timestamp: DateTime<Utc>,
    /// The payload of this event type and version.
    pub data: D,
    /// Where it comes from and what it belongs to.
    pub metadata: Metadata,
}

/// Where an event comes from and what it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// The service that published it.
    pub source: String,
    // The schema of a released version has these words. The second number counts what was added to the envelope (ADR 41).
    /// `"<schema version>.0"` of this event type.
    #[schemars(regex(pattern = r"^[1-9][0-9]*\.[0-9]+$"))]
    pub version: String,
    /// The journey: a call, a lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The id of the event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// The tenant, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Who did it: `token:<name>`, `handler:<name>`, `role:<database role>` or `command:<name>`. Never a person's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// The longest text of the metadata that a reader hands on, in bytes: twice what `voice-ingest` takes for the id of a call.
pub const MAX_METADATA: usize = 256;

impl Metadata {
    /// As columns and settings of a database take it. Whoever wrote it, the event is sound: texts are cut and cleaned, the
    /// same way for all events of a journey.
    pub(super) fn make_storable(&mut self) {
        let Self { source, version, correlation_id, causation_id, tenant_id, actor } = self;
        let given = [correlation_id, causation_id, tenant_id, actor].into_iter().flatten();
        for text in [source, version].into_iter().chain(given) {
            if let Cow::Owned(plain) = plain(text, MAX_METADATA) {
                *text = plain;
            }
        }
    }
}

impl<E: Event> Envelope<E> {
    /// Seals a new event as `source` publishes it.
    pub fn seal(event: NewEvent<E>, source: &str) -> Self {
        let actor = event.actor.filter(|_| E::ACTOR);
        Self {
            event_id: event.id,
            event_type: E::TYPE.to_owned(),
            timestamp: event.occurred_at,
            metadata: Metadata {
                source: source.to_owned(),
                version: format!("{}.{}", E::VERSION, u16::from(actor.is_some())),
                correlation_id: event.correlation_id,
                causation_id: event.causation_id.map(|id| id.to_string()),
                tenant_id: event.tenant_id,
                actor,
            },
            data: event.data,
        }
    }

    /// The record key: that of the data, else the event id.
    pub fn key(&self) -> String {
        let key = self.data.key();
        if key.is_empty() { self.event_id.to_string() } else { key }
    }
}

/// The one form of a time on the wire.
pub fn timestamp(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// For `#[serde(serialize_with)]`: a time in that one form.
pub(crate) fn milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp(time))
}

/// The same where it may be missing.
pub(crate) fn optional_milliseconds<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => milliseconds(time, to),
        None => to.serialize_none(),
    }
}
