//! The Kafka client: settings, topics, producer. Besides it only `consume` and `publish` call rdkafka,
//! for the poll thread and the relay's window.

pub mod admin;
pub(crate) mod client;
pub mod config;
pub mod producer;
pub mod tail;
mod values;
