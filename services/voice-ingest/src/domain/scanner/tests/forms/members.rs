//! The word as a value in an object: the fact is the member that carries data, or else the object itself.

use super::*;

pub(super) fn forms() -> Vec<Form> {
    let itself = r#"{"type":"PATIENT_CREATION","name":"Jo","emergency_contact":{"name":"Mum","phone":"212-555-0101"}}"#;
    let flat = r#"{"response_type": "PATIENT_CREATION", "name": "Jo"}"#;
    let mut forms = vec![
        (itself.to_owned(), vec![Accepted(itself)]),
        (flat.to_owned(), vec![Accepted(flat)]),
        (
            "{'type': 'PATIENT_CREATION', 'name': 'Jo'}".to_owned(),
            vec![Repaired(r#"{"name":"Jo","type":"PATIENT_CREATION"}"#, &[Quotes])],
        ),
        ("{“name”: “patient_creation”, “arguments”: {“name”: “Jo”}}".to_owned(), vec![Repaired(JO, &[Quotes])]),
        (
            "{'name': 'patient_creation', 'id': 'c', 'arguments': {'name': 'Jo'}}".to_owned(),
            vec![Repaired(JO, &[Quotes])],
        ),
        ("{name: \"patient_creation\", arguments: {name: \"Jo\"}}".to_owned(), vec![Repaired(JO, &[UnquotedName])]),
        (
            r#"{\"name\": \"patient_creation\", \"arguments\": \"{\\\"name\\\":\\\"Jo\\\"}\"}"#.to_owned(),
            vec![Repaired(JO, &[Escaped])],
        ),
        (r#"{"text":"Ok.\nPATIENT_CREATION: {\"name\":\"Jo\"}"}"#.to_owned(), vec![Repaired(JO, &[Escaped])]),
        (r#""Ok.\n\nPATIENT_CREATION:\n{\"name\":\"Jo\"}\n""#.to_owned(), vec![Repaired(JO, &[Escaped])]),
        (r#"PATIENT_CREATION: {\\\"name\\\":\\\"Jo\\\"}"#.to_owned(), vec![Repaired(JO, &[Escaped])]),
        (r"PATIENT_CREATION: {\u0022name\u0022:\u0022Jo\u0022}".to_owned(), vec![Repaired(JO, &[Escaped])]),
    ];
    for member in [
        "data",
        "arguments",
        "args",
        "parameters",
        "params",
        "input",
        "tool_input",
        "payload",
        "body",
        "fields",
        "value",
        "details",
        "patient",
    ] {
        forms.push(accepted(&format!(
            "{{\"type\":\"PATIENT_CREATION\",\"caller\":{{\"name\":\"Al\"}},\"{member}\":{{A}}}}"
        )));
    }
    forms.extend([
        accepted("{\"name\":\"patient_creation\",\"context\":{\"name\":\"Bot\",\"tags\":[\"a}\",{}]},\"arguments\":{A}}"),
        accepted("{\"type\":\"PATIENT_CREATION\",\"guardian\":{\"name\":\"Mum\"},\"patient\":{A}}"),
        accepted("{\"name\":\"patient_creation\",\"description\":\"Creates; use it.\",\"arguments\":{A}}"),
        accepted("{\"event_type\":\"ai_response.patient_creation\",\"data\":{A}}"),
        accepted("{\"name\":\"functions.patient_creation\",\"arguments\":[{A}]}"),
        rejected("{\"event\":\"PATIENT_CREATION\",\"caller\":{A},\"note\":\"none\"}", Unclear),
        rejected("{\"state\":\"PATIENT_CREATION\",\"known\":{A}}", Unclear),
        rejected("{\"name\":\"patient_creation\",\"status\":\"error\",\"result\":{A}}", Unclear),
        rejected("{\"name\":\"patient_creation\",\"phone\":\"212-555-0101\"}", NotAnObject),
        rejected("{\"tool\":\"patient_creation\",\"result\":\"ok\"}\n{A}", NotAnObject),
        rejected("{\"id\":7,\"type\":\"PATIENT_CREATION\",\"name\":\"Jo\"}", NotAnObject),
        nothing(
            "{\"function\":{\"name\":\"patient_creation\",\"parameters\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}}}",
        ),
    ]);
    forms
}
