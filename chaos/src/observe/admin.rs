//! Topics as an operator treats them.

use std::{collections::BTreeMap, time::Duration};

use events::contract::topics::DEAD_LETTER_QUEUE;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
        TopicReplication,
    },
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
};
use tokio::time::{Instant, sleep};

use super::group::client;

const LIMIT: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(50);

fn admin(servers: &str) -> AdminClient<DefaultClientContext> {
    client(servers, "chaos").create().expect("an admin client")
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
}

/// Makes a system's dead-letter topic take no record, or all again.
///
/// # Panics
/// Kafka does not do it.
pub async fn refuse_dead_letters(servers: &str, namespace: &str, refuse: bool) {
    let topic = format!("{namespace}{}", DEAD_LETTER_QUEUE.name);
    let most = if refuse { 1 } else { DEAD_LETTER_QUEUE.max_message_bytes }.to_string();
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", &most);
    match admin(servers).alter_configs([&change], &options()).await.map(|mut outcomes| outcomes.pop()) {
        Ok(Some(Ok(_))) => {}
        other => panic!("cannot change {topic}: {other:?}"),
    }
}

/// Deletes a topic and creates it anew, empty, with as many partitions and the same settings.
///
/// # Panics
/// Kafka does not do it.
pub async fn recreate(servers: &str, topic: &str) {
    let admin = admin(servers);
    let (partitions, settings) = (partitions(&admin, topic), settings(&admin, topic).await);
    match admin.delete_topics(&[topic], &options()).await.map(|mut outcomes| outcomes.pop()) {
        Ok(Some(Ok(_))) => {}
        other => panic!("cannot delete {topic}: {other:?}"),
    }
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let deadline = Instant::now() + LIMIT;
    loop {
        match admin.create_topics([&new], &options()).await.map(|mut outcomes| outcomes.pop()) {
            Ok(Some(Ok(_))) => return,
            // It goes a little after it was told to.
            Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) if Instant::now() < deadline => sleep(EVERY).await,
            other => panic!("cannot create {topic}: {other:?}"),
        }
    }
}

fn partitions(admin: &AdminClient<DefaultClientContext>, topic: &str) -> i32 {
    let metadata = admin.inner().fetch_metadata(Some(topic), LIMIT).expect("Kafka runs");
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    partitions.try_into().expect("a topic has a few partitions")
}

/// Those that were given to it.
async fn settings(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Vec<(String, String)> {
    let asked = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options()).await;
    let answer = asked.expect("Kafka runs").pop().and_then(Result::ok);
    let resource = answer.filter(|one| one.specifier == OwnedResourceSpecifier::Topic(topic.to_owned()));
    let entries = resource.expect("the settings of the topic that was asked for").entries;
    let own = entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
    own.filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// Deletes what lies before these offsets, by partition.
///
/// # Panics
/// Kafka does not do it.
pub async fn delete_before(servers: &str, topic: &str, offsets: &BTreeMap<i32, i64>) {
    if offsets.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset is a number");
    }
    let done = admin(servers).delete_records(&list, &options()).await.expect("Kafka runs");
    for element in done.elements() {
        element.error().unwrap_or_else(|error| panic!("cannot shorten {topic}/{}: {error}", element.partition()));
    }
}
