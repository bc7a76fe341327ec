//! Who goes first: on each partition one record alone, and what follows once that is acknowledged.
//!
//! A broker takes whatever number comes first from a client that it does not know, or has forgotten. Where five requests
//! are on their way, the first is refused for a moment and the second is taken, their order is lost for good; from the
//! first acknowledgement on, a broker refuses what comes out of turn.

use std::collections::HashMap;

use rdkafka::{client::Client, error::KafkaError};
use tokio::time::{Duration, Instant};

use super::deliveries::Deliveries;

/// Brokers forget a client that has been silent on a partition, after a day unless set otherwise.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How long a broker may take to tell a topic's partitions.
const LIMIT: Duration = Duration::from_secs(2);

/// The partitions of the topics that one client has sent to.
#[derive(Debug, Default)]
pub(super) struct Lead(HashMap<&'static str, Vec<Standing>>);

#[derive(Debug, Clone, Copy)]
enum Standing {
    Unknown,
    /// One record is on its way.
    Led,
    /// A record was acknowledged.
    Known(Instant),
}

impl Lead {
    /// The partition of a key, where its topic has been looked at.
    pub(super) fn partition(&self, topic: &str, key: &str) -> Option<usize> {
        self.0.get(topic).map(|partitions| murmur2(key.as_bytes()) as usize % partitions.len())
    }

    /// The topic has this many partitions.
    pub(super) fn learn(&mut self, topic: &'static str, partitions: usize) {
        self.0.insert(topic, vec![Standing::Unknown; partitions.max(1)]);
    }

    /// Whether a record has to wait for the one that leads.
    pub(super) fn is_led(&self, topic: &str, partition: usize) -> bool {
        matches!(self.at(topic, partition), Some(Standing::Led))
    }

    /// A record is on its way.
    pub(super) fn sent(&mut self, topic: &str, partition: usize) {
        if let Some(standing) = self.0.get_mut(topic).and_then(|partitions| partitions.get_mut(partition))
            && !matches!(standing, Standing::Known(at) if at.elapsed() < REMEMBERED)
        {
            *standing = Standing::Led;
        }
    }

    /// A record was acknowledged.
    pub(super) fn acknowledged(&mut self, topic: &str, partition: usize, now: Instant) {
        if let Some(standing) = self.0.get_mut(topic).and_then(|partitions| partitions.get_mut(partition)) {
            *standing = Standing::Known(now);
        }
    }

    fn at(&self, topic: &str, partition: usize) -> Option<Standing> {
        self.0.get(topic)?.get(partition).copied()
    }
}

/// How many partitions a topic has. The question blocks, so it is asked from a thread that may.
pub(super) fn partitions(client: &Client<Deliveries>, topic: &str) -> Result<usize, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), LIMIT)?;
    let told = metadata.topics().iter().find(|told| told.name() == topic);
    match told.map(|told| (told.error(), told.partitions().len())) {
        Some((None, partitions)) if partitions > 0 => Ok(partitions),
        Some((Some(error), _)) => Err(KafkaError::MetadataFetch(error.into())),
        _ => Err(KafkaError::MetadataFetch(rdkafka::error::RDKafkaErrorCode::LeaderNotAvailable)),
    }
}

/// The hash by which the clients of all languages find a key's partition, without its sign.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    (hash ^ hash >> 15) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_hash_is_that_of_other_clients() {
        // From the tests of Kafka's own client.
        for (key, hash) in
            [("21", -973_932_308_i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            assert_eq!(murmur2(key.as_bytes()), hash as u32 & 0x7fff_ffff, "{key}");
        }
    }

    #[test]
    fn what_follows_waits_for_the_first_of_its_partition_only() {
        let mut lead = Lead::default();
        assert_eq!(lead.partition("t", "a"), None);
        lead.learn("t", 2);
        lead.sent("t", 1);
        assert!(lead.is_led("t", 1) && !lead.is_led("t", 0));
        lead.acknowledged("t", 1, Instant::now());
        lead.sent("t", 1);
        assert!(!lead.is_led("t", 1));
        lead.acknowledged("t", 1, Instant::now() - 2 * REMEMBERED);
        lead.sent("t", 1);
        assert!(lead.is_led("t", 1), "the broker may have forgotten");
    }
}
