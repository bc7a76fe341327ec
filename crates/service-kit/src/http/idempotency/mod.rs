//! `Idempotency-Key` on POST: a caller that got no answer asks again with the same key and gets the first answer, once the work
//! is done, instead of doing it twice.
//!
//! The handler runs on after its caller hung up or its time limit passed, so that key and effect do not part. A process that
//! dies between the effect's commit and keeping the answer would repeat the effect on the next try; a handler that calls
//! [`Claim::carried_out`] in its transaction closes that gap. Keys are of one caller and one service, and kept for 24 h.

mod store;

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{FromRequest, OriginalUri, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use events::contract::no_id::is_no_id;
use futures::FutureExt;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::time::Instant;
use tracing::Instrument;

pub use self::store::{Claim, MIGRATIONS};
use self::store::{Claimed, StoredAnswer};
use super::{Problem, auth::Identity, extract::body_problem};
use crate::lifecycle::Lifecycle;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a handler may take when nobody waits for it any more. Shorter than the claim, so that two never work on one key.
const HANDLER_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries to free a key.
const FREE_AGAIN: Duration = Duration::from_millis(500);
/// Larger answers are not kept; the answer to a POST is one object.
const LARGEST_ANSWER: u64 = 1 << 20;
/// Rows go after a day, so looking every 10 minutes is often enough.
const CLEANUP_EVERY: Duration = Duration::from_secs(600);

/// The keys of one service, in its schema; needs [`MIGRATIONS`].
#[derive(Debug, Clone)]
pub struct Idempotency {
    pool: PgPool,
}

impl Idempotency {
    /// Over a pool that works in the service's schema.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Heeds the header on each POST of these routes.
    pub fn apply(&self, routes: Router) -> Router {
        let keys = self.clone();
        routes.layer(from_fn(move |request: Request, next: Next| keys.clone().heed(request, next)))
    }

    /// Removes old keys now and then until the service stops.
    pub fn spawn_cleanup(&self, lifecycle: &Lifecycle) {
        let pool = self.pool.clone();
        // A batch takes milliseconds; 5 s is ample.
        lifecycle.spawn("idempotency-cleanup", Duration::from_secs(5), move |token| async move {
            loop {
                tokio::select! {
                    () = token.cancelled() => return Ok(()),
                    () = tokio::time::sleep(CLEANUP_EVERY) => {}
                }
                tokio::select! {
                    () = token.cancelled() => return Ok(()),
                    removed = store::remove_old(&pool) => if let Err(error) = removed {
                        tracing::warn!(error = %error, "cannot remove old idempotency keys; will try again");
                    },
                }
            }
        });
    }

    /// Removes what is older than a day, a small batch at a time. Returns how many keys.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_old(&self) -> sqlx::Result<u64> {
        store::remove_old(&self.pool).await
    }

    async fn heed(self, request: Request, next: Next) -> Response {
        if request.method() != Method::POST || !request.headers().contains_key(KEY) {
            return next.run(request).await;
        }
        self.answer(request, next).await.unwrap_or_else(IntoResponse::into_response)
    }

    async fn answer(self, request: Request, next: Next) -> Result<Response, Problem> {
        let key = key_of(request.headers())?;
        let (mut parts, body) = request.into_parts();
        let caller =
            parts.extensions.get::<Identity>().map_or_else(|| "local".into(), |identity| identity.name.clone());
        // Through the extractor, as it knows the body limit of the route.
        let body =
            Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await.map_err(|e| body_problem(&e))?;
        let hash = hash(&parts, &body);
        let claim = match store::claim(&self.pool, &caller, &key, &hash).await? {
            Claimed::Ours(claim) => claim,
            Claimed::Answered(answer) => return Ok(replay(answer)),
            Claimed::OtherRequest => {
                return Err(Problem::conflict(
                    "This Idempotency-Key was used for another request. Use a new key for a new request.",
                ));
            }
            Claimed::UnderWay => {
                return Err(Problem::conflict(
                    "The first request with this Idempotency-Key is still under way. Ask again.",
                )
                .with_retry_after(Duration::from_secs(1)));
            }
            Claimed::AnswerLost => {
                return Err(Problem::conflict(
                    "The request with this Idempotency-Key was carried out, but its answer was not kept. Look up the result.",
                ));
            }
        };
        parts.extensions.insert(claim.clone());
        let request = Request::from_parts(parts, Body::from(body));
        let work = carry_out(self.pool, claim, request, next).in_current_span();
        match tokio::spawn(work).await {
            Ok(response) => Ok(response),
            Err(failed) => match failed.try_into_panic() {
                // For the net that catches every handler's panics.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Problem::unavailable("The service is stopping. Try again.")),
            },
        }
    }
}

async fn carry_out(pool: PgPool, claim: Claim, request: Request, next: Next) -> Response {
    let ran = tokio::time::timeout(HANDLER_LIMIT, AssertUnwindSafe(next.run(request)).catch_unwind()).await;
    let response = match ran {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            free(pool, claim).await;
            std::panic::resume_unwind(panic);
        }
        Err(_) => Problem::unavailable("The answer took too long and was given up. Try again.").into_response(),
    };
    if !is_final(response.status()) {
        free(pool, claim).await;
        return response;
    }
    if response.body().size_hint().exact().is_none_or(|size| size > LARGEST_ANSWER) {
        told("mark", store::carried_out(&pool, &claim).await);
        return response;
    }
    let (parts, body) = response.into_parts();
    // The size is known and small, and the body is in memory.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let answer = StoredAnswer {
        status: parts.status.as_u16(),
        content_type: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        body: body.to_vec(),
    };
    told("keep the answer of", store::keep(&pool, &claim, &answer).await);
    Response::from_parts(parts, Body::from(body))
}

/// Frees the key, so that asking again does the work. Where the database is away, which is why the work failed as a rule, it is freed
/// once that is back: the caller is told to ask again in a few seconds, and held off it would be for as long as a claim lasts.
async fn free(pool: PgPool, claim: Claim) {
    let Err(error) = store::free(&pool, &claim).await else { return };
    tracing::warn!(error = %error, "an idempotency key cannot be freed for now");
    tokio::spawn(async move {
        let deadline = Instant::now() + HANDLER_LIMIT;
        while Instant::now() < deadline {
            tokio::time::sleep(FREE_AGAIN).await;
            if store::free(&pool, &claim).await.is_ok() {
                return;
            }
        }
    });
}

/// The caller gets its answer all the same; only asking again with this key is affected.
fn told(what: &str, result: sqlx::Result<()>) {
    if let Err(error) = result {
        tracing::error!(error = %error, "cannot {what} an idempotency key");
    }
}

/// Whether asking again would give the same answer: not when the service failed, was busy, or may be permitted later.
fn is_final(status: StatusCode) -> bool {
    status.is_success() || (status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 408 | 409 | 429))
}

fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(KEY).iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (Some(key), None) if (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) => {
            let key = String::from_utf8_lossy(key).into_owned();
            if is_no_id(&key) {
                let detail = "The Idempotency-Key is a placeholder. Send one that no other request has, such as a UUID, or none.";
                return Err(Problem::bad_request(detail));
            }
            Ok(key)
        }
        _ => {
            Err(Problem::bad_request("Send one Idempotency-Key of 1 to 255 visible ASCII characters, such as a UUID."))
        }
    }
}

fn hash(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let mut hash = Sha256::new();
    // The same bytes are another text in another charset.
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let (method, path, query) = (parts.method.as_str(), uri.path().trim_end_matches('/'), uri.query());
    for part in [method.as_bytes(), path.as_bytes(), query.unwrap_or_default().as_bytes(), content_type] {
        hash.update(part);
        // Occurs in none of them.
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

fn replay(answer: StoredAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [(header::CONTENT_TYPE, answer.content_type), (header::LOCATION, answer.location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
