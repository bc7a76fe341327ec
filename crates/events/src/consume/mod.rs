//! Record to effect: polled, scheduled per key, claimed in the inbox, applied in one transaction, and only then behind us.
//!
//! Follow a record through `poll` (a thread of its own talks to Kafka), `dispatch` (what runs next, what may be
//! committed), `chunk` (records that were handed out together), `attempt` (one record with one handler: tried, made to wait,
//! given up) or `batch` (many in one transaction), `dead_letter`. Beside the road stands `lag`, which sees from outside
//! whether records are taken.

mod assignment;
mod attempt;
mod batch;
mod braking;
mod breakers;
mod builder;
mod chunk;
mod claimants;
mod claims;
mod consumer;
mod dead_letter;
mod dispatch;
mod ends;
mod error_class;
mod handler;
mod housekeeping;
mod inbox;
mod item;
mod lag;
mod lane;
mod poll;
mod rebalance;
mod receipt;
mod record;
mod sqlstate;
mod status;
mod stopwatch;
mod waiting;

pub use batch::{BatchHandler, Batching};
pub use builder::{BuildError, ConsumerBuilder, NoDatabase};
pub use consumer::Consumer;
pub use error_class::{database_says, is_outdated};
pub use handler::{Handler, Listener, Plan, Received};
pub use housekeeping::{InboxKeeper, RetentionConfig, TooShort};
pub use item::{Item, Raw};
pub use lane::Order;
pub use sqlstate::DatabaseSays;
pub use status::ConsumerStatus;
