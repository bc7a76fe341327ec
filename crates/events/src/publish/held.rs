//! Records that Kafka refused for good. Such a record and all later ones of its key are kept aside until a person
//! decides; other keys go on.

use std::collections::HashSet;

use sqlx::PgConnection;

use super::cursor::OutboxRow;

/// The keys that are held, each with its topic.
#[derive(Debug, Default)]
pub(super) struct Held(HashSet<(String, String)>);

impl Held {
    pub(super) async fn load(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let keys = sqlx::query_as("SELECT DISTINCT topic, key FROM outbox_held").fetch_all(connection).await?;
        Ok(Self(keys.into_iter().collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, row: &OutboxRow) -> bool {
        // An empty set is the rule, and a look-up in it would need an owned pair.
        !self.0.is_empty() && self.0.contains(&(row.topic.clone(), row.key.clone()))
    }

    /// Keeps a row aside, and with it its key.
    pub(super) async fn keep(
        &mut self,
        connection: &mut PgConnection,
        id: i64,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let kept: Option<(String, String)> = sqlx::query_as(
            "INSERT INTO outbox_held (id, topic, key, headers, payload, created_at, reason)
             SELECT id, topic, key, headers, payload, created_at, $2 FROM outbox WHERE id = $1
             ON CONFLICT (id) DO UPDATE SET held_at = outbox_held.held_at
             RETURNING topic, key",
        )
        .bind(id)
        .bind(reason)
        .fetch_optional(connection)
        .await?;
        if let Some(key) = kept {
            tracing::error!(
                outbox_id = id,
                topic = key.0,
                reason,
                "Kafka refused a record for good: it and later records of its key are held; see the outbox_held table"
            );
            self.0.insert(key);
        }
        Ok(())
    }
}
