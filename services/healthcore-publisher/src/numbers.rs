//! Phone numbers of patients that other programs write: read into E.164 beside what they wrote, so that a patient is found by
//! a number in whatever form it stands there.
//!
//! Promises: before a caller is looked for, every number that could be his has been read; all others are read soon. A number
//! that cannot be read takes none away that could. `phone_e164_of` says from which text the E.164 was read; the triggers keep
//! it (migration 4). SQL that belongs to this alone stands here.

use std::time::Duration;

use events::contract::schema::voice::PatientCreationV1;
use forms::{Region, phone};
use service_kit::lifecycle::Lifecycle;
use sqlx::{PgConnection, PgPool};

/// How often it is looked for numbers that are not read yet. The next caller does not wait for it.
const EVERY: Duration = Duration::from_secs(2);
/// Numbers of one transaction: some milliseconds, during which their rows are locked.
const BATCH: i64 = 500;
/// Telling digits: those that a number has without its area, or most of them.
const TAIL: usize = 6;

/// A number as it stands in the record, and whose it is.
struct Unread {
    id: i64,
    phone: String,
}

/// Reads what may be the caller's number, and says that what this transaction writes is read already. Comes after the locks
/// of the contact: whoever has those never waits for one who waits for them.
pub async fn bring_up(tx: &mut PgConnection, said: &PatientCreationV1, region: Region) -> Result<(), sqlx::Error> {
    let mut tails: Vec<String> =
        [&said.phone, &said.phone_e164].into_iter().flatten().map(|number| tail(number)).collect();
    tails.dedup();
    note_read(tx).await?;
    if tails.is_empty() {
        return Ok(());
    }
    let unread = sqlx::query_as!(
        Unread,
        r#"SELECT id, phone AS "phone!" FROM healthcore.patients
           WHERE phone IS DISTINCT FROM phone_e164_of AND phone IS NOT NULL
             AND right(regexp_replace(phone, '[^0-9]', '', 'g'), 6) = ANY ($1) ORDER BY id FOR UPDATE"#,
        &tails
    )
    .fetch_all(&mut *tx)
    .await?;
    write(tx, &unread, region).await
}

/// Keeps reading what other programs write, until the service ends; all of them again when the practice's country is another.
pub fn keep_up(pool: &PgPool, region: Region, lifecycle: &Lifecycle) {
    let pool = pool.clone();
    // A batch takes milliseconds; 5 s is ample.
    lifecycle.spawn("phone-numbers", Duration::from_secs(5), move |token| async move {
        let mut of_this_region = false;
        loop {
            let round = async {
                if !of_this_region {
                    forget_other_readings(&pool, region).await?;
                    of_this_region = true;
                }
                read_some(&pool, region).await
            };
            let wait = tokio::select! {
                () = token.cancelled() => return Ok(()),
                read = round => match read {
                    Ok(read) if read == BATCH as usize => Duration::ZERO,
                    Ok(_) => EVERY,
                    Err(error) => {
                        tracing::warn!(error = %error, "cannot read the numbers that others wrote; will try again");
                        EVERY
                    }
                },
            };
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    });
}

async fn forget_other_readings(pool: &PgPool, region: Region) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let before =
        sqlx::query_scalar!("SELECT region FROM healthcore.phone_reading FOR UPDATE").fetch_one(&mut *tx).await?;
    if before.as_deref() != Some(region.as_str()) {
        sqlx::query!("UPDATE healthcore.phone_reading SET region = $1", region.as_str()).execute(&mut *tx).await?;
        if before.is_some() {
            sqlx::query!("UPDATE healthcore.patients SET phone_e164_of = NULL WHERE phone_e164_of IS NOT NULL")
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.commit().await
}

/// How many there were, [`BATCH`] at most. A row that somebody works on waits for the next round.
async fn read_some(pool: &PgPool, region: Region) -> Result<usize, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let unread = sqlx::query_as!(
        Unread,
        r#"SELECT id, phone AS "phone!" FROM healthcore.patients
           WHERE phone IS DISTINCT FROM phone_e164_of AND phone IS NOT NULL
           ORDER BY right(regexp_replace(phone, '[^0-9]', '', 'g'), 6), id LIMIT $1 FOR UPDATE SKIP LOCKED"#,
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    if !unread.is_empty() {
        note_read(&mut tx).await?;
        write(&mut tx, &unread, region).await?;
    }
    tx.commit().await?;
    Ok(unread.len())
}

async fn note_read(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT set_config('switchboard.numbers_read', 'on', true) AS noted").fetch_one(tx).await?;
    Ok(())
}

async fn write(tx: &mut PgConnection, unread: &[Unread], region: Region) -> Result<(), sqlx::Error> {
    if unread.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = unread.iter().map(|one| one.id).collect();
    let read: Vec<Option<String>> = unread.iter().map(|one| phone::e164(&one.phone, region)).collect();
    sqlx::query!(
        "UPDATE healthcore.patients p SET phone_e164 = coalesce(r.e164, p.phone_e164), phone_e164_of = p.phone
         FROM unnest($1::bigint[], $2::text[]) AS r(id, e164) WHERE p.id = r.id",
        &ids,
        &read as &[Option<String>]
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The last digits of a number.
fn tail(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    digits[digits.len().saturating_sub(TAIL)..].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_every_form_of_a_number() {
        for form in ["(212) 555-0118", "+12125550118", "212.555.0118", "0118550118"] {
            assert_eq!(tail(form), "550118");
        }
        assert_eq!(tail("12 3"), "123");
    }
}
