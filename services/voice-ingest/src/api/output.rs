//! `POST /api/v1/calls/{call_id}/output`: the AI's text, whole or in pieces.

use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use events::contract::alien::{Order, alien, utf16};
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiJson, ApiPath, ApiQuery, Problem, auth::Identity, idempotency::Claim};

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
    identity: Identity,
    claim: Option<Claim>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    checked(&call_id)?;
    let last = piece.last.unwrap_or(true);
    let text = text(request, last).await?;
    let taken = intake.text(&call_id, &text, last, &identity, claim).await;
    let extractions = taken.map_err(|error| match error.downcast_ref::<Unacceptable>() {
        Some(Unacceptable::NothingSaid) if text.is_empty() => nothing_said(),
        Some(why @ Unacceptable::NothingSaid) => Problem::field("text", why.to_string(), "send what the AI said"),
        Some(why @ Unacceptable::TooManyMarkers) => {
            Problem::field("text", why.to_string(), "send it in pieces with ?final=false, or mend what repeats itself")
        }
        None => error.into(),
    })?;
    // Committed: from here on nothing can lose it.
    Ok((StatusCode::ACCEPTED, ApiJson(Answer { call_id, extractions })))
}

async fn text(request: Request, last: bool) -> Result<Vec<u8>, Problem> {
    let Some(encoding) = plain_text(request.headers())? else {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type(
                "Send what the AI said with the header `Content-Type: text/plain`, or as the `text` of a JSON object with \
                 `Content-Type: application/json`.",
            ));
        }
        let ApiJson(body) = ApiJson::<TextBody>::from_request(request, &()).await?;
        return Ok(body.text.into_bytes());
    };
    let bytes = axum::body::Bytes::from_request(request, &()).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::payload_too_large(
                "The text is larger than this service takes; send it in pieces with ?final=false.",
            )
        } else {
            Problem::bad_request("The body ended before it was complete.")
        }
    })?;
    if bytes.is_empty() && !last {
        return Err(nothing_said());
    }
    if encoding == UTF_8 {
        return match not_utf8_from(&bytes, last) {
            None => match utf16(&bytes) {
                // Its NULs are UTF-8, and no marker is found between them.
                Some(_) => Err(Problem::bad_request(
                    "The body is UTF-16; send text in UTF-8, or declare `Content-Type: text/plain; charset=utf-16`.",
                )),
                None => Ok(bytes.into()),
            },
            Some(at) => Err(Problem::bad_request(match alien(&bytes) {
                Some(what) => format!("The body {what}; send text in UTF-8 as it is."),
                None => format!("The body is not UTF-8 from byte {at} on; send text in UTF-8."),
            })),
        };
    }
    let (encoding, bytes) = without_mark(encoding, &bytes);
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Ok(text.into_owned().into_bytes()),
        None => Err(Problem::bad_request(format!(
            "The body is not {}, which its Content-Type declares; send UTF-8, or cut the text between characters.",
            encoding.name()
        ))),
    }
}

/// The text without a byte order mark, and the encoding that this one tells of. UTF-16 without one has the order in which it can be
/// read: `utf-16` names none.
fn without_mark<'t>(declared: &'static Encoding, bytes: &'t [u8]) -> (&'static Encoding, &'t [u8]) {
    match (Encoding::for_bom(bytes), utf16(bytes)) {
        (Some((marked, length)), _) => (marked, &bytes[length..]),
        (None, Some(order)) if declared == UTF_16LE || declared == UTF_16BE => match order {
            Order::BigEndian => (UTF_16BE, bytes),
            Order::LittleEndian => (UTF_16LE, bytes),
        },
        _ => (declared, bytes),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

fn nothing_said() -> Problem {
    Problem::bad_request("The body is empty; send what the AI said.")
}

/// Where a piece stops being UTF-8. It may begin inside a character and, where more is to come, end inside one.
fn not_utf8_from(piece: &[u8], last: bool) -> Option<usize> {
    let begin = piece.iter().take(3).take_while(|byte| matches!(byte, 0x80..0xc0)).count();
    let error = str::from_utf8(&piece[begin..]).err()?;
    (last || error.error_len().is_some()).then(|| begin + error.valid_up_to())
}

/// The encoding of a plain text; `None` for what is none.
fn plain_text(headers: &HeaderMap) -> Result<Option<&'static Encoding>, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    if !parts.next().unwrap_or_default().eq_ignore_ascii_case("text/plain") {
        return Ok(None);
    }
    let charset =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let Some((_, label)) = charset else { return Ok(Some(UTF_8)) };
    match Encoding::for_label_no_replacement(label.trim().trim_matches('"').as_bytes()) {
        Some(encoding) => Ok(Some(encoding)),
        None => {
            Err(Problem::unsupported_media_type("The charset of the Content-Type is not known; send text in UTF-8."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_read_in_the_order_that_it_has() {
        let text = "PATIENT_CREATION: {\"name\": \"Zo\u{eb} \u{738b}\"}";
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let marked = format!("\u{feff}{text}");
        for bytes in [big(text), big(&marked), little(text), little(&marked)] {
            let declared = Encoding::for_label(b"utf-16").unwrap();
            let (encoding, rest) = without_mark(declared, &bytes);
            let read = encoding.decode_without_bom_handling_and_without_replacement(rest);
            assert_eq!(read.as_deref(), Some(text), "{encoding:?} {bytes:x?}");
        }
    }

    #[test]
    fn a_piece_may_be_cut_inside_a_character_and_is_utf8_otherwise() {
        let text = "Zo\u{eb} \u{1f9b7}!".as_bytes();
        for cut in 0..=text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!((not_utf8_from(one, false), not_utf8_from(two, true)), (None, None), "cut at {cut}");
        }
        assert_eq!(not_utf8_from(b"ab\xffcd", false), Some(2));
        assert_eq!(not_utf8_from(b"Zo\xc3", true), Some(2));
        assert_eq!(not_utf8_from(b"\x80\x80\x80\x80", false), Some(3));
    }
}
