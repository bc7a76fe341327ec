//! The members of an object that stand behind the one whose value is a marker's word: the tool calls of the usual platforms.

use super::{
    glyph::{character, is_invisible, is_quote},
    link::{Link, Trust},
    reading::Reading,
    setting::{Value, plain},
};
use crate::domain::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    /// The value does not end with the word.
    NoValue,
    Link(Link),
}

/// The most bytes of them that are looked at.
const MEMBERS_MAX: usize = 1024;
/// The longest name of a member.
const NAME_MAX: usize = 48;

/// Members that carry what a call is made with, without separators.
const CARRYING: [&str; 27] = [
    "action_input",
    "actioninput",
    "arg",
    "argument",
    "arguments",
    "args",
    "attributes",
    "body",
    "content",
    "data",
    "details",
    "eventdata",
    "fields",
    "functionargs",
    "functionarguments",
    "input",
    "inputs",
    "kwargs",
    "object",
    "parameter",
    "parameters",
    "params",
    "payload",
    "record",
    "toolinput",
    "value",
    "values",
];

/// Whether a kind's own object goes under this name: `patient`, `booking_details`.
fn is_own(kind: Kind, name: &str) -> bool {
    let own = match kind {
        Kind::PatientCreation => ["patient", "newpatient"],
        Kind::BookingConfirmation => ["booking", "appointment"],
    };
    let rests = own.iter().filter_map(|own| name.strip_prefix(own));
    rests.into_iter().any(|rest| matches!(rest, "" | "data" | "details" | "info" | "record"))
}

pub(super) fn after(kind: Kind, value: Value, text: &[u8], over: bool) -> Reading<Members> {
    let mut walk = Walk { text, at: 0, other: None };
    let ended = walk.quote();
    let link = match ended {
        Reading::Is(()) => walk.members(kind),
        other => other.map(|()| None),
    };
    match link {
        Reading::Not if walk.at == 0 => Reading::Is(Members::NoValue),
        Reading::More if !over => Reading::More,
        Reading::Is(Some(link)) => Reading::Is(Members::Link(link)),
        // Complete, and nothing in it carries data: then it is the object itself.
        Reading::Is(None) if value.begin.is_some() && !value.is_name => {
            Reading::Is(Members::Link(Link::Around(value.begin.unwrap_or_default())))
        }
        _ => match walk.other {
            Some(at) => {
                let (trust, is_announced) = (Trust::Doubt, value.is_announcing);
                Reading::Is(Members::Link(Link::Object { at, in_list: false, trust, is_announced }))
            }
            None if value.is_announcing => Reading::Is(Members::Link(Link::NoObject(walk.at.min(text.len())))),
            None => Reading::Not,
        },
    }
}

struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    /// Where the first object begins of a member that carries nothing.
    other: Option<usize>,
}

impl Walk<'_> {
    /// The object that carries the data; `None` where the object around ends without one.
    fn members(&mut self, kind: Kind) -> Reading<Option<Link>> {
        loop {
            match self.space(&[',', '，', ';']) {
                Reading::Is(()) => {}
                other => return other.map(|()| None),
            }
            if self.at > MEMBERS_MAX {
                return Reading::Not;
            }
            if matches!(self.text.get(self.at), Some(b'}' | b']')) {
                return Reading::Is(None);
            }
            let name = match self.name() {
                Reading::Is(name) => name,
                Reading::Not => return Reading::Not,
                Reading::More => return Reading::More,
            };
            match self.space(&[':', '：', '=', '>']) {
                Reading::Is(()) => {}
                other => return other.map(|()| None),
            }
            let begin = self.at;
            if CARRYING.contains(&name.as_str()) || is_own(kind, &name) {
                // An object, also in a text or a list.
                match self.space(&['[', '(', '"', '\'', '\\', '“', '‘', '`']) {
                    Reading::Is(()) => {}
                    other => return other.map(|()| None),
                }
                if self.text[self.at] == b'{' {
                    let in_list = self.text[begin..self.at].contains(&b'[');
                    let at = self.at;
                    return Reading::Is(Some(Link::Object { at, in_list, trust: Trust::Full, is_announced: true }));
                }
                self.at = begin;
            } else if self.text[begin] == b'{' {
                self.other.get_or_insert(begin);
            }
            match self.value() {
                Reading::Is(()) => {}
                other => return other.map(|()| None),
            }
        }
    }

    /// A quote with its escapes.
    fn quote(&mut self) -> Reading<()> {
        let escapes = self.text[self.at..].iter().take(8).take_while(|byte| **byte == b'\\').count();
        match character(&self.text[self.at + escapes..]) {
            Reading::Is(quote) if is_quote(quote) => {
                self.at += escapes + quote.len_utf8();
                Reading::Is(())
            }
            Reading::Is(_) | Reading::Not => Reading::Not,
            Reading::More => Reading::More,
        }
    }

    /// White space, escaped or not, and these. Something else follows.
    fn space(&mut self, these: &[char]) -> Reading<()> {
        loop {
            let rest = &self.text[self.at..];
            match rest {
                [b'\\', b'n' | b'r' | b't', ..] => self.at += 2,
                [b'\\'] => return Reading::More,
                _ => match character(rest) {
                    Reading::Is(character)
                        if character.is_whitespace() || is_invisible(character) || these.contains(&character) =>
                    {
                        self.at += character.len_utf8();
                    }
                    Reading::Is(_) => return Reading::Is(()),
                    Reading::Not => return Reading::Not,
                    Reading::More => return Reading::More,
                },
            }
            if self.at > MEMBERS_MAX {
                return Reading::Not;
            }
        }
    }

    /// A member's name, without separators; with or without quotes.
    fn name(&mut self) -> Reading<String> {
        let quoted = match self.quote() {
            Reading::Is(()) => true,
            Reading::Not => false,
            Reading::More => return Reading::More,
        };
        let begin = self.at;
        loop {
            match character(&self.text[self.at..]) {
                Reading::Is(character) if character.is_alphanumeric() || "_-. ".contains(character) => {
                    self.at += character.len_utf8();
                }
                Reading::Is(_) if self.at > begin => break,
                Reading::Is(_) | Reading::Not => return Reading::Not,
                Reading::More => return Reading::More,
            }
            if self.at > begin + NAME_MAX {
                return Reading::Not;
            }
        }
        let name = plain(str::from_utf8(&self.text[begin..self.at]).unwrap_or_default());
        if quoted { self.quote().map(|()| name) } else { Reading::Is(name) }
    }

    /// Passes over a value of any kind.
    fn value(&mut self) -> Reading<()> {
        let mut depth = 0_usize;
        loop {
            if self.at > MEMBERS_MAX {
                return Reading::Not;
            }
            let begin = self.at;
            match self.quote() {
                Reading::Is(()) => {
                    let quote = &self.text[begin..self.at];
                    match self.string(quote) {
                        Reading::Is(()) => {}
                        other => return other,
                    }
                    if depth == 0 {
                        return Reading::Is(());
                    }
                    continue;
                }
                Reading::More => return Reading::More,
                Reading::Not => {}
            }
            match self.text[self.at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return Reading::Is(()),
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Reading::Is(());
                    }
                }
                b',' if depth == 0 => return Reading::Is(()),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Up to the end of a text that began with this quote.
    fn string(&mut self, quote: &[u8]) -> Reading<()> {
        let escapes = quote.iter().take_while(|byte| **byte == b'\\').count();
        let closes = |rest: &[u8]| match &quote[escapes..] {
            b"\"" | b"'" => rest.starts_with(&quote[escapes..]),
            _ => matches!(character(rest), Reading::Is('”' | '“' | '’' | '‘' | '＂' | '»' | '«')),
        };
        let mut before = 0;
        loop {
            let Some(byte) = self.text.get(self.at) else { return Reading::More };
            if self.at > MEMBERS_MAX {
                return Reading::Not;
            }
            if *byte == b'\\' {
                before += 1;
                self.at += 1;
                continue;
            }
            let rest = &self.text[self.at..];
            if *byte >= 0x80 && matches!(character(rest), Reading::More) {
                return Reading::More;
            }
            // A quote of its own level; one with more escapes is content.
            if closes(rest) && (before <= escapes || before % 2 == 0 && escapes == 0) {
                self.at += match character(rest) {
                    Reading::Is(character) => character.len_utf8(),
                    _ => 1,
                };
                return Reading::Is(());
            }
            before = 0;
            self.at += 1;
        }
    }
}
