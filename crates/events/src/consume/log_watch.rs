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
    /// How each log was known when it was last found to be what it was, or first seen. What a log is known by now may be of
    /// another already.
    pub(super) before: HashMap<AssignmentId, (usize, LogMark)>,
}

/// A partition that is looked at: how often it has had another log, and how it is known now.
type Seen = (Assigned, usize, LogMark);

impl LogWatch {
    /// Looks until the other end of `stop` is dropped.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let mut next = Instant::now() + EVERY;
        while stop.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout) {
            let seen = self.see();
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

    /// The partitions there are; of those that are new, how their logs are known.
    fn see(&mut self) -> Vec<Seen> {
        let assigned = self.board.assigned().into_iter();
        let seen: Vec<Seen> = assigned
            .filter_map(|of| of.progress.mark().map(|now| (of.progress.log(), now)).map(|(log, now)| (of, log, now)))
            .collect();
        self.before.retain(|id, (log, _)| seen.iter().any(|(of, now, _)| of.id == *id && now == log));
        for (of, log, now) in &seen {
            // Much can be handled before this looks for the first time.
            self.before.entry(of.id).or_insert((*log, of.progress.left().unwrap_or(*now)));
        }
        seen
    }

    /// Whether every partition's broker answered.
    fn look(&mut self, seen: Vec<Seen>) -> Result<bool, KafkaError> {
        let known = |(of, _, now): &Seen| {
            let mark = self.before.get(&of.id).map_or(*now, |(_, mark)| *mark);
            (self.engine.topics[usize::from(of.topic)].name.clone(), of.partition, mark)
        };
        let known: Vec<Known> = seen.iter().map(known).collect();
        let letters = &self.engine.letters;
        let found = LogCheck::new(&self.config, &letters.service, &letters.group)?.look(&known)?;
        let all_answered = !found.contains(&Found::Unknown);
        for (((of, log, now), (_, _, mark)), found) in seen.into_iter().zip(known).zip(found) {
            // What went behind the earlier place was handled or taken meanwhile, unless all is where it was.
            let stands = || of.progress.mark() == Some(mark) && !of.progress.has_in_flight();
            match found {
                Found::Another(why) if why != LogReset::Trimmed || stands() => self.board.reset(of.id, why),
                // It is still to be held against the earlier place.
                Found::Unknown => {}
                Found::Another(_) | Found::AsItWas => drop(self.before.insert(of.id, (log, now))),
            }
        }
        Ok(all_answered)
    }
}
