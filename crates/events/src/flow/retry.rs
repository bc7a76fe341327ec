//! When a failed piece of work is tried again, and when it is given up.

use std::time::Duration;

/// How the delay grows from one attempt to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// `base * 2^n` with full jitter: a random delay between zero and that, so that a shared outage ends without a herd.
    Exponential,
    /// Always `base`.
    Fixed,
    /// `base * n`.
    Linear,
    /// No second attempt.
    None,
}

/// A retry policy. The first attempt counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How the delay grows.
    pub backoff: Backoff,
    /// The delay it grows from.
    pub base: Duration,
    /// No delay is longer.
    pub max_delay: Duration,
    /// Attempts in all, the first one included; 0 means as 1.
    pub max_attempts: u32,
    /// No attempt starts once the attempts and the waits between them have taken this long.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// Exponential from 100 ms to 30 s, eight attempts, five minutes in all: what waits fills its partition's buffer in
    /// the end, so a longer limit would let one key stop its neighbours.
    fn default() -> Self {
        Self {
            backoff: Backoff::Exponential,
            base: Duration::from_millis(100),
            max_delay: Duration::from_secs(30),
            max_attempts: 8,
            total: Duration::from_secs(300),
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this delay.
    After(Duration),
    /// Give up.
    GiveUp,
}

impl RetryPolicy {
    /// One attempt and no more, but for what does not count.
    pub const NEVER: Self = Self {
        backoff: Backoff::None,
        base: Duration::from_millis(100),
        max_delay: Duration::from_millis(100),
        max_attempts: 1,
        total: Duration::ZERO,
    };

    /// Decides after a failure. `attempts` counts the failed attempts that count, which took `spent` with the waits between
    /// them; 0 is a failure that does not count, which is tried again whatever the limits. `jitter` is a uniform random number
    /// in `0.0..1.0`.
    pub fn decide(&self, attempts: u32, spent: Duration, jitter: f64) -> Decision {
        let limits_are_reached = attempts >= self.max_attempts || spent >= self.total || self.backoff == Backoff::None;
        if attempts > 0 && limits_are_reached {
            return Decision::GiveUp;
        }
        Decision::After(self.delay(attempts, jitter))
    }

    fn delay(&self, attempts: u32, jitter: f64) -> Duration {
        let step = attempts.max(1);
        let full = match self.backoff {
            Backoff::Exponential => self.base.saturating_mul(1_u32.checked_shl(step - 1).unwrap_or(u32::MAX)),
            Backoff::Linear => self.base.saturating_mul(step),
            // Without retries there is still the wait after what does not count.
            Backoff::Fixed | Backoff::None => self.base,
        };
        let capped = full.min(self.max_delay.max(self.base));
        match self.backoff {
            Backoff::Exponential => capped.mul_f64(jitter.clamp(0.0, 1.0)),
            _ => capped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_attempt_counts() {
        let policy = RetryPolicy { max_attempts: 2, ..Default::default() };
        assert!(matches!(policy.decide(1, SECOND, 0.5), Decision::After(_)));
        assert_eq!(policy.decide(2, SECOND, 0.5), Decision::GiveUp);
    }

    #[test]
    fn a_failure_that_does_not_count_is_tried_again_whatever_the_limits() {
        for policy in [RetryPolicy::default(), RetryPolicy::NEVER] {
            let decision = policy.decide(0, Duration::ZERO, 1.0);
            assert_eq!(decision, Decision::After(Duration::from_millis(100)));
        }
        assert_eq!(RetryPolicy::NEVER.decide(1, Duration::ZERO, 1.0), Decision::GiveUp);
    }

    #[test]
    fn the_total_limit_ends_it() {
        let policy = RetryPolicy { max_attempts: 100, ..Default::default() };
        assert_eq!(policy.decide(3, 300 * SECOND, 0.5), Decision::GiveUp);
    }

    #[test]
    fn delays_grow_as_named_and_stay_below_the_maximum() {
        let policy = RetryPolicy { base: SECOND, max_delay: 5 * SECOND, ..Default::default() };
        let delays = |backoff| {
            let policy = RetryPolicy { backoff, ..policy };
            [1, 2, 3, 4, 40].map(|attempt| policy.delay(attempt, 1.0).as_secs())
        };
        assert_eq!(delays(Backoff::Exponential), [1, 2, 4, 5, 5]);
        assert_eq!(delays(Backoff::Linear), [1, 2, 3, 4, 5]);
        assert_eq!(delays(Backoff::Fixed), [1, 1, 1, 1, 1]);
    }

    #[test]
    fn jitter_is_full() {
        let policy = RetryPolicy { base: SECOND, ..Default::default() };
        assert_eq!(policy.delay(1, 0.0), Duration::ZERO);
        assert_eq!(policy.delay(1, 0.5), SECOND / 2);
    }
}
