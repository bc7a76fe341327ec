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

mod edge;
mod fields;
mod found;
mod glyph;
mod lenient;
mod link;
mod member;
mod object;
mod reading;
mod setting;
mod stored;
mod text_bytes;
mod thought;
mod word;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::found::{Broken, BrokenReason, Found, Repair};
use self::{
    found::readable,
    link::{Link, Trust},
    object::{ObjectReader, Seen},
    reading::Reading,
    setting::Setting,
    thought::Turn,
    word::{Spelling, Word},
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
/// So much of an object that cannot be read tells whether it has what its marker announces.
const TOLD_MAX: usize = 128;

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

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Again {
    kind: Kind,
    /// The marker's objects are a list that has not ended.
    #[serde(default)]
    in_list: bool,
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

/// How an object is marked.
#[derive(Debug, Clone, Copy)]
struct Marked {
    in_list: bool,
    trust: Trust,
    is_announced: bool,
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
                thought::turn(rest, before, &thought.closing).map(|(length, turn)| (length, Some(turn), None))
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
            (Some(Turn::Opens), _, Some(thought)) => thought.depth = thought.depth.saturating_add(1),
            (Some(Turn::Closes), _, Some(thought)) if thought.depth > 0 => thought.depth -= 1,
            (Some(_), ..) => {
                self.flush(self.at, found);
                self.thought = None;
            }
            (None, Some(opening), _) => {
                self.flush(self.at, found);
                let thought::Opening { closing, is_heading, .. } = opening;
                self.thought = Some(Thought { closing, depth: 0, is_heading, withheld: Vec::new(), is_long: false });
            }
            (None, None, _) => {
                self.flush(self.at, found);
                self.held.iter_mut().for_each(Vec::clear);
            }
        }
        Some(length)
    }

    fn marker(&mut self, word: Word, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let (before, rest) = self.text.split_at(self.at);
        let setting = Setting::behind(before);
        if setting.is_none || (setting.is_inside || word.is_plural) && word.spelling != Spelling::Capitals {
            return Some(word.len);
        }
        let behind = self.at + word.len;
        match link::after(word, setting, &rest[word.len..], over) {
            Reading::Not => Some(word.len),
            Reading::More => None,
            Reading::Is(Link::NoObject(_) | Link::Unfinished) if !word.is_name() || setting.is_inside => Some(word.len),
            Reading::Is(Link::NoObject(length)) => self.broken(word, BrokenReason::NotAnObject, behind + length, found),
            Reading::Is(Link::Unfinished) => self.broken(word, BrokenReason::Unfinished, self.text.len(), found),
            Reading::Is(Link::Around(length)) => {
                let is_announcing = setting.value.is_some_and(|value| value.is_announcing);
                self.object_around(word, self.at.saturating_sub(length), is_announcing, over, found)
            }
            Reading::Is(Link::Object { at, in_list, trust, is_announced }) => {
                let trust = if trust == Trust::Full && !word.is_name() { Trust::Fields } else { trust };
                self.marked_object(word, behind + at, Marked { in_list, trust, is_announced }, over, found)
            }
        }
    }

    fn marked_object(
        &mut self,
        word: Word,
        begin: usize,
        Marked { in_list, trust, is_announced }: Marked,
        over: bool,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        let is_sure = trust == Trust::Full;
        if is_sure {
            // Whatever its object is, it is a marker.
            self.flush(self.at, found);
        }
        let prose = Some(word.len);
        match self.object(begin, is_sure, None, over) {
            Reading::More => None,
            Reading::Is(Ok(object)) => {
                let data: Value = serde_json::from_str(&object.json).unwrap_or_default();
                let is_announced = is_announced && word.is_name();
                match trust {
                    // What a tool takes, not what it is given.
                    Trust::Full if is_schema(&data) => prose,
                    Trust::Fields if !is_announced && !fields::reminds(word.kind, &data) => prose,
                    Trust::Full | Trust::Fields => {
                        self.hand_out(Again { kind: word.kind, in_list }, begin, object, &data, found)
                    }
                    Trust::Doubt if has_one_near(word.kind, &data) => {
                        self.broken(word, BrokenReason::Unclear, begin + object.len, found)
                    }
                    Trust::Doubt if is_announced => self.broken(word, BrokenReason::NotAnObject, begin, found),
                    Trust::Doubt => prose,
                }
            }
            Reading::Is(Err((reason, broke))) if is_sure => self.broken(word, reason, broke, found),
            Reading::Is(Err((reason, broke))) => match self.are_told(word.kind, begin, over) {
                Reading::More => None,
                Reading::Is(true) if word.is_name() => self.broken(word, reason, broke, found),
                _ if is_announced && word.is_name() => self.broken(word, BrokenReason::NotAnObject, begin, found),
                _ => prose,
            },
            Reading::Not => prose,
        }
    }

    /// The object in which the word says what it is.
    fn object_around(
        &mut self,
        word: Word,
        begin: usize,
        is_announcing: bool,
        over: bool,
        found: &mut impl FnMut(Found),
    ) -> Option<usize> {
        let is_name = word.is_name();
        match self.object(begin, is_name, Some(self.at - begin), over) {
            Reading::More => None,
            Reading::Is(Ok(object)) => {
                let data: Value = serde_json::from_str(&object.json).unwrap_or_default();
                if fields::has_one(word.kind, &data) {
                    return self.hand_out(Again { kind: word.kind, in_list: false }, begin, object, &data, found);
                }
                let reason = match has_one_near(word.kind, &data) {
                    true => BrokenReason::Unclear,
                    false if is_announcing => BrokenReason::NotAnObject,
                    false => return Some(word.len),
                };
                if is_name { self.broken(word, reason, begin + object.len, found) } else { Some(word.len) }
            }
            Reading::Is(Err((reason, broke))) if is_announcing && is_name => {
                self.broken(word, reason, broke.max(self.at + word.len), found)
            }
            _ => Some(word.len),
        }
    }

    /// Whether what begins here and cannot be read has fields of the kind.
    fn are_told(&self, kind: Kind, begin: usize, over: bool) -> Reading<bool> {
        match self.text[begin..].get(..TOLD_MAX) {
            Some(told) => Reading::Is(fields::are_told(kind, told)),
            None if over => Reading::Is(fields::are_told(kind, &self.text[begin..])),
            None => Reading::More,
        }
    }

    /// The object whose brace is here, or why it is none and where that was seen. Only a name is waited for longer than what is
    /// repaired.
    fn object(
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
                    return Reading::Is(Ok(Object { len: next - begin, json, repairs: Vec::new() }));
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

    /// One more object of the kind: of the marker's list, or one that a model wrote behind the first. Without a word of its own it is
    /// a fact where it has nothing but fields of the kind.
    fn next_object(&mut self, again: Again, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let Again { kind, in_list } = again;
        let between = match link::between(&self.text[self.at..], over) {
            Reading::Is(between) => between,
            Reading::More => return None,
            Reading::Not => {
                self.again = None;
                return Some(0);
            }
        };
        let begin = self.at + between.length;
        let object = match self.object(begin, false, None, over) {
            Reading::More => return None,
            Reading::Is(Err((reason, broke))) if between.is_clear => match self.are_told(kind, begin, over) {
                Reading::More => return None,
                Reading::Is(true) => {
                    self.flush(self.at, found);
                    (self.again, self.resume) = (None, None);
                    self.pending = Some(Pending { kind, reason, begin, broke, checked: broke });
                    return Some(between.length + 1);
                }
                _ => None,
            },
            Reading::Is(object) => object.ok(),
            Reading::Not => None,
        };
        let in_list = in_list && !between.ends_list;
        let judged = object.and_then(|object| {
            let data: Value = serde_json::from_str(&object.json).unwrap_or_default();
            let reason = self.judged(kind, begin..begin + object.len, &data, between.is_clear, in_list)?;
            Some((object, data, reason))
        });
        match judged {
            Some((object, data, None)) => self.hand_out(Again { kind, in_list }, begin, object, &data, found),
            Some((object, _, Some(reason))) => {
                let (from, to) = (begin, begin + object.len);
                let raw = readable(&self.text[from..to.min(from + EXCERPT_MAX)]);
                let span = self.place(from)..self.place(to);
                self.emit(Found { kind, span, json: Err(Broken { reason }), repairs: Vec::new(), raw }, found);
                (self.again, self.resume) = (Some(Again { kind, in_list }), None);
                Some(to - self.at)
            }
            None => {
                (self.again, self.resume) = (None, None);
                Some(0)
            }
        }
    }

    /// Whether an object behind the marker's own is of it: why it is rejected if it is; `None` where it is nothing of it.
    fn judged(
        &self,
        kind: Kind,
        place: std::ops::Range<usize>,
        data: &Value,
        is_clear: bool,
        in_list: bool,
    ) -> Option<Option<BrokenReason>> {
        let text = &self.text[place];
        let has_marker =
            || (0..text.len()).any(|at| matches!(word::at(&text[at..], true), Reading::Is(word) if word.is_name()));
        if !fields::has_one(kind, data) || is_call(data) || has_marker() {
            return None;
        }
        match (is_clear, fields::has_only(kind, data)) {
            (true, true) => Some(None),
            (true, false) if in_list => Some(None),
            (true, false) => Some(Some(BrokenReason::Foreign)),
            (false, true) => Some(Some(BrokenReason::Unclear)),
            (false, false) => None,
        }
    }

    /// Hands out the object that begins here; its marker is where the scanner stands. It ends at a marker that is one of its members:
    /// that is a fact of its own.
    fn hand_out(
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
        let Some(thought) = &mut self.thought else { return self.release(one, found) };
        let broken = Broken { reason: BrokenReason::Thought };
        let kept = if thought.is_heading { one } else { Found { json: Err(broken), repairs: Vec::new(), ..one } };
        thought.withheld.push(kept);
        thought.is_long |= thought.withheld.len() > WITHHELD_MAX;
        if thought.is_long {
            for one in std::mem::take(&mut thought.withheld) {
                self.release(one, found);
            }
        }
    }

    fn release(&mut self, one: Found, found: &mut impl FnMut(Found)) {
        match &mut self.held {
            Some(held) => held.push(one),
            None => found(one),
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

/// Whether the object, or one that is its member, has a field of the kind.
fn has_one_near(kind: Kind, data: &Value) -> bool {
    let members = || data.as_object().into_iter().flat_map(serde_json::Map::values);
    fields::has_one(kind, data) || members().any(|member| fields::has_one(kind, member))
}

/// Whether the object describes others, as those of a tool do that a model may call.
fn is_schema(data: &Value) -> bool {
    data["type"] == "object" && data["properties"].is_object()
}

/// Whether the object is a call of some tool.
fn is_call(data: &Value) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| data.get(name).is_some());
    has(&["name", "tool", "tool_name", "function", "action"])
        && has(&["arguments", "args", "parameters", "params", "input", "tool_input", "action_input"])
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
