//! The thread that owns the Kafka client and polls always. Nothing that a handler does can hold it up, and no call that
//! can block is made anywhere else.

use std::{
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::KafkaError,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{
    consumer::ConsumerStatus,
    dispatch::Event,
    rebalance::{Assignments, Frontier},
};

/// An idle poll returns after this time to look at commits and at the shutdown.
const IDLE: Duration = Duration::from_millis(50);
/// While a partition is paused, its load is looked at this often.
const PAUSED: Duration = Duration::from_millis(5);
/// The same complaint of the client is logged once in this time.
const QUIET: Duration = Duration::from_secs(30);

pub(super) struct Poller {
    pub(super) consumer: BaseConsumer<Assignments>,
    pub(super) events: UnboundedSender<Event>,
    pub(super) commits: Receiver<Vec<Frontier>>,
    pub(super) status: ConsumerStatus,
    pub(super) most_at_once: usize,
    pub(super) shutdown: CancellationToken,
}

impl Poller {
    /// Polls until the shutdown, then gives everything away and leaves the group.
    pub(super) fn run(self) {
        let context = Arc::clone(self.consumer.context());
        let mut complaints = Complaints::default();
        while !self.shutdown.is_cancelled() {
            self.status.polled();
            self.commit(&context);
            let patience = if context.balance(&self.consumer) { PAUSED } else { IDLE };
            let mut records = Vec::new();
            let mut patience = Some(patience);
            while records.len() < self.most_at_once {
                // The first poll waits; then what is there already is taken along.
                match self.consumer.poll(patience.take().unwrap_or(Duration::ZERO)) {
                    None => break,
                    Some(Ok(message)) => records.extend(context.take(&message)),
                    Some(Err(error)) => {
                        complaints.log(&error);
                        break;
                    }
                }
            }
            if !records.is_empty() {
                metrics::counter!("kafka_consumer_messages_consumed_total").increment(records.len() as u64);
                if self.events.send(Event::Records(records)).is_err() {
                    break;
                }
            }
        }
        context.release(&self.consumer, None);
        // Leaving the group can take long when the coordinator is away; whoever started this thread does not wait for ever.
        drop(self.consumer);
        let _ = self.events.send(Event::Closed);
    }

    fn commit(&self, context: &Assignments) {
        while let Ok(frontiers) = self.commits.try_recv() {
            let list = context.current(&frontiers);
            if list.count() > 0
                && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
            {
                tracing::warn!(%error, "committing offsets failed; the next commit makes up for it");
            }
        }
    }
}

#[derive(Default)]
struct Complaints {
    last: Option<(String, Instant)>,
}

impl Complaints {
    fn log(&mut self, error: &KafkaError) {
        let text = error.to_string();
        if self.last.as_ref().is_some_and(|(last, at)| *last == text && at.elapsed() < QUIET) {
            return;
        }
        tracing::warn!(error = text, "the Kafka consumer met an error and goes on");
        self.last = Some((text, Instant::now()));
    }
}
