//! Finds markers and their JSON objects in an AI's text while it arrives.
//!
//! Promises: pieces may be cut at any byte, inside a UTF-8 character too, and give what the whole text gives; work is
//! linear in the text; at most [`OBJECT_MAX`] bytes and a little are kept, between pieces too (the state is serde data).
//!
//! A marker is a kind's word in whatever spelling (`word`), then what leads to its object (`link`), then the object: JSON, or what
//! models write instead and has one meaning (`lenient`). Where a name is followed by a separator, a bracket or a tag and no object
//! can be read, the fact is reported as broken; a word without any of these is prose. A marker inside a string of an object that is
//! being read is content; when that object turns out broken, reading goes on right behind its marker, so that an abandoned object
//! cannot swallow the next one. What stands in a thought (`thought`) makes no fact.
//! Does not judge the fields, nor numbers and escapes inside the JSON: `validate` does.

mod edge;
mod found;
mod lenient;
mod link;
mod object;
mod reading;
mod stored;
mod text_bytes;
mod thought;
mod word;

use serde::{Deserialize, Serialize};

pub use self::found::{Broken, BrokenReason, Found, Repair};
use self::{
    found::readable,
    link::Link,
    object::{ObjectReader, Seen},
    reading::Reading,
    word::{Setting, Word},
};
use super::Kind;

/// The largest object, in bytes, braces included.
pub const OBJECT_MAX: usize = 64 * 1024;
/// The deepest nesting of an object, itself included.
pub const DEPTH_MAX: u8 = object::DEPTH_MAX;
/// The most bytes between a marker's word and its object: a fence with its language and some blank lines.
pub const GAP_MAX: usize = 256;
/// The longest [`Found::raw`], in bytes of the text.
pub const EXCERPT_MAX: usize = 4096;
/// So many facts of a thought are kept until it ends. One that has more is reported whether or not it does.
const WITHHELD_MAX: usize = 8;
/// The most bytes between two objects of one marker.
const BETWEEN_MAX: usize = 64;

/// The scanner of one call's text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scanner {
    version: u8,
    /// How many bytes of text it has seen.
    offset: u64,
    /// What is not settled yet, and a little before it.
    #[serde(with = "text_bytes")]
    text: Vec<u8>,
    /// The place in it of the next byte to look at.
    at: usize,
    /// A broken marker whose excerpt still grows.
    pending: Option<Pending>,
    thought: Option<Thought>,
    /// An object of this kind has just ended, and another may follow.
    again: Option<Kind>,
    /// How far the object has been read that is not complete: found again in the text where it is not known.
    #[serde(skip)]
    resume: Option<Resume>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    kind: Kind,
    reason: BrokenReason,
    /// Places in the text: of its word, of the byte that broke it, and up to where no blank line is.
    begin: usize,
    broke: usize,
    checked: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thought {
    closing: String,
    withheld: Vec<Found>,
    /// It has so many facts that they are handed out, whether or not it ends.
    is_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Resume {
    object: usize,
    next: usize,
    reader: ObjectReader,
}

/// An object that was read.
struct Object {
    len: usize,
    json: String,
    repairs: Vec<Repair>,
}

impl Scanner {
    /// A scanner at the beginning of a call's text.
    pub fn new() -> Self {
        Self { version: stored::VERSION, ..Self::default() }
    }

    /// From what was stored, also by earlier versions; `None` where it cannot be read, as that of a later one.
    pub fn restored(state: serde_json::Value) -> Option<Self> {
        stored::read(state)
    }

    /// How many bytes of text it has seen.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Looks at the next piece of the text and hands out, in order, what is complete with it.
    pub fn push(&mut self, piece: &[u8], found: &mut impl FnMut(Found)) {
        // In parts, so that a long piece is not copied as a whole.
        for part in piece.chunks(OBJECT_MAX) {
            self.text.extend_from_slice(part);
            self.offset += part.len() as u64;
            self.advance(false, found);
            self.settle();
        }
    }

    /// The text is over: what is open is broken. A later `push` begins a new text at the same offset.
    pub fn finish(&mut self, found: &mut impl FnMut(Found)) {
        self.advance(true, found);
        self.flush(self.text.len(), found);
        for thought in self.thought.take().into_iter().flat_map(|thought| thought.withheld) {
            found(thought);
        }
        *self = Self { offset: self.offset, ..Self::new() };
    }

    fn advance(&mut self, over: bool, found: &mut impl FnMut(Found)) {
        loop {
            self.end_excerpt(found);
            let Some(length) = self.step(over, found) else { return };
            self.at += length;
        }
    }

    /// How far it goes on; `None` until there is more of the text.
    fn step(&mut self, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        if let Some(kind) = self.again {
            return match self.next_object(kind, over) {
                Reading::Is((begin, object)) => {
                    let length = begin + object.len;
                    self.hand_out(kind, self.at + begin, object, found);
                    Some(length)
                }
                Reading::More => None,
                Reading::Not => {
                    self.again = None;
                    Some(0)
                }
            };
        }
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let prose = rest.iter().position(|byte| BEGINS[usize::from(*byte)]).unwrap_or(rest.len());
        if prose > 0 {
            return Some(prose);
        }
        if thought::FIRST.contains(&rest[0]) {
            return self.tag(over, found);
        }
        match word::at(rest, over) {
            Reading::Is(word) => self.marker(word, over, found),
            Reading::Not => Some(1),
            Reading::More => None,
        }
    }

    /// A tag that opens or closes a thought.
    fn tag(&mut self, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let rest = &self.text[self.at..];
        let closing = self.thought.as_ref().map(|thought| thought::closing(rest, &thought.closing));
        match closing.unwrap_or(Reading::Not) {
            Reading::Is(length) => {
                self.flush(self.at, found);
                self.thought = None;
                return Some(length);
            }
            Reading::More if !over => return None,
            _ => {}
        }
        match if self.thought.is_none() { thought::opening(rest) } else { Reading::Not } {
            Reading::Is((length, closing)) => {
                self.flush(self.at, found);
                self.thought = Some(Thought { closing, withheld: Vec::new(), is_long: false });
                Some(length)
            }
            Reading::More if !over => None,
            _ => Some(1),
        }
    }

    fn marker(&mut self, word: Word, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let (before, rest) = self.text.split_at(self.at);
        let setting = Setting::behind(before);
        if setting.is_none {
            return Some(word.len);
        }
        let behind = self.at + word.len;
        match link::after(word, setting, &rest[word.len..], over) {
            Reading::Not => Some(word.len),
            Reading::More => None,
            Reading::Is(Link::NoObject(length)) => self.broken(word, BrokenReason::NotAnObject, behind + length, found),
            Reading::Is(Link::Unfinished) => self.broken(word, BrokenReason::Unfinished, self.text.len(), found),
            Reading::Is(Link::Object(length)) => self.marked_object(word, behind + length, over, found),
        }
    }

    fn marked_object(&mut self, word: Word, begin: usize, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        if word.is_name {
            // Whatever its object is, it is a marker.
            self.flush(self.at, found);
        }
        match self.object(begin, word.is_name, over) {
            Reading::More => None,
            Reading::Is(Ok(object)) => {
                let length = begin + object.len - self.at;
                self.hand_out(word.kind, begin, object, found);
                Some(length)
            }
            Reading::Is(Err((reason, broke))) if word.is_name => self.broken(word, reason, broke, found),
            _ => Some(word.len),
        }
    }

    /// The object whose brace is here, or why it is none and where that was seen. Only a name is waited for longer than what is
    /// repaired.
    fn object(&mut self, begin: usize, is_name: bool, over: bool) -> Reading<Result<Object, (BrokenReason, usize)>> {
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
                    return Reading::Is(Ok(Object { len: next - begin, json, repairs: Vec::new() }));
                }
                Seen::Malformed => {
                    return match lenient::read(&self.text[begin..], over) {
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

    /// One more object of the kind: of an array, or one that a model wrote behind the first. It must have a field of the kind, and no
    /// marker of its own.
    fn next_object(&self, kind: Kind, over: bool) -> Reading<(usize, Object)> {
        let more = || if over { Reading::Not } else { Reading::More };
        let rest = &self.text[self.at..];
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'`');
        let Some(begin) = rest.iter().take(BETWEEN_MAX).position(|byte| !is_between(byte)) else {
            return if rest.len() < BETWEEN_MAX { more() } else { Reading::Not };
        };
        if rest[begin] != b'{' {
            return Reading::Not;
        }
        let (mut reader, text) = (ObjectReader::opened(), &rest[begin..]);
        for (at, &byte) in text.iter().enumerate().take(lenient::LENIENT_MAX).skip(1) {
            match reader.step(byte) {
                Seen::More => {}
                Seen::Malformed | Seen::TooDeep => return Reading::Not,
                Seen::Closed => {
                    let object = str::from_utf8(&text[..=at]).unwrap_or_default();
                    let fields: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
                    let has_marker =
                        (0..object.len()).any(|at| matches!(word::at(&object.as_bytes()[at..], true), Reading::Is(_)));
                    return match kind.fields().iter().any(|field| fields.get(field).is_some()) && !has_marker {
                        true => {
                            Reading::Is((begin, Object { len: at + 1, json: object.to_owned(), repairs: Vec::new() }))
                        }
                        false => Reading::Not,
                    };
                }
            }
        }
        if text.len() < lenient::LENIENT_MAX { more() } else { Reading::Not }
    }

    /// Hands out the object that begins here; its marker is where the scanner stands.
    fn hand_out(&mut self, kind: Kind, begin: usize, object: Object, found: &mut impl FnMut(Found)) {
        self.flush(self.at, found);
        let end = begin + object.len;
        let span = self.place(self.at)..self.place(end);
        let raw = readable(&self.text[self.at..end.min(self.at + EXCERPT_MAX)]);
        self.emit(Found { kind, span, json: Ok(object.json), repairs: object.repairs, raw }, found);
        self.again = Some(kind);
        self.resume = None;
    }

    /// Gives the marker up and goes on behind its word.
    fn broken(
        &mut self,
        word: Word,
        reason: BrokenReason,
        broke: usize,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        self.flush(self.at, found);
        self.resume = None;
        self.pending = Some(Pending { kind: word.kind, reason, begin: self.at, broke, checked: broke });
        Some(word.len)
    }

    /// Hands the broken marker out when its excerpt is long enough, or a blank line follows.
    fn end_excerpt(&mut self, found: &mut impl FnMut(Found)) {
        let Some(pending) = &mut self.pending else { return };
        let mut line_break = None;
        for at in pending.checked..self.at {
            match self.text[at] {
                b'\n' if line_break.is_some() => return self.flush(at + 1, found),
                b'\n' => line_break = Some(at),
                byte if !byte.is_ascii_whitespace() => line_break = None,
                _ => {}
            }
        }
        pending.checked = line_break.unwrap_or(self.at.max(pending.checked));
        if self.at >= pending.broke.max(pending.begin + EXCERPT_MAX) {
            self.flush(self.at, found);
        }
    }

    fn flush(&mut self, end: usize, found: &mut impl FnMut(Found)) {
        let Some(Pending { kind, reason, begin, broke, .. }) = self.pending.take() else { return };
        let excerpt = &self.text[begin..end.min(begin + EXCERPT_MAX)];
        let raw = readable(&excerpt.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect::<Vec<_>>());
        let span = self.place(begin)..self.place(broke.min(end));
        self.emit(Found { kind, span, json: Err(Broken { reason }), repairs: Vec::new(), raw }, found);
    }

    /// What is thought is handed out as such, and only if the thought does not end.
    fn emit(&mut self, one: Found, found: &mut impl FnMut(Found)) {
        let Some(thought) = &mut self.thought else { return found(one) };
        let broken = Broken { reason: BrokenReason::Thought };
        thought.withheld.push(Found { json: Err(broken), repairs: Vec::new(), ..one });
        thought.is_long |= thought.withheld.len() > WITHHELD_MAX;
        if thought.is_long {
            thought.withheld.drain(..).for_each(found);
        }
    }

    /// The offset of a place in the text.
    fn place(&self, at: usize) -> u64 {
        self.offset - (self.text.len() - at) as u64
    }

    /// Forgets what nothing depends on any more.
    fn settle(&mut self) {
        let reach = self.at.saturating_sub(Setting::REACH);
        let gone = self.pending.as_ref().map_or(reach, |pending| pending.begin.min(reach));
        self.text.drain(..gone);
        self.text.shrink_to(2 * self.text.len());
        self.at -= gone;
        if let Some(pending) = &mut self.pending {
            pending.begin -= gone;
            pending.broke -= gone;
            pending.checked -= gone;
        }
        if let Some(resume) = &mut self.resume {
            resume.object -= gone.min(resume.object);
            resume.next -= gone.min(resume.next);
        }
    }
}

/// The bytes with which a marker or the tag of a thought begins.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let mut at = 0;
    while at < 4 {
        begins[b"PpBb"[at] as usize] = true;
        at += 1;
    }
    let mut at = 0;
    while at < thought::FIRST.len() {
        begins[thought::FIRST[at] as usize] = true;
        at += 1;
    }
    begins
};

#[cfg(test)]
mod tests;
