//! The breakers of a consumer, one for each outside system that a handler ever blamed, and who needs which.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{
    error_class::{POSTGRES, state_of},
    status::ConsumerStatus,
};
use crate::flow::{
    breaker::{Breaker, BreakerPolicy, Permit},
    error::{HandlerError, chain},
};

struct Entry {
    name: Arc<str>,
    breaker: Breaker,
    /// The handlers that blamed it; they need it.
    needed_by: Vec<usize>,
    /// How often it answered anybody since it first failed.
    answers: u64,
    /// The SQLSTATE of its last failure, where it is the database.
    state: Option<String>,
}

/// What a failure of an outside system comes to.
pub(super) struct Blamed {
    /// Its name, if nobody should ask it for now.
    pub(super) open: Option<Arc<str>>,
    /// How often it has answered anybody.
    pub(super) answers: u64,
}

impl Entry {
    fn tell(&self) {
        metrics::gauge!("breaker_state", "dependency" => self.name.to_string()).set(f64::from(self.breaker.level()));
    }
}

pub(super) struct Breakers {
    policy: BreakerPolicy,
    /// Told what is waited for.
    status: ConsumerStatus,
    entries: Mutex<Vec<Entry>>,
    /// Whether any system failed lately: while none did, nobody looks further.
    troubled: AtomicBool,
}

impl Breakers {
    pub(super) fn new(policy: BreakerPolicy, status: ConsumerStatus) -> Self {
        Self { policy, status, entries: Mutex::default(), troubled: AtomicBool::new(false) }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this handler has to wait for before it may be called; `None` lets it.
    pub(super) fn in_the_way_of(&self, handler: usize) -> Option<Arc<str>> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        let mut entries = self.entries();
        let mut probing = Vec::new();
        for (index, entry) in entries.iter_mut().enumerate() {
            if !entry.needed_by.contains(&handler) || entry.breaker.is_closed() {
                continue;
            }
            match entry.breaker.permit(now) {
                Permit::Go => probing.push(index),
                Permit::Wait(_) => {
                    let name = Arc::clone(&entry.name);
                    // It was to probe the others; now it does not.
                    probing.iter().for_each(|other: &usize| entries[*other].breaker.learned_nothing(now));
                    return Some(name);
                }
            }
            entry.tell();
        }
        None
    }

    /// The handler ended without blaming anybody. What of it tells that a system is there says `proves`.
    pub(super) fn ended(&self, handler: usize, proves: impl Fn(&str) -> bool) {
        if !self.troubled.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let mut entries = self.entries();
        let mut is_back = false;
        for entry in entries.iter_mut().filter(|entry| entry.needed_by.contains(&handler)) {
            if proves(&entry.name) {
                if !entry.breaker.is_closed() {
                    is_back = true;
                    tracing::info!(dependency = &*entry.name, "is back; what waited for it goes on");
                }
                entry.breaker.succeeded();
                entry.answers += 1;
            } else {
                entry.breaker.learned_nothing(now);
            }
            entry.tell();
        }
        let troubled = entries.iter().any(|entry| entry.breaker.is_troubled());
        self.troubled.store(troubled, Ordering::Relaxed);
        if is_back {
            self.tell_what_is_waited_for(&entries);
        }
    }

    /// The handler blames this system for an error.
    pub(super) fn failed(&self, handler: usize, name: &str, error: &HandlerError) -> Blamed {
        self.troubled.store(true, Ordering::Relaxed);
        let mut entries = self.entries();
        let index = entries.iter().position(|entry| *entry.name == *name).unwrap_or_else(|| {
            let breaker = Breaker::new(self.policy);
            entries.push(Entry { name: name.into(), breaker, needed_by: Vec::new(), answers: 0, state: None });
            entries.len() - 1
        });
        let entry = &mut entries[index];
        if !entry.needed_by.contains(&handler) {
            entry.needed_by.push(handler);
        }
        let was_closed = entry.breaker.is_closed();
        let open = entry.breaker.failed(Instant::now());
        let is_new = mem::replace(&mut entry.state, state_of(error).map(str::to_owned)).as_deref() != state_of(error);
        // Its cause can change while it is away: first the session was ended, then the role is not let in.
        let to_be_told = open && (was_closed || is_new);
        if to_be_told {
            let error = chain(error);
            tracing::warn!(
                dependency = name,
                error,
                "is away; what needs it waits, and one record at a time asks for it"
            );
        }
        entry.tell();
        let blamed = Blamed { open: open.then(|| Arc::clone(&entry.name)), answers: entry.answers };
        if to_be_told {
            self.tell_what_is_waited_for(&entries);
        }
        blamed
    }

    /// For readiness, which is open to everybody: the log has the hosts.
    fn tell_what_is_waited_for(&self, entries: &[Entry]) {
        let away = entries.iter().filter(|entry| !entry.breaker.is_closed());
        let told = away.map(|entry| match &entry.state {
            Some(state) => format!("{POSTGRES}, which refuses with SQLSTATE {state}"),
            None if *entry.name == *POSTGRES => POSTGRES.to_owned(),
            None => "an outside system that is away".to_owned(),
        });
        let told: Vec<String> = told.collect();
        self.status.waits_for((!told.is_empty()).then(|| told.join(" and ")));
    }

    /// When somebody may ask for it again; `None` when everybody may.
    pub(super) fn probe_at(&self, name: &str) -> Option<Instant> {
        let entries = self.entries();
        entries.iter().find(|entry| *entry.name == *name).and_then(|entry| entry.breaker.probe_at())
    }
}
