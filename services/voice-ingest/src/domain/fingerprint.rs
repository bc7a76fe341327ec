//! Tells whether two extractions say the same: a hash of the kind and the normal form.
//!
//! Promises: letter case of names and e-mail addresses makes no difference, nor does a phone's punctuation; no two
//! different contents have one input to the hash. The first byte is the version of this rule, since fingerprints are stored.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Booking, Extraction, PatientCreation};

const VERSION: u8 = 1;

pub(super) fn of(extraction: &Extraction) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    add(&mut hash, Some(extraction.kind().as_str()));
    match extraction {
        Extraction::Patient(PatientCreation { name, email, phone, phone_e164, date_of_birth }) => {
            add(&mut hash, Some(&folded(name)));
            add(&mut hash, email.as_deref().map(folded).as_deref());
            let said = phone.as_deref().map(digits);
            add(&mut hash, phone_e164.as_deref().or(said.as_deref()));
            add(&mut hash, date_of_birth.map(|date| date.to_string()).as_deref());
        }
        Extraction::Booking(Booking { dentist, date, time, patient_name, service, notes }) => {
            add(&mut hash, Some(&folded(dentist)));
            add(&mut hash, Some(&date.to_string()));
            add(&mut hash, Some(&time.format("%H:%M").to_string()));
            add(&mut hash, Some(&folded(patient_name)));
            add(&mut hash, service.as_deref().map(folded).as_deref());
            add(&mut hash, notes.as_deref());
        }
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A length before each value, so that no value can look like two.
fn add(hash: &mut Sha256, value: Option<&str>) {
    match value {
        None => hash.update([0]),
        Some(value) => {
            hash.update([1]);
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value);
        }
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// What is left of a number without E.164: its digits and whatever words were said with them.
fn digits(said: &str) -> String {
    said.chars().filter(|c| c.is_alphanumeric() || *c == '+').collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::super::{DateOrder, Kind, Region, Rules, validate};

    fn print(kind: Kind, json: &str) -> String {
        let today = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let rules = Rules { region: Region::default(), date_order: DateOrder::MonthFirst, today };
        validate(kind, json, &rules).unwrap().fingerprint()
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        let patient = |json: &str| print(Kind::PatientCreation, json);
        let one = patient(
            r#"{"name": "Zoë Krüger", "email": "zoe@example.com", "phone": "212-555-0142", "date_of_birth": "01/15/1985"}"#,
        );
        let two = patient(
            r#"{"phone": "+1 (212) 555 0142", "name": "ZOË  KRÜGER", "email": "Zoe@Example.com ", "date_of_birth": "1985-01-15", "x": 1}"#,
        );
        assert_eq!(one, two);
        assert_eq!(one.len(), 64);
        assert_eq!(patient(r#"{"name": "A", "phone": "555-1234"}"#), patient(r#"{"name": "a", "phone": "555 1234"}"#));

        let booking = |date: &str, time: &str| {
            print(
                Kind::BookingConfirmation,
                &format!(r#"{{"dentist": "Dr. Smith", "date": "{date}", "time": "{time}", "patient_name": "John"}}"#),
            )
        };
        assert_eq!(booking("2027-01-15", "14:30"), booking("01/15/2027", "2:30 PM"));
        assert_ne!(booking("2027-01-15", "14:30"), booking("2027-01-15", "14:45"));
    }

    #[test]
    fn another_content_or_place_is_another() {
        let patient = |json: &str| print(Kind::PatientCreation, json);
        let prints = [
            patient(r#"{"name": "Ann"}"#),
            patient(r#"{"name": "Anna"}"#),
            patient(r#"{"name": "Ann", "email": "ann@example.com"}"#),
            patient(r#"{"name": "Ann", "phone": "555-1234"}"#),
            patient(r#"{"name": "Ann", "phone": "555-1235"}"#),
            patient(r#"{"name": "Ann", "date_of_birth": "1985-01-15"}"#),
        ];
        let distinct: std::collections::HashSet<_> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
    }

    #[test]
    fn a_stored_fingerprint_stays_valid() {
        assert_eq!(
            print(Kind::PatientCreation, r#"{"name": "Ann"}"#),
            "c430f7ad431f40ce822238631bb34c785a1f67c9a15f1d0f640cb501beb4ffac"
        );
    }
}
