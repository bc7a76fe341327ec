//! The road against a real Kafka and a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what failed by failing, and shows its figures"
)]

mod batches;
mod brake;
mod breaker;
mod connections;
mod consuming;
mod dead_letters;
mod denied;
mod examples;
mod lag;
mod outage;
mod producer_settings;
mod producing;
mod publishing;
mod rebalancing;
mod record_size;
mod registry;
mod relay_order;
mod replays;
mod support;
mod transactions;
