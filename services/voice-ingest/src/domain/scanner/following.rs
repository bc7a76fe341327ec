//! The objects that follow a marker's first.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    EXCERPT_MAX, Scanner, between, fields,
    found::{Broken, BrokenReason, Found, readable},
    reading::Reading,
    telling::Pending,
    word,
};
use crate::domain::Kind;

/// An object has just ended, and another of its kind may follow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Again {
    pub(super) kind: Kind,
    /// The marker's objects are a list that has not ended.
    #[serde(default)]
    pub(super) in_list: bool,
}

impl Scanner {
    /// One more object of the kind: of the marker's list, or one that a model wrote behind the first. Without a word of its own it is
    /// a fact where it has nothing but fields of the kind.
    pub(super) fn next_object(&mut self, again: Again, over: bool, found: &mut impl FnMut(Found)) -> Option<usize> {
        let Again { kind, in_list } = again;
        let between = match between::next(&self.text[self.at..], over) {
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
            (true, true) if !in_list && may_be_a_tool(data) => Some(Some(BrokenReason::Unclear)),
            (true, true) => Some(None),
            (true, false) if in_list => Some(None),
            (true, false) => Some(Some(BrokenReason::Foreign)),
            (false, true) => Some(Some(BrokenReason::Unclear)),
            (false, false) => None,
        }
    }
}

/// Whether the object has a name alone, and one as tools have and people do not: `end_call`.
fn may_be_a_tool(data: &Value) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_tool = |name: &str| name.contains('_') && name.split('_').all(is_part);
    data.as_object().is_some_and(|members| members.len() == 1) && data["name"].as_str().is_some_and(is_tool)
}

/// Whether the object is a call of some tool.
fn is_call(data: &Value) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| data.get(name).is_some());
    has(&["name", "tool", "tool_name", "function", "action"])
        && has(&["arguments", "args", "parameters", "params", "input", "tool_input", "action_input"])
}
