//! The system of record for patients and appointments: writes what the voice AI confirmed, and publishes every change of a
//! row by whatever program made it.

mod api;
mod app;
mod config;
mod domain;
mod given_names;
pub mod handlers;
pub mod heard;
mod identity;
mod numbers;
mod spelling;
mod store;
mod tail;
mod titles;
mod zone;

pub use app::HealthcorePublisher;
pub use config::{Config, Role};

/// The service's name: in events, in its consumer's dead letters.
pub const NAME: &str = "healthcore-publisher";
/// Its schema in the database.
pub const SCHEMA: &str = "healthcore";
/// Its consumer group unless KAFKA_GROUP_ID names another.
pub const GROUP: &str = "ai-response-processor";
