//! Failures of the libraries that handlers call, as what the engine makes of them: an outside system that is away, a limit
//! that was passed, a collision that the next attempt will not see, or a refusal.

use crate::{
    flow::error::{Cause, HandlerError},
    publish::PublishError,
};

/// The name under which the service's own database has its breaker.
pub(super) const POSTGRES: &str = "postgres";

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        if is_outage(&error) {
            return Self::dependency(POSTGRES, DatabaseFailure::new(error));
        }
        if is_collision(&error) {
            return Self::retry(DatabaseFailure::new(error));
        }
        Self::reject("database_refused", DatabaseFailure::new(error))
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
    /// The dependency is the URL's host. An answer of 5xx, 408 or 429 is an outage, every other refusal is one of this event;
    /// the URL's path, which may name a person, is told nowhere.
    fn from(error: reqwest::Error) -> Self {
        let host = error.url().and_then(|url| url.host_str()).unwrap_or("http").to_owned();
        let status = error.status();
        let (timeout, request) = (error.is_timeout(), error.is_connect() || error.is_request() || error.is_body());
        let error = error.without_url();
        match status {
            Some(code) if code.is_server_error() || code == 408 || code == 429 => Self::dependency(host, error),
            Some(_) => Self::reject("http_refused", error),
            None if timeout => Self::timeout_of(host, error),
            None if request => Self::dependency(host, error),
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

/// A database that is away, and one that refuses: the classes of SQLSTATE that say "not now".
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            // 08 connection, 53 resources, 57P0x shutdown, 58 system, 25006 a standby after a fail-over.
            ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class)) || code == "25006"
        }),
        _ => false,
    }
}

/// Deadlocks and serialisation failures, lock and statement time-outs, and a unique row that another transaction wrote in
/// between: nobody's outage, and seen differently by the next attempt.
fn is_collision(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    code.is_some_and(|code| code.starts_with("40") || ["55P03", "57014", "23505"].contains(&&*code))
}

/// PostgreSQL quotes the offending row in a detail, which sqlx does not show; its message can quote a value too. What may
/// be told is the state, the table and the constraint.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DatabaseFailure(String);

impl DatabaseFailure {
    fn new(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else {
            return Self(error.to_string());
        };
        let mut text = format!("the database refused with SQLSTATE {}", refusal.code().unwrap_or_default());
        for (what, name) in [("table", refusal.table()), ("constraint", refusal.constraint())] {
            if let Some(name) = name {
                text.push_str(&format!(", {what} {name}"));
            }
        }
        Self(text)
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
        let unknown = outcome(Some("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!((unknown.category(), unknown.code()), (Category::Processing, "http_refused"));
        let nonsense = outcome(Some("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n\"jane\"")).await;
        assert_eq!((nonsense.category(), nonsense.code()), (Category::Processing, "http_unusable"));
    }
}
