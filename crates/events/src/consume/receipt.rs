//! The answer to a replay: what became of a dead letter that came again.

use super::outcome::Applied;
use crate::{
    contract::{
        event::{EventId, NewEvent},
        replay::Replay,
        schema::dead_letter::{DeadLetterReceiptV1, ReplayOutcome},
    },
    flow::error::Category,
};

pub(super) type Receipt = NewEvent<DeadLetterReceiptV1>;

pub(super) fn of(replay: &Replay, handler: &str, applied: Applied) -> Receipt {
    let outcome = match applied {
        Applied::Now => ReplayOutcome::Applied,
        Applied::Before => ReplayOutcome::Duplicate,
    };
    tell(replay, handler, outcome, None, None)
}

pub(super) fn of_failure(replay: &Replay, handler: &str, category: Category, message: String) -> Receipt {
    tell(replay, handler, ReplayOutcome::Failed, Some(category.as_str().to_owned()), Some(message))
}

fn tell(
    replay: &Replay,
    handler: &str,
    outcome: ReplayOutcome,
    category: Option<String>,
    message: Option<String>,
) -> Receipt {
    let (dead_letter_id, replay_id) = (replay.dead_letter_id.to_string(), replay.replay_id.to_string());
    // A redelivery of the replay answers the same; what it says then (`duplicate`) must not replace `applied`.
    let id = EventId::derived(&["receipt", &replay_id, &dead_letter_id, &replay.group, handler]);
    let receipt = DeadLetterReceiptV1 {
        dead_letter_id,
        replay_id,
        group: replay.group.clone(),
        handler: handler.to_owned(),
        outcome,
        category,
        message,
    };
    NewEvent { id, ..NewEvent::fact(receipt) }
}
