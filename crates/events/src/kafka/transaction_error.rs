//! What can go wrong with a transaction, told apart by what is to be done.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::send_error::SendError;

/// What can go wrong with a transaction, told apart by what is to be done.
#[derive(Debug, Error)]
pub enum TransactionError {
    /// A newer producer with the same `transactional.id` took over, and nothing of this transaction is visible. Stop: the
    /// work is the other's now. Where both are meant to work, give each an id of its own.
    #[error("the transactional producer {id} was fenced: a newer one with this id is at work")]
    Fenced {
        /// The `transactional.id`.
        id: String,
    },
    /// The transaction cannot be committed, and nothing of it is visible. Abort it or let it drop, and do its work again in
    /// a new one; where it consumes, from the committed offsets.
    #[error("{step} failed in a transaction of {id}, which has to be aborted{hint}")]
    Abortable {
        /// The `transactional.id`.
        id: String,
        /// What was tried.
        step: &'static str,
        /// What the client met by itself.
        hint: String,
        /// How the client puts it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Kafka did not answer in time, and no transaction was open. Try again.
    #[error("{step} failed for the transactional producer {id}{hint}")]
    Unavailable {
        /// The `transactional.id`.
        id: String,
        /// What was tried.
        step: &'static str,
        /// What the client met by itself.
        hint: String,
        /// How the client puts it.
        source: KafkaError,
    },
    /// The commit was not answered in time: it happened, or it did not, as a whole. Make a new producer with this id, which
    /// settles it, and go on from the offsets that are committed then.
    #[error("whether a transaction of {id} was committed is not known{hint}")]
    OutcomeUnknown {
        /// The `transactional.id`.
        id: String,
        /// What the client met by itself.
        hint: String,
    },
    /// This producer cannot go on. Make a new one with this id: it aborts what was left open.
    #[error("the transactional producer {id} cannot go on: {reason}")]
    Fatal {
        /// The `transactional.id`.
        id: String,
        /// Why.
        reason: String,
    },
    /// An event did not become a record: it cannot be written, or its schema has no id. The transaction is as it was.
    #[error(transparent)]
    Event(SendError),
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Start,
    Begin,
    Send,
    SendOffsets,
    Commit,
    Abort,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "starting",
            Self::Begin => "beginning",
            Self::Send => "sending",
            Self::SendOffsets => "sending offsets",
            Self::Commit => "committing",
            Self::Abort => "aborting",
        }
    }
}

/// What a step of the producer `id` met.
pub(super) struct Met<'a> {
    pub(super) id: &'a str,
    pub(super) step: Step,
    /// What the client met by itself.
    pub(super) hint: Option<String>,
    /// What the client says of itself when it is dead.
    pub(super) fatal: Option<(RDKafkaErrorCode, String)>,
}

impl Met<'_> {
    /// Sorts an error of the client's.
    pub(super) fn error(self, error: KafkaError) -> TransactionError {
        use TransactionError as Sorted;
        let Self { step, fatal, .. } = self;
        let id = self.id.to_owned();
        let hint = self.hint.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let (is_fatal, must_abort) = match &error {
            KafkaError::Transaction(inner) => (inner.is_fatal(), inner.txn_requires_abort()),
            // What was sent was not acknowledged in time, so the commit was not even asked for.
            KafkaError::Flush(_) => (false, true),
            _ => (false, matches!(step, Step::Send)),
        };
        let code = fatal.as_ref().map(|(code, _)| *code).or(error.rdkafka_error_code());
        let fenced = matches!(
            code,
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch)
        );
        if is_fatal || fatal.is_some() {
            return match fatal {
                _ if fenced => Sorted::Fenced { id },
                Some((_, reason)) => Sorted::Fatal { id, reason },
                None => Sorted::Fatal { id, reason: error.to_string() },
            };
        }
        match step {
            _ if must_abort => Sorted::Abortable { id, step: step.name(), hint, source: Box::new(error) },
            Step::Commit => Sorted::OutcomeUnknown { id, hint },
            Step::Start | Step::Begin => Sorted::Unavailable { id, step: step.name(), hint, source: error },
            Step::Send | Step::SendOffsets => {
                Sorted::Abortable { id, step: step.name(), hint, source: Box::new(error) }
            }
            Step::Abort => Sorted::Fatal { id, reason: format!("an abort was not answered: {error}") },
        }
    }

    /// The transaction has a record that Kafka did not take.
    pub(super) fn failed_record(self, source: SendError) -> TransactionError {
        TransactionError::Abortable {
            id: self.id.to_owned(),
            step: self.step.name(),
            hint: String::new(),
            source: Box::new(source),
        }
    }
}
