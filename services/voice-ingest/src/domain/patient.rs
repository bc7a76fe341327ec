//! A patient as the AI took the data down, in normal form.
//!
//! Owns which fields a `PATIENT_CREATION` has and what is possible in them. Whether this is a new patient or a known one
//! is decided where the patients are.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Rules,
    calendar::{self, DateOrder},
    email,
    fields::{self, Fields, Rejection, Wrong},
    phone,
};

/// A patient to register or to update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientCreation {
    /// In Unicode NFC, on one line, 1 to 200 characters.
    pub name: String,
    /// With the domain in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The same number as `+` and digits, where it has one reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_e164: Option<String>,
    /// Between 1900 and today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
}

impl PatientCreation {
    /// Checks the data of a `PATIENT_CREATION`.
    pub fn read(data: &Value, rules: &Rules) -> Result<Self, Rejection> {
        let mut fields = Fields::of(data)?;
        let name = fields.required("name", fields::name);
        let email = fields.optional("email", email::email);
        let phone = fields.optional_digits("phone", phone::said);
        let date_of_birth = fields.optional("date_of_birth", |text| birth(text, rules.date_order, rules.today));
        let phone_e164 = phone.as_deref().and_then(|said| phone::e164(said, rules.region));
        fields.finish(name.map(|name| Self { name, email, phone, phone_e164, date_of_birth }))
    }
}

fn birth(text: &str, order: DateOrder, today: NaiveDate) -> Result<NaiveDate, Wrong> {
    let date = calendar::date(text, order)?;
    if date > today {
        return Err(Wrong("is in the future", "ask for the right date of birth"));
    }
    if NaiveDate::from_ymd_opt(1900, 1, 1).is_some_and(|earliest| date < earliest) {
        return Err(Wrong("is before 1900", "ask for the right date of birth"));
    }
    Ok(date)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        let today = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        Rules { region: "US".parse().unwrap(), date_order: DateOrder::MonthFirst, today }
    }

    fn problems(data: Value) -> Vec<(String, String)> {
        let rejection = PatientCreation::read(&data, &rules()).unwrap_err();
        rejection.problems.into_iter().map(|p| (p.field, p.problem)).collect()
    }

    #[test]
    fn the_familiar_payload_is_read() {
        let data =
            json!({"name": "John", "email": "john@email.com", "phone": "555-1234", "date_of_birth": "01/15/1985"});
        let expected = PatientCreation {
            name: "John".to_owned(),
            email: Some("john@email.com".to_owned()),
            phone: Some("555-1234".to_owned()),
            phone_e164: None,
            date_of_birth: NaiveDate::from_ymd_opt(1985, 1, 15),
        };
        assert_eq!(PatientCreation::read(&data, &rules()), Ok(expected));
    }

    #[test]
    fn only_the_name_is_needed_and_other_keys_do_no_harm() {
        let data = json!({"name": " Zoë   Krüger ", "email": "", "phone": null, "date_of_birth": " ", "mood": {"happy": true}});
        let patient = PatientCreation::read(&data, &rules()).unwrap();
        assert_eq!(serde_json::to_value(&patient).unwrap(), json!({"name": "Zoë Krüger"}));
    }

    #[test]
    fn digits_of_a_phone_may_come_as_a_number() {
        let patient = PatientCreation::read(&json!({"name": "Ann", "phone": 2_125_550_142_u64}), &rules()).unwrap();
        assert_eq!(
            (patient.phone.as_deref(), patient.phone_e164.as_deref()),
            (Some("2125550142"), Some("+12125550142"))
        );
        assert_eq!(problems(json!({"name": 7, "phone": 1.5}))[0].0, "name");
    }

    #[test]
    fn nobody_is_born_tomorrow_nor_before_1900() {
        let born = |date: &str| PatientCreation::read(&json!({"name": "Ann", "date_of_birth": date}), &rules());
        assert!(born("2026-12-01").is_ok() && born("01/01/1900").is_ok());
        for (date, problem) in [
            ("2026-12-02", "is in the future"),
            ("12/31/1899", "is before 1900"),
            ("02/31/1990", "is no day of the calendar"),
            ("soon", "is no date in a known form"),
        ] {
            assert_eq!(born(date).unwrap_err().problems[0].problem, problem);
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let seen = problems(json!({"email": "john", "phone": "none", "date_of_birth": "13/13/1990"}));
        let fields: Vec<_> = seen.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["name", "email", "phone", "date_of_birth"]);
    }
}
