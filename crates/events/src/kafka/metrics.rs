//! What every metric of the road means: the one place that names them all, so that `/metrics` explains itself.
//!
//! They are counted where things happen, through handles that are looked up once. No label takes unbounded values: topics,
//! groups, handlers and categories are those of the code.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// The kinds of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Is distributed.
    Histogram,
}

/// A metric of the road.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

impl Metric {
    /// What it counts in; its name says so.
    pub fn unit(&self) -> Unit {
        if self.name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

/// All of them; `docs/OPERATIONS.md` has the same table.
#[rustfmt::skip]
pub const ROAD: &[Metric] = &[
    counter("kafka_producer_messages_sent_total", &["topic"], "Records that Kafka acknowledged"),
    counter("kafka_producer_messages_failed_total", &["topic"],
        "Records that Kafka refused or did not acknowledge in time"),
    histogram("kafka_producer_send_duration_seconds", &["topic"],
        "Handed to the client until acknowledged; a sample"),
    histogram("kafka_producer_batch_size", &["topic"], "Records that were acknowledged together"),
    gauge("kafka_topic_partition_count", &["topic"], "Partitions of a topic that is consumed"),
    counter("kafka_consumer_messages_consumed_total", &["group", "topic"], "Records taken"),
    counter("kafka_consumer_messages_processed_total", &["topic", "outcome"],
        "Records behind us: applied, duplicate, skipped, other_group (a replay for another group), dead_letter"),
    counter("kafka_consumer_tombstones_skipped_total", &["topic"],
        "Records without a value that nobody asked for; among the skipped"),
    counter("replay_headers_ignored_total", &["topic", "reason"],
        "Records with headers of a replay that are none: incomplete, repeated, malformed, unsigned, forged"),
    histogram("kafka_consumer_processing_duration_seconds", &["handler"], "One attempt of a handler"),
    gauge("kafka_consumer_lag", &["group", "topic", "partition"],
        "Records of an assigned partition that are not handled; NaN while that is not known and once it is another's"),
    gauge("kafka_consumer_lag_seconds", &["group", "topic", "partition"],
        "Age of the oldest record that is not handled; 0 when all are, NaN as the lag"),
    gauge("kafka_consumer_blocked_by_transaction_seconds", &["group", "topic", "partition"],
        "For how long what stands behind an open transaction has waited for its end; NaN as the lag"),
    gauge("kafka_consumer_stalled", &["group"], "1 while nothing is taken of a partition that has more"),
    counter("kafka_consumer_commit_failures_total", &["group"], "Commits of offsets that failed; the next makes up for one"),
    counter("kafka_consumer_rebuilds_total", &["group", "reason"], "Kafka clients that were built anew: stalled, dead, broken, panicked, unreadable, another_log"),
    gauge("kafka_consumer_running", &["group"], "Keys at work"),
    gauge("kafka_consumer_waiting_for_retry", &["group"],
        "Keys that wait for their next attempt or for an outside system"),
    gauge("kafka_consumer_oldest_waiting_seconds", &["group"],
        "For how long the key that waits longest has not got further"),
    gauge("kafka_consumer_brake", &["group"], "1 while the brake is on: too many records became dead letters"),
    counter("handler_failures_total", &["handler", "category"], "Failed attempts"),
    counter("inbox_duplicates_total", &["handler"], "Events that had been handled before"),
    gauge("inbox_retention_seconds", &["group"], "For how long claims are kept; infinite while none is forgotten"),
    counter("dead_letters_total", &["handler", "category"], "Dead letters that were written and acknowledged"),
    counter("dead_letter_failures_total", &["group"], "Attempts to write a dead letter that failed"),
    gauge("breaker_state", &["dependency"], "0 closed, 1 half-open, 2 open: the outside system is away; \"other\" are those past the 256th name"),
    counter("guarantee_checks_total", &["guarantee"], "How often a promise was looked at"),
    counter("guarantee_violations_total", &["guarantee"], "How often it did not hold; stays 0"),
    gauge("schema_registry_up", &[], "0 while a schema id cannot be asked for; there from the first question on"),
    gauge("outbox_backlog", &[], "Rows that are not behind the saved position; counted up to 100000"),
    gauge("outbox_oldest_transaction_seconds", &[], "Age of the oldest writing transaction of the database"),
    gauge("outbox_held_keys", &[], "Keys that are held because Kafka refused a record of theirs"),
    histogram("relay_publish_latency_seconds", &[], "Row written until record acknowledged, one row of each round"),
    counter("relay_restarts_total", &[], "An error made the relay begin again from its saved position"),
];

/// Gives all of them to the recorder; call it once one is installed.
pub fn describe() {
    for metric in ROAD {
        let (name, unit, help) = (metric.name, metric.unit(), metric.help);
        match metric.kind {
            Kind::Counter => describe_counter!(name, unit, help),
            Kind::Gauge => describe_gauge!(name, unit, help),
            Kind::Histogram => describe_histogram!(name, unit, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_guide_has_each_with_its_labels() {
        let guide = include_str!("../../../../docs/OPERATIONS.md");
        for Metric { name, labels, .. } in ROAD {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let row = format!("| `{name}` | {} ", labels.join(", "));
            assert!(guide.contains(&row.replace("|  ", "| ")), "docs/OPERATIONS.md has no line {row:?}");
        }
    }
}
