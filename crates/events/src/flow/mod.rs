//! Pure decisions: what happens next to a piece of work. Nothing here does I/O, reads a clock or knows Kafka or
//! PostgreSQL; time and randomness are arguments, so that every rule can be tested against a model.

pub mod brake;
pub mod breaker;
pub mod error;
pub mod ledger;
pub mod retry;
pub mod scheduler;
