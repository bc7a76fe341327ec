//! The only way to stop.
//!
//! Each part of a service is spawned here under a name and with a budget: the time it may take from the beginning of the
//! shutdown until it has ended. A part that ends by itself, by error, by panic or in peace, is a failure of the service and
//! starts the shutdown. All parts are told at once: what one of them leaves behind (an accepted request, a committed outbox
//! row) is durable and the next start goes on from there, so no order between them is needed. What overruns its budget is
//! named in the log and abandoned. Work on threads of its own is beyond its reach: it ends with the process.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, anyhow};
use futures::{FutureExt, future::join_all};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// A handle to the life of one service; clones are the same life.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    token: CancellationToken,
    stopping_since: OnceLock<Instant>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    parts: Vec<Part>,
    failures: Vec<anyhow::Error>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    budget: Duration,
    task: JoinHandle<()>,
}

impl Lifecycle {
    /// A service without parts that runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a part. It gets a token that is cancelled when the service stops, and has `budget` from then on to end.
    pub fn spawn<F, Fut>(&self, name: &'static str, budget: Duration, part: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let run = AssertUnwindSafe(part(self.token())).catch_unwind();
        let lifecycle = self.clone();
        // Held over the spawn so that a join cannot miss the part.
        let mut state = self.state();
        let task = tokio::spawn(async move {
            let ended = run.await;
            lifecycle.ended(name, ended.unwrap_or_else(|panic| Err(anyhow!("panicked: {}", panic_message(&*panic)))));
        });
        state.parts.push(Part { name, budget, task });
    }

    fn ended(&self, name: &str, result: anyhow::Result<()>) {
        let failure = match result {
            Err(error) => error.context(format!("{name} failed")),
            Ok(()) if !self.is_stopping() => anyhow!("{name} ended although nobody stopped it"),
            Ok(()) => {
                tracing::debug!(part = name, "ended");
                return;
            }
        };
        self.fail(failure);
    }

    fn fail(&self, failure: anyhow::Error) {
        self.state().failures.push(failure);
        self.shutdown();
    }

    /// Cancelled when the service stops. Cancelling it stops nothing but what waits for this very token.
    pub fn token(&self) -> CancellationToken {
        self.inner.token.child_token()
    }

    /// Begins to stop: all parts are told, the budgets run from now. Does not wait; see [`join`](Self::join).
    pub fn shutdown(&self) {
        _ = self.inner.stopping_since.set(Instant::now());
        self.inner.token.cancel();
    }

    /// Whether the shutdown has begun; readiness fails from then on.
    pub fn is_stopping(&self) -> bool {
        self.inner.token.is_cancelled()
    }

    /// SIGTERM or SIGINT stops the service; a second one ends the process at once with exit code 130.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn listen_for_signals(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let lifecycle = self.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if lifecycle.is_stopping() {
                    tracing::warn!(signal = name, "told again to stop: ending at once");
                    std::process::exit(130);
                }
                tracing::info!(signal = name, "stopping");
                lifecycle.shutdown();
            }
        });
        Ok(())
    }

    /// Waits until the service stops, then until each part has ended or overrun its budget. A second call returns at once.
    ///
    /// # Errors
    /// The first failure; further ones are logged. A part that overran or failed while stopping is one too.
    pub async fn join(&self) -> anyhow::Result<()> {
        self.inner.token.cancelled().await;
        let since = *self.inner.stopping_since.get_or_init(Instant::now);
        loop {
            let parts = std::mem::take(&mut self.state().parts);
            if parts.is_empty() {
                break;
            }
            join_all(parts.into_iter().map(|part| self.await_end(part, since))).await;
        }
        let failures = std::mem::take(&mut self.state().failures);
        let mut failures = failures.into_iter();
        let first = failures.next();
        for further in failures {
            tracing::error!(error = crate::chain::chain(&further), "a further part failed");
        }
        first.map_or(Ok(()), Err)
    }

    async fn await_end(&self, part: Part, since: Instant) {
        let Part { name, budget, mut task } = part;
        if tokio::time::timeout_at(since + budget, &mut task).await.is_err() {
            task.abort();
            tracing::error!(
                part = name,
                budget_seconds = budget.as_secs_f64(),
                "did not stop in time and is abandoned"
            );
            self.fail(anyhow!("{name} did not stop within {budget:?}"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const BUDGET: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn parts_are_told_and_awaited() {
        let lifecycle = Lifecycle::new();
        let done = Arc::new(AtomicBool::new(false));
        let flag = done.clone();
        lifecycle.spawn("slow", BUDGET, |token| async move {
            token.cancelled().await;
            tokio::time::sleep(BUDGET / 10).await;
            flag.store(true, Ordering::SeqCst);
            Ok(())
        });
        assert!(!lifecycle.is_stopping());
        lifecycle.shutdown();
        assert!(lifecycle.is_stopping());
        lifecycle.join().await.unwrap();
        assert!(done.load(Ordering::SeqCst));
        lifecycle.join().await.unwrap();
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_stops_the_service() {
        for (end, message) in
            [(Ok(()), "eager ended although nobody stopped it"), (Err(anyhow!("no broker")), "eager failed")]
        {
            let lifecycle = Lifecycle::new();
            lifecycle.spawn("other", BUDGET, |token| async move {
                token.cancelled().await;
                Ok(())
            });
            lifecycle.spawn("eager", BUDGET, |_| async move { end });
            assert_eq!(lifecycle.join().await.unwrap_err().to_string(), message);
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_part_stops_the_service_and_is_told() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("shaky", BUDGET, |_| async { panic!("index {}", 7) });
        let error = lifecycle.join().await.unwrap_err();
        assert_eq!(format!("{error:#}"), "shaky failed: panicked: index 7");
    }

    #[tokio::test]
    async fn what_overruns_its_budget_is_abandoned_by_name() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stuck", BUDGET, |_| std::future::pending());
        lifecycle.spawn("longer", BUDGET * 3, |token| async move {
            token.cancelled().await;
            tokio::time::sleep(BUDGET / 2 * 3).await;
            Ok(())
        });
        let start = Instant::now();
        lifecycle.shutdown();
        let error = lifecycle.join().await.unwrap_err();
        assert_eq!(error.to_string(), "stuck did not stop within 500ms");
        assert!(start.elapsed() >= BUDGET / 2 * 3, "the longer part was awaited");
        assert!(start.elapsed() < BUDGET * 3, "the budgets run side by side");
    }

    #[tokio::test]
    async fn a_failure_while_stopping_is_not_swallowed() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("consumer", BUDGET, |token| async move {
            token.cancelled().await;
            Err(anyhow!("the last commit failed"))
        });
        lifecycle.shutdown();
        assert_eq!(format!("{:#}", lifecycle.join().await.unwrap_err()), "consumer failed: the last commit failed");
    }

    #[tokio::test]
    async fn a_cancelled_token_of_a_part_stops_nobody_else() {
        let lifecycle = Lifecycle::new();
        lifecycle.token().cancel();
        assert!(!lifecycle.is_stopping());
    }

    #[tokio::test]
    async fn a_part_that_starts_during_the_shutdown_is_awaited_too() {
        let lifecycle = Lifecycle::new();
        let handle = lifecycle.clone();
        lifecycle.spawn("parent", BUDGET, |token| async move {
            token.cancelled().await;
            handle.spawn("child", BUDGET, |_| async { Err(anyhow!("too late")) });
            Ok(())
        });
        lifecycle.shutdown();
        assert_eq!(format!("{:#}", lifecycle.join().await.unwrap_err()), "child failed: too late");
    }
}
