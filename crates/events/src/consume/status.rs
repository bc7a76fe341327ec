//! What a consumer is doing, for readiness and for whoever takes its brake off.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::record::Place;
use crate::contract::schema::monitoring::AlertV1;

/// Without a poll for this long the consumer is not alive: a poll takes 50 ms, a rebalance at most the drain.
const SILENT: Duration = Duration::from_secs(30);

/// Why the brake is on, for people, and as the alert that was raised.
pub(super) struct Braked {
    pub(super) reason: String,
    pub(super) alert: AlertV1,
}

/// What a consumer is doing.
#[derive(Clone)]
pub struct ConsumerStatus(Arc<Status>);

struct Status {
    began: Instant,
    /// Milliseconds after `began`; zero before the first poll.
    polled: AtomicU64,
    assigned: AtomicUsize,
    /// The group went on without this worker, which has heard nothing of it since.
    lost: AtomicBool,
    /// The records whose dead letters were refused and are tried again.
    refused: Mutex<BTreeSet<Place>>,
    /// Records of the dead-letter topic that wait for a person.
    parked: AtomicUsize,
    brake: Mutex<Option<Braked>>,
    stalled: Mutex<Option<String>>,
    /// Why nothing more is taken, by topic and partition.
    halted: Mutex<BTreeMap<(String, i32), String>>,
    waits_for: Mutex<Option<String>>,
    uncommitted: Mutex<Option<String>>,
    blocked: Mutex<Option<String>>,
    release: AtomicBool,
}

impl Default for ConsumerStatus {
    fn default() -> Self {
        Self(Arc::new(Status {
            began: Instant::now(),
            polled: AtomicU64::new(0),
            // Before the first assignment: nobody has told yet.
            assigned: AtomicUsize::new(usize::MAX),
            lost: AtomicBool::new(false),
            refused: Mutex::default(),
            parked: AtomicUsize::new(0),
            brake: Mutex::new(None),
            stalled: Mutex::new(None),
            halted: Mutex::default(),
            waits_for: Mutex::new(None),
            uncommitted: Mutex::new(None),
            blocked: Mutex::new(None),
            release: AtomicBool::new(false),
        }))
    }
}

impl fmt::Debug for ConsumerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerStatus").field("check", &self.check()).finish()
    }
}

impl ConsumerStatus {
    /// Whether it has joined its group, polls, takes records, commits, can write dead letters, and handles those that it reads;
    /// `Ok` says what it is doing, `Err` which of these is not so.
    pub fn check(&self) -> Result<String, String> {
        let polled = Duration::from_millis(self.0.polled.load(Ordering::Relaxed));
        if !self.has_joined() {
            return Err("has not joined its consumer group yet".to_owned());
        }
        if self.0.began.elapsed().saturating_sub(polled) > SILENT {
            return Err(format!("has not polled Kafka for {SILENT:?}"));
        }
        if let Some(reason) =
            self.brake().or_else(|| self.halted()).or_else(|| self.stalled()).or_else(|| read(&self.0.uncommitted))
        {
            return Err(reason);
        }
        // The log has the reason, which may name hosts; readiness is open to everybody.
        match self.refused().len() {
            0 => {}
            count => {
                return Err(format!("cannot write dead letters: records that wait for theirs: {count}; see the log"));
            }
        }
        match self.0.parked.load(Ordering::Relaxed) {
            0 => {}
            count => {
                return Err(format!(
                    "{count} records of dead.letter.queue are parked; see the table dead_letters_parked"
                ));
            }
        }
        let mut doing = match self.partitions() {
            0 if self.0.lost.load(Ordering::Relaxed) => {
                "takes no records: the group went on without it, since Kafka did not hear of it in time; it joins again"
                    .to_owned()
            }
            0 => "takes no records: the group's other members have all partitions, or its topics are not there"
                .to_owned(),
            1 => "takes records of 1 partition".to_owned(),
            count => format!("takes records of {count} partitions"),
        };
        if let Some(what) = &*self.0.waits_for.lock().unwrap_or_else(PoisonError::into_inner) {
            doing.push_str(&format!("; waits for {what}"));
        }
        if let Some(blocked) = read(&self.0.blocked) {
            doing = format!("{doing}; {blocked}");
        }
        Ok(doing)
    }

    /// How many partitions this worker has.
    pub fn partitions(&self) -> usize {
        match self.0.assigned.load(Ordering::Relaxed) {
            usize::MAX => 0,
            count => count,
        }
    }

    /// Why it has stopped taking records, if it has: too many of them became dead letters.
    pub fn brake(&self) -> Option<String> {
        self.0.brake.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|braked| braked.reason.clone())
    }

    /// Which partition it takes nothing of although there is more, if any, and why.
    pub fn stalled(&self) -> Option<String> {
        read(&self.0.stalled)
    }

    /// Takes the brake off before its time. What was wrong should be mended by then: it is put on again as before.
    pub fn release_brake(&self) {
        self.0.release.store(true, Ordering::Relaxed);
    }

    pub(super) fn polled(&self) {
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.0.polled.store(now, Ordering::Relaxed);
    }

    pub(super) fn assigned(&self, partitions: usize) {
        self.0.assigned.store(partitions, Ordering::Relaxed);
    }

    /// Whether the partitions were taken away without this worker being asked.
    pub(super) fn loses(&self, lost: bool) {
        self.0.lost.store(lost, Ordering::Relaxed);
    }

    /// Nothing more is taken of a partition, or of all, until a person has acted.
    pub(super) fn halts(&self, topic: &str, partition: i32, reason: String) {
        self.halts_of().insert((topic.to_owned(), partition), reason);
    }

    /// The partition is another's now, who tells of it.
    pub(super) fn leaves(&self, topic: &str, partition: i32) {
        self.halts_of().remove(&(topic.to_owned(), partition));
    }

    fn halts_of(&self) -> MutexGuard<'_, BTreeMap<(String, i32), String>> {
        self.0.halted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn halted(&self) -> Option<String> {
        let halted = self.halts_of();
        let first = halted.values().next()?;
        Some(match halted.len() {
            1 => first.clone(),
            count => format!("{first}; and so with {} more", count - 1),
        })
    }

    /// A client begins.
    pub(super) fn joins(&self) {
        self.halts_of().clear();
        self.loses(false);
        self.0.assigned.store(usize::MAX, Ordering::Relaxed);
    }

    pub(super) fn has_joined(&self) -> bool {
        self.0.assigned.load(Ordering::Relaxed) != usize::MAX
    }

    /// Returns what held until now.
    pub(super) fn stalls(&self, reason: Option<String>) -> Option<String> {
        replace(&self.0.stalled, reason)
    }

    /// What it has handled is not committed. Returns what held until now.
    pub(super) fn cannot_commit(&self, reason: Option<String>) -> Option<String> {
        replace(&self.0.uncommitted, reason)
    }

    /// It waits for the end of another's transaction. Returns what held until now.
    pub(super) fn is_blocked(&self, reason: Option<String>) -> Option<String> {
        replace(&self.0.blocked, reason)
    }

    /// An outside system that is away.
    pub(super) fn waits_for(&self, what: Option<String>) {
        *self.0.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn refused(&self) -> MutexGuard<'_, BTreeSet<Place>> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn letter_refused(&self, of: Place) {
        self.refused().insert(of);
    }

    pub(super) fn letter_taken(&self, of: Place) {
        self.refused().remove(&of);
    }

    /// Refused letters count only of records for which `are_ours` holds.
    pub(super) fn letters_refused_of(&self, are_ours: impl Fn(Place) -> bool) {
        self.refused().retain(|place| are_ours(*place));
    }

    pub(super) fn parked(&self, records: usize) {
        self.0.parked.store(records, Ordering::Relaxed);
    }

    /// Returns what held until now.
    pub(super) fn brakes(&self, braked: Option<Braked>) -> Option<Braked> {
        self.0.release.store(false, Ordering::Relaxed);
        mem::replace(&mut *self.0.brake.lock().unwrap_or_else(PoisonError::into_inner), braked)
    }

    pub(super) fn is_released(&self) -> bool {
        self.0.release.load(Ordering::Relaxed)
    }
}

fn read(text: &Mutex<Option<String>>) -> Option<String> {
    text.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn replace(text: &Mutex<Option<String>>, with: Option<String>) -> Option<String> {
    mem::replace(&mut *text.lock().unwrap_or_else(PoisonError::into_inner), with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_partitions_says_why() {
        let status = ConsumerStatus::default();
        status.polled();
        assert!(status.check().unwrap_err().contains("has not joined"));
        let says = |lost, partitions, words: &str| {
            status.loses(lost);
            status.assigned(partitions);
            let doing = status.check().unwrap();
            assert!(doing.contains(words), "{doing}");
        };
        says(false, 3, "takes records of 3 partitions");
        says(true, 0, "the group went on without it");
        says(false, 0, "other members have all partitions, or its topics are not there");
    }
}
