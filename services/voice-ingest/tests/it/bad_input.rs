//! What is wrong is refused with a reason that helps, and leaves nothing behind.

use serde_json::Value;

use crate::support::{Answer, Voice};

/// Stands in every wrong value: no answer may repeat it.
const CANARY: &str = "kanari7351";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const OUTPUT: &str = "/api/v1/calls/call-1/output";
const RESPONSES: &str = "/api/v1/ai-responses";

struct Case {
    what: &'static str,
    method: &'static str,
    path: String,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    status: u16,
    /// Of `errors[].field`; empty where no field is wrong.
    field: &'static str,
}

fn case(what: &'static str, path: impl Into<String>, content_type: &'static str, body: impl Into<Vec<u8>>) -> Case {
    let (method, path, body) = ("POST", path.into(), body.into());
    Case { what, method, path, content_type: Some(content_type), body, status: 400, field: "" }
}

fn json(what: &'static str, path: &str, body: impl Into<Vec<u8>>) -> Case {
    case(what, path, JSON, body)
}

fn bare(what: &'static str, method: &'static str, path: impl Into<String>) -> Case {
    Case { method, content_type: None, ..case(what, path, JSON, "") }
}

impl Case {
    fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// 422 for this field.
    fn field(self, field: &'static str) -> Self {
        Self { status: 422, field, ..self }
    }

    /// 400 for this part of the path or the query.
    fn named(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    fn without_content_type(self) -> Self {
        Self { content_type: None, ..self }
    }

    async fn send(&self, voice: &Voice) -> Answer {
        let method = self.method.parse().unwrap();
        let mut request = voice.client.request(method, voice.url(&self.path)).body(self.body.clone());
        if let Some(content_type) = self.content_type {
            request = request.header("content-type", content_type);
        }
        voice.send(request).await
    }

    /// The form of RFC 9457, the field, the remedy, and not a word of what was sent.
    fn check(&self, answer: &Answer) -> Result<(), String> {
        let told = || format!("{}: {} {} {}", self.what, answer.status, answer.content_type, answer.body);
        let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {}", told())) };
        holds(answer.status == self.status, &format!("not {}", self.status))?;
        holds(answer.content_type == "application/problem+json", "not a problem")?;
        let problem: Value = serde_json::from_str(&answer.body).map_err(|_| told())?;
        let filled = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        holds(problem["status"] == answer.status, "not its own status")?;
        holds(["type", "title", "detail"].iter().all(|name| filled(&problem[*name])), "a member is missing")?;
        holds(!answer.body.contains(CANARY), "repeats what was sent")?;
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        holds(errors.iter().all(|error| filled(&error["problem"]) && filled(&error["remedy"])), "no remedy")?;
        match self.field {
            "" => holds(errors.iter().all(|error| error["field"] == ""), "names a field"),
            field => holds(errors.iter().any(|error| error["field"] == field), &format!("does not name {field}")),
        }
    }
}

/// What is wrong with a JSON body that should be like `valid`, with a field `key`.
fn bodies(path: &str, key: &str, valid: &str) -> Vec<Case> {
    let deep = format!("{}{CANARY}{}", "[".repeat(10_000), "]".repeat(10_000));
    let with = |value: &str| format!("{{\"{key}\": {value}");
    vec![
        json("malformed", path, with(CANARY)),
        json("cut off in a string", path, with(&format!("\"{CANARY}"))),
        json("cut off behind a value", path, with(&format!("\"{CANARY}\""))),
        json("a key that is no string", path, format!("{{{CANARY}: 1}}")),
        json("two documents", path, format!("{valid} {{\"{CANARY}\": 1}}")),
        json("empty", path, ""),
        json("white space", path, " \r\n\t "),
        json("a byte order mark", path, format!("\u{feff}{valid}")),
        json("not UTF-8", path, [with("\"").as_bytes(), CANARY.as_bytes(), b"\xff\xfe\"}"].concat()),
        json("compressed", path, [b"\x1f\x8b\x08\0".as_slice(), CANARY.as_bytes()].concat()),
        json("deep, at the top", path, deep).status(422),
        json("an array", path, format!(r#"["{CANARY}", "PATIENT_CREATION", {{"name": "x"}}]"#)).status(422),
        json("an array of one", path, format!(r#"["{CANARY}"]"#)).status(422),
        json("a string", path, format!(r#""{CANARY}""#)).status(422),
        json("null", path, "null").status(422),
        json("10 MB", path, with(&format!("\"{}\"}}", CANARY.repeat(1_000_000)))).status(413),
        json("no content type", path, valid).without_content_type().status(415),
        case("an empty content type", path, "", valid).status(415),
        case("XML", path, "application/xml", "<a/>").status(415),
        case("a form", path, "application/x-www-form-urlencoded", format!("{key}={CANARY}")).status(415),
    ]
}

fn texts() -> Vec<Case> {
    let long = format!("PATIENT_CREATION: {{\"name\": \"{}\"}}", CANARY.repeat(1_000_000));
    vec![
        case("an empty text", OUTPUT, TEXT, ""),
        case("a text that is not UTF-8", OUTPUT, TEXT, [CANARY.as_bytes(), b"\xff"].concat()),
        case("a text that ends inside a character", OUTPUT, TEXT, [CANARY.as_bytes(), b"\xc3"].concat()),
        case("a surrogate as UTF-8", OUTPUT, TEXT, [CANARY.as_bytes(), b"\xed\xa0\x80"].concat()),
        case("UTF-16", OUTPUT, TEXT, b"\xff\xfeP\0A\0".as_slice()),
        case("a text of 10 MB", OUTPUT, TEXT, long).status(413),
        json("no text", OUTPUT, "{}").field("text"),
        json("an unknown field", OUTPUT, format!(r#"{{"text": "{CANARY}", "texts": 1}}"#)).field("*"),
        json("a field that is there twice", OUTPUT, format!(r#"{{"text": "{CANARY}", "text": ""}}"#)).field("text"),
        json("a number as text", OUTPUT, r#"{"text": 7351}"#).field("text"),
        json("an object as text", OUTPUT, format!(r#"{{"text": {{"{CANARY}": 1}}}}"#)).field("text"),
        json("a lone surrogate", OUTPUT, format!(r#"{{"text": "{CANARY}\ud800"}}"#)),
        case("an unknown parameter", format!("{OUTPUT}?finale={CANARY}"), TEXT, "x").named("*"),
        case("a parameter that is no boolean", format!("{OUTPUT}?final={CANARY}"), TEXT, "x").named("final"),
        case("a parameter that is there twice", format!("{OUTPUT}?final=true&final=false"), TEXT, "x").named("final"),
    ]
}

fn patient(data: &str) -> String {
    format!(r#"{{"call_id": "c", "response_type": "PATIENT_CREATION", "data": {data}}}"#)
}

fn booking(data: &str) -> String {
    format!(r#"{{"call_id": "c", "response_type": "BOOKING_CONFIRMATION", "data": {data}}}"#)
}

fn responses() -> Vec<Case> {
    let deep = format!(r#"{{"name": "{CANARY}", "more": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let response = |what, body: String| json(what, RESPONSES, body);
    let named = |name: &str| patient(&format!(r#"{{"name": "{CANARY}{name}"}}"#));
    vec![
        response("nothing in it", "{}".to_owned()).field("call_id"),
        response("no data", r#"{"call_id": "c", "response_type": "PATIENT_CREATION"}"#.to_owned()).field("data"),
        response("no type", format!(r#"{{"call_id": "c", "data": {{"name": "{CANARY}"}}}}"#)).field("response_type"),
        response("an unknown field", format!(r#"{{"call_id": "c", "callId": "{CANARY}"}}"#)).field("*"),
        response("an unknown type", patient("{}").replace("PATIENT_CREATION", CANARY)).field("response_type"),
        response("a number as type", patient("{}").replace(r#""PATIENT_CREATION""#, "1")).field("response_type"),
        response("a number as call", patient("{}").replace(r#""c""#, "7351")).field("call_id"),
        response("data that is a string", patient(&format!(r#""{CANARY}""#))).field("data"),
        response("data that is null", patient("null")).field("data"),
        response("data that is a list", patient("[]")).field("data"),
        response("deep data", patient(&deep)),
        response("a number beyond all bounds", patient(r#"{"name": "x", "more": 1e999}"#)),
        response("a lone surrogate", named(r"\ud800")),
        response("no name", patient(r#"{"email": "a@example.org"}"#)).field("data.name"),
        response("an empty name", patient(r#"{"name": "  "}"#)).field("data.name"),
        response("a name that is a number", patient(r#"{"name": 7351}"#)).field("data.name"),
        response("a name that is an object", patient(r#"{"name": {"first": "x"}}"#)).field("data.name"),
        response("a name with NUL", named(r"\u0000")).field("data.name"),
        response("a name with BEL", named(r"\u0007x")).field("data.name"),
        response("a name of two lines", named(r"\nBcc: x@example.org")).field("data.name"),
        response("a name of two lines by Unicode", named("\u{2028}nap")).field("data.name"),
        response("a name that nobody said", patient(r#"{"name": "<full name>"}"#)).field("data.name"),
        response("a name without a letter", patient(r#"{"name": "7351"}"#)).field("data.name"),
        response("a name of 201 characters", named(&"ü".repeat(200))).field("data.name"),
        response("an address that is none", patient(&format!(r#"{{"name": "x", "email": "{CANARY}"}}"#)))
            .field("data.email"),
        response(
            "an address with a header in it",
            patient(&format!(r#"{{"name": "x", "email": "a@example.org\r\nBcc: {CANARY}@example.org"}}"#)),
        )
        .field("data.email"),
        response("a birth date that is none", patient(r#"{"name": "x", "date_of_birth": "02/30/1985"}"#))
            .field("data.date_of_birth"),
        response("a birth date to come", patient(r#"{"name": "x", "date_of_birth": "2985-01-15"}"#))
            .field("data.date_of_birth"),
        response("a phone number that is a fraction", patient(r#"{"name": "x", "phone": 73.51}"#)).field("data.phone"),
        response("a booking of nothing", booking("{}")).field("data.dentist"),
        response(
            "a booking at no time",
            booking(r#"{"dentist": "Dr. Smith", "date": "2026-12-01", "time": "25:00", "patient_name": "x"}"#),
        )
        .field("data.time"),
        response(
            "a booking for a name with NUL",
            booking(r#"{"dentist": "Dr. Smith", "date": "2026-12-01", "time": "10:00", "patient_name": "x\u0000"}"#),
        )
        .field("data.patient_name"),
        case("an unknown parameter", format!("{RESPONSES}?dry_run={CANARY}"), JSON, patient(r#"{"name": "x"}"#))
            .named("*"),
    ]
}

/// Ids that no call has, where they are part of a path and where they are a field.
fn call_ids() -> Vec<Case> {
    let long = CANARY.repeat(13);
    let wrong = [
        ("130 characters", long.as_str(), long.as_str()),
        ("a slash", "kanari7351%2F1", r"kanari7351/1"),
        ("a control character", "kanari7351%07", r"kanari7351\u0007"),
        ("NUL", "kanari7351%00", r"kanari7351\u0000"),
        ("a line break", "kanari7351%0D%0Ax:%20y", r"kanari7351\r\nx: y"),
        ("beyond ASCII", "kanari7351%C3%BC", "kanari7351ü"),
        ("a space", "kanari7351%201", "kanari7351 1"),
        ("a path", "..%2F..%2Fkanari7351", "../../kanari7351"),
    ];
    let mut cases = Vec::new();
    for (what, in_path, in_json) in wrong {
        cases.push(case(what, format!("/api/v1/calls/{in_path}/output"), TEXT, "x").field("call_id"));
        cases.push(bare(what, "GET", format!("/api/v1/calls/{in_path}")).field("call_id"));
        let body = patient(r#"{"name": "x"}"#).replace(r#""c""#, &format!(r#""{in_json}""#));
        cases.push(json(what, RESPONSES, body).field("call_id"));
    }
    let empty = patient(r#"{"name": "x"}"#).replace(r#""c""#, r#""""#);
    cases.push(json("an empty call", RESPONSES, empty).field("call_id"));
    let at_most = "c".repeat(129);
    cases.push(bare("129 characters", "GET", format!("/api/v1/calls/{at_most}")).field("call_id"));
    for path in ["/api/v1/calls/%FF%FE", "/api/v1/calls/%FF%FE/output"] {
        let method = if path.ends_with("output") { "POST" } else { "GET" };
        cases.push(bare("a path that is not UTF-8", method, path).named("call_id"));
    }
    cases.push(case("an empty part of the path", "/api/v1/calls//output", TEXT, "x").field("call_id"));
    cases
}

fn paths_and_methods() -> Vec<Case> {
    let unknown = "/api/v1/calls/kanari7351-unknown";
    vec![
        bare("an unknown call", "GET", unknown).status(404),
        bare("an unknown parameter", "GET", format!("{unknown}?verbose={CANARY}")).named("*"),
        bare("an unknown path", "GET", format!("/{CANARY}")).status(404),
        bare("a path below", "GET", format!("{unknown}/output/{CANARY}")).status(404),
        bare("all calls", "GET", "/api/v1/calls").status(404),
        bare("reading where one writes", "GET", OUTPUT).status(405),
        bare("writing where one reads", "POST", unknown).status(405),
        bare("DELETE of a call", "DELETE", unknown).status(405),
        bare("PUT of a text", "PUT", OUTPUT).status(405),
        bare("PATCH of responses", "PATCH", RESPONSES).status(405),
        bare("a method that there is not", "KANARI", RESPONSES).status(405),
    ]
}

#[tokio::test]
async fn every_wrong_request_is_told_what_is_wrong_and_leaves_nothing_behind() {
    let voice = Voice::without_kafka().await;
    let (text, response) = (r#"{"text": "x"}"#, patient(r#"{"name": "x"}"#));
    let bodies =
        [bodies(OUTPUT, "text", text), bodies(RESPONSES, "call_id", &response)].into_iter().flatten().collect();
    let cases = [bodies, texts(), responses(), call_ids(), paths_and_methods()];
    let mut wrong = Vec::new();
    for case in cases.iter().flatten() {
        if let Err(told) = case.check(&case.send(&voice).await) {
            wrong.push(format!("{} {}: {}", case.method, case.path, told.chars().take(400).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.iter().flatten().count(), wrong.join("\n"));
    voice.assert_nothing_was_written().await;
    assert!(!voice.service.log().contains(CANARY), "{}", voice.service.log());
}

#[tokio::test]
async fn a_refused_method_names_the_allowed_ones() {
    let voice = Voice::without_kafka().await;
    let answer = voice.client.get(voice.url(OUTPUT)).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "POST");
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() {
    let voice = Voice::without_kafka().await;
    let data = serde_json::json!({ "email": "nowhere@", "date_of_birth": "in 5 days", "phone": true });
    let problem = voice.respond("c", "PATIENT_CREATION", data).await.json();
    let mut fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["data.date_of_birth", "data.email", "data.name", "data.phone"]);
    voice.assert_nothing_was_written().await;
}

#[tokio::test]
async fn a_text_of_nothing_but_markers_or_white_space_is_refused_as_a_whole() {
    let voice = Voice::without_kafka().await;
    for text in ["PATIENT_CREATION:".repeat(20_000), " \n\t ".to_owned()] {
        let answer = voice.say("c", &text).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert_eq!(answer.json()["errors"][0]["field"], "text");
    }
    voice.assert_nothing_was_written().await;
}

#[tokio::test]
async fn the_service_goes_on_after_what_was_meant_to_break_it() {
    let voice = Voice::without_kafka().await;
    let hostile = [
        "\0".to_owned(),
        format!("PATIENT_CREATION: {}", "{\"a\":".repeat(10_000)),
        format!("PATIENT_CREATION: {{\"name\": \"{}\"}}", "x".repeat(900_000)),
        "PATIENT_CREATION:".repeat(400),
        "PATIENT_CREATION: {\"name\": \"a\0b\"}".to_owned(),
        "PATIENT_CREATION: {\"name\": \"a\\u0000b\", \"\\ud800\": 1}".to_owned(),
        "PATIENT_CREATION: {\"name\": \"x\", \"more\": 1e999}".to_owned(),
        "BOOKING_CONFIRMATION:\0{\"dentist\": \"x\"}".to_owned(),
    ];
    for (number, text) in hostile.iter().enumerate() {
        let answer = voice.say(&format!("hostile-{number}"), text).await;
        assert_eq!(answer.status, 202, "{number}: {}", answer.body.chars().take(300).collect::<String>());
        assert!(answer.extractions().iter().all(|one| one["status"] != "accepted"), "{number}");
    }
    let answer = voice.say("friendly", r#"PATIENT_CREATION: {"name": "Ada Byron"}"#).await;
    assert_eq!(answer.extractions()[0]["status"], "accepted");
}

/// Status, field, and words that have to be in the answer.
type Reason = (&'static str, Case, u16, &'static str, &'static str);

#[tokio::test]
async fn the_reason_names_the_mistake() {
    let voice = Voice::without_kafka().await;
    let response = |call: &str, word: &str, data: &str| {
        format!(r#"{{"call_id": {call}, "response_type": {word}, "data": {data}}}"#)
    };
    let of = |call: &str, word: &str, data: &str| json("", RESPONSES, response(call, word, data));
    let valid = patient(r#"{"name": "x"}"#);
    let word = r#""PATIENT_CREATION""#;
    let twice = |text: &str| serde_json::Value::from(text).to_string();
    let reasons: Vec<Reason> = vec![
        (
            "a word in small letters",
            of(r#""c""#, r#""patient_creation""#, "{}"),
            422,
            "response_type",
            "PATIENT_CREATION",
        ),
        ("an unknown word", of(r#""c""#, r#""SMALL_TALK""#, "{}"), 422, "response_type", "BOOKING_CONFIRMATION"),
        ("no word", json("", RESPONSES, r#"{"call_id": "c", "data": {}}"#), 422, "response_type", "is missing"),
        ("undefined", of(r#""undefined""#, word, r#"{"name": "x"}"#), 422, "call_id", "placeholder"),
        ("null as a word", of(r#""null""#, word, r#"{"name": "x"}"#), 422, "call_id", "placeholder"),
        ("no id", of(r#""""#, word, r#"{"name": "x"}"#), 422, "call_id", "empty"),
        ("null", of("null", word, r#"{"name": "x"}"#), 422, "call_id", "is null"),
        (
            "the nil UUID",
            of(r#""00000000-0000-0000-0000-000000000000""#, word, r#"{"name": "x"}"#),
            422,
            "call_id",
            "placeholder",
        ),
        ("undefined in a path", case("", "/api/v1/calls/undefined/output", TEXT, "x"), 422, "call_id", "placeholder"),
        ("encoded twice", json("", RESPONSES, twice(&valid)), 422, "", "encoded twice"),
        ("encoded three times", json("", RESPONSES, twice(&twice(&valid))), 422, "", "twice or more"),
        ("data encoded twice", of(r#""c""#, word, &twice(r#"{"name": "x"}"#)), 422, "data", "encoded twice"),
        ("data as an array", of(r#""c""#, word, r#"[{"name": "x"}]"#), 422, "data", "is an array"),
        ("data as a text", of(r#""c""#, word, r#""x""#), 422, "data", "is a string"),
        ("data as nothing", of(r#""c""#, word, "null"), 422, "data", "is null"),
        ("an array", json("", RESPONSES, format!("[{valid}]")), 422, "", "is an array"),
        ("gzip", json("", RESPONSES, b"\x1f\x8b\x08\0\0\0".to_vec()), 400, "", "compressed with gzip"),
        ("gzip as text", case("", OUTPUT, TEXT, b"\x1f\x8b\x08\0\0\0".to_vec()), 400, "", "compressed with gzip"),
        ("a byte order mark", json("", RESPONSES, format!("\u{feff}{valid}")), 400, "", "byte order mark"),
        (
            "UTF-16",
            json("", RESPONSES, valid.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
            400,
            "",
            "UTF-16",
        ),
        ("cut off", json("", RESPONSES, valid[..valid.len() - 3].to_owned()), 400, "", "ends too early"),
    ];
    for (what, case, status, field, words) in reasons {
        let answer = case.send(&voice).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert!(answer.body.contains(words), "{what}: {words:?} is not in {}", answer.body);
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        assert!(status == 400 || errors.iter().any(|error| error["field"] == field), "{what}: {}", answer.body);
    }
    let nowhere = voice.get("/api/v1/nowhere").await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.body.contains("README") && !nowhere.body.contains("API description"), "{}", nowhere.body);
    voice.assert_nothing_was_written().await;
}

#[tokio::test]
async fn a_body_that_says_that_it_is_compressed_is_told_that_none_is_taken() {
    let voice = Voice::without_kafka().await;
    for (encodings, status) in
        [("gzip", 415), ("br", 415), ("x-unknown", 415), ("identity, gzip", 415), ("identity", 202), ("", 202)]
    {
        let request =
            voice.client.post(voice.url(OUTPUT)).header("content-type", TEXT).header("content-encoding", encodings);
        let answer = request.body("Good morning.").send().await.unwrap();
        assert_eq!(answer.status(), status, "{encodings:?}");
        if status == 415 {
            assert_eq!(answer.headers()["accept-encoding"], "identity");
            assert!(answer.text().await.unwrap().contains("Content-Encoding"));
        }
    }
}

#[tokio::test]
async fn a_key_that_is_a_placeholder_is_refused() {
    let voice = Voice::without_kafka().await;
    for (key, status) in [("undefined", 400), ("null", 400), ("${key}", 400), ("undefined-7", 202)] {
        let request = voice.client.post(voice.url(OUTPUT)).header("content-type", TEXT).header("idempotency-key", key);
        assert_eq!(request.body("Good morning.").send().await.unwrap().status(), status, "{key}");
    }
}
