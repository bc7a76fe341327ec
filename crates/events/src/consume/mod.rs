//! Record to effect: polled, scheduled per key, claimed in the inbox, applied in one transaction, and only then behind us.
//!
//! Follow a record through `poll` (a thread of its own talks to Kafka), `dispatch` (what runs next, what may be
//! committed), `chunk` (records that were handed out together), `attempt` (one record with one handler: tried, made to wait,
//! given up) or `batch` (many in one transaction), `letters`. Beside the road stands `lag`, which sees from outside
//! how far it is behind and whether records are taken.

mod asking;
mod attempt;
mod batch;
mod build_error;
mod builder;
mod chunk;
mod claimants;
mod consumer;
mod content;
mod dead_letter;
mod dead_letter_brake;
mod dependency;
mod dependency_breakers;
mod diagnosis;
mod dispatch;
mod ends;
mod error_class;
mod failure;
mod figures;
#[cfg(test)]
mod fuzz;
mod handler;
mod housekeeping;
mod identity;
mod inbox;
mod intake;
mod item;
mod known_dependencies;
mod lag;
mod lane;
mod letter_store;
mod letters;
mod log_check;
mod log_watch;
mod memory_claims;
mod monitoring;
mod notice;
mod offset_tracker;
mod outcome;
mod owed;
mod partition;
mod poll;
mod rebalance;
mod rebuild;
mod receipt;
mod record;
mod reset;
mod spread;
mod sqlstate;
mod status;
mod stopwatch;
mod waiting;
mod watched;
mod work;

pub use asking::ask;
pub use batch::{BatchHandler, Batching};
pub use build_error::BuildError;
pub use builder::{ConsumerBuilder, NoDatabase};
pub use consumer::Consumer;
pub use content::Tombstone;
pub use error_class::{database_says, is_outdated};
pub use handler::{Handler, Listener, Plan, Received};
pub use housekeeping::{InboxKeeper, RetentionConfig, TooShort};
pub use item::{Item, Raw};
pub use lane::Order;
pub use sqlstate::DatabaseSays;
pub use status::ConsumerStatus;
