//! Bytes to an event and back. Reads the envelope, plain or framed by a schema registry, and the shapes of the earlier
//! systems' producers; what fits none of them is refused with the reason, and the caller keeps the bytes.
//!
//! Readers are tolerant: unknown fields are ignored, missing optional ones default. No message here carries a value. What
//! is handed on can be stored by PostgreSQL: texts of the metadata are made plain, an event with U+0000 in its data is
//! refused.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

pub use super::no_event::NoEvent;
use super::{
    alien::alien,
    envelope::{Envelope, Metadata},
    event::{Event, EventId, Origin},
    json::{Json, is_object},
    legacy::{self, NotLifted},
    mismatch::Mismatch,
    outside_text::holds_nul,
    second_reading,
    topics::TopicSpec,
};
use crate::flow::error::Category;

/// An event whose type is known and whose data is not read yet.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Its identity; derived from where and when it stood when it carries none.
    pub event_id: EventId,
    /// What it is, such as `patient.created`.
    pub event_type: Cow<'a, str>,
    /// When the fact happened.
    pub timestamp: DateTime<Utc>,
    /// Where it comes from and what it belongs to: each text at most
    /// [`MAX_METADATA`](super::envelope::MAX_METADATA) bytes, without control characters.
    pub metadata: Metadata,
    /// The schema version that it was written in.
    pub version: u16,
    data: Data<'a>,
    /// U+0000 is somewhere in the record.
    holds_nul: bool,
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
    Shape(NoEvent),
    /// The data does not match the schema.
    #[error("the data does not match {event_type} version {version}: {problem}")]
    Schema { event_type: &'static str, version: u16, problem: Mismatch },
    /// The data has a text that PostgreSQL cannot store.
    #[error("the data of {event_type} version {version} has a text with the character U+0000, which cannot be stored")]
    Unstorable { event_type: &'static str, version: u16 },
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
            Self::Schema { .. } | Self::Unstorable { .. } | Self::FutureVersion { .. } => Category::SchemaValidation,
        }
    }

    /// A short stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) => "unknown_shape",
            Self::Schema { .. } => "schema_mismatch",
            Self::Unstorable { .. } => "unstorable_text",
            Self::FutureVersion { .. } => "future_version",
            Self::UnreadableHeaders => "unreadable_headers",
        }
    }
}

/// An envelope whose data is not read yet.
#[derive(Deserialize)]
#[serde(bound(deserialize = "D: Deserialize<'de>"))]
struct Wire<'a, D> {
    event_id: Uuid,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(deserialize_with = "time")]
    timestamp: DateTime<Utc>,
    data: D,
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

/// The JSON of a value, whether or not it is in the frame of a registry.
pub(crate) fn unframed(value: &[u8]) -> &[u8] {
    match value {
        [0, ..] if value.len() > REGISTRY_FRAME => &value[REGISTRY_FRAME..],
        _ => value,
    }
}

/// Reads a record's value as far as its type. `topic` is the catalogue's name for where it was found, `from` is what it has
/// instead of an id or a time that it does not say.
pub fn open<'a, 'o>(
    topic: &TopicSpec,
    from: impl Into<Origin<'o>>,
    value: &'a [u8],
) -> Result<Opened<'a>, DecodeError> {
    let json = unframed(value);
    // Text as a whole, and not again string by string.
    let not_utf8 = || alien(value).or_else(|| alien(json)).map_or(NoEvent::NotUtf8, NoEvent::Alien);
    let text = str::from_utf8(json).map_err(|_| DecodeError::Shape(not_utf8()))?;
    let mut opened = match serde_json::from_str::<Wire<'a, &'a RawValue>>(text) {
        Ok(wire) if !wire.event_id.is_nil() && is_object(text) => Opened {
            event_id: EventId(wire.event_id),
            event_type: wire.event_type,
            timestamp: wire.timestamp,
            version: version(&wire.metadata.version)?,
            metadata: wire.metadata,
            data: Data::Borrowed(wire.data),
            holds_nul: holds_nul(text),
        },
        _ => {
            let lifted = legacy::lift(topic, &from.into(), text).map_err(|why| {
                DecodeError::Shape(match why {
                    NotLifted::Wrong(mismatch) => NoEvent::Mismatch(mismatch),
                    NotLifted::NoObject => alien(value).map_or_else(|| no_object(text), NoEvent::Alien),
                })
            })?;
            Opened {
                event_id: lifted.event_id,
                event_type: Cow::Owned(lifted.event_type),
                timestamp: lifted.timestamp,
                version: version(&lifted.metadata.version)?,
                metadata: lifted.metadata,
                data: Data::Lifted(lifted.data),
                holds_nul: holds_nul(text),
            }
        }
    };
    opened.metadata.make_storable();
    Ok(opened)
}

fn no_object(text: &str) -> NoEvent {
    if text.trim().is_empty() {
        return NoEvent::Empty;
    }
    match serde_json::from_str::<Json>(text) {
        Ok(json) => {
            second_reading::mismatch::<Wire<'_, IgnoredAny>>(&json).map_or(NoEvent::Unreadable, NoEvent::Mismatch)
        }
        Err(problem) => NoEvent::NotJson {
            what: if problem.is_eof() { "it ends too early" } else { "it is not JSON" },
            line: problem.line(),
            column: problem.column(),
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
            Data::Borrowed(raw) if !is_object(raw.get()) => return Err(self.unlike::<E>()),
            Data::Borrowed(raw) => E::read(self.version, &mut serde_json::Deserializer::from_str(raw.get())),
            Data::Lifted(value) => E::read(self.version, value),
        };
        let event = read.map_err(|_| self.unlike::<E>())?;
        // It may stand in a field that nobody reads.
        if self.holds_nul && serde_json::to_string(&event).is_ok_and(|read| holds_nul(&read)) {
            return Err(DecodeError::Unstorable { event_type: E::TYPE, version: self.version });
        }
        Ok(event)
    }

    fn unlike<E: Event>(&self) -> DecodeError {
        DecodeError::Schema { event_type: E::TYPE, version: self.version, problem: self.mismatch::<E>() }
    }

    fn mismatch<E: Event>(&self) -> Mismatch {
        let json = match &self.data {
            Data::Borrowed(raw) => serde_json::from_str(raw.get()),
            Data::Lifted(value) => Json::deserialize(value),
        };
        let found = json.ok().and_then(|json| E::read(self.version, &json).err());
        found.unwrap_or_else(Mismatch::untold)
    }
}

/// The envelope as bytes.
///
/// # Errors
/// When it cannot be written as JSON, or has a text with U+0000, at which readers would refuse it.
pub fn encode<E: Event>(envelope: &Envelope<E>) -> Result<Vec<u8>, serde_json::Error> {
    let json = serde_json::to_string(envelope)?;
    if holds_nul(&json) {
        return Err(serde::ser::Error::custom("a text has the character U+0000, which cannot be stored"));
    }
    Ok(json.into_bytes())
}

fn version(text: &str) -> Result<u16, DecodeError> {
    if text.is_empty() {
        return Ok(1);
    }
    let major = text.split('.').next().unwrap_or(text);
    major.parse().map_err(|_| DecodeError::Shape(NoEvent::Version))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::{
        envelope::MAX_METADATA,
        event::{Coordinates, NewEvent},
        schema::{conversation::UserActionV1, voice::PatientCreationV1},
        topics::{AI_RESPONSES, CONVERSATION_EVENTS},
    };

    const AT: Coordinates<'static> =
        Coordinates { topic: "ai-responses", partition: 3, offset: 42, timestamp_ms: None };

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
            let record = patient_record(|record| record["timestamp"] = time.into());
            open(&AI_RESPONSES, AT, &record).map(|opened| opened.timestamp)
        };
        for time in ["2026-11-21T10:00:00.123Z", "2026-11-21t10:00:00.123456789+01:00", "2026-11-21 10:00 : 00 -0530"] {
            assert_eq!(read(time).unwrap(), time.parse::<DateTime<Utc>>().unwrap());
        }
        assert!(read("2026-11-31T10:00:00Z").is_err());
    }

    #[test]
    fn a_list_of_what_an_object_would_hold_is_no_event() {
        let envelope = serde_json::to_value(Envelope::seal(NewEvent::fact(patient()), "voice-ingest")).unwrap();
        let field = |name: &str| envelope[name].clone();
        let list =
            json!([field("event_id"), field("event_type"), field("timestamp"), field("data"), field("metadata")]);
        let problem = open(&AI_RESPONSES, AT, list.to_string().as_bytes()).unwrap_err().to_string();
        assert!(problem.ends_with("it is an array, expected an object"), "{problem}");

        let record = patient_record(|record| record["data"] = json!(["c", "Zoë", null, null, null, null, "x"]));
        let read = open(&AI_RESPONSES, AT, &record).and_then(|opened| opened.typed::<PatientCreationV1>());
        let problem = read.unwrap_err().to_string();
        assert!(problem.contains("is an array, expected an object"), "{problem}");
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

    fn patient_record(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut record = serde_json::to_value(Envelope::seal(NewEvent::fact(patient()), "voice-ingest")).unwrap();
        change(&mut record);
        record.to_string().into_bytes()
    }

    #[test]
    fn whatever_the_metadata_holds_a_sound_event_is_read_and_can_be_stored() {
        for name in ["source", "correlation_id", "causation_id", "tenant_id", "actor"] {
            for hostile in ["\0", "call\0-7", "\u{1b}[31m", "a\r\nb", &"x".repeat(100_000), &"ü\0".repeat(200)] {
                let record = patient_record(|record| record["metadata"][name] = hostile.into());
                let opened = open(&AI_RESPONSES, AT, &record).unwrap();
                assert_eq!(opened.typed::<PatientCreationV1>().unwrap(), patient(), "{name}");
                let metadata = serde_json::to_value(&opened.metadata).unwrap();
                let read = metadata[name].as_str().unwrap();
                assert!(
                    !read.is_empty() && read.len() <= MAX_METADATA && !read.chars().any(char::is_control),
                    "{read:?}"
                );
                assert_eq!(read.ends_with('…'), hostile.len() > MAX_METADATA, "what is cut is marked");
            }
        }
        let earlier = br#"{"call_id": "c\u0000", "response_type": "PATIENT_CREATION", "data": {"name": "Jane"}}"#;
        assert_eq!(open(&AI_RESPONSES, AT, earlier).unwrap().metadata.correlation_id.as_deref(), Some("c\u{fffd}"));
    }

    #[test]
    fn data_with_a_text_that_cannot_be_stored_is_refused_as_such() {
        let refusal = |record: &[u8]| open(&AI_RESPONSES, AT, record).unwrap().typed::<PatientCreationV1>().err();
        for name in ["name", "email", "call_id"] {
            let problem = refusal(&patient_record(|record| record["data"][name] = "Jane\0 Roe".into())).unwrap();
            assert_eq!((problem.category(), problem.code()), (Category::SchemaValidation, "unstorable_text"));
            assert!(problem.to_string().contains("U+0000") && !problem.to_string().contains("Jane"), "{problem}");
        }
        let earlier = br#"{"call_id": "c", "response_type": "PATIENT_CREATION", "data": {"name": "J\u0000"}}"#;
        assert!(matches!(refusal(earlier), Some(DecodeError::Unstorable { .. })));
        let harmless = [
            patient_record(|record| record["data"]["name"] = "\\u0000 and \u{1} and \u{fffd}".into()),
            patient_record(|record| record["data"]["not_read"] = json!({"\0": ["\0"]})),
            patient_record(|record| record["\0"] = "\0".into()),
        ];
        for record in harmless {
            assert!(refusal(&record).is_none(), "{}", String::from_utf8_lossy(&record));
        }
        let attributes = json!({"event_id": EventId::new(), "event_type": "user.action",
            "timestamp": "2026-03-02T09:14:05Z", "data": {"user_id": "u", "action": "a", "attributes": {"\0": 1}}});
        let read = open(&CONVERSATION_EVENTS, AT, attributes.to_string().as_bytes()).unwrap().typed::<UserActionV1>();
        assert_eq!(read.unwrap_err().code(), "unstorable_text", "a key is a text too");
    }

    #[test]
    fn nobody_writes_what_every_reader_would_refuse() {
        let sealed = |name: &str| {
            let named = PatientCreationV1 { name: name.into(), ..patient() };
            encode(&Envelope::seal(NewEvent::fact(named), "voice-ingest"))
        };
        assert!(sealed("Jane\\u0000").is_ok());
        assert!(!sealed("Jane\0").unwrap_err().to_string().contains("Jane"));
    }
}
