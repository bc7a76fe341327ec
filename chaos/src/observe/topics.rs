//! What topics held, in the end and before an operator took something away.

use std::collections::HashSet;

use events::contract::topics::DEAD_LETTER_QUEUE;
use serde_json::Value;
use test_kit::kafka::{TestRecord, read_topic_to_end};
use uuid::Uuid;

use crate::{
    history::{DeadLetter, Fact, Record},
    system::Hop,
};

/// By partition and offset, first those that were `kept` and then those that are there besides; and how many the first are. A
/// record that tells no fact is none of the load's.
pub async fn records(
    servers: &str,
    topic: &str,
    kept: &[TestRecord],
    fact: fn(&Value) -> Option<Fact>,
) -> (Vec<Record>, usize) {
    let there = read_topic_to_end(servers, topic).await;
    let mut seen = HashSet::new();
    let mut read = |log: &'_ [TestRecord]| {
        let is_new = |one: &&TestRecord| seen.insert((one.partition, one.offset, one.payload.clone()));
        let mut new: Vec<_> = log.iter().filter(is_new).collect();
        new.sort_by_key(|record| (record.partition, record.offset));
        new.into_iter().filter_map(|record| read_record(record, fact)).collect::<Vec<_>>()
    };
    let first = read(kept);
    let count = first.len();
    ([first, read(&there)].concat(), count)
}

fn read_record(record: &TestRecord, fact: fn(&Value) -> Option<Fact>) -> Option<Record> {
    let value: Value = serde_json::from_slice(record.payload.as_deref()?).ok()?;
    Some(Record {
        fact: fact(&value)?,
        id: value["event_id"].as_str()?.parse().ok()?,
        key: String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned(),
        partition: record.partition,
        offset: record.offset,
    })
}

/// Those that the group of this hop wrote about its topic.
pub async fn dead_letters(servers: &str, namespace: &str, hop: &Hop) -> Vec<DeadLetter> {
    let letters = read_topic_to_end(servers, &format!("{namespace}{}", DEAD_LETTER_QUEUE.name)).await;
    letters.iter().filter_map(|letter| read_letter(letter, namespace, hop)).collect()
}

/// `None` for a letter of another hop.
pub(super) fn read_letter(letter: &TestRecord, namespace: &str, hop: &Hop) -> Option<DeadLetter> {
    let text = |name: &str| letter.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let of = |name: &str, wanted: &str| text(name).is_some_and(|name| name == format!("{namespace}{wanted}"));
    if !of("dlq.group", hop.group) || !of("dlq.topic", hop.topic) {
        return None;
    }
    let number = |name: &str| text(name).and_then(|number| number.parse::<i64>().ok());
    let value = letter.payload.as_deref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    Some(DeadLetter {
        id: text("dlq.id").and_then(|id| Uuid::parse_str(&id).ok()).unwrap_or_default(),
        fact: value.and_then(|value| (hop.fact)(&value)),
        code: text("dlq.code").unwrap_or_default(),
        partition: number("dlq.partition").and_then(|number| number.try_into().ok()).unwrap_or(-1),
        offset: number("dlq.offset").unwrap_or(-1),
        value: letter.payload.clone().unwrap_or_default(),
    })
}
