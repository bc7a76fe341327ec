//! What earlier versions stored is read on, and what is damaged does no harm.

use super::*;

/// What an earlier version stored between two pieces of a call, in each of its places.
#[test]
fn a_state_of_the_first_version_is_read_on() {
    let states = [
        (
            r#"{"offset": 3, "place": "Prose", "edge": "Open", "window": {"text": "", "rest": []}, "pending": null}"#,
            "PATIENT_CREATION: {}",
        ),
        (
            r#"{"offset": 10, "place": {"Word": {"kind": "PATIENT_CREATION", "matched": 8}}, "edge": "Closed",
                "window": {"text": "", "rest": []}, "pending": null}"#,
            "CREATION: {}",
        ),
        (
            r#"{"offset": 18, "place": {"Tail": {"kind": "PATIENT_CREATION", "start": 0, "tail": "**"}}, "edge": "Open",
                "window": {"text": "", "rest": []}, "pending": null}"#,
            ": {}",
        ),
        (
            r#"{"offset": 18, "place": {"Gap": {"head": {"kind": "PATIENT_CREATION", "start": 0, "tail": ""}, "ticks": 0,
                "language": false}}, "edge": "Closed", "window": {"text": " ", "rest": []}, "pending": null}"#,
            "{}",
        ),
        (
            r#"{"offset": 40, "place": {"Object": {"head": {"kind": "PATIENT_CREATION", "start": 20, "tail": ""}, "at": 1,
                "reader": {"open": 1, "depth": 1, "next": "FirstKey"}}}, "edge": "Closed",
                "window": {"text": " {", "rest": []}, "pending": null}"#,
            "}",
        ),
        (
            r#"{"offset": 50, "place": "Prose", "edge": "Open", "window": {"text": "", "rest": []}, "pending": {"head":
                {"kind": "BOOKING_CONFIRMATION", "start": 20, "tail": ""}, "reason": "not_an_object", "broke_at": 42,
                "excerpt": {"text": "BOOKING_CONFIRMATION: no, wait", "rest": []}, "blank": false}}"#,
            " PATIENT_CREATION: {}",
        ),
    ];
    for (state, more) in states {
        let mut scanner = Scanner::restored(serde_json::from_str(state).unwrap()).unwrap_or_else(|| panic!("{state}"));
        let mut found = Vec::new();
        scanner.push(more.as_bytes(), &mut |one| found.push(one));
        scanner.finish(&mut |one| found.push(one));
        let last = found.pop().unwrap_or_else(|| panic!("{state}"));
        assert_eq!((last.kind, last.json.as_deref()), (PATIENT, Ok("{}")), "{state}");
        assert_eq!(found.len(), usize::from(state.contains("excerpt")), "{state}");
    }
}

#[test]
fn a_field_that_is_added_to_the_state_makes_it_no_other() {
    let mut scanner = Scanner::new();
    scanner.push(b"PATIENT_CREATION: {\"a\": 1", &mut |_| {});
    let mut state = serde_json::to_value(&scanner).unwrap();
    state["of_tomorrow"] = 1.into();
    state.as_object_mut().unwrap().remove("again");
    let mut scanner = Scanner::restored(state).unwrap();
    let mut found = Vec::new();
    scanner.push(b"}", &mut |one| found.push(one));
    assert_eq!(found.len(), 1);
}

#[test]
fn a_stored_state_that_was_damaged_does_no_harm() {
    let mut scanner = Scanner::new();
    scanner.push(b"PATIENT_CREATION: {\"a\": 1", &mut |_| {});
    let mut state = serde_json::to_value(&scanner).unwrap();
    state["text"]["text"] = "".into();
    state["at"] = 10.into();
    assert_eq!(Scanner::restored(state), None);
    assert_eq!(Scanner::restored(serde_json::json!({"version": 4})), None);
    assert_eq!(Scanner::restored(serde_json::json!("no state")), None);
}

#[test]
fn a_state_of_the_second_version_is_read_on() {
    for (state, more, expected) in [
        (
            r#"{"version": 2, "offset": 60, "text": {"text": "e is Ada Byron\"}, ", "rest": []}, "at": 16, "pending": null,
                "thought": null, "again": "PATIENT_CREATION"}"#,
            r#"{"name": "Al"}"#,
            &[Ok(r#"{"name": "Al"}"#)][..],
        ),
        (
            r#"{"version": 2, "offset": 60, "text": {"text": "<think>PATIENT_CREATION: {}", "rest": []}, "at": 27, "pending":
                null, "thought": {"closing": "</think>", "withheld": [], "is_long": false}, "again": null}"#,
            "PATIENT_CREATION: {}</think> PATIENT_CREATION: {\"name\": \"Al\"}",
            &[Ok(r#"{"name": "Al"}"#)],
        ),
        (
            r#"{"version": 2, "offset": 60, "text": {"text": "and then comes a ", "rest": []}, "at": 17, "pending": null,
                "thought": null, "again": null}"#,
            "PATIENT_CREATION, which is it",
            &[],
        ),
        (
            r#"{"version": 2, "offset": 60, "text": {"text": "PATIENT_CREATION: no", "rest": []}, "at": 20, "pending": {"kind":
                "PATIENT_CREATION", "reason": "not_an_object", "begin": 0, "broke": 18, "checked": 18}, "thought": null,
                "again": null}"#,
            " BOOKING_CONFIRMATION: {}",
            &[Err(BrokenReason::NotAnObject), Ok("{}")],
        ),
    ] {
        let mut scanner = Scanner::restored(serde_json::from_str(state).unwrap()).unwrap_or_else(|| panic!("{state}"));
        let mut found = Vec::new();
        scanner.push(more.as_bytes(), &mut |one| found.push(one));
        scanner.finish(&mut |one| found.push(one));
        let seen: Vec<_> = found.iter().map(|one| one.json.as_deref().map_err(|broken| broken.reason)).collect();
        assert_eq!(seen, expected, "{state}");
    }
}
