//! Record to effect: polled, scheduled per key, claimed in the inbox, applied in one transaction, and only then behind us.
//!
//! Follow a record through `poll` (a thread of its own talks to Kafka), `dispatch` (what runs next, what may be
//! committed), `chunk` (records that were handed out together), `attempt` (one record with one handler: tried, made to wait,
//! given up) or `batch` (many in one transaction), `letters`. Beside the road stands `lag`, which sees from outside
//! whether records are taken.

mod attempt;
mod batch;
mod build_error;
mod builder;
mod chunk;
mod consumer;
mod dead_letter;
mod dead_letter_brake;
mod dependency_breakers;
mod dispatch;
mod ends;
mod error_class;
mod failure;
mod figures;
mod handler;
mod housekeeping;
mod inbox;
mod intake;
mod item;
mod lag;
mod lane;
mod letter_store;
mod letters;
mod memory_claims;
mod notice;
mod offset_tracker;
mod outcome;
mod partition;
mod poll;
mod receipt;
mod record;
mod spread;
mod status;
mod stopwatch;
mod waiting;
mod work;

pub use batch::{BatchHandler, Batching};
pub use build_error::BuildError;
pub use builder::{ConsumerBuilder, NoDatabase};
pub use consumer::Consumer;
pub use handler::{Handler, Listener, Plan, Received};
pub use housekeeping::RetentionConfig;
pub use inbox::forget_before;
pub use item::{Item, Raw};
pub use lane::Order;
pub use status::ConsumerStatus;
