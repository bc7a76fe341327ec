//! Why bytes are no event.

use thiserror::Error;

use super::mismatch::Mismatch;

/// Why bytes are no envelope.
#[derive(Debug, Error)]
pub enum NoEvent {
    /// They are no text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// There are none, or nothing but space.
    #[error("it is empty")]
    Empty,
    /// They are something else, as in `is compressed with gzip`.
    #[error("it {0}, expected JSON in UTF-8 as it is")]
    Alien(&'static str),
    /// The text is no JSON.
    #[error("{what} at line {line}, column {column}")]
    NotJson { what: &'static str, line: usize, column: usize },
    /// The JSON is no envelope.
    #[error(transparent)]
    Mismatch(Mismatch),
    /// The version cannot be read.
    #[error("metadata.version is not a number such as \"1.0\"")]
    Version,
    /// It is none, and nothing more can be said.
    #[error("it cannot be read")]
    Unreadable,
}
