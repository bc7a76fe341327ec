//! What stands between a marker's word and its object: separators, Markdown, fences, tags, signs of any script, and the words
//! with which models and the tool calls of the usual platforms come to it.

use super::{
    GAP_MAX, fields,
    glyph::{character, run},
    lead,
    member::{self, Members},
    reading::Reading,
    setting::{Setting, plain},
    thought,
    word::{self, Spelling, Word},
};

/// How a word goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// An object begins so many bytes behind the word.
    Object { at: usize, in_list: bool, trust: Trust, is_announced: bool },
    /// The word says what the object is that it stands in, which begins so many bytes before it.
    Around(usize),
    /// What was announced is no object; so many bytes behind the word that is certain.
    NoObject(usize),
    /// The text ended before that was certain.
    Unfinished,
}

/// How much says that the object is the marker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is, whatever it is.
    Full,
    /// It is if it has what the marker announces.
    Fields,
    /// Words that do not belong to it stand between.
    Doubt,
}

/// The most bytes of words and signs that do not belong to a link, from the first of them on.
pub(super) const WORDS_MAX: usize = 64;
/// So much behind a word tells whether its fields follow without an object.
const TOLD_MAX: usize = 96;

/// The longest tag.
const TAG_MAX: usize = 80;

/// Beyond ASCII, what announces what follows.
const ANNOUNCING: [char; 19] =
    ['：', '﹕', '∶', '︰', '꞉', 'ː', '＝', '→', '⇒', '➡', '➜', '➔', '➙', '⟶', '⟹', '►', '▶', '⮕', '⇨'];
/// Beyond ASCII, what is white space or a quote of its own.
const PLAIN: [char; 10] = ['–', '—', '\u{a0}', '\u{3000}', '“', '”', '‘', '’', '\u{200b}', '｀'];

pub(super) fn after(word: Word, setting: Setting, gap: &[u8], over: bool) -> Reading<Link> {
    if let Some(value) = setting.value {
        match member::after(word.kind, value, gap, over) {
            Reading::Is(Members::NoValue) => {}
            Reading::Is(Members::Link(link)) => return Reading::Is(link),
            Reading::Not => return Reading::Not,
            Reading::More => return Reading::More,
        }
    }
    let announces = setting.is_announced;
    Walk { gap, at: 0, word, setting, announces, ticks: 0, list: 0, signs: None, words: None, odd: None }.walk(over)
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
    /// Square brackets that are open.
    list: usize,
    /// Where signs begin that are usual in no link.
    signs: Option<usize>,
    /// Where words begin that lead to no object.
    words: Option<usize>,
    /// Where the first of all that is begins, numbers included: there it stops being a link if no object follows.
    odd: Option<usize>,
}

impl Walk<'_> {
    fn walk(mut self, over: bool) -> Reading<Link> {
        loop {
            let foreign = self.words.or(self.signs);
            let Some(&byte) = self.gap.get(self.at) else {
                return match over {
                    true if self.is_announced() && self.odd.is_none() => Reading::Is(Link::Unfinished),
                    true => self.ends(true),
                    false => Reading::More,
                };
            };
            if byte == b'{' {
                return self.object(over);
            }
            if self.at > GAP_MAX || foreign.is_some_and(|begin| self.at > begin + WORDS_MAX) {
                return self.ends(over);
            }
            let ticks = if matches!(byte, b'`' | b'~') { self.ticks + 1 } else { 0 };
            match self.step(byte, over) {
                Reading::Is(length) => self.at += length,
                Reading::Not => return self.ends(over),
                Reading::More if over => return self.ends(over),
                Reading::More => return Reading::More,
            }
            self.ticks = ticks;
        }
    }

    fn object(&self, over: bool) -> Reading<Link> {
        let is_name = self.word.is_name();
        let trust = match () {
            () if self.words.is_some() || self.setting.is_inside || self.word.is_plural => Trust::Doubt,
            () if self.signs.is_some() || !is_name => Trust::Fields,
            () => Trust::Full,
        };
        let is_announced = match trust {
            Trust::Full => true,
            _ => match self.ends(over) {
                Reading::More => return Reading::More,
                Reading::Is(_) => true,
                Reading::Not => false,
            },
        };
        Reading::Is(Link::Object { at: self.at, in_list: self.list > 0, trust, is_announced })
    }

    fn is_announced(&self) -> bool {
        let is_name = matches!(self.word.spelling, Spelling::Name | Spelling::Capitals);
        self.announces && is_name && !self.setting.is_inside && !self.word.is_plural
    }

    /// There is no object. Whether there should be one.
    fn ends(&self, over: bool) -> Reading<Link> {
        if !self.word.is_name() || self.setting.is_inside || self.word.is_plural {
            return Reading::Not;
        }
        let no_object = Reading::Is(Link::NoObject(self.odd.unwrap_or(self.at)));
        if self.is_announced() {
            return no_object;
        }
        if self.gap.len() < TOLD_MAX && !over {
            return Reading::More;
        }
        let told = &self.gap[..self.gap.len().min(TOLD_MAX)];
        // A field of an object is that one's, one behind the next marker that one's, and one of the next sentence nobody's.
        let ends = |at: &usize| match told[*at] {
            b'{' => true,
            b'.' | b'?' | b'!' => !self.setting.begins_line && matches!(told.get(at + 1), Some(b' ')),
            _ => matches!(word::at(&told[*at..], true), Reading::Is(word) if word.is_name()),
        };
        let next = (0..told.len()).find(ends);
        if fields::are_told(self.word.kind, &told[..next.unwrap_or(told.len())]) || self.stands_alone(told) {
            return no_object;
        }
        Reading::Not
    }

    /// It is in capitals and has a line of its own, brackets or bold, and no sentence around it.
    fn stands_alone(&self, behind: &[u8]) -> bool {
        if self.word.spelling != Spelling::Capitals || !(self.setting.begins_line || self.setting.is_marked) {
            return false;
        }
        let behind = String::from_utf8_lossy(behind);
        let rest = behind.trim_start_matches(|character: char| "*_`]】」』》〉»›］＞⟩〕>".contains(character));
        if !self.setting.begins_line && rest.starts_with(['.', ',', ';', '?', '!', ')', '"', '\'']) {
            return false;
        }
        let same_line = rest.trim_start_matches([' ', '\t']);
        let said = same_line.strip_prefix('(').unwrap_or(same_line);
        !(same_line.len() < rest.len() && said.starts_with(char::is_lowercase))
    }

    /// How many bytes belong to it.
    fn step(&mut self, byte: u8, over: bool) -> Reading<usize> {
        let rest = &self.gap[self.at..];
        match byte {
            b'\\' => match rest.get(1) {
                Some(b'n' | b'r' | b't') => Reading::Is(2),
                Some(_) => Reading::Is(1),
                None => Reading::More,
            },
            // As in a call; a parenthesis behind a space is a sentence's.
            b'(' if self.at == 0 || self.gap[self.at - 1].is_ascii_alphanumeric() => match rest.get(1) {
                Some(b')') => Reading::Is(2),
                Some(_) => {
                    self.announce();
                    Reading::Is(1)
                }
                None => Reading::More,
            },
            b':' | b'=' => {
                self.announce();
                Reading::Is(1)
            }
            b'-' if rest.get(1) == Some(&b'>') => {
                self.announce();
                Reading::Is(2)
            }
            b'[' | b']' => match thought::opening(rest) {
                Reading::Is(_) => Reading::Not,
                Reading::More if !over => Reading::More,
                _ => {
                    self.list = if byte == b'[' { self.list + 1 } else { self.list.saturating_sub(1) };
                    Reading::Is(1)
                }
            },
            b' ' | b'\t' | b'\r' | b'\n' | b'*' | b'_' | b'`' | b'~' | b'#' | b'|' | b'"' | b'\'' | b'(' | b')'
            | b'>' | b'-' => Reading::Is(1),
            b'.' if rest.len() == 1 => Reading::More,
            b'.' if self.word.is_name() && rest[1].is_ascii_alphabetic() => Reading::Is(1),
            b'}' if self.setting.braces > 0 => {
                self.setting.braces -= 1;
                Reading::Is(1)
            }
            b'<' => self.tag(rest, over),
            b',' | b';' | b'!' | b'?' | b'.' | b'/' | b'+' | b'&' | b'@' | b'%' | b'$' | b'^' => self.sign(1),
            _ if byte.is_ascii_alphanumeric() => self.run(rest),
            0x80.. => self.beyond_ascii(rest),
            _ => Reading::Not,
        }
    }

    fn announce(&mut self) {
        self.announces |= self.words.is_none();
    }

    fn sign(&mut self, length: usize) -> Reading<usize> {
        self.signs.get_or_insert(self.at);
        self.odd.get_or_insert(self.at);
        Reading::Is(length)
    }

    fn beyond_ascii(&mut self, rest: &[u8]) -> Reading<usize> {
        let character = match character(rest) {
            Reading::Is(character) => character,
            Reading::Not => return Reading::Not,
            Reading::More => return Reading::More,
        };
        if character.is_alphanumeric() {
            return self.run(rest);
        }
        if ANNOUNCING.contains(&character) {
            self.announce();
        } else if !PLAIN.contains(&character) {
            return self.sign(character.len_utf8());
        }
        Reading::Is(character.len_utf8())
    }

    /// `<|message|>`, `<parameter name="data">`.
    fn tag(&mut self, rest: &[u8], over: bool) -> Reading<usize> {
        match thought::opening(rest) {
            Reading::Is(_) => return Reading::Not,
            Reading::More if !over => return Reading::More,
            _ => {}
        }
        match rest.get(1) {
            None => return Reading::More,
            Some(b'|' | b'/' | 0xef) => {}
            Some(byte) if byte.is_ascii_alphabetic() => {}
            Some(_) => return self.sign(1),
        }
        match rest.iter().take(TAG_MAX).position(|byte| matches!(byte, b'>' | b'{' | b'\n')) {
            Some(end) if rest[end] == b'>' => {
                self.announce();
                Reading::Is(end + 1)
            }
            None if rest.len() < TAG_MAX => Reading::More,
            _ => Reading::Not,
        }
    }

    /// Letters and digits.
    fn run(&mut self, rest: &[u8]) -> Reading<usize> {
        match word::at(rest, false) {
            Reading::Is(word) if word.is_name() => return Reading::Not,
            Reading::More => return Reading::More,
            _ => {}
        }
        let length = match run(rest) {
            Some(length) => length,
            None if rest.len() > WORDS_MAX => return Reading::Not,
            None => return Reading::More,
        };
        let run = str::from_utf8(&rest[..length]).unwrap_or_default();
        let is_call_id = || self.gap[..self.at].to_ascii_lowercase().ends_with(b"call_id]");
        let is_language = self.ticks >= 3;
        let is_number = length <= 3 && run.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            self.odd.get_or_insert(self.at);
        }
        let is_version = matches!(run.as_bytes(), [b'v' | b'V', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
        // `no. 1`; a `no` denies.
        let is_numero = run.eq_ignore_ascii_case("no") && rest[length] == b'.';
        let is_lead =
            is_number || is_version || is_numero || lead::LEADS.contains(&plain(run).as_str()) || is_call_id();
        match (is_language, is_lead, self.word.is_name()) {
            (true, ..) => Reading::Is(length),
            // A lead may stand in a sentence as well.
            (_, true, _) => Reading::Is(length),
            (.., true) => {
                self.words.get_or_insert(self.at);
                self.odd.get_or_insert(self.at);
                Reading::Is(length)
            }
            _ => Reading::Not,
        }
    }
}
