//! The service as a process, against a real Kafka and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod actors;
mod api;
mod bookings;
mod conformance;
mod database_forms;
mod foreign_numbers;
mod forms;
mod identity;
mod meanwhile;
mod other_country;
mod patients;
mod poison;
mod receipts;
mod row_changes;
mod said_again;
mod sessions;
mod slots;
mod support;
mod tail;
mod untold;
mod upgrade;
