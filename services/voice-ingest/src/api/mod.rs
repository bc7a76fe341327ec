//! The HTTP interface: what the AI says comes in, what became of it goes out.

mod ai_responses;
mod calls;
mod output;

use axum::{
    Router,
    routing::{get, post},
};
use events::contract::no_id::is_no_id;
use service_kit::http::Problem;

use crate::{domain, intake::Intake};

/// A parameter that is not known is refused, not passed over.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoQuery {}

pub(crate) fn routes(intake: Intake) -> Router {
    Router::new()
        .route("/api/v1/calls/{call_id}/output", post(output::take))
        .route("/api/v1/calls/{call_id}", get(calls::read))
        .route("/api/v1/ai-responses", post(ai_responses::take))
        .with_state(intake)
}

/// A call id is a record key and part of paths. Says what is wrong with one.
pub(crate) fn call_id_problem(call_id: &str) -> Option<&'static str> {
    if is_no_id(call_id) {
        return Some("is empty or a placeholder, which names no call");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '+');
    let sound = (1..=128).contains(&call_id.len()) && call_id.chars().all(allowed);
    (!sound).then_some("must be 1 to 128 letters, digits and the characters - _ . : @ +")
}

fn checked(call_id: &str) -> Result<(), Problem> {
    match call_id_problem(call_id) {
        Some(problem) => Err(Problem::field("call_id", problem, "send the id that your voice platform gave the call")),
        None => Ok(()),
    }
}

/// A rejection as the answer to whoever can correct it.
fn refused(rejection: domain::Rejection) -> Problem {
    let problem = Problem::unprocessable("The data has fields that are not acceptable; see `errors`.");
    rejection.problems.into_iter().fold(problem, |problem, wrong| {
        let field = match wrong.field.as_str() {
            "$" => "data".to_owned(),
            field => format!("data.{field}"),
        };
        problem.with_error(field, wrong.problem, wrong.remedy)
    })
}
