//! Why a piece of work was not done, in the five categories that decide what happens to it.

use std::{borrow::Cow, error::Error, fmt};

/// The category of a failure. It is part of a dead letter's fingerprint and of the metrics' labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// The bytes are no event of any known shape.
    Deserialization,
    /// The event does not match its schema, or has a version that this reader does not know yet.
    SchemaValidation,
    /// The handler refuses the event, or panics.
    Processing,
    /// The handler or an outside call ran past its limit.
    Timeout,
    /// An outside system (database, AI, mail server, registry) is away.
    Dependency,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Deserialization, Self::SchemaValidation, Self::Processing, Self::Timeout, Self::Dependency];

    /// The name used in headers, metrics and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deserialization => "deserialization",
            Self::SchemaValidation => "schema_validation",
            Self::Processing => "processing",
            Self::Timeout => "timeout",
            Self::Dependency => "dependency",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The cause of a failure, whatever its type.
pub type Cause = Box<dyn Error + Send + Sync + 'static>;

/// What a handler answers when it could not do its work.
///
/// The messages of the whole chain end up in a dead letter and in logs: they must not contain personal data.
#[derive(Debug)]
pub enum HandlerError {
    /// Trying again may help.
    Retry {
        /// Only [`Category::Timeout`], [`Category::Dependency`] and [`Category::Processing`] make sense here.
        category: Category,
        /// The outside system that is to blame, where one is; its breaker counts this. A name such as `postgres` or a host, which
        /// may come out of the event but must not tell of a person: it is logged and becomes a label of metrics.
        dependency: Option<Cow<'static, str>>,
        /// What went wrong.
        source: Cause,
    },
    /// Trying again would give the same answer: the record becomes a dead letter at once.
    Reject {
        /// Usually [`Category::Processing`] or [`Category::SchemaValidation`].
        category: Category,
        /// A short stable name of the reason, in snake case; part of the fingerprint.
        code: &'static str,
        /// What went wrong.
        source: Cause,
    },
}

impl HandlerError {
    /// The handler refuses this event for good. `code` names the reason in snake case.
    pub fn reject(code: &'static str, source: impl Into<Cause>) -> Self {
        Self::Reject { category: Category::Processing, code, source: source.into() }
    }

    /// A transient failure that is nobody's outage.
    pub fn retry(source: impl Into<Cause>) -> Self {
        Self::Retry { category: Category::Processing, dependency: None, source: source.into() }
    }

    /// The outside system `name` is away or failing. Where it is asked for some events only, or is one of several, let the engine know
    /// before it is asked: see `consume::ask`.
    pub fn dependency(name: impl Into<Cow<'static, str>>, source: impl Into<Cause>) -> Self {
        Self::Retry { category: Category::Dependency, dependency: Some(name.into()), source: source.into() }
    }

    /// A limit in time was passed.
    pub fn timeout(source: impl Into<Cause>) -> Self {
        Self::Retry { category: Category::Timeout, dependency: None, source: source.into() }
    }

    /// The outside system `name` did not answer in time. It may only be slow with this one, so it is counted; but so
    /// does one that is away, so its breaker learns of it.
    pub fn timeout_of(name: impl Into<Cow<'static, str>>, source: impl Into<Cause>) -> Self {
        Self::Retry { category: Category::Timeout, dependency: Some(name.into()), source: source.into() }
    }

    /// The category of this failure.
    pub fn category(&self) -> Category {
        match self {
            Self::Retry { category, .. } | Self::Reject { category, .. } => *category,
        }
    }

    /// The outside system that is to blame, where one is.
    pub fn blames(&self) -> Option<&Cow<'static, str>> {
        match self {
            Self::Retry { dependency, .. } => dependency.as_ref(),
            Self::Reject { .. } => None,
        }
    }

    /// The code of a rejection; for a failure that was retried, the category's name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Retry { category, .. } => category.as_str(),
            Self::Reject { code, .. } => code,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { dependency: Some(name), source, .. } => write!(f, "{name}: {source}"),
            Self::Retry { source, .. } | Self::Reject { source, .. } => source.fmt(f),
        }
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Display shows the cause's own words already: the chain goes on below it.
            Self::Retry { source, .. } | Self::Reject { source, .. } => source.source(),
        }
    }
}

/// The messages of an error and of all its causes, outermost first.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        // Wrappers that repeat their cause's words would double them.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
