//! How long each attempt of a handler takes, and that it takes no longer than it may.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::handler::Placed;

/// For the records of a chunk, one after the other. While all goes well an attempt begins when the one before it ended, so the
/// clock is read once for each. The histogram is shared by all threads, so what did not have to wait is told together.
pub(super) struct Stopwatch<'e> {
    handlers: &'e [Placed],
    /// When the attempt before ended, if nothing else was done since.
    ended: Option<Instant>,
    /// Which handler took how long.
    untold: Vec<(usize, Duration)>,
}

impl<'e> Stopwatch<'e> {
    pub(super) fn of(handlers: &'e [Placed]) -> Self {
        Self { handlers, ended: None, untold: Vec::new() }
    }

    /// Runs an attempt of this handler; says what came of it, or that it was cut off, and how long it took. Sets no timer for what
    /// is done at once.
    pub(super) async fn time<F: Future>(
        &mut self,
        handler: usize,
        limit: Duration,
        work: F,
    ) -> (Result<F::Output, Elapsed>, Duration) {
        let began = self.ended.take().unwrap_or_else(Instant::now);
        let mut work = pin!(work);
        let outcome = match futures::poll!(work.as_mut()) {
            Poll::Ready(done) => Ok(done),
            Poll::Pending => {
                self.tell();
                match began.checked_add(limit) {
                    Some(deadline) => Box::pin(timeout_at(deadline, work)).await,
                    None => Ok(work.await),
                }
            }
        };
        let ended = Instant::now();
        let took = ended - began;
        self.ended = Some(ended);
        self.untold.push((handler, took));
        (outcome, took)
    }

    /// Something else was done, and may have taken long.
    pub(super) fn pause(&mut self) {
        self.ended = None;
    }

    fn tell(&mut self) {
        for (handler, took) in self.untold.drain(..) {
            self.handlers[handler].figures.durations.record(took.as_secs_f64());
        }
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_limit_that_is_longer_than_any_time_is_none() {
        let mut stopwatch = Stopwatch::of(&[]);
        let slow = tokio::time::sleep(Duration::from_millis(1));
        assert!(stopwatch.time(0, Duration::MAX, slow).await.0.is_ok());
        stopwatch.untold.clear();
    }
}
