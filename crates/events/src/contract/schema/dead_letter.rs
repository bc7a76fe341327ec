//! What is to be done with dead letters, and what became of it, on `dead.letter.commands` and `dead.letter.receipts`.
//! The dead letters themselves are no events: see [`crate::contract::dead_letter`].

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;

/// What became of a replayed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayOutcome {
    /// The handler applied it.
    Applied,
    /// It had been applied before.
    Duplicate,
    /// It failed again.
    Failed,
}

/// A consumer has handled a replayed dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterReceiptV1 {
    /// The dead letter, as in `dlq.id`.
    pub dead_letter_id: String,
    /// The run that it was replayed in.
    pub replay_id: String,
    /// The consumer group that handled it.
    pub group: String,
    /// The handler that handled it.
    pub handler: String,
    /// What became of it.
    pub outcome: ReplayOutcome,
    /// What kind of failure it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The reason in a sentence; consumers put nothing personal into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "none"))]
    pub message: Option<String>,
}

event!(DeadLetterReceiptV1: "dead_letter.receipt" version 1 on DEAD_LETTER_RECEIPTS, |it| it.dead_letter_id.clone());

/// Which dead letters; what is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterFilterV1 {
    /// As in `dlq.category`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// As in `dlq.topic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// As in `dlq.group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// As in `dlq.handler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// As in `dlq.event_type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// As in `dlq.fingerprint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Failed last at or after this time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::contract::envelope::optional_milliseconds"
    )]
    pub failed_from: Option<DateTime<Utc>>,
    /// Failed last before this time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::contract::envelope::optional_milliseconds"
    )]
    pub failed_until: Option<DateTime<Utc>>,
}

/// Which dead letters, who wants it, and why, as every command carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterCommandV1 {
    /// These dead letters, as in `dlq.id`.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Those that match, where `ids` is empty; without either, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<DeadLetterFilterV1>,
    /// Who wants it.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub requested_by: String,
    /// Why; it is kept with the dead letter.
    pub reason: String,
}

impl DeadLetterCommandV1 {
    fn key(&self) -> String {
        match self.ids.as_slice() {
            [id] => id.clone(),
            _ => String::new(),
        }
    }
}

/// Replay dead letters to the consumers that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayDeadLettersV1 {
    /// Which, who and why.
    #[serde(flatten)]
    pub command: DeadLetterCommandV1,
    /// At most so many a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// What the record is to say instead, where it is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub corrected_value: Option<String>,
}

event!(ReplayDeadLettersV1: "dead_letter.replay" version 1 on DEAD_LETTER_COMMANDS, |it| it.command.key());

macro_rules! command_event {
    ($(#[$doc:meta])* $name:ident, $event_type:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub DeadLetterCommandV1);

        event!($name: $event_type version 1 on DEAD_LETTER_COMMANDS, |it| it.0.key());
    };
}

command_event!(
    /// Put dead letters aside.
    ArchiveDeadLettersV1, "dead_letter.archive");
command_event!(
    /// Open archived dead letters again.
    RestoreDeadLettersV1, "dead_letter.restore");
