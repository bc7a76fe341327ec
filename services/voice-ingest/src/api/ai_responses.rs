//! `POST /api/v1/ai-responses`: one fact as data, for those who have taken it out of the AI's text themselves.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use events::contract::{
    json::Json,
    mismatch::{Fault, Mismatch},
    second_reading::mismatch,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use service_kit::http::{ApiJson, ApiQuery, Problem, auth::Identity};

use super::{NoQuery, checked, refused};
use crate::{
    domain::{Kind, validate_value},
    intake::Intake,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AiResponse {
    call_id: String,
    response_type: Kind,
    data: Value,
}

pub(super) async fn take(
    State(intake): State<Intake>,
    _: ApiQuery<NoQuery>,
    identity: Identity,
    ApiJson(response): ApiJson<AiResponse>,
) -> Result<impl IntoResponse, Problem> {
    checked(&response.call_id)?;
    if !response.data.is_object() {
        return Err(no_object(&response.data));
    }
    let fact = validate_value(response.response_type, &response.data, &intake.rules()).map_err(refused)?;
    let taken = intake.data(&response.call_id, fact, &identity).await?;
    Ok((StatusCode::ACCEPTED, ApiJson(taken)))
}

/// What stands in the place of the fact's object: an object that was encoded twice, an array, a text.
fn no_object(data: &Value) -> Problem {
    let json = Json::deserialize(data).ok();
    let mismatch = json.as_ref().and_then(mismatch::<BTreeMap<String, IgnoredAny>>);
    let problem = match mismatch.as_ref().map(Mismatch::fault) {
        Some(Fault::Wrong(what, _)) => what,
        _ => "is no object",
    };
    Problem::field("data", problem, "Send an object.")
}
