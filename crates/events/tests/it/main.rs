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
mod examples;
mod lag;
mod large_letters;
mod letter_ids;
mod outage;
mod parked_letters;
mod producing;
mod publishing;
mod rebalancing;
mod registry;
mod relay_order;
mod replays;
mod support;
mod transactions;
mod uncommitted;
