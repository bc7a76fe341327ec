//! The road against a real Kafka and a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what failed by failing, and shows its figures"
)]

mod asking;
mod backlog;
mod batch_order;
mod batches;
mod brake;
mod breaker;
mod commits;
mod connections;
mod consuming;
mod database_changes;
mod database_errors;
mod dead_letters;
mod denied;
mod examples;
mod first_places;
mod forged_replays;
mod inbox_retention;
mod lag;
mod lag_at_start;
mod lag_over_gaps;
mod large_letters;
mod letter_ids;
mod locked_rows;
mod log_marks;
mod log_resets;
mod modes;
mod other_logs;
mod outage;
mod parked_letters;
mod peer;
mod producer_settings;
mod producing;
mod publishing;
mod rebalancing;
mod record_size;
mod registry;
mod relay_order;
mod replay_modes;
mod replays;
mod signed_replays;
mod stalls;
mod stuck_keys;
mod support;
mod tombstones;
mod transactions;
mod uncommitted;
mod unnamed_records;
mod unstorable;
mod whatever_a_record_holds;
