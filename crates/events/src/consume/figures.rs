//! Figures that are looked up once and told together, because telling each costs more than counting.

use std::mem;

use super::partition::LogReset;
use crate::flow::error::Category;

/// The figures of one handler, looked up once.
pub(super) struct Figures {
    pub(super) durations: metrics::Histogram,
    pub(super) duplicates: metrics::Counter,
}

impl Figures {
    pub(super) fn of(handler: &'static str) -> Self {
        tell_letters(handler);
        metrics::counter!("handler_failures_total", "handler" => handler, "category" => Category::Processing.as_str())
            .increment(0);
        Self {
            durations: metrics::histogram!("kafka_consumer_processing_duration_seconds", "handler" => handler),
            duplicates: metrics::counter!("inbox_duplicates_total", "handler" => handler),
        }
    }
}

/// Shows the dead letters of a handler from the start: an alert on the first of a kind needs the 0 before it. What no handler got
/// to see has an empty name.
pub(super) fn tell_letters(handler: &'static str) {
    for category in Category::ALL {
        metrics::counter!("dead_letters_total", "handler" => handler, "category" => category.as_str()).increment(0);
    }
}

/// Counts that the log of a partition of `topic` is another than was handled.
pub(super) fn count_reset(group: &str, topic: &'static str, why: LogReset, times: u64) {
    let labels = [("group", group.to_owned()), ("topic", topic.to_owned()), ("reason", why.as_str().to_owned())];
    metrics::counter!("kafka_consumer_log_resets_total", &labels).increment(times);
}

/// A counter that is told many at once: it is shared, and telling it of each record costs more than counting.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) untold: u64,
    told: metrics::Counter,
}

impl Count {
    pub(super) fn of(told: metrics::Counter) -> Self {
        Self { untold: 0, told }
    }

    pub(super) fn tell(&mut self) {
        if self.untold > 0 {
            self.told.increment(mem::take(&mut self.untold));
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.tell();
    }
}
