//! Mails and phone calls, on `communication-events`: what was done, and two commands. The field names are those of the
//! earlier communication service, so that its consumers read these events unchanged.

use chrono::{NaiveDate, NaiveTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::declare::event;

/// What is told of a mail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailDataV1 {
    /// The therapist that it is for.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub therapist_id: Option<i64>,
    /// The patient that it is for.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub patient_id: Option<i64>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub betreff: Option<String>,
    /// `therapist` or `patient`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_type: Option<String>,
    /// Such as `In_Warteschlange` or `Gesendet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// What is told of a phone call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallDataV1 {
    /// The therapist that is called.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub therapist_id: Option<i64>,
    /// The patient that is called.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub patient_id: Option<i64>,
    /// The request to a therapist that it is about.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub therapeutenanfrage_id: Option<i64>,
    /// `therapist` or `patient`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_type: Option<String>,
    /// `geplant`, `abgeschlossen` or `fehlgeschlagen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub ergebnis: Option<String>,
    /// The day that it is planned for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_date: Option<NaiveDate>,
    /// Local time, `HH:MM`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::form::hour_minute::optional")]
    #[schemars(with = "Option<String>", regex(pattern = r"^\d{2}:\d{2}$"))]
    pub scheduled_time: Option<NaiveTime>,
}

fn email() -> String {
    "email".to_owned()
}

fn phone_call() -> String {
    "phone_call".to_owned()
}

/// A mail was handed over to the mail server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailSentV1 {
    /// Names the mail.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub email_id: i64,
    /// What is told of it.
    pub email_data: EmailDataV1,
    /// Always `email`.
    #[serde(default = "email")]
    pub communication_type: String,
}

event!(EmailSentV1: "email.sent" version 1 on COMMUNICATION_EVENTS, |it| format!("email-{}", it.email_id));

/// Somebody answered a mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailResponseReceivedV1 {
    /// Names the mail that was answered.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub email_id: i64,
    /// What is told of it.
    pub email_data: EmailDataV1,
    /// Always `email`.
    #[serde(default = "email")]
    pub communication_type: String,
    /// The patient that answered.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub patient_id: Option<i64>,
    /// The therapist that answered.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub therapist_id: Option<i64>,
}

event!(EmailResponseReceivedV1: "email.response_received" version 1 on COMMUNICATION_EVENTS, |it| {
    format!("email-{}", it.email_id)
});

/// A phone call took place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhoneCallCompletedV1 {
    /// Names the call.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub call_id: i64,
    /// What is told of it.
    pub call_data: CallDataV1,
    /// Always `phone_call`.
    #[serde(default = "phone_call")]
    pub communication_type: String,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub outcome: Option<String>,
}

event!(PhoneCallCompletedV1: "phone_call.completed" version 1 on COMMUNICATION_EVENTS, |it| {
    format!("call-{}", it.call_id)
});

/// A mail is written and waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailCreatedV1 {
    /// Names the mail.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub email_id: i64,
    /// What is told of it.
    pub email_data: EmailDataV1,
}

event!(EmailCreatedV1: "communication.email_created" version 1 on COMMUNICATION_EVENTS, |it| {
    format!("email-{}", it.email_id)
});

/// A phone call is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallScheduledV1 {
    /// Names the call.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub call_id: i64,
    /// What is told of it.
    pub call_data: CallDataV1,
}

event!(CallScheduledV1: "communication.call_scheduled" version 1 on COMMUNICATION_EVENTS, |it| {
    format!("call-{}", it.call_id)
});

/// Send this mail now; it must be waiting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendEmailV1 {
    /// Names the mail.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub email_id: i64,
}

event!(SendEmailV1: "communication.send_email" version 1 on COMMUNICATION_EVENTS, |it| {
    format!("email-{}", it.email_id)
});

/// Somebody is to be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleCallV1 {
    /// The therapist to call.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub therapist_id: Option<i64>,
    /// The patient to call.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub patient_id: Option<i64>,
}

event!(ScheduleCallV1: "communication.schedule_call" version 1 on COMMUNICATION_EVENTS, |_it| String::new());
