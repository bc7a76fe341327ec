//! Connections that go straight from one transaction to the next.
//!
//! The pool asks a connection for a sign of life when it comes back and again when it leaves: two round trips more for a
//! transaction of four. One whose transaction has just ended well needs neither. It is kept within a next transaction, in
//! which nothing has happened, because only then does the driver leave the connection with us.

use std::{
    mem,
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool, Postgres, Transaction, raw_sql};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// What nobody took within this time goes back to the pool.
const KEPT: Duration = Duration::from_millis(100);
/// The longest that a connection stays away from the pool, which ends those that are too old.
const AWAY: Duration = Duration::from_secs(30);

/// So many connections of the pool are left to others: transactions that wait for rows that somebody locked may take all they
/// get, and readiness, an API's reads and a relay that connects anew must not wait with them.
const LEFT: u32 = 2;

/// A pool, and what of it is kept at hand.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pool: PgPool,
    /// One for each transaction that may be under way at once.
    turns: Arc<Semaphore>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The one that was kept last goes first, so the longest idle stand in front.
    idle: Vec<(Lease, Instant)>,
    is_watched: bool,
}

/// A connection in a transaction. Dropped, it is rolled back and goes to the pool.
#[derive(Debug)]
pub(super) struct Lease {
    transaction: Transaction<'static, Postgres>,
    since: Instant,
    /// None while it is kept.
    turn: Option<OwnedSemaphorePermit>,
}

impl Connections {
    pub(super) fn new(pool: PgPool) -> Self {
        let turns = pool.options().get_max_connections().saturating_sub(LEFT).max(1);
        Self { pool, turns: Arc::new(Semaphore::new(turns as usize)), kept: Arc::default() }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn begin(&self) -> Result<Lease, sqlx::Error> {
        let turn = timeout(self.pool.options().get_acquire_timeout(), Arc::clone(&self.turns).acquire_owned());
        let mut turn = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?.ok();
        while let Some(mut lease) = self.take() {
            // Begun anew, so that its time is that of now, and not by `AND CHAIN`, which would hand on what the transaction
            // before had set for itself: read only, an isolation level. The connection may have died; then its like may
            // have, too.
            if raw_sql("ROLLBACK; BEGIN").execute(lease.connection()).await.is_ok() {
                lease.turn = turn.take();
                return Ok(lease);
            }
        }
        let pool = self.pool.clone();
        // In a task of its own: cut off at the wrong moment, the driver would not know of the transaction that the server
        // has begun, and whoever came next would write into it.
        let transaction = match tokio::spawn(async move { pool.begin().await }).await {
            Ok(begun) => begun?,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(_) => return Err(sqlx::Error::PoolClosed),
            },
        };
        Ok(Lease { transaction, since: Instant::now(), turn })
    }

    /// Makes the transaction's work stand; [`Self::keep`] goes with it. The server answers a COMMIT well even where it rolls back because a statement had failed and
    /// its error went unheard; any other statement it refuses then, so one goes before.
    ///
    /// `AND CHAIN` outside of a transaction is an error, so that one that was ended by hand is heard of.
    pub(super) async fn commit(lease: &mut Lease) -> Result<(), sqlx::Error> {
        raw_sql("SELECT; COMMIT AND CHAIN").execute(lease.connection()).await.map(|_| ())
    }

    /// Ends this connection, which is of no use any more, and all that nobody uses: each of them would give the same error.
    pub(super) async fn renew(&self, lease: Lease) {
        let kept = self.kept.lock().map(|mut kept| mem::take(&mut kept.idle)).unwrap_or_default();
        for mut lease in kept.into_iter().map(|(lease, _)| lease).chain([lease]) {
            // The driver closes none that is within a transaction; the server does, and the pool's test of it fails.
            let end = "ROLLBACK; SELECT pg_terminate_backend(pg_backend_pid())";
            let _ = raw_sql(end).execute(lease.connection()).await;
        }
        end_idle_sessions(&self.pool).await;
    }

    fn take(&self) -> Option<Lease> {
        let (lease, _) = self.kept.lock().ok()?.idle.pop()?;
        (!self.pool.is_closed()).then_some(lease)
    }

    /// Keeps a connection at hand, unless the pool has a better use for it.
    pub(super) fn keep(&self, mut lease: Lease) {
        lease.turn = None;
        let others_may_wait =
            self.pool.num_idle() == 0 && self.pool.size() >= self.pool.options().get_max_connections();
        if others_may_wait || self.pool.is_closed() || lease.since.elapsed() > AWAY {
            return;
        }
        let Ok(mut kept) = self.kept.lock() else { return };
        kept.idle.push((lease, Instant::now()));
        if !mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(Watch(self.clone()).run());
        }
    }
}

impl Lease {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await
    }
}

/// Ends the sessions of a pool that nobody uses; the pool opens others when it needs them.
pub async fn end_idle_sessions(pool: &PgPool) {
    for _ in 0..pool.size() {
        let Some(idle) = pool.try_acquire() else { return };
        let _ = idle.close().await;
    }
}

/// Gives back what is idle. Ends with what there is to watch, or with the runtime, without which the pool takes nothing.
struct Watch(Connections);

impl Watch {
    async fn run(self) {
        loop {
            tokio::time::sleep(KEPT).await;
            let Ok(mut kept) = self.0.kept.lock() else { return };
            let stale = kept.idle.iter().take_while(|(_, since)| since.elapsed() >= KEPT).count();
            kept.idle.drain(..stale);
            if kept.idle.is_empty() {
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Ok(mut kept) = self.0.kept.lock() {
            *kept = Kept::default();
        }
    }
}
