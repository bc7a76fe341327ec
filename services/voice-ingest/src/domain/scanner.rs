//! Finds markers and their JSON objects in an AI's text while it arrives.
//!
//! Promises: pieces may be cut at any byte, inside a UTF-8 character too, and give what the whole text gives; work is
//! linear in the text; at most [`OBJECT_MAX`] bytes and a little are kept, between pieces too (the state is serde data).
//!
//! A marker is a kind's word in whatever spelling (`word`) and place (`setting`), then what leads to its object (`link`, `member`),
//! then the object: JSON, or what models write instead and has one meaning (`lenient`). Where a name is followed by a separator, a
//! bracket or a tag and no object can be read, the fact is reported as broken; so is one near whose word an object of its fields
//! stands that nothing leads to. A word without any of these is prose. A marker inside a string of an object that is being read is
//! content; when that object turns out broken, reading goes on right behind its marker, so that an abandoned object cannot swallow
//! the next one. What stands in a thought (`thought`) makes no fact.
//! Does not judge the fields, nor numbers and escapes inside the JSON: `validate` does.

mod between;
mod complete;
mod doubled;
mod edge;
mod escaped;
mod fields;
mod following;
mod found;
mod glyph;
mod lead;
mod lenient;
mod link;
mod marker;
mod member;
mod object;
mod reading;
mod setting;
mod stored;
mod telling;
mod text_bytes;
mod thought;
mod word;

use serde::{Deserialize, Serialize};

pub use self::found::{Broken, BrokenReason, Found, Repair};
use self::{complete::Resume, following::Again, reading::Reading, setting::Setting, telling::Pending, thought::Turn};

/// The largest object, in bytes, braces included.
pub const OBJECT_MAX: usize = 64 * 1024;
/// The deepest nesting of an object, itself included.
pub const DEPTH_MAX: u8 = object::DEPTH_MAX;
/// The most bytes between a marker's word and its object: a fence with its language and some blank lines.
pub const GAP_MAX: usize = 256;
/// The longest [`Found::raw`], in bytes of the text.
pub const EXCERPT_MAX: usize = 4096;

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
    /// An object has just ended, and another of its kind may follow.
    again: Option<Again>,
    /// What was found in a text that comes as a whole: a thought that was opened before it takes it back.
    #[serde(skip)]
    held: Option<Vec<Found>>,
    /// A thought has begun or ended in that text, so that its beginning is none.
    #[serde(skip)]
    has_thought: bool,
    /// How far the object has been read that is not complete: found again in the text where it is not known.
    #[serde(skip)]
    resume: Option<Resume>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Thought {
    closing: String,
    /// So many others were opened in it.
    #[serde(default)]
    depth: u8,
    /// If it does not end it was none, but a heading.
    #[serde(default)]
    is_heading: bool,
    /// One under such a heading, which is one for sure.
    #[serde(default)]
    inner: Option<Inner>,
    withheld: Vec<Found>,
    /// It has so many facts that they are handed out, whether or not it ends.
    is_long: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    closing: String,
    depth: u8,
    /// So many were withheld before it.
    before: usize,
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

    /// What is pushed up to the end is the whole of a text, so that what its beginning is can still be told at its end: all before a
    /// closing `</think>` that nothing opened is a thought.
    pub fn expect_whole(&mut self) {
        self.held = Some(Vec::new());
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
        for one in self.thought.take().into_iter().flat_map(|thought| thought.withheld) {
            self.release(one, found);
        }
        self.held.take().into_iter().flatten().for_each(&mut *found);
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
        if let Some(again) = self.again {
            return self.next_object(again, over, found);
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

    /// What opens or closes a thought.
    fn tag(&mut self, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let (before, rest) = self.text.split_at(self.at);
        let step = match &self.thought {
            Some(thought) => {
                let closing = thought.inner.as_ref().map_or(&thought.closing, |inner| &inner.closing);
                let turn = thought::turn(rest, before, closing).map(|(length, turn)| (length, Some(turn), None));
                match turn {
                    Reading::Not if thought.is_heading && thought.inner.is_none() => match thought::opening(rest) {
                        Reading::Is(it) if it.is_heading => Reading::Not,
                        other => other.map(|it| (it.length, None, Some(it))),
                    },
                    turn => turn,
                }
            }
            None => {
                let opening = thought::opening(rest).map(|opening| (opening.length, None, Some(opening)));
                let lone = if self.held.is_some() { thought::lone_closing(rest) } else { Reading::Not };
                opening.or(lone.map(|length| (length, None, None)))
            }
        };
        let (length, turn, opening) = match step {
            Reading::Is(step) => step,
            Reading::More if !over => return None,
            _ => return Some(1),
        };
        match thought::is_quoted(before, rest, length) {
            Reading::Is(false) => {}
            Reading::More if !over => return None,
            Reading::More => {}
            _ => return Some(length),
        }
        match (turn, opening, &mut self.thought) {
            (Some(turn), _, Some(Thought { inner: inner @ Some(_), withheld, .. })) => {
                let Some(open) = inner else { return Some(length) };
                match turn {
                    Turn::Opens => open.depth = open.depth.saturating_add(1),
                    Turn::Closes if open.depth > 0 => open.depth -= 1,
                    Turn::Closes => {
                        withheld.truncate(open.before);
                        *inner = None;
                        self.pending = None;
                    }
                }
            }
            (None, Some(opening), Some(_)) => {
                self.flush(self.at, found);
                let Some(thought) = &mut self.thought else { return Some(length) };
                thought.inner = Some(Inner { closing: opening.closing, depth: 0, before: thought.withheld.len() });
            }
            (Some(Turn::Opens), _, Some(thought)) => thought.depth = thought.depth.saturating_add(1),
            (Some(Turn::Closes), _, Some(thought)) if thought.depth > 0 => thought.depth -= 1,
            (Some(_), ..) => {
                self.flush(self.at, found);
                self.thought = None;
            }
            (None, Some(opening), _) => {
                self.flush(self.at, found);
                let thought::Opening { closing, is_heading, .. } = opening;
                let (inner, withheld) = (None, Vec::new());
                self.thought = Some(Thought { closing, depth: 0, is_heading, inner, withheld, is_long: false });
                self.has_thought = true;
            }
            (None, None, _) => {
                self.flush(self.at, found);
                let held = self.held.iter_mut().flatten();
                if self.has_thought {
                    // What was thought begins somewhere behind the one before: nobody knows where.
                    held.for_each(Found::be_thought);
                } else {
                    self.held.iter_mut().for_each(Vec::clear);
                }
                self.has_thought = true;
            }
        }
        Some(length)
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
        begins[word::FIRST[at] as usize] = true;
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
