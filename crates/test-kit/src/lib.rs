//! For tests only: the real things that they run against, and bounded waits.
//!
//! Everything here fails by panicking with a sentence that says what to do; nothing is retried in secret.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what failed by failing, and shows what it saw"
)]

pub mod broker;
pub mod kafka;
pub mod postgres;
pub mod process;
pub mod stack;
pub mod wait;
