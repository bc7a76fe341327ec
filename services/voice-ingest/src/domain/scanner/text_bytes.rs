//! Stores bytes that are nearly always text as text: as a string, with all from what is no UTF-8, or what no database stores as
//! text, as numbers behind it.
//!
//! Keeps a stored state readable and near its size in memory, where a plain array of numbers takes four times as much.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
struct Stored<T, R> {
    text: T,
    rest: R,
}

pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let valid = match str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    let valid = bytes[..valid].iter().position(|byte| *byte == 0).unwrap_or(valid);
    let (text, rest) = bytes.split_at(valid);
    Stored { text: String::from_utf8_lossy(text), rest }.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let stored = Stored::<String, Vec<u8>>::deserialize(deserializer)?;
    let mut bytes = stored.text.into_bytes();
    bytes.extend_from_slice(&stored.rest);
    Ok(bytes)
}
