//! Whether an outside system is worth asking. While it is away, one piece of work at a time asks; all else waits.

use std::time::{Duration, Instant};

/// When a breaker opens and how long it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Opens after this many failures in a row: fewer would be bad luck, more would be work lost.
    pub failures: u32,
    /// Opens as well when half of the last twenty calls failed, however they were mixed: a server that is overloaded.
    pub half: bool,
    /// The first probe comes this long after opening; the wait doubles with each probe that fails.
    pub first_probe: Duration,
    /// The longest wait between two probes, which is how long a return can go unnoticed.
    pub longest: Duration,
    /// A probe that has not answered for this long is given up, and another piece of work probes.
    pub probe_limit: Duration,
}

impl Default for BreakerPolicy {
    /// Five failures in a row, or half of twenty; probes after 500 ms and then 1 s apart: one call a second hurts nobody.
    fn default() -> Self {
        Self {
            failures: 5,
            half: true,
            first_probe: Duration::from_millis(500),
            longest: Duration::from_secs(1),
            probe_limit: Duration::from_secs(60),
        }
    }
}

/// The calls that `half` looks at.
const WINDOW: u32 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Nobody asks before `probe_at`; `wait` is what the next failure waits.
    Open {
        probe_at: Instant,
        wait: Duration,
    },
    /// One piece of work asks.
    HalfOpen {
        since: Instant,
        wait: Duration,
    },
}

/// What a piece of work that needs the system may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Ask.
    Go,
    /// Wait; somebody may probe at this time.
    Wait(Instant),
}

/// The breaker of one outside system. Time is given, never read.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    in_a_row: u32,
    /// The last calls, the newest in the lowest bit; a one is a failure.
    window: u32,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: State::Closed, in_a_row: 0, window: 0 }
    }

    /// Asked before the system is. `Go` of a breaker that is not closed makes the asker the probe.
    pub fn permit(&mut self, now: Instant) -> Permit {
        match self.state {
            State::Closed => Permit::Go,
            State::Open { probe_at, wait } if now >= probe_at => {
                self.state = State::HalfOpen { since: now, wait };
                Permit::Go
            }
            State::Open { probe_at, .. } => Permit::Wait(probe_at),
            State::HalfOpen { since, wait } if now >= since + self.policy.probe_limit => {
                self.state = State::HalfOpen { since: now, wait };
                Permit::Go
            }
            State::HalfOpen { since, .. } => Permit::Wait(since + self.policy.probe_limit),
        }
    }

    /// The system answered. Closes the breaker, whoever asked.
    pub fn succeeded(&mut self) {
        self.state = State::Closed;
        self.in_a_row = 0;
        self.window = self.window << 1 & ((1 << WINDOW) - 1);
    }

    /// The system did not answer. Returns whether the breaker is open now.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.window = (self.window << 1 | 1) & ((1 << WINDOW) - 1);
        match self.state {
            State::Closed => {
                let half = self.policy.half && self.window.count_ones() >= WINDOW / 2;
                if self.in_a_row >= self.policy.failures || half {
                    self.open(now, self.policy.first_probe);
                }
            }
            // What was under way when it opened says nothing new.
            State::Open { .. } => {}
            State::HalfOpen { wait, .. } => self.open(now, (wait * 2).min(self.policy.longest)),
        }
        !self.is_closed()
    }

    /// The probe ended without having asked, by being a duplicate or refused before: the next one may probe at once.
    pub fn learned_nothing(&mut self, now: Instant) {
        if let State::HalfOpen { wait, .. } = self.state {
            self.state = State::Open { probe_at: now, wait };
        }
    }

    /// Whether everybody may ask.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether it is open, or one of the last twenty calls failed: only then can a success change anything.
    pub fn is_troubled(&self) -> bool {
        !self.is_closed() || self.window != 0 || self.in_a_row != 0
    }

    /// When somebody may probe; `None` while it is closed.
    pub fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open { probe_at, .. } => Some(probe_at),
            State::HalfOpen { since, .. } => Some(since + self.policy.probe_limit),
        }
    }

    /// For a gauge: 0 closed, 1 half-open, 2 open.
    pub fn level(&self) -> u8 {
        match self.state {
            State::Closed => 0,
            State::HalfOpen { .. } => 1,
            State::Open { .. } => 2,
        }
    }

    fn open(&mut self, now: Instant, wait: Duration) {
        self.state = State::Open { probe_at: now + wait, wait };
        // After its return the system starts with a clean slate.
        self.window = 0;
        self.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for failure in 1..=5 {
            assert_eq!(breaker.failed(now), failure == 5);
        }
        breaker
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_success_in_between_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerPolicy { half: false, ..Default::default() });
        for call in 0..100 {
            if call % 5 == 4 {
                breaker.succeeded();
            } else {
                assert!(!breaker.failed(now), "call {call}");
            }
        }
    }

    #[test]
    fn a_system_that_fails_every_second_call_opens_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerPolicy::default());
        let opened = (0..20).find(|_| {
            breaker.succeeded();
            breaker.failed(now)
        });
        assert_eq!(opened, Some(9));
    }

    #[test]
    fn while_it_is_open_one_asks_and_the_wait_doubles_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let Permit::Wait(probe_at) = breaker.permit(now) else { panic!("open") };
            waits.push((probe_at - now).as_millis());
            assert_eq!(breaker.permit(probe_at - MS), Permit::Wait(probe_at));
            assert_eq!(breaker.permit(probe_at), Permit::Go);
            assert!(matches!(breaker.permit(probe_at), Permit::Wait(_)), "only one probes");
            now = probe_at;
            assert!(breaker.failed(now));
        }
        assert_eq!(waits, [500, 1000, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn a_probe_that_succeeds_closes_it_and_one_that_vanished_is_replaced() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert_eq!(breaker.permit(now + 500 * MS), Permit::Go);
        assert_eq!(breaker.permit(now + 500 * MS + BreakerPolicy::default().probe_limit), Permit::Go);
        breaker.succeeded();
        assert!(breaker.is_closed());
        assert!(!breaker.failed(now), "and starts afresh");
    }

    #[test]
    fn a_probe_that_never_asked_leaves_the_next_one_its_turn() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert_eq!(breaker.permit(now + 500 * MS), Permit::Go);
        breaker.learned_nothing(now + 501 * MS);
        assert!(!breaker.is_closed());
        assert_eq!(breaker.permit(now + 501 * MS), Permit::Go);
    }

    #[test]
    fn failures_that_were_under_way_when_it_opened_do_not_delay_the_probe() {
        let now = Instant::now();
        let mut breaker = open(now);
        for later in 1..400 {
            assert!(breaker.failed(now + later * MS));
        }
        assert_eq!(breaker.permit(now + 500 * MS), Permit::Go);
    }
}
