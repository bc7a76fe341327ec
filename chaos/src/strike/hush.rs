//! A rest of the load in which nothing is left to do: whoever takes something away then knows that it was handled.

use std::time::Duration;

use tokio::time::sleep;

use crate::{ground::Ground, observe::evidence, world::World};

/// A write that was begun is told by then; it takes milliseconds while nothing else strikes.
const BREATH: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(40);

/// The load goes on when this is dropped.
pub(super) struct Hush<'w>(&'w Ground);

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        self.0.hush(false);
    }
}

/// The load rests; what it wrote may still be under way.
pub(super) fn still(world: &World) -> Hush<'_> {
    world.ground.hush(true);
    Hush(&world.ground)
}

/// `None` if something is still to be done after all: what comes of that is seen at the end.
pub(super) async fn hush(world: &World) -> Option<Hush<'_>> {
    let hush = still(world);
    sleep(BREATH).await;
    match evidence::drained(world, PATIENCE).await {
        Ok(after) => {
            crate::say!("  all was handled {:.1} s after the load stopped", (BREATH + after).as_secs_f64());
            Some(hush)
        }
        Err(remaining) => {
            crate::say!("  left out, since there was no rest: {}", remaining.join("; "));
            None
        }
    }
}
