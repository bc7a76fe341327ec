//! A row's headers, read from their JSON straight into the client's form.

use std::{borrow::Cow, fmt};

use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use crate::kafka::record_size;

/// Reads a JSON object of strings. Returns the headers and what they count in the size of a record.
pub(super) fn read(json: &str) -> Result<(OwnedHeaders, usize), serde_json::Error> {
    let Read(headers, bytes) = serde_json::from_str(json)?;
    Ok((headers, bytes))
}

/// The value of the header of this name.
pub(super) fn value<'h>(headers: &'h OwnedHeaders, name: &str) -> Option<&'h [u8]> {
    headers.iter().find(|header| header.key == name)?.value
}

/// What an event has at most; one more costs a growth.
const USUAL: usize = 12;

struct Read(OwnedHeaders, usize);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    /// A trigger writes null for what it does not know.
    Nothing(IgnoredAny),
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let (mut headers, mut bytes) = (OwnedHeaders::new_with_capacity(USUAL), 0);
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, Value<'de>>()? {
            if let Value::Text(value) = value {
                bytes += record_size::header(&name, value.as_bytes());
                headers = headers.insert(Header { key: &name, value: Some(value.as_bytes()) });
            }
        }
        Ok(Read(headers, bytes))
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;

    #[test]
    fn texts_become_headers_and_everything_else_is_left_out() {
        let (headers, bytes) = read(r#"{"ce_id": "1", "a\"b": "Zo\u00eb", "causation_id": null, "n": 7}"#).unwrap();
        let read: Vec<_> = headers.iter().map(|header| (header.key, header.value.unwrap())).collect();
        assert_eq!(read, [("ce_id", b"1".as_slice()), ("a\"b", "Zoë".as_bytes())]);
        assert_eq!(bytes, record_size::header("ce_id", b"1") + record_size::header("a\"b", "Zoë".as_bytes()));
        assert!(super::read("[]").is_err() && super::read(r#"{"a": "1""#).is_err());
    }
}
