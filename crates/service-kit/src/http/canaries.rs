//! No problem document tells anything of the request: values that nobody else uses are put into every position of bodies
//! and queries for types of every kind, and looked for in the answer.

use std::collections::BTreeMap;

use axum::{extract::FromRequestParts, http::Request};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ApiJson, ApiQuery, Problem};

const CANARIES: [&str; 5] = ["Jane", "Roe", "81518151", "19850115", "ᚠ"];

fn canaries() -> Vec<Value> {
    vec![
        json!("Jane Roe"),
        json!("ᚠ"),
        json!("x\", expected `Jane Roe`"),
        json!("x`, there are no fields, expected Jane"),
        json!("missing field `Jane Roe`"),
        json!("invalid type: Jane, expected Roe at line 19850115 column 81518151"),
        json!(19_850_115),
        json!(-81_518_151),
        json!(0.19850115),
        json!(["Jane Roe", 81_518_151]),
        json!({"Jane Roe": {"Roe": 81_518_151}}),
        json!(null),
        json!(true),
    ]
}

/// Its own messages quote what was sent.
#[derive(Debug)]
struct Quoting;

impl<'de> Deserialize<'de> for Quoting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Err(serde::de::Error::custom(text))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Even;

impl TryFrom<String> for Even {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "even" { Ok(Self) } else { Err(format!("{text} is odd, `{text}` or \"{text}\"")) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Everything {
    name: String,
    age: u8,
    known: Option<bool>,
    initial: char,
    id: Uuid,
    kind: Kind,
    tagged: Tagged,
    either: Either,
    even: Even,
    counts: BTreeMap<String, u64>,
    by_number: BTreeMap<u32, Vec<Kind>>,
    pair: (u8, String),
    nothing: Nothing,
    quoting: Option<Quoting>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only read")]
enum Kind {
    New,
    Since(u16),
    Of { city: String },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[expect(dead_code, reason = "only read")]
enum Tagged {
    Number { value: i64 },
    Word { value: String },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Either {
    Number(i64),
    Flag { flag: bool },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Flattened {
    rate: f64,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Rest {
    who: String,
    when: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Query {
    limit: Option<u8>,
    from: Option<i64>,
    share: Option<f32>,
    all: Option<bool>,
    kind: Option<Simple>,
    id: Option<Uuid>,
    even: Option<Even>,
    quoting: Option<Quoting>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Simple {
    New,
    Known,
}

fn everything() -> Value {
    json!({
        "name": "a", "age": 1, "known": true, "initial": "a", "id": "0199c0de-7c1e-7b3a-9f0e-5d2a6c1b8e44",
        "kind": {"of": {"city": "a"}}, "tagged": {"is": "word", "value": "a"}, "either": {"flag": true}, "even": "even",
        "counts": {"a": 1}, "by_number": {"7": ["new", {"since": 7}]}, "pair": [1, "a"], "nothing": {},
    })
}

fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let mut under = |name: &str, value: &Value| places(value, &format!("{at}/{name}"), found);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| under(name, member)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| under(&index.to_string(), item)),
        _ => {}
    }
}

/// The document with a canary in every place, as a value, as a key, as one more field.
fn spoilt(document: &Value) -> Vec<Value> {
    let (mut all, mut at) = (Vec::new(), Vec::new());
    places(document, "", &mut at);
    for (place, canary) in at.iter().flat_map(|place| canaries().into_iter().map(move |canary| (place, canary))) {
        let mut changed = document.clone();
        let there = changed.pointer_mut(place).unwrap();
        if let Value::Object(members) = there {
            for key in members.keys().cloned().chain(["more".to_owned()]).collect::<Vec<_>>() {
                let mut members = members.clone();
                let value = members.remove(&key).unwrap_or(json!(1));
                members.insert(canary.to_string(), value);
                members.insert("Jane Roe".to_owned(), canary.clone());
                let mut document = document.clone();
                *document.pointer_mut(place).unwrap() = Value::Object(members);
                all.push(document);
            }
        }
        *there = canary;
        all.push(changed);
    }
    all
}

fn assert_no_canary(problem: &Problem) {
    let told = format!("{}\n{problem}\n{problem:?}", serde_json::to_string(problem).unwrap());
    assert!(!CANARIES.iter().any(|canary| told.contains(canary)), "{told}");
}

/// How many of these bodies are refused.
fn refused<T: DeserializeOwned>(bodies: &[Value]) -> usize {
    let refused = bodies.iter().filter_map(|body| ApiJson::<T>::from_slice(body.to_string().as_bytes()).err());
    refused.inspect(assert_no_canary).count()
}

#[test]
fn no_problem_of_a_body_tells_a_value_a_key_or_a_variant_of_it() {
    assert!(ApiJson::<Everything>::from_slice(everything().to_string().as_bytes()).is_ok());
    let mut bodies = spoilt(&everything());
    let mut quoting = everything();
    quoting["quoting"] = json!("a");
    bodies.extend(spoilt(&quoting));
    assert!(refused::<Everything>(&bodies) > bodies.len() / 2);
    let flattened = spoilt(&json!({"rate": 1.5, "who": "a", "when": 1}));
    assert!(refused::<Flattened>(&flattened) > flattened.len() / 4);
    assert_eq!(refused::<Nothing>(&spoilt(&json!({}))), spoilt(&json!({})).len());
}

#[test]
fn no_problem_of_a_broken_body_tells_anything_of_it() {
    for body in spoilt(&everything()).iter().step_by(7) {
        let body = body.to_string();
        for cut in body.char_indices().map(|(at, _)| at).step_by(11) {
            let problem = ApiJson::<Everything>::from_slice(&body.as_bytes()[..cut]).unwrap_err();
            assert_no_canary(&problem);
        }
    }
}

#[tokio::test]
async fn no_problem_of_a_query_tells_a_value_or_a_name_of_it() {
    let words: Vec<String> =
        canaries().iter().map(|canary| canary.as_str().map_or(canary.to_string(), str::to_owned)).collect();
    let mut refused = 0;
    for name in ["limit", "from", "share", "all", "kind", "id", "even", "quoting", "Jane Roe"] {
        for word in &words {
            for (name, word) in [(name, word.as_str()), (word.as_str(), "1")] {
                let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, word).finish();
                let request = Request::get(format!("/?{query}")).body(()).unwrap();
                let read = ApiQuery::<Query>::from_request_parts(&mut request.into_parts().0, &()).await;
                refused += usize::from(read.is_err());
                read.err().iter().for_each(assert_no_canary);
            }
        }
    }
    assert!(refused > 150, "{refused}");
}
