//! What is wrong with a record of an earlier producer, told of the shape that it was meant to have.

use serde_json::{Map, Value};

use super::said::text;
use crate::contract::{
    alien::encoded,
    mismatch::{Fault, Mismatch},
    no_id::is_no_id,
};

/// Why a record cannot be lifted.
#[derive(Debug)]
pub(in crate::contract) enum NotLifted {
    /// It is no object, so it was meant to have no shape of ours.
    NoObject,
    /// It has a shape, and something in it is wrong.
    Wrong(Mismatch),
}

impl From<Mismatch> for NotLifted {
    fn from(mismatch: Mismatch) -> Self {
        Self::Wrong(mismatch)
    }
}

pub(super) fn missing(field: &'static str) -> Mismatch {
    Mismatch::at(field, Fault::Missing(field))
}

/// The value is none that belongs there; `right` would be.
pub(super) fn wrong(field: &'static str, value: &Value, right: &'static str) -> Mismatch {
    let what = match value {
        Value::Null => "is null",
        Value::Bool(_) => "is a boolean",
        Value::Number(_) => "is a number",
        Value::String(text) if text.trim().is_empty() => "is empty",
        Value::String(text) => encoded(text).unwrap_or("is a string"),
        Value::Array(_) => "is an array",
        Value::Object(_) => "is an object",
    };
    Mismatch::at(field, Fault::Wrong(what, Some(right)))
}

/// The object that has to be there.
pub(super) fn object(field: &'static str, value: Option<Value>) -> Result<Map<String, Value>, Mismatch> {
    match value {
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(wrong(field, &other, "an object")),
        None => Err(missing(field)),
    }
}

/// The id that has to be there, also where it was written as a number; without spaces around it.
pub(super) fn id(field: &'static str, value: Option<&Value>) -> Result<String, Mismatch> {
    let value = value.ok_or_else(|| missing(field))?;
    let id = text(value).ok_or_else(|| wrong(field, value, "the id that it has"))?;
    if is_no_id(&id) { Err(placeholder(field)) } else { Ok(id.trim().to_owned()) }
}

pub(super) fn placeholder(field: &'static str) -> Mismatch {
    Mismatch::at(field, Fault::Wrong("is a placeholder, which names nothing", Some("the id that it has")))
}
