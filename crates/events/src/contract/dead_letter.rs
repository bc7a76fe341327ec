//! What a dead letter says beside the original bytes: why, where, whose, since when.

use chrono::{DateTime, Utc};

use super::{
    envelope::{MAX_METADATA, timestamp},
    event::EventId,
    headers::dlq,
    outside_text::plain,
};
use crate::flow::error::Category;

/// The longest chain of causes that a header carries: some eighty lines.
const MAX_CHAIN: usize = 8 * 1024;
/// The longest message; a message is a sentence.
const MAX_MESSAGE: usize = 1024;
/// The longest name of a topic; Kafka's own limit.
const MAX_TOPIC: usize = 249;
/// The longest name of a group, twice that of a topic: a name space may stand before it. Kafka has no limit short of 32 KiB.
const MAX_GROUP: usize = 512;
/// The longest name in the code: of a handler, a service, a reason. As much as a file name may have.
const MAX_NAME: usize = 255;
/// The longest id. A UUID has 36 bytes; only that of a replayed letter is not made here.
const MAX_ID: usize = 64;
/// The longest event type: four times the longest of the catalogue.
const MAX_EVENT_TYPE: usize = 128;
/// All other values: numbers of at most 20 digits, times of at most 29 characters, ids of 36, a category, a version.
const OTHERS: usize = 10 * 36;
/// The names of all headers.
const NAMES: usize = 21 * 21;

/// The most that the headers of one letter take beside those of its record: names and values, in bytes.
pub const MAX_OWN_HEADERS: usize = 12 * 1024;

const _: () = assert!(
    MAX_CHAIN
        + MAX_MESSAGE
        + MAX_TOPIC
        + MAX_GROUP
        + 3 * MAX_NAME
        + 2 * MAX_ID
        + MAX_EVENT_TYPE
        + MAX_METADATA
        + OTHERS
        + NAMES
        <= MAX_OWN_HEADERS
);

/// The explanation of one dead letter.
#[derive(Debug, Clone)]
pub struct DeadLetter<'a> {
    /// The same for the same failure of the same record, however often it is written.
    pub id: String,
    /// The name in Kafka of the topic that the record is from, or was meant for.
    pub topic: &'a str,
    /// Where it stood there; `None` for what never got there.
    pub position: Option<(i32, i64)>,
    /// The record's own time.
    pub timestamp: Option<DateTime<Utc>>,
    /// The consumer group that gave it up; empty for what never got there, whose replay is for everybody.
    pub group: &'a str,
    /// The handler that gave it up; empty where none got that far.
    pub handler: &'a str,
    /// The service that gave it up.
    pub service: &'a str,
    /// What kind of failure it is.
    pub category: Category,
    /// A short stable name of the reason.
    pub code: &'a str,
    /// The reason in a sentence, without personal data.
    pub message: &'a str,
    /// The chain of causes, without personal data.
    pub chain: &'a str,
    /// How often the handler was tried; outages do not count.
    pub attempts: u32,
    /// When it failed first; a replay does not change it.
    pub first_failed_at: DateTime<Utc>,
    /// How often it was replayed.
    pub replays: u32,
    /// The id of the event; empty where none could be read.
    pub event_id: String,
    /// The type of the event; empty where none could be read.
    pub event_type: String,
    /// The journey that it belongs to; empty where none is known.
    pub correlation_id: String,
}

impl DeadLetter<'_> {
    /// The headers, in the order in which they are written: at most [`MAX_OWN_HEADERS`] bytes, whatever the record holds.
    /// No value has a control character; one that was cut ends in `…`.
    pub fn headers(self) -> Vec<(&'static str, String)> {
        let fingerprint = fingerprint(self.category, self.handler, self.code, self.message);
        let (partition, offset) = self.position.unwrap_or((-1, -1));
        let plain = |text: &str, bytes| plain(text, bytes).into_owned();
        vec![
            (dlq::ID, plain(&self.id, MAX_ID)),
            (dlq::TOPIC, plain(self.topic, MAX_TOPIC)),
            (dlq::PARTITION, partition.to_string()),
            (dlq::OFFSET, offset.to_string()),
            (dlq::TIMESTAMP, self.timestamp.map(|at| timestamp(&at)).unwrap_or_default()),
            (dlq::GROUP, plain(self.group, MAX_GROUP)),
            (dlq::HANDLER, plain(self.handler, MAX_NAME)),
            (dlq::SERVICE, plain(self.service, MAX_NAME)),
            (dlq::SERVICE_VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            (dlq::CATEGORY, self.category.as_str().to_owned()),
            (dlq::CODE, plain(self.code, MAX_NAME)),
            (dlq::MESSAGE, plain(self.message, MAX_MESSAGE)),
            (dlq::CHAIN, plain(self.chain, MAX_CHAIN)),
            (dlq::FINGERPRINT, fingerprint),
            (dlq::ATTEMPTS, self.attempts.to_string()),
            (dlq::FIRST_FAILED_AT, timestamp(&self.first_failed_at)),
            (dlq::FAILED_AT, timestamp(&Utc::now())),
            (dlq::REPLAYS, self.replays.to_string()),
            (dlq::EVENT_ID, plain(&self.event_id, MAX_ID)),
            (dlq::EVENT_TYPE, plain(&self.event_type, MAX_EVENT_TYPE)),
            (dlq::CORRELATION_ID, plain(&self.correlation_id, MAX_METADATA)),
        ]
    }
}

/// Names the like of a failure: numbers, ids and quoted values do not count.
pub fn fingerprint(category: Category, handler: &str, code: &str, message: &str) -> String {
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
    use proptest::prelude::*;

    use super::*;
    use crate::contract::topics;

    #[test]
    fn a_fingerprint_sees_the_kind_and_not_the_instance() {
        let print = |message: &str| fingerprint(Category::Processing, "h", "c", message);
        assert_eq!(print("row 17 of call-7f3a has no \"Jane\""), print("row 4 of call-99 has no \"Joe\""));
        assert_ne!(print("no such table"), print("no such column"));
        assert_ne!(print("x"), fingerprint(Category::Timeout, "h", "c", "x"));
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-z]{0,40}",
            (any::<char>(), 1_usize..40_000).prop_map(|(character, count)| character.to_string().repeat(count)),
        ]
    }

    fn time() -> impl Strategy<Value = DateTime<Utc>> {
        any::<i64>().prop_map(|ms| DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_headers_of_a_letter_are_bounded_whatever_the_record_holds(
            texts in proptest::collection::vec(text(), 10),
            position in any::<Option<(i32, i64)>>(),
            (first_failed_at, at) in (time(), proptest::option::of(time())),
            (attempts, replays) in any::<(u32, u32)>(),
        ) {
            let [id, topic, group, handler, service, message, chain, event_id, event_type, correlation_id] =
                <[String; 10]>::try_from(texts).unwrap();
            let letter = DeadLetter {
                id, topic: &topic, position, timestamp: at, group: &group, handler: &handler, service: &service,
                category: Category::SchemaValidation, code: &handler, message: &message, chain: &chain, attempts,
                first_failed_at, replays, event_id, event_type: event_type.clone(), correlation_id,
            };
            let headers = letter.headers();
            let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(bytes <= MAX_OWN_HEADERS, "{} bytes", bytes);
            for (name, value) in &headers {
                prop_assert!(!value.chars().any(char::is_control), "{}: {:?}", name, value);
            }
            let (_, told) = headers.iter().find(|(name, _)| *name == dlq::EVENT_TYPE).unwrap();
            prop_assert!(event_type.len() <= MAX_EVENT_TYPE || told.ends_with('…'), "{}", told);
        }
    }

    #[test]
    fn a_record_of_the_standard_size_fits_with_the_headers_of_its_letter() {
        let room = topics::DEAD_LETTER_QUEUE.max_message_bytes - topics::AI_RESPONSES.max_message_bytes;
        assert!(room as usize > MAX_OWN_HEADERS);
    }
}
