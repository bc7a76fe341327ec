//! How large a record is to its topic: one rule, for a row when it is written, for the relay, and for direct sending.
//!
//! A broker measures a batch, and a record that travels alone is a batch of its own. Counted is what it takes there at most
//! and before it is compressed, with the frame of a schema registry where it can get one: who writes a row does not know
//! whether there is a registry. So a row that was accepted is never too large later, unless an operator made its topic
//! smaller than the catalogue says.

use super::frame::{FRAME_BYTES, is_framed};

/// A batch without its records.
const BATCH: usize = 61;
/// A record without key, value and headers: its lengths and differences, each as long as they get.
const RECORD: usize = 36;
/// The lengths of a header's name and value.
const HEADER: usize = 10;

/// What a header counts.
pub(crate) fn header(name: &str, value: &[u8]) -> usize {
    HEADER + name.len() + value.len()
}

/// What a record counts whose headers count `headers`. To be held against the topic's `max_message_bytes`.
pub(crate) fn record(key: &[u8], value: &[u8], headers: usize) -> usize {
    let frame = if is_framed(value) { 0 } else { FRAME_BYTES };
    BATCH + RECORD + key.len() + headers + frame + value.len()
}
