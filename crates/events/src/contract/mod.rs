//! What is on the wire: envelope, headers, topics, event types, and how bytes become them. No client, no database.

pub mod codec;
pub mod dead_letter;
pub mod envelope;
pub mod event;
pub mod headers;
mod legacy;
pub mod replay;
pub mod schema;
pub mod sensitive;
pub mod topics;
