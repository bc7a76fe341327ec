//! The Kafka client: settings, topics, producers, schema registry, metrics, traces. Besides it only `consume` and `publish` call rdkafka,
//! for the poll thread and the relay's window.

pub mod admin;
pub(crate) mod blame;
pub(crate) mod client;
pub mod config;
mod delivery;
pub(crate) mod frame;
pub mod lifetime;
pub mod metrics;
mod out_record;
pub mod producer;
pub(crate) mod producer_metrics;
pub(crate) mod record_size;
pub mod registry;
mod registry_error;
mod send_error;
pub mod tail;
pub mod trace;
mod transaction_error;
pub mod transactional;
mod values;
