//! Having the Kafka client built anew, and whether that helps: where the same record was the reason three times, another client
//! changes nothing. Then that record's key, or its partition, stays where it is until a person acts, and all else goes on.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use super::record::Place;

/// So many clients are built over one position; what is wrong for a moment is well by then.
const TRIES: u32 = 3;
/// So many positions are remembered, the latest; each costs a rebuild, so there are few.
const PLACES: usize = 64;

/// What readiness and log say of a place that no client gets past.
pub(super) fn stuck(place: Place, topic: &str) -> String {
    let Place { partition, offset, .. } = place;
    format!(
        "does not get past {topic}[{partition}] offset {offset}: {TRIES} Kafka clients failed there, see the log; restart with a \
         mended version, or set the group's offset behind it"
    )
}

/// Asks for another client, and remembers over what.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    asked: Notify,
    state: Mutex<State>,
    /// A batch broke, and over which of its records is not known: each is handed out by itself until that is found.
    is_one_by_one: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<&'static str>,
    /// How many clients were asked for over each place, and why.
    places: Vec<(Place, u32, &'static str)>,
}

impl Rebuild {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for another client; `reason` labels the counter. `false` when that did not help often enough over this place: nothing
    /// is asked for.
    pub(super) fn ask(&self, reason: &'static str, over: Option<Place>) -> bool {
        let mut state = self.state();
        if let Some(place) = over {
            let known = state.places.iter().position(|(other, ..)| *other == place);
            let at = known.unwrap_or_else(|| {
                if state.places.len() == PLACES {
                    state.places.remove(0);
                }
                state.places.push((place, 0, reason));
                state.places.len() - 1
            });
            if state.places[at].1 >= TRIES {
                return false;
            }
            state.places[at].1 += 1;
        }
        state.reason = Some(reason);
        self.asked.notify_one();
        true
    }

    pub(super) fn is_one_by_one(&self) -> bool {
        self.is_one_by_one.load(Ordering::Relaxed)
    }

    pub(super) fn goes_one_by_one(&self, is_so: bool) {
        self.is_one_by_one.store(is_so, Ordering::Relaxed);
    }

    /// Another client was built: what was asked for before is done.
    pub(super) fn begin(&self) {
        self.state().reason = None;
    }

    /// Waits until another client is asked for. Who asks twice is heard once.
    pub(super) async fn asked(&self) {
        while self.state().reason.is_none() {
            self.asked.notified().await;
        }
    }

    /// What the last one was asked for.
    pub(super) fn take_reason(&self) -> Option<&'static str> {
        self.state().reason.take()
    }

    /// The place in this partition that clients did not get past for this reason, if there is one.
    pub(super) fn stuck_in(&self, reason: &str, topic: u16, partition: i32) -> Option<Place> {
        let is_it = |(place, times, why): &&(Place, u32, &str)| {
            (place.topic, place.partition) == (topic, partition) && *times >= TRIES && *why == reason
        };
        self.state().places.iter().find(is_it).map(|(place, ..)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_clients_are_built_over_one_place_and_as_many_over_another() {
        let rebuild = Rebuild::default();
        let place = |offset| Place { topic: 0, partition: 1, offset };
        for offset in [7, 8] {
            let asked: Vec<_> = (0..5).map(|_| rebuild.ask("broken", Some(place(offset)))).collect();
            assert_eq!(asked, [true, true, true, false, false]);
        }
        assert_eq!(rebuild.stuck_in("broken", 0, 1), Some(place(7)));
        assert_eq!(rebuild.stuck_in("broken", 0, 2), None);
        assert!((0..100).all(|_| rebuild.ask("dead", None)), "what is nobody's record has no end");
    }
}
