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
    for value in ["no", "no email", "YYYY-MM-DD", "MM/DD/YYYY", "<email>", "[phone number]", "0000-00-00", "00/00/0000"]
    {
        assert!(says_nothing(value, Of::Value), "{value}");
    }
}

#[test]
fn what_tells_of_no_name_is_no_name_in_many_languages() {
    for name in include_str!("../../tests/no_names.txt").lines() {
        assert!(says_nothing(name, Of::Name), "{name}");
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
        "Anna Brak",
        "Peter User",
        "Fnu Sharma",
        "Any Martin",
        "Dr. Guest",
        "Dr. Person",
        "A. Guest",
        "Sin Guest-Ro",
        "No Min-jun",
        "Ada None",
        "Said Null",
        "Su Blank",
        "Inga Person",
        "My Unbekannt",
        "Nán",
        "Ann Not",
        "Dr. Or Cohen",
        "Orla o Brien",
        "Mr. Of",
        "Unbekannt-Meier",
        "Jean Sans",
        "Will Private",
        "Hasan Yok",
        "山田なし",
        "名取",
    ] {
        assert!(!says_nothing(name, Of::Name), "{name}");
    }
    for words in [
        "check-up",
        "no pain",
        "No",
        "not sure",
        "declined",
        "user",
        "[urgent] call back [today]",
        "name of insurance unknown",
        "first visit",
    ] {
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
