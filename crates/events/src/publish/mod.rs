//! Row to record: what a transaction publishes is in Kafka if, and only if, the transaction commits, in order per key.

mod client;
mod command;
mod connections;
pub mod cursor;
mod deliveries;
mod figures;
mod headers;
mod held;
mod lead;
pub mod outbox;
pub mod relay;
mod relay_error;
mod relay_status;
mod retention;
mod sink;
mod window;

pub use command::{RelayCommand, RelayCommandError};
pub use connections::end_idle_sessions;
pub use outbox::{MIGRATOR, Outbox, PublishError, Tx};
pub use relay::Relay;
pub use relay_status::RelayStatus;
pub use retention::forget;
