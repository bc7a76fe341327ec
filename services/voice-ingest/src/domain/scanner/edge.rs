//! Where a word may begin.

/// Whether a word may begin at the next byte. Underscores begin one where they are emphasis: up to three of them that
/// hang on no word. Every byte beyond ASCII is an edge, since scripts without spaces put a marker right behind a letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Edge {
    #[default]
    Open,
    Underscores(u8),
    Closed,
}

impl Edge {
    pub(super) fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Open, b'_') => Self::Underscores(1),
            (Self::Underscores(n), b'_') if n < 3 => Self::Underscores(n + 1),
            (_, b'_') => Self::Closed,
            (_, b) if b.is_ascii_alphanumeric() => Self::Closed,
            _ => Self::Open,
        }
    }
}
