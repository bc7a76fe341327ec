//! Bounded waits on a state, instead of sleeps that are too short on one machine and too long on all others.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

/// Often enough that no test is slow by it.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `holds` says true; panics with `what` once `limit` has passed.
pub async fn wait_until<F, Fut>(what: &str, limit: Duration, mut holds: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    wait_for(what, limit, || {
        let state = holds();
        async { state.await.then_some(()) }
    })
    .await;
}

/// Waits until `look` finds something; panics with `what` once `limit` has passed.
pub async fn wait_for<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    // The look itself is bounded too: a query that hangs is a failure like any other.
    while let Ok(found) = timeout_at(deadline, look()).await {
        if let Some(found) = found {
            return found;
        }
        // A look that answers at once never times out.
        if Instant::now() >= deadline {
            break;
        }
        sleep(INTERVAL).await;
    }
    panic!("waited {limit:?} in vain: {what}");
}
