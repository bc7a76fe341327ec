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
    /// Contact, birth date and the first name are the same, and the last is another: who has married, or twins of whom the
    /// family's name, or a name that both have, comes first.
    OtherFamilyName,
    /// The name is the same, and the titles contradict each other: Mr. and Mrs., Sr. and Jr.
    OtherTitle,
    /// The name is the same with the contact or in the call, and the birth dates differ: father and son, or a misheard date.
    OtherBirthDate,
    /// What is known of both names fits, and is too little: an initial, a new surname where no birth date tells.
    NameInPart,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherGivenName => "other_given_name",
            Self::OtherFamilyName => "other_family_name",
            Self::OtherTitle => "other_title",
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
const NEAR: u8 = 2;
const WHOLE: u8 = 3;

fn compare(name: &Name, born: Option<NaiveDate>, known: &Known) -> Verdict {
    let theirs = Name::of(&known.name);
    let is_born_then = born.is_some() && born == known.date_of_birth;
    let agreement = name.agrees_with(&theirs, is_born_then && known.same_contact);
    match (born, known.date_of_birth) {
        _ if is_born_then => match agreement {
            Agreement::Whole => Verdict::Same(WHOLE),
            Agreement::Near => Verdict::Same(NEAR),
            Agreement::InPart | Agreement::Surname => Verdict::Same(IN_PART),
            // A new surname, or the other twin's name behind the family's: nobody can tell which of the words is which.
            Agreement::Given => Verdict::Perhaps(Why::OtherFamilyName),
            Agreement::Title => Verdict::Perhaps(Why::OtherTitle),
            Agreement::Sound | Agreement::None => Verdict::Perhaps(Why::OtherGivenName),
        },
        (Some(born), Some(other)) => match agreement {
            // One who corrects a misheard date, for no two of that name are so near in age.
            Agreement::Whole
                if known.same_call
                    && (born.year() - other.year()).abs() < GENERATION
                    && name.is_in_the_order_of(&theirs)
                    && !name.is_of_another_generation(&theirs) =>
            {
                Verdict::Same(WHOLE)
            }
            Agreement::Title => Verdict::Perhaps(Why::OtherTitle),
            Agreement::Whole | Agreement::Sound => Verdict::Perhaps(Why::OtherBirthDate),
            _ => Verdict::Other,
        },
        // Nothing but the name tells.
        _ => match agreement {
            Agreement::Whole | Agreement::Near if name.is_of_another_generation(&theirs) => {
                Verdict::Perhaps(Why::NameInPart)
            }
            Agreement::Whole => Verdict::Same(WHOLE),
            // One who says the rest of his name, or it once more.
            Agreement::Near | Agreement::InPart if known.same_call => Verdict::Same(IN_PART),
            Agreement::Title => Verdict::Perhaps(Why::OtherTitle),
            Agreement::Given | Agreement::Sound => Verdict::Perhaps(Why::NameInPart),
            Agreement::Near | Agreement::InPart | Agreement::Surname if known.same_contact => {
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
    let says_less = new.agrees_with(&old, true) != Agreement::None && new.is_part_of(&old);
    (!says_less || plain(said) == plain(recorded)).then_some(said)
}

#[cfg(test)]
mod tests;
