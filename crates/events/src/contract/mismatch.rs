//! Why JSON is not what a type wants: where, what, and what would be right, and nothing of what was sent.
//!
//! That holds by construction: a [`Mismatch`] is made of static texts, which the program has and no document. Names are
//! those that types declare; a key of a map and a name that no type has is `*`. Of serde's messages and of those of types
//! only such are told as stand in a list here; all others are one sentence.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::alien::encoded;

/// Why JSON does not fit a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// From the inside out.
    way: Vec<Step>,
    fault: Fault,
}

/// One step into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A field that a type declares.
    Field(&'static str),
    Index(usize),
    /// A key of a map, or a name that no type has.
    Undeclared,
}

/// What is wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The field is needed.
    Missing(&'static str),
    /// The field is there more than once.
    Twice,
    /// The type does not have the field; it has these.
    Unknown(&'static [&'static str]),
    /// It is none of these words.
    NoneOf(&'static [&'static str]),
    /// In words, such as `is a string`; and what would be right, such as `a number`, where that is known.
    Wrong(&'static str, Option<&'static str>),
}

impl Mismatch {
    /// `patient.phones[2]`; empty for the whole.
    pub fn place(&self) -> String {
        let mut place = String::new();
        for step in self.way.iter().rev() {
            let separator = if place.is_empty() { "" } else { "." };
            match step {
                Step::Field(name) => place.extend([separator, name]),
                Step::Undeclared => place.extend([separator, "*"]),
                Step::Index(index) => place.push_str(&format!("[{index}]")),
            }
        }
        place
    }

    /// What is wrong there.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// Of what cannot be told more.
    pub(super) fn untold() -> Self {
        Self::of(Fault::Wrong("cannot be read", None))
    }

    /// Of a field of a shape that no type stands for.
    pub(super) fn at(field: &'static str, fault: Fault) -> Self {
        Self::of(fault).within(Step::Field(field))
    }

    pub(super) fn within(mut self, step: Step) -> Self {
        self.way.push(step);
        self
    }

    fn of(fault: Fault) -> Self {
        Self { way: Vec::new(), fault }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(_) => f.write_str("is missing"),
            Self::Twice => f.write_str("is there more than once"),
            Self::Unknown(_) => f.write_str("is not known"),
            Self::NoneOf(words) => write!(f, "is none of {}", words.join(", ")),
            Self::Wrong(what, Some(right)) => write!(f, "{what}, expected {right}"),
            Self::Wrong(what, None) => f.write_str(what),
        }
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place().as_str() {
            "" => write!(f, "it {}", self.fault),
            place => write!(f, "{place}: {}", self.fault),
        }
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        let told = TOLD.iter().find(|(texts, ..)| texts.iter().any(|text| message.starts_with(text)));
        let (what, right) = told.map_or(("does not have the expected form", None), |(_, what, right)| (*what, *right));
        Self::of(Fault::Wrong(what, right))
    }

    fn invalid_type(is: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let right = right(expected);
        let what = match is {
            Unexpected::Str(text) if matches!(right, Some("an object" | "an array")) => encoded(text),
            _ => None,
        };
        Self::of(Fault::Wrong(what.unwrap_or_else(|| kind(is)), right))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(Fault::Wrong("has a value that is not allowed", right(expected)))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::of(Fault::Wrong("has a length that is not allowed", right(expected)))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::of(Fault::NoneOf(known))
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::of(Fault::Unknown(known)).within(Step::Undeclared)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Fault::Missing(field)).within(Step::Field(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Fault::Twice).within(Step::Field(field))
    }
}

/// How messages begin that types give by themselves, what is told of them, and what would be right: of chrono, uuid, the
/// standard library, serde, and [`super::schema`].
const TOLD: [(&[&str], &str, Option<&str>); 13] = [
    (&["input is out of range", "no possible date and time matching input"], "is no date or time that exists", None),
    (
        &["input contains invalid characters", "premature end of input", "trailing input", "input is not enough"],
        "is no date or time of the expected form",
        None,
    ),
    (&["expected a date as YYYY-MM-DD"], "is no day of the calendar", Some("a date as YYYY-MM-DD")),
    (&["expected a time of day as HH:MM"], "is no time of day", Some("a time of day as HH:MM")),
    (&["UUID parsing failed"], "is no UUID", Some("a UUID")),
    (
        &["invalid digit found in string", "cannot parse integer from empty string", "expected a whole number"],
        "is not a whole number",
        Some("a whole number"),
    ),
    (
        &["number too large to fit", "number too small to fit", "expected a smaller whole number"],
        "is out of range",
        Some("a number within the range"),
    ),
    (&["invalid float literal", "cannot parse float from empty string"], "is not a number", Some("a number")),
    (&["provided string was not `true` or `false`"], "is not a boolean", Some("true or false")),
    (&["data did not match any variant of untagged enum"], "has none of the known forms", None),
    (&["can only flatten structs and maps"], "is no object", Some("an object")),
    (&["expected an id"], "is empty or a placeholder, which names nothing", Some("the id that it has")),
    (&["no variant of enum"], "is none of the known kinds", None),
];

/// What a type may say that it expects, in the words of JSON. serde writes the first half of these, libraries and
/// [`super::schema`] the second.
const EXPECTED: [(&[&str], &str); 19] = [
    (&["u8", "u16", "u32", "u64", "u128", "usize"], "a whole number that is not negative and not too large"),
    (&["i8", "i16", "i32", "i64", "i128", "isize"], "a whole number that is not too large"),
    (&["f32", "f64"], "a number"),
    (&["a string", "string", "a borrowed string"], "a string"),
    (&["a boolean"], "a boolean"),
    (&["a character"], "a single character"),
    (&["unit"], "null"),
    (&["a map"], "an object"),
    (&["a sequence"], "an array"),
    (&["map with a single key"], "an object with a single field"),
    (&["fewer elements in array"], "fewer elements"),
    (&["a whole number"], "a whole number"),
    (&["a time of day as HH:MM"], "a time of day as HH:MM"),
    (&["a formatted date string"], "a date as YYYY-MM-DD"),
    (&["a formatted time string"], "a time of day as HH:MM:SS"),
    (&["a formatted date and time string"], "a date and time as YYYY-MM-DDTHH:MM:SS"),
    (&["an RFC 3339 formatted date and time string"], "a date and time as RFC 3339"),
    (&["a formatted UUID string"], "a UUID"),
    (&["a unix timestamp"], "a number of seconds since 1970"),
];

/// How expectations begin that go on with the name or the size of a type.
const OF_TYPES: [(&str, &str); 5] = [
    ("struct ", "an object"),
    ("tuple struct ", "an array"),
    ("a tuple of size ", "an array"),
    ("an array of length ", "an array"),
    ("internally tagged enum ", "an object"),
];

fn right(expected: &dyn Expected) -> Option<&'static str> {
    let text = expected.to_string();
    let known = EXPECTED.iter().find(|(texts, _)| texts.contains(&text.as_str())).map(|(_, words)| *words);
    known.or_else(|| OF_TYPES.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, words)| *words))
}

/// The kind of what was sent.
fn kind(is: Unexpected<'_>) -> &'static str {
    match is {
        Unexpected::Bool(_) => "is a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "is an integer",
        Unexpected::Float(_) => "is a decimal number",
        Unexpected::Char(_) | Unexpected::Str(_) => "is a string",
        Unexpected::Unit | Unexpected::Option => "is null",
        Unexpected::Seq => "is an array",
        Unexpected::Map => "is an object",
        _ => "is of another type",
    }
}
