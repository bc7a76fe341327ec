//! Whether a caller is somebody whom the record knows. One record of two people is worse than two records of one person: in
//! doubt there are two, and the later one says whom it may be. No database.

use chrono::{Datelike, NaiveDate};
use events::contract::schema::voice::PatientCreationV1;

use crate::{
    domain::plain,
    given_names::{Agreement, Name},
};

/// A patient whom the caller could be: one with the same address or number, or of the same call.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: i64,
    pub name: String,
    pub date_of_birth: Option<NaiveDate>,
    pub same_contact: bool,
    /// How many of address and number are the same.
    pub contacts: i32,
    pub same_call: bool,
    /// He is one of whom too little was said to know whether he is another.
    pub said_too_little: bool,
}

/// Whom the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    Known(i64),
    New(Option<Doubt>),
}

/// A new patient who may be one that the record knows; a person has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    pub of: i64,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Contact and birth date are the same, and the given names differ: twins, or a name that was misheard.
    OtherGivenName,
    /// The name is the same with the contact or in the call, and the birth dates differ: father and son, or a misheard date.
    OtherBirthDate,
    /// What is known of both names fits, and is too little: an initial, a new surname where no birth date tells.
    NameInPart,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherGivenName => "other_given_name",
            Self::OtherBirthDate => "other_birth_date",
            Self::NameInPart => "name_in_part",
        }
    }
}

/// People of one name in one family are further apart than this, in years: nobody is a parent before.
const GENERATION: i32 = 12;

enum Verdict {
    /// The better, the higher.
    Same(u8),
    Perhaps(Why),
    Other,
}

/// Finds the caller among those whom he could be.
pub fn identify(said: &PatientCreationV1, known: &[Known]) -> Identity {
    let name = Name::of(&said.name);
    let mut best: Option<(Fit, &Known)> = None;
    let mut rivals = false;
    let mut doubt = None;
    for one in known {
        match compare(&name, said.date_of_birth, one) {
            Verdict::Same(rank) => {
                let fit = fit(rank, said, one);
                match best {
                    Some((other, _)) if other > fit => {}
                    Some((other, _)) if other == fit => rivals = true,
                    _ => (best, rivals) = (Some((fit, one)), false),
                }
            }
            Verdict::Perhaps(why) => doubt = doubt.or(Some(Doubt { of: one.id, why })),
            Verdict::Other => {}
        }
    }
    match best {
        // What two people have in common tells neither.
        Some((_, one)) if rivals => Identity::New(Some(Doubt { of: one.id, why: Why::NameInPart })),
        Some((_, one)) => Identity::Known(one.id),
        None => Identity::New(doubt),
    }
}

/// How well somebody fits, the better the higher: by the name, the birth date, how much of the contact is his, whether the call
/// spoke of him; last, of whom no more is known than was said now is taken before those whom he could be.
type Fit = (u8, bool, i32, bool, bool);

fn fit(rank: u8, said: &PatientCreationV1, known: &Known) -> Fit {
    // An initial that is two people's tells neither, whatever else is theirs.
    if rank == IN_PART {
        return (rank, false, 0, false, false);
    }
    let is_born_then = said.date_of_birth.is_some() && said.date_of_birth == known.date_of_birth;
    (rank, is_born_then, known.contacts, known.same_call, known.said_too_little && known.date_of_birth.is_none())
}

const IN_PART: u8 = 1;
const GIVEN: u8 = 2;
const WHOLE: u8 = 3;

fn compare(name: &Name, born: Option<NaiveDate>, known: &Known) -> Verdict {
    let theirs = Name::of(&known.name);
    let agreement = name.agrees_with(&theirs);
    match (born, known.date_of_birth) {
        (Some(born), Some(other)) if born == other => {
            // A surname may be new.
            match agreement {
                Agreement::Whole => Verdict::Same(WHOLE),
                Agreement::Given => Verdict::Same(GIVEN),
                Agreement::InPart | Agreement::Surname => Verdict::Same(IN_PART),
                Agreement::None => Verdict::Perhaps(Why::OtherGivenName),
            }
        }
        (Some(born), Some(other)) => match agreement {
            // One who corrects a misheard date, for no two of that name are so near in age.
            Agreement::Whole if known.same_call && (born.year() - other.year()).abs() < GENERATION => {
                Verdict::Same(WHOLE)
            }
            Agreement::Whole => Verdict::Perhaps(Why::OtherBirthDate),
            _ => Verdict::Other,
        },
        // Nothing but the name tells.
        _ => match agreement {
            Agreement::Whole if name.is_of_another_generation(&theirs) => Verdict::Perhaps(Why::NameInPart),
            Agreement::Whole => Verdict::Same(WHOLE),
            // One who says the rest of his name, or it once more.
            Agreement::InPart if known.same_call => Verdict::Same(IN_PART),
            Agreement::Given if known.same_call && known.same_contact => Verdict::Same(IN_PART),
            Agreement::Given | Agreement::InPart | Agreement::Surname if known.same_contact => {
                Verdict::Perhaps(Why::NameInPart)
            }
            _ => Verdict::Other,
        },
    }
}

/// The name that a known patient has from now on; none where the record has more of it, such as the given name of which only
/// an initial was said.
pub fn name_to_keep<'a>(said: &'a str, recorded: &str) -> Option<&'a str> {
    let (new, old) = (Name::of(said), Name::of(recorded));
    let says_less = new.agrees_with(&old) != Agreement::None && new.is_part_of(&old);
    (!says_less || plain(said) == plain(recorded)).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, born: Option<&str>) -> PatientCreationV1 {
        PatientCreationV1 {
            call_id: "call".into(),
            name: name.into(),
            email: None,
            phone: None,
            phone_e164: None,
            date_of_birth: born.map(|day| day.parse().unwrap()),
            extraction_id: "x".into(),
        }
    }

    fn known(id: i64, name: &str, born: Option<&str>) -> Known {
        let date_of_birth = born.map(|day| day.parse().unwrap());
        let name = name.into();
        Known { id, name, date_of_birth, same_contact: true, contacts: 1, same_call: false, said_too_little: false }
    }

    const BORN: Option<&str> = Some("2015-05-05");

    #[test]
    fn with_contact_and_birth_date_one_person_stays_one_however_the_name_is_said() {
        for (recorded, now) in [
            ("Ada Byron", "Ada Lovelace"),
            ("Ada Byron", "Ada King-Lovelace"),
            ("Ada Byron", "Byron, Ada"),
            ("Ada Byron", "BYRON ADA"),
            ("Ada Byron", "A. Byron"),
            ("A Byron", "Ada Byron"),
            ("Ada Byron", "Ada"),
            ("Ada Byron", "Ms Byron"),
            ("Ada Byron", "Ada M. Byron"),
            ("Fran\u{e7}ois Lef\u{e8}vre", "Francois Lefevre"),
            ("J\u{f6}rg M\u{fc}ller", "Joerg Mueller"),
            ("Anna-Lena Roe", "Anna Lena Roe"),
            ("Annalena Roe", "Anna-Lena Roe"),
            ("John Doe", "Jon Doe"),
            ("Sofia Roe", "Sophia Roe"),
            ("Sarah Roe", "Sara Roe"),
            ("Robert Roe", "Bob Roe"),
            ("Mike Roe", "Michael Roe"),
            ("Dr. John Doe", "John Doe"),
            ("John Doe Jr.", "John Doe"),
            ("Doe, John", "John Smith"),
            ("\u{674e}\u{5c0f}\u{9f8d}", "\u{674e}\u{5c0f}\u{9f8d}"),
        ] {
            let found = identify(&said(now, BORN), &[known(1, recorded, BORN)]);
            assert_eq!(found, Identity::Known(1), "{recorded:?} as {now:?}");
        }
    }

    #[test]
    fn with_contact_and_birth_date_other_given_names_are_other_people_and_a_doubt() {
        for (one, other) in [
            ("Mia Twin", "Leo Twin"),
            ("3 Caller", "33 Caller"),
            ("Tim Twin", "Tom Twin"),
            ("Leo Twin", "Lea Twin"),
            ("Jan Twin", "Jana Twin"),
            ("John Twin", "Joan Twin"),
            ("Hanna Twin", "Anna Twin"),
            ("Anna-Lena Twin", "Anna-Maria Twin"),
            ("Twin, Mia", "Leo Twin"),
            ("Mia Twin", "Leo Other"),
        ] {
            let doubt = Doubt { of: 1, why: Why::OtherGivenName };
            let found = identify(&said(other, BORN), &[known(1, one, BORN)]);
            assert_eq!(found, Identity::New(Some(doubt)), "{one:?} and {other:?}");
        }
        let twins = [known(1, "Jane Twin", BORN), known(2, "John Twin", BORN)];
        assert_eq!(identify(&said("John Twin", BORN), &twins), Identity::Known(2));
        let doubt = Doubt { of: 1, why: Why::NameInPart };
        assert_eq!(identify(&said("J. Twin", BORN), &twins), Identity::New(Some(doubt)), "either of them");
    }

    #[test]
    fn a_name_and_a_call_are_not_enough_when_birth_dates_differ() {
        let father = Known { same_call: true, ..known(1, "John Doe", Some("1960-01-15")) };
        let doubt = Doubt { of: 1, why: Why::OtherBirthDate };
        assert_eq!(
            identify(&said("John Doe", Some("1990-01-15")), std::slice::from_ref(&father)),
            Identity::New(Some(doubt))
        );
        // A misheard date, corrected in the call.
        assert_eq!(identify(&said("john doe", Some("1961-01-15")), std::slice::from_ref(&father)), Identity::Known(1));
        let elsewhere = Known { same_call: false, ..father };
        assert_eq!(identify(&said("John Doe", Some("1961-01-15")), &[elsewhere]), Identity::New(Some(doubt)));
    }

    #[test]
    fn without_a_birth_date_the_whole_name_decides() {
        let recorded = [known(1, "Ada Byron", None)];
        assert_eq!(identify(&said("Byron, Ada", BORN), &recorded), Identity::Known(1));
        let doubt = Identity::New(Some(Doubt { of: 1, why: Why::NameInPart }));
        assert_eq!(identify(&said("A. Byron", None), &recorded), doubt);
        assert_eq!(identify(&said("Ada Lovelace", None), &recorded), doubt);
        let son = identify(&said("Ada Byron Jr.", None), &recorded);
        assert_eq!(son, doubt, "a generation");
        assert_eq!(identify(&said("Annabella Byron", None), &recorded), Identity::New(None), "of the family");
        let corrected = [Known { same_call: true, ..known(1, "Ada", None) }];
        assert_eq!(identify(&said("Ada Byron", None), &corrected), Identity::Known(1));
    }

    #[test]
    fn two_who_fit_equally_are_neither() {
        let namesakes = |one, other| [known(1, "John Doe", one), known(2, "John Doe", other)];
        let (old, young) = (Some("1960-01-15"), Some("1990-07-02"));
        let doubt = Identity::New(Some(Doubt { of: 1, why: Why::NameInPart }));
        for (one, other) in [(old, young), (None, None), (old, None), (None, young)] {
            assert_eq!(identify(&said("John Doe", None), &namesakes(one, other)), doubt);
        }
        // What fits better is he: a birth date, one contact more, the call; and who is as little known as he is now.
        assert_eq!(identify(&said("John Doe", young), &namesakes(None, young)), Identity::Known(2));
        assert_eq!(identify(&said("John Doe", young), &namesakes(old, young)), Identity::Known(2));
        let [one, other] = namesakes(old, young);
        for better in [
            Known { contacts: 2, ..other.clone() },
            Known { same_call: true, ..other.clone() },
            Known { said_too_little: true, date_of_birth: None, ..other.clone() },
        ] {
            assert_eq!(identify(&said("John Doe", None), &[one.clone(), better]), Identity::Known(2));
        }
        let in_doubt = Known { said_too_little: true, ..other };
        assert_eq!(identify(&said("John Doe", None), &[one, in_doubt]), doubt, "more is known of him");
    }

    #[test]
    fn a_name_in_part_does_not_replace_the_whole() {
        for less in ["A. Byron", "Ada", "Byron", "Ms Byron"] {
            assert_eq!(name_to_keep(less, "Ada Byron"), None, "{less}");
        }
        for more in ["Ada Lovelace", "ada byron", "Ada M. Byron", "Byron, Ada"] {
            assert_eq!(name_to_keep(more, "Ada Byron"), Some(more));
        }
    }
}
