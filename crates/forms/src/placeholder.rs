//! What stands where nothing was said: `unknown`, `N/A`, `<full name>`, `{{name}}`.
//!
//! Promises: a whole value is judged, never a part of one, so that Christopher Null and Anna None are people. What could be
//! a person's name is one where it is written as one: `Na`, and `Dr. None`, but not `NA` and `Dr. none`. Sample names such as
//! John Doe are data: no list knows who is called that.

/// What a text is, which decides what may stand for nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A patient's or a dentist's name.
    Name,
    /// Words of any kind: a service, notes.
    Words,
    /// What has a form of its own: a mail address, a number, a day, a time.
    Value,
}

/// Letters and digits of what stands for nothing in any field.
pub const WORDS: &[&str] = &[
    "unknown",
    "none",
    "null",
    "nil",
    "nan",
    "na",
    "undefined",
    "unspecified",
    "undisclosed",
    "withheld",
    "missing",
    "empty",
    "blank",
    "notprovided",
    "notgiven",
    "notsaid",
    "notstated",
    "notspecified",
    "notavailable",
    "notapplicable",
    "notmentioned",
    "notknown",
    "notdisclosed",
    "notset",
    "nonegiven",
    "noneprovided",
    "nodata",
    "tbd",
    "tba",
    "tbc",
    "tobedetermined",
    "tobeannounced",
    "tobeconfirmed",
    "placeholder",
    "string",
    "unbekannt",
    "keineangabe",
    "keineangaben",
    "nichtangegeben",
    "nichtbekannt",
    "nichtgenannt",
    "nichtverfügbar",
    "nichtvorhanden",
    "ohneangabe",
    "platzhalter",
    "fehlt",
    "entfällt",
    "nv",
    "inconnu",
    "nonrenseigné",
    "desconocido",
    "sconosciuto",
];

/// The same, in a name alone.
pub const NAMES: &[&str] = &[
    "name",
    "fullname",
    "yourname",
    "yourfullname",
    "myname",
    "thename",
    "patientname",
    "nameofpatient",
    "nameofthepatient",
    "callername",
    "customername",
    "dentistname",
    "doctorname",
    "firstname",
    "lastname",
    "surname",
    "givenname",
    "familyname",
    "first",
    "last",
    "noname",
    "nonamegiven",
    "unnamed",
    "anonymous",
    "anonym",
    "nobody",
    "patient",
    "thepatient",
    "newpatient",
    "caller",
    "thecaller",
    "dentist",
    "thedentist",
    "anydentist",
    "ihrname",
    "vorname",
    "nachname",
    "vollständigername",
    "namedespatienten",
    "patientenname",
    "neuerpatient",
];

/// The same, in a value that has a form of its own.
pub const VALUES: &[&str] = &[
    "no",
    "noemail",
    "nomail",
    "noemailaddress",
    "nophone",
    "nonumber",
    "nophonenumber",
    "nodate",
    "notime",
    "email",
    "mail",
    "emailaddress",
    "youremail",
    "youremailaddress",
    "phone",
    "phonenumber",
    "yourphone",
    "yourphonenumber",
    "telephone",
    "mobile",
    "number",
    "date",
    "time",
    "dateofbirth",
    "birthdate",
    "birthday",
    "dob",
    "hhmm",
    "hhmmss",
    "mmddyyyy",
    "ddmmyyyy",
    "yyyymmdd",
    "ttmmjjjj",
    "kein",
    "keine",
    "keinen",
    "keinetelefonnummer",
    "keinemail",
    "keineemail",
    "keinemailadresse",
    "geburtsdatum",
    "telefonnummer",
    "telefon",
];

/// Of those, what people are called, written as people are.
const CALLED: &[&str] = &["Na", "Nan", "Nil"];
/// Of those, what people with a title are called.
const CALLED_WITH_TITLE: &[&str] =
    &["Na", "Nan", "Nil", "Null", "None", "Unbekannt", "Blank", "Missing", "Last", "First"];
/// Titles, in small letters and without their full stop.
const TITLES: &[&str] = &["dr", "prof", "doctor", "doktor", "mr", "mrs", "ms", "miss", "herr", "frau"];

/// Whether the line, in its form ([`crate::text::line`]), says nothing.
pub fn says_nothing(line: &str, of: Of) -> bool {
    let plain = squeezed(line);
    if plain.is_empty() || template(line) || initials(line) {
        return true;
    }
    let words: Vec<&str> = line.split(' ').collect();
    let titles = words.iter().take_while(|word| TITLES.contains(&squeezed(word).as_str())).count();
    let named = if titles > 0 { words[titles..].join(" ") } else { line.to_owned() };
    match of {
        Of::Name => {
            bracketed(&named)
                || nothing(&named, of, titles > 0)
                || (titles > 0 && squeezed(&named).is_empty())
                || words[titles..].iter().all(|word| nothing(word, of, titles > 0))
        }
        Of::Words => nothing(line, of, false),
        Of::Value => bracketed(line) || nothing(line, of, false) || zeros(line),
    }
}

/// Whether a phone number is one that stands for none: one digit again and again, or the digits as they are counted.
pub fn is_no_number(said: &str) -> bool {
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    let national = if digits.len() == 11 { digits.strip_prefix('1').unwrap_or(&digits) } else { digits.as_str() };
    let same = national.bytes().all(|digit| Some(digit) == national.bytes().next());
    national.len() >= 7 && (same || "1234567890".starts_with(national) || "0123456789".starts_with(national))
}

/// Whether a mail address is one that stands for none, such as `none@none.com`: both its sides say nothing.
pub fn is_no_address(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let host = domain.split('.').next().unwrap_or_default();
    nothing(local, Of::Value, false) && (host == "example" || host == "test" || nothing(host, Of::Value, false))
}

fn nothing(text: &str, of: Of, with_title: bool) -> bool {
    let called = if with_title { CALLED_WITH_TITLE } else { CALLED };
    if of == Of::Name && called.contains(&text) {
        return false;
    }
    let plain = squeezed(text);
    let listed = |list: &[&str]| list.contains(&plain.as_str());
    let crossed = (2..=20).contains(&plain.len()) && plain.bytes().all(|b| b == b'x');
    crossed || listed(WORDS) || (of == Of::Name && listed(NAMES)) || (of == Of::Value && listed(VALUES))
}

/// In small letters, letters and digits alone.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a template engine left: `{{name}}`, `${name}`, `%(name)s`.
fn template(line: &str) -> bool {
    ["{{", "${", "%("].iter().any(|open| line.contains(open))
}

/// Words in brackets and nothing else: `<full name>`, `[FIRST] [LAST]`. A mail address or a number in brackets is said.
fn bracketed(text: &str) -> bool {
    let pair = text.starts_with(['<', '[', '{']) && text.ends_with(['>', ']', '}']);
    let said = |c: char| c == '@' || c.is_numeric();
    let mut depth = 0_i32;
    let outside = text.chars().any(|c| {
        match c {
            '<' | '[' | '{' => depth += 1,
            '>' | ']' | '}' => depth -= 1,
            other => return depth == 0 && other != ' ',
        }
        false
    });
    pair && !outside && !text.contains(said)
}

/// `k.A.`, `o. A.`: without their full stops they would be names.
fn initials(line: &str) -> bool {
    let tight: String = line.chars().filter(|c| *c != ' ').flat_map(char::to_lowercase).collect();
    ["k.a.", "k.a", "k/a", "o.a.", "o.a", "o/a"].contains(&tight.as_str())
}

/// `0000-00-00`: the day or the number that a table has where it has none. `00:00` is a time.
fn zeros(line: &str) -> bool {
    let digits = line.chars().filter(|c| c.is_ascii_digit()).count();
    digits >= 6 && !line.contains(':') && line.chars().all(|c| c == '0' || !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_nothing_is_known_in_every_spelling() {
        for text in [
            "unknown",
            "Unknown",
            "UNKNOWN",
            "(unknown)",
            "N/A",
            "n/a",
            "n.a.",
            "N.A.",
            "na",
            "NA",
            "none",
            "None",
            "NULL",
            "null",
            "\"null\"",
            "undefined",
            "NaN",
            "not provided",
            "Not_Provided",
            "not-given",
            "TBD",
            "tbd.",
            "string",
            "-",
            "--",
            "—",
            "?",
            "???",
            "...",
            "***",
            "xxx",
            "XXXX",
            "unbekannt",
            "Unbekannt",
            "keine Angabe",
            "k.A.",
            "k. A.",
            "K.A.",
            "{{name}}",
            "${name}",
            "%(name)s",
        ] {
            for of in [Of::Name, Of::Words, Of::Value] {
                assert!(says_nothing(text, of), "{text} as {of:?}");
            }
        }
        for name in [
            "<full name>",
            "[NAME]",
            "[First] [Last]",
            "<<name>>",
            "{name}",
            "your name",
            "Full Name",
            "First Last",
            "Unknown Unknown",
            "unknown caller",
            "Unknown Patient",
            "Patient",
            "N/A N/A",
            "undefined undefined",
            "Dr. Unknown",
            "Dr. [Name]",
            "Dr. {{dentist}}",
            "Dr. TBD",
            "Dr. N/A",
            "Dr. none",
            "Dr. ?",
            "Dr.",
            "anonymous",
            "__NAME__",
            "%NAME%",
        ] {
            assert!(says_nothing(name, Of::Name), "{name}");
        }
        for value in
            ["no", "no email", "YYYY-MM-DD", "MM/DD/YYYY", "<email>", "[phone number]", "0000-00-00", "00/00/0000"]
        {
            assert!(says_nothing(value, Of::Value), "{value}");
        }
    }

    #[test]
    fn people_and_things_with_such_names_stay() {
        for name in [
            "Christopher Null",
            "Anna None",
            "Erika Unbekannt",
            "Null Smith",
            "Na",
            "Na Li",
            "Nan",
            "Nil",
            "Nil Nan",
            "Dr. Null",
            "Dr. None",
            "Dr. Blank",
            "Anna Blank",
            "John Doe",
            "Max Mustermann",
            "Test Person",
            "First Nation",
            "X",
            "Xi",
            "Ka",
            "Kai Angabe",
            "O. Arndt",
            "Ann [maiden name Poe]",
            "No",
            "李",
            "String Bean",
            "Mr. Last",
        ] {
            assert!(!says_nothing(name, Of::Name), "{name}");
        }
        for words in
            ["check-up", "no pain", "No", "[urgent] call back [today]", "name of insurance unknown", "first visit"]
        {
            assert!(!says_nothing(words, Of::Words), "{words}");
        }
        for value in ["none@gmail.com", "<john@example.com>", "555-1234", "[555-1234]", "00:00", "2000-01-01"] {
            assert!(!says_nothing(value, Of::Value), "{value}");
        }
    }

    #[test]
    fn numbers_and_addresses_that_nobody_has() {
        for number in ["000-000-0000", "(555) 555-5555", "123-456-7890", "+1 123 456 7890", "1234567", "999 999 9999"] {
            assert!(is_no_number(number), "{number}");
        }
        for number in ["212-555-0142", "555-1234", "555-5555 ext. 1", "911", "030 1234567", "+49 30 123456"] {
            assert!(!is_no_number(number), "{number}");
        }
        for address in ["none@none.com", "noemail@noemail.com", "no@example.com", "unknown@unknown.org"] {
            assert!(is_no_address(address), "{address}");
        }
        for address in ["none@gmail.com", "test@test.com", "john@example.com", "null@null-island.org"] {
            assert!(!is_no_address(address), "{address}");
        }
    }
}
