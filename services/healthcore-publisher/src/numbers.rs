//! Phone numbers of patients that other programs write: read into E.164 beside what they wrote, so that a patient is found by
//! a number in whatever form it stands there.
//!
//! Promises: before a caller is looked for, every number that could be his has been read; all others are read soon. A number
//! that cannot be read takes none away that could. `phone_e164_of` says from which text the E.164 was read; the triggers keep
//! it (migration 4). By which country's rules is one thing for all processes: that of the one that started last
//! (`phone_reading`); one that goes by others takes nothing for read. SQL that belongs to this alone stands here.

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

/// By which rules numbers are read.
struct Reading {
    region: Option<String>,
    /// Those behind this patient are still to be read again by them.
    again_after: Option<i64>,
}

/// Reads what may be the caller's number, and says that what this transaction writes is read already. Comes after the locks
/// of the contact: whoever has those never waits for one who waits for them.
pub async fn bring_up(tx: &mut PgConnection, said: &PatientCreationV1, region: Region) -> Result<(), sqlx::Error> {
    let mut tails: Vec<String> =
        [&said.phone, &said.phone_e164].into_iter().flatten().map(|number| tail(number)).collect();
    tails.dedup();
    let reading = reading(tx).await?;
    // By other rules than those, he is looked for all the same, and his number is read again by those whose turn it is.
    let counts = reading.region.as_deref().is_none_or(|by| by == region.as_str());
    if counts {
        note_read(tx).await?;
    }
    if tails.is_empty() {
        return Ok(());
    }
    let mut unread = sqlx::query_as!(
        Unread,
        r#"SELECT id, phone AS "phone!" FROM healthcore.patients
           WHERE phone IS DISTINCT FROM phone_e164_of AND phone IS NOT NULL
             AND right(regexp_replace(phone, '[^0-9]', '', 'g'), 6) = ANY ($1) ORDER BY id FOR NO KEY UPDATE"#,
        &tails
    )
    .fetch_all(&mut *tx)
    .await?;
    if counts && let Some(after) = reading.again_after {
        let again = sqlx::query_as!(
            Unread,
            r#"SELECT id, phone AS "phone!" FROM healthcore.patients
               WHERE id > $2 AND phone = phone_e164_of
                 AND right(regexp_replace(phone, '[^0-9]', '', 'g'), 6) = ANY ($1) ORDER BY id FOR NO KEY UPDATE"#,
            &tails,
            after
        );
        unread.extend(again.fetch_all(&mut *tx).await?);
    }
    write(tx, &unread, region, counts).await
}

/// Keeps reading what other programs write, until the service ends; all of them again when the practice's country is another.
pub fn keep_up(pool: &PgPool, region: Region, lifecycle: &Lifecycle) {
    let pool = pool.clone();
    // A batch takes milliseconds; 5 s is ample.
    lifecycle.spawn("phone-numbers", Duration::from_secs(5), move |token| async move {
        let mut is_announced = false;
        loop {
            let round = async {
                if !is_announced {
                    announce(&pool, region).await?;
                    is_announced = true;
                }
                read_some(&pool, region).await
            };
            let wait = tokio::select! {
                () = token.cancelled() => return Ok(()),
                read = round => match read {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => EVERY,
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

/// From now on numbers are read by this country's rules, in all processes. Waits for those that read by others just now, and not
/// longer than those can wait that come behind it.
async fn announce(pool: &PgPool, region: Region) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let now = sqlx::query_as!(Reading, "SELECT region, again_after FROM healthcore.phone_reading");
    if now.fetch_one(&mut *tx).await?.region.as_deref() == Some(region.as_str()) {
        return Ok(());
    }
    sqlx::query("SET LOCAL lock_timeout = '1s'").execute(&mut *tx).await?;
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('phone reading', 0))").fetch_one(&mut *tx).await?;
    sqlx::query!(
        "UPDATE healthcore.phone_reading SET region = $1, again_after = CASE WHEN region IS NOT NULL THEN 0 END
         WHERE region IS DISTINCT FROM $1",
        region.as_str()
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// How numbers are read until this transaction ends.
async fn reading(tx: &mut PgConnection) -> Result<Reading, sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtextextended('phone reading', 0))")
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query_as!(Reading, "SELECT region, again_after FROM healthcore.phone_reading").fetch_one(tx).await
}

/// Reads [`BATCH`] numbers at most; whether there may be more. A row that somebody works on waits for the next round.
async fn read_some(pool: &PgPool, region: Region) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let reading = reading(&mut tx).await?;
    // Another process has started since, which goes by other rules.
    if reading.region.as_deref() != Some(region.as_str()) {
        return Ok(false);
    }
    note_read(&mut tx).await?;
    let unread = sqlx::query_as!(
        Unread,
        r#"SELECT id, phone AS "phone!" FROM healthcore.patients
           WHERE phone IS DISTINCT FROM phone_e164_of AND phone IS NOT NULL
           ORDER BY right(regexp_replace(phone, '[^0-9]', '', 'g'), 6), id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"#,
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    write(&mut tx, &unread, region, true).await?;
    let goes_on = if reading.again_after.is_some() && unread.len() < BATCH as usize {
        read_again(&mut tx, region).await?
    } else {
        unread.len() == BATCH as usize
    };
    tx.commit().await?;
    Ok(goes_on)
}

/// Reads the next ones again that were read by another country's rules, up to the first that somebody works on; whether it
/// goes on at once.
async fn read_again(tx: &mut PgConnection, region: Region) -> Result<bool, sqlx::Error> {
    // One process at a time.
    let after = sqlx::query_scalar!("SELECT again_after FROM healthcore.phone_reading FOR UPDATE SKIP LOCKED");
    let Some(after) = after.fetch_optional(&mut *tx).await?.flatten() else { return Ok(false) };
    let next = sqlx::query_scalar!(
        "SELECT id FROM healthcore.patients WHERE id > $1 AND phone IS NOT NULL ORDER BY id LIMIT $2",
        after,
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut again = sqlx::query_as!(
        Unread,
        r#"SELECT id, phone AS "phone!" FROM healthcore.patients
           WHERE id = ANY ($1) AND phone IS NOT NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"#,
        &next
    )
    .fetch_all(&mut *tx)
    .await?;
    let in_order = again.iter().zip(&next).take_while(|(one, id)| one.id == **id).count();
    again.truncate(in_order);
    write(tx, &again, region, true).await?;
    let all = in_order == next.len();
    let last = again.last().map(|one| one.id);
    let is_over = all && next.len() < BATCH as usize;
    sqlx::query!(
        "UPDATE healthcore.phone_reading SET again_after = $1",
        if is_over { None } else { last.or(Some(after)) }
    )
    .execute(tx)
    .await?;
    Ok(all && !is_over)
}

async fn note_read(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT set_config('switchboard.numbers_read', 'on', true) AS noted").fetch_one(tx).await?;
    Ok(())
}

/// `counts` says that they need not be read once more.
async fn write(tx: &mut PgConnection, unread: &[Unread], region: Region, counts: bool) -> Result<(), sqlx::Error> {
    if unread.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = unread.iter().map(|one| one.id).collect();
    let read: Vec<Option<String>> = unread.iter().map(|one| phone::e164(&one.phone, region)).collect();
    sqlx::query!(
        "UPDATE healthcore.patients p SET phone_e164 = coalesce(r.e164, p.phone_e164),
                phone_e164_of = CASE WHEN $3 THEN p.phone END
         FROM unnest($1::bigint[], $2::text[]) AS r(id, e164) WHERE p.id = r.id",
        &ids,
        &read as &[Option<String>],
        counts
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
