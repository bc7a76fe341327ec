//! Record to effect: polled, scheduled per key, claimed in the inbox, applied in one transaction, and only then behind us.
//!
//! Follow a record through `poll` (a thread of its own talks to Kafka), `dispatch` (what runs next, what may be
//! committed), `attempt` (one record with one handler: tries, waits, gives up), `dead_letter`.

mod attempt;
mod consumer;
mod dead_letter;
mod dispatch;
mod handler;
mod housekeeping;
mod inbox;
mod poll;
mod rebalance;
mod record;

pub use consumer::{BuildError, Consumer, ConsumerBuilder, ConsumerStatus};
pub use handler::{Handler, Plan, Received};
pub use housekeeping::RetentionConfig;
pub use inbox::forget_before;
