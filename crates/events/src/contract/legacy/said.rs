//! What the records of the earlier systems say, whatever their shape, and the forms in which they say it.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};

/// What a record says, whatever its shape.
#[derive(Default)]
pub(super) struct Said {
    pub(super) id: Option<Value>,
    pub(super) event_type: String,
    pub(super) timestamp: Option<Value>,
    pub(super) data: Map<String, Value>,
    pub(super) metadata: Map<String, Value>,
    /// The journey, where the shape has a field that names it.
    pub(super) journey: Option<String>,
}

/// A text that says something, also where it was written as a number.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time as Python and JavaScript write it; UTC is meant where no zone is given. A number is seconds or, from the year
/// 1973 on, milliseconds since 1970.
pub(super) fn time(written: &Value) -> Option<DateTime<Utc>> {
    const MILLISECONDS_FROM: f64 = 1e11;
    match written {
        Value::String(text) => {
            let text = text.trim();
            let zoned = ["%+", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
            let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
            zoned.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()).map(|time| time.to_utc()).or_else(
                || naive.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|t| t.and_utc()),
            )
        }
        Value::Number(number) => {
            let number = number.as_f64()?;
            let milliseconds = if number < MILLISECONDS_FROM { number * 1000.0 } else { number };
            DateTime::from_timestamp_millis(milliseconds as i64)
        }
        _ => None,
    }
}

/// Turns the ids that were written as numbers into text.
pub(super) fn ids_as_text(data: &mut Map<String, Value>) {
    for (name, value) in data.iter_mut() {
        if name.ends_with("_id") && value.is_number() {
            *value = value.to_string().into();
        }
    }
}

/// Gives a field the value of another that means the same, where it has none.
pub(super) fn also_called(data: &mut Map<String, Value>, field: &str, others: &[&str]) {
    if data.contains_key(field) {
        return;
    }
    if let Some(value) = others.iter().find_map(|other| data.get(*other)).filter(|value| !value.is_null()).cloned() {
        data.insert(field.to_owned(), value);
    }
}
