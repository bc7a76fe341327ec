//! What operators and unlucky producers do to a topic or a group: old records deleted, partitions added, offsets moved, a transaction
//! left open.

use std::{fmt, time::Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, NewPartitions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use uuid::Uuid;

use crate::{
    kafka::{LIMIT, blocking, client, consumer, options},
    wait::INTERVAL,
};

/// Deletes what stands before these offsets, as retention does.
pub async fn delete_records(bootstrap: &str, topic: &str, before: &[(i32, i64)]) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let answer = admin.delete_records(&list(topic, before), &options()).await.unwrap();
    assert!(answer.elements().iter().all(|one| one.error().is_ok()), "cannot delete records of {topic}: {answer:?}");
}

/// Gives a topic more partitions.
pub async fn add_partitions(bootstrap: &str, topic: &str, count: usize) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let results = admin.create_partitions([&NewPartitions::new(topic, count)], &options()).await.unwrap();
    assert!(results.iter().all(Result::is_ok), "cannot add partitions to {topic}: {results:?}");
}

/// Commits these offsets for a group that has no members, as `kafka-consumer-groups` does.
pub async fn commit(bootstrap: &str, group: &str, topic: &str, offsets: &[(i32, i64)]) {
    let (config, list) = (consumer(bootstrap, group), list(topic, offsets));
    blocking(move || {
        let consumer: BaseConsumer = config.create().unwrap();
        let deadline = Instant::now() + LIMIT;
        // A broker that has just started loads its groups first.
        while let Err(error) = consumer.commit(&list, CommitMode::Sync) {
            assert!(Instant::now() < deadline, "cannot commit {list:?}: {error}");
            std::thread::sleep(INTERVAL);
        }
    })
    .await;
}

fn list(topic: &str, offsets: &[(i32, i64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).unwrap();
    }
    list
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
