//! `/healthz` and `/readyz`: what the service is waiting for, check by check.
//!
//! A check's message is shown to anybody who can reach the port, so it names no host, user or secret.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{Json, http::StatusCode, response::IntoResponse};
use events::publish::end_idle_sessions;
use futures::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::lifecycle::Lifecycle;

/// What one check may take; orchestrators give a probe 1 to 5 s.
const LIMIT: Duration = Duration::from_secs(2);

/// What a check says: `Ok` what is going on (empty where there is nothing to say), `Err` what is wrong.
pub type Answer = Result<String, String>;

type Check = Arc<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync>;

/// The checks of a service; clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<BTreeMap<&'static str, Check>>>,
    pools: Arc<RwLock<Vec<PgPool>>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(checks.keys()).finish()
    }
}

/// The body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// `ready`, or `unready` as soon as one check fails.
    pub status: String,
    /// Each check by its name.
    pub checks: BTreeMap<String, CheckResult>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Whether it passed.
    pub ok: bool,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What is going on, where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<Answer> for CheckResult {
    fn from(answer: Answer) -> Self {
        let (ok, (detail, problem)) = match answer {
            Ok(detail) => (true, (Some(detail).filter(|detail| !detail.is_empty()), None)),
            Err(problem) => (false, (None, Some(problem))),
        };
        Self { ok, problem, detail }
    }
}

impl Health {
    /// No checks: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check, or replaces the one of this name. It is asked at each probe, side by side with the others, for at most 2 s.
    pub fn register<F>(&self, name: &'static str, check: F)
    where
        F: Fn() -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        self.checks.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(check));
    }

    /// Adds a pool whose idle sessions are ended when a request finds that they are out of date.
    pub(crate) fn uses(&self, pool: &PgPool) {
        self.pools.write().unwrap_or_else(PoisonError::into_inner).push(pool.clone());
    }

    /// Ends the idle sessions of all pools, those in use too if they come back within a second: the one that met the error is on
    /// its way back just now.
    pub(crate) fn end_sessions(&self) {
        for pool in self.pools.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let pool = pool.clone();
            tokio::spawn(async move {
                let all_are_back = async {
                    while pool.num_idle() < pool.size() as usize {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                let _ = tokio::time::timeout(Duration::from_secs(1), all_are_back).await;
                end_idle_sessions(&pool).await;
            });
        }
    }

    /// Asks every check. A service that stops is not ready, whatever they say.
    pub async fn readiness(&self, lifecycle: &Lifecycle) -> Readiness {
        let checks: Vec<_> = {
            let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
            checks.iter().map(|(name, check)| (*name, check.clone())).collect()
        };
        let asked = checks.into_iter().map(|(name, check)| async move {
            let answer = tokio::time::timeout(LIMIT, check()).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())));
            (name.to_owned(), CheckResult::from(answer))
        });
        let mut checks: BTreeMap<_, _> = join_all(asked).await.into_iter().collect();
        if lifecycle.is_stopping() {
            checks.insert("lifecycle".into(), Err("the service is stopping".to_owned()).into());
        }
        let ready = checks.values().all(|check| check.ok);
        Readiness { status: if ready { "ready" } else { "unready" }.into(), checks }
    }
}

impl IntoResponse for Readiness {
    fn into_response(self) -> axum::response::Response {
        let status = if self.status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_failing_check_makes_the_service_unready_and_a_stuck_one_is_cut_off() {
        let (health, lifecycle) = (Health::new(), Lifecycle::new());
        assert_eq!(health.readiness(&lifecycle).await.status, "ready");
        health.register("database", || async { Ok(String::new()) }.boxed());
        health.register("relay", || async { Ok("active".to_owned()) }.boxed());
        health.register("consumer", || async { Err("no partitions yet".to_owned()) }.boxed());
        health.register("stuck", || std::future::pending().boxed());
        let readiness = health.readiness(&lifecycle).await;
        assert_eq!(readiness.status, "unready");
        let well = |name: &str| serde_json::to_value(&readiness.checks[name]).unwrap();
        assert_eq!(well("database"), serde_json::json!({ "ok": true }));
        assert_eq!(well("relay"), serde_json::json!({ "ok": true, "detail": "active" }));
        assert_eq!(readiness.checks["consumer"].problem.as_deref(), Some("no partitions yet"));
        assert_eq!(readiness.checks["stuck"].problem.as_deref(), Some("no answer within 2 s"));
    }

    #[tokio::test]
    async fn a_service_that_stops_is_not_ready() {
        let (health, lifecycle) = (Health::new(), Lifecycle::new());
        lifecycle.shutdown();
        let response = health.readiness(&lifecycle).await.into_response();
        assert_eq!(response.status(), 503);
    }
}
