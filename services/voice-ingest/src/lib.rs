//! Takes what a voice AI says, finds what it announced to its caller, publishes that, and shows what became of it.

mod announcement;
mod api;
mod app;
mod config;
pub mod domain;
pub mod handlers;
mod intake;
mod said_again;
mod send;
mod store;

pub use app::VoiceIngest;
pub use config::{Config, Role};

/// The service's name: in events, in its dead letters, its consumer group.
pub const NAME: &str = "voice-ingest";
/// Its schema in the database.
pub const SCHEMA: &str = "voice";
