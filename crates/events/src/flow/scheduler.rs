//! Which pieces of work run next. Pieces of one lane run one after the other in the order in which they came; lanes take
//! turns; never more lanes than the cap run at once. A lane that waits holds no place.
//!
//! A lane is whatever has to stay in order: a record key within its partition, or a whole partition. Pieces are handed out
//! several at once, because handing over costs more than a quick piece of work: of one lane in their order and together.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
};

/// The queue of a lane. Most lanes hold one piece, which needs no allocation.
#[derive(Debug)]
struct Queue<T> {
    first: Option<T>,
    rest: VecDeque<T>,
}

impl<T> Queue<T> {
    fn of(work: T) -> Self {
        Self { first: Some(work), rest: VecDeque::new() }
    }

    fn push_back(&mut self, work: T) {
        match self.first {
            None => self.first = Some(work),
            Some(_) => self.rest.push_back(work),
        }
    }

    fn push_front(&mut self, work: T) {
        if let Some(second) = self.first.replace(work) {
            self.rest.push_front(second);
        }
    }

    fn pop_front(&mut self) -> Option<T> {
        std::mem::replace(&mut self.first, self.rest.pop_front())
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }
}

#[derive(Debug)]
struct Lane<T> {
    queue: Queue<T>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the ready queue.
    Ready,
    /// Its head was handed out and counts against the cap.
    Running,
    /// Running, and forgotten: what is handed out is the last of it.
    Leaving,
    /// Its head is to run again later; it holds no place.
    Waiting,
}

/// The scheduler. `K` names a lane, `T` is a piece of work.
#[derive(Debug)]
pub struct Scheduler<K, T, S = RandomState> {
    lanes: HashMap<K, Lane<T>, S>,
    ready: VecDeque<K>,
    cap: usize,
    running: usize,
    waiting: usize,
    queued: usize,
}

impl<K: Eq + Hash + Clone, T, S: BuildHasher + Default> Scheduler<K, T, S> {
    /// A scheduler that lets at most `cap` lanes run at once (at least one).
    pub fn new(cap: usize) -> Self {
        Self { lanes: HashMap::default(), ready: VecDeque::new(), cap: cap.max(1), running: 0, waiting: 0, queued: 0 }
    }

    /// Queues a piece of work behind everything of its lane.
    pub fn push(&mut self, key: K, work: T) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.queue.push_back(work);
            self.queued += usize::from(lane.state != State::Waiting);
            return;
        }
        self.queued += 1;
        self.ready.push_back(key.clone());
        self.lanes.insert(key, Lane { queue: Queue::of(work), state: State::Ready });
    }

    /// Hands out what may run now, at most `most` pieces. What it takes of a lane stands together in `out`; the lane is
    /// shut until [`Self::finish`] or [`Self::wait`].
    pub fn take(&mut self, most: usize, out: &mut Vec<(K, T)>) {
        while self.running < self.cap && out.len() < most {
            let Some(key) = self.ready.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            let before = out.len();
            while out.len() < most
                && let Some(work) = lane.queue.pop_front()
            {
                out.push((key.clone(), work));
            }
            self.queued -= out.len() - before;
            lane.state = State::Running;
            self.running += 1;
        }
    }

    /// Pieces of a lane that were handed out and did not run stand first in it again, in the order given.
    pub fn put_back(&mut self, key: &K, works: impl DoubleEndedIterator<Item = T>) {
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.state == State::Running
        {
            for work in works.rev() {
                lane.queue.push_front(work);
                self.queued += 1;
            }
        }
    }

    /// What was handed out of this lane is finished: the next piece may run.
    pub fn finish(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if !matches!(lane.state, State::Running | State::Leaving) {
            return;
        }
        self.running -= 1;
        if lane.state == State::Leaving || lane.queue.len() == 0 {
            self.lanes.remove(key);
        } else {
            lane.state = State::Ready;
            self.ready.push_back(key.clone());
        }
    }

    /// What was handed out of this lane was put back to run later: its place is free for others, the lane stays shut.
    /// Returns whether there is anything to [`Self::wake`].
    pub fn wait(&mut self, key: &K) -> bool {
        match self.lanes.get_mut(key) {
            Some(lane) if lane.state == State::Running => {
                lane.state = State::Waiting;
                self.running -= 1;
                self.waiting += 1;
                self.queued -= lane.queue.len();
                true
            }
            _ => {
                self.finish(key);
                false
            }
        }
    }

    /// A waiting lane may run again; it takes its turn behind those that are ready.
    pub fn wake(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.state == State::Waiting
        {
            lane.state = State::Ready;
            self.waiting -= 1;
            self.queued += lane.queue.len();
            self.ready.push_back(key.clone());
        }
    }

    /// Whether a lane waits to be woken.
    pub fn is_waiting(&self, key: &K) -> bool {
        self.waiting > 0 && self.lanes.get(key).is_some_and(|lane| lane.state == State::Waiting)
    }

    /// What is queued in a lane, in its order.
    pub fn pieces_mut(&mut self, key: &K) -> impl Iterator<Item = &mut T> {
        let queue = self.lanes.get_mut(key).map(|lane| &mut lane.queue);
        queue.into_iter().flat_map(|queue| queue.first.iter_mut().chain(&mut queue.rest))
    }

    /// Forgets all queued work for which `gone` holds; what was handed out is still to be finished.
    pub fn forget(&mut self, gone: impl Fn(&K) -> bool) {
        self.lanes.retain(|key, lane| {
            if !gone(key) {
                return true;
            }
            match lane.state {
                State::Waiting => self.waiting -= 1,
                _ => self.queued -= lane.queue.len(),
            }
            lane.queue = Queue { first: None, rest: VecDeque::new() };
            let runs = lane.state == State::Running || lane.state == State::Leaving;
            lane.state = State::Leaving;
            runs
        });
        let lanes = &self.lanes;
        self.ready.retain(|key| lanes.contains_key(key));
    }

    /// How many lanes run now.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many lanes wait to run again.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many pieces are queued in lanes that do not wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// How many of the lanes for which `of` holds are handed out.
    pub fn handed_out(&self, of: impl Fn(&K) -> bool) -> usize {
        let out = |lane: &Lane<T>| matches!(lane.state, State::Running | State::Leaving);
        self.lanes.iter().filter(|(key, lane)| out(lane) && of(key)).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(scheduler: &mut Scheduler<&'static str, u32>, most: usize) -> Vec<(&'static str, u32)> {
        let mut out = Vec::new();
        scheduler.take(most, &mut out);
        out
    }

    #[test]
    fn a_lane_runs_in_order_and_is_shut_while_it_runs() {
        let mut scheduler = Scheduler::new(8);
        for work in 1..=3 {
            scheduler.push("a", work);
        }
        assert_eq!(take(&mut scheduler, 2), [("a", 1), ("a", 2)]);
        assert_eq!(take(&mut scheduler, 2), []);
        scheduler.finish(&"a");
        assert_eq!(take(&mut scheduler, 2), [("a", 3)]);
    }

    #[test]
    fn a_busy_lane_does_not_starve_another() {
        let mut scheduler = Scheduler::new(1);
        for work in 0..100 {
            scheduler.push("busy", work);
        }
        scheduler.push("quiet", 0);
        assert_eq!(take(&mut scheduler, 1), [("busy", 0)]);
        scheduler.finish(&"busy");
        assert_eq!(take(&mut scheduler, 1), [("quiet", 0)]);
    }

    #[test]
    fn a_waiting_lane_frees_its_place_and_keeps_its_order() {
        let mut scheduler = Scheduler::new(1);
        for work in 1..=3 {
            scheduler.push("a", work);
        }
        scheduler.push("b", 1);
        assert_eq!(take(&mut scheduler, 2), [("a", 1), ("a", 2)]);
        scheduler.put_back(&"a", [1, 2].into_iter());
        assert!(scheduler.wait(&"a"));
        assert_eq!(take(&mut scheduler, 9), [("b", 1)]);
        scheduler.finish(&"b");
        assert_eq!(take(&mut scheduler, 9), [], "the waiting lane stays shut");
        assert_eq!((scheduler.is_waiting(&"a"), scheduler.is_waiting(&"b")), (true, false));
        assert_eq!(scheduler.pieces_mut(&"a").map(|piece| *piece).collect::<Vec<_>>(), [1, 2, 3]);
        scheduler.wake(&"a");
        assert_eq!(take(&mut scheduler, 9), [("a", 1), ("a", 2), ("a", 3)]);
    }

    #[test]
    fn forgotten_work_never_runs_and_what_runs_can_be_finished() {
        let mut scheduler = Scheduler::new(4);
        for work in 0..3 {
            scheduler.push("gone", work);
        }
        scheduler.push("stays", 0);
        assert_eq!(take(&mut scheduler, 1), [("gone", 0)]);
        scheduler.forget(|key| *key == "gone");
        assert_eq!((scheduler.handed_out(|key| *key == "gone"), scheduler.queued()), (1, 1));
        scheduler.put_back(&"gone", [0].into_iter());
        assert!(!scheduler.wait(&"gone"));
        assert_eq!(take(&mut scheduler, 9), [("stays", 0)]);
        scheduler.finish(&"stays");
        assert_eq!((take(&mut scheduler, 9), scheduler.running(), scheduler.queued()), (vec![], 0, 0));
    }

    proptest! {
        /// Whatever the interleaving: the cap holds, each lane is in order, nothing is lost and nothing runs twice.
        #[test]
        fn it_behaves_as_one_queue_per_lane(
            steps in proptest::collection::vec((0_u8..6, 0_u8..5), 1..300),
            cap in 1_usize..5,
        ) {
            let mut scheduler: Scheduler<u8, u32> = Scheduler::new(cap);
            let mut pushed: HashMap<u8, u32> = HashMap::new();
            let mut ran: HashMap<u8, u32> = HashMap::new();
            let mut out: Vec<(u8, Vec<u32>)> = Vec::new();
            let mut waiting: Vec<u8> = Vec::new();
            for (action, number) in steps {
                match action {
                    0 | 1 => {
                        let next = pushed.entry(number).or_default();
                        scheduler.push(number, *next);
                        *next += 1;
                    }
                    2 => {
                        let mut taken = Vec::new();
                        scheduler.take(usize::from(number) + 1, &mut taken);
                        prop_assert!(taken.len() <= usize::from(number) + 1);
                        for (lane, work) in taken {
                            match out.last_mut() {
                                Some((last, works)) if *last == lane => works.push(work),
                                _ => {
                                    prop_assert!(!waiting.contains(&lane) && out.iter().all(|(other, _)| *other != lane));
                                    out.push((lane, vec![work]));
                                }
                            }
                        }
                    }
                    3 => if let Some((lane, works)) = out.pop() {
                        scheduler.put_back(&lane, works.into_iter());
                        prop_assert!(scheduler.wait(&lane));
                        waiting.push(lane);
                    },
                    4 => if let Some(lane) = waiting.pop() { scheduler.wake(&lane); },
                    _ => if let Some((lane, works)) = out.pop() {
                        for work in works {
                            let expected = ran.entry(lane).or_default();
                            prop_assert_eq!(*expected, work);
                            *expected += 1;
                        }
                        scheduler.finish(&lane);
                    },
                }
                prop_assert!(scheduler.running() <= cap);
                let in_lane = |lane: &u8| {
                    let handed_out = out.iter().find(|(other, _)| other == lane).map_or(0, |(_, works)| works.len());
                    pushed[lane] as usize - ran.get(lane).map_or(0, |ran| *ran as usize) - handed_out
                };
                let queued = pushed.keys().filter(|lane| !waiting.contains(lane)).map(in_lane).sum();
                let counts = (scheduler.running(), scheduler.waiting(), scheduler.queued());
                prop_assert_eq!(counts, (out.len(), waiting.len(), queued));
            }
            waiting.drain(..).for_each(|lane| scheduler.wake(&lane));
            loop {
                for (lane, works) in out.drain(..) {
                    for work in works {
                        let expected = ran.entry(lane).or_default();
                        prop_assert_eq!(*expected, work);
                        *expected += 1;
                    }
                    scheduler.finish(&lane);
                }
                let mut taken = Vec::new();
                scheduler.take(3, &mut taken);
                if taken.is_empty() { break }
                for (lane, work) in taken {
                    match out.last_mut() {
                        Some((last, works)) if *last == lane => works.push(work),
                        _ => out.push((lane, vec![work])),
                    }
                }
            }
            for (lane, count) in pushed {
                prop_assert_eq!(ran.get(&lane).copied().unwrap_or(0), count);
            }
        }
    }
}
