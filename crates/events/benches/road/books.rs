//! The books of one run: whether every event came, once, and those of a key in their order; when the first and the last of
//! them did, and what was spent in between.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use events::contract::schema::voice::PatientCreationV1;

use crate::{
    cpu::{Reading, Servers, Spent},
    load::{KEYS, number_of_key},
};

/// Events are numbered, and dealt to the keys in turn; so what has to follow an event on its key is known.
pub struct Books {
    servers: Arc<Servers>,
    /// By key: the last number, one added; 0 before the first.
    last: Vec<AtomicUsize>,
    /// After this many the numbers begin again.
    distinct: usize,
    expected: usize,
    noted: AtomicUsize,
    broken: OnceLock<String>,
    began: OnceLock<(Instant, Reading)>,
    ended: OnceLock<(Instant, Reading)>,
}

/// What a run came to.
pub struct Measured {
    /// Events a second.
    pub rate: f64,
    pub spent: Spent,
}

impl Books {
    pub fn of(servers: &Arc<Servers>, count: usize) -> Self {
        Self::cycling(servers, count, count)
    }

    /// For `count` records that are `distinct` events over and over.
    pub fn cycling(servers: &Arc<Servers>, distinct: usize, count: usize) -> Self {
        assert!(distinct.is_multiple_of(KEYS) && count.is_multiple_of(distinct), "every key has as many events");
        Self {
            servers: Arc::clone(servers),
            last: (0..KEYS).map(|_| AtomicUsize::new(0)).collect(),
            distinct,
            expected: count,
            noted: AtomicUsize::new(0),
            broken: OnceLock::new(),
            began: OnceLock::new(),
            ended: OnceLock::new(),
        }
    }

    /// Books one event. Never panics: a handler's panic would be taken for its failure and tried again.
    pub fn note(&self, event: &PatientCreationV1) {
        let key = number_of_key(&event.call_id);
        match (event.name.parse::<usize>().ok(), key.and_then(|key| Some((key, self.last.get(key)?)))) {
            (Some(number), Some((key, last))) => {
                // Events of a key come one after the other, or the next line tells that they did not.
                let due = match last.swap(number + 1, Ordering::Relaxed) {
                    0 => key,
                    before => (before - 1 + KEYS) % self.distinct,
                };
                if due != number {
                    self.fail(format!("{}: event {number} came where {due} was due", event.call_id));
                }
            }
            _ => self.fail(format!("{}: an event of nobody's", event.call_id)),
        }
        let noted = self.noted.fetch_add(1, Ordering::Relaxed) + 1;
        if noted == 1 {
            let _ = self.began.set((Instant::now(), self.servers.read()));
        }
        if noted == self.expected {
            let _ = self.ended.set((Instant::now(), self.servers.read()));
        }
    }

    fn fail(&self, problem: String) {
        let _ = self.broken.set(problem);
    }

    pub fn noted(&self) -> usize {
        self.noted.load(Ordering::Relaxed)
    }

    pub fn are_full(&self) -> bool {
        assert_eq!(self.broken.get(), None, "the books do not balance");
        self.ended.get().is_some()
    }

    /// Ends the run unless everything came, once and in order.
    pub fn close(&self) -> Measured {
        assert_eq!(self.broken.get(), None, "the books do not balance");
        assert_eq!(self.noted(), self.expected, "events that came");
        for (key, last) in self.last.iter().enumerate() {
            assert_eq!(last.load(Ordering::Relaxed), self.distinct - KEYS + key + 1, "the last event of key {key}");
        }
        let (Some((began, before)), Some((ended, after))) = (self.began.get(), self.ended.get()) else {
            panic!("no event came");
        };
        let rate = self.expected as f64 / (*ended - *began).as_secs_f64();
        Measured { rate, spent: before.until(after, self.expected) }
    }
}
