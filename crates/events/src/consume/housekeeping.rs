//! How long a service remembers what it published and what it handled.

use std::time::Duration;

use clap::Args;
use sqlx::PgPool;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::inbox;
use crate::flow::error::chain;

/// The inbox is looked through this often.
const EVERY: Duration = Duration::from_secs(3600);

/// How long the outbox and the inbox are kept.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionConfig {
    /// Hours that published events stay in the outbox, to be published again if need be
    #[arg(long, env = "OUTBOX_RETENTION_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=36))]
    pub outbox_retention_hours: u64,
    /// Days that handled events are remembered; must be longer than any topic keeps its records
    #[arg(long, env = "INBOX_RETENTION_DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(8..=3650))]
    pub inbox_retention_days: u64,
}

impl RetentionConfig {
    /// For [`Relay::keep`](crate::publish::Relay::keep).
    pub fn outbox(&self) -> Duration {
        Duration::from_secs(self.outbox_retention_hours * 3600)
    }

    /// Keeps the inbox from growing until told to stop. Failures are logged; the next round makes up for them.
    pub async fn keep_inbox_small(self, pool: PgPool, shutdown: CancellationToken) {
        let age = Duration::from_secs(self.inbox_retention_days * 24 * 3600);
        while !shutdown.is_cancelled() {
            if let Err(error) = inbox::forget_before(&pool, age).await {
                tracing::warn!(error = chain(&error), "old inbox claims were not removed");
            }
            let _ = timeout(EVERY, shutdown.cancelled()).await;
        }
    }
}
