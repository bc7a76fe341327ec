//! Facts about patients and appointments, on `healthcore.*`. The key is the patient, for appointments too, so that one
//! patient's facts stay in order within a topic.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    event::Event,
    topics::{self, TopicSpec},
};

/// A patient as the record system has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientCreatedV1 {
    /// The number of the patient in the record.
    pub patient_id: i64,
    /// As the patient gave it.
    pub name: String,
    /// The address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The number, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The day of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
}

impl Event for PatientCreatedV1 {
    const TYPE: &'static str = "patient.created";
    const VERSION: u16 = 1;
    const TOPIC: &'static TopicSpec = &topics::PATIENT_CREATED;

    fn key(&self) -> String {
        self.patient_id.to_string()
    }
}

/// A patient after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientUpdatedV1 {
    /// The number of the patient in the record.
    pub patient_id: i64,
    /// As it is now.
    pub name: String,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
    /// The columns that changed.
    #[serde(default)]
    pub changed: Vec<String>,
}

impl Event for PatientUpdatedV1 {
    const TYPE: &'static str = "patient.updated";
    const VERSION: u16 = 1;
    const TOPIC: &'static TopicSpec = &topics::PATIENT_UPDATED;

    fn key(&self) -> String {
        self.patient_id.to_string()
    }
}

/// A patient was removed; nothing but the id remains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatientDeletedV1 {
    /// The number that the patient had.
    pub patient_id: i64,
}

impl Event for PatientDeletedV1 {
    const TYPE: &'static str = "patient.deleted";
    const VERSION: u16 = 1;
    const TOPIC: &'static TopicSpec = &topics::PATIENT_DELETED;

    fn key(&self) -> String {
        self.patient_id.to_string()
    }
}

/// An appointment, as every event about one carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppointmentV1 {
    /// The number of the appointment in the record.
    pub appointment_id: i64,
    /// Whose it is; unknown where the practice has entered it without a patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<i64>,
    /// As the booking named the patient.
    pub patient_name: String,
    /// Whose time it is.
    pub dentist: String,
    /// The day in the practice.
    pub date: NaiveDate,
    /// Local time of the practice, `HH:MM`.
    #[serde(with = "super::hour_minute")]
    #[schemars(with = "String", regex(pattern = r"^\d{2}:\d{2}$"))]
    pub time: NaiveTime,
    /// The same moment with its zone.
    #[serde(serialize_with = "crate::contract::envelope::milliseconds")]
    pub starts_at: DateTime<Utc>,
    /// `booked`, `cancelled` or `completed`.
    pub status: String,
    /// Why it was cancelled, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

macro_rules! appointment_event {
    ($(#[$doc:meta])* $name:ident, $event_type:literal, $topic:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub AppointmentV1);

        impl Event for $name {
            const TYPE: &'static str = $event_type;
            const VERSION: u16 = 1;
            const TOPIC: &'static TopicSpec = &topics::$topic;

            fn key(&self) -> String {
                match self.0.patient_id {
                    Some(patient) => patient.to_string(),
                    None => format!("appointment-{}", self.0.appointment_id),
                }
            }
        }
    };
}

appointment_event!(
    /// An appointment is in the book.
    AppointmentBookedV1, "appointment.booked", APPOINTMENT_BOOKED);
appointment_event!(
    /// An appointment was called off; `reason` says why, where it is known.
    AppointmentCancelledV1, "appointment.cancelled", APPOINTMENT_CANCELLED);
appointment_event!(
    /// An appointment took place.
    AppointmentCompletedV1, "appointment.completed", APPOINTMENT_COMPLETED);
