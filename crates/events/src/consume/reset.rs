//! Where a partition's reader stands by Kafka's rules, when it is not told by what was handled: at what was committed if that is in
//! the log, else where `auto.offset.reset` says.

use crate::kafka::config::OffsetReset;

/// What a partition's log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The oldest offset.
    pub(super) oldest: i64,
    /// Up to here committed readers get to see: the last stable offset, which ends before the first transaction that is open.
    pub(super) stable: i64,
    /// The offset that the next record will get: the high watermark.
    pub(super) end: i64,
}

/// Where `latest` began: a reader does not begin anew at each end that is told later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Latest(Option<i64>);

impl Latest {
    /// The next offset that the reader will get, given the one that it would go on with; `None` if it refuses to read at all.
    pub(super) fn position(&mut self, from: Option<i64>, bounds: Bounds, policy: OffsetReset) -> Option<i64> {
        if let Some(from) = from.filter(|from| (bounds.oldest..=bounds.end).contains(from)) {
            self.0 = None;
            return Some(from);
        }
        match policy {
            OffsetReset::Earliest => Some(bounds.oldest),
            // It has begun: what is left is handled.
            OffsetReset::Latest if from.is_some() => Some(bounds.oldest),
            OffsetReset::Latest => Some((*self.0.get_or_insert(bounds.stable)).clamp(bounds.oldest, bounds.end)),
            OffsetReset::Error => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Bounds = Bounds { oldest: 10, stable: 18, end: 20 };

    fn position(from: Option<i64>, policy: OffsetReset) -> Option<i64> {
        Latest::default().position(from, LOG, policy)
    }

    #[test]
    fn an_offset_in_the_log_stands_whatever_the_policy_says() {
        for policy in [OffsetReset::Earliest, OffsetReset::Latest, OffsetReset::Error] {
            for from in [10, 15, 18, 19, 20] {
                assert_eq!(position(Some(from), policy), Some(from));
            }
        }
    }

    #[test]
    fn without_one_and_outside_of_the_log_the_policy_decides() {
        for from in [None, Some(0), Some(9), Some(21)] {
            assert_eq!(position(from, OffsetReset::Earliest), Some(10));
            assert_eq!(position(from, OffsetReset::Latest), Some(if from.is_some() { 10 } else { 18 }));
            assert_eq!(position(from, OffsetReset::Error), None);
        }
    }

    #[test]
    fn what_comes_after_latest_began_is_behind() {
        let mut latest = Latest::default();
        assert_eq!(latest.position(None, LOG, OffsetReset::Latest), Some(18));
        let later = Bounds { oldest: 10, stable: 30, end: 30 };
        assert_eq!(latest.position(None, later, OffsetReset::Latest), Some(18));
        let shortened = Bounds { oldest: 25, ..later };
        assert_eq!(latest.position(None, shortened, OffsetReset::Latest), Some(25));
        assert_eq!(latest.position(Some(27), shortened, OffsetReset::Latest), Some(27));
        assert_eq!(latest.position(Some(3), shortened, OffsetReset::Latest), Some(25), "what is left is handled");
    }
}
