//! Waiting for a state, never for a time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(20);

/// Waits until `is_so`, and panics with `what` when it is not within `limit`.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, limit: Duration, mut is_so: impl FnMut() -> F) {
    wait_for(what, limit, async || is_so().await.then_some(())).await;
}

/// Waits until there is something, and panics with `what` when there is nothing within `limit`.
pub async fn wait_for<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(EVERY).await;
    }
}
