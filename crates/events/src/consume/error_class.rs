//! Errors of the libraries that handlers call, as what the engine makes of them: an outside system that is away, a limit
//! that was passed, a collision that the next attempt will not see, or a refusal. `sqlstate` has what the database's own
//! errors say.

use std::{error::Error, iter::successors};

use super::sqlstate::{self, DatabaseSays, Session};
use crate::{
    flow::error::{Cause, HandlerError},
    publish::PublishError,
};

/// The name under which the service's own database has its breaker.
pub(super) const POSTGRES: &str = "postgres";

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        let (says, failure) = (database_says(&error), DatabaseFailure::new(error));
        match says {
            DatabaseSays::Away => Self::dependency(POSTGRES, failure),
            DatabaseSays::Slow => Self::timeout_of(POSTGRES, failure),
            DatabaseSays::Collision => Self::retry(failure),
            DatabaseSays::Refused => Self::reject("database_refused", failure),
        }
    }
}

/// What an error of the database, or of the way to it, says: whether trying again can help, and when.
pub fn database_says(error: &sqlx::Error) -> DatabaseSays {
    use sqlx::Error;
    match error {
        Error::Database(refusal) => sqlstate::read(&refusal.code().unwrap_or_default()).0,
        // Away, or overrun by our own wish for connections.
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => DatabaseSays::Away,
        // How it is reached is wrong, as for every record: a certificate or a password file is being replaced.
        Error::Configuration(_) | Error::Migrate(_) => DatabaseSays::Away,
        // The schema is not the one that this build was made for.
        Error::TypeNotFound { .. }
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnDecode { .. }
        | Error::Decode(_) => DatabaseSays::Away,
        // As with a row that is pointed at: it may come with an event of another key.
        Error::RowNotFound => DatabaseSays::Collision,
        // The value, or the statement that it makes.
        Error::Encode(_) | Error::InvalidArgument(_) | Error::AnyDriverError(_) | Error::InvalidSavePointStatement => {
            DatabaseSays::Refused
        }
        // Of a driver to come: what is not known is no reason to give up a record.
        _ => DatabaseSays::Away,
    }
}

/// Whether the session that gave this error is of no use any more: it answers so until it is ended, and so do all that were
/// there when the schema was changed, or the server became a standby.
pub fn is_outdated(error: &(dyn Error + 'static)) -> bool {
    let is_such = |state: &str| sqlstate::read(state).1 == Session::Outdated;
    let mut causes = successors(Some(error), |error| Error::source(*error));
    causes.any(|error| {
        if let Some(failure) = error.downcast_ref::<DatabaseFailure>() {
            return failure.state.as_deref().is_some_and(is_such);
        }
        let refusal = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        refusal.and_then(|refusal| refusal.code()).is_some_and(|state| is_such(&state))
    })
}

/// The same of what a handler answered.
pub(super) fn outdates_its_session(error: &HandlerError) -> bool {
    is_outdated(&**cause_of(error))
}

/// The SQLSTATE behind a failure, where the database gave one.
pub(super) fn state_of(error: &HandlerError) -> Option<&str> {
    cause_of(error).downcast_ref::<DatabaseFailure>()?.state.as_deref()
}

fn cause_of(error: &HandlerError) -> &Cause {
    match error {
        HandlerError::Retry { source, .. } | HandlerError::Reject { source, .. } => source,
    }
}

impl From<PublishError> for HandlerError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Write { source, .. } => source.into(),
            other => Self::reject("cannot_publish", Cause::from(other)),
        }
    }
}

impl From<reqwest::Error> for HandlerError {
    /// The dependency is the URL's host. An answer of 5xx is an outage, and so is one that every event would get: a key that was
    /// rotated (401, 403, 407), nothing left to spend (402), too much at once (408, 425, 429). Every other refusal is one of
    /// this event; the URL's path, which may name a person, is told nowhere.
    fn from(error: reqwest::Error) -> Self {
        let host = error.url().and_then(|url| url.host_str()).unwrap_or("http").to_owned();
        let status = error.status();
        let (timeout, request) = (error.is_timeout(), error.is_connect() || error.is_request() || error.is_body());
        let error = error.without_url();
        match status {
            Some(code) if code.is_server_error() || [401, 402, 403, 407, 408, 425, 429].contains(&code.as_u16()) => {
                Self::dependency(host, error)
            }
            Some(_) => Self::reject("http_refused", error),
            None if timeout => Self::timeout_of(host, error),
            None if request => Self::dependency(host, error),
            // A body that breaks off is a failure to decode, too; one that is whole and no JSON says so.
            None if error.is_decode() && !error.source().is_some_and(|cause| cause.is::<serde_json::Error>()) => {
                Self::dependency(host, error)
            }
            // What came is not what was asked for. Why is told in the words of serde, which quote what came.
            None if error.is_decode() => Self::reject("http_unusable", "the answer does not have the expected form"),
            None => Self::reject("http_unusable", error),
        }
    }
}

/// Whether an HTTP server itself says that it failed: it is there, though it may fail at all that ask. One that is overloaded,
/// and what a gateway says of those behind it, are no such answers.
pub(super) fn is_answer(error: &HandlerError) -> bool {
    let HandlerError::Retry { source, .. } = error else {
        return false;
    };
    let status = source.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::status);
    status.is_some_and(|status| status.is_server_error() && ![502, 503, 504].contains(&status.as_u16()))
}

/// PostgreSQL quotes the offending row in a detail, which sqlx does not show; its message can quote a value too. What may
/// be told is the state, the table and the constraint.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct DatabaseFailure {
    text: String,
    state: Option<String>,
}

impl DatabaseFailure {
    fn new(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else {
            return Self { text: without_values(&error), state: None };
        };
        let state = refusal.code().unwrap_or_default().into_owned();
        let mut text = format!("the database refused with SQLSTATE {state}");
        for (what, name) in [("table", refusal.table()), ("constraint", refusal.constraint())] {
            if let Some(name) = name {
                text.push_str(&format!(", {what} {name}"));
            }
        }
        Self { text, state: Some(state) }
    }
}

/// What the driver says, less what quotes a value or the way to the database.
fn without_values(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} is not of the type that is expected"),
        sqlx::Error::Decode(_) => "a value is not of the type that is expected".to_owned(),
        sqlx::Error::Encode(_) => "a value cannot be handed to the database".to_owned(),
        sqlx::Error::Configuration(_) => "the database cannot be reached as it is set".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::flow::error::{Category, chain};

    /// What an answer comes to; `None` closes the connection without one.
    async fn outcome(answer: Option<&'static str>) -> HandlerError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/patients/jane-roe", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let _ = peer.read(&mut [0; 1024]).await;
            if let Some(answer) = answer {
                peer.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let call = async { reqwest::get(url).await?.error_for_status()?.json::<u32>().await };
        let error: HandlerError = call.await.unwrap_err().into();
        let told = chain(&error);
        assert!(!told.contains("jane"), "{told}");
        error
    }

    #[tokio::test]
    async fn an_http_server_that_is_away_is_told_from_one_that_refuses() {
        let busy = outcome(Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!((busy.category(), busy.blames().map(|name| &**name)), (Category::Dependency, Some("127.0.0.1")));
        let hung_up = outcome(None).await;
        assert_eq!(hung_up.category(), Category::Dependency);
        let broke_off = outcome(Some("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n1")).await;
        assert_eq!(broke_off.category(), Category::Dependency, "{broke_off}");
        for status in ["401 Who", "402 Pay", "403 Not you", "407 Who", "425 Early", "429 Slowly"] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(outcome(Some(answer.leak())).await.category(), Category::Dependency, "{status}");
        }
        let unknown = outcome(Some("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!((unknown.category(), unknown.code()), (Category::Processing, "http_refused"));
        let nonsense = outcome(Some("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n\"jane\"")).await;
        assert_eq!((nonsense.category(), nonsense.code()), (Category::Processing, "http_unusable"));
    }
}
