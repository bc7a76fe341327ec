//! More than one object behind a marker, and objects that are none of it.

use super::*;

pub(super) fn forms() -> Vec<Form> {
    const B: &str = r#"{"name": "Al"}"#;
    let two = |text: &str| (text.replace("{A}", A).replace("{B}", B), vec![Accepted(A), Accepted(B)]);
    let rejected_second =
        |text: &str, reason| (text.replace("{A}", A).replace("{B}", B), vec![Accepted(A), Rejected(reason)]);
    let first = |text: &str| (text.replace("{A}", A), vec![Accepted(A)]);
    let repaired = |text: &str, repairs: &'static [Repair]| {
        (text.to_owned(), vec![Repaired(JO, repairs), Repaired(r#"{"name":"Al"}"#, repairs)])
    };
    let booking = r#"{"dentist":"D","date":"2027-01-01","time":"10:00","patient_name":"Jo"}"#;
    let inside =
        r#"{"name":"C","BOOKING_CONFIRMATION":{"dentist":"D","date":"2027-01-01","time":"10:00","patient_name":"Jo"}}"#;
    vec![
        repaired("PATIENT_CREATION: [{'name': 'Jo'}, {'name': 'Al'}]", &[Quotes]),
        repaired("PATIENT_CREATION: [{name: \"Jo\"}, {name: \"Al\"}]", &[UnquotedName]),
        repaired("PATIENT_CREATION: [{\"name\": \"Jo\",}, {\"name\": \"Al\",}]", &[TrailingComma]),
        repaired(r#"{"name":"patient_creation","arguments":"[{\"name\":\"Jo\"},{\"name\":\"Al\"}]"}"#, &[Escaped]),
        two("PATIENT_CREATION:\n```json\n{A}\n```\n```json\n{B}\n```"),
        two("PATIENT_CREATION:\n- {A}\n- {B}"),
        two("PATIENT_CREATION:\n* {A}\n* {B}"),
        two("PATIENT_CREATION:\n1. {A}\n2. {B}"),
        two("PATIENT_CREATION: {A}; {B}"),
        two("PATIENT_CREATION: {A} and {B}"),
        two("PATIENT_CREATION: {A} | {B}"),
        two("PATIENT_CREATION: {A}\n\n---\n\n{B}"),
        two("PATIENT_CREATION: {A}\n> {B}"),
        two("PATIENT_CREATION: {A}, /* next */ {B}"),
        two("PATIENT_CREATION: [[{A}], [{B}]]"),
        two("PATIENT_CREATION: ({A}, {B})"),
        two("PATIENT_CREATION: {A} ✅ {B}"),
        two(&format!("PATIENT_CREATION: {{A}}\n{}{{B}}", " ".repeat(100))),
        two("{\"PATIENT_CREATION\": [{A}, {B}]}"),
        (
            format!("PATIENT_CREATION: [{A}, {}]", r#"{"name": "Al", "note": "x"}"#),
            vec![Accepted(A), Accepted(r#"{"name": "Al", "note": "x"}"#)],
        ),
        (format!("PATIENT_CREATION: {inside}"), vec![Accepted(inside), Accepted(booking)]),
        // Theirs, perhaps: kept.
        rejected_second("PATIENT_CREATION {A}\nand for her son:\n{B}", Unclear),
        rejected_second("PATIENT_CREATION: {A}}{B}", Unclear),
        rejected_second("PATIENT_CREATION: {A}, {\"name\": \"Dr. Smith\", \"role\": \"dentist\"}", Foreign),
        rejected_second("PATIENT_CREATION: {A}\n{\"name\": \"Al\", \"phone\": }", Malformed),
        rejected_second("PATIENT_CREATION: {A}\n{\"name\": \"Al\"", Unfinished),
        (
            format!("BOOKING_CONFIRMATION: {booking}\n{}, \"status\": \"available\"}}", booking.trim_end_matches('}')),
            vec![Accepted(booking), Rejected(Foreign)],
        ),
        rejected_second("PATIENT_CREATION: {A}\n{\"name\": \"end_call\"}", Unclear),
        // Not theirs.
        first("{\"PATIENT_CREATION\": {A}, \"next\": {\"name\": \"confirm slot\"}}"),
        first("{\"PATIENT_CREATION\": {A}, \"then\": {\"name\": \"Al\"}}"),
        first("PATIENT_CREATION: {A}\n{\"name\": \"send_sms\", \"arguments\": {\"to\": \"212\"}}"),
        first(
            "[{\"name\": \"patient_creation\", \"arguments\": {A}}, {\"name\": \"send_sms\", \"arguments\": {\"to\": \"1\"}}]",
        ),
        first("{\"name\": \"patient_creation\", \"arguments\": {A}, \"context\": {\"name\": \"Bot\"}}"),
        first("PATIENT_CREATION: {A} {\"slots\": [{\"date\": \"2027-05-05\"}]}"),
        first("PATIENT_CREATION: {A} See {\"city\": \"Paris\"}"),
    ]
}
