//! What the relay is doing, for readiness.

use std::sync::{Arc, Mutex};

use super::relay_error::RelayError;
use crate::flow::error::chain;

/// What the relay is doing, for readiness.
#[derive(Debug, Clone, Default)]
pub struct RelayStatus(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    place: Place,
    held_keys: usize,
    /// The position means nothing any more.
    refuses: Option<String>,
    /// Kafka takes nothing of this relay.
    denied: Option<String>,
}

/// Whose turn it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Starting,
    Active,
    StandsBy,
    /// An error ended its turn; it begins again.
    Failed,
}

impl RelayStatus {
    /// `Ok` says what it is doing, `Err` what a person has to do: held keys, a position that means nothing any more, or a
    /// right or a topic that is missing. An outage of Kafka is no such thing, since nothing accepted is lost by it.
    pub fn check(&self) -> Result<String, String> {
        let state = self.0.lock().map_err(|_| "the relay's state is broken".to_owned())?;
        // What this process met when it was active may be over by now: the one that is active tells.
        if state.place == Place::StandsBy {
            return Ok("stands by: another process is the active relay".to_owned());
        }
        if let Some(reason) = state.refuses.as_ref().or(state.denied.as_ref()) {
            return Err(reason.clone());
        }
        match state.held_keys {
            0 => Ok(match state.place {
                Place::Starting | Place::StandsBy => "starts",
                Place::Active => "active",
                Place::Failed => "met an error and begins again; see the log",
            }
            .to_owned()),
            keys => Err(format!("{keys} keys are held because Kafka refused a record; see the outbox_held table")),
        }
    }

    /// Whether this process holds the lock and publishes.
    pub fn is_active(&self) -> bool {
        self.0.lock().is_ok_and(|state| state.place == Place::Active)
    }

    pub(super) fn holds(&self, keys: usize) {
        self.set(|state| state.held_keys = keys);
        metrics::gauge!("outbox_held_keys").set(keys as f64);
    }

    /// It holds the lock and publishes.
    pub(super) fn is_now_active(&self) {
        self.set(|state| (state.place, state.refuses) = (Place::Active, None));
    }

    /// Another relay has the lock. What this one met in its last turn is the other's to tell, or over.
    pub(super) fn stands_by(&self) {
        self.set(|state| *state = State { place: Place::StandsBy, ..State::default() });
        metrics::gauge!("outbox_held_keys").set(0.0);
    }

    /// Its turn ended. The next looks at the position again.
    pub(super) fn failed(&self, error: &RelayError) {
        let text = chain(error);
        let denied = error.remedy().map(|remedy| {
            format!(
                "publishing waits, nothing is lost and nothing is held: {text}: {remedy}; it then goes on by itself"
            )
        });
        self.set(|state| {
            state.place = Place::Failed;
            state.refuses = error.is_lost_position().then_some(text);
            state.denied = denied.or(state.denied.take());
        });
    }

    /// Kafka has acknowledged a record, or there is none to send.
    pub(super) fn is_not_denied(&self) {
        self.set(|state| state.denied = None);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        if let Ok(mut state) = self.0.lock() {
            change(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn what_a_turn_met_is_not_told_by_one_that_stands_by() {
        let status = RelayStatus::default();
        status.holds(1);
        status
            .failed(&RelayError::Delivery { topic: "things".into(), code: RDKafkaErrorCode::UnknownTopicOrPartition });
        status.check().unwrap_err();
        status.stands_by();
        assert_eq!(status.check().unwrap(), "stands by: another process is the active relay");
    }
}
