//! An appointment that the caller was told is booked, in normal form.
//!
//! Owns which fields a `BOOKING_CONFIRMATION` has and what is possible in them. Whether the slot is free is decided where
//! the appointments are.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Rules, date,
    fields::{Fields, Rejection},
    name::{name, service},
    placeholder::Of,
    text, time,
};

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Whose time it is.
    pub dentist: String,
    /// The day.
    pub date: NaiveDate,
    /// The practice's wall clock, `HH:MM`.
    #[serde(with = "clock")]
    pub time: NaiveTime,
    /// As the caller gave it.
    pub patient_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// At most 2000 characters, of several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl Booking {
    /// Reads the data of a `BOOKING_CONFIRMATION`.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn read(data: &Value, rules: &Rules) -> Result<Self, Rejection> {
        let mut fields = Fields::of(data)?;
        let dentist = fields.required("dentist", Of::Name, name);
        let date = fields.required("date", Of::Value, |text| date::appointment(text, rules.date_order));
        let time = fields.required("time", Of::Value, time::time);
        let patient_name = fields.required("patient_name", Of::Name, name);
        let service = fields.optional_words("service", service);
        let notes = fields.optional_words("notes", text::notes);
        let whole = match (dentist, date, time, patient_name) {
            (Some(dentist), Some(date), Some(time), Some(patient_name)) => {
                Some(Self { dentist, date, time, patient_name, service, notes })
            }
            _ => None,
        };
        fields.finish(whole)
    }
}

/// The wall clock as `HH:MM`.
mod clock {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.format("%H:%M"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
        NaiveTime::parse_from_str(&String::deserialize(deserializer)?, "%H:%M").map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{DateOrder, Region};

    fn read(data: &Value) -> Result<Booking, Rejection> {
        let today = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        Booking::read(data, &Rules { region: Region::default(), date_order: DateOrder::MonthFirst, today })
    }

    #[test]
    fn the_familiar_payload_is_read() {
        let data = json!({"dentist": "Dr. Smith", "date": "2025-10-25", "time": "10:00", "patient_name": "John"});
        assert_eq!(serde_json::to_value(read(&data).unwrap()).unwrap(), data);
    }

    #[test]
    fn other_forms_come_out_the_same() {
        let data = json!({"dentist": " Dr.  Smith", "date": "10/25/2025", "time": "2:30 PM", "patient_name": "John", "service": "", "notes": "a\nb", "room": 4});
        let expected = json!({"dentist": "Dr. Smith", "date": "2025-10-25", "time": "14:30", "patient_name": "John", "notes": "a\nb"});
        assert_eq!(serde_json::to_value(read(&data).unwrap()).unwrap(), expected);
    }

    #[test]
    fn free_text_may_be_a_number_and_speak_of_signs() {
        for (said, kept) in [
            (json!(36), json!("36")),
            (json!("36"), json!("36")),
            (json!(1.5), json!("1.5")),
            (
                json!("Call {{agent}} back; allergic to penicillin"),
                json!("Call {{agent}} back; allergic to penicillin"),
            ),
            (json!("Plan covers 80%(dental) only"), json!("Plan covers 80%(dental) only")),
            (json!("Pays $5 or ${10}"), json!("Pays $5 or ${10}")),
            (json!("%(x)s and so on"), json!("%(x)s and so on")),
            (json!("{{notes}}"), Value::Null),
            (json!("${a} - %(b)s."), Value::Null),
            (json!("{{{notes}}}"), Value::Null),
            (json!(false), Value::Null),
            (json!([]), Value::Null),
        ] {
            let data = json!({"dentist": "Dr. Smith", "date": "2025-10-25", "time": "10:00", "patient_name": "John", "service": said, "notes": said});
            let read = serde_json::to_value(read(&data).unwrap()).unwrap();
            assert_eq!((&read["service"], &read["notes"]), (&kept, &kept), "{said}");
        }
        let list = json!({"dentist": "Dr. Smith", "date": "2025-10-25", "time": "10:00", "patient_name": "John", "service": ["Cleaning"]});
        assert_eq!(read(&list).unwrap_err().problems[0].problem, "has the wrong type");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let rejection = read(&json!({"dentist": "", "date": "02/31/2027", "time": "25:00", "notes": "x".repeat(2001)}))
            .unwrap_err();
        let fields: Vec<_> = rejection.problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["dentist", "date", "time", "patient_name", "notes"]);
        assert!(rejection.problems.iter().all(|p| !p.problem.is_empty() && !p.remedy.is_empty()));
    }
}
