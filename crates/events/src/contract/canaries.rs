//! No refusal of a record tells anything of what stands in it: values that nobody else uses are put into every position of
//! every known record, and looked for in all that is told.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
};

use chrono::Utc;
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use super::{
    codec::{self, DecodeError},
    dead_letter::DeadLetter,
    event::Coordinates,
    schema::{self, EventSpec, golden},
    topics::{self, TopicSpec},
};
use crate::flow::error::chain;

/// Parts of the canaries below; none occurs in a schema or in a sentence of ours.
const CANARIES: [&str; 7] = ["Jane", "Roe", "81518151", "19850115", "1985-01", "ᚠ", "ΣΣ"];

/// Values of every kind, and texts that look like what serde writes.
fn canaries() -> Vec<Value> {
    vec![
        json!("Jane Roe"),
        json!("1985-01-15"),
        json!("1985-01-15T19:85:00Z"),
        json!("81518151"),
        json!("ᚠ"),
        json!("x\", expected `Jane Roe`"),
        json!("`Jane`, there are no variants, expected Roe"),
        json!("invalid type: Jane, expected Roe at line 19850115 column 81518151"),
        json!("missing field `Jane Roe`"),
        json!("UUID parsing failed: Jane"),
        json!(19_850_115),
        json!(-81_518_151),
        json!(0.19850115),
        json!(8_151_815_100_000_000_000_u64),
        json!(["Jane Roe", 81_518_151]),
        json!({"Jane Roe": {"ΣΣ": 81_518_151}}),
        json!({"Jane, expected `Roe`": "Roe", "19850115": null}),
        json!(null),
        json!(true),
    ]
}

/// Everything that is known to stand in a topic: an example of each event type, and of each earlier shape.
fn records() -> Vec<(&'static TopicSpec, Value)> {
    let mut records: Vec<_> = schema::catalogue().iter().map(|spec| (spec.topic, golden::example(spec))).collect();
    let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/legacy");
    for entry in fs::read_dir(earlier).unwrap() {
        let mut example: Value = serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let topic = topics::find(example["topic"].as_str().unwrap()).unwrap();
        records.push((topic, example["record"].take()));
    }
    records
}

/// The JSON pointers of all values in it, the whole among them.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| places(member, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

fn places_of(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places(value, "", &mut found);
    found
}

fn renamed(object: &Map<String, Value>, from: &str, to: &str) -> Value {
    let name = |name: &str| if name == from { to.to_owned() } else { name.to_owned() };
    object.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// The record with a canary in this place in each way.
fn spoilt(record: &Value, place: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for canary in canaries() {
        let mut changed = record.clone();
        let there = changed.pointer_mut(place).unwrap();
        match there {
            Value::Object(members) => {
                let mut more = members.clone();
                more.insert("Jane Roe".to_owned(), canary.clone());
                let mut with_more = record.clone();
                *with_more.pointer_mut(place).unwrap() = Value::Object(more);
                all.push(with_more);
                for name in members.keys().filter(|_| canary.is_string()) {
                    let mut with_other_name = record.clone();
                    *with_other_name.pointer_mut(place).unwrap() = renamed(members, name, canary.as_str().unwrap());
                    all.push(with_other_name);
                }
            }
            Value::Array(items) => items.push(canary.clone()),
            _ => {}
        }
        if !there.is_array() {
            *there = canary;
        }
        all.push(changed);
    }
    all
}

/// Why the record is refused, if it is: by its envelope, or by the type that it says it is.
fn refusals(topic: &TopicSpec, value: &[u8], readers: &[&EventSpec]) -> Vec<DecodeError> {
    let at = Coordinates { topic: topic.name, partition: 0, offset: 0, timestamp_ms: Some(0) };
    match codec::open(topic, at, value) {
        Err(error) => vec![error],
        Ok(opened) => readers.iter().filter_map(|spec| spec.read(&opened).err()).collect(),
    }
}

/// All that is told of a refusal: itself, what the log and a developer see of it, and the headers of its letter.
fn told(error: &DecodeError) -> String {
    let (message, chain) = (error.to_string(), chain(error));
    let letter = DeadLetter {
        id: String::new(),
        topic: "t",
        position: None,
        timestamp: None,
        group: "g",
        handler: "h",
        service: "s",
        category: error.category(),
        code: error.code(),
        message: &message,
        chain: &chain,
        attempts: 1,
        first_failed_at: Utc::now(),
        replays: 0,
        event_id: String::new(),
        event_type: String::new(),
        correlation_id: String::new(),
    };
    // Ids and times are random digits.
    let headers: Vec<_> =
        letter.headers().into_iter().filter(|(_, value)| value.len() > 36 || value.contains(' ')).collect();
    format!("{message}\n{chain}\n{}\n{error:?}\n{headers:?}", error.code())
}

fn assert_no_canary(error: &DecodeError) {
    let told = told(error);
    assert!(!CANARIES.iter().any(|canary| told.contains(canary)), "{told}");
    // What the first reading refuses, the second one explains.
    assert!(!told.contains("cannot be read"), "{told}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_refusal_tells_a_value_a_key_or_a_variant_of_the_record() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .without_time()
        .finish();
    let (mut refused, mut readings) = (0, 0);
    tracing::subscriber::with_default(subscriber, || {
        for (topic, record) in records() {
            let readers: Vec<&EventSpec> = schema::catalogue().iter().filter(|spec| spec.topic == topic).collect();
            for place in places_of(&record) {
                for spoilt in spoilt(&record, &place) {
                    readings += 1;
                    for error in refusals(topic, spoilt.to_string().as_bytes(), &readers) {
                        refused += 1;
                        tracing::debug!(%error, code = error.code(), ?error, "given up");
                        assert_no_canary(&error);
                    }
                }
            }
        }
    });
    assert!(readings > 5000 && refused > readings / 2, "{refused} of {readings}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), refused, "nothing else is logged");
    assert!(!CANARIES.iter().any(|canary| log.contains(canary)));
}

proptest! {
    #[test]
    fn no_refusal_of_a_damaged_record_tells_anything_of_it(
        which in any::<Index>(),
        damages in proptest::collection::vec((any::<Index>(), any::<Index>()), 1..5),
        cut in proptest::option::of(any::<Index>()),
        flipped in proptest::option::of((any::<Index>(), any::<u8>())),
        reader in any::<Index>(),
    ) {
        let records = records();
        let (topic, mut record) = records[which.index(records.len())].clone();
        for (place, way) in damages {
            let places = places_of(&record);
            let mut ways = spoilt(&record, &places[place.index(places.len())]);
            record = ways.swap_remove(way.index(ways.len()));
        }
        let mut bytes = record.to_string().into_bytes();
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Some((at, byte)) = flipped && !bytes.is_empty() {
            *at.get_mut(&mut bytes) = byte;
        }
        let mut readers: Vec<&EventSpec> = schema::catalogue().iter().filter(|spec| spec.topic == topic).collect();
        readers.push(reader.get(schema::catalogue()));
        refusals(topic, &bytes, &readers).iter().for_each(assert_no_canary);
    }
}
