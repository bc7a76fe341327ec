//! Whether what is handled gets committed. rdkafka does not tell what became of a commit, so what the group has is read back.

use std::time::{Duration, Instant};

/// An offset that was handed over to be committed and is not, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Owed(Option<(i64, Instant)>);

impl Owed {
    /// `next` is the next offset to be handled, and handed over to be committed within a second; -1 for none.
    pub(super) fn read_back(&mut self, committed: Option<i64>, next: i64) {
        let committed = committed.unwrap_or(-1);
        match self.0 {
            // One below is another log, which became shorter.
            Some((owed, _)) if committed < owed && owed <= next => {}
            _ => self.0 = (next > committed).then(|| (next, Instant::now())),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_owed_until_it_is_committed() {
        let mut owed = Owed::default();
        let mut read_back = |committed, next| {
            owed.read_back(committed, next);
            owed.0.map(|(offset, _)| offset)
        };
        assert_eq!(read_back(None, -1), None, "nothing is handled");
        assert_eq!(read_back(None, 5), Some(5));
        assert_eq!(read_back(Some(4), 8), Some(5), "the clock runs on");
        assert_eq!(read_back(Some(5), 8), Some(8), "it went on, with another clock");
        assert_eq!(read_back(Some(1), 3), Some(3), "a log that became shorter");
        assert_eq!(read_back(Some(3), 3), None);
        assert_eq!(read_back(Some(9), 3), None, "where the group was before");
    }
}
