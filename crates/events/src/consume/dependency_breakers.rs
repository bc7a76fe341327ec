//! The breakers of a consumer, one for each outside system that failed lately: who waits for which, and what ends the wait.
//!
//! A record waits for what it needs itself: it named that before it asked, or blamed it when it failed. Records of a handler that
//! names nothing wait too while all that are tried fail there. Only a record that asked proves that a system is there: see
//! [ADR 27](../../../../docs/adr/0027-only-who-asked-proves-a-system.md). How many systems are remembered is bounded.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    dependency::{Blame, Caller, Wait},
    error_class::POSTGRES,
    known_dependencies::Known,
    outcome::Applied,
    status::ConsumerStatus,
};
use crate::{
    flow::{
        breaker::{BreakerPolicy, Permit},
        error::HandlerError,
    },
    sabotage::{self, Sabotage},
};

/// After so many records that ended well, with no failure among them and no breaker open, nobody looks further.
const CALM: u32 = 100;

/// What a failure of an outside system comes to.
pub(super) struct Blamed {
    pub(super) name: Arc<str>,
    /// When it was.
    pub(super) at: u64,
    /// Whether it counts against the record.
    pub(super) counts: bool,
    /// Whether nobody should ask the system for now.
    pub(super) is_open: bool,
    /// How long the record waits at least.
    pub(super) at_least: Duration,
}

pub(super) struct Breakers {
    policy: BreakerPolicy,
    /// Told what is waited for.
    status: ConsumerStatus,
    known: Mutex<Known>,
    /// Whether any system failed lately: while none did, nobody looks further. Written by who holds the lock alone.
    troubled: AtomicBool,
}

/// The turn to ask a system that is away. Whoever has it and ends without a word of the system gives it back.
pub(super) struct Probe {
    breakers: Arc<Breakers>,
    pub(super) name: Arc<str>,
    turn: u64,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut known = self.breakers.known();
        if let Some(dependency) = known.find(&self.name).filter(|dependency| dependency.turn == self.turn) {
            dependency.breaker.learned_nothing(Instant::now());
            known.tell(&self.name);
        }
    }
}

impl Breakers {
    pub(super) fn new(policy: BreakerPolicy, status: ConsumerStatus) -> Arc<Self> {
        Arc::new(Self { policy, status, known: Mutex::default(), troubled: AtomicBool::new(false) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what a record has to wait for before its handler may be called; else the turns to ask that it has now. `needs` is
    /// the system that it is known to need.
    pub(super) fn admit(self: &Arc<Self>, handler: usize, needs: Option<&str>) -> Result<Vec<Probe>, Wait> {
        if needs.is_none() && !self.troubled.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let time = Instant::now();
        let mut guard = self.known();
        let known = &mut *guard;
        let mut turns = Vec::new();
        for index in 0..known.dependencies.len() {
            let dependency = &mut known.dependencies[index];
            let is_known = needs == Some(&*dependency.name);
            let is_presumed = || match needs {
                // What one record needs says nothing of what the others need.
                Some(_) => dependency.is_always_needed(handler),
                None => dependency.is_presumed(handler),
            };
            if dependency.breaker.is_closed() || !(is_known || is_presumed()) {
                continue;
            }
            match dependency.breaker.permit(time) {
                Permit::Go => {
                    known.now += 1;
                    dependency.turn = known.now;
                    turns.push(index);
                }
                Permit::Wait(_) => {
                    let wait =
                        Wait { dependency: Arc::clone(&dependency.name), presumed: (!is_known).then_some(handler) };
                    // It was to ask the others; now it does not.
                    turns.iter().for_each(|other: &usize| known.dependencies[*other].breaker.learned_nothing(time));
                    return Err(wait);
                }
            }
        }
        let probe = |index: &usize| self.probe(known, *index);
        Ok(turns.iter().map(probe).collect())
    }

    /// Says whether a system may be asked, and whether that is a probe. If not, returns its name.
    pub(super) fn may_ask(self: &Arc<Self>, name: &str) -> Result<Option<Probe>, Arc<str>> {
        let mut guard = self.known();
        let known = &mut *guard;
        let Some(index) = known.dependencies.iter().position(|dependency| *dependency.name == *name) else {
            return Ok(None);
        };
        let dependency = &mut known.dependencies[index];
        match dependency.breaker.permit(Instant::now()) {
            Permit::Go if dependency.breaker.is_closed() => Ok(None),
            Permit::Go => {
                known.now += 1;
                dependency.turn = known.now;
                Ok(Some(self.probe(known, index)))
            }
            Permit::Wait(_) => Err(Arc::clone(&dependency.name)),
        }
    }

    fn probe(self: &Arc<Self>, known: &Known, index: usize) -> Probe {
        let dependency = &known.dependencies[index];
        known.tell(&dependency.name);
        Probe { breakers: Arc::clone(self), name: Arc::clone(&dependency.name), turn: dependency.turn }
    }

    /// An attempt ended well. It proves the database that it wrote to, and what its record is known to need.
    pub(super) fn went_well(&self, caller: Caller, needs: Option<&str>, applied: Applied) {
        if needs.is_none() && !self.troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut guard = self.known();
        let known = &mut *guard;
        known.now += 1;
        known.calm = known.calm.saturating_add(1);
        if caller.has_database {
            known.answered(POSTGRES);
        }
        // A claim that is found was found in the database; nobody else was asked.
        if applied == Applied::Now {
            for index in 0..known.dependencies.len() {
                let dependency = &mut known.dependencies[index];
                let is_needed = dependency.is_needed(caller.index);
                if needs == Some(&*dependency.name) || is_needed && sabotage::is(Sabotage::AnySuccessProvesAll) {
                    let name = Arc::clone(&dependency.name);
                    known.answered(&name);
                } else if is_needed {
                    dependency.perhaps_answered(caller.index, known.now);
                }
            }
        }
        self.look(known);
    }

    /// A system that a record named was asked, and answered.
    pub(super) fn answered(&self, name: &str) {
        let mut known = self.known();
        known.now += 1;
        known.answered(name);
        self.look(&known);
    }

    /// An attempt blames this system. If so many others are away that it cannot be remembered, each record asks for itself.
    pub(super) fn failed(&self, name: &str, blame: Blame, error: Option<&HandlerError>) -> Blamed {
        let mut guard = self.known();
        let known = &mut *guard;
        known.now += 1;
        known.calm = 0;
        let now = known.now;
        let Some(dependency) = known.find_or_add(name, self.policy) else {
            return Blamed { name: name.into(), at: now, counts: false, is_open: false, at_least: self.policy.longest };
        };
        let counts = dependency.failed(blame, now, Instant::now(), error);
        let is_open = !dependency.breaker.is_closed();
        let blamed = Blamed { name: Arc::clone(&dependency.name), at: now, counts, is_open, at_least: Duration::ZERO };
        known.tell(name);
        self.look(known);
        blamed
    }

    /// When one of those that wait for this may ask; `None` when all may go on.
    pub(super) fn until(&self, wait: &Wait) -> Option<Instant> {
        let mut known = self.known();
        let dependency = known.find(&wait.dependency)?;
        match wait.presumed {
            Some(handler) if !dependency.is_presumed(handler) => None,
            _ => dependency.breaker.probe_at(),
        }
    }

    fn look(&self, known: &Known) {
        let is_open = known.dependencies.iter().any(|dependency| !dependency.breaker.is_closed());
        self.troubled.store(is_open || known.calm < CALM, Ordering::Relaxed);
        self.tell_what_is_waited_for(known);
    }

    /// For readiness, which is open to everybody: the log has the hosts.
    fn tell_what_is_waited_for(&self, known: &Known) {
        let away = known.dependencies.iter().filter(|dependency| !dependency.breaker.is_closed());
        let told = away.map(|dependency| match &dependency.state {
            Some(state) => format!("{POSTGRES}, which refuses with SQLSTATE {state}"),
            None if *dependency.name == *POSTGRES => POSTGRES.to_owned(),
            None => "an outside system that is away".to_owned(),
        });
        let mut told: Vec<String> = told.collect();
        // Many may be away, and are told alike.
        told.sort();
        told.dedup();
        self.status.waits_for((!told.is_empty()).then(|| told.join(" and ")));
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::{super::known_dependencies::MOST, *};

    const CALLER: Caller = Caller { index: 0, has_database: false };

    /// Opens at the first failure and may be probed at once.
    fn breakers() -> Arc<Breakers> {
        Breakers::new(
            BreakerPolicy { failures: 1, first_probe: Duration::ZERO, ..BreakerPolicy::default() },
            crate::consume::ConsumerStatus::default(),
        )
    }

    fn unnamed() -> Blame {
        Blame { unnamed: Some(CALLER), ..Blame::default() }
    }

    fn is_open(breakers: &Breakers, name: &str) -> bool {
        breakers.until(&Wait { dependency: name.into(), presumed: None }).is_some()
    }

    #[test]
    fn a_failure_beside_a_success_is_never_overlooked() {
        for round in 0..20_000 {
            let breakers = Breakers::new(
                BreakerPolicy { failures: 1, first_probe: Duration::from_secs(60), ..BreakerPolicy::default() },
                crate::consume::ConsumerStatus::default(),
            );
            let caller = Caller { has_database: true, ..CALLER };
            let blame = Blame { unnamed: Some(caller), ..Blame::default() };
            breakers.failed(POSTGRES, blame, None);
            (0..CALM).for_each(|_| breakers.went_well(caller, None, Applied::Now));
            let both = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    breakers.went_well(caller, None, Applied::Now);
                });
                both.wait();
                breakers.failed(POSTGRES, blame, None);
            });
            assert_eq!(is_open(&breakers, POSTGRES), breakers.admit(0, None).is_err(), "round {round}");
        }
    }

    #[test]
    fn a_probe_that_ends_without_a_word_gives_its_own_turn_to_the_next() {
        let breakers = breakers();
        breakers.failed("a", unnamed(), None);
        let first = breakers.admit(0, None).unwrap();
        assert!(breakers.admit(0, None).is_err(), "one asks at a time");
        drop(first);
        let second = breakers.admit(0, None).unwrap();
        breakers.failed("a", unnamed(), None);
        let third = breakers.admit(0, Some("a")).unwrap();
        drop(second);
        assert!(breakers.admit(0, None).is_err(), "the turn is the third one's");
        drop(third);
        assert!(breakers.admit(0, None).is_ok());
    }

    #[test]
    fn a_record_waits_for_what_it_needs_and_for_what_all_of_its_handler_seem_to_need() {
        let breakers = Breakers::new(
            BreakerPolicy { failures: 2, ..BreakerPolicy::default() },
            crate::consume::ConsumerStatus::default(),
        );
        breakers.failed("a", unnamed(), None);
        breakers.went_well(CALLER, None, Applied::Now);
        breakers.failed("a", unnamed(), None);
        assert!(is_open(&breakers, "a"), "who asked nobody proved nothing");
        assert!(breakers.admit(0, None).unwrap().is_empty(), "not all of them need it");
        assert_eq!(breakers.admit(0, Some("a")).err().unwrap().presumed, None);
        assert!(breakers.admit(0, Some("b")).unwrap().is_empty());
        breakers.failed("a", unnamed(), None);
        let wait = breakers.admit(0, None).err().unwrap();
        assert_eq!(wait.presumed, Some(0), "two in a row");
        assert!(breakers.admit(1, None).unwrap().is_empty(), "another handler");
        breakers.went_well(CALLER, None, Applied::Before);
        assert!(breakers.until(&wait).is_some(), "a duplicate asked nobody");
        breakers.went_well(CALLER, None, Applied::Now);
        assert!(breakers.until(&wait).is_none());
        breakers.went_well(CALLER, Some("a"), Applied::Now);
        assert!(!is_open(&breakers, "a"), "one that needs it ended well");
    }

    #[test]
    fn a_failure_counts_once_the_system_has_answered_others() {
        let breakers = breakers();
        let first = breakers.failed("a", unnamed(), None);
        let again = |before: u64, is_answer| {
            breakers.failed("a", Blame { before: Some(before), is_answer, was_known: true, ..unnamed() }, None)
        };
        let second = again(first.at, true);
        breakers.went_well(CALLER, None, Applied::Now);
        let third = again(second.at, false);
        breakers.went_well(CALLER, None, Applied::Now);
        let fourth = again(third.at, true);
        breakers.answered("a");
        let fifth = again(fourth.at, false);
        let counted = [first, second, third, fourth, fifth].map(|blamed| blamed.counts);
        assert_eq!(counted, [false, false, false, true, true]);
    }

    #[test]
    fn a_failure_with_an_answer_does_not_count_while_others_fail_there_too() {
        let breakers = breakers();
        let (one, other) = (breakers.failed("a", unnamed(), None), breakers.failed("a", unnamed(), None));
        breakers.went_well(CALLER, None, Applied::Now);
        let again =
            breakers.failed("a", Blame { before: Some(one.at), is_answer: true, was_known: true, ..unnamed() }, None);
        assert!(!again.counts && !other.counts);
    }

    #[test]
    fn so_many_systems_are_remembered_and_no_more() {
        let breakers = Breakers::new(BreakerPolicy::default(), crate::consume::ConsumerStatus::default());
        let named = |number: usize| format!("host-{number}");
        (0..5).for_each(|_| drop(breakers.failed(&named(0), Blame::default(), None)));
        (1..3 * MOST).for_each(|number| drop(breakers.failed(&named(number), Blame::default(), None)));
        let known = breakers.known();
        assert_eq!((known.dependencies.len(), known.labels.len()), (MOST, MOST));
        assert!(known.dependencies.iter().filter(|dependency| !dependency.has_label).count() < MOST);
        drop(known);
        assert!(is_open(&breakers, &named(0)), "one that is away is not forgotten");
        for number in 0..3 * MOST {
            (0..5).for_each(|_| drop(breakers.failed(&named(number), Blame::default(), None)));
        }
        let one_more = breakers.failed("one more", Blame { before: Some(1), ..Blame::default() }, None);
        assert!(!one_more.counts && !one_more.is_open && one_more.at_least > Duration::ZERO);
        assert!(!is_open(&breakers, "one more"), "those that wait for it are let go");
    }

    #[test]
    fn nobody_looks_further_once_all_is_calm() {
        let breakers = Breakers::new(BreakerPolicy::default(), crate::consume::ConsumerStatus::default());
        breakers.failed("a", unnamed(), None);
        (0..CALM).for_each(|_| breakers.went_well(CALLER, None, Applied::Now));
        assert!(!breakers.troubled.load(Ordering::Relaxed));
    }
}
