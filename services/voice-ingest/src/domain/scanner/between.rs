//! What stands between two objects of one marker.

use super::{
    GAP_MAX,
    glyph::{character, run},
    link::WORDS_MAX,
    reading::Reading,
    setting::plain,
    thought, word,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Between {
    pub(super) length: usize,
    /// Nothing but signs and what joins the things of a list.
    pub(super) is_clear: bool,
    /// The list of the first one has ended.
    pub(super) ends_list: bool,
}

/// Words that join two objects.
const JOINING: [&str; 10] = ["and", "und", "et", "y", "then", "also", "plus", "next", "json", "second"];

/// Up to the next object; `Not` where there is none, or it is something else's.
pub(super) fn next(text: &[u8], over: bool) -> Reading<Between> {
    let (mut at, mut ticks, mut words) = (0, 0, None);
    let mut between = Between { length: 0, is_clear: true, ends_list: false };
    let more = || if over { Reading::Not } else { Reading::More };
    while at <= GAP_MAX && words.is_none_or(|begin| at <= begin + WORDS_MAX) {
        let rest = &text[at..];
        let Some(&byte) = rest.first() else { return more() };
        let is_tick = matches!(byte, b'`' | b'~');
        let is_thought = || match thought::opening(rest) {
            Reading::More if over => Reading::Not,
            other => other,
        };
        at += match byte {
            b'{' => return Reading::Is(Between { length: at, ..between }),
            b'<' => return Reading::Not,
            b'[' | b'`' | b'~' | b'"' => match is_thought() {
                Reading::Is(_) => return Reading::Not,
                Reading::More => return Reading::More,
                Reading::Not => 1,
            },
            b'\\' if rest.len() == 1 => return more(),
            b'\\' if matches!(rest[1], b'n' | b'r' | b't') => 2,
            b'/' if rest.len() == 1 => return more(),
            b'/' if rest[1] == b'*' => match rest.windows(2).skip(2).take(WORDS_MAX).position(|two| two == b"*/") {
                Some(end) => end + 4,
                None if rest.len() > WORDS_MAX => return Reading::Not,
                None => return more(),
            },
            b'}' | b']' => {
                between.is_clear &= byte == b']';
                between.ends_list = true;
                1
            }
            _ if byte.is_ascii_alphanumeric() || byte >= 0x80 => {
                match word::at(rest, over) {
                    Reading::Is(_) => return Reading::Not,
                    Reading::More => return Reading::More,
                    Reading::Not => {}
                }
                match run(rest) {
                    None if !over && rest.len() <= WORDS_MAX => return Reading::More,
                    None => return Reading::Not,
                    // A sign, or no text.
                    Some(0) => match character(rest) {
                        Reading::Is(character) => character.len_utf8(),
                        _ => return Reading::Not,
                    },
                    // The name of another member of the object around.
                    Some(_) if at > 0 && matches!(text[at - 1], b'"' | b'\'') => return Reading::Not,
                    Some(length) => {
                        let run = plain(str::from_utf8(&rest[..length]).unwrap_or_default());
                        let is_number = length <= 3 && run.bytes().all(|byte| byte.is_ascii_digit());
                        if !(is_number || ticks >= 3 || JOINING.contains(&run.as_str())) {
                            between.is_clear = false;
                            words.get_or_insert(at);
                        }
                        length
                    }
                }
            }
            0..0x20 if !b" \t\r\n".contains(&byte) => return Reading::Not,
            _ => 1,
        };
        ticks = if is_tick { ticks + 1 } else { 0 };
    }
    Reading::Not
}
