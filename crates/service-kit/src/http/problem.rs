//! Problem details (RFC 9457): the only form of an answer that is not a success.

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use events::consume::{DatabaseSays, database_says, is_outdated};
use serde::Serialize;

/// An answer that tells the caller what is wrong, where, and what to do. Nothing internal belongs into it.
///
/// Boxed, so that a `Result` of it stays small; its [`Details`] are reached directly, as in `problem.detail`.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Details>);

/// The members of a [`Problem`].
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    /// A URI of the kind of problem; `about:blank` when the status says it all.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The kind in words; the same for each occurrence.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// What happened here, and what to do.
    pub detail: Cow<'static, str>,
    /// A URI of this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The parts of the request that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// When to try again, for the `Retry-After` header.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
    /// The database's sessions are out of date; see [`OutdatedSessions`].
    #[serde(skip)]
    outdated_sessions: bool,
}

/// Goes with the answer to the frame: what the database said it will say again on every session that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutdatedSessions;

/// One part of the request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// Where: `patient.email`, `items[2].price`; empty for the whole.
    pub field: String,
    /// What is wrong. Never holds the submitted value.
    pub problem: String,
    /// What to send instead.
    pub remedy: String,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident = $status:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(detail: impl Into<Cow<'static, str>>) -> Self {
                Self::new(StatusCode::$status, detail)
            }
        )*
    };
}

impl Problem {
    /// A problem that its status describes.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Details {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status,
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            retry_after: None,
            outdated_sessions: false,
        }))
    }

    constructors! {
        /// 400: the request cannot be read.
        bad_request = BAD_REQUEST;
        /// 401: who is asking? The `WWW-Authenticate` header is added.
        unauthorized = UNAUTHORIZED;
        /// 403: known, and not allowed.
        forbidden = FORBIDDEN;
        /// 404.
        not_found = NOT_FOUND;
        /// 409: not as things stand.
        conflict = CONFLICT;
        /// 413.
        payload_too_large = PAYLOAD_TOO_LARGE;
        /// 415.
        unsupported_media_type = UNSUPPORTED_MEDIA_TYPE;
        /// 422: readable, and wrong.
        unprocessable = UNPROCESSABLE_ENTITY;
        /// 429.
        too_many_requests = TOO_MANY_REQUESTS;
        /// 502: a service behind this one failed.
        bad_gateway = BAD_GATEWAY;
        /// 503.
        unavailable = SERVICE_UNAVAILABLE;
        /// 504: a service behind this one did not answer.
        gateway_timeout = GATEWAY_TIMEOUT;
    }

    /// 422 for one field.
    pub fn field(field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::unprocessable("The request has a field that is not acceptable; see `errors`.")
            .with_error(field, problem, remedy)
    }

    /// 422 for several fields; `None` when there is nothing wrong.
    pub fn fields(errors: Vec<FieldProblem>) -> Option<Self> {
        if errors.is_empty() {
            return None;
        }
        let mut problem = Self::unprocessable("The request has fields that are not acceptable; see `errors`.");
        problem.errors = errors;
        Some(problem)
    }

    /// 500 without any detail. Log the cause first, or use `From<anyhow::Error>`, which does.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service failed. Its log tells why, by this answer's x-request-id.",
        )
    }

    /// Gives the kind of problem a URI and a title.
    pub fn with_kind(mut self, kind: &'static str, title: &'static str) -> Self {
        self.kind = kind.into();
        self.title = title.into();
        self
    }

    /// Adds a part of the request that is wrong.
    pub fn with_error(
        mut self,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        self.errors.push(FieldProblem { field: field.into(), problem: problem.into(), remedy: remedy.into() });
        self
    }

    /// Says when to try again; whole seconds, at least one.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Names this occurrence by a URI.
    pub fn with_instance(mut self, uri: impl Into<String>) -> Self {
        self.instance = Some(uri.into());
        self
    }
}

impl Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Strings and numbers only, so this cannot fail.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.outdated_sessions {
            response.extensions_mut().insert(OutdatedSessions);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.detail)?;
        self.errors.iter().try_for_each(|error| write!(f, " {}: {}", error.field, error.problem))
    }
}

impl std::error::Error for Problem {}

/// A [`Problem`] inside is answered as it is; a database that is away, slow, or not as this build expects it is 503; everything
/// else is 500. The last two are logged here with their chain of causes, and nothing of it is in the answer.
impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        if let Some(problem) = error.downcast_ref::<Self>() {
            return problem.clone();
        }
        let says = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>().map(database_says));
        if matches!(says, Some(DatabaseSays::Away | DatabaseSays::Slow)) || lost_a_race(&error) {
            tracing::warn!(error = crate::chain::chain(&error), "the database is away, busy, or not as it is expected");
            // A connection may break while the transaction commits, so nobody can say that nothing was done.
            let mut problem = Self::unavailable("The database cannot do this at the moment. Try again.")
                .with_retry_after(Duration::from_secs(5));
            problem.outdated_sessions = is_outdated(&*error);
            problem
        } else {
            tracing::error!(error = crate::chain::chain(&error), "a request failed");
            Self::internal()
        }
    }
}

/// Deadlock, failed serialisation and their like (class 40): nothing is wrong with the request, and another attempt helps.
fn lost_a_race(error: &anyhow::Error) -> bool {
    let states = error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()?.as_database_error()?.code());
    states.into_iter().any(|state| state.starts_with("40"))
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    async fn answer(problem: Problem) -> (Response<()>, serde_json::Value) {
        let (parts, body) = problem.into_response().into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_problem_has_the_form_of_rfc_9457() {
        let (response, body) = answer(Problem::field("email", "is empty", "Send an address.")).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
                "detail": "The request has a field that is not acceptable; see `errors`.",
                "errors": [{"field": "email", "problem": "is empty", "remedy": "Send an address."}]
            })
        );
    }

    #[tokio::test]
    async fn the_database_being_away_is_503_with_retry_after_and_no_internals() {
        let error =
            Err::<(), _>(sqlx::Error::PoolTimedOut).context("cannot read patient 7 of host db.internal").unwrap_err();
        let (response, body) = answer(error.into()).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
        assert!(!body.to_string().contains("internal"), "{body}");
    }

    #[tokio::test]
    async fn anything_else_is_500_without_details() {
        let (response, body) = answer(anyhow::anyhow!("secret cause").into()).await;
        assert_eq!(response.status(), 500);
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_problem_survives_the_way_through_anyhow() {
        let error = anyhow::Error::new(Problem::not_found("There is no such patient.")).context("reading");
        let (response, body) = answer(error.into()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(body["detail"], "There is no such patient.");
    }

    #[tokio::test]
    async fn unauthorized_says_how_to_authenticate() {
        let (response, _) = answer(Problem::unauthorized("No token.")).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
}
