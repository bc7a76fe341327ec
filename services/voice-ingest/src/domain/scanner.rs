//! Finds markers and their JSON objects in an AI's text while it arrives.
//!
//! Promises: pieces may be cut at any byte, inside a UTF-8 character too, and give what the whole text gives; work is
//! linear in the text; at most [`OBJECT_MAX`] bytes and a little are kept, between pieces too (the state is serde data).
//! A marker is an exact word, then a colon, then `{` with only whitespace, Markdown emphasis or a fence between. A
//! marker inside a string of an object that is being read is content. When that object turns out broken, the fact is
//! reported and reading goes on right behind its marker, so that an abandoned object cannot swallow the next one.
//! Does not judge the fields, nor numbers and escapes inside the JSON: `validate` does.

mod found;
mod object;
mod text_bytes;

use serde::{Deserialize, Serialize};

pub use self::found::{Broken, BrokenReason, Found};
use self::{
    found::readable,
    object::{ObjectReader, Seen},
};
use super::Kind;

/// The largest object, in bytes, braces included.
pub const OBJECT_MAX: usize = 64 * 1024;
/// The deepest nesting of an object, itself included.
pub const DEPTH_MAX: u8 = object::DEPTH_MAX;
/// The most bytes between a marker's colon and its object: a fence with its language and some blank lines.
pub const GAP_MAX: usize = 256;
/// The longest [`Found::raw`], in bytes of the text.
pub const EXCERPT_MAX: usize = 4096;
/// The most emphasis between a marker's word and its colon, as in `**PATIENT_CREATION**:`.
const TAIL_MAX: usize = 4;

/// The scanner of one call's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanner {
    /// Of the next byte to look at.
    offset: u64,
    place: Place,
    edge: Edge,
    /// The bytes after the colon of the marker that is being read; empty in prose.
    #[serde(with = "text_bytes")]
    window: Vec<u8>,
    /// A broken marker whose excerpt still grows.
    pending: Option<Pending>,
}

/// Where the next byte falls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    #[default]
    Prose,
    /// In a marker's word, of which this many letters matched.
    Word { kind: Kind, matched: u8 },
    /// Between word and colon.
    Tail(Head),
    /// Between colon and brace.
    Gap { head: Head, ticks: u8, language: bool },
    /// In the object, which began this many bytes after the colon.
    Object { head: Head, at: u32, reader: ObjectReader },
}

/// A marker up to its colon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    kind: Kind,
    start: u64,
    /// What stood between word and colon.
    tail: String,
}

impl Head {
    fn text(&self) -> String {
        format!("{}{}:", self.kind.as_str(), self.tail)
    }

    fn after_colon(&self) -> u64 {
        self.start + self.text().len() as u64
    }
}

/// Whether a word may begin at the next byte. Underscores begin one where they are emphasis: up to three of them that
/// hang on no word. Every byte beyond ASCII is an edge, since scripts without spaces put a marker right behind a letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Edge {
    #[default]
    Open,
    Underscores(u8),
    Closed,
}

impl Edge {
    /// How many bytes back decide it, whatever was before them.
    const REACH: usize = 4;

    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Open, b'_') => Self::Underscores(1),
            (Self::Underscores(n), b'_') if n < 3 => Self::Underscores(n + 1),
            (_, b'_') => Self::Closed,
            (_, b) if b.is_ascii_alphanumeric() => Self::Closed,
            _ => Self::Open,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    head: Head,
    reason: BrokenReason,
    /// The offset of the byte that broke it.
    broke_at: u64,
    #[serde(with = "text_bytes")]
    excerpt: Vec<u8>,
    /// Only whitespace since the last line break behind `broke_at`.
    blank: bool,
}

impl Pending {
    fn found(mut self, end: u64) -> Found {
        self.excerpt.truncate(usize::try_from(end.saturating_sub(self.head.start)).unwrap_or(usize::MAX));
        let span = self.head.start..self.broke_at.min(end);
        let (kind, json) = (self.head.kind, Err(Broken { reason: self.reason }));
        Found { kind, span, json, raw: readable(&self.excerpt) }
    }
}

/// The part of the window that a run of [`Scanner::advance`] looks at. After a broken object the cursor goes back to
/// the byte behind its colon and the window is read again as prose.
///
/// Why that is linear: a marker inside an object that is being read lies in one of its strings. The two objects then see
/// every quote with opposite meaning, so a third marker cannot lie in strings of both and ends one of them. No byte is
/// ever part of more than two attempts, nor read more than twice as prose.
struct Tape {
    /// The next byte to look at.
    cursor: usize,
    /// The first byte after the colon of the marker that is being read.
    begin: usize,
}

impl Scanner {
    /// A scanner at the beginning of a call's text.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes of text it has seen.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Looks at the next piece of the text and hands out, in order, what is complete with it.
    pub fn push(&mut self, piece: &[u8], found: &mut impl FnMut(Found)) {
        self.advance(piece, false, found);
    }

    /// The text is over: what is open is broken. A later `push` begins a new text at the same offset.
    pub fn finish(&mut self, found: &mut impl FnMut(Found)) {
        self.advance(&[], true, found);
        self.flush(self.offset, found);
        self.place = Place::Prose;
        self.edge = Edge::Open;
    }

    fn advance(&mut self, mut rest: &[u8], over: bool, found: &mut impl FnMut(Found)) {
        let mut tape = Tape { cursor: self.window.len(), begin: 0 };
        loop {
            let reading = matches!(self.place, Place::Gap { .. } | Place::Object { .. });
            let byte = if let Some(&byte) = self.window.get(tape.cursor) {
                tape.cursor += 1;
                byte
            } else {
                if !reading {
                    self.window.clear();
                    tape = Tape { cursor: 0, begin: 0 };
                    if self.place == Place::Prose && self.pending.is_none() {
                        rest = self.skip_prose(rest);
                    }
                } else if tape.begin > 0 {
                    // At most what was just read again is moved.
                    self.window.drain(..tape.begin);
                    tape = Tape { cursor: self.window.len(), begin: 0 };
                }
                let Some((&byte, others)) = rest.split_first() else {
                    if over && reading {
                        self.fail(BrokenReason::Unfinished, self.offset, &mut tape);
                        continue;
                    }
                    return;
                };
                rest = others;
                if reading {
                    self.window.push(byte);
                    tape.cursor += 1;
                }
                byte
            };
            self.offset += 1;
            self.step(byte, &mut tape, found);
        }
    }

    /// Goes to the next byte that could begin a marker, which is what makes long prose cheap.
    fn skip_prose<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let at = memchr::memchr2(b'P', b'B', rest).unwrap_or(rest.len());
        let (prose, others) = rest.split_at(at);
        let near = prose.len().saturating_sub(Edge::REACH);
        self.edge = prose.iter().skip(near).fold(self.edge, |edge, &byte| edge.after(byte));
        self.offset += prose.len() as u64;
        others
    }

    fn step(&mut self, byte: u8, tape: &mut Tape, found: &mut impl FnMut(Found)) {
        match &mut self.place {
            Place::Prose => self.prose(byte, found),
            Place::Word { kind, matched } => {
                let word = kind.as_str().as_bytes();
                if word.get(usize::from(*matched)) != Some(&byte) {
                    // The edge is closed since the word's first letter: no marker begins in the middle of a word.
                    self.prose(byte, found);
                    return;
                }
                *matched += 1;
                if usize::from(*matched) == word.len() {
                    let start = self.offset.saturating_sub(word.len() as u64);
                    self.place = Place::Tail(Head { kind: *kind, start, tail: String::new() });
                }
                self.excerpt(byte, found);
            }
            Place::Tail(head) if byte == b':' => {
                let head = head.clone();
                self.flush(head.start, found);
                tape.begin = tape.cursor;
                self.place = Place::Gap { head, ticks: 0, language: false };
            }
            Place::Tail(head) if matches!(byte, b'*' | b'_' | b'`' | b' ') && head.tail.len() < TAIL_MAX => {
                head.tail.push(char::from(byte));
                self.edge = self.edge.after(byte);
                self.excerpt(byte, found);
            }
            Place::Tail(_) => self.prose(byte, found),
            Place::Gap { head, ticks, language } => {
                let length = tape.cursor.saturating_sub(tape.begin);
                match byte {
                    b'{' => {
                        let (head, at) = (head.clone(), u32::try_from(length - 1).unwrap_or_default());
                        self.place = Place::Object { head, at, reader: ObjectReader::opened() };
                    }
                    _ if length > GAP_MAX => self.fail(BrokenReason::NotAnObject, self.offset - 1, tape),
                    b' ' | b'\t' | b'\r' | b'\n' | b'*' | b'_' => (*ticks, *language) = (0, false),
                    b'`' | b'~' => (*ticks, *language) = (ticks.saturating_add(1), false),
                    _ if byte.is_ascii_alphanumeric() && (*language || *ticks >= 3) => (*ticks, *language) = (0, true),
                    _ => self.fail(BrokenReason::NotAnObject, self.offset - 1, tape),
                }
            }
            Place::Object { head, at, reader } => {
                let begin = tape.begin + *at as usize;
                let size = tape.cursor.saturating_sub(begin);
                match reader.step(byte) {
                    Seen::More if size < OBJECT_MAX => {}
                    Seen::Closed => {
                        let head = head.clone();
                        self.close(head, begin, tape, found);
                    }
                    Seen::More => self.fail(BrokenReason::TooLarge, self.offset, tape),
                    Seen::Malformed => self.fail(BrokenReason::Malformed, self.offset - 1, tape),
                    Seen::TooDeep => self.fail(BrokenReason::TooDeep, self.offset - 1, tape),
                }
            }
        }
    }

    fn prose(&mut self, byte: u8, found: &mut impl FnMut(Found)) {
        self.place = Place::Prose;
        if self.edge != Edge::Closed {
            let kind = Kind::ALL.into_iter().find(|kind| kind.as_str().as_bytes().first() == Some(&byte));
            if let Some(kind) = kind {
                self.place = Place::Word { kind, matched: 1 };
            }
        }
        self.edge = self.edge.after(byte);
        self.excerpt(byte, found);
    }

    /// Hands out the object that ended at the cursor.
    fn close(&mut self, head: Head, begin: usize, tape: &mut Tape, found: &mut impl FnMut(Found)) {
        let object = self.window.get(begin..tape.cursor).unwrap_or_default();
        // The reader let only UTF-8 through; a damaged stored state may disagree.
        let Ok(json) = str::from_utf8(object).map(str::to_owned) else {
            return self.fail(BrokenReason::Malformed, self.offset, tape);
        };
        let mut raw = head.text().into_bytes();
        raw.extend_from_slice(self.window.get(tape.begin..tape.cursor).unwrap_or_default());
        raw.truncate(EXCERPT_MAX);
        found(Found { kind: head.kind, span: head.start..self.offset, json: Ok(json), raw: readable(&raw) });
        self.place = Place::Prose;
        self.edge = Edge::Open;
    }

    /// Gives the marker up and goes back behind its colon.
    fn fail(&mut self, reason: BrokenReason, broke_at: u64, tape: &mut Tape) {
        let (Place::Gap { head, .. } | Place::Object { head, .. }) = std::mem::take(&mut self.place) else { return };
        self.offset = head.after_colon();
        self.edge = Edge::Open;
        tape.cursor = tape.begin;
        let excerpt = head.text().into_bytes();
        self.pending = Some(Pending { head, reason, broke_at, excerpt, blank: false });
    }

    /// Adds to the excerpt of a broken marker, and hands it out when it is long enough.
    fn excerpt(&mut self, byte: u8, found: &mut impl FnMut(Found)) {
        let Some(pending) = &mut self.pending else { return };
        let full = pending.excerpt.len() >= EXCERPT_MAX;
        if !full {
            pending.excerpt.push(if byte == 0 { b' ' } else { byte });
        }
        let behind = self.offset > pending.broke_at;
        let ends = behind && (full || (byte == b'\n' && pending.blank));
        pending.blank = behind && (byte == b'\n' || (pending.blank && byte.is_ascii_whitespace()));
        // A marker that is just being read cuts the excerpt, so it must be complete or refuted first.
        if ends && self.place == Place::Prose {
            self.flush(self.offset, found);
        }
    }

    fn flush(&mut self, end: u64, found: &mut impl FnMut(Found)) {
        if let Some(pending) = self.pending.take() {
            found(pending.found(end));
        }
    }
}

#[cfg(test)]
mod tests;
