//! What an event type is, and how a new event is made.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::topics::TopicSpec;

/// The payload of one event type in one version.
pub trait Event: Serialize + DeserializeOwned + JsonSchema + fmt::Debug + Send + Sync + 'static {
    /// The event type on the wire, such as `patient.created`.
    const TYPE: &'static str;
    /// The schema version that this Rust type stands for.
    const VERSION: u16;
    /// The topic that carries it.
    const TOPIC: &'static TopicSpec;

    /// Whether its envelope may name who did it, `metadata.actor`. An envelope that does is of the version `1.1`: what is
    /// added is optional, and whoever reads 1.0 ignores it.
    const ACTOR: bool = false;

    /// The record key: events of one key stay in order. Empty where each event stands alone; the record then has the
    /// event id as its key.
    fn key(&self) -> String;

    /// Reads what was written in a version, which is at most [`Self::VERSION`]. A first version reads itself; a later
    /// one says with [`upcast`] which version came before it.
    ///
    /// # Errors
    /// When the data does not have the fields of that version.
    fn read<'de, D: Deserializer<'de>>(_version: u16, data: D) -> Result<Self, D::Error> {
        Self::deserialize(data)
    }
}

/// Reads what was written in `version` as `E`, whose predecessor is `P`: an older version is read as `P` and converted,
/// so that each step knows only the one before it.
///
/// # Errors
/// When the data does not have the fields of that version.
pub fn upcast<'de, E, P, D>(version: u16, data: D) -> Result<E, D::Error>
where
    E: Event + From<P>,
    P: Event,
    D: Deserializer<'de>,
{
    if version < E::VERSION { P::read(version, data).map(E::from) } else { E::deserialize(data) }
}

/// The identity of an event. A consumer that sees it twice has a repeat before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// Under this name space all derived ids of the system are made; it never changes.
const DERIVED: Uuid = Uuid::from_u128(0x7d0c_5c1e_6f0b_5a52_9a3b_3f6f_5b0c_77a1);

impl EventId {
    /// The id of a new fact: UUID v7, so that ids sort by time.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of something that follows from something else: the same parts give the same id, so that work that is
    /// done twice yields one event to every reader.
    pub fn derived(parts: &[&str]) -> Self {
        // A unit separator keeps ("ab", "c") and ("a", "bc") apart.
        Self(Uuid::new_v5(&DERIVED, parts.join("\u{1f}").as_bytes()))
    }
}

impl Default for EventId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record stands, and since when. A record that carries no id or no time of its own has these.
#[derive(Debug, Clone, Copy)]
pub struct Coordinates<'a> {
    /// The name in Kafka.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The record's own time, in milliseconds since 1970, where it has one.
    pub timestamp_ms: Option<i64>,
}

impl Coordinates<'_> {
    /// The identity of what has none of its own. The time belongs to it: at one place of two logs stand two records.
    pub(crate) fn id(&self) -> EventId {
        self.derive(&[])
    }

    /// The id of the letter that this handler of the group writes about what stands here.
    pub(crate) fn letter_id(&self, group: &str, handler: &str) -> EventId {
        self.derive(&["dead letter", group, handler])
    }

    fn derive(&self, before: &[&str]) -> EventId {
        let (partition, offset) = (self.partition.to_string(), self.offset.to_string());
        let time = self.timestamp_ms.map(|time| time.to_string());
        let mut parts = [before, &[self.topic, &partition, &offset]].concat();
        parts.extend(time.as_deref());
        EventId::derived(&parts)
    }
}

/// What a record has instead of an id or a time that it does not say.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// It is named by where and when it stood.
    Place(Coordinates<'a>),
    /// Where it stood is not known.
    Named {
        /// Its identity.
        id: EventId,
        /// As in [`Coordinates`].
        timestamp_ms: Option<i64>,
    },
}

impl<'a> From<Coordinates<'a>> for Origin<'a> {
    fn from(at: Coordinates<'a>) -> Self {
        Self::Place(at)
    }
}

impl Origin<'_> {
    pub(crate) fn id(&self) -> EventId {
        match self {
            Self::Place(at) => at.id(),
            Self::Named { id, .. } => *id,
        }
    }

    pub(crate) fn timestamp_ms(&self) -> Option<i64> {
        match self {
            Self::Place(Coordinates { timestamp_ms, .. }) | Self::Named { timestamp_ms, .. } => *timestamp_ms,
        }
    }

    /// The record's own time, 1970 where it has none: whatever it is, a redelivery has it too.
    pub(super) fn time(&self) -> DateTime<Utc> {
        self.timestamp_ms().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
    }
}

/// An event on its way out.
#[derive(Debug, Clone)]
pub struct NewEvent<E> {
    /// Its identity.
    pub id: EventId,
    /// When the fact happened.
    pub occurred_at: DateTime<Utc>,
    /// The journey that it belongs to; `None` takes that of the event being handled.
    pub correlation_id: Option<String>,
    /// The event that caused it; `None` takes the event being handled.
    pub causation_id: Option<EventId>,
    /// The tenant, where there is one.
    pub tenant_id: Option<String>,
    /// Who did it, as [`Metadata::actor`](super::envelope::Metadata::actor) has it; `None` takes whoever the transaction
    /// names. Written only where [`Event::ACTOR`] says so.
    pub actor: Option<String>,
    /// The payload.
    pub data: E,
}

impl<E: Event> NewEvent<E> {
    /// A new fact, now.
    pub fn fact(data: E) -> Self {
        Self {
            id: EventId::new(),
            occurred_at: Utc::now(),
            correlation_id: None,
            causation_id: None,
            tenant_id: None,
            actor: None,
            data,
        }
    }

    /// What follows from `cause` for `purpose`: doing the work again gives the same id.
    pub fn derived(data: E, cause: EventId, purpose: &str) -> Self {
        Self { id: EventId::derived(&[&cause.to_string(), purpose]), causation_id: Some(cause), ..Self::fact(data) }
    }

    /// Names the journey that it belongs to.
    pub fn correlated(mut self, correlation_id: impl Into<String>) -> Self {
        self.correlation_id = Some(correlation_id.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_repeat_and_do_not_run_together() {
        assert_eq!(EventId::derived(&["a", "b"]), EventId::derived(&["a", "b"]));
        assert_ne!(EventId::derived(&["ab", "c"]), EventId::derived(&["a", "bc"]));
    }
}
