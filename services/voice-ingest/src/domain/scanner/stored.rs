//! The state of a scanner as it is stored between the pieces of a call.
//!
//! It is the text that is not settled, and where the scanner stands in it, so that whatever a later version looks for is found in
//! it again. Fields may be added; what a reader does not know it passes over.

use serde::Deserialize;
use serde_json::Value;

use super::{BrokenReason, Scanner, setting::Setting, telling::Pending, text_bytes};
use crate::domain::Kind;

/// 1 had no number, and kept what it knew of the text instead of the text. 2 looked less far back.
pub(super) const VERSION: u8 = 3;
/// So many bytes version 2 kept before the place where it stood.
const SECOND_REACH: usize = 16;

pub(super) fn read(state: Value) -> Option<Scanner> {
    let scanner = match state.get("version").and_then(Value::as_u64) {
        None => serde_json::from_value::<First>(state).ok()?.into(),
        Some(2) => second(state)?,
        Some(version) if version == u64::from(VERSION) => serde_json::from_value::<Scanner>(state).ok()?,
        Some(_) => return None,
    };
    scanner.is_sound().then_some(scanner)
}

impl Scanner {
    /// Whether every place is in the text.
    fn is_sound(&self) -> bool {
        let length = self.text.len();
        let pending = self.pending.iter().all(|of| of.begin <= self.at && of.broke <= length && of.checked <= length);
        self.at <= length && self.offset >= length as u64 && pending
    }
}

/// Version 2: only the kind of the last object, and the whole of what closes a thought.
fn second(mut state: Value) -> Option<Scanner> {
    if let Some(kind) = state.get("again").filter(|again| again.is_string()).cloned() {
        state["again"] = serde_json::json!({ "kind": kind });
    }
    let closing = state.pointer("/thought/closing").and_then(Value::as_str);
    if let Some(closing) = closing.and_then(|closing| closing.split_once('/')).map(|(open, _)| format!("{open}/")) {
        state["thought"]["closing"] = closing.into();
    }
    let mut scanner = serde_json::from_value::<Scanner>(state).ok()?;
    scanner.version = VERSION;
    if scanner.at >= SECOND_REACH && scanner.at < Setting::REACH && scanner.is_sound() && scanner.pending.is_none() {
        // There was more before: this is not the beginning of the text.
        let gone = Setting::REACH - scanner.at;
        let text = std::mem::take(&mut scanner.text);
        scanner.text = [&b"x".repeat(gone), &text[..]].concat();
        scanner.at += gone;
        scanner.offset = scanner.offset.max(scanner.text.len() as u64);
    }
    Some(scanner)
}

/// Version 1.
#[derive(Deserialize)]
struct First {
    offset: u64,
    place: Place,
    edge: Edge,
    #[serde(with = "text_bytes")]
    window: Vec<u8>,
    pending: Option<Broken>,
}

#[derive(Deserialize)]
enum Place {
    Prose,
    Word { kind: Kind, matched: u8 },
    Tail(Head),
    Gap { head: Head },
    Object { head: Head },
}

#[derive(Deserialize)]
struct Head {
    kind: Kind,
    start: u64,
    tail: String,
}

#[derive(Deserialize)]
enum Edge {
    Open,
    Underscores(u8),
    Closed,
}

#[derive(Deserialize)]
struct Broken {
    head: Head,
    reason: BrokenReason,
    broke_at: u64,
    #[serde(with = "text_bytes")]
    excerpt: Vec<u8>,
}

impl From<First> for Scanner {
    fn from(First { offset, place, edge, window, pending }: First) -> Self {
        let open = match place {
            Place::Prose => Vec::new(),
            Place::Word { kind, matched } => kind.as_str().bytes().take(usize::from(matched)).collect(),
            Place::Tail(head) => format!("{}{}", head.kind, head.tail).into_bytes(),
            Place::Gap { head } | Place::Object { head } => {
                [format!("{}{}:", head.kind, head.tail).as_bytes(), &window].concat()
            }
        };
        let before: &[u8] = match edge {
            _ if !open.is_empty() => b" ",
            Edge::Open => b" ",
            Edge::Underscores(count) => &b"___"[..usize::from(count.min(3))],
            Edge::Closed => b"x",
        };
        let (mut text, pending) = match pending {
            Some(Broken { head, reason, broke_at, mut excerpt }) => {
                if excerpt.ends_with(&open) {
                    excerpt.truncate(excerpt.len() - open.len());
                }
                let broke = usize::try_from(broke_at.saturating_sub(head.start)).unwrap_or_default().min(excerpt.len());
                (excerpt, Some(Pending { kind: head.kind, reason, begin: 0, broke, checked: broke }))
            }
            None => (before.to_vec(), None),
        };
        let at = text.len();
        text.extend_from_slice(&open);
        Self { offset: offset.max(text.len() as u64), text, at, pending, ..Self::new() }
    }
}
