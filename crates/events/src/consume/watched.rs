//! One assigned partition as the watch sees it: where it stands, what is behind it, whether it goes on; and its figures.
//!
//! A figure that is not known is NaN and never 0: whoever scales or alerts by it must not take a guess for "all is done".

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use chrono::Utc;
use metrics::gauge;
use rdkafka::error::RDKafkaErrorCode;

use super::{
    ends::Found,
    owed::Owed,
    partition::Assigned,
    reset::{Bounds, Latest},
};
use crate::kafka::config::OffsetReset;

pub(super) struct Watched {
    pub(super) of: Assigned,
    lag: metrics::Gauge,
    seconds: metrics::Gauge,
    blocked: metrics::Gauge,
    /// What the group had committed when the partition came, once that was told.
    began: Option<Option<i64>>,
    latest: Latest,
    place: Place,
    bounds: Bounds,
    /// The next offset to be handled as far as the engine knows, and up to where there is nothing to be read behind it.
    own: Option<i64>,
    empty_until: i64,
    /// What stands at its place, if that was looked for since it was measured.
    found: Found,
    /// The time of the record at its place.
    since_ms: Option<i64>,
    /// It is at the end, has moved, or has something in flight; and when that was so last.
    goes_on: bool,
    well_at: Instant,
    /// The last stable offset before an open transaction, and since when it is that.
    open: Option<(i64, Instant)>,
    owed: Owed,
    /// A new client was asked for on its account.
    pub(super) ordered: bool,
}

/// The next offset to be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Unknown,
    At(i64),
    /// There is none: `auto.offset.reset` is `error`, and what was committed is not in the log.
    Refused(Option<i64>),
}

/// Why nothing is taken of it although there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Refused { committed: Option<i64>, bounds: Bounds },
    Unreadable { offset: i64, code: RDKafkaErrorCode },
    Stalled { offset: i64 },
}

impl Watched {
    /// `labels` are those of its figures.
    pub(super) fn new(of: Assigned, labels: &[(&'static str, String)]) -> Self {
        let watched = Self {
            of,
            lag: gauge!("kafka_consumer_lag", labels),
            seconds: gauge!("kafka_consumer_lag_seconds", labels),
            blocked: gauge!("kafka_consumer_blocked_by_transaction_seconds", labels),
            began: None,
            latest: Latest::default(),
            place: Place::Unknown,
            bounds: Bounds { oldest: 0, stable: 0, end: 0 },
            own: None,
            empty_until: -1,
            found: Found::Unknown,
            since_ms: None,
            goes_on: true,
            well_at: Instant::now(),
            open: None,
            owed: Owed::default(),
            ordered: false,
        };
        watched.leave();
        watched
    }

    /// Nobody tells of it: it is another's now, or nothing is known yet.
    pub(super) fn leave(&self) {
        for figure in [&self.lag, &self.seconds, &self.blocked] {
            figure.set(f64::NAN);
        }
    }

    /// What the group has committed. Asked for before [`Self::measure`] looks at what is handled.
    pub(super) fn committed(&mut self, committed: Option<i64>) {
        self.began.get_or_insert(committed);
        self.owed.read_back(committed, self.of.progress.next.load(Ordering::Relaxed));
    }

    /// Where its log begins and ends. Asked for before this looks at what is handled: what is done meanwhile must not stand
    /// behind the end.
    pub(super) fn measure(&mut self, bounds: Bounds, policy: OffsetReset) {
        let progress = &self.of.progress;
        let told = [&progress.next, &progress.first].map(|offset| offset.load(Ordering::Relaxed));
        let own = told.into_iter().find(|offset| *offset >= 0);
        // What was found in another log does not hold for this one.
        if own < self.own || self.empty_until > bounds.end {
            self.empty_until = -1;
        }
        self.own = own;
        let in_flight = self.is_in_flight();
        let place = match (own, self.began) {
            // What is in flight behind the end was taken of another log.
            (Some(own), _) if in_flight && own <= bounds.end => Place::At(own.max(bounds.oldest)),
            (None, None) => return self.is_not_known(),
            (own, began) => {
                let from = own.or(began.flatten());
                let reached = from.map(|from| from.max(self.empty_until).max(progress.empty_until(from)));
                let position = self.latest.position(reached, bounds, policy);
                position.map_or(Place::Refused(from), Place::At)
            }
        };
        let moved = self.place != place;
        if moved {
            self.since_ms = None;
        }
        (self.place, self.bounds, self.found) = (place, bounds, Found::Unknown);
        self.open = match self.open {
            _ if bounds.end <= bounds.stable => None,
            Some((stable, since)) if stable == bounds.stable => Some((stable, since)),
            _ => Some((bounds.stable, Instant::now())),
        };
        self.goes_on = moved || in_flight || self.behind() == Some(0);
        self.notes_that_it_goes_on();
    }

    /// The brokers did not tell. What nobody can fetch does not stall, and what nobody can ask for may be committed.
    pub(super) fn is_not_known(&mut self) {
        self.found = Found::Unknown;
        self.well_at = Instant::now();
        self.owed = Owed::default();
        let has_moved = self.of.progress.next.load(Ordering::Relaxed) > self.at().unwrap_or(-1);
        let oldest = self.oldest_ms().or(self.since_ms.filter(|_| !has_moved));
        self.leave();
        self.seconds.set(oldest.map_or(f64::NAN, age));
    }

    /// From where it is to be looked what there is, if the offsets alone do not tell.
    pub(super) fn is_to_be_looked_at(&self) -> Option<i64> {
        self.at().filter(|_| self.behind() > Some(0) && self.oldest_ms().is_none())
    }

    pub(super) fn finds(&mut self, found: Found) {
        self.found = found;
        let reached = match found {
            Found::Record(offset, time) => {
                self.since_ms = time;
                offset
            }
            Found::Nothing => {
                self.is_empty_behind_what_is_done();
                self.bounds.stable
            }
            Found::Unreadable(_) | Found::Unknown => return,
        };
        (self.empty_until, self.place) = (reached, Place::At(reached));
        self.goes_on |= self.behind() == Some(0);
        self.notes_that_it_goes_on();
    }

    /// What is committed next tells so, too: retention may take what stands there.
    fn is_empty_behind_what_is_done(&self) {
        let progress = &self.of.progress;
        let handled = Some(progress.next.load(Ordering::Relaxed)).filter(|next| *next >= 0);
        if let (Some(at), Some(next)) = (self.at(), handled.or(progress.left().map(|left| left.next)))
            && [next, progress.empty_until(next)].contains(&at)
        {
            progress.is_empty_behind(next, self.bounds.stable);
        }
    }

    fn at(&self) -> Option<i64> {
        match self.place {
            Place::At(next) => Some(next),
            Place::Unknown | Place::Refused(_) => None,
        }
    }

    /// How many records are not handled, as far as offsets tell; `None` if that is not known.
    fn behind(&self) -> Option<i64> {
        self.at().map(|next| (self.bounds.stable - next).max(0))
    }

    fn is_in_flight(&self) -> bool {
        let progress = &self.of.progress;
        progress.taken.load(Ordering::Relaxed) > progress.records.load(Ordering::Relaxed)
    }

    /// The time of the oldest record that was taken and is not done.
    fn oldest_ms(&self) -> Option<i64> {
        Some(self.of.progress.oldest_ms.load(Ordering::Relaxed)).filter(|oldest| *oldest >= 0)
    }

    fn notes_that_it_goes_on(&mut self) {
        if self.goes_on {
            (self.well_at, self.ordered) = (Instant::now(), false);
        }
    }

    /// Sets its figures to what was measured and found.
    pub(super) fn tell(&self) {
        let Some(behind) = self.behind() else { return self.leave() };
        let seconds = match self.oldest_ms().or(self.since_ms) {
            _ if behind == 0 => 0.0,
            Some(since) => age(since),
            // At least for so long.
            None => self.well_at.elapsed().as_secs_f64(),
        };
        self.lag.set(behind as f64);
        self.seconds.set(seconds);
        self.blocked.set(self.open.map_or(0.0, |(_, since)| since.elapsed().as_secs_f64()));
    }

    /// What keeps it from going on, if it has stood still for so long.
    pub(super) fn trouble(&self, limit: Duration) -> Option<Trouble> {
        if let Place::Refused(committed) = self.place {
            return Some(Trouble::Refused { committed, bounds: self.bounds });
        }
        if self.goes_on || self.well_at.elapsed() < limit {
            return None;
        }
        match self.found {
            Found::Record(offset, _) => Some(Trouble::Stalled { offset }),
            Found::Unreadable(code) => Some(Trouble::Unreadable { offset: self.at()?, code }),
            Found::Nothing | Found::Unknown => None,
        }
    }

    /// Whether something was taken since it stood still at `offset`, or nothing is behind any more.
    pub(super) fn has_left(&self, offset: i64) -> bool {
        self.is_in_flight() || self.behind() == Some(0) || self.at().is_some_and(|from| from > offset)
    }

    /// For how long an offset was to be committed and is not.
    pub(super) fn uncommitted_for(&self) -> Duration {
        self.owed.elapsed()
    }

    /// For how long what stands behind a transaction has waited for its end.
    pub(super) fn blocked_for(&self) -> Duration {
        self.open.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }
}

fn age(since_ms: i64) -> f64 {
    Utc::now().timestamp_millis().saturating_sub(since_ms).max(0) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::consume::partition::AssignmentId;

    const AT_ONCE: Duration = Duration::ZERO;

    fn watched() -> Watched {
        let of = Assigned { id: AssignmentId(1), topic: 0, partition: 3, progress: Arc::default() };
        Watched::new(of, &[])
    }

    fn log(oldest: i64, end: i64) -> Bounds {
        Bounds { oldest, stable: end, end }
    }

    /// That `taken` records were taken from `first` on, and those before `next` are done.
    fn works(watched: &Watched, first: i64, next: i64, taken: usize, done: usize) {
        let progress = &watched.of.progress;
        progress.first.store(first, Ordering::Relaxed);
        progress.next.store(next, Ordering::Relaxed);
        progress.taken.store(taken, Ordering::Relaxed);
        progress.records.store(done, Ordering::Relaxed);
    }

    #[test]
    fn before_it_is_told_what_was_committed_nothing_is_known() {
        let mut watched = watched();
        watched.measure(log(0, 10), OffsetReset::Earliest);
        assert_eq!(watched.behind(), None);
        watched.committed(Some(4));
        watched.measure(log(0, 10), OffsetReset::Earliest);
        assert_eq!(watched.behind(), Some(6));
    }

    #[test]
    fn what_is_done_before_the_first_look_is_no_end() {
        let mut watched = watched();
        works(&watched, 2, 3, 1, 1);
        watched.measure(log(0, 10), OffsetReset::Latest);
        assert_eq!(watched.behind(), Some(7));
    }

    #[test]
    fn what_was_taken_first_tells_where_it_began() {
        let mut watched = watched();
        watched.committed(None);
        works(&watched, 5, -1, 3, 0);
        watched.measure(log(0, 10), OffsetReset::Latest);
        assert_eq!(watched.behind(), Some(5));
    }

    #[test]
    fn retention_that_passes_what_was_committed_is_followed() {
        let mut watched = watched();
        watched.committed(Some(1));
        watched.measure(log(0, 10), OffsetReset::Earliest);
        assert_eq!(watched.behind(), Some(9));
        watched.measure(log(8, 12), OffsetReset::Earliest);
        assert_eq!(watched.behind(), Some(4));
        watched.measure(log(8, 12), OffsetReset::Error);
        assert!(matches!(watched.trouble(LONG), Some(Trouble::Refused { committed: Some(1), .. })));
    }

    #[test]
    fn a_marker_that_retention_leaves_behind_is_no_reason_to_refuse() {
        let mut watched = watched();
        works(&watched, 0, 9, 9, 9);
        watched.measure(log(0, 10), OffsetReset::Error);
        assert_eq!(watched.is_to_be_looked_at(), Some(9));
        watched.finds(Found::Nothing);
        assert_eq!(watched.behind(), Some(0));
        watched.measure(log(10, 10), OffsetReset::Error);
        assert_eq!((watched.behind(), watched.trouble(AT_ONCE)), (Some(0), None));
    }

    #[test]
    fn what_was_found_empty_does_not_hold_for_a_log_that_began_anew() {
        let mut watched = watched();
        works(&watched, 0, 9, 9, 9);
        watched.measure(log(0, 10), OffsetReset::Earliest);
        watched.finds(Found::Nothing);
        works(&watched, 0, 2, 11, 11);
        watched.measure(log(0, 30), OffsetReset::Earliest);
        assert_eq!(watched.behind(), Some(28));
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn it_has_stalled_when_it_stands_still_and_there_is_a_record() {
        let mut watched = watched();
        watched.committed(Some(1));
        let look = |watched: &mut Watched, found| {
            watched.measure(log(0, 10), OffsetReset::Earliest);
            watched.finds(found);
        };
        look(&mut watched, Found::Record(4, None));
        assert_eq!(watched.trouble(AT_ONCE), None, "it was not seen before");
        look(&mut watched, Found::Unknown);
        assert_eq!(watched.trouble(AT_ONCE), None, "nobody knows whether there is a record");
        look(&mut watched, Found::Record(4, None));
        assert_eq!((watched.trouble(AT_ONCE), watched.trouble(LONG)), (Some(Trouble::Stalled { offset: 4 }), None));
        assert!(!watched.has_left(4));
        look(&mut watched, Found::Unreadable(RDKafkaErrorCode::BadMessage));
        assert!(matches!(watched.trouble(AT_ONCE), Some(Trouble::Unreadable { offset: 4, .. })));
        works(&watched, 4, -1, 1, 0);
        watched.measure(log(0, 10), OffsetReset::Earliest);
        assert_eq!(watched.trouble(AT_ONCE), None, "something is in flight");
        assert!(watched.has_left(4));
    }

    #[test]
    fn a_transaction_is_open_while_the_stable_end_stands_before_the_other() {
        let mut watched = watched();
        watched.committed(Some(0));
        let mut since = |stable, end| {
            watched.measure(Bounds { oldest: 0, stable, end }, OffsetReset::Earliest);
            watched.open
        };
        let first = since(4, 6);
        assert!(first.is_some());
        assert_eq!(since(4, 9), first);
        assert_ne!(since(7, 9), first, "another one");
        assert_eq!(since(9, 9), None);
    }
}
