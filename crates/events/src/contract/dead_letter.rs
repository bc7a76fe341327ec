//! What a dead letter says beside the original bytes: why, where, whose, since when.

use chrono::{DateTime, Utc};

use super::{envelope::timestamp, event::EventId, headers::dlq};
use crate::flow::error::Category;

/// The longest chain of causes that a header carries.
const MAX_CHAIN: usize = 8 * 1024;
/// The longest message; a message is a sentence.
const MAX_MESSAGE: usize = 1024;

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
    /// When it failed first, in the form of [`timestamp`]; a replay does not change it.
    pub first_failed_at: String,
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
    /// The headers, in the order in which they are written.
    pub fn headers(self) -> Vec<(&'static str, String)> {
        let fingerprint = fingerprint(self.category, self.handler, self.code, self.message);
        let (partition, offset) = self.position.unwrap_or((-1, -1));
        vec![
            (dlq::ID, self.id),
            (dlq::TOPIC, self.topic.to_owned()),
            (dlq::PARTITION, partition.to_string()),
            (dlq::OFFSET, offset.to_string()),
            (dlq::TIMESTAMP, self.timestamp.map(|at| timestamp(&at)).unwrap_or_default()),
            (dlq::GROUP, self.group.to_owned()),
            (dlq::HANDLER, self.handler.to_owned()),
            (dlq::SERVICE, self.service.to_owned()),
            (dlq::SERVICE_VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            (dlq::CATEGORY, self.category.as_str().to_owned()),
            (dlq::CODE, self.code.to_owned()),
            (dlq::MESSAGE, shortened(self.message, MAX_MESSAGE)),
            (dlq::CHAIN, shortened(self.chain, MAX_CHAIN)),
            (dlq::FINGERPRINT, fingerprint),
            (dlq::ATTEMPTS, self.attempts.to_string()),
            (dlq::FIRST_FAILED_AT, self.first_failed_at),
            (dlq::FAILED_AT, timestamp(&Utc::now())),
            (dlq::REPLAYS, self.replays.to_string()),
            (dlq::EVENT_ID, self.event_id),
            (dlq::EVENT_TYPE, self.event_type),
            (dlq::CORRELATION_ID, self.correlation_id),
        ]
    }
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
