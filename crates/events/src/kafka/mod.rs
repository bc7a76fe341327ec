//! The Kafka client: settings, topics, producer. The only wing besides `consume::poll` that calls rdkafka.

pub mod admin;
pub(crate) mod client;
pub mod config;
pub mod producer;
