//! Facts about patients and appointments, on `healthcore.*`. The key is the patient, for appointments too, so that one
//! patient's facts stay in order within a topic.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::declare::event;

/// A patient as the record system has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientCreatedV1 {
    /// The number of the patient in the record.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub patient_id: i64,
    /// As the patient gave it.
    #[schemars(extend("x-sensitive" = "phi"))]
    pub name: String,
    /// The address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub email: Option<String>,
    /// The number, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub phone: Option<String>,
    /// The day of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub date_of_birth: Option<NaiveDate>,
}

event!(PatientCreatedV1: "patient.created" version 1 with actor on PATIENT_CREATED, |patient| patient.patient_id.to_string());

/// A patient after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientUpdatedV1 {
    /// The number of the patient in the record.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub patient_id: i64,
    /// As it is now.
    #[schemars(extend("x-sensitive" = "phi"))]
    pub name: String,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub email: Option<String>,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub phone: Option<String>,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub date_of_birth: Option<NaiveDate>,
    /// The columns that changed.
    #[serde(default)]
    pub changed: Vec<String>,
}

event!(PatientUpdatedV1: "patient.updated" version 1 with actor on PATIENT_UPDATED, |patient| patient.patient_id.to_string());

/// A patient was removed; nothing but the id remains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientDeletedV1 {
    /// The number that the patient had.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub patient_id: i64,
}

event!(PatientDeletedV1: "patient.deleted" version 1 with actor on PATIENT_DELETED, |patient| patient.patient_id.to_string());

/// An appointment, as every event about one carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppointmentV1 {
    /// The number of the appointment in the record.
    #[serde(deserialize_with = "super::form::number::deserialize")]
    pub appointment_id: i64,
    /// Whose it is; unknown where the practice has entered it without a patient.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::form::number::optional::deserialize"
    )]
    pub patient_id: Option<i64>,
    /// As the booking named the patient.
    #[schemars(extend("x-sensitive" = "phi"))]
    pub patient_name: String,
    /// Whose time it is.
    #[schemars(extend("x-sensitive" = "pii"))]
    pub dentist: String,
    /// The day in the practice.
    pub date: NaiveDate,
    /// Local time of the practice, `HH:MM`.
    #[serde(with = "super::form::hour_minute")]
    #[schemars(with = "String", regex(pattern = r"^\d{2}:\d{2}$"))]
    pub time: NaiveTime,
    /// The same moment with its zone.
    #[serde(serialize_with = "crate::contract::envelope::milliseconds")]
    pub starts_at: DateTime<Utc>,
    // The schemas of released versions have these words; `waits` has those of the one that is held.
    /// `booked`, `cancelled` or `completed`.
    pub status: String,
    /// Why it was cancelled, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = "phi"))]
    pub reason: Option<String>,
}

macro_rules! appointment_event {
    ($(#[$doc:meta])* $name:ident, $event_type:literal, $topic:ident) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        $(#[$doc])*
        pub struct $name(pub AppointmentV1);

        event!($name: $event_type version 1 with actor on $topic, |appointment| match appointment.0.patient_id {
            Some(patient) => patient.to_string(),
            None => format!("appointment-{}", appointment.0.appointment_id),
        });
    };
}

appointment_event!(
    /// An appointment is in the book.
    AppointmentBookedV1, "appointment.booked", APPOINTMENT_BOOKED);
appointment_event!(
    /// A booking waits for a person; `reason` says why. It is nobody's appointment yet and is confirmed to nobody. Where the
    /// local time is none, or is two, `starts_at` is what PostgreSQL makes of it.
    #[schemars(transform = waits)]
    AppointmentHeldV1, "appointment.held", APPOINTMENT_HELD);

/// Describes the fields that mean something else while an appointment is held.
fn waits(schema: &mut Schema) {
    for (field, meaning) in [("status", "`held`."), ("reason", "Why a person has to look at it.")] {
        if let Some(field) = schema.pointer_mut(&format!("/properties/{field}")) {
            field["description"] = meaning.into();
        }
    }
}

appointment_event!(
    /// An appointment was called off; `reason` says why, where it is known.
    AppointmentCancelledV1, "appointment.cancelled", APPOINTMENT_CANCELLED);
appointment_event!(
    /// An appointment took place.
    AppointmentCompletedV1, "appointment.completed", APPOINTMENT_COMPLETED);
