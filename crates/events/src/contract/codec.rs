//! Bytes to an event and back. Reads the envelope, plain or framed by a schema registry, and the shapes of the earlier
//! systems' producers; what fits none of them is refused with the reason, and the caller keeps the bytes.
//!
//! Readers are tolerant: unknown fields are ignored, missing optional ones default. No message here carries a value.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use serde_path_to_error::Track;
use thiserror::Error;
use uuid::Uuid;

use super::{
    envelope::{Envelope, Metadata},
    event::{Event, EventId},
    legacy,
    topics::TopicSpec,
};
use crate::flow::error::Category;

/// Where a record stands. A record that carries no id of its own is named by this.
#[derive(Debug, Clone, Copy)]
pub struct Coordinates<'a> {
    /// The name in Kafka.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// An event whose type is known and whose data is not read yet.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Its identity; derived from where it stands when it carries none.
    pub event_id: EventId,
    /// What it is, such as `patient.created`.
    pub event_type: Cow<'a, str>,
    /// When the fact happened.
    pub timestamp: DateTime<Utc>,
    /// Where it comes from and what it belongs to.
    pub metadata: Metadata,
    /// The schema version that it was written in.
    pub version: u16,
    data: Data<'a>,
}

#[derive(Debug)]
enum Data<'a> {
    Borrowed(&'a RawValue),
    Lifted(serde_json::Value),
}

/// Why bytes are no event that this reader can handle.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// No known shape.
    #[error("the record is no event of a known shape: {0}")]
    Shape(String),
    /// The data does not match the schema.
    #[error("the data does not match {event_type} version {version}: {problem}")]
    Schema { event_type: &'static str, version: u16, problem: String },
    /// Written by somebody newer.
    #[error("{event_type} has version {found}, this reader knows versions up to {known}; update this service first")]
    FutureVersion { event_type: &'static str, found: u16, known: u16 },
    /// A header's name is no text.
    #[error("the record has headers whose names are no UTF-8; its producer is to be mended")]
    UnreadableHeaders,
}

impl DecodeError {
    /// The category that a dead letter of this carries.
    pub fn category(&self) -> Category {
        match self {
            Self::Shape(_) | Self::UnreadableHeaders => Category::Deserialization,
            Self::Schema { .. } | Self::FutureVersion { .. } => Category::SchemaValidation,
        }
    }

    /// A short stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) => "unknown_shape",
            Self::Schema { .. } => "schema_mismatch",
            Self::FutureVersion { .. } => "future_version",
            Self::UnreadableHeaders => "unreadable_headers",
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    event_id: Uuid,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(deserialize_with = "time")]
    timestamp: DateTime<Utc>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Takes what chrono takes for a time. Strict RFC 3339, which nearly every time is, has a much faster reader, so it goes first.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    let Text(text) = Text::deserialize(from)?;
    let time = DateTime::parse_from_rfc3339(&text).or_else(|_| text.parse()).map_err(D::Error::custom)?;
    Ok(time.to_utc())
}

/// The registries' wire format: a zero byte and a four-byte schema id before the JSON.
const REGISTRY_FRAME: usize = 5;

fn unframed(value: &[u8]) -> &[u8] {
    match value {
        [0, ..] if value.len() > REGISTRY_FRAME => &value[REGISTRY_FRAME..],
        _ => value,
    }
}

/// Reads a record's value as far as its type. `topic` is the catalogue's name for where it was found.
pub fn open<'a>(topic: &TopicSpec, at: Coordinates<'_>, value: &'a [u8]) -> Result<Opened<'a>, DecodeError> {
    let json = unframed(value);
    // Text as a whole, and not again string by string.
    let wire = str::from_utf8(json).map_err(serde_json::Error::custom).and_then(serde_json::from_str::<Wire<'a>>);
    match wire {
        Ok(wire) => Ok(Opened {
            event_id: EventId(wire.event_id),
            event_type: wire.event_type,
            timestamp: wire.timestamp,
            version: version(&wire.metadata.version)?,
            metadata: wire.metadata,
            data: Data::Borrowed(wire.data),
        }),
        // Whoever writes `event_type` means the envelope: its own mistake says more than "no known shape".
        Err(problem) => match legacy::lift(topic, at, json) {
            Some(lifted) => Ok(Opened {
                event_id: lifted.event_id,
                event_type: Cow::Owned(lifted.event_type),
                timestamp: lifted.timestamp,
                version: version(&lifted.metadata.version)?,
                metadata: lifted.metadata,
                data: Data::Lifted(lifted.data),
            }),
            None => Err(DecodeError::Shape(without_values(&problem))),
        },
    }
}

impl Opened<'_> {
    /// Reads the data as `E`; what an older version wrote is upcast to it.
    ///
    /// # Errors
    /// When the data does not match the schema that it was written in, or that schema is newer than `E`.
    pub fn typed<E: Event>(&self) -> Result<E, DecodeError> {
        if self.version > E::VERSION {
            return Err(DecodeError::FutureVersion { event_type: E::TYPE, found: self.version, known: E::VERSION });
        }
        let read = match &self.data {
            Data::Borrowed(raw) => E::read(self.version, &mut serde_json::Deserializer::from_str(raw.get())),
            Data::Lifted(value) => E::read(self.version, value),
        };
        read.map_err(|problem| DecodeError::Schema {
            event_type: E::TYPE,
            version: self.version,
            problem: format!("{}{}", self.place_of_the_problem::<E>(), without_values(&problem)),
        })
    }

    /// Reads once more, only to tell which field it is: keeping track of that slows every reading down.
    fn place_of_the_problem<E: Event>(&self) -> String {
        let mut track = Track::new();
        let failed = match &self.data {
            Data::Borrowed(raw) => {
                let mut json = serde_json::Deserializer::from_str(raw.get());
                E::read(self.version, serde_path_to_error::Deserializer::new(&mut json, &mut track)).is_err()
            }
            Data::Lifted(value) => {
                E::read(self.version, serde_path_to_error::Deserializer::new(value, &mut track)).is_err()
            }
        };
        let place = failed.then(|| track.path().to_string());
        // The place of what concerns the whole is a dot.
        place.filter(|place| place != ".").map(|place| format!("{place}: ")).unwrap_or_default()
    }
}

/// The envelope as bytes.
pub fn encode<E: Event>(envelope: &Envelope<E>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(envelope)
}

fn version(text: &str) -> Result<u16, DecodeError> {
    if text.is_empty() {
        return Ok(1);
    }
    let major = text.split('.').next().unwrap_or(text);
    major.parse().map_err(|_| DecodeError::Shape("metadata.version is not a number such as \"1.0\"".to_owned()))
}

/// serde_json quotes the offending value in some messages (`invalid type: string "…"`); what a caller said must not get
/// into logs and headers that way.
fn without_values(problem: &serde_json::Error) -> String {
    let text = problem.to_string();
    let mut clean = String::with_capacity(text.len());
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '"') => {
                quote = Some('"');
                clean.push_str("\"…\"");
            }
            (None, _) => clean.push(character),
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(end), _) if character == end => quote = None,
            (Some(_), _) => {}
        }
    }
    // Numbers and dates are quoted in back-ticks or not at all: keep only what names the expectation.
    match (clean.find("invalid value: "), clean.find(", expected ")) {
        (Some(from), Some(to)) if from < to => {
            format!("{}invalid value{}", &clean[..from], &clean[to..])
        }
        _ => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{event::NewEvent, schema::voice::PatientCreationV1, topics::AI_RESPONSES};

    const AT: Coordinates<'static> = Coordinates { topic: "ai-responses", partition: 3, offset: 42 };

    fn patient() -> PatientCreationV1 {
        PatientCreationV1 {
            call_id: "call-1".into(),
            name: "Zoë Krüger".into(),
            email: None,
            phone: Some("555-1234".into()),
            phone_e164: None,
            date_of_birth: None,
            extraction_id: "x".into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let envelope = Envelope::seal(NewEvent::fact(patient()), "voice-ingest");
        let bytes = encode(&envelope).unwrap();
        let mut framed = vec![0, 0, 0, 0, 7];
        framed.extend_from_slice(&bytes);
        for value in [bytes, framed] {
            let opened = open(&AI_RESPONSES, AT, &value).unwrap();
            assert_eq!(opened.event_id, envelope.event_id);
            assert_eq!(opened.event_type, "ai_response.patient_creation");
            assert_eq!(opened.metadata, envelope.metadata);
            assert_eq!(opened.typed::<PatientCreationV1>().unwrap(), patient());
        }
    }

    #[test]
    fn a_time_is_read_in_whatever_form_chrono_takes() {
        let read = |time: &str| {
            let mut envelope = serde_json::to_value(Envelope::seal(NewEvent::fact(patient()), "voice-ingest")).unwrap();
            envelope["timestamp"] = time.into();
            let bytes = envelope.to_string().into_bytes();
            open(&AI_RESPONSES, AT, &bytes).map(|opened| opened.timestamp)
        };
        for time in ["2026-11-21T10:00:00.123Z", "2026-11-21t10:00:00.123456789+01:00", "2026-11-21 10:00 : 00 -0530"] {
            assert_eq!(read(time).unwrap(), time.parse::<DateTime<Utc>>().unwrap());
        }
        assert!(read("2026-11-31T10:00:00Z").is_err());
    }

    #[test]
    fn what_fits_no_shape_is_refused_without_its_values() {
        for value in [&b""[..], b"\xff\xfe", b"null", b"[]", b"{\"name\":\"Jane Roe\"}", b"\0\0\0\0\x01"] {
            let problem = open(&AI_RESPONSES, AT, value).unwrap_err();
            assert_eq!(problem.category(), Category::Deserialization);
            assert!(!problem.to_string().contains("Jane"), "{problem}");
        }
        let value =
            br#"{"call_id":"c","response_type":"PATIENT_CREATION","data":{"name":"Jane","date_of_birth":"Jane Roe"}}"#;
        let problem = open(&AI_RESPONSES, AT, value).unwrap().typed::<PatientCreationV1>().unwrap_err();
        assert_eq!(problem.category(), Category::SchemaValidation);
        assert!(!problem.to_string().contains("Jane"), "{problem}");
        assert!(problem.to_string().contains("date_of_birth"), "{problem}");
    }

    #[test]
    fn a_version_from_the_future_is_a_schema_error() {
        let mut envelope = Envelope::seal(NewEvent::fact(patient()), "voice-ingest");
        envelope.metadata.version = "2.0".into();
        let bytes = encode(&envelope).unwrap();
        let problem = open(&AI_RESPONSES, AT, &bytes).unwrap().typed::<PatientCreationV1>().unwrap_err();
        assert!(matches!(problem, DecodeError::FutureVersion { found: 2, known: 1, .. }), "{problem}");
    }
}
