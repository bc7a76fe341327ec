//! Which record runs next. Records of one lane run one after the other in the order in which they came; lanes take turns;
//! never more than the cap run at once. A lane that waits for its retry holds no place.
//!
//! A lane is whatever has to stay in order: a record key within its partition, or a whole partition.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

#[derive(Debug)]
struct Lane<T> {
    queue: VecDeque<T>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the ready queue.
    Ready,
    /// Its head was handed out and counts against the cap.
    Running,
    /// Its head was handed out and waits for a retry; does not count.
    Parked,
}

/// The scheduler. `K` names a lane, `T` is a piece of work.
#[derive(Debug)]
pub struct Scheduler<K, T> {
    lanes: HashMap<K, Lane<T>>,
    ready: VecDeque<K>,
    running: usize,
    cap: usize,
    parked: usize,
}

impl<K: Eq + Hash + Clone, T> Scheduler<K, T> {
    /// A scheduler that lets at most `cap` pieces run at once (at least one).
    pub fn new(cap: usize) -> Self {
        Self { lanes: HashMap::new(), ready: VecDeque::new(), running: 0, cap: cap.max(1), parked: 0 }
    }

    /// Queues a piece of work behind everything of its lane.
    pub fn push(&mut self, key: K, work: T) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.queue.push_back(work);
            return;
        }
        self.ready.push_back(key.clone());
        self.lanes.insert(key, Lane { queue: VecDeque::from([work]), state: State::Ready });
    }

    /// Hands out the next piece of work, if one may run now.
    pub fn take_next(&mut self) -> Option<(K, T)> {
        while self.running < self.cap {
            let key = self.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            let Some(work) = lane.queue.pop_front() else {
                continue;
            };
            lane.state = State::Running;
            self.running += 1;
            return Some((key, work));
        }
        None
    }

    /// The piece that was handed out for this lane is finished: the next one of the lane may run.
    pub fn finish(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        match lane.state {
            State::Running => self.running -= 1,
            State::Parked => self.parked -= 1,
            State::Ready => return,
        }
        if lane.queue.is_empty() {
            self.lanes.remove(key);
        } else {
            lane.state = State::Ready;
            self.ready.push_back(key.clone());
        }
    }

    /// The piece that was handed out for this lane waits for its retry: its place is free for others, the lane stays shut.
    pub fn park(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.state == State::Running
        {
            lane.state = State::Parked;
            self.running -= 1;
            self.parked += 1;
        }
    }

    /// The parked piece goes on; it counts again, even if that passes the cap for a moment.
    pub fn resume(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.state == State::Parked
        {
            lane.state = State::Running;
            self.running += 1;
            self.parked -= 1;
        }
    }

    /// Forgets all queued work for which `gone` holds; what was handed out is still to be finished. Returns how many.
    pub fn forget(&mut self, gone: impl Fn(&K) -> bool) -> usize {
        let mut forgotten = 0;
        self.lanes.retain(|key, lane| {
            if !gone(key) {
                return true;
            }
            forgotten += lane.queue.len();
            lane.queue.clear();
            lane.state != State::Ready
        });
        let lanes = &self.lanes;
        self.ready.retain(|key| lanes.contains_key(key));
        forgotten
    }

    /// How many pieces run now.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many lanes wait for a retry.
    pub fn parked(&self) -> usize {
        self.parked
    }

    /// How many pieces of the lanes for which `of` holds are handed out and not finished.
    pub fn handed_out(&self, of: impl Fn(&K) -> bool) -> usize {
        self.lanes.iter().filter(|(key, lane)| lane.state != State::Ready && of(key)).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lane_runs_in_order_and_one_at_a_time() {
        let mut scheduler = Scheduler::new(8);
        for work in 1..=3 {
            scheduler.push("a", work);
        }
        assert_eq!(scheduler.take_next(), Some(("a", 1)));
        assert_eq!(scheduler.take_next(), None);
        scheduler.finish(&"a");
        assert_eq!(scheduler.take_next(), Some(("a", 2)));
    }

    #[test]
    fn a_busy_lane_does_not_starve_another() {
        let mut scheduler = Scheduler::new(1);
        for work in 0..100 {
            scheduler.push("busy", work);
        }
        scheduler.push("quiet", 0);
        let first = scheduler.take_next().map(|(key, _)| key);
        assert_eq!(first, Some("busy"));
        scheduler.finish(&"busy");
        assert_eq!(scheduler.take_next().map(|(key, _)| key), Some("quiet"));
    }

    #[test]
    fn a_parked_lane_frees_its_place_and_keeps_its_order() {
        let mut scheduler = Scheduler::new(1);
        scheduler.push("a", 1);
        scheduler.push("a", 2);
        scheduler.push("b", 1);
        assert_eq!(scheduler.take_next(), Some(("a", 1)));
        scheduler.park(&"a");
        assert_eq!(scheduler.take_next(), Some(("b", 1)));
        scheduler.finish(&"b");
        assert_eq!(scheduler.take_next(), None, "the parked lane stays shut");
        scheduler.resume(&"a");
        scheduler.finish(&"a");
        assert_eq!(scheduler.take_next(), Some(("a", 2)));
    }

    #[test]
    fn forgotten_work_never_runs_and_what_runs_can_be_finished() {
        let mut scheduler = Scheduler::new(4);
        for work in 0..3 {
            scheduler.push("gone", work);
        }
        scheduler.push("stays", 0);
        assert_eq!(scheduler.take_next(), Some(("gone", 0)));
        assert_eq!(scheduler.forget(|key| *key == "gone"), 2);
        assert_eq!(scheduler.handed_out(|key| *key == "gone"), 1);
        scheduler.finish(&"gone");
        assert_eq!(scheduler.take_next(), Some(("stays", 0)));
        scheduler.finish(&"stays");
        assert_eq!((scheduler.take_next(), scheduler.running()), (None, 0));
    }

    proptest! {
        /// Whatever the interleaving: the cap holds, each lane is in order, nothing is lost and nothing runs twice.
        #[test]
        fn it_behaves_as_one_queue_per_lane(
            steps in proptest::collection::vec((0_u8..4, 0_u8..5), 1..300),
            cap in 1_usize..5,
        ) {
            let mut scheduler = Scheduler::new(cap);
            let mut pushed: HashMap<u8, u32> = HashMap::new();
            let mut ran: HashMap<u8, u32> = HashMap::new();
            let mut out: Vec<u8> = Vec::new();
            let mut parked: Vec<u8> = Vec::new();
            for (action, lane) in steps {
                match action {
                    0 | 1 => {
                        let number = pushed.entry(lane).or_default();
                        scheduler.push(lane, *number);
                        *number += 1;
                    }
                    2 => if let Some((lane, number)) = scheduler.take_next() {
                        prop_assert!(!out.contains(&lane) && !parked.contains(&lane));
                        let expected = ran.entry(lane).or_default();
                        prop_assert_eq!(*expected, number);
                        *expected += 1;
                        out.push(lane);
                    },
                    _ if lane == 0 => if let Some(lane) = out.pop() { scheduler.park(&lane); parked.push(lane); },
                    _ if lane == 1 => if let Some(lane) = parked.pop() { scheduler.finish(&lane); },
                    _ => if let Some(lane) = out.pop() { scheduler.finish(&lane); },
                }
                prop_assert!(scheduler.running() <= cap);
                prop_assert_eq!((scheduler.running(), scheduler.parked()), (out.len(), parked.len()));
            }
            loop {
                for lane in out.drain(..).chain(parked.drain(..)) { scheduler.finish(&lane); }
                let Some((lane, number)) = scheduler.take_next() else { break };
                let expected = ran.entry(lane).or_default();
                prop_assert_eq!(*expected, number);
                *expected += 1;
                out.push(lane);
            }
            for (lane, count) in pushed {
                prop_assert_eq!(ran.get(&lane).copied().unwrap_or(0), count);
            }
        }
    }
}
