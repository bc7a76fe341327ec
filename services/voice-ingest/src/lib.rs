//! Takes what a voice AI says, finds what it announced, and publishes that.

mod announcement;
pub mod domain;
mod handlers;
mod intake;
mod store;

/// The service's name: in events, in its schema's bookkeeping, in its consumer group.
pub const NAME: &str = "voice-ingest";
