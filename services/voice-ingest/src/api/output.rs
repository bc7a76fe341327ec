//! `POST /api/v1/calls/{call_id}/output`: the AI's text, whole or in pieces.

use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiJson, ApiPath, ApiQuery, Problem, idempotency::Claim};

use super::checked;
use crate::intake::{Intake, Taken, Unacceptable};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    /// `false` when more of this text is to come.
    #[serde(rename = "final")]
    last: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextBody {
    text: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    call_id: String,
    /// What this piece completed, in the order in which it was said.
    extractions: Vec<Taken>,
}

pub(super) async fn take(
    State(intake): State<Intake>,
    ApiPath(call_id): ApiPath<String>,
    ApiQuery(piece): ApiQuery<Piece>,
    claim: Option<Claim>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    checked(&call_id)?;
    let text = text(request).await?;
    let taken = intake.text(&call_id, &text, piece.last.unwrap_or(true), claim).await;
    let extractions = taken.map_err(|error| match error.downcast_ref::<Unacceptable>() {
        Some(why @ Unacceptable::NothingSaid) => Problem::field("text", why.to_string(), "send what the AI said"),
        Some(why @ Unacceptable::TooManyMarkers) => {
            Problem::field("text", why.to_string(), "send it in pieces with ?final=false, or mend what repeats itself")
        }
        None => error.into(),
    })?;
    // Committed: from here on nothing can lose it.
    Ok((StatusCode::ACCEPTED, ApiJson(Answer { call_id, extractions })))
}

async fn text(request: Request) -> Result<String, Problem> {
    if is_plain_text(request.headers()) {
        let bytes = axum::body::Bytes::from_request(request, &()).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::payload_too_large(
                    "The text is larger than this service takes; send it in pieces with ?final=false.",
                )
            } else {
                Problem::bad_request("The body ended before it was complete.")
            }
        })?;
        if bytes.is_empty() {
            return Err(Problem::bad_request("The body is empty; send what the AI said."));
        }
        return String::from_utf8(bytes.into()).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::bad_request(format!("The body is not UTF-8 from byte {at} on; send text in UTF-8."))
        });
    }
    let ApiJson(body) = ApiJson::<TextBody>::from_request(request, &()).await?;
    Ok(body.text)
}

fn is_plain_text(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/plain")
}
