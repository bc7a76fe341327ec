//! The relay's figures by topic: handles are looked up once, and a round of deliveries is added up before it is told.

use std::collections::BTreeMap;

use metrics::{Counter, Histogram, counter, histogram};
use tokio::time::Instant;

use crate::contract::topics::TopicSpec;

pub(super) struct Figures {
    /// Row written until record acknowledged.
    pub(super) latency: Histogram,
    topics: BTreeMap<&'static str, Topic>,
}

struct Topic {
    sent: Counter,
    failed: Counter,
    durations: Histogram,
    sizes: Histogram,
    /// Of this round: what was acknowledged, and when the last of it had been handed to the client.
    acknowledged: u64,
    last: Option<Instant>,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self { latency: histogram!("relay_publish_latency_seconds"), topics: BTreeMap::new() }
    }

    /// A record was acknowledged or refused.
    pub(super) fn note(&mut self, topic: &'static TopicSpec, since: Instant, refused: bool) {
        let topic = self.topics.entry(topic.name).or_insert_with(|| Topic::of(topic.name));
        if refused {
            topic.failed.increment(1);
        } else {
            topic.acknowledged += 1;
            topic.last = Some(since);
        }
    }

    /// Tells of the round. One duration stands for all of it, so that a fast relay does not spend its time on figures.
    pub(super) fn tell(&mut self) {
        for topic in self.topics.values_mut() {
            if let Some(since) = topic.last.take() {
                topic.durations.record(since.elapsed().as_secs_f64());
                topic.sizes.record(topic.acknowledged as f64);
                topic.sent.increment(std::mem::take(&mut topic.acknowledged));
            }
        }
    }
}

impl Topic {
    fn of(name: &'static str) -> Self {
        Self {
            sent: counter!("kafka_producer_messages_sent_total", "topic" => name),
            failed: counter!("kafka_producer_messages_failed_total", "topic" => name),
            durations: histogram!("kafka_producer_send_duration_seconds", "topic" => name),
            sizes: histogram!("kafka_producer_batch_size", "topic" => name),
            acknowledged: 0,
            last: None,
        }
    }
}
