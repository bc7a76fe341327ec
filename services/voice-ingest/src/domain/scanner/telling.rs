//! How what was found is told: a broken marker with its excerpt, a thought's facts at its end.

use serde::{Deserialize, Serialize};

use super::{
    EXCERPT_MAX, Scanner,
    found::{Broken, BrokenReason, Found, readable},
};
use crate::domain::Kind;

/// So many facts of a thought are kept until it ends. One that has more is reported whether or not it does.
const WITHHELD_MAX: usize = 8;

/// A broken marker whose excerpt still grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    pub(super) reason: BrokenReason,
    /// Places in the text: of its word, of the byte that broke it, and up to where no blank line is.
    pub(super) begin: usize,
    pub(super) broke: usize,
    pub(super) checked: usize,
}

impl Scanner {
    /// Hands the broken marker out when its excerpt is long enough, or a blank line follows.
    pub(super) fn end_excerpt(&mut self, found: &mut impl FnMut(Found)) {
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

    pub(super) fn flush(&mut self, end: usize, found: &mut impl FnMut(Found)) {
        let Some(Pending { kind, reason, begin, broke, .. }) = self.pending.take() else { return };
        let excerpt = &self.text[begin..end.min(begin + EXCERPT_MAX)];
        let raw = readable(excerpt);
        let span = self.place(begin)..self.place(broke.min(end));
        self.emit(Found { kind, span, json: Err(Broken { reason }), repairs: Vec::new(), raw }, found);
    }

    /// What is thought is handed out as such, and only if the thought does not end.
    pub(super) fn emit(&mut self, mut one: Found, found: &mut impl FnMut(Found)) {
        let Some(thought) = &mut self.thought else { return self.release(one, found) };
        if !thought.is_heading || thought.inner.is_some() || thought.is_long {
            one.be_thought();
        }
        thought.withheld.push(one);
        if thought.withheld.len() > WITHHELD_MAX {
            thought.is_long = true;
            // Nobody knows yet whether it is only a heading: they are kept for a person to decide.
            thought.withheld.iter_mut().for_each(Found::be_thought);
        }
        if thought.is_long {
            for one in std::mem::take(&mut thought.withheld) {
                self.release(one, found);
            }
        }
    }

    pub(super) fn release(&mut self, one: Found, found: &mut impl FnMut(Found)) {
        match &mut self.held {
            Some(held) => held.push(one),
            None => found(one),
        }
    }
}
