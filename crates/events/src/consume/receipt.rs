//! The answer to a replay: what became of a dead letter that came again.

use super::{outcome::Applied, record::Record};
use crate::{
    contract::{
        event::{EventId, NewEvent},
        headers,
        schema::dead_letter::{DeadLetterReceiptV1, ReplayOutcome},
    },
    flow::error::Category,
};

pub(super) type Receipt = NewEvent<DeadLetterReceiptV1>;

/// A record that is the replay of a dead letter.
#[derive(Debug)]
pub(super) struct Replay {
    dead_letter_id: String,
    replay_id: String,
    group: String,
}

impl Replay {
    /// `None` for a record that nobody waits for an answer to.
    pub(super) fn of(record: &Record, group: &str) -> Option<Self> {
        let headers = record.address()?;
        let replay_id = headers.text(headers::REPLAY_ID)?.to_owned();
        let dead_letter_id = headers.text(headers::DEAD_LETTER_ID)?.to_owned();
        Some(Self { dead_letter_id, replay_id, group: group.to_owned() })
    }

    pub(super) fn receipt(&self, handler: &str, applied: Applied) -> Receipt {
        let outcome = match applied {
            Applied::Now => ReplayOutcome::Applied,
            Applied::Before => ReplayOutcome::Duplicate,
        };
        self.tell(handler, outcome, None, None)
    }

    pub(super) fn failure(&self, handler: &str, category: Category, message: String) -> Receipt {
        self.tell(handler, ReplayOutcome::Failed, Some(category.as_str().to_owned()), Some(message))
    }

    fn tell(
        &self,
        handler: &str,
        outcome: ReplayOutcome,
        category: Option<String>,
        message: Option<String>,
    ) -> Receipt {
        let Self { dead_letter_id, replay_id, group } = self;
        let receipt = DeadLetterReceiptV1 {
            dead_letter_id: dead_letter_id.clone(),
            replay_id: replay_id.clone(),
            group: group.clone(),
            handler: handler.to_owned(),
            outcome,
            category,
            message,
        };
        // A redelivery of the replay answers the same; what it says then (`duplicate`) must not replace `applied`.
        let id = EventId::derived(&["receipt", replay_id, dead_letter_id, group, handler]);
        NewEvent { id, ..NewEvent::fact(receipt) }
    }
}
