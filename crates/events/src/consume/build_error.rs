//! Why a consumer cannot be assembled.

use rdkafka::error::KafkaError;
use thiserror::Error;

/// Why a consumer cannot be assembled.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Their inbox claims would be each other's.
    #[error("two handlers are called {0}: their inbox claims would be each other's; rename one")]
    SameName(&'static str),
    /// It would skip every record.
    #[error("a consumer without handlers would skip every record; add one with .handle(...) or .listen(...)")]
    NoHandlers,
    /// A batch is one transaction of one handler.
    #[error("{0} takes batches and so needs a consumer, and a group, to itself")]
    NotAlone(&'static str),
    /// Nothing to subscribe to.
    #[error("{0} takes records of no topic; have its topics() name them")]
    NoTopics(&'static str),
    /// A dead letter that fails again must not become a dead letter.
    #[error("{0} reads the dead letters' topic and so needs a database, where it parks what it cannot handle")]
    NowhereToPark(String),
    /// What librdkafka says of a setting.
    #[error("the Kafka settings were refused")]
    Settings(#[from] KafkaError),
    /// The operating system has no thread left.
    #[error("the consumer's thread could not be started")]
    Thread(#[from] std::io::Error),
}
