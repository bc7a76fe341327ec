//! Looks now and then whether the logs of a consumer's partitions are still those that were handled, on a thread of its own, since
//! asking the brokers blocks. Where partitions are assigned that is asked before anything is taken; see `intake`.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rdkafka::error::KafkaError;

use super::{
    attempt::Engine,
    log_check::{Found, Known, LogCheck},
    partition::{Assigned, AssignmentId, Board, LogMark, LogReset},
};
use crate::kafka::config::KafkaConfig;

/// The logs are looked at this often: one record of each partition is read, by a client that lives as long as that takes.
const EVERY: Duration = Duration::from_secs(30);
/// What the client met, such as a broker that was away, is a reason to look after this time.
const SOON: Duration = Duration::from_secs(1);

pub(super) struct LogWatch {
    pub(super) config: KafkaConfig,
    pub(super) engine: Arc<Engine>,
    pub(super) board: Board,
    pub(super) before: Before,
}

/// How each log was known when it was last found to be what it was, or first seen, and how many logs its partition had before. What a
/// log is known by now may be of another already.
#[derive(Debug, Default)]
pub(super) struct Before(HashMap<AssignmentId, (usize, LogMark)>);

/// A partition that is looked at: how often it has had another log, and how it is known now.
type Seen = (Assigned, usize, LogMark);

impl Before {
    /// The partitions there are; of those that are new, how their logs are known.
    fn see(&mut self, assigned: Vec<Assigned>) -> Vec<Seen> {
        let seen: Vec<Seen> = assigned
            .into_iter()
            .filter_map(|of| of.progress.mark().map(|now| (of.progress.log(), now)).map(|(log, now)| (of, log, now)))
            .collect();
        self.0.retain(|id, (log, _)| seen.iter().any(|(of, now, _)| of.id == *id && now == log));
        for (of, log, now) in &seen {
            // Much can be handled before this looks for the first time.
            let known = of.progress.known_first().unwrap_or(*now);
            let (_, before) = self.0.entry(of.id).or_insert((*log, known));
            // Against a place without a time hardly anything can be held: the first with one is the earlier mark.
            if before.timestamp_ms.is_none() && known.next >= before.next {
                *before = known;
            }
        }
        seen
    }

    fn of(&self, id: AssignmentId) -> Option<LogMark> {
        self.0.get(&id).map(|(_, mark)| *mark)
    }

    fn found_as_it_was(&mut self, id: AssignmentId, log: usize, now: LogMark) {
        self.0.insert(id, (log, now));
    }
}

impl LogWatch {
    /// Looks until the other end of `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let mut next = Instant::now() + EVERY;
        while stop.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout) {
            let seen = self.before.see(self.board.assigned());
            if seen.is_empty() || !self.board.take_suspicion() && Instant::now() < next {
                continue;
            }
            // A look without an answer is repeated at the next glance: what gave rise to it is still open.
            next = match self.look(seen) {
                Ok(true) => Instant::now() + EVERY,
                Ok(false) => Instant::now(),
                Err(error) => {
                    tracing::debug!(%error, "whether the partitions' logs are as they were could not be asked");
                    Instant::now()
                }
            };
        }
    }

    /// Whether every partition's broker answered.
    fn look(&mut self, seen: Vec<Seen>) -> Result<bool, KafkaError> {
        let known = |(of, _, now): &Seen| {
            let mut mark = self.before.of(of.id).unwrap_or(*now);
            // A partition whose log is not known for sure is held against all that is known of it, whenever it is looked at.
            if of.progress.is_verified() {
                mark.anchor = None;
            }
            // What stands behind the place may have been looked at since.
            mark.empty_until = of.progress.empty_until(mark.next).max(mark.empty_until);
            (self.engine.topics[usize::from(of.topic)].name.clone(), of.partition, mark)
        };
        let known: Vec<Known> = seen.iter().map(known).collect();
        let letters = &self.engine.letters;
        let found = LogCheck::new(&self.config, &self.engine.topics, &letters.service, &letters.group)?.look(&known)?;
        let all_answered = !found.contains(&Found::Unknown);
        for (((of, log, now), (_, _, mark)), found) in seen.into_iter().zip(known).zip(found) {
            // What went behind the earlier place was handled or taken meanwhile, unless all is where it was.
            let stands = || of.progress.mark().is_some_and(|now| now.is_at(&mark)) && !of.progress.has_in_flight();
            match found {
                Found::Another(why) if why != LogReset::Trimmed || stands() => self.board.reset(of.id, why),
                // It is still to be held against the earlier place.
                Found::Unknown => {}
                Found::Another(_) | Found::AsItWas => {
                    of.progress.verify();
                    if of.progress.log() == log {
                        of.progress.is_as_it_was(now);
                    }
                    self.before.found_as_it_was(of.id, log, now);
                }
            }
        }
        Ok(all_answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(next: i64, timestamp_ms: Option<i64>) -> LogMark {
        LogMark { next, timestamp_ms, empty_until: next, anchor: None }
    }

    #[test]
    fn a_log_is_held_against_the_first_place_that_has_a_time() {
        let of = Assigned { id: Board::default().next_id(), topic: 0, partition: 0, progress: Arc::default() };
        let mut before = Before::default();
        let mut see = |now| {
            of.progress.set_mark(Some(now));
            before.see(vec![of.clone()]);
            before.of(of.id).unwrap()
        };
        // As a tool commits it.
        assert_eq!(see(mark(3, None)), mark(3, None));
        assert_eq!(see(mark(5, Some(7))), mark(5, Some(7)));
        assert_eq!(see(mark(9, Some(8))), mark(5, Some(7)), "what is handled later may be of another log");
    }

    #[test]
    fn a_log_is_held_against_what_was_taken_first_however_late_it_is_seen() {
        let of = Assigned { id: Board::default().next_id(), topic: 0, partition: 0, progress: Arc::default() };
        of.progress.takes_first(0, Some(3));
        // Of another log already.
        of.progress.set_mark(Some(mark(9, Some(8))));
        let mut before = Before::default();
        before.see(vec![of.clone()]);
        assert_eq!(before.of(of.id), Some(mark(1, Some(3))));
    }

    #[test]
    fn a_place_without_a_time_is_kept_against_what_is_shorter() {
        let of = Assigned { id: Board::default().next_id(), topic: 0, partition: 0, progress: Arc::default() };
        let mut before = Before::default();
        for now in [mark(1000, None), mark(3, Some(7))] {
            of.progress.set_mark(Some(now));
            before.see(vec![of.clone()]);
        }
        assert_eq!(before.of(of.id), Some(mark(1000, None)));
    }
}
