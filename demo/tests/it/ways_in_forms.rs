//! What callers and programs say, in every form that they say it in, and what must come of each form. Nothing of the code under
//! test is asked here.

use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

/// What a form comes to.
#[derive(Clone, Debug)]
pub enum Comes {
    To(Value),
    /// It is a placeholder, or empty.
    Nothing,
    Refused,
}

/// One form of one field: as it is said, and as a typed column takes it.
#[derive(Clone, Debug)]
struct Form {
    said: Value,
    column: Option<String>,
    comes: Comes,
}

/// A fact in the forms that were drawn, and what must come of it.
#[derive(Clone, Debug)]
pub struct Fact {
    pub kind: &'static str,
    pub said: Map<String, Value>,
    /// What psql writes, by column.
    pub columns: Vec<(&'static str, Option<String>)>,
    pub expected: Result<Map<String, Value>, Vec<&'static str>>,
}

/// Which form each field of a fact has.
#[derive(Clone, Debug)]
pub struct Drawn {
    booking: bool,
    forms: [usize; 6],
}

pub fn drawn() -> impl Strategy<Value = Drawn> {
    (any::<bool>(), any::<[Index; 6]>()).prop_map(|(booking, at)| {
        let mut forms = [0; 6];
        for ((_, _, known), (form, at)) in fields(booking, 0).iter().zip(forms.iter_mut().zip(at)) {
            *form = at.index(known.len());
        }
        Drawn { booking, forms }
    })
}

/// Every form of every field once, beside the first form of the others, which is what nobody has a doubt about: a draw seldom has
/// one strange form alone.
pub fn each_alone() -> Vec<Drawn> {
    let mut all = Vec::new();
    for booking in [false, true] {
        for (field, (_, _, known)) in fields(booking, 0).iter().enumerate() {
            for form in 0..known.len() {
                let mut forms = [0; 6];
                forms[field] = form;
                all.push(Drawn { booking, forms });
            }
        }
    }
    all
}

/// The fields of a booking or of a patient: whether the fact is none without it, and the forms it is said in.
fn fields(booking: bool, number: usize) -> Vec<(&'static str, bool, Vec<Form>)> {
    if booking {
        vec![
            ("dentist", true, names(number, "Dr. ")),
            ("date", true, days()),
            ("time", true, times()),
            ("patient_name", true, names(number, "")),
            ("service", false, services()),
            ("notes", false, notes()),
        ]
    } else {
        vec![
            ("name", true, names(number, "")),
            ("email", false, emails(number)),
            ("phone", false, phones(number)),
            ("date_of_birth", false, births()),
        ]
    }
}

fn is(said: impl Into<Value>, comes: impl Into<Value>) -> Form {
    let said = said.into();
    Form { column: text(&said), said, comes: Comes::To(comes.into()) }
}

fn nothing(said: &str) -> Form {
    Form { said: said.into(), column: Some(said.to_owned()), comes: Comes::Nothing }
}

fn refused(said: impl Into<Value>) -> Form {
    let said = said.into();
    Form { column: text(&said), said, comes: Comes::Refused }
}

fn absent() -> Form {
    Form { said: Value::Null, column: None, comes: Comes::Nothing }
}

/// A form that only words have: a column of that type takes `column`.
fn typed(form: Form, column: Option<&str>) -> Form {
    Form { column: column.map(str::to_owned), ..form }
}

fn text(said: &Value) -> Option<String> {
    said.as_str().map(str::to_owned).or_else(|| said.as_u64().map(|number| number.to_string()))
}

/// `b`, `c`, … `bb`: no two numbers have the same letters, and none makes a word.
fn letters(mut number: usize) -> String {
    const LETTERS: [char; 10] = ['b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm'];
    let mut letters = String::new();
    loop {
        letters.push(LETTERS[number % 10]);
        number /= 10;
        if number == 0 {
            return letters;
        }
    }
}

fn names(number: usize, title: &str) -> Vec<Form> {
    let own = letters(number);
    let name = format!("{title}Zoë Krüger {own}");
    let wide: String = own.chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect();
    vec![
        is(name.clone(), name.clone()),
        is(format!("  {title}Zoe\u{308}  Kru\u{308}ger\u{a0}{own} \n"), name.clone()),
        is(format!("{title}Zo\u{200b}ë Krü\u{ad}ger {own}\u{fe0f}"), name.clone()),
        is(format!("\u{202a}{title}Zoë\u{2003}Krüger {own}\u{202c}\u{e0041}"), name.clone()),
        is(format!("{title}Zoë Krüger {wide}"), name),
        is(format!("{title}Christopher Null {own}"), format!("{title}Christopher Null {own}")),
        is(format!("{title}Anna None-{own}"), format!("{title}Anna None-{own}")),
        is(format!("{title}O\u{b4}{own}"), format!("{title}O'{own}")),
        is(format!("{title}O`{own} M\u{aa}"), format!("{title}O'{own} M\u{aa}")),
        is(format!("{title}〇 {own}"), format!("{title}〇 {own}")),
        is(format!("{title}Anna Brak {own}"), format!("{title}Anna Brak {own}")),
        is(format!("{title}李小龍 {own}"), format!("{title}李小龍 {own}")),
        nothing("unknown"),
        nothing("N/A"),
        nothing("<full name>"),
        nothing("{{name}}"),
        nothing(" k. A. "),
        nothing("Dr. TBD"),
        nothing("Unknown Caller"),
        nothing("Unbekannte Person"),
        nothing("no name provided"),
        nothing("não informado"),
        nothing("имя неизвестно"),
        nothing("名前なし"),
        nothing("Dr. Smith or Dr. Jones"),
        nothing("\u{200b} ?"),
        nothing(""),
        absent(),
        refused(format!("{title}Zoë\nKrüger {own}")),
        refused(format!("{title}Zoë\u{7f} {own}")),
        refused("12 34"),
        refused("x".repeat(150) + &"y".repeat(51)),
    ]
}

fn emails(number: usize) -> Vec<Form> {
    let address = format!("p{number}@example.com");
    vec![
        absent(),
        is(address.clone(), address.clone()),
        is(format!(" p{number}@EXAMPLE.com"), address.clone()),
        is(format!("p{number}＠example.com\u{200b}"), address),
        is(format!("P{number}+x@zahnärzte.example.org"), format!("P{number}+x@zahnärzte.example.org")),
        nothing("N/A"),
        is(format!("p{number}@உதாரணம்.காந்தி"), format!("p{number}@உதாரணம்.காந்தி")),
        is(format!("[p{number}@example.org](mailto:p{number}@example.org)"), format!("p{number}@example.org")),
        is(format!("Zoë Krüger <p{number}@example.org>"), format!("p{number}@example.org")),
        is(format!("mailto:p{number}@example.org"), format!("p{number}@example.org")),
        nothing("does not have one"),
        nothing("なし"),
        nothing("n/a@n/a.com"),
        nothing("no email"),
        nothing("[email]"),
        nothing("none@none.com"),
        refused(format!("p{number} at example.com")),
        refused(format!("p{number}@example")),
        refused(format!("p{number}@example.com\u{1}")),
    ]
}

fn phones(number: usize) -> Vec<Form> {
    let digits = format!("{number:04}");
    let said = |form: &str| form.replace('#', &digits);
    let kept = |form: &str| is(said(form), said(form));
    vec![
        absent(),
        kept("(212) 555-#"),
        kept("+1 212 555 #"),
        kept("1.212.555.#"),
        kept("+49 30 2312#"),
        kept("555-#"),
        kept("212-555-# ext. 5"),
        is(said(" 212\u{a0}555  #\u{200e}"), said("212 555 #")),
        is(json!(2_125_550_000_u64 + number as u64), said("212555#")),
        nothing("not provided"),
        nothing("same number"),
        nothing("pas de téléphone"),
        nothing("000-000-0000"),
        nothing("123-456-7890"),
        nothing("-"),
        refused("12"),
        refused("9".repeat(31) + "1" + &"8".repeat(33)),
    ]
}

/// What phone_e164 must be beside the number as it is kept; the practice is in the United States.
fn e164(phone: &str) -> Value {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        _ if phone.contains("ext") || phone.starts_with("555") => Value::Null,
        10 => format!("+1{digits}").into(),
        _ => format!("+{digits}").into(),
    }
}

fn births() -> Vec<Form> {
    vec![
        absent(),
        is("1985-01-15", "1985-01-15"),
        typed(is("01/15/1985", "1985-01-15"), Some("1985-01-15")),
        typed(is("15.1.1985", "1985-01-15"), Some("1985-01-15")),
        typed(is("03/04/1985", "1985-03-04"), Some("1985-03-04")),
        typed(nothing("unknown"), None),
        typed(nothing("0000-00-00"), None),
        typed(nothing("YYYY-MM-DD"), None),
        typed(nothing("not sure"), None),
        typed(nothing("1985-01-XX"), None),
        refused("2099-01-01"),
        refused("1899-12-31"),
        refused("1985-02-30"),
        typed(refused("infinity"), Some("infinity")),
        typed(refused("0000-01-01"), Some("0001-01-01 BC")),
    ]
}

fn days() -> Vec<Form> {
    vec![
        is("2027-03-03", "2027-03-03"),
        typed(is("3/3/2027", "2027-03-03"), Some("2027-03-03")),
        typed(is("03.03.2027", "2027-03-03"), Some("2027-03-03")),
        typed(nothing("TBD"), None),
        absent(),
        typed(refused("0000-01-01"), Some("0001-01-01 BC")),
        refused("12027-01-01"),
        refused("1999-12-31"),
        refused("2100-01-01"),
        refused("2027-02-30"),
        typed(refused("soon"), Some("-infinity")),
    ]
}

fn times() -> Vec<Form> {
    vec![
        is("09:30", "09:30:00"),
        is("9:30", "09:30:00"),
        is("14:30:59", "14:30:00"),
        typed(is("2:30 p.m.", "14:30:00"), Some("14:30")),
        typed(is("2 PM", "14:00:00"), Some("14:00")),
        typed(nothing("N/A"), None),
        absent(),
        refused("24:00"),
        typed(refused("23:59:60"), Some("24:00:00")),
        typed(refused("1.0 PM"), Some("25:00")),
        refused("25:00"),
    ]
}

fn services() -> Vec<Form> {
    vec![
        absent(),
        is("check-up", "check-up"),
        is(36, "36"),
        is("36", "36"),
        is(" Zahn\u{ad}reinigung  lang", "Zahnreinigung lang"),
        nothing("none"),
        nothing("n/a"),
        nothing("string"),
        refused("a\u{0b}b"),
    ]
}

fn notes() -> Vec<Form> {
    vec![
        absent(),
        is("a\r\nb", "a\nb"),
        is("see\u{200b} the file\u{feff}", "see the file"),
        is("No", "No"),
        is(36, "36"),
        is("Call {{agent}} back", "Call {{agent}} back"),
        is("80%(dental), ${10}", "80%(dental), ${10}"),
        nothing("{{notes}}"),
        nothing("${a}, %(b)s"),
        nothing("None"),
        nothing("k.A."),
        nothing("—"),
        refused("a\u{1b}[31m"),
        refused("x".repeat(2001)),
    ]
}

impl Drawn {
    /// The fact, with names and contacts that no other number has.
    pub fn fact(&self, number: usize) -> Fact {
        let (mut said, mut columns, mut row, mut wrong) = (Map::new(), Vec::new(), Map::new(), Vec::new());
        for ((field, required, forms), index) in fields(self.booking, number).into_iter().zip(&self.forms) {
            let form = forms[*index].clone();
            if !form.said.is_null() {
                said.insert(field.to_owned(), form.said);
            }
            columns.push((field, form.column));
            match form.comes {
                Comes::To(value) => {
                    row.insert(field.to_owned(), value);
                }
                Comes::Nothing if !required => {
                    row.insert(field.to_owned(), Value::Null);
                }
                Comes::Nothing | Comes::Refused => wrong.push(field),
            }
        }
        if let Some(phone) = row.get("phone") {
            let read = phone.as_str().map_or(Value::Null, e164);
            row.insert("phone_e164".to_owned(), read);
        }
        let kind = if self.booking { "BOOKING_CONFIRMATION" } else { "PATIENT_CREATION" };
        Fact { kind, said, columns, expected: if wrong.is_empty() { Ok(row) } else { Err(wrong) } }
    }
}
