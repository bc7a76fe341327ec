//! Whether a newer schema reads everything that an older one allowed: the rule `BACKWARD_TRANSITIVE` of the registries,
//! as a pure comparison of two draft-07 schemas.
//!
//! It errs on the safe side: what it cannot compare, such as two different patterns or a keyword that it does not know,
//! is reported as a break.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Keywords that restrict nothing.
const ANNOTATIONS: [&str; 7] = ["$schema", "title", "description", "default", "examples", "x-sensitive", "$comment"];
/// Keywords that are compared below.
const COMPARED: [&str; 10] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "uniqueItems",
    "enum",
    "const",
    "pattern",
    "format",
];
/// The limits, and whether they hold values from below.
const LIMITS: [(&str, bool); 8] = [
    ("minimum", true),
    ("exclusiveMinimum", true),
    ("minLength", true),
    ("minItems", true),
    ("maximum", false),
    ("exclusiveMaximum", false),
    ("maxLength", false),
    ("maxItems", false),
];
const TYPES: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];
const ANYTHING: Value = Value::Bool(true);

/// What `newer` refuses of what `older` allowed: one line each with the place, none when it reads everything.
pub(super) fn breaks(older: &Value, newer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(older, newer, "", &mut found);
    found
}

fn compare(older: &Value, newer: &Value, at: &str, found: &mut Vec<String>) {
    let (older_ways, newer_ways) = (alternatives(older), alternatives(newer));
    if let ([older], [newer]) = (older_ways.as_slice(), newer_ways.as_slice()) {
        return compare_one(older, newer, at, found);
    }
    for older in older_ways {
        let reads = |newer: &&Value| {
            let mut refused = Vec::new();
            compare_one(older, newer, at, &mut refused);
            refused.is_empty()
        };
        if !newer_ways.iter().any(reads) {
            found.push(format!("{at}: an alternative is gone or narrower: {older}"));
        }
    }
}

/// The members of an `anyOf` that stands alone; with restrictions beside it, it is a keyword that the check does not
/// know.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let alone = |members: &Map<String, Value>| {
        members.keys().all(|keyword| keyword == "anyOf" || ANNOTATIONS.contains(&keyword.as_str()))
    };
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(ways) if schema.as_object().is_some_and(alone) => ways.iter().collect(),
        _ => vec![schema],
    }
}

fn compare_one(older: &Value, newer: &Value, at: &str, found: &mut Vec<String>) {
    let empty = Map::new();
    let (old, new) = match (older, newer) {
        (Value::Bool(false), _) | (_, Value::Bool(true)) => return,
        (_, Value::Bool(false)) => return found.push(format!("{at}: nothing is allowed any more")),
        (old, new) => (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty)),
    };
    for keyword in old.keys().chain(new.keys()).map(String::as_str) {
        let known = ANNOTATIONS.contains(&keyword)
            || COMPARED.contains(&keyword)
            || LIMITS.iter().any(|(limit, _)| *limit == keyword);
        if !known {
            found.push(format!("{at}: the check does not know the keyword {keyword}"));
        }
    }
    compare_types(old, new, at, found);
    compare_values(old, new, at, found);
    for (keyword, from_below) in LIMITS {
        let (was, is) = (number(old, keyword), number(new, keyword));
        let narrower = match (was, is) {
            (_, None) => false,
            // A length is never below 0, so that 0 restricts nothing.
            (None, Some(is)) => !(from_below && is <= 0.0 && keyword.ends_with(['h', 's'])),
            (Some(was), Some(is)) => {
                if from_below {
                    is > was
                } else {
                    is < was
                }
            }
        };
        if narrower {
            found.push(format!("{at}: {keyword} is narrower"));
        }
    }
    if new.contains_key("pattern") && new.get("pattern") != old.get("pattern") {
        found.push(format!("{at}: the pattern is new or another"));
    }
    compare_formats(old, new, at, found);
    compare_properties(old, new, at, found);
    if flag(new, "uniqueItems") && !flag(old, "uniqueItems") {
        found.push(format!("{at}: items must be unique now"));
    }
    let items = (old.get("items").unwrap_or(&ANYTHING), new.get("items").unwrap_or(&ANYTHING));
    compare(items.0, items.1, &format!("{at}/items"), found);
}

fn compare_types(old: &Map<String, Value>, new: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    // Without a type, only its values restrict it.
    if !new.contains_key("type") {
        return;
    }
    let allowed = types(new);
    for gone in types(old).difference(&allowed) {
        if !(*gone == "integer" && allowed.contains("number")) {
            found.push(format!("{at}: the type {gone} is not allowed any more"));
        }
    }
}

fn types(schema: &Map<String, Value>) -> BTreeSet<&str> {
    match (schema.get("type"), values(schema)) {
        (Some(Value::String(one)), _) => BTreeSet::from([one.as_str()]),
        (Some(Value::Array(several)), _) => several.iter().filter_map(Value::as_str).collect(),
        (_, Some(values)) => values.into_iter().map(type_of).collect(),
        _ => BTreeSet::from(TYPES),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn compare_values(old: &Map<String, Value>, new: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    let Some(allowed) = values(new) else { return };
    match values(old) {
        None => found.push(format!("{at}: only certain values are allowed now")),
        Some(were) => {
            for gone in were.iter().filter(|value| !allowed.contains(value)) {
                found.push(format!("{at}: the value {gone} is not allowed any more"));
            }
        }
    }
}

/// What `enum` or `const` allows.
fn values(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        return Some(values.iter().collect());
    }
    schema.get("const").map(|value| vec![value])
}

fn compare_formats(old: &Map<String, Value>, new: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    let Some(is) = new.get("format").and_then(Value::as_str) else { return };
    let was = old.get("format").and_then(Value::as_str);
    let wide_enough = match (was.and_then(whole_numbers), whole_numbers(is)) {
        (Some(was), Some(is)) => is.0 <= was.0 && was.1 <= is.1,
        _ => was == Some(is) || matches!(is, "float" | "double"),
    };
    if !wide_enough {
        found.push(format!("{at}: the format {is} is new, another or narrower"));
    }
}

/// The range that a format of whole numbers means.
fn whole_numbers(format: &str) -> Option<(i128, i128)> {
    let (signed, bits) = match format.strip_prefix("uint") {
        Some(bits) => (false, bits.parse::<u32>().ok()?),
        None => (true, format.strip_prefix("int")?.parse::<u32>().ok()?),
    };
    let values = 1_i128.checked_shl(bits).filter(|_| bits <= 64)?;
    Some(if signed { (-values / 2, values / 2 - 1) } else { (0, values - 1) })
}

fn compare_properties(old: &Map<String, Value>, new: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    let names = |schema: &Map<String, Value>| -> BTreeSet<String> {
        let required = schema.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for added in names(new).difference(&names(old)) {
        found.push(format!("{at}: {added} is required now"));
    }
    let empty = Map::new();
    let properties = |schema| Map::get(schema, "properties").and_then(Value::as_object);
    let (old_own, new_own) = (properties(old).unwrap_or(&empty), properties(new).unwrap_or(&empty));
    // What the schema says of a property, by its own entry or by what it says of all others.
    let old_others = old.get("additionalProperties").unwrap_or(&ANYTHING);
    let new_others = new.get("additionalProperties").unwrap_or(&ANYTHING);
    for name in old_own.keys().chain(new_own.keys().filter(|name| !old_own.contains_key(*name))) {
        let (was, is) = (old_own.get(name).unwrap_or(old_others), new_own.get(name).unwrap_or(new_others));
        compare(was, is, &format!("{at}/{name}"), found);
    }
    compare(old_others, new_others, &format!("{at}/*"), found);
}

fn number(schema: &Map<String, Value>, keyword: &str) -> Option<f64> {
    schema.get(keyword).and_then(Value::as_f64)
}

fn flag(schema: &Map<String, Value>, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(properties: Value, required: Value) -> Value {
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }

    /// What the case is, the narrower schema, the wider one, and a value that only the wider one allows.
    fn cases() -> Vec<(&'static str, Value, Value, Value)> {
        let text = || json!({"type": "string"});
        let limited = |keyword: &str, narrow: i64, wide: i64, value: Value| {
            ("a limit", json!({keyword: narrow}), json!({keyword: wide}), value)
        };
        vec![
            (
                "a required property",
                object(json!({"a": text()}), json!(["a"])),
                object(json!({"a": text()}), json!([])),
                json!({}),
            ),
            (
                "a property of a closed object",
                object(json!({}), json!([])),
                object(json!({"a": text()}), json!([])),
                json!({"a": "x"}),
            ),
            (
                "a nested property",
                object(json!({"a": object(json!({}), json!([]))}), json!([])),
                object(json!({"a": object(json!({"b": text()}), json!([]))}), json!([])),
                json!({"a": {"b": "x"}}),
            ),
            ("an open object", object(json!({}), json!([])), json!({"type": "object"}), json!({"a": 1})),
            ("a property of an open object", json!({"properties": {"a": text()}}), json!({}), json!({"a": 1})),
            (
                "the values of a map",
                json!({"additionalProperties": text()}),
                json!({"additionalProperties": {"type": ["string", "integer"]}}),
                json!({"a": 1}),
            ),
            ("null", text(), json!({"type": ["string", "null"]}), json!(null)),
            ("a type", json!({"type": "integer"}), json!({"type": "number"}), json!(1.5)),
            ("any type", text(), json!({}), json!(1)),
            ("a value of an enumeration", json!({"enum": ["a"]}), json!({"enum": ["a", "b"]}), json!("b")),
            ("an enumeration", json!({"type": "string", "enum": ["a"]}), text(), json!("b")),
            ("a constant", json!({"const": "a"}), json!({"enum": ["a", "b"]}), json!("b")),
            ("a constant with its type", json!({"const": "a"}), text(), json!("b")),
            ("a typed constant", json!({"type": "string", "const": "a"}), json!({"enum": ["a", 1]}), json!(1)),
            ("a pattern", json!({"pattern": "^a"}), json!({}), json!("b")),
            ("a format", json!({"type": "string", "format": "date"}), text(), json!("soon")),
            ("the items", json!({"items": text()}), json!({"items": {"type": ["string", "null"]}}), json!([null])),
            ("unique items", json!({"uniqueItems": true}), json!({}), json!([1, 1])),
            ("an alternative", json!({"anyOf": [text()]}), json!({"anyOf": [text(), {"type": "null"}]}), json!(null)),
            ("an alternative to one", text(), json!({"anyOf": [text(), {"type": "null"}]}), json!(null)),
            ("nothing", json!({"additionalProperties": false}), json!({}), json!({"a": 1})),
            limited("minLength", 2, 1, json!("a")),
            limited("maxLength", 1, 2, json!("ab")),
            limited("minimum", 2, 1, json!(1)),
            limited("maximum", 1, 2, json!(2)),
            limited("exclusiveMinimum", 1, 0, json!(1)),
            limited("exclusiveMaximum", 1, 2, json!(1)),
            limited("minItems", 1, 0, json!([])),
            limited("maxItems", 0, 1, json!([1])),
        ]
    }

    /// The values prove by a real validator that the direction which is refused does refuse something.
    #[test]
    fn what_becomes_wider_is_read_and_what_becomes_narrower_is_a_break() {
        for (what, narrow, wide, value) in cases() {
            let allows = |schema: &Value| {
                jsonschema::options()
                    .with_draft(jsonschema::Draft::Draft7)
                    .should_validate_formats(true)
                    .build(schema)
                    .unwrap()
                    .is_valid(&value)
            };
            assert!(allows(&wide) && !allows(&narrow), "{what}: {value} proves nothing");
            assert_eq!(breaks(&narrow, &wide), Vec::<String>::new(), "{what}: widened");
            assert!(!breaks(&wide, &narrow).is_empty(), "{what}: narrowed");
        }
    }

    #[test]
    fn a_whole_number_may_become_larger_and_not_smaller() {
        let number = |format: &str| json!({"type": "integer", "format": format});
        for (narrow, wide) in [("int32", "int64"), ("uint32", "int64"), ("uint8", "uint64")] {
            assert!(breaks(&number(narrow), &number(wide)).is_empty());
            assert!(!breaks(&number(wide), &number(narrow)).is_empty());
        }
        assert!(!breaks(&number("uint64"), &number("int64")).is_empty());
    }

    #[test]
    fn a_break_says_where_and_words_are_none() {
        let old =
            object(json!({"data": object(json!({"a": {"type": "string", "description": "x"}}), json!([]))}), json!([]));
        let mut new = old.clone();
        new["properties"]["data"]["properties"]["a"]["description"] = json!("y");
        assert!(breaks(&old, &new).is_empty());
        new["properties"]["data"]["properties"]["a"]["type"] = json!("integer");
        assert_eq!(breaks(&old, &new), ["/data/a: the type string is not allowed any more"]);
    }

    #[test]
    fn what_cannot_be_compared_is_a_break() {
        // By what they match, the second is wider.
        let (narrow, wide) = (json!({"pattern": "^a$"}), json!({"pattern": "^(a|b)$"}));
        assert!(!breaks(&narrow, &wide).is_empty());
        let beside = json!({"anyOf": [{"type": "string"}], "maxLength": 3});
        assert!(!breaks(&beside, &beside).is_empty());
    }

    #[test]
    fn a_keyword_that_the_check_does_not_know_is_a_break() {
        let schema = json!({"patternProperties": {}});
        assert!(breaks(&schema, &schema).iter().any(|found| found.contains("patternProperties")));
    }
}
