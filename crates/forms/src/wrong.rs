//! Why a value has no form.

/// What is wrong with a value, and the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong(pub &'static str, pub &'static str);
