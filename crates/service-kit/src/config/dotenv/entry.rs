//! What a file sets, before references are resolved.

use std::ops::RangeInclusive;

/// `NAME=value`; the value may go over several lines.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) lines: RangeInclusive<usize>,
    pub(super) value: Vec<Part>,
}

/// A piece of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Reference {
        name: String,
        default: Option<Vec<Part>>,
    },
    /// `$NAME` as the whole of a value.
    Whole(String),
}
