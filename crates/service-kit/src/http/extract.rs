//! Extractors whose failures are problems that name the field and the remedy.
//!
//! Use them with types that have `#[serde(deny_unknown_fields)]`. Duplicate fields, trailing text and more than 128 levels of
//! nesting are refused too.

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Path, Request,
        path::ErrorKind,
        rejection::{BytesRejection, PathRejection},
    },
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use events::contract::{alien::alien, json::Json, second_reading::mismatch};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{Problem, json_error::field_problem};

/// A JSON body; as an answer, the value as JSON.
///
/// 415 for another content type, 413 for too large, 400 for what is not JSON, 422 for JSON with the wrong content.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiJson<T>(pub T);

/// The path's parameters; 400 when one cannot be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiPath<T>(pub T);

/// The query's parameters; 400 when one cannot be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiQuery<T>(pub T);

impl<T: Serialize> IntoResponse for ApiJson<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            return Err(Problem::unsupported_media_type(
                "The body must be JSON: send the header `Content-Type: application/json`.",
            ));
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| body_problem(&rejection))?;
        Self::from_slice(&body)
    }
}

impl<T: DeserializeOwned> ApiJson<T> {
    /// The same for a body that the handler has read by itself.
    ///
    /// # Errors
    /// 400 for what is not JSON, 422 for JSON with the wrong content; every body is an object.
    pub fn from_slice(body: &[u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(Problem::bad_request("The body is empty; send a JSON object."));
        }
        if let Some(what) = alien(body) {
            return Err(Problem::bad_request(format!("The body {what}; send JSON in UTF-8 as it is.")));
        }
        if let Err(error) = std::str::from_utf8(body) {
            let detail = format!("The body is not UTF-8 from byte {} on; send JSON in UTF-8.", error.valid_up_to());
            return Err(Problem::bad_request(detail));
        }
        // serde would take an array for a struct, its items for the fields in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::field("", "is an array", "Send an object."));
        }
        if let Ok(value) = serde_json::from_slice(body) {
            return Ok(Self(value));
        }
        let json: Json = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        let detail = "The body is JSON, but not what is expected here; see `errors`.";
        let mut problem = Problem::unprocessable(detail);
        problem.errors.push(field_problem(mismatch::<T>(&json).as_ref()));
        Err(problem)
    }
}

/// Why a body could not be read, before it is looked at.
pub(super) fn body_problem(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::payload_too_large("The body is larger than this service takes.")
    } else {
        Problem::bad_request("The body ended before it was complete.")
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn not_json(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    // Messages about the syntax name only what the grammar expects, never what was sent.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let what = match error.classify() {
        Category::Eof => "The JSON ends too early".to_owned(),
        _ if message == "recursion limit exceeded" => "The JSON is nested too deep (128 levels are taken)".to_owned(),
        _ => format!("The body is not JSON: {message}"),
    };
    Problem::bad_request(format!("{what}, at line {line}, column {column}."))
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let rejection = match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => return Ok(Self(value)),
            Err(rejection) => rejection,
        };
        let PathRejection::FailedToDeserializePathParams(error) = rejection else {
            tracing::error!(error = %rejection, "a route's path does not fit its handler");
            return Err(Problem::internal());
        };
        let problem = Problem::bad_request("The path has a part that cannot be read; see `errors`.");
        Err(match error.kind() {
            ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
                problem.with_error(key, "cannot be read", format!("Send {}.", expected(expected_type)))
            }
            ErrorKind::ParseErrorAtIndex { expected_type, .. } | ErrorKind::ParseError { expected_type, .. } => {
                problem.with_error("path", "cannot be read", format!("Send {}.", expected(expected_type)))
            }
            ErrorKind::InvalidUtf8InPathParam { key } => {
                problem.with_error(key, "is not UTF-8", "Encode it as UTF-8, then as %xx.")
            }
            ErrorKind::DeserializeError { key, .. } => {
                problem.with_error(key, "cannot be read", "See the README of the service.")
            }
            ErrorKind::Message(_) => problem.with_error("path", "cannot be read", "See the README of the service."),
            kind => {
                tracing::error!(error = %kind, "a route's path does not fit its handler");
                Problem::internal()
            }
        })
    }
}

fn expected(type_name: &str) -> &'static str {
    match type_name {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            "a whole number"
        }
        "f32" | "f64" => "a number",
        "bool" => "true or false",
        _ => "what the README of the service says",
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query));
        T::deserialize(pairs).map(Self).map_err(|_| {
            let words = form_urlencoded::parse(query).into_owned().map(|(name, word)| (name, Json::Word(word)));
            let mut problem = Problem::bad_request("The query has a parameter that is not acceptable; see `errors`.");
            problem.errors.push(field_problem(mismatch::<T>(&Json::Object(words.collect())).as_ref()));
            problem
        })
    }
}
