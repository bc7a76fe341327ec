//! What the voice AI said, on `ai-responses`.

use chrono::{NaiveDate, NaiveTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;

/// The caller gave the data of a patient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientCreationV1 {
    /// The call in which it was said.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub call_id: String,
    /// As said, with white space collapsed.
    #[schemars(extend("x-sensitive" = "phi"))]
    pub name: String,
    /// The address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub email: Option<String>,
    /// As said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub phone: Option<String>,
    /// The same number in E.164, where it could be read as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub phone_e164: Option<String>,
    /// The day of birth.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::form::day::optional")]
    #[schemars(with = "Option<NaiveDate>", extend("x-sensitive" = "phi"))]
    pub date_of_birth: Option<NaiveDate>,
    /// Names this extraction of the call.
    pub extraction_id: String,
}

event!(PatientCreationV1: "ai_response.patient_creation" version 1 with actor on AI_RESPONSES, |said| said.call_id.clone());

/// The AI confirmed a booking to the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BookingConfirmationV1 {
    /// The call in which it was said.
    #[serde(deserialize_with = "super::form::id::deserialize")]
    pub call_id: String,
    /// Whose time it is.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub dentist: String,
    /// The day in the practice.
    #[serde(with = "super::form::day")]
    #[schemars(with = "NaiveDate")]
    pub date: NaiveDate,
    /// Local time of the practice, `HH:MM`.
    #[serde(with = "super::form::hour_minute")]
    #[schemars(with = "String", regex(pattern = r"^\d{2}:\d{2}$"))]
    pub time: NaiveTime,
    /// As the caller gave it.
    #[schemars(extend("x-sensitive" = "phi"))]
    pub patient_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub service: Option<String>,
    /// What the AI noted besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub notes: Option<String>,
    /// Names this extraction of the call.
    pub extraction_id: String,
}

event!(BookingConfirmationV1: "ai_response.booking_confirmation" version 1 with actor on AI_RESPONSES, |said| {
    said.call_id.clone()
});
