//! The whole system: the services as processes, against a real Kafka and a real PostgreSQL, seen as their users see them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what failed by failing, and shows what it saw"
)]

mod foreign_clients;
mod killed_services;
mod moved_back;
mod outage;
mod recorded_day;
mod row_changes;
mod settings;
mod support;
mod ways_in;
mod ways_in_forms;
