//! Objects as models write them and JSON does not have them: comments, trailing commas, single and typographic quotes, Python's
//! words, names without quotes, line breaks in texts; JSON that is escaped inside JSON is read by `escaped`.
//!
//! Finds where such an object ends, writes what JSON5 does not know in its words, and leaves the reading to `json5`. What has more
//! than one meaning is not read. Bounded by [`LENIENT_MAX`], and by the next marker.

use serde_json::Value;

use super::{
    doubled::Members,
    escaped::{self, Read},
    found::Repair,
    glyph::character,
    link::{self, Link, Trust},
    object::DEPTH_MAX,
    reading::Reading,
    setting::Setting,
    word,
};

/// The largest object that is repaired, in bytes.
pub(super) const LENIENT_MAX: usize = 8 * 1024;

/// Reads the object whose brace the text begins with. `Not` where it has no meaning or more than one. The word at `own` is no
/// marker of something else.
pub(super) fn read(text: &[u8], own: Option<usize>, over: bool) -> Reading<Read> {
    let is_whole = text.len() <= LENIENT_MAX;
    let (text, over) = (&text[..text.len().min(LENIENT_MAX)], over && is_whole);
    let read = match text[1..].trim_ascii_start().first() {
        Some(b'\\') => escaped::read(text),
        Some(_) => {
            Rewriter { text, own, at: 0, out: String::new(), open: Vec::new(), repairs: Vec::new() }.rewrite(over)
        }
        None => Reading::More,
    };
    match read {
        Reading::More if over || !is_whole => Reading::Not,
        other => other,
    }
}

struct Rewriter<'t> {
    text: &'t [u8],
    own: Option<usize>,
    at: usize,
    /// JSON5.
    out: String,
    /// The closing brackets that are awaited.
    open: Vec<u8>,
    repairs: Vec<Repair>,
}

/// What opens a text, and what closes it.
const QUOTES: [(&str, &[&str]); 6] =
    [("\"", &["\""]), ("'", &["'"]), ("“", &["”", "“"]), ("”", &["”"]), ("„", &["“", "”"]), ("‘", &["’", "‘"])];

impl Rewriter<'_> {
    fn rewrite(mut self, over: bool) -> Reading<Read> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let byte = rest[0];
            match byte {
                b'{' | b'[' => {
                    if self.open.len() >= usize::from(DEPTH_MAX) {
                        return Reading::Not;
                    }
                    self.open.push(if byte == b'{' { b'}' } else { b']' });
                    self.put(char::from(byte), 1);
                }
                b'}' | b']' => {
                    if self.open.pop() != Some(byte) {
                        return Reading::Not;
                    }
                    if self.out.trim_end().ends_with(',') {
                        self.repaired(Repair::TrailingComma);
                    }
                    self.put(char::from(byte), 1);
                    if self.open.is_empty() {
                        return self.parsed();
                    }
                }
                b'\n' => {
                    self.put('\n', 1);
                    let quoted = self.text[self.at..].trim_ascii_start();
                    if quoted.first() == Some(&b'>') {
                        self.at = self.text.len() - quoted.len() + 1;
                        self.repaired(Repair::Quotation);
                    }
                }
                b' ' | b'\t' | b'\r' | b',' | b':' => self.put(char::from(byte), 1),
                b'/' | b'#' => match self.comment(rest) {
                    Reading::Is(length) => {
                        self.at += length;
                        self.repaired(Repair::Comment);
                    }
                    Reading::Not => return Reading::Not,
                    Reading::More => return Reading::More,
                },
                _ => {
                    let step = match self.quote(rest) {
                        Reading::Is((open, closers)) => self.string(open, closers, over),
                        Reading::More => Reading::More,
                        Reading::Not => self.bare(rest, over),
                    };
                    match step {
                        Reading::Is(()) => {}
                        Reading::Not => return Reading::Not,
                        Reading::More => return Reading::More,
                    }
                }
            }
        }
        Reading::More
    }

    fn put(&mut self, character: char, length: usize) {
        self.out.push(character);
        self.at += length;
    }

    fn repaired(&mut self, repair: Repair) {
        if !self.repairs.contains(&repair) {
            self.repairs.push(repair);
        }
    }

    fn parsed(self) -> Reading<Read> {
        match json5::from_str::<Members>(&self.out) {
            Ok(Members { all, are_doubled: false }) => {
                let json = Value::Object(all).to_string();
                Reading::Is(Read { len: self.at, json, repairs: self.repairs })
            }
            _ => Reading::Not,
        }
    }

    fn comment(&self, rest: &[u8]) -> Reading<usize> {
        let line = || rest.iter().position(|byte| *byte == b'\n').map_or(Reading::More, Reading::Is);
        match (rest[0], rest.get(1)) {
            (b'#', _) | (_, Some(b'/')) => line(),
            (_, Some(b'*')) => {
                let end = rest.windows(2).skip(2).position(|two| two == b"*/");
                end.map_or(Reading::More, |end| Reading::Is(end + 4))
            }
            (_, Some(_)) => Reading::Not,
            (_, None) => Reading::More,
        }
    }

    fn quote(&self, rest: &[u8]) -> Reading<(&'static str, &'static [&'static str])> {
        let mut may_be = false;
        for (open, closers) in QUOTES {
            if rest.starts_with(open.as_bytes()) {
                return Reading::Is((open, closers));
            }
            may_be |= open.as_bytes().starts_with(rest);
        }
        if may_be { Reading::More } else { Reading::Not }
    }

    /// A text, whatever its quotes; written with straight ones.
    fn string(&mut self, open: &str, closers: &[&str], over: bool) -> Reading<()> {
        let begin = self.at;
        self.at += open.len();
        let mut content = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(&byte) = rest.first() else { return self.back_to(begin) };
            if let Some(closer) = closers.iter().find(|closer| rest.starts_with(closer.as_bytes())) {
                // An apostrophe is followed by more of its word.
                let behind = rest[closer.len()..].trim_ascii_start();
                match behind.first() {
                    None if open == "'" && !over => return self.back_to(begin),
                    Some(b',' | b':' | b'}' | b']' | b'/' | b'#') => {}
                    Some(_) if open == "'" => {
                        content.push('\'');
                        self.at += 1;
                        continue;
                    }
                    _ => {}
                }
                self.at += closer.len();
                break;
            }
            let length = match byte {
                b'\\' => match rest.get(1) {
                    None => return self.back_to(begin),
                    Some(b'\'') => {
                        content.push('\'');
                        2
                    }
                    Some(_) => {
                        content.push('\\');
                        1
                    }
                },
                b'"' => {
                    content.push_str("\\\"");
                    1
                }
                b'\n' | b'\r' | b'\t' => {
                    self.repaired(Repair::LineBreak);
                    content.push_str(match byte {
                        b'\n' => "\\n",
                        b'\r' => "\\r",
                        _ => "\\t",
                    });
                    1
                }
                0..0x20 => return Reading::Not,
                b'p' | b'P' | b'b' | b'B' if self.is_marker() != Reading::Not => {
                    return if self.is_marker() == Reading::More && !over { self.back_to(begin) } else { Reading::Not };
                }
                _ => match character(rest) {
                    Reading::Is(character) => {
                        content.push(character);
                        character.len_utf8()
                    }
                    Reading::Not => return Reading::Not,
                    Reading::More => return self.back_to(begin),
                },
            };
            // The byte behind a backslash belongs to it, whatever it is.
            if byte == b'\\' && length == 1 {
                match character(&self.text[self.at + 1..]) {
                    Reading::Is(escape) => {
                        content.push(escape);
                        self.at += 1 + escape.len_utf8();
                    }
                    Reading::Not => return Reading::Not,
                    Reading::More => return self.back_to(begin),
                }
            } else {
                self.at += length;
            }
        }
        if open != "\"" {
            self.repaired(Repair::Quotes);
        }
        self.out.push('"');
        self.out.push_str(&content);
        self.out.push('"');
        Reading::Is(())
    }

    fn back_to(&mut self, begin: usize) -> Reading<()> {
        self.at = begin;
        Reading::More
    }

    /// Whether a marker's name begins here.
    fn is_marker(&self) -> Reading<()> {
        let is_inside = self.at.checked_sub(1).is_some_and(|before| self.text[before].is_ascii_alphanumeric());
        if is_inside || self.own == Some(self.at) {
            return Reading::Not;
        }
        let rest = &self.text[self.at..];
        match word::at(rest, false) {
            Reading::Is(word) if word.is_name() => Reading::Is(()),
            Reading::Is(word) => match link::after(word, Setting::default(), &rest[word.len..], false) {
                Reading::Is(Link::Object { trust: Trust::Full | Trust::Fields, .. }) => Reading::Is(()),
                Reading::More => Reading::More,
                _ => Reading::Not,
            },
            Reading::More => Reading::More,
            Reading::Not => Reading::Not,
        }
    }

    /// A name or a number without quotes.
    fn bare(&mut self, rest: &[u8], over: bool) -> Reading<()> {
        for (beyond, plain) in [("，", ','), ("：", ':'), ("\u{a0}", ' '), ("\u{3000}", ' ')] {
            if rest.starts_with(beyond.as_bytes()) {
                self.repaired(Repair::Punctuation);
                self.put(plain, beyond.len());
                return Reading::Is(());
            }
            if beyond.as_bytes().starts_with(rest) {
                return Reading::More;
            }
        }
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$+-.".contains(byte);
        let length = rest.iter().position(|byte| !belongs(byte)).unwrap_or(rest.len());
        if length == rest.len() && !over {
            return Reading::More;
        }
        let Ok(token @ [_, ..]) = str::from_utf8(&rest[..length]).map(str::as_bytes) else { return Reading::Not };
        if !matches!(self.is_marker(), Reading::Not) {
            return Reading::Not;
        }
        let token = String::from_utf8_lossy(token).into_owned();
        let is_key = self.open.last() == Some(&b'}') && self.out.trim_end().ends_with(['{', ',']);
        if is_key {
            self.repaired(Repair::UnquotedName);
            self.out.push_str(&format!("{token:?}"));
        } else {
            let word = match token.as_str() {
                "true" | "false" | "null" => token.as_str(),
                "True" | "TRUE" => "true",
                "False" | "FALSE" => "false",
                "None" | "NULL" | "Null" | "undefined" | "NaN" => "null",
                _ => "",
            };
            match word {
                "" if serde_json::from_str::<serde_json::Number>(&token).is_ok() => self.out.push_str(&token),
                // As JSON numbers they would lose what they begin with.
                "" if is_digits(&token) => {
                    self.repaired(Repair::Number);
                    self.out.push_str(&format!("\"{token}\""));
                }
                "" => return Reading::Not,
                word => {
                    if word != token {
                        self.repaired(Repair::Word);
                    }
                    self.out.push_str(word);
                }
            }
        }
        self.at += length;
        Reading::Is(())
    }
}

/// Of a phone number: `+49301234`, `0301234`.
fn is_digits(token: &str) -> bool {
    let digits = token.strip_prefix('+').unwrap_or(token);
    digits.len() >= 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
}
