//! What the record knows of patients and appointments, and the rules by which what a caller said becomes part of it. No
//! database, no Kafka.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A patient as the API shows one.
#[derive(Debug, Clone, Serialize)]
pub struct Patient {
    pub id: i64,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub date_of_birth: Option<NaiveDate>,
    pub last_contact_at: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// The fields that are in the row and that nobody can read, such as a day without an end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// An appointment as the API shows one.
#[derive(Debug, Clone, Serialize)]
pub struct Appointment {
    pub id: i64,
    pub patient_id: Option<i64>,
    pub patient_name: String,
    pub dentist: String,
    pub date: Option<NaiveDate>,
    pub time: Option<NaiveTime>,
    pub starts_at: Option<DateTime<Utc>>,
    pub service: Option<String>,
    pub notes: Option<String>,
    pub status: String,
    pub reason: Option<String>,
    pub call_id: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// The fields that are in the row and that nobody can read, such as a day without an end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// Why a booking is held for a person to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewReason {
    /// Somebody else has the slot.
    SlotTaken,
    /// Nobody, or more than one, is known by that name.
    UnknownPatient,
}

impl ReviewReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlotTaken => "slot_taken",
            Self::UnknownPatient => "unknown_patient",
        }
    }
}

/// What two callers who give the same contact must not do at the same time, lest one patient becomes two. Sorted, so that
/// two who share both never wait for each other.
pub fn contact_locks(email: Option<&str>, phones: [Option<&str>; 2], name: &str) -> Vec<String> {
    let email = email.map(|address| format!("email {}", address.to_lowercase()));
    let phones = phones.into_iter().flatten().map(|number| format!("phone {number}"));
    let mut locks: Vec<String> = email.into_iter().chain(phones).collect();
    if locks.is_empty() {
        locks.push(format!("name {}", name.to_lowercase()));
    }
    locks.sort();
    locks.dedup();
    locks
}

/// Picks the patient that a booking is for: of those that the same call spoke of, the one of that name, or the only one
/// where the booking names a part of his name; else the only one in the record who has that name.
pub fn patient_of_booking(named: &str, of_call: &[(i64, String)], of_name: &[i64]) -> Option<i64> {
    let named = plain(named);
    if let Some((id, _)) = of_call.iter().find(|(_, name)| plain(name) == named) {
        return Some(*id);
    }
    match (of_call, of_name) {
        ([(id, name)], _) if is_part_of(&named, &plain(name)) => Some(*id),
        (_, [id]) => Some(*id),
        _ => None,
    }
}

/// Whether every word of `part` is a word of `whole`: a caller books as "John" and was registered as "John Doe".
fn is_part_of(part: &str, whole: &str) -> bool {
    let words: Vec<&str> = whole.split_whitespace().collect();
    part.split_whitespace().all(|word| words.contains(&word))
}

/// A name without case and accents: within one call the AI writes "François" once and "Francois" the next time.
fn plain(name: &str) -> String {
    let letters = name.nfd().filter(|letter| !is_combining_mark(*letter));
    let folded: String = letters
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            // Letters that Unicode does not take apart.
            'ø' => 'o',
            'ł' => 'l',
            'đ' => 'd',
            other => other,
        })
        .collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_share_a_contact_lock_the_same_in_the_same_order() {
        let one = contact_locks(Some("A@x.org"), [Some("1"), Some("+1")], "n");
        let other = contact_locks(Some("a@X.org"), [Some("+1"), Some("1")], "m");
        assert_eq!(one, other);
        assert_eq!(contact_locks(None, [None, None], "Zoë"), ["name zoë"]);
    }

    #[test]
    fn a_booking_finds_its_patient() {
        let call = [(1, "John Doe".to_owned())];
        let pair = [(1, "John Doe".to_owned()), (2, "Jane Doe".to_owned())];
        assert_eq!(patient_of_booking("john doe", &call, &[]), Some(1));
        assert_eq!(patient_of_booking("John", &call, &[]), Some(1));
        assert_eq!(patient_of_booking("Francois Lefevre", &[(3, "François Lefèvre".to_owned())], &[]), Some(3));
        assert_eq!(patient_of_booking("Soren Odegard", &[(4, "Søren Ødegård".to_owned())], &[]), Some(4));
        assert_eq!(patient_of_booking("Jane Doe", &pair, &[]), Some(2));
        assert_eq!(patient_of_booking("Mary Major", &call, &[]), None, "a call for somebody else");
        assert_eq!(patient_of_booking("Mary Major", &call, &[7]), Some(7));
        assert_eq!(patient_of_booking("Mary Major", &[], &[7, 8]), None, "two of that name");
    }
}
