//! The service as a process, against a real Kafka and PostgreSQL.

mod bad_input;
mod call_page;
mod command_line;
mod personal_data;
mod pieces;
mod rejected;
mod repeats;
mod support;
