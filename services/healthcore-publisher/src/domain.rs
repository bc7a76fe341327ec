//! What the record knows of patients and appointments, and the rules by which what a caller said becomes part of it. No
//! database, no Kafka.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use crate::given_names::{Agreement, Name};

/// A patient as the API shows one.
#[derive(Debug, Clone, Serialize)]
pub struct Patient {
    pub id: i64,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub date_of_birth: Option<NaiveDate>,
    pub last_contact_at: Option<DateTime<Utc>>,
    /// Whom of the record it may be; only a person can tell.
    pub possible_duplicate_of: Option<i64>,
    /// Why: `other_given_name`, `other_family_name`, `other_title`, `other_birth_date`, `name_in_part`.
    pub doubt: Option<String>,
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
    /// Clocks go forward over that local time.
    TimeDoesNotExist,
    /// Clocks go back over that local time.
    TimeExistsTwice,
}

impl ReviewReason {
    pub const ALL: [Self; 4] = [Self::SlotTaken, Self::UnknownPatient, Self::TimeDoesNotExist, Self::TimeExistsTwice];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlotTaken => "slot_taken",
            Self::UnknownPatient => "unknown_patient",
            Self::TimeDoesNotExist => "time_does_not_exist",
            Self::TimeExistsTwice => "time_exists_twice",
        }
    }

    /// Whether a booking is held for one of these, and not because a person wants it so.
    pub fn is_ours(reason: &str) -> bool {
        Self::ALL.iter().any(|ours| ours.as_str() == reason)
    }

    /// What `local_time_problem` of the database says.
    pub fn of_time(problem: Option<&str>) -> Option<Self> {
        problem.map(|problem| match problem {
            "time_exists_twice" => Self::TimeExistsTwice,
            _ => Self::TimeDoesNotExist,
        })
    }
}

/// Why an appointment was called off by what was said later.
pub mod called_off {
    /// Another booking of the same call has taken its place.
    pub const MOVED: &str = "moved";
    /// The patient turned out to have the slot already.
    pub const ALREADY_BOOKED: &str = "already_booked";
}

/// A booking of a call, as far as it matters whether a later one moves it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub patient_id: Option<i64>,
    pub patient_name: &'a str,
    pub service: Option<&'a str>,
}

/// Whether two bookings of a call are for one person: where a patient is not known, as far as the names tell.
pub fn is_same_person(one: Wanted<'_>, other: Wanted<'_>) -> bool {
    match (one.patient_id, other.patient_id) {
        (Some(one), Some(other)) => one == other,
        _ => plain(one.patient_name) == plain(other.patient_name),
    }
}

/// Whether a caller who wants `now` has moved what he wanted `before` in the same call: the same person, and the same service
/// where both name one, else the same dentist. Two services are two appointments.
pub fn is_moved(before: Wanted<'_>, now: Wanted<'_>, same_dentist: bool) -> bool {
    is_same_person(before, now)
        && match (before.service, now.service) {
            (Some(before), Some(now)) => plain(before) == plain(now),
            _ => same_dentist,
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

/// As many of one name are looked at; where there are more, the name tells nobody.
pub const OF_ONE_NAME: usize = 50;

/// Picks the patient that a booking is for: of those that the same call spoke of, the one of that name, or the only one
/// where the booking names a part of his name ("John" for "John Doe"); else the only one in the record who has that name. Two of
/// the call whom it fits are nobody. Whose title contradicts the booking's ("Mrs." for "Mr.", "Sr." for "Jr.") is nobody whom it
/// is for.
pub fn patient_of_booking(named: &str, of_call: &[(i64, String)], of_name: &[(i64, String)]) -> Option<i64> {
    let exact: Vec<i64> =
        of_call.iter().filter(|(_, name)| in_order(name) == in_order(named)).map(|(id, _)| *id).collect();
    if let [first, others @ ..] = &exact[..] {
        return others.is_empty().then_some(*first);
    }
    let named = Name::of(named);
    let agreeing = |enough: &[Agreement]| -> Vec<i64> {
        let agrees = |name: &str| enough.contains(&named.agrees_with(&Name::of(name), true));
        of_call.iter().filter(|(_, name)| agrees(name)).map(|(id, _)| *id).collect()
    };
    let of_name: Vec<i64> =
        of_name.iter().filter(|(_, name)| !named.contradicts(&Name::of(name))).map(|(id, _)| *id).collect();
    match (
        &agreeing(&[Agreement::Whole])[..],
        &agreeing(&[Agreement::Whole, Agreement::InPart, Agreement::Surname])[..],
        &of_name[..],
    ) {
        ([id], _, _) | ([], [id], _) | ([], [], [id]) => Some(*id),
        _ => None,
    }
}

/// The same, "Doe, John" as "John Doe".
fn in_order(name: &str) -> String {
    plain(&name.split_once(',').map_or_else(|| name.to_owned(), |(family, given)| format!("{given} {family}")))
}

/// A name without case and accents: within one call the AI writes "François" once and "Francois" the next time.
pub fn plain(name: &str) -> String {
    // Marks that are letters stay: vowels of India, the voiced kana.
    let is_accent = |letter: char| matches!(letter, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}');
    let letters = name.nfd().filter(|letter| !is_accent(*letter));
    let folded: String = letters
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            // Letters that Unicode does not take apart.
            'ø' => 'o',
            'ł' => 'l',
            'đ' | 'ð' => 'd',
            'ı' => 'i',
            // At the end of a word, where capitals have no other.
            'ς' => 'σ',
            other => other,
        })
        .nfc()
        .collect();
    let folded = folded.replace('ß', "ss").replace('æ', "ae").replace('œ', "oe");
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
    fn a_booking_moves_another_of_the_same_person_and_matter() {
        let wanted = |patient_id, patient_name, service| Wanted { patient_id, patient_name, service };
        let ada = |service| wanted(Some(1), "Ada", service);
        assert!(is_moved(ada(None), ada(None), true));
        assert!(is_moved(ada(Some("Cleaning")), ada(Some("cleaning")), false), "another dentist for it");
        assert!(is_moved(ada(None), ada(Some("Cleaning")), true), "it was not said before");
        assert!(is_moved(wanted(None, "Zo\u{eb} Roe", None), wanted(Some(1), "zoe roe", None), true));
        assert!(!is_moved(ada(Some("Cleaning")), ada(Some("Filling")), true), "two visits");
        assert!(!is_moved(ada(None), ada(None), false));
        assert!(!is_moved(ada(None), wanted(Some(2), "Ada", None), true), "a child of the caller");
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
        assert_eq!(patient_of_booking("Jane", &pair, &[]), Some(2));
        assert_eq!(patient_of_booking("Doe, Jane", &pair, &[]), Some(2));
        assert_eq!(patient_of_booking("J. Doe", &pair, &[]), None, "either");
        for other in ["john doe", "Doe, John"] {
            let namesakes = [(1, "John Doe".to_owned()), (2, other.to_owned())];
            assert_eq!(patient_of_booking("John Doe", &namesakes, &[]), None, "{other}");
            assert_eq!(patient_of_booking("John", &namesakes, &[]), None, "{other}");
        }
        assert_eq!(patient_of_booking("J. Doe", &call, &[]), Some(1));
        assert_eq!(patient_of_booking("John Roe", &call, &[]), None, "another surname");
        assert_eq!(patient_of_booking("Mary Major", &call, &[]), None, "a call for somebody else");
        let mary = |id| (id, "Mary Major".to_owned());
        assert_eq!(patient_of_booking("Mary Major", &call, &[mary(7)]), Some(7));
        assert_eq!(patient_of_booking("Mary Major", &[], &[mary(7), mary(8)]), None, "two of that name");
    }

    #[test]
    fn a_title_that_contradicts_is_another_persons() {
        for (recorded, named) in [
            ("Mrs. Roe", "Mr. Roe"),
            ("Miss Roe", "Sir Roe"),
            ("Mr. Sam Roe", "Ms. Sam Roe"),
            ("Herr Roe", "Frau Roe"),
            ("Herr Roe", "Fr\u{e4}ulein Roe"),
            ("M. Roe", "Mme Roe"),
            ("Monsieur Roe", "Mlle Roe"),
            ("Se\u{f1}or Roe", "Sra. Roe"),
            ("Sr. Roe", "Se\u{f1}ora Roe"),
            ("Signor Roe", "Signora Roe"),
            ("Dhr. Roe", "Mevr. Roe"),
            ("Hr. Roe", "Fru Roe"),
            ("Hr. Roe", "Fr. Roe"),
            ("\u{738b}\u{5148}\u{751f}", "\u{738b}\u{5973}\u{58eb}"),
            ("Roe, Mr. Sam", "Mrs. Sam Roe"),
            ("Dr. Mr. Roe", "Dr. Mrs. Roe"),
            ("Sam Roe Sr.", "Sam Roe Jr."),
            ("Sam Roe II", "Sam Roe III"),
            ("Sam Roe p\u{e8}re", "Sam Roe fils"),
            ("Sam Roe Filho", "Sam Roe Neto"),
        ] {
            let recorded = [(1, recorded.to_owned())];
            for (of_call, of_name) in [(&recorded[..], &recorded[..]), (&recorded, &[]), (&[], &recorded)] {
                assert_eq!(patient_of_booking(named, of_call, of_name), None, "{recorded:?} {named}");
            }
        }
        let both = [(1, "Mrs. Roe".to_owned()), (2, "Mr. Roe".to_owned())];
        assert_eq!(patient_of_booking("MR ROE", &[], &both), Some(2));
        assert_eq!(patient_of_booking("Mister Roe", &both, &[]), Some(2));
        assert_eq!(patient_of_booking("Roe", &both, &both), None, "either");
        for (recorded, named) in
            [("Sam Roe", "Mr. Sam Roe"), ("Mrs. Roe", "Roe"), ("Sam Roe Jr.", "Sam Roe"), ("Dr. Roe", "Mr. Roe")]
        {
            assert_eq!(patient_of_booking(named, &[(1, recorded.to_owned())], &[]), Some(1), "{recorded} {named}");
        }
    }

    #[test]
    fn letters_that_are_one_are_written_alike() {
        assert_eq!(
            plain("\u{39a}\u{3a9}\u{3a3}\u{3a4}\u{391}\u{3a3}"),
            plain("\u{39a}\u{3ce}\u{3c3}\u{3c4}\u{3b1}\u{3c2}")
        );
        assert_ne!(plain("\u{938}\u{940}\u{92e}\u{93e}"), plain("\u{938}\u{94b}\u{92e}\u{93e}"));
    }
}
