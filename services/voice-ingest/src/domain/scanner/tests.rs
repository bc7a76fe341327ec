//! The scanner's laws: any cut gives what the whole gives, linear time, bounded state; and a table of texts.

mod forms;
mod speed;
mod stored;

use proptest::prelude::*;

use super::{
    edge::Edge,
    object::{ObjectReader, Seen},
    *,
};
use crate::domain::Kind;

const PATIENT: Kind = Kind::PatientCreation;
const BOOKING: Kind = Kind::BookingConfirmation;

fn scan(text: &[u8]) -> Vec<Found> {
    scan_pieces([text])
}

fn scan_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Found> {
    let (mut scanner, mut all) = (Scanner::new(), Vec::new());
    for piece in pieces {
        scanner.push(piece, &mut |found| all.push(found));
    }
    scanner.finish(&mut |found| all.push(found));
    all
}

/// The most emphasis between a marker's word and its colon.
const TAIL_MAX: usize = 4;

/// What the documented form announces, from the whole text at once and without any state: a marker in capitals, a colon, and an
/// object with only white space, emphasis or a fence between.
fn documented(text: &[u8]) -> Vec<(Kind, std::ops::Range<usize>)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let marker = Kind::ALL.into_iter().find_map(|kind| {
            let edge = text[at.saturating_sub(5)..at].iter().fold(Edge::Open, |edge, &byte| edge.after(byte));
            let rest = text[at..].strip_prefix(kind.as_str().as_bytes())?;
            let tail = rest.iter().take(TAIL_MAX).take_while(|b| b"*_` ".contains(b)).count();
            (edge != Edge::Closed && rest.get(tail) == Some(&b':')).then(|| (kind, text.len() - rest.len() + tail + 1))
        });
        let Some((kind, colon)) = marker else {
            at += 1;
            continue;
        };
        if let Ok(length) = object_after(&text[colon..]) {
            all.push((kind, at..colon + length));
            at = colon + length;
        } else {
            at = colon;
        }
    }
    all
}

fn object_after(text: &[u8]) -> Result<usize, BrokenReason> {
    let (mut ticks, mut language) = (0, false);
    for (at, &byte) in text.iter().enumerate() {
        (ticks, language) = match byte {
            b'{' => {
                let mut reader = ObjectReader::opened();
                for (size, &byte) in text[at..].iter().enumerate().skip(1) {
                    match reader.step(byte) {
                        Seen::Closed => return Ok(at + size + 1),
                        Seen::Malformed => return Err(BrokenReason::Malformed),
                        Seen::TooDeep => return Err(BrokenReason::TooDeep),
                        Seen::More if size + 1 >= OBJECT_MAX => return Err(BrokenReason::TooLarge),
                        Seen::More => {}
                    }
                }
                return Err(BrokenReason::Unfinished);
            }
            _ if at >= GAP_MAX => return Err(BrokenReason::NotAnObject),
            b' ' | b'\t' | b'\r' | b'\n' | b'*' | b'_' => (0, false),
            b'`' | b'~' => (ticks + 1, false),
            b if b.is_ascii_alphanumeric() && (language || ticks >= 3) => (0, true),
            _ => return Err(BrokenReason::NotAnObject),
        };
    }
    Err(BrokenReason::Unfinished)
}

/// Nothing of the documented form is lost: it is found, or content of what was found.
fn check(text: &[u8], all: &[Found]) {
    let shown = || format!("{} gave {all:?}", String::from_utf8_lossy(text));
    let is_thought = |at: usize| (0..at).any(|from| matches!(thought::opening(&text[from..]), Reading::Is(_)));
    for (kind, span) in documented(text).into_iter().filter(|(_, span)| !is_thought(span.start)) {
        let (start, end) = (span.start as u64, span.end as u64);
        let has_it = |found: &Found| {
            let is_it = found.kind == kind && found.span == (start..end) && found.json.is_ok();
            is_it || found.json.is_ok() && found.span.start < end && found.span.end > start
        };
        assert!(all.iter().any(has_it), "{kind} at {span:?} is lost: {}", shown());
    }
    for found in all {
        let span = &text[found.span.start as usize..found.span.end as usize];
        if let Ok(json) = &found.json {
            assert!(!found.repairs.is_empty() || span.ends_with(json.as_bytes()), "{}", shown());
        }
    }
    assert!(all.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start), "spans overlap: {}", shown());
    assert!(all.iter().all(|found| found.raw.len() <= 3 * EXCERPT_MAX && !found.raw.contains('\0')));
}

/// What is expected of a text: kind and object, or the reason.
type Expected<'a> = &'a [(Kind, Result<&'a str, BrokenReason>)];

#[test]
fn the_table_of_texts() {
    let table: &[(&str, Expected)] = &[
        ("", &[]),
        ("Good morning, how can I help?", &[]),
        (r#"PATIENT_CREATION: {"name": "John"}"#, &[(PATIENT, Ok(r#"{"name": "John"}"#))]),
        (r#"PATIENT_CREATION:{"a":1}"#, &[(PATIENT, Ok(r#"{"a":1}"#))]),
        (r#"Sure. **PATIENT_CREATION:** {"a":1} Anything else?"#, &[(PATIENT, Ok(r#"{"a":1}"#))]),
        (r#"Sure. **PATIENT_CREATION**: {"a":1}"#, &[(PATIENT, Ok(r#"{"a":1}"#))]),
        (r#"__PATIENT_CREATION:__ {"a":1}"#, &[(PATIENT, Ok(r#"{"a":1}"#))]),
        (r#"`BOOKING_CONFIRMATION:` `{"a":1}`"#, &[(BOOKING, Ok(r#"{"a":1}"#))]),
        ("### BOOKING_CONFIRMATION:\n\n```json\n{\n  \"a\": 1\n}\n```\nDone.", &[(BOOKING, Ok("{\n  \"a\": 1\n}"))]),
        ("BOOKING_CONFIRMATION:\r\n~~~\r\n{\"a\":1}\r\n~~~", &[(BOOKING, Ok(r#"{"a":1}"#))]),
        ("```\nBOOKING_CONFIRMATION: {\"a\":1}\n```", &[(BOOKING, Ok(r#"{"a":1}"#))]),
        (
            r#"PATIENT_CREATION: {"a":1}BOOKING_CONFIRMATION: {"b":{"c":[2]}} PATIENT_CREATION: {}"#,
            &[(PATIENT, Ok(r#"{"a":1}"#)), (BOOKING, Ok(r#"{"b":{"c":[2]}}"#)), (PATIENT, Ok("{}"))],
        ),
        (r#"PATIENT_CREATION: {"a":"} { \" \\"}!"#, &[(PATIENT, Ok(r#"{"a":"} { \" \\"}"#))]),
        (r#"患者PATIENT_CREATION: {"name": "李小龍"}。"#, &[(PATIENT, Ok(r#"{"name": "李小龍"}"#))]),
        ("Some longer prose, then ___PATIENT_CREATION: {}", &[(PATIENT, Ok("{}"))]),
        // Not markers.
        ("Some longer prose, then ____PATIENT_CREATION: {}", &[]),
        (r#"XPATIENT_CREATION: {"a":1} NEW_PATIENT_CREATION: {"a":1} 2PATIENT_CREATION: {}"#, &[]),
        (r#"PATIENT_CREATIONS: {"a":1} PATIENT_CREATION_LOG: {"a":1}"#, &[]),
        (r#"PATIENT_PATIENT_CREATION: {} ____PATIENT_CREATION: {}"#, &[]),
        (
            r#"BOOKING_CONFIRMATION: {"notes": "said PATIENT_CREATION: {\"name\": 1} twice"}"#,
            &[(BOOKING, Ok(r#"{"notes": "said PATIENT_CREATION: {\"name\": 1} twice"}"#))],
        ),
        // Broken, and what comes after is not lost.
        ("PATIENT_CREATION: [1, 2]", &[(PATIENT, Err(BrokenReason::NotAnObject))]),
        ("PATIENT_CREATION: John, born 1985", &[(PATIENT, Err(BrokenReason::NotAnObject))]),
        ("PATIENT_CREATION:", &[(PATIENT, Err(BrokenReason::Unfinished))]),
        (r#"PATIENT_CREATION: {"name": "Jo"#, &[(PATIENT, Err(BrokenReason::Unfinished))]),
        (
            r#"PATIENT_CREATION: {"name": "Jo  BOOKING_CONFIRMATION: {"dentist": "Dr. X"} Bye."#,
            &[(PATIENT, Err(BrokenReason::Malformed)), (BOOKING, Ok(r#"{"dentist": "Dr. X"}"#))],
        ),
        (
            r#"PATIENT_CREATION: {"name": BOOKING_CONFIRMATION: {"a":1}"#,
            &[(PATIENT, Err(BrokenReason::Malformed)), (BOOKING, Ok(r#"{"a":1}"#))],
        ),
        (
            r#"PATIENT_CREATION: PATIENT_CREATION: {"a":1}"#,
            &[(PATIENT, Err(BrokenReason::NotAnObject)), (PATIENT, Ok(r#"{"a":1}"#))],
        ),
        (
            "PATIENT_CREATION: ```BOOKING_CONFIRMATION: {}",
            &[(PATIENT, Err(BrokenReason::NotAnObject)), (BOOKING, Ok("{}"))],
        ),
        (
            "PATIENT_CREATION: {\"notes\": two lines} BOOKING_CONFIRMATION: {}",
            &[(PATIENT, Err(BrokenReason::Malformed)), (BOOKING, Ok("{}"))],
        ),
    ];
    for (text, expected) in table {
        let whole = scan(text.as_bytes());
        let seen: Vec<_> =
            whole.iter().map(|found| (found.kind, found.json.as_deref().map_err(|broken| broken.reason))).collect();
        assert_eq!(&seen, expected, "{text}");
        check(text.as_bytes(), &whole);
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            assert_eq!(scan_pieces([one, two]), whole, "{text} cut at {cut}");
        }
        assert_eq!(scan_pieces(text.as_bytes().chunks(1)), whole, "{text} byte by byte");
    }
}

#[test]
fn spans_and_raw_show_a_person_where_it_stood() {
    let text = "Zoë: **PATIENT_CREATION:** [1,\n2] and so on.\n\nNext. BOOKING_CONFIRMATION: {} ok";
    let all = scan(text.as_bytes());
    let cut = |found: &Found| text[found.span.start as usize..found.span.end as usize].to_owned();
    assert_eq!(cut(&all[0]), "PATIENT_CREATION:** [");
    assert_eq!(all[0].raw, "PATIENT_CREATION:** [1,\n2] and so on.");
    assert_eq!(cut(&all[1]), "BOOKING_CONFIRMATION: {}");
    assert_eq!(all[1].raw, "BOOKING_CONFIRMATION: {}");

    let all = scan(b"PATIENT_CREATION: \0 {\"a\": \"\xff\"} BOOKING_CONFIRMATION: {\"a");
    assert_eq!(all[0].raw, "PATIENT_CREATION:   {\"a\": \"\u{fffd}\"}");
    assert_eq!(all[1].raw, "BOOKING_CONFIRMATION: {\"a");
}

/// No column holds one.
#[test]
fn a_nul_anywhere_is_in_nothing_that_is_stored() {
    for text in [
        "PATIENT_CREATION: {\"name\": \"Jo\"} and {\"name\": \"Al\", \"x\": 1}, {\"name\": \"Cy\"}",
        "{\"type\": \"PATIENT_CREATION\"1\", \"data\": {\"name\": \"Jo\"}\", \"arguments\": \"{\\\"a\\\": 1}\"",
        "{\"type\": \"PATIENT_CREATION\", \"name\": \"Jo\"}",
        "PATIENT_CREATION: {name: 'Jo', /* x */ 'phone': None,}",
    ] {
        for at in 0..=text.len() {
            let with = [&text.as_bytes()[..at], b"\0", &text.as_bytes()[at..]].concat();
            for found in scan(&with) {
                let json = found.json.unwrap_or_default();
                assert!(!found.raw.contains('\0') && !json.contains('\0'), "{}", String::from_utf8_lossy(&with));
            }
        }
    }
}

#[test]
fn an_object_may_have_64_kib_and_not_a_byte_more() {
    let text =
        |size: usize| format!("PATIENT_CREATION: {{\"a\":\"{}\"}} BOOKING_CONFIRMATION: {{}}", "x".repeat(size - 8));
    let fits = scan(text(OBJECT_MAX).as_bytes());
    assert_eq!(fits[0].json.as_ref().map(String::len), Ok(OBJECT_MAX));
    assert_eq!(fits[0].raw.len(), EXCERPT_MAX);
    let over = scan(text(OBJECT_MAX + 1).as_bytes());
    assert_eq!(over[0].json, Err(Broken { reason: BrokenReason::TooLarge }));
    assert_eq!(over[1].json.as_deref(), Ok("{}"), "the next one is not lost");

    let deep = format!("PATIENT_CREATION: {} BOOKING_CONFIRMATION: {{}}", "{\"a\":".repeat(65));
    let deep = scan(deep.as_bytes());
    assert_eq!(deep[0].json, Err(Broken { reason: BrokenReason::TooDeep }));
    assert_eq!(deep[1].json.as_deref(), Ok("{}"));
}

#[test]
fn a_marker_inside_a_broken_object_has_its_own_span() {
    // One far behind the end of the excerpt, and one across the place where the object became too large.
    for before in [10_000, OBJECT_MAX - 20, OBJECT_MAX - 10] {
        let fill = OBJECT_MAX.saturating_sub(before + 60);
        let text = format!(
            "PATIENT_CREATION: {{\"a\":\"{} BOOKING_CONFIRMATION: {}",
            "x".repeat(before),
            "y".repeat(fill + 100)
        );
        let all = scan(text.as_bytes());
        check(text.as_bytes(), &all);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].json, Err(Broken { reason: BrokenReason::TooLarge }));
        assert!(all[0].raw.len() <= EXCERPT_MAX);
        assert_eq!(all[0].span.end, all[1].span.start);
    }
}

#[test]
fn a_marker_alone_is_broken_once_something_else_follows_for_long() {
    let text = format!("PATIENT_CREATION:{}{{}}", " ".repeat(GAP_MAX + 1));
    assert_eq!(scan(text.as_bytes())[0].json, Err(Broken { reason: BrokenReason::NotAnObject }));
    let text = format!("PATIENT_CREATION:{}{{}}", " ".repeat(GAP_MAX));
    assert_eq!(scan(text.as_bytes())[0].json.as_deref(), Ok("{}"));
}

#[test]
fn nothing_is_kept_of_prose_and_little_of_anything_else() {
    let state = |scanner: &Scanner| serde_json::to_string(scanner).unwrap().len();
    let mut scanner = Scanner::new();
    scanner.push("She said: BOOKING, or Peter? ".repeat(10_000).as_bytes(), &mut |_| panic!("nothing to find"));
    assert!(scanner.text.len() < 64 && scanner.text.capacity() < 128 && state(&scanner) < 250);

    // The longest object that is still open; quotes and backslashes are the worst case for the stored form.
    let mut most = 0;
    for filling in ["x", "é", "\\\\", "\" : \" , \"", "\u{1f9b7}"] {
        let mut scanner = Scanner::new();
        scanner.push(b"PATIENT_CREATION: {\"a\":\"", &mut |_| {});
        for _ in 0..OBJECT_MAX {
            scanner.push(filling.as_bytes(), &mut |_| {});
            assert!(scanner.text.len() <= 64 + GAP_MAX + OBJECT_MAX + EXCERPT_MAX);
            if scanner.text.len() % 4096 < 12 {
                most = most.max(state(&scanner));
            }
        }
    }
    assert!(most < 132 * 1024, "{most} bytes stored");
}

/// Pieces of text in which everything that the scanner cares about meets everything else.
const FRAGMENTS: &[&[u8]] = &[
    b"PATIENT_CREATION",
    b"PATIENT_CREATION:",
    b"PATIENT_CREATION: {",
    b"BOOKING_CONFIRMATION:",
    b"BOOKING_CONFIRMATION: {\"",
    b"PATIENT_CREATION: {\"a\":\"",
    b"BOOKING_CONFIRMATION: {\"a\":1}",
    b"PATIENT_CREATION: {\"n\": \"Jo\"}",
    b"PATIENT_",
    b"BOOKING_CON",
    b"P",
    b"B",
    b":",
    b"{",
    b"}",
    b"{\"a\":",
    b"\"",
    b"\"",
    b"\\",
    b"\\\"",
    b"[",
    b"]",
    b",",
    b"1",
    b"true",
    b" ",
    b"\n",
    b"\n\n",
    b"```json\n",
    b"`",
    b"**",
    b"_",
    b"~~~",
    b"a",
    b"X",
    b"\0",
    "é".as_bytes(),
    "李".as_bytes(),
    "🦷".as_bytes(),
    b"\xff",
    b"\xe2\x82",
    b"\" : \"",
    b"\" , \"",
    b"\x1b",
    b"\r\n",
    b"BOOKING_CONFIRMATION**:",
    b"PATIENT_CREATION_:",
    b"PATIENT\\_CREATION = {'a': 'b',}",
    b"patient_creation",
    b"Booking Confirmation: ",
    b"\", \"arguments\": \"{\\\"a\\\": 1}\"",
    b"<think>",
    b"</think>",
    b"<",
    b"'",
    "\u{201c}".as_bytes(),
    b"// x\n",
    b"None",
    b"\", \"data\": {\"name\": \"Jo\"}",
    b"{\"type\": \"PATIENT_CREATION\"",
    b", \"caller\": {\"name\": \"Al\"}",
    b"{\"name\": \"Jo\"}",
    b"{\"name\": \"Al\", \"role\": 1}",
    b"\"BOOKING_CONFIRMATION\": {\"date\": 1}",
    b"event",
    b" for Jo ",
    b"name: ",
    b" and ",
    b"[analysis]",
    b"[/analysis]",
    b"```think\n",
    b"\"thinking\": \"",
    b"<|END_THINKING|>",
    b"&lt;think&gt;",
    b"\\n",
    b"{\\\"name\\\": 1}",
    "✅".as_bytes(),
    "【".as_bytes(),
    "PATIENT\u{2011}CREATION".as_bytes(),
    "ＰＡＴＩＥＮＴ＿".as_bytes(),
    b"EVENT_PATIENT_CREATION",
];

fn random_text(random: &mut fastrand::Rng, text: &mut Vec<u8>) {
    text.clear();
    for _ in 0..random.usize(1..14) {
        text.extend_from_slice(FRAGMENTS[random.usize(..FRAGMENTS.len())]);
    }
}

#[test]
fn a_million_random_texts_do_no_harm() {
    let (mut random, mut text) = (fastrand::Rng::with_seed(20_261_201), Vec::new());
    let (mut complete, mut broken) = (0_u32, 0_u32);
    let mut scanner = Scanner::new();
    for round in 0..1_000_000 {
        random_text(&mut random, &mut text);
        let cut = random.usize(..=text.len());
        let (one, two) = text.split_at(cut);
        let mut count = |found: Found| if found.json.is_ok() { complete += 1 } else { broken += 1 };
        // One in four begins in the state in which another text left it, without an end between.
        if round % 4 != 0 {
            scanner.finish(&mut count);
        }
        scanner.push(one, &mut count);
        scanner.push(two, &mut count);
        if round % 64 == 0 {
            check(&text, &scan(&text));
        }
    }
    assert!(complete > 100_000 && broken > 100_000, "the texts are no test: {complete} complete, {broken} broken");
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..FRAGMENTS.len(), 0..40)
        .prop_map(|picks| picks.iter().flat_map(|&pick| FRAGMENTS[pick]).copied().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_what_the_whole_gives(text in texts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8), stored: bool) {
        let whole = scan(&text);
        check(&text, &whole);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let (mut scanner, mut all) = (Scanner::new(), Vec::new());
        for cut in cuts.windows(2) {
            scanner.push(&text[cut[0]..cut[1]], &mut |found| all.push(found));
            prop_assert_eq!(scanner.position(), cut[1] as u64);
            if stored {
                let state = serde_json::to_value(&scanner).unwrap();
                prop_assert!(!state.to_string().contains("\\u0000"), "no database stores that as text");
                scanner = Scanner::restored(state).unwrap();
            }
        }
        scanner.finish(&mut |found| all.push(found));
        prop_assert_eq!(all, whole);
    }

    #[test]
    fn every_valid_object_between_any_prose_is_found(parts in prop::collection::vec((any::<bool>(), "[^PBpb\"{}<\\[]{0,30}", json_objects()), 0..8)) {
        let (mut text, mut expected) = (String::new(), Vec::new());
        for (booking, prose, object) in &parts {
            let (kind, json) = (if *booking { BOOKING } else { PATIENT }, object.to_string());
            text.push_str(&format!("{prose}\n{kind}: {json}"));
            expected.push((kind, json));
        }
        let seen: Vec<_> = scan(text.as_bytes()).into_iter().map(|found| (found.kind, found.json.unwrap())).collect();
        prop_assert_eq!(seen, expected);
    }
}

fn json_objects() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(serde_json::Value::from),
        any::<Option<bool>>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
        Just("PATIENT_CREATION: {\"a\": \"b\"}".into()),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    });
    prop::collection::hash_map(any::<String>(), value, 0..4).prop_map(|map| map.into_iter().collect())
}
