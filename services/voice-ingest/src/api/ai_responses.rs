//! `POST /api/v1/ai-responses`: one fact as data, for those who have taken it out of the AI's text themselves.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;
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
    let fact = validate_value(response.response_type, &response.data, &intake.rules()).map_err(refused)?;
    let taken = intake.data(&response.call_id, fact, &identity).await?;
    Ok((StatusCode::ACCEPTED, ApiJson(taken)))
}
