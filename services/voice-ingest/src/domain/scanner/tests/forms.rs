//! What models really write: each form with what comes of it, whole and cut at every byte.

mod members;
mod no_object;
mod several;
mod signs;
mod thoughts;
mod words;

use super::*;

#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted(&'static str),
    Repaired(&'static str, &'static [Repair]),
    Rejected(BrokenReason),
}
use BrokenReason::{Ambiguous, Foreign, Malformed, NotAnObject, Unclear, Unfinished};
use Outcome::{Accepted, Rejected, Repaired};
use Repair::*;

const A: &str = r#"{"name": "Jo"}"#;
const JO: &str = r#"{"name":"Jo"}"#;

/// A text, and what is found in it.
type Form = (String, Vec<Outcome>);

/// `{A}` stands for an object.
fn accepted(text: &str) -> Form {
    (text.replace("{A}", A), vec![Accepted(A)])
}

fn rejected(text: &str, reason: BrokenReason) -> Form {
    (text.replace("{A}", A), vec![Rejected(reason)])
}

fn nothing(text: &str) -> Form {
    (text.replace("{A}", A), vec![])
}

fn all_forms() -> Vec<Form> {
    let parts =
        [words::forms(), signs::forms(), no_object::forms(), members::forms(), several::forms(), thoughts::forms()];
    forms().into_iter().chain(parts.into_iter().flatten()).collect()
}

fn forms() -> Vec<Form> {
    let accepted = |text: &str| (text.replace("{A}", A), vec![Accepted(A)]);
    let repaired = |text: &str, repairs: &'static [Repair]| (text.to_owned(), vec![Repaired(JO, repairs)]);
    let rejected = |text: &str, reason| (text.to_owned(), vec![Rejected(reason)]);
    let prose = |text: &str| (text.to_owned(), vec![]);
    vec![
        // Spelling of the word.
        accepted(r"PATIENT\_CREATION: {A} bye"),
        accepted(r"PATIENT\\_CREATION: {A}"),
        accepted("PATIENT-CREATION: {A}"),
        accepted("PATIENT CREATION: {A}"),
        accepted("patient_creation: {A}"),
        accepted("Patient_Creation: {A}"),
        accepted("PatientCreation: {A}"),
        accepted("patientCreation: {A}"),
        accepted("Patient creation: {A}"),
        accepted("patient-creation: {A}"),
        // Separators and Markdown.
        accepted("PATIENT_CREATION {A}"),
        accepted("PATIENT_CREATION:\n\n{A}"),
        accepted("PATIENT_CREATION = {A}"),
        accepted("PATIENT_CREATION => {A}"),
        accepted("PATIENT_CREATION -> {A}"),
        accepted("PATIENT_CREATION → {A}"),
        accepted("PATIENT_CREATION：{A}"),
        accepted("PATIENT_CREATION – {A}"),
        accepted("**PATIENT_CREATION** {A}"),
        accepted("## PATIENT_CREATION\n```json\n{A}\n```"),
        accepted("## Patient Creation\n\n```json\n{A}\n```"),
        accepted("| PATIENT_CREATION | {A} |"),
        accepted("> PATIENT_CREATION: {A}"),
        accepted("- `PATIENT_CREATION`: `{A}`"),
        accepted("[PATIENT_CREATION] {A}"),
        accepted("\"PATIENT_CREATION\": {A}"),
        accepted("“PATIENT_CREATION”: {A}"),
        accepted("PATIENT_CREATION (JSON): {A}"),
        accepted("PATIENT_CREATION with data: {A}"),
        accepted("PATIENT_CREATION: [{A}]"),
        // As a key, a call, a tag.
        accepted("{\"PATIENT_CREATION\": {A}}"),
        accepted("{\"response_type\": \"PATIENT_CREATION\", \"data\": {A}}"),
        accepted("{\"name\": \"patient_creation\", \"arguments\": {A}}"),
        accepted("{\"id\": \"c1\", \"name\": \"patient_creation\", \"index\": 0, \"input\": {A}}"),
        accepted("<tool_call>\n{\"name\": \"patient_creation\", \"arguments\": {A}}\n</tool_call>"),
        accepted("[TOOL_CALLS] [{\"name\": \"patient_creation\", \"arguments\": {A}}]"),
        accepted("[TOOL_CALLS]patient_creation[ARGS]{A}"),
        accepted("<function=patient_creation>{A}</function>"),
        accepted("<PATIENT_CREATION>{A}</PATIENT_CREATION>"),
        accepted("<invoke name=\"patient_creation\">\n<parameter name=\"data\">{A}</parameter></invoke>"),
        accepted("<|channel|>commentary to=functions.patient_creation <|constrain|>json<|message|>{A}"),
        accepted("functions.patient_creation:0 <|tool_call_argument_begin|> {A}"),
        accepted("Action: patient_creation\nAction Input: {A}"),
        accepted("patient_creation({A})"),
        repaired(
            "{\"function\": {\"name\": \"patient_creation\", \"arguments\": \"{\\\"name\\\":\\\"Jo\\\"}\"}}",
            &[Escaped],
        ),
        // Objects that are no JSON and have one meaning.
        repaired("PATIENT_CREATION: {\"name\": \"Jo\",}", &[TrailingComma]),
        repaired("PATIENT_CREATION: {'name': 'Jo'}", &[Quotes]),
        repaired("PATIENT_CREATION: {“name”: “Jo”}", &[Quotes]),
        repaired("PATIENT_CREATION: {name: \"Jo\"}", &[UnquotedName]),
        repaired("PATIENT_CREATION: {\"name\": \"Jo\" // the caller\n}", &[Comment]),
        repaired("PATIENT_CREATION: {/* caller */ \"name\": \"Jo\"}", &[Comment]),
        repaired("PATIENT_CREATION: {\"name\"：\"Jo\"}", &[Punctuation]),
        repaired("PATIENT_CREATION:\n> {\n> \"name\": \"Jo\"\n> }", &[Quotation]),
        (
            "PATIENT_CREATION: {'name': None, 'a': True, 'b': NaN}".to_owned(),
            vec![Repaired(r#"{"a":true,"b":null,"name":null}"#, &[Quotes, Word])],
        ),
        ("PATIENT_CREATION: {'name': 'O'Brien'}".to_owned(), vec![Repaired(r#"{"name":"O'Brien"}"#, &[Quotes])]),
        (
            "PATIENT_CREATION: {\"notes\": \"two\nlines\"}".to_owned(),
            vec![Repaired(r#"{"notes":"two\nlines"}"#, &[LineBreak])],
        ),
        (
            "PATIENT_CREATION: {\"phone\": +49301234, \"a\": 0301234}".to_owned(),
            vec![Repaired(r#"{"a":"0301234","phone":"+49301234"}"#, &[Number])],
        ),
        (format!("PATIENT_CREATION: {A}\n{A}"), vec![Accepted(A), Accepted(A)]),
        (format!("PATIENT_CREATION: [{A}, {A}]"), vec![Accepted(A), Accepted(A)]),
        // Announced, and no object of one meaning.
        rejected("PATIENT_CREATION: {\"phone\": 1,234}", Malformed),
        rejected("PATIENT_CREATION: {\"name\": Jo Poe}", Malformed),
        rejected("PATIENT_CREATION: {\"name\": \"Jo\", \"phone\": \"1\", \"name\": \"Al\"}", Ambiguous),
        rejected("PATIENT_CREATION: {'name': 'Jo', 'name': 'Al'}", Malformed),
        rejected("PATIENT_CREATION: {\\\"name\\\": \\\"Jo\\\", \\\"name\\\": \\\"Al\\\"}", Malformed),
        repaired("PATIENT_CREATION: {'name': 'Jo', 'name': 'Jo'}", &[Quotes]),
        rejected("PATIENT_CREATION: {\"name\": \"Jo\" \"a\": 1}", Malformed),
        rejected("PATIENT_CREATION: {\"a\": Infinity}", Malformed),
        rejected("PATIENT_CREATION: {\"name\": \"Jo\"", Unfinished),
        rejected("patient_creation(name=\"Jo\")", NotAnObject),
        rejected("<function=patient_creation>\n<parameter=name>\nJo\n</parameter>", NotAnObject),
        rejected("PATIENT_CREATION:\n  name: Jo", NotAnObject),
        rejected("PATIENT_CREATION -> Jo", NotAnObject),
        rejected("{\"arguments\": {\"name\": \"Jo\"}, \"name\": \"patient_creation\"}", NotAnObject),
        // Thoughts.
        prose("<think>I could emit PATIENT_CREATION: {\"name\": \"Draft\"} later.</think>May I have your name?"),
        prose("<THINKING>PATIENT_CREATION: {\"name\": \"Draft\"}</thinking>"),
        prose("[THINK]PATIENT_CREATION: {}[/THINK]"),
        prose("◁think▷PATIENT_CREATION: {}◁/think▷"),
        prose("<|channel|>analysis<|message|>PATIENT_CREATION: {}<|end|>"),
        rejected("<think>PATIENT_CREATION: {\"name\": \"Draft\"}", BrokenReason::Thought),
        (format!("<think>PATIENT_CREATION: {{}}</think> PATIENT_CREATION: {A}"), vec![Accepted(A)]),
        // Prose.
        prose("Now I do the PATIENT_CREATION step."),
        prose("PATIENT_CREATION_LOG: {\"name\": \"No\"}"),
        prose("The patient creation is done: see {name}."),
        prose("Patient creation: I wrote it down."),
        prose("The booking confirmation follows by mail (tomorrow)."),
        prose("PATIENT_CREATION and BOOKING_CONFIRMATION are {both} markers."),
        prose("</PATIENT_CREATION>: {\"name\": \"No\"}"),
        prose("createPatientCreation: {\"name\": \"No\"}"),
    ]
}

fn outcomes(found: &[Found], expected: &[Outcome]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| match expected {
            Accepted(json) => found.json.as_deref() == Ok(json) && found.repairs.is_empty(),
            Repaired(json, repairs) => found.json.as_deref() == Ok(json) && found.repairs == *repairs,
            Rejected(reason) => found.json == Err(Broken { reason: *reason }),
        })
}

#[test]
fn every_form_comes_to_what_it_says() {
    let forms = all_forms();
    assert!(forms.len() >= 400);
    let mut wrong = Vec::new();
    for (text, expected) in &forms {
        let whole = scan(text.as_bytes());
        if !outcomes(&whole, expected) {
            wrong.push(format!("{text}\n  expected {expected:?}\n  found {whole:?}"));
            continue;
        }
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            assert_eq!(scan_pieces([one, two]), whole, "{text} cut at {cut}");
        }
        assert_eq!(scan_pieces(text.as_bytes().chunks(1)), whole, "{text} byte by byte");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), forms.len(), wrong.join("\n"));
}
