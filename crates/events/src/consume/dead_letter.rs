//! What cannot be applied is kept: original key, bytes and headers, and beside them why, where and since when. The write is
//! acknowledged before the offset moves.

use chrono::{DateTime, Utc};

use super::record::Record;
use crate::{
    contract::{
        codec::{DecodeError, Opened},
        envelope::timestamp,
        event::EventId,
        headers::{self, Headers, dlq},
    },
    flow::error::{Category, HandlerError, chain},
    kafka::producer::OutRecord,
};

/// The longest chain of causes that a header carries.
const MAX_CHAIN: usize = 8 * 1024;
/// The longest message; a message is a sentence.
const MAX_MESSAGE: usize = 1024;

/// Why a record was given up.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) category: Category,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) chain: String,
    pub(super) attempts: u32,
    pub(super) first_failed_at: DateTime<Utc>,
}

impl Failure {
    pub(super) fn of_decoding(error: &DecodeError) -> Self {
        Self {
            category: error.category(),
            code: error.code(),
            message: error.to_string(),
            chain: chain(error),
            attempts: 1,
            first_failed_at: Utc::now(),
        }
    }

    pub(super) fn of_handler(error: &HandlerError, attempts: u32, first_failed_at: DateTime<Utc>) -> Self {
        Self {
            category: error.category(),
            code: error.code(),
            message: error.to_string(),
            chain: chain(error),
            attempts,
            first_failed_at,
        }
    }
}

/// Who gave it up.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    pub(super) group: &'a str,
    /// Empty where no handler got that far.
    pub(super) handler: &'a str,
    pub(super) service: &'a str,
}

/// The dead letter of a record.
pub(super) fn write(
    queue: String,
    record: &Record,
    event: Option<&Opened<'_>>,
    by: &Reporter<'_>,
    failure: &Failure,
) -> OutRecord {
    let original = &record.headers;
    let replayed = original.text(headers::DEAD_LETTER_ID);
    // The same failure of the same record is the same letter, however often the record is delivered.
    let id = replayed.map(str::to_owned).unwrap_or_else(|| {
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        EventId::derived(&["dead letter", by.group, by.handler, &record.topic, &partition, &offset]).to_string()
    });
    let replays = original.text(dlq::REPLAYS).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let first_failed_at =
        original.text(dlq::FIRST_FAILED_AT).map_or_else(|| timestamp(&failure.first_failed_at), str::to_owned);
    let ours = [
        (dlq::ID, id),
        (dlq::TOPIC, record.topic.to_string()),
        (dlq::PARTITION, record.partition.to_string()),
        (dlq::OFFSET, record.offset.to_string()),
        (
            dlq::TIMESTAMP,
            record.timestamp_ms.and_then(DateTime::from_timestamp_millis).map(|at| timestamp(&at)).unwrap_or_default(),
        ),
        (dlq::GROUP, by.group.to_owned()),
        (dlq::HANDLER, by.handler.to_owned()),
        (dlq::SERVICE, by.service.to_owned()),
        (dlq::SERVICE_VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (dlq::CATEGORY, failure.category.as_str().to_owned()),
        (dlq::CODE, failure.code.to_owned()),
        (dlq::MESSAGE, shortened(&failure.message, MAX_MESSAGE)),
        (dlq::CHAIN, shortened(&failure.chain, MAX_CHAIN)),
        (dlq::FINGERPRINT, fingerprint(failure.category, by.handler, failure.code, &failure.message)),
        (dlq::ATTEMPTS, failure.attempts.to_string()),
        (dlq::FIRST_FAILED_AT, first_failed_at),
        (dlq::FAILED_AT, timestamp(&Utc::now())),
        (dlq::REPLAYS, (replays + u32::from(replayed.is_some())).to_string()),
        (dlq::EVENT_ID, event.map(|event| event.event_id.to_string()).unwrap_or_default()),
        (dlq::EVENT_TYPE, event.map(|event| event.event_type.to_string()).unwrap_or_default()),
        (dlq::CORRELATION_ID, correlation(event, original)),
    ];
    // Headers of an earlier failure and of the replay are replaced, never added to.
    let kept = original.iter().filter(|(name, _)| {
        !name.starts_with(dlq::PREFIX)
            && ![headers::TARGET_GROUP, headers::DEAD_LETTER_ID, headers::REPLAY_ID].contains(name)
    });
    let kept = kept.map(|(name, value)| (name.to_owned(), value.to_vec()));
    OutRecord {
        topic: queue,
        key: record.key().map(<[u8]>::to_vec),
        payload: record.payload().map(<[u8]>::to_vec),
        headers: kept.chain(ours.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()))).collect(),
    }
}

fn correlation(event: Option<&Opened<'_>>, original: &Headers) -> String {
    event
        .and_then(|event| event.metadata.correlation_id.clone())
        .or_else(|| original.text(headers::CORRELATION_ID).map(str::to_owned))
        .unwrap_or_default()
}

fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    const MARK: &str = "…";
    let mut end = bytes - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

/// Names the like of a failure: numbers, ids and quoted values do not count.
fn fingerprint(category: Category, handler: &str, code: &str, message: &str) -> String {
    EventId::derived(&["fingerprint", category.as_str(), handler, code, &generalised(message)]).to_string()
}

fn generalised(message: &str) -> String {
    let mut general = String::with_capacity(message.len());
    let mut quote: Option<char> = None;
    let mut word = String::new();
    let flush = |word: &mut String, general: &mut String| {
        // Numbers, ids, dates: whatever has a digit in it names an instance, not a kind.
        if word.chars().any(|c| c.is_ascii_digit()) {
            general.push('#')
        } else {
            general.push_str(word)
        }
        word.clear();
    };
    for character in message.chars() {
        match quote {
            Some(end) if character == end => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '`' | '“') => {
                flush(&mut word, &mut general);
                quote = Some(if character == '“' { '”' } else { character });
                general.push('#');
            }
            None if character.is_alphanumeric() || matches!(character, '-' | '_') => word.push(character),
            None => {
                flush(&mut word, &mut general);
                general.push(character);
            }
        }
    }
    flush(&mut word, &mut general);
    general
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_sees_the_kind_and_not_the_instance() {
        let print = |message: &str| fingerprint(Category::Processing, "h", "c", message);
        assert_eq!(print("row 17 of call-7f3a has no \"Jane\""), print("row 4 of call-99 has no \"Joe\""));
        assert_ne!(print("no such table"), print("no such column"));
        assert_ne!(print("x"), fingerprint(Category::Timeout, "h", "c", "x"));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let cut = shortened(&"ü".repeat(3000), 1024);
        assert!(cut.len() <= 1024 && cut.ends_with('…'));
    }
}
