//! A patient as the AI took the data down, in normal form.
//!
//! Owns which fields a `PATIENT_CREATION` has and what is possible in them. Whether this is a new patient or a known one
//! is decided where the patients are.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Rules, date, email,
    fields::{Fields, Rejection},
    name::name,
    phone,
    placeholder::{Of, is_no_number},
};

/// A patient to register or to update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientCreation {
    /// On one line, 1 to 200 characters.
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
    /// Reads the data of a `PATIENT_CREATION`. A number that comes with its E.164 has been read by who knows its country.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn read(data: &Value, rules: &Rules) -> Result<Self, Rejection> {
        let mut fields = Fields::of(data)?;
        let name = fields.required("name", Of::Name, name);
        let email = fields.optional("email", Of::Address, email::email);
        let said = fields.optional_digits("phone", Of::Phone, phone::said).filter(|number| !is_no_number(number));
        let read = data.get("phone_e164").and_then(Value::as_str).and_then(phone::read_e164);
        let date_of_birth =
            fields.optional("date_of_birth", Of::Birth, |text| date::birth(text, rules.date_order, rules.today));
        let phone = said.or_else(|| read.clone());
        let phone_e164 = read.or_else(|| phone::e164(phone.as_deref()?, rules.region));
        fields.finish(name.map(|name| Self { name, email, phone, phone_e164, date_of_birth }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::DateOrder;

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
            ("5 days ago", "is no date in a known form"),
        ] {
            assert_eq!(born(date).unwrap_err().problems[0].problem, problem);
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let seen = problems(json!({"email": "john@", "phone": "12", "date_of_birth": "13/13/1990"}));
        let fields: Vec<_> = seen.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["name", "email", "phone", "date_of_birth"]);
    }

    #[test]
    fn what_was_not_said_costs_no_patient_but_his_name() {
        let data = json!({"name": "Ann", "email": "N/A", "phone": "not provided", "date_of_birth": "unknown"});
        let patient = PatientCreation::read(&data, &rules()).unwrap();
        assert_eq!(serde_json::to_value(patient).unwrap(), json!({"name": "Ann"}));
        let fake = json!({"name": "Ann", "email": "none@none.com", "phone": "000-000-0000"});
        assert_eq!(
            serde_json::to_value(PatientCreation::read(&fake, &rules()).unwrap()).unwrap(),
            json!({"name": "Ann"})
        );
        for (field, words) in [
            (
                "email",
                &[
                    json!("declined"),
                    json!("no email provided"),
                    json!("does not have one"),
                    json!("Doesn't have one at the moment."),
                    json!("none on file"),
                    json!("no tiene"),
                    json!("aucun"),
                    json!("なし"),
                    json!("无"),
                    json!("john"),
                    json!("false"),
                    json!(false),
                    json!([]),
                    json!({}),
                    json!("[]"),
                    json!("none@none"),
                    json!("n/a@n/a.com"),
                    json!("<none@none.com>"),
                ][..],
            ),
            ("phone", &[json!("same number"), json!("caller ID"), json!("kein Telefon"), json!("pas de téléphone")]),
            (
                "date_of_birth",
                &[json!("not sure"), json!("soon"), json!("1985-01-XX"), json!("??/??/1985"), json!("TT.MM.1985")],
            ),
        ] {
            for word in words {
                let read = PatientCreation::read(&json!({"name": "Ann", field: word}), &rules());
                assert_eq!(serde_json::to_value(read.unwrap()).unwrap(), json!({"name": "Ann"}), "{field} {word}");
            }
        }
        for (field, wrong) in [
            (
                "email",
                &[
                    "john at example dot org",
                    "john (at) example",
                    "juan arroba example",
                    "john.example",
                    "john@",
                    "john5",
                    "john example dot org",
                ][..],
            ),
            ("phone", &["12", "+1XXXXXXXXXX", "٢١٢٥٥٥٠١٤٢", "john@example.org"]),
            ("date_of_birth", &["infinity", "-infinity", "about 1985", "1985-01", "1985-13-XX-01", "1985-Jan-15"]),
        ] {
            for wrong in wrong {
                assert_eq!(problems(json!({"name": "Ann", field: wrong}))[0].0, field, "{wrong}");
            }
        }
        for name in ["unknown", "N/A", "<full name>", "{{name}}", "-"] {
            assert!(problems(json!({"name": name}))[0].1.starts_with("was not said"), "{name}");
        }
    }

    #[test]
    fn a_number_that_was_read_already_keeps_its_reading() {
        let read = |data: Value| {
            let patient = PatientCreation::read(&data, &rules()).unwrap();
            (patient.phone, patient.phone_e164)
        };
        let (berlin, number) = ("030 23125123".to_owned(), "+493023125123".to_owned());
        let both = json!({"name": "Ann", "phone": berlin, "phone_e164": number});
        assert_eq!(read(both), (Some(berlin), Some(number.clone())));
        assert_eq!(read(json!({"name": "Ann", "phone_e164": number})), (Some(number.clone()), Some(number)));
        let wrong = json!({"name": "Ann", "phone": "212-555-0142", "phone_e164": "212"});
        assert_eq!(read(wrong), (Some("212-555-0142".to_owned()), Some("+12125550142".to_owned())));
    }
}
