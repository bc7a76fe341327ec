//! Lanes that wait: for their retry, or for an outside system that is away.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{dependency::Wait, dependency_breakers::Breakers, lane::Lane, notice::Then, spread::SpreadHash};

/// One of those that wait for an outside system is sent to ask this often at most: it may find another asking.
const ASK: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Waiting {
    by_time: BinaryHeap<Reverse<(Instant, Lane)>>,
    by_dependency: HashMap<Arc<str>, Blocked>,
    /// Since when a lane has not got further.
    since: HashMap<Lane, Instant, SpreadHash>,
}

/// The lanes that wait for one outside system.
struct Blocked {
    /// By why they wait; those of which one was sent to ask last stand last.
    groups: VecDeque<(Wait, Vec<Lane>)>,
    asked: Instant,
}

impl Blocked {
    fn add(&mut self, wait: Wait, lane: Lane) {
        match self.groups.iter_mut().find(|(why, _)| *why == wait) {
            Some((_, lanes)) => lanes.push(lane),
            // Those that may not need the system at all are sent first: the first of them that ends well sets all of them free.
            None if wait.presumed.is_some() => self.groups.push_front((wait, vec![lane])),
            None => self.groups.push_back((wait, vec![lane])),
        }
    }

    /// One of the group that has waited longest for its turn. Mostly the one that came last: those that came with the outage are
    /// more likely to need the system.
    fn one(&mut self) -> Option<Lane> {
        let (wait, mut lanes) = self.groups.pop_front()?;
        let last = lanes.len().checked_sub(1)?;
        let one = lanes.swap_remove(if fastrand::u8(..4) > 0 { last } else { fastrand::usize(..=last) });
        if !lanes.is_empty() {
            self.groups.push_back((wait, lanes));
        }
        Some(one)
    }
}

impl Waiting {
    pub(super) fn add(&mut self, lane: Lane, then: Then) {
        let now = Instant::now();
        self.since.entry(lane).or_insert(now);
        match then {
            Then::Running => {}
            Then::After(delay) => self.by_time.push(Reverse((now + delay, lane))),
            Then::Back(wait) => {
                let blocked = || Blocked { groups: VecDeque::new(), asked: now };
                self.by_dependency.entry(Arc::clone(&wait.dependency)).or_insert_with(blocked).add(wait, lane);
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

    /// The lanes that may go on now: all that waited for a system that is back or that they need not wait for; one of those whose
    /// system may be asked.
    pub(super) fn due(&mut self, now: Instant, breakers: &Breakers) -> Vec<Lane> {
        let mut due = Vec::new();
        while let Some(Reverse((at, lane))) = self.by_time.peek().copied()
            && at <= now
        {
            self.by_time.pop();
            due.push(lane);
        }
        self.by_dependency.retain(|_, blocked| {
            let mut may_ask = false;
            blocked.groups.retain_mut(|(wait, lanes)| {
                let until = breakers.until(wait);
                may_ask |= until.is_some_and(|at| at <= now.into_std());
                if until.is_none() {
                    due.append(lanes);
                }
                until.is_some()
            });
            if may_ask && blocked.asked + ASK <= now {
                blocked.asked = now;
                due.extend(blocked.one());
            }
            !blocked.groups.is_empty()
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
            blocked.groups.retain_mut(|(_, lanes)| {
                lanes.retain(|lane| !gone(lane));
                !lanes.is_empty()
            });
            !blocked.groups.is_empty()
        });
    }
}
