//! What producers count, by the names that the earlier systems' dashboards use. The label is the catalogue's name of the
//! topic, so that neither name spaces nor a user's own topics make new series.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{Counter, Histogram};
use rdkafka::statistics::Statistics;

use crate::contract::topics::TopicNames;

/// The most often that a producer measures how long a send takes; each record more would cost more than it tells.
const SAMPLE: Duration = Duration::from_millis(1);

/// One topic's counters, looked up once.
pub(crate) struct TopicMetrics {
    sent: Counter,
    failed: Counter,
    duration: Histogram,
}

impl TopicMetrics {
    /// A record that every in-sync replica has.
    pub(crate) fn sent(&self) {
        self.sent.increment(1);
    }

    /// A record that Kafka refused or did not acknowledge in time.
    pub(crate) fn failed(&self) {
        self.failed.increment(1);
    }

    /// From the hand-over to the acknowledgement.
    pub(crate) fn took(&self, since: Instant) {
        self.duration.record(since.elapsed().as_secs_f64());
    }
}

/// The counters of the topics that one producer has sent to.
pub(crate) struct ProducerMetrics {
    names: TopicNames,
    topics: HashMap<String, Arc<TopicMetrics>>,
    sampled_at: Option<Instant>,
}

impl ProducerMetrics {
    pub(crate) fn new(names: TopicNames) -> Self {
        Self { names, topics: HashMap::new(), sampled_at: None }
    }

    /// Those of a topic, by its name in Kafka.
    pub(crate) fn of(&mut self, topic: &str) -> Arc<TopicMetrics> {
        if let Some(known) = self.topics.get(topic) {
            return Arc::clone(known);
        }
        let label = label(&self.names, topic);
        let new = Arc::new(TopicMetrics {
            sent: metrics::counter!("kafka_producer_messages_sent_total", "topic" => label),
            failed: metrics::counter!("kafka_producer_messages_failed_total", "topic" => label),
            duration: metrics::histogram!("kafka_producer_send_duration_seconds", "topic" => label),
        });
        self.topics.insert(topic.to_owned(), Arc::clone(&new));
        new
    }

    /// When the send that begins now is one to be measured.
    pub(crate) fn sample(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let due = self.sampled_at.is_none_or(|last| now.duration_since(last) >= SAMPLE);
        if due {
            self.sampled_at = Some(now);
        }
        due.then_some(now)
    }

    /// Tells the mean size of the batches since the last statistics, which the client makes every 5 s.
    pub(crate) fn batch_sizes(&self, statistics: &Statistics) {
        for (topic, told) in &statistics.topics {
            if told.batchcnt.cnt > 0 {
                let label = label(&self.names, topic);
                metrics::histogram!("kafka_producer_batch_size", "topic" => label).record(told.batchcnt.avg as f64);
            }
        }
    }
}

fn label(names: &TopicNames, topic: &str) -> &'static str {
    names.in_catalogue(topic).map_or("other", |known| known.name)
}
