//! Whether something speaks of a kind's fields.

use serde_json::Value;

use crate::domain::Kind;

/// Whether the object has a field of the kind.
pub(super) fn has_one(kind: Kind, object: &Value) -> bool {
    kind.fields().iter().any(|field| object.get(field).is_some())
}

/// Whether the object has nothing but fields of the kind.
pub(super) fn has_only(kind: Kind, object: &Value) -> bool {
    object.as_object().is_some_and(|members| members.keys().all(|key| kind.fields().contains(&key.as_str())))
}

/// Whether a name in the object, at whatever depth, reminds of a field of the kind: `full_name`, `patientName`.
pub(super) fn reminds(kind: Kind, value: &Value) -> bool {
    let reminds_key = |key: &String| {
        let key = key.to_ascii_lowercase();
        kind.fields().iter().any(|field| key.contains(field.rsplit('_').next().unwrap_or(field)))
    };
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| reminds_key(key) || reminds(kind, value)),
        Value::Array(items) => items.iter().any(|item| reminds(kind, item)),
        _ => false,
    }
}

/// Whether a field of the kind is named in the text and something is said of it: `"name":`, `- **Name:**`, `phone=`.
pub(super) fn are_told(kind: Kind, text: &[u8]) -> bool {
    kind.fields().iter().any(|field| {
        let field = field.as_bytes();
        let is_field = |part: &[u8]| {
            part.iter().zip(field).all(|(is, of)| is.eq_ignore_ascii_case(of) || (*of == b'_' && b" -".contains(is)))
        };
        text.windows(field.len()).enumerate().any(|(at, part)| {
            let is_whole = at == 0 || !text[at - 1].is_ascii_alphanumeric();
            let behind = || text[at + field.len()..].iter().find(|byte| !b" \t\"'`*_\\".contains(byte));
            is_whole
                && is_field(part)
                && (matches!(behind(), Some(b':' | b'=')) || text[at + field.len()..].starts_with("：".as_bytes()))
        })
    })
}
