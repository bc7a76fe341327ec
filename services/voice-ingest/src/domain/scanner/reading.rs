//! What is read of a text of which more may come.

/// Whether something stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading<T> {
    Is(T),
    Not,
    /// That cannot be told before there is more of the text.
    More,
}

impl<T> Reading<T> {
    pub(super) fn map<U>(self, read: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Is(what) => Reading::Is(read(what)),
            Self::Not => Reading::Not,
            Self::More => Reading::More,
        }
    }

    /// This, or the other where this is not.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Is(what), _) | (_, Self::Is(what)) => Self::Is(what),
            (Self::More, _) | (_, Self::More) => Self::More,
            (Self::Not, Self::Not) => Self::Not,
        }
    }
}
