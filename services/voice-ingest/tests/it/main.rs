//! The service as a process, against a real Kafka and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod actors;
mod bad_input;
mod call_page;
mod command_line;
mod conformance;
mod database_says_no;
mod forms;
mod half_sent;
mod observed;
mod personal_data;
mod pieces;
mod rejected;
mod repeats;
mod support;
