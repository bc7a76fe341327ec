//! The thread that owns the Kafka client and polls always. Nothing that a handler does can hold it up, and no call that
//! can block is made anywhere else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Engine,
    intake::{Intake, Room},
    notice::Notice,
    partition::Frontier,
    record::Block,
    status::ConsumerStatus,
};

/// An idle poll returns after this time to look at commits and at the shutdown.
const IDLE: Duration = Duration::from_millis(50);
/// While a partition is paused, its load is looked at this often.
const PAUSED: Duration = Duration::from_millis(5);
/// While a partition is full and not paused, its load is looked at this often.
const FULL: Duration = Duration::from_millis(1);
/// A dead client is polled for so long after it was told to leave: it gives its partitions back and says so to the broker.
const FAREWELL: Duration = Duration::from_secs(1);
/// The same complaint of the client is logged once in this time.
const QUIET: Duration = Duration::from_secs(30);

/// What readiness says of a batch that the client would pass over.
const UNKNOWN_FORMAT: &str = "takes nothing: a partition has a batch of a format that the Kafka client does not know, as one that is \
     damaged on disk; see the brokers' logs, mend their copies, or move the group's offset behind it";

pub(super) struct Poller {
    pub(super) consumer: BaseConsumer<Intake>,
    pub(super) events: UnboundedSender<Notice>,
    pub(super) commits: Receiver<Vec<Frontier>>,
    pub(super) status: ConsumerStatus,
    pub(super) engine: Arc<Engine>,
    pub(super) most_at_once: usize,
    pub(super) shutdown: CancellationToken,
}

impl Poller {
    /// Polls until the shutdown or until the client is dead, then gives everything away and leaves the group.
    pub(super) fn run(self) {
        let _farewell = Farewell(self.events.clone());
        let context = Arc::clone(self.consumer.context());
        let mut complaints = Complaints::default();
        let mut block = Block::default();
        let mut is_sound = true;
        while is_sound && !self.shutdown.is_cancelled() && self.lives() {
            self.status.polled();
            self.commit(&context);
            context.begin_anew(&self.consumer);
            let patience = match context.balance(&self.consumer) {
                Room::Free => IDLE,
                Room::Paused => PAUSED,
                Room::Full => {
                    std::thread::sleep(FULL);
                    continue;
                }
            };
            let mut records = Vec::with_capacity(self.most_at_once);
            let mut patience = Some(patience);
            while records.len() < self.most_at_once {
                // The first poll waits; then what is there already is taken along.
                match self.consumer.poll(patience.take().unwrap_or(Duration::ZERO)) {
                    None => break,
                    // Whatever a record holds must not end this thread without a word of where that was.
                    Some(Ok(message)) => match catch_unwind(AssertUnwindSafe(|| context.take(&message, &mut block))) {
                        Ok(record) => records.extend(record),
                        Err(_) => {
                            let place = context.place(&message);
                            tracing::error!(?place, "taking a record panicked; another client takes it again");
                            self.engine.rebuild.ask("panicked", place);
                            is_sound = false;
                            break;
                        }
                    },
                    Some(Err(error)) => {
                        context.suspect();
                        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NotImplemented) {
                            // The client goes on behind a batch of a format that it does not know, and says of no partition
                            // that it is that one's. Nothing that it brings from here on may be taken.
                            self.status.halts("", -1, UNKNOWN_FORMAT.to_owned());
                            self.engine.rebuild.ask("unreadable", None);
                            is_sound = false;
                        }
                        complaints.log(&error);
                        break;
                    }
                }
            }
            if !records.is_empty() && self.events.send(Notice::Records(records)).is_err() {
                break;
            }
        }
        context.release(&self.consumer, None);
        match self.consumer.client().fatal_error() {
            // Leaving the group can take long when the coordinator is away; whoever started this thread does not wait for
            // ever.
            None => drop(self.consumer),
            Some((code, reason)) => {
                tracing::error!(%code, reason, "the Kafka consumer is dead; another takes its place");
                self.bury();
            }
        }
    }

    /// librdkafka 2.12 never ends destroying a consumer after a fatal error, and keeps a core busy meanwhile. It can be made
    /// to leave its group, so that the others need not wait for it; what is left behind then sleeps.
    fn bury(self) {
        self.consumer.unsubscribe();
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            let _ = self.consumer.poll(IDLE);
        }
        std::mem::forget(self.consumer);
    }

    /// A client that met a fatal error does nothing more.
    fn lives(&self) -> bool {
        self.consumer.client().fatal_error().is_none()
    }

    fn commit(&self, context: &Intake) {
        while let Ok(frontiers) = self.commits.try_recv() {
            let list = context.current(&frontiers);
            if list.count() > 0
                && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
            {
                context.commit_failed();
                tracing::warn!(%error, "committing offsets failed; the next commit makes up for it");
            }
        }
    }
}

/// Tells the end of the thread, even if it panics: without it nobody would build another client.
struct Farewell(UnboundedSender<Notice>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(Notice::Closed);
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
