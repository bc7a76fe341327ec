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
        ("Ada Byron", "Ada Byron-Lovelace"),
        ("Ada Byron", "Ada Byron Lovelace"),
        ("Ada Byron-King", "Ada King"),
        ("Ada Thompson", "Ada Thomson"),
        ("Ada Meyer", "Ada Meier"),
        ("\u{39a}\u{3ce}\u{3c3}\u{3c4}\u{3b1}\u{3c2} Roe", "\u{39a}\u{3a9}\u{3a3}\u{3a4}\u{391}\u{3a3} ROE"),
        ("Mr. John Doe", "John Doe"),
        ("Ada Byron, PhD", "Ada Byron"),
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
        ("Mai Twin", "May Twin"),
        ("Yan Twin", "Ian Twin"),
        ("Su Twin", "Sue Twin"),
        ("Yu Twin", "Yue Twin"),
        ("Xu Twin", "Xue Twin"),
        ("Ali Twin", "Ally Twin"),
        ("Jo Twin", "Joe Twin"),
        ("Jo Twin", "Joseph Twin"),
        ("Ji-ho Twin", "Ji-hoo Twin"),
        ("Kim Min-jun", "Kim Ji-ho"),
        ("\u{738b}\u{5a1c}", "\u{738b}\u{5a1c}\u{5a1c}"),
    ] {
        let doubt = Doubt { of: 1, why: Why::OtherGivenName };
        let found = identify(&said(other, BORN), &[known(1, one, BORN)]);
        assert_eq!(found, Identity::New(Some(doubt)), "{one:?} and {other:?}");
    }
    for (one, other) in [
        ("Wang Ming", "Wang Hong"),
        ("\u{738b} \u{660e}", "\u{738b} \u{7ea2}"),
        ("Nguyen Van An", "Nguyen Van Binh"),
        ("Nagy Anna", "Nagy P\u{e9}ter"),
        ("TWIN Mia", "TWIN Leo"),
        ("Wang Su", "Wang Sue"),
        ("Kim Ji-ho", "Kim Ji-hoo"),
        ("Wang Maria", "Wang Mario"),
        ("Nagy Martin", "Nagy Marvin"),
        ("Nagy Michael", "Nagy Michaela"),
        (
            "\u{41f}\u{435}\u{442}\u{440}\u{43e}\u{432} \u{418}\u{432}\u{430}\u{43d}",
            "\u{41f}\u{435}\u{442}\u{440}\u{43e}\u{432} \u{41f}\u{451}\u{442}\u{440}",
        ),
        ("Muhammad Hasan", "Muhammad Hussain"),
        ("Abdul Rahman", "Abdul Aziz"),
        ("\u{645}\u{62d}\u{645}\u{62f} \u{639}\u{644}\u{64a}", "\u{645}\u{62d}\u{645}\u{62f} \u{62d}\u{633}\u{646}"),
        ("Ana Mar\u{ed}a", "Ana Luc\u{ed}a"),
        ("Baby A", "Baby B"),
        ("S. Ramesh", "S. Suresh"),
        ("van der Berg Mia", "van der Berg Leo"),
        // Nobody can tell these from those.
        ("Ada Byron", "Ada Lovelace"),
        ("Ada Byron", "Ada King-Lovelace"),
        ("Doe, John", "John Smith"),
    ] {
        let doubt = Doubt { of: 1, why: Why::OtherFamilyName };
        let found = identify(&said(other, BORN), &[known(1, one, BORN)]);
        assert_eq!(found, Identity::New(Some(doubt)), "{one:?} and {other:?}");
    }
    for (one, other) in [
        ("Mr. Twin", "Mrs. Twin"),
        ("Herr Twin", "Frau Twin"),
        ("Mr. Sam Twin", "Ms Sam Twin"),
        ("Sra. Twin", "Sr. Twin"),
        ("Sam Twin II", "Sam Twin III"),
        ("Sam Twin Filho", "Sam Twin Sobrinho"),
    ] {
        let doubt = Doubt { of: 1, why: Why::OtherTitle };
        assert_eq!(
            identify(&said(other, BORN), &[known(1, one, BORN)]),
            Identity::New(Some(doubt)),
            "{one:?} and {other:?}"
        );
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
fn who_corrects_a_date_says_the_same_name_in_the_same_order() {
    for (one, other, why) in [
        ("Mr. Roe", "Mrs. Roe", Why::OtherTitle),
        ("Herr Roe", "Frau Roe", Why::OtherTitle),
        ("John Smith Sr.", "John Smith Jr.", Why::OtherTitle),
        ("John Smith", "John Smith Jr.", Why::OtherBirthDate),
        ("Wang Li", "Li Wang", Why::OtherBirthDate),
        ("Ali Roe", "Ally Roe", Why::OtherBirthDate),
    ] {
        let known = Known { same_call: true, ..known(1, one, Some("2010-01-01")) };
        let found = identify(&said(other, Some("2012-02-02")), &[known]);
        assert_eq!(found, Identity::New(Some(Doubt { of: 1, why })), "{one:?} and {other:?}");
    }
}

#[test]
fn within_a_call_a_name_is_corrected_by_what_sounds_like_it_or_says_more() {
    let known = |name| Known { same_call: true, ..known(1, name, None) };
    for (one, other) in [
        ("Ada Byron", "Ada Byron-King"),
        ("Mohamed Roe", "Mohammed Roe"),
        ("Ada Thomson", "Ada Thompson"),
        ("Ada", "Ada Byron"),
        ("A. Byron", "Ada Byron"),
        ("Roe", "Mr. Roe"),
    ] {
        assert_eq!(identify(&said(other, None), &[known(one)]), Identity::Known(1), "{one:?} and {other:?}");
    }
    for (one, other, why) in [
        ("Wang Ming", "Wang Hong", Why::NameInPart),
        ("Muhammad Ali", "Muhammad Hasan", Why::NameInPart),
        ("S. Ramesh", "S. Suresh", Why::NameInPart),
        ("Ada Byron", "Ada Lovelace", Why::NameInPart),
        ("Jo\u{e3}o Silva", "Jo\u{e3}o Silva Filho", Why::NameInPart),
        ("Jo\u{e3}o Silva", "Silva Filho, Jo\u{e3}o", Why::NameInPart),
        ("John Smith", "John Smith Jr.", Why::NameInPart),
        ("John Smith III", "John Smith IV", Why::OtherTitle),
        ("Mai Roe", "May Roe", Why::NameInPart),
        ("Mr. Roe", "Mrs. Roe", Why::OtherTitle),
        ("Mr. John Roe", "Mrs. John Roe", Why::OtherTitle),
        ("Herr Roe", "Frau Roe", Why::OtherTitle),
    ] {
        for known in [known(one), Known { same_call: false, ..known(one) }] {
            let found = identify(&said(other, None), &[known]);
            assert_eq!(found, Identity::New(Some(Doubt { of: 1, why })), "{one:?} and {other:?}");
        }
    }
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
    assert_eq!(name_to_keep("John Doe", "John Doe Jr."), None);
    assert_eq!(name_to_keep("Ada Byron", "Ada Byron-King"), None);
    for more in ["Ada Byron-King", "ada byron", "Ada M. Byron", "Byron, Ada"] {
        assert_eq!(name_to_keep(more, "Ada Byron"), Some(more));
    }
}
