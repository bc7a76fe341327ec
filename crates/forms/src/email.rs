//! E-mail addresses: those that a mail server would take, with the domain in lower case.
//!
//! Refuses quoted local parts, comments and address literals: nobody dictates them on the phone, and each is a way to
//! carry something else into a header. Does not ask whether the address exists.

use crate::{text::line, wrong::Wrong};

const MAX: usize = 254;
const LOCAL_MAX: usize = 64;
const SYNTAX: Wrong = Wrong("is no e-mail address", "write it as name@example.com, or leave it out");

/// The address in normal form. The part before the `@` keeps its case: it is the receiving server's to read.
///
/// # Errors
/// When it is none.
pub fn email(said: &str) -> Result<String, Wrong> {
    let text = line(said)?;
    if text.len() > MAX {
        return Err(Wrong("is longer than 254 bytes", "correct it, or leave it out"));
    }
    let (local, domain) = text.split_once('@').ok_or(SYNTAX)?;
    let domain = domain.to_lowercase();
    if !local_part(local) || !domain_name(&domain) {
        return Err(SYNTAX);
    }
    Ok(format!("{local}@{domain}"))
}

fn local_part(text: &str) -> bool {
    text.len() <= LOCAL_MAX
        && text.split('.').all(|atom| {
            !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

fn domain_name(text: &str) -> bool {
    let label = |label: &str| {
        let edges = [label.chars().next(), label.chars().next_back()];
        label.len() <= 63
            && edges.iter().all(|edge| edge.is_some_and(char::is_alphanumeric))
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let top = text.rsplit('.').next().unwrap_or_default();
    text.contains('.') && text.split('.').all(label) && top.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_name_and_loses_the_case_of_its_domain() {
        for (text, normal) in [
            ("john@email.com", "john@email.com"),
            ("John.O'Neil+dent@Example.COM", "John.O'Neil+dent@example.com"),
            ("a@b.co", "a@b.co"),
            ("info@zahnärzte.example.org", "info@zahnärzte.example.org"),
            ("x_1@a-b.example.net", "x_1@a-b.example.net"),
        ] {
            assert_eq!(email(text), Ok(normal.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "x".repeat(65));
        let longer = format!("x@{}.com", "y.".repeat(130));
        for bad in [
            "john",
            "@example.com",
            "john@",
            "john@example",
            "john at example.com",
            "a b@example.com",
            "a@b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a.@example.com",
            "a@-b.com",
            "a@b-.com",
            "a@b..com",
            "a@.com",
            "a@example.123",
            "a@[127.0.0.1]",
            "\"a\"@example.com",
            "<a@example.com>",
            "a@example.com\r\nBcc: b@example.com",
            "a@example.com, b@example.com",
            "josé@example.com",
            &long,
            &longer,
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }
}
