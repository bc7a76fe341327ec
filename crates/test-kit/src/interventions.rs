//! What operators and unlucky producers do to a topic or a group: old records deleted, partitions added, offsets moved, a transaction
//! left open.

use std::fmt;

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use uuid::Uuid;

use crate::kafka::{LIMIT, blocking, client, consumer};

/// Deletes what stands before an offset, as retention does.
pub async fn delete_records(bootstrap: &str, topic: &str, partition: i32, before: i64) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
    let answer = admin.delete_records(&list, &options()).await.unwrap();
    assert!(answer.elements().iter().all(|one| one.error().is_ok()), "cannot delete records of {topic}: {answer:?}");
}

/// Gives a topic more partitions.
pub async fn add_partitions(bootstrap: &str, topic: &str, count: usize) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let results = admin.create_partitions([&NewPartitions::new(topic, count)], &options()).await.unwrap();
    assert!(results.iter().all(Result::is_ok), "cannot add partitions to {topic}: {results:?}");
}

/// Commits an offset for a group that has no members.
pub async fn commit(bootstrap: &str, group: &str, topic: &str, partition: i32, offset: i64) {
    let (config, topic) = (consumer(bootstrap, group), topic.to_owned());
    blocking(move || {
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, partition, Offset::Offset(offset)).unwrap();
        consumer.commit(&list, CommitMode::Sync).unwrap();
    })
    .await;
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT))
}

/// A transaction with one record: nobody gets to see that, nor what stands behind it in its partition, until it is committed.
/// Dropped, it stays open until the broker aborts it.
pub struct OpenTransaction(BaseProducer);

impl OpenTransaction {
    /// Its record is in the log when this returns.
    pub async fn begin(bootstrap: &str, topic: &str, key: &[u8], value: &[u8]) -> Self {
        let mut config = client(bootstrap);
        config.set("transactional.id", Uuid::new_v4().to_string());
        let (topic, key, value) = (topic.to_owned(), key.to_vec(), value.to_vec());
        blocking(move || {
            let producer: BaseProducer = config.create().unwrap();
            producer.init_transactions(LIMIT).unwrap();
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::to(&topic).key(&key).payload(&value)).map_err(|(error, _)| error).unwrap();
            producer.flush(LIMIT).unwrap();
            Self(producer)
        })
        .await
    }

    /// Makes its record and what stands behind it visible.
    pub async fn commit(self) {
        blocking(move || self.0.commit_transaction(LIMIT).unwrap()).await;
    }

    /// Its record stays in the log with a marker behind it, and nobody gets to see either.
    pub async fn abort(self) {
        blocking(move || self.0.abort_transaction(LIMIT).unwrap()).await;
    }
}

impl fmt::Debug for OpenTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenTransaction")
    }
}
