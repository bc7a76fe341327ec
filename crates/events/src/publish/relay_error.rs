//! Why the relay stopped for now.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::cursor::CursorError;
use crate::kafka::admin::TopicError;

/// Why the relay stopped for now. It begins again from the saved position.
#[derive(Debug, Error)]
pub(super) enum RelayError {
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error("the relay's database connection failed")]
    Database(#[from] sqlx::Error),
    #[error("the relay's producer could not be made")]
    Producer(#[source] KafkaError),
    #[error("the relay's producer is dead: {code}: {reason}")]
    Fatal { code: RDKafkaErrorCode, reason: String },
    #[error("Kafka has acknowledged none of {records} records for 30 s; beginning again with a new client")]
    Silent { records: usize },
    #[error("a record was not delivered: {0}")]
    Delivery(RDKafkaErrorCode),
    #[error(transparent)]
    Topics(#[from] Box<TopicError>),
}
