//! An error and its causes as one line.

/// The causes after what they caused, with a colon between. Many errors repeat their cause in their own text, which `{:#}` would
/// print twice; what has just been said is left out.
pub fn chain(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("the server refuses: {0}")]
    struct Repeats(#[source] std::io::Error);

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow!(Repeats(std::io::Error::other("too late"))).context("cannot begin");
        assert_eq!(format!("{error:#}"), "cannot begin: the server refuses: too late: too late");
        assert_eq!(chain(&error), "cannot begin: the server refuses: too late");
        let apart = Err::<(), _>(std::io::Error::other("b")).context("a").unwrap_err();
        assert_eq!(chain(&apart), "a: b");
    }
}
