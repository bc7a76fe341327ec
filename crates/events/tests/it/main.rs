//! The road against a real Kafka and a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what failed by failing, and shows its figures"
)]

mod consuming;
mod dead_letters;
mod outage;
mod publishing;
mod rebalancing;
mod relay_order;
mod support;
