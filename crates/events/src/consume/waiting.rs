//! Lanes that wait: for their retry, or for an outside system that is away.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{dependency_breakers::Breakers, lane::Lane, notice::Then, spread::SpreadHash};

/// One of those that wait for an outside system is sent to ask this often at most: it may find another asking.
const ASK: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Waiting {
    by_time: BinaryHeap<Reverse<(Instant, Lane)>>,
    by_dependency: HashMap<Arc<str>, Blocked>,
    /// Since when a lane has not got further.
    since: HashMap<Lane, Instant, SpreadHash>,
}

struct Blocked {
    lanes: VecDeque<Lane>,
    asked: Instant,
}

impl Waiting {
    pub(super) fn add(&mut self, lane: Lane, then: Then) {
        let now = Instant::now();
        self.since.entry(lane).or_insert(now);
        match then {
            Then::Running => {}
            Then::After(delay) => self.by_time.push(Reverse((now + delay, lane))),
            Then::Back(dependency) => {
                let blocked = Blocked { lanes: VecDeque::new(), asked: now };
                self.by_dependency.entry(dependency).or_insert(blocked).lanes.push_back(lane);
            }
        }
    }

    /// A record of the lane is done: it does not wait any more.
    pub(super) fn went_on(&mut self, lane: &Lane) {
        if !self.since.is_empty() {
            self.since.remove(lane);
        }
    }

    /// When the next retry is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.peek().map(|Reverse((at, _))| *at)
    }

    /// The lanes that may go on now. All that waited for a system that is back; one of those whose system may be asked.
    pub(super) fn due(&mut self, now: Instant, breakers: &Breakers) -> Vec<Lane> {
        let mut due = Vec::new();
        while let Some(Reverse((at, lane))) = self.by_time.peek().copied()
            && at <= now
        {
            self.by_time.pop();
            due.push(lane);
        }
        self.by_dependency.retain(|dependency, blocked| {
            match breakers.probe_at(dependency) {
                None => due.extend(blocked.lanes.drain(..)),
                Some(at) if at <= now.into_std() && blocked.asked + ASK <= now => {
                    blocked.asked = now;
                    due.extend(blocked.lanes.pop_front());
                }
                Some(_) => {}
            }
            !blocked.lanes.is_empty()
        });
        due
    }

    /// For how long the lane that waits longest has not got further.
    pub(super) fn oldest(&self, now: Instant) -> Duration {
        self.since.values().min().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
    }

    /// Lanes of partitions that went away wait for nothing.
    pub(super) fn forget(&mut self, gone: impl Fn(&Lane) -> bool) {
        self.since.retain(|lane, _| !gone(lane));
        self.by_time.retain(|Reverse((_, lane))| !gone(lane));
        self.by_dependency.retain(|_, blocked| {
            blocked.lanes.retain(|lane| !gone(lane));
            !blocked.lanes.is_empty()
        });
    }
}
