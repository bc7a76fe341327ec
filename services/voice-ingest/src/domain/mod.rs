//! What a voice AI says between its words, as typed facts: the markers in its text, read, checked, in normal form.
//!
//! Owns the road from text to [`Extraction`]: [`scanner`] finds, [`validate`] checks by the [`forms`] that every way in has,
//! [`Extraction::fingerprint`] tells what was said twice. Everything here is pure: today's date and the region come in as
//! [`Rules`]. It knows nothing of HTTP, Kafka or the database, and no message that it makes contains a caller's data.

mod fingerprint;
mod rejection;
pub mod scanner;

#[cfg(test)]
mod demo_day;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use forms::{
    Booking, DateOrder, FieldProblem, PatientCreation, Practice, Region, Rejection, RejectionCategory, Rules,
};
pub use scanner::{Broken, BrokenReason, Found, Repair, Scanner};

/// What a marker announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `PATIENT_CREATION`
    #[serde(rename = "PATIENT_CREATION")]
    PatientCreation,
    /// `BOOKING_CONFIRMATION`
    #[serde(rename = "BOOKING_CONFIRMATION")]
    BookingConfirmation,
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::PatientCreation, Self::BookingConfirmation];

    /// The marker's word, which is also the `response_type` of the direct interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PatientCreation => "PATIENT_CREATION",
            Self::BookingConfirmation => "BOOKING_CONFIRMATION",
        }
    }

    /// The fields of its data.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::PatientCreation => &["name", "email", "phone", "date_of_birth"],
            Self::BookingConfirmation => &["dentist", "date", "time", "patient_name", "service", "notes"],
        }
    }

    /// The kind with this marker word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fact in normal form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Extraction {
    /// A patient to register or to update.
    Patient(PatientCreation),
    /// An appointment that the caller was told is booked.
    Booking(Booking),
}

impl Extraction {
    /// The kind of marker that this came from.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Patient(_) => Kind::PatientCreation,
            Self::Booking(_) => Kind::BookingConfirmation,
        }
    }

    /// 64 hex digits that are equal when the same was said again. Letter case of names and e-mail, the phone's
    /// punctuation and the forms of date and time make no difference.
    pub fn fingerprint(&self) -> String {
        fingerprint::of(self)
    }
}

/// Checks the JSON text that the scanner found.
pub fn validate(kind: Kind, json: &str, rules: &Rules) -> Result<Extraction, Rejection> {
    let data: Value = serde_json::from_str(json).map_err(|error| rejection::not_json(&error))?;
    validate_value(kind, &data, rules)
}

/// Checks data that arrived as JSON already.
pub fn validate_value(kind: Kind, data: &Value, rules: &Rules) -> Result<Extraction, Rejection> {
    match kind {
        Kind::PatientCreation => PatientCreation::read(data, rules).map(Extraction::Patient),
        Kind::BookingConfirmation => Booking::read(data, rules).map(Extraction::Booking),
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn an_extraction_is_stored_and_read_back_as_the_kind_that_it_was() {
        let rules = Rules {
            region: Region::default(),
            date_order: DateOrder::default(),
            today: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
        };
        for (kind, json) in [
            (Kind::PatientCreation, r#"{"name": "Ann Poe"}"#),
            (
                Kind::BookingConfirmation,
                r#"{"dentist": "Dr. Smith", "date": "2025-10-25", "time": "10:00", "patient_name": "John"}"#,
            ),
        ] {
            let extraction = validate(kind, json, &rules).unwrap();
            assert_eq!(extraction.kind(), kind);
            let stored = serde_json::to_string(&extraction).unwrap();
            assert_eq!(serde_json::from_str::<Extraction>(&stored).unwrap(), extraction);
            assert_eq!(validate(kind, &stored, &rules).unwrap(), extraction, "the normal form is its own normal form");
        }
    }

    #[test]
    fn a_kind_is_known_by_its_word_in_every_interface() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
        }
        assert_eq!(Kind::from_word("patient_creation"), None);
    }
}
