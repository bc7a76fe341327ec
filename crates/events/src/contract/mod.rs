//! What is on the wire: envelope, headers, topics, event types, and how bytes become them. No client, no database.

pub mod alien;
#[cfg(test)]
mod canaries;
pub mod codec;
pub mod dead_letter;
pub mod envelope;
pub mod event;
pub mod headers;
pub mod json;
mod legacy;
pub mod mismatch;
mod no_event;
pub mod no_id;
mod outside_text;
pub mod replay;
pub mod schema;
pub mod second_reading;
pub mod sensitive;
pub mod topics;
