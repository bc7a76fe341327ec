//! What the scanner hands out: one marker with its object, or the reason why it has none.
//!
//! Owns the words in which a broken marker is explained to a person. None of them contains the text itself.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use crate::domain::Kind;

/// One marker and what followed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What the marker announces.
    pub kind: Kind,
    /// Its place in the whole text of the call, in bytes, from the marker's first letter to the end of the object, or
    /// to the place where it stopped making sense. Spans are in order and do not overlap.
    pub span: Range<u64>,
    /// The object's text, or why there is none.
    pub json: Result<String, Broken>,
    /// What was changed to make JSON of it.
    pub repairs: Vec<Repair>,
    /// The text from the marker on, for a person to read: the object, or for a broken one also what follows up to the
    /// next blank line or marker. At most [`super::EXCERPT_MAX`] bytes; NUL is shown as a space.
    pub raw: String,
}

/// What of an object was no JSON, and has one meaning all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// It was a text in JSON.
    Escaped,
    /// Single or typographic quotes.
    Quotes,
    /// Names without quotes.
    UnquotedName,
    /// A comma before a closing bracket.
    TrailingComma,
    /// Comments.
    Comment,
    /// Words of another language: `None`, `True`, `NaN`.
    Word,
    /// Line breaks and tabulators in texts.
    LineBreak,
    /// Digits that are no number: `+49301234`.
    Number,
    /// Full-width punctuation.
    Punctuation,
    /// The marks of a quotation at the beginning of lines.
    Quotation,
}

impl Found {
    /// It was only thought.
    pub(super) fn be_thought(&mut self) {
        self.json = Err(Broken { reason: BrokenReason::Thought });
        self.repairs.clear();
    }
}

/// Why a marker has no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The reason.
    pub reason: BrokenReason,
}

/// The reasons of [`Broken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokenReason {
    /// Something else than a JSON object follows the marker.
    NotAnObject,
    /// The object breaks the grammar of JSON.
    Malformed,
    /// The text ended first.
    Unfinished,
    /// It passed [`super::OBJECT_MAX`].
    TooLarge,
    /// It passed [`super::DEPTH_MAX`].
    TooDeep,
    /// It was only thought.
    Thought,
    /// Words that do not belong to it stand between the marker and its object.
    Unclear,
    /// An object behind the marker's own has fields of something else.
    Foreign,
    /// A name stands twice in it with different values.
    Ambiguous,
}

impl BrokenReason {
    /// The name used in tables and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Malformed => "malformed",
            Self::Unfinished => "unfinished",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::Thought => "thought",
            Self::Unclear => "unclear",
            Self::Foreign => "foreign",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// A sentence for the person who has to correct it.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::NotAnObject => "the marker is followed by something else than a JSON object",
            Self::Malformed => "the JSON object after the marker breaks the grammar of JSON",
            Self::Unfinished => "the text ended before the JSON object after the marker was closed",
            Self::TooLarge => "the JSON object after the marker is larger than 64 KiB",
            Self::TooDeep => "the JSON object after the marker is nested deeper than 64 levels",
            Self::Thought => "the marker stands in a thought of the model that does not end",
            Self::Unclear => "what stands around the marker does not say that the JSON object near it is meant",
            Self::Foreign => "the JSON object behind the marker's own has fields of something else",
            Self::Ambiguous => "a name stands twice in the JSON object after the marker, with different values",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.explanation())
    }
}

impl std::error::Error for Broken {}

/// The bytes as text that a database can store: without a character that was cut at the end, and with spaces for NULs.
pub(super) fn readable(bytes: &[u8]) -> String {
    let whole = match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.split_at(error.valid_up_to()).0,
        _ => bytes,
    };
    String::from_utf8_lossy(whole).replace('\0', " ").trim_end().to_owned()
}
