//! A text is the same text however it is cut.

use serde_json::{Value, json};

use crate::support::Voice;

/// A marker, a fence, an escape, a quoted brace, characters of two to four bytes, a second marker, a broken one.
const TEXT: &str = "Sure! **PATIENT_CREATION**:\n```json\n{\"name\": \"Zo\u{eb} \\\"Z\\\" Kr\\u00fcger }\", \"phone\": \
    \"555-1234\"}\n```\n\u{1f9b7} BOOKING_CONFIRMATION: {\"dentist\": \"Dr. \u{738b}\", \"date\": \"2026-12-01\", \"time\": \
    \"10:00\", \"patient_name\": \"Zo\u{eb}\"} PATIENT_CREATION: {\"name\": 5";

/// What a reader of the call's page sees, without what differs from call to call.
async fn page(voice: &Voice, call: &str) -> Vec<Value> {
    let seen = |one: Value| {
        let names = ["kind", "status", "span", "data", "raw", "problems"];
        Value::Object(names.iter().map(|name| ((*name).to_owned(), one[*name].clone())).collect())
    };
    voice.shown(call).await.into_iter().map(seen).collect()
}

#[tokio::test]
async fn a_text_in_two_pieces_is_the_whole_wherever_it_is_cut() {
    let voice = Voice::without_kafka().await;
    voice.say("whole", TEXT).await.extractions();
    let whole = page(&voice, "whole").await;
    let statuses: Vec<&Value> = whole.iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["accepted", "accepted", "rejected"], "{whole:?}");
    for at in (1..TEXT.len()).filter(|at| TEXT.is_char_boundary(*at)) {
        let (call, (first, second)) = (format!("cut-{at}"), TEXT.split_at(at));
        let early = voice.say_piece(&call, first, false).await.extractions();
        assert_eq!(voice.call_page(&call).await["unfinished"], true, "{at}");
        let late = voice.say_piece(&call, second, true).await.extractions();
        assert_eq!(early.len() + late.len(), 3, "cut at {at}");
        assert_eq!(page(&voice, &call).await, whole, "cut at {at}, behind {first:?}");
        assert_eq!(voice.call_page(&call).await["unfinished"], false, "{at}");
    }
}

#[tokio::test]
async fn a_text_letter_by_letter_is_the_whole() {
    let voice = Voice::without_kafka().await;
    voice.say("whole", TEXT).await.extractions();
    let letters: Vec<String> = TEXT.chars().map(String::from).collect();
    for (number, letter) in letters.iter().enumerate() {
        let path = format!("/api/v1/calls/letters/output?final={}", number + 1 == letters.len());
        // Both ways to send a text.
        let answer = match number % 2 {
            0 => voice.post(&path, "text/plain", letter.clone()).await,
            _ => voice.post(&path, "application/json", json!({ "text": letter }).to_string()).await,
        };
        assert_eq!(answer.status, 202, "{number}: {}", answer.body);
    }
    assert_eq!(page(&voice, "letters").await, page(&voice, "whole").await);
}

#[tokio::test]
async fn pieces_of_different_calls_do_not_mix() {
    let voice = Voice::without_kafka().await;
    let text =
        |number: usize| format!("PATIENT_CREATION: {{\"name\": \"Caller {number}\", \"phone\": \"555-{number:04}\"}}");
    let one = async |number: usize| {
        let (call, text) = (format!("call-{number}"), text(number));
        for start in (0..text.len()).step_by(7) {
            let end = text.len().min(start + 7);
            voice.say_piece(&call, &text[start..end], end == text.len()).await.extractions();
        }
    };
    futures::future::join_all((0..20).map(one)).await;
    for number in 0..20 {
        let shown = voice.shown(&format!("call-{number}")).await;
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert_eq!(shown[0]["data"]["name"], format!("Caller {number}"));
        assert_eq!(shown[0]["data"]["phone"], format!("555-{number:04}"));
    }
}

#[tokio::test]
async fn a_text_that_ends_in_an_object_is_not_continued_by_the_next() {
    let voice = Voice::without_kafka().await;
    let first = voice.say("call", "PATIENT_CREATION: {\"name\": \"Ada").await.extractions();
    assert_eq!(first[0]["status"], "rejected");
    let second = voice.say("call", " Byron\"} PATIENT_CREATION: {\"name\": \"Grace Hopper\"}").await.extractions();
    assert_eq!(second.len(), 1);
    let shown = voice.shown("call").await;
    assert_eq!(shown[1]["data"], json!({ "name": "Grace Hopper" }));
}

#[tokio::test]
async fn pieces_survive_a_restart_between_them() {
    let mut voice = Voice::without_kafka().await;
    voice.say_piece("call", "PATIENT_CREATION: {\"name\": \"Ada \\", false).await.extractions();
    voice.service.kill9();
    voice.service.restart().await;
    voice.service.wait_ready().await;
    let taken = voice.say_piece("call", "u0042yron\"}", true).await.extractions();
    assert_eq!(taken[0]["status"], "accepted");
    assert_eq!(voice.shown("call").await[0]["data"]["name"], "Ada Byron");
}

#[tokio::test]
async fn a_piece_may_end_inside_a_character_and_the_last_may_be_empty() {
    let voice = Voice::without_kafka().await;
    let text = "PATIENT_CREATION: {\"name\": \"Zo\u{eb} Split\"}".as_bytes();
    let cut = text.iter().position(|byte| *byte == 0xc3).unwrap() + 1;
    let send = async |call: &str, piece: &[u8], last: bool| {
        let path = format!("/api/v1/calls/{call}/output?final={last}");
        voice.post(&path, "text/plain", piece.to_vec()).await
    };
    assert!(send("split", &text[..cut], false).await.extractions().is_empty());
    send("split", &text[cut..], true).await.extractions();
    assert_eq!(voice.shown("split").await[0]["data"]["name"], "Zo\u{eb} Split");

    send("ended", &text[..cut], false).await.extractions();
    let [taken] = <[Value; 1]>::try_from(send("ended", b"", true).await.extractions()).unwrap();
    assert_eq!(taken["status"], "rejected");
    assert_eq!(voice.call_page("ended").await["unfinished"], false);
    assert_eq!(send("never-heard", b"", true).await.status, 400);
}

#[tokio::test]
async fn only_a_whole_text_tells_that_its_beginning_was_a_thought() {
    let voice = Voice::without_kafka().await;
    let text =
        "Perhaps PATIENT_CREATION: {\"name\": \"Ada Draft\"}?\n</think>\n\nPATIENT_CREATION: {\"name\": \"Ada Byron\"}";
    voice.say("whole", text).await.extractions();
    let shown = voice.shown("whole").await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0]["data"]["name"], "Ada Byron");

    let (thought, said) = text.split_at(text.find("</think>").unwrap());
    assert_eq!(voice.say_piece("pieces", thought, false).await.extractions()[0]["status"], "accepted");
    assert_eq!(voice.say_piece("pieces", said, true).await.extractions()[0]["status"], "accepted");
    assert_eq!(voice.shown("pieces").await.len(), 2);
}

#[tokio::test]
async fn a_declared_charset_is_read_or_refused() {
    let voice = Voice::without_kafka().await;
    let text = "PATIENT_CREATION: {\"name\": \"Zo\u{eb} U16\"}";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1: Vec<u8> = text.chars().map(|character| character as u8).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = [b"\xfe\xff", &big[..]].concat();
    for (call, charset, body) in [
        ("utf-16le", "utf-16le", utf16.clone()),
        ("utf-16-big", "utf-16", big),
        ("utf-16-marked", "utf-16", marked),
        ("latin1", "\"ISO-8859-1\"", latin1),
    ] {
        let content_type = format!("text/plain; charset={charset}");
        voice.post(&format!("/api/v1/calls/{call}/output"), &content_type, body).await.extractions();
        assert_eq!(voice.shown(call).await[0]["data"]["name"], "Zo\u{eb} U16", "{call}");
    }
    let refused = voice.post("/api/v1/calls/undeclared/output", "text/plain", utf16).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("UTF-16"), "{}", refused.body);
    let refused = voice.post("/api/v1/calls/undeclared/output", "text/plain; charset=klingon", text).await;
    assert_eq!(refused.status, 415, "{}", refused.body);
    for other in ["application/x-www-form-urlencoded", "application/xml"] {
        let refused = voice.post("/api/v1/calls/undeclared/output", other, text).await;
        assert_eq!(refused.status, 415, "{}", refused.body);
        assert!(refused.body.contains("text/plain") && refused.body.contains("application/json"), "{}", refused.body);
    }
}
