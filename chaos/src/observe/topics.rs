//! Topics: what they hold in the end, and the one that is made to refuse.

use std::time::Duration;

use events::contract::topics::DEAD_LETTER_QUEUE;
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::Value;
use test_kit::kafka::{TestRecord, read_topic_to_end};
use uuid::Uuid;

use super::group::client;
use crate::{
    history::{DeadLetter, Fact, Record},
    system::Hop,
};

const LIMIT: Duration = Duration::from_secs(20);

/// By partition and offset. A record that tells no fact is none of the load's.
pub async fn records(servers: &str, topic: &str, fact: fn(&Value) -> Option<Fact>) -> Vec<Record> {
    let mut records = read_topic_to_end(servers, topic).await;
    records.sort_by_key(|record| (record.partition, record.offset));
    records.iter().filter_map(|record| read_record(record, fact)).collect()
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
    })
}

/// Makes a system's dead-letter topic take no record, or all again.
///
/// # Panics
/// Kafka does not do it.
pub async fn refuse_dead_letters(servers: &str, namespace: &str, refuse: bool) {
    let admin: AdminClient<DefaultClientContext> = client(servers, "chaos").create().expect("an admin client");
    let topic = format!("{namespace}{}", DEAD_LETTER_QUEUE.name);
    let most = if refuse { 1 } else { DEAD_LETTER_QUEUE.max_message_bytes }.to_string();
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", &most);
    let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
    match admin.alter_configs([&change], &options).await.map(|mut outcomes| outcomes.pop()) {
        Ok(Some(Ok(_))) => {}
        other => panic!("cannot change {topic}: {other:?}"),
    }
}
