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
    groups: VecDeque<(Wait, VecDeque<Lane>)>,
    asked: Instant,
}

impl Blocked {
    fn add(&mut self, wait: Wait, lane: Lane) {
        match self.groups.iter_mut().find(|(why, _)| *why == wait) {
            Some((_, lanes)) => lanes.push_back(lane),
            // Those that may not need the system at all are sent first: the first of them that ends well sets all of them free.
            None if wait.presumed.is_some() => self.groups.push_front((wait, VecDeque::from([lane]))),
            None => self.groups.push_back((wait, VecDeque::from([lane]))),
        }
    }

    /// One of the group that has waited longest for its turn. Those that are known to need the system take turns. Of those that may
    /// not it is mostly the one that came last: what came with the outage is more likely to need it.
    fn one(&mut self) -> Option<Lane> {
        let (wait, mut lanes) = self.groups.pop_front()?;
        let last = lanes.len().checked_sub(1)?;
        let one = match wait.presumed {
            None => lanes.pop_front(),
            Some(_) if fastrand::u8(..4) > 0 => lanes.pop_back(),
            Some(_) => lanes.swap_remove_back(fastrand::usize(..=last)),
        };
        if !lanes.is_empty() {
            self.groups.push_back((wait, lanes));
        }
        one
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
                    due.extend(lanes.drain(..));
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

#[cfg(test)]
mod tests {
    use super::{
        super::{
            dependency::{Blame, Caller},
            outcome::Applied,
            partition::AssignmentId,
        },
        *,
    };
    use crate::flow::breaker::BreakerPolicy;

    const CALLER: Caller = Caller { index: 0, has_database: false };

    fn lane(key: u64) -> Lane {
        Lane { assignment: AssignmentId(1), key }
    }

    /// Lanes that wait for a system that is away and may be asked at any time: the first as those that need it.
    fn waiting(known: u64, presumed: u64) -> (Waiting, Arc<Breakers>) {
        let policy = BreakerPolicy { failures: 1, first_probe: Duration::ZERO, ..BreakerPolicy::default() };
        let (breakers, mut waiting) =
            (Breakers::new(policy, crate::consume::ConsumerStatus::default()), Waiting::default());
        breakers.failed("a", Blame { unnamed: Some(CALLER), ..Blame::default() }, None);
        let wait = |presumed| Then::Back(Wait { dependency: "a".into(), presumed });
        (0..known).for_each(|key| waiting.add(lane(key), wait(None)));
        (known..known + presumed).for_each(|key| waiting.add(lane(key), wait(Some(0))));
        (waiting, breakers)
    }

    /// The keys of those that are sent at these looks.
    fn sent(waiting: &mut Waiting, breakers: &Breakers, looks: std::ops::Range<u32>) -> Vec<Vec<u64>> {
        let began = Instant::now();
        // Far enough apart, whatever the clock does in between.
        let look =
            |number| waiting.due(began + ASK * (10 * number + 1), breakers).iter().map(|lane| lane.key).collect();
        looks.map(look).collect()
    }

    #[test]
    fn those_that_need_a_system_are_sent_to_ask_in_turn_and_all_go_once_it_is_back() {
        let (mut waiting, breakers) = waiting(5, 0);
        assert_eq!(sent(&mut waiting, &breakers, 0..2), [[0], [1]]);
        breakers.answered("a");
        assert_eq!(sent(&mut waiting, &breakers, 2..4), [vec![2, 3, 4], vec![]]);
    }

    #[test]
    fn those_that_may_not_need_it_have_every_other_turn_and_go_once_one_of_them_ended_well() {
        let (mut waiting, breakers) = waiting(2, 10);
        let turns = sent(&mut waiting, &breakers, 0..2).concat();
        assert!(turns[0] >= 2 && turns[1] == 0, "{turns:?}");
        breakers.went_well(CALLER, None, Applied::Now);
        let turns = sent(&mut waiting, &breakers, 2..3).concat();
        assert_eq!(turns.len(), 10, "nine that may go and one that asks: {turns:?}");
    }

    #[test]
    fn those_whose_system_is_forgotten_wait_for_nothing() {
        let (mut waiting, _) = waiting(3, 3);
        let others = Breakers::new(BreakerPolicy::default(), crate::consume::ConsumerStatus::default());
        assert_eq!(sent(&mut waiting, &others, 0..1).concat().len(), 6);
    }
}
