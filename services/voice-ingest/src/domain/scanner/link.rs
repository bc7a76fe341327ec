//! What stands between a marker's word and its object: separators, Markdown, fences, tags, and the members and words with which
//! the tool calls of the usual platforms come to their arguments.

use super::{
    GAP_MAX,
    reading::Reading,
    word::{Setting, Word},
};

/// How a word goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// An object begins so many bytes behind the word.
    Object(usize),
    /// What was announced is no object; so many bytes behind the word that is certain.
    NoObject(usize),
    /// The text ended before that was certain.
    Unfinished,
}

/// Words that may lead from a name to its object.
const LEADS: [&[u8]; 18] = [
    b"action",
    b"arg",
    b"args",
    b"argument",
    b"arguments",
    b"body",
    b"call",
    b"data",
    b"fields",
    b"function",
    b"input",
    b"json",
    b"object",
    b"parameter",
    b"parameters",
    b"params",
    b"payload",
    b"with",
];
/// The longest tag.
const TAG_MAX: usize = 80;

/// Separators and white space beyond ASCII; `true` for those that announce what follows.
const BEYOND_ASCII: [(&str, bool); 14] = [
    ("：", true),
    ("→", true),
    ("⇒", true),
    ("＝", true),
    ("–", false),
    ("—", false),
    ("\u{a0}", false),
    ("\u{3000}", false),
    ("“", false),
    ("”", false),
    ("‘", false),
    ("’", false),
    ("\u{200b}", false),
    ("｀", false),
];

pub(super) fn after(word: Word, setting: Setting, gap: &[u8], over: bool) -> Reading<Link> {
    Walk { gap, at: 0, word, setting, announces: setting.is_value || setting.in_tag, ticks: 0 }.walk(over)
}

struct Walk<'t> {
    gap: &'t [u8],
    at: usize,
    word: Word,
    setting: Setting,
    /// Something is announced, so that what follows must be an object.
    announces: bool,
    /// Backticks or tildes that end here.
    ticks: usize,
}

impl Walk<'_> {
    fn walk(mut self, over: bool) -> Reading<Link> {
        loop {
            let Some(&byte) = self.gap.get(self.at) else {
                return match over {
                    true if self.is_announced() => Reading::Is(Link::Unfinished),
                    true => Reading::Not,
                    false => Reading::More,
                };
            };
            if byte == b'{' {
                return Reading::Is(Link::Object(self.at));
            }
            if self.at > GAP_MAX {
                return self.ends();
            }
            let ticks = if matches!(byte, b'`' | b'~') { self.ticks + 1 } else { 0 };
            match self.step(byte) {
                Reading::Is(length) => self.at += length,
                Reading::Not => return self.ends(),
                Reading::More if over => return self.ends(),
                Reading::More => return Reading::More,
            }
            self.ticks = ticks;
        }
    }

    fn is_announced(&self) -> bool {
        self.announces && self.word.is_name
    }

    fn ends(&self) -> Reading<Link> {
        if self.is_announced() { Reading::Is(Link::NoObject(self.at)) } else { Reading::Not }
    }

    /// How many bytes belong to it.
    fn step(&mut self, byte: u8) -> Reading<usize> {
        let rest = &self.gap[self.at..];
        match byte {
            b':' | b'=' | b'(' => {
                self.announces = true;
                Reading::Is(1)
            }
            b'-' if rest.get(1) == Some(&b'>') => {
                self.announces = true;
                Reading::Is(2)
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'*' | b'_' | b'`' | b'~' | b'#' | b'|' | b'\\' | b'"' | b'\'' | b'['
            | b']' | b')' | b'>' | b'-' => Reading::Is(1),
            b',' if self.setting.is_value => Reading::Is(1),
            b'.' if self.word.is_name => match rest.get(1) {
                Some(next) if next.is_ascii_alphabetic() => Reading::Is(1),
                Some(_) => Reading::Not,
                None => Reading::More,
            },
            b'<' => self.tag(rest),
            _ if byte.is_ascii_alphanumeric() => self.run(rest),
            0x80.. => self.beyond_ascii(rest),
            _ => Reading::Not,
        }
    }

    fn beyond_ascii(&mut self, rest: &[u8]) -> Reading<usize> {
        for (text, announces) in BEYOND_ASCII {
            let here = rest.len().min(text.len());
            if rest[..here] == text.as_bytes()[..here] {
                if here < text.len() {
                    return Reading::More;
                }
                self.announces |= announces;
                return Reading::Is(here);
            }
        }
        Reading::Not
    }

    /// `<|message|>`, `<parameter name="data">`.
    fn tag(&mut self, rest: &[u8]) -> Reading<usize> {
        match rest.get(1) {
            None => return Reading::More,
            Some(b'|' | b'/' | 0xef) => {}
            Some(byte) if byte.is_ascii_alphabetic() => {}
            Some(_) => return Reading::Not,
        }
        match rest.iter().take(TAG_MAX).position(|byte| matches!(byte, b'>' | b'{' | b'\n')) {
            Some(end) if rest[end] == b'>' => {
                self.announces = true;
                Reading::Is(end + 1)
            }
            None if rest.len() < TAG_MAX => Reading::More,
            _ => Reading::Not,
        }
    }

    /// Letters and digits.
    fn run(&self, rest: &[u8]) -> Reading<usize> {
        let Some(length) = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()) else {
            return if rest.len() > GAP_MAX { Reading::Not } else { Reading::More };
        };
        let run = &rest[..length];
        // Of a JSON object that has a name and arguments, other members may stand between.
        let is_member = self.setting.is_value && self.word.is_name;
        let is_lead = self.word.is_name && LEADS.iter().any(|lead| lead.eq_ignore_ascii_case(run));
        let is_language = self.ticks >= 3;
        // The number of a call, as in `:0`.
        let is_number =
            self.at > 0 && self.gap[self.at - 1] == b':' && length <= 3 && run.iter().all(u8::is_ascii_digit);
        if is_member || is_lead || is_language || is_number { Reading::Is(length) } else { Reading::Not }
    }
}
