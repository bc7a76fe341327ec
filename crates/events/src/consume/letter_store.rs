//! What of dead letters is kept in the service's own database: bytes that no letter can carry, and letters that their own
//! reader cannot handle. Each call is one statement, and ends within its limit.

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgPool, postgres::PgQueryResult};
use tokio::time::timeout;

use super::{
    dead_letter::Reporter,
    failure::Failure,
    record::{Record, Subscribed},
};
use crate::flow::error::HandlerError;

/// A database that does not answer is away; so long because a record can have many megabytes.
const LIMIT: Duration = Duration::from_secs(60);
/// PostgreSQL takes no message of a gibibyte and ends the session over one, which looks as if it were away, and writes bytes
/// out as twice as many characters. A record of a mebibyte can be that large once it is unpacked.
const MOST_BYTES: usize = 500 << 20;

#[derive(Debug)]
pub(super) struct LetterStore(pub(super) PgPool);

impl LetterStore {
    /// Keeps the bytes of the record that the letter `id` is about.
    pub(super) async fn keep_bytes(&self, id: &str, record: &Record) -> Result<(), HandlerError> {
        if record.size() > MOST_BYTES {
            let told = format!("{} bytes are more than the database is given", record.size());
            return Err(HandlerError::reject("too_large_to_keep", told));
        }
        let (names, values) = headers(record);
        let keep = sqlx::query(
            "INSERT INTO dead_letter_bytes (dlq_id, recorded_at, key, value, header_names, header_values)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(recorded_at(record))
        .bind(record.key())
        .bind(record.payload())
        .bind(names)
        .bind(values)
        .execute(&self.0);
        within_limit(keep).await
    }

    /// The letter carries its bytes after all.
    pub(super) async fn forget_bytes(&self, id: &str, record: &Record) -> Result<(), HandlerError> {
        let forget = sqlx::query("DELETE FROM dead_letter_bytes WHERE dlq_id = $1 AND recorded_at = $2")
            .bind(id)
            .bind(recorded_at(record))
            .execute(&self.0);
        within_limit(forget).await
    }

    /// Keeps a record of the dead letters' topic for a person.
    pub(super) async fn park(
        &self,
        record: &Record,
        topic: &Subscribed,
        by: &Reporter<'_>,
        failure: &Failure,
    ) -> Result<(), HandlerError> {
        // The database's texts hold no NUL.
        let mut message = failure.message.replace('\0', "");
        let (mut key, mut value, (mut names, mut values)) = (record.key(), record.payload(), headers(record));
        if record.size() > MOST_BYTES {
            message.push_str("; the record is too large for this table, and in the topic until that forgets it");
            (key, value, names, values) = (None, None, Vec::new(), Vec::new());
        }
        let park = sqlx::query(
            "INSERT INTO dead_letters_parked (consumer, handler, topic, partition, record_offset, recorded_at, key, value,
                                              header_names, header_values, category, code, message)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
        )
        .bind(by.group)
        .bind(by.handler)
        .bind(&topic.name)
        .bind(record.partition)
        .bind(record.offset)
        .bind(recorded_at(record))
        .bind(key)
        .bind(value)
        .bind(names)
        .bind(values)
        .bind(failure.category.as_str())
        .bind(failure.code)
        .bind(message)
        .execute(&self.0);
        within_limit(park).await
    }

    /// How many records of this consumer are parked.
    pub(super) async fn parked(&self, consumer: &str) -> Result<usize, sqlx::Error> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters_parked WHERE consumer = $1")
            .bind(consumer)
            .fetch_one(&self.0)
            .await?;
        Ok(usize::try_from(count).unwrap_or_default())
    }
}

async fn within_limit(statement: impl Future<Output = Result<PgQueryResult, sqlx::Error>>) -> Result<(), HandlerError> {
    match timeout(LIMIT, statement).await {
        Ok(written) => Ok(written.map(drop)?),
        Err(_) => Err(HandlerError::timeout(format!("the database did not answer within {LIMIT:?}"))),
    }
}

fn headers(record: &Record) -> (Vec<&[u8]>, Vec<&[u8]>) {
    record.headers().unzip()
}

fn recorded_at(record: &Record) -> DateTime<Utc> {
    // A producer may give any, and PostgreSQL has none before 4713 BC.
    record.timestamp_ms.filter(|time| *time >= 0).and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}
