//! The object that begins at a brace: read to its end, and handed out.

use serde_json::Value;

use super::{
    EXCERPT_MAX, OBJECT_MAX, Scanner,
    doubled::Members,
    fields,
    following::Again,
    found::{BrokenReason, Found, Repair, readable},
    lenient,
    object::{ObjectReader, Seen},
    reading::Reading,
    word,
};

/// An object that was read.
pub(super) struct Object {
    pub(super) len: usize,
    pub(super) json: String,
    pub(super) repairs: Vec<Repair>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resume {
    pub(super) object: usize,
    pub(super) next: usize,
    pub(super) reader: ObjectReader,
}

impl Scanner {
    /// The object whose brace is here, or why it is none and where that was seen. Only a name is waited for longer than what is
    /// repaired.
    pub(super) fn object(
        &mut self,
        begin: usize,
        is_name: bool,
        own: Option<usize>,
        over: bool,
    ) -> Reading<Result<Object, (BrokenReason, usize)>> {
        let most = if is_name { OBJECT_MAX } else { lenient::LENIENT_MAX };
        let known = self.resume.filter(|resume| resume.object == begin);
        let (mut next, mut reader) = known.map_or((begin + 1, ObjectReader::opened()), |it| (it.next, it.reader));
        while let Some(&byte) = self.text.get(next) {
            let before = reader;
            next += 1;
            match reader.step(byte) {
                Seen::More if next - begin < most => {}
                Seen::More => return Reading::Is(Err((BrokenReason::TooLarge, next))),
                Seen::TooDeep => return Reading::Is(Err((BrokenReason::TooDeep, next - 1))),
                Seen::Closed => {
                    // The reader let only UTF-8 through; a damaged stored state may disagree.
                    let Ok(json) = str::from_utf8(&self.text[begin..next]).map(str::to_owned) else { break };
                    let is_doubled = serde_json::from_str::<Members>(&json).is_ok_and(|members| members.are_doubled);
                    return Reading::Is(match is_doubled {
                        true => Err((BrokenReason::Ambiguous, next)),
                        false => Ok(Object { len: next - begin, json, repairs: Vec::new() }),
                    });
                }
                Seen::Malformed => {
                    return match lenient::read(&self.text[begin..], own, over) {
                        Reading::Is(read) => {
                            Reading::Is(Ok(Object { len: read.len, json: read.json, repairs: read.repairs }))
                        }
                        Reading::Not => Reading::Is(Err((BrokenReason::Malformed, next - 1))),
                        Reading::More => {
                            self.resume = Some(Resume { object: begin, next: next - 1, reader: before });
                            Reading::More
                        }
                    };
                }
            }
        }
        if over {
            return Reading::Is(Err((BrokenReason::Unfinished, self.text.len())));
        }
        self.resume = Some(Resume { object: begin, next, reader });
        Reading::More
    }

    /// Hands out the object that begins here; its marker is where the scanner stands. It ends at a marker that is one of its members:
    /// that is a fact of its own.
    pub(super) fn hand_out(
        &mut self,
        again: Again,
        begin: usize,
        object: Object,
        data: &Value,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        self.flush(self.at, found);
        self.resume = None;
        let inner = object.repairs.is_empty().then(|| inner_marker(&self.text[begin..begin + object.len])).flatten();
        let end = begin + inner.unwrap_or(object.len);
        if inner.is_none() || fields::has_one(again.kind, data) {
            let span = self.place(self.at)..self.place(end);
            let raw = readable(&self.text[self.at..end.min(self.at + EXCERPT_MAX)]);
            self.emit(Found { kind: again.kind, span, json: Ok(object.json), repairs: object.repairs, raw }, found);
        }
        self.again = inner.is_none().then_some(again);
        Some(end - self.at)
    }
}

/// Where in the object a member begins that is a marker with an object of its own.
fn inner_marker(object: &[u8]) -> Option<usize> {
    let is_member = |at: usize, length: usize| {
        let before = object[..at].strip_suffix(b"\"").map(<[u8]>::trim_ascii_end);
        let behind = object[at + length..].strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
        let value = behind.and_then(|behind| behind.strip_prefix(b":")).map(<[u8]>::trim_ascii_start);
        before.is_some_and(|before| before.ends_with(b"{") || before.ends_with(b","))
            && value.is_some_and(|value| value.starts_with(b"{") || value.starts_with(b"["))
    };
    (1..object.len()).find(|at| {
        object[at - 1] == b'"'
            && matches!(word::at(&object[*at..], true), Reading::Is(word) if word.is_name() && is_member(*at, word.len))
    })
}
