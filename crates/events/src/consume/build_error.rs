//! Why a consumer cannot be assembled.

use rdkafka::error::KafkaError;
use thiserror::Error;

/// Why a consumer cannot be assembled.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Their inbox claims would be each other's.
    #[error("two handlers are called {0}: their inbox claims would be each other's; rename one")]
    SameName(&'static str),
    /// Each event would have its effect in one of the two groups.
    #[error(
        "{handler} claims events in this inbox for the group {other} already: of each event one of the two groups would find \
         that it was handled; rename the handler, or have one group"
    )]
    NameOfAnotherGroup {
        /// The handler.
        handler: &'static str,
        /// The group that has its name.
        other: String,
    },
    /// It would skip every record.
    #[error("a consumer without handlers would skip every record; add one with .handle(...) or .listen(...)")]
    NoHandlers,
    /// A batch is one transaction of one handler.
    #[error("{0} takes batches and so needs a consumer, and a group, to itself")]
    NotAlone(&'static str),
    /// Nothing to subscribe to.
    #[error("{0} takes records of no topic; have its topics() name them")]
    NoTopics(&'static str),
    /// A replay has to be able to name it.
    #[error("{0:?} cannot be a name; allowed: 1 to 249 bytes, no control characters")]
    Name(String),
    /// Nobody can mean anything by one there.
    #[error("{0} asks for tombstones of {1}, which is not compacted")]
    NoTombstones(&'static str, &'static str),
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
