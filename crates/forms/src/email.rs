//! E-mail addresses: those that a mail server would take, with the domain in lower case and as people read it.
//!
//! Refuses quoted local parts, comments and address literals: nobody dictates them on the phone, and each is a way to
//! carry something else into a header. Does not ask whether the address exists.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{text::line, wrong::Wrong};

const MAX: usize = 254;
const LOCAL_MAX: usize = 64;
const LABEL_MAX: usize = 63;
const SYNTAX: Wrong = Wrong("is no e-mail address", "write it as name@example.com, or leave it out");

/// The address in normal form. The part before the `@` keeps its case: it is the receiving server's to read.
///
/// # Errors
/// When it is none.
pub fn email(said: &str) -> Result<String, Wrong> {
    let line: String = line(said)?.nfkc().collect();
    let text = bare(&line);
    if text.len() > MAX {
        return Err(Wrong("is longer than 254 bytes", "correct it, or leave it out"));
    }
    let (local, domain) = text.split_once('@').ok_or(SYNTAX)?;
    let domain = one_form(domain, MAX.saturating_sub(local.len() + 1));
    if !local_part(local) || !domain_name(&domain) {
        return Err(SYNTAX);
    }
    Ok(format!("{local}@{domain}"))
}

/// The address without what a program writes around it: Markdown, `mailto:`, a name, brackets, quotes.
pub(crate) fn bare(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let inner = unwrapped(text).trim();
        if inner.len() == text.len() || !inner.contains('@') {
            return text;
        }
        text = inner;
    }
}

fn unwrapped(text: &str) -> &str {
    let same = |label: &str, address: &str| {
        let label = label.trim().trim_matches(['"', '\'']);
        !label.contains('@') || address.strip_prefix("mailto:").unwrap_or(address) == label
    };
    if let Some((label, target)) = text.strip_prefix('[').and_then(|text| text.strip_suffix(')')?.split_once("](")) {
        return if same(label, target) { target } else { text };
    }
    if let Some((label, address)) = text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        return if same(label, address) { address } else { text };
    }
    for (open, close) in [('"', '"'), ('\'', '\''), ('`', '`'), ('*', '*'), ('(', ')'), ('[', ']'), ('{', '}')] {
        if let Some(inner) = text.strip_prefix(open).and_then(|text| text.strip_suffix(close)) {
            return inner;
        }
    }
    let word = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-'));
    if let Some((_, address)) = text.split_once(':').filter(|(label, _)| word(label)) {
        return address;
    }
    // The subject of a `mailto:`; no domain has that sign.
    let end = text.find('@').and_then(|at| text[at..].find('?').map(|sign| at + sign));
    end.map_or(text, |end| &text[..end])
}

/// A domain as people read it: `xn--mnchen-3ya.de` is `münchen.de`. One that the rules of IDNA refuse is taken as it is.
fn one_form(domain: &str, most: usize) -> String {
    let (read, valid) = idna::domain_to_unicode(domain);
    // What a line would lose, such as a joiner between letters, is kept in the other form.
    let readable = line(&read).is_ok_and(|line| line.nfkc().eq(read.chars())) && read.to_lowercase() == read;
    if valid.is_ok() && readable && read.len() <= most && domain_name(&read) {
        return read;
    }
    let written = domain.replace('Σ', "σ").replace('。', ".").to_lowercase();
    if valid.is_ok() { idna::domain_to_ascii(domain).unwrap_or(written) } else { written }
}

fn local_part(text: &str) -> bool {
    text.len() <= LOCAL_MAX
        && text.split('.').all(|atom| {
            !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

fn domain_name(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    let label = |label: &str| {
        let (first, last) = (label.chars().next(), label.chars().next_back());
        let coded = || idna::domain_to_ascii(label).is_ok_and(|coded| coded.len() <= LABEL_MAX);
        (label.len() <= LABEL_MAX || (label.chars().count() <= LABEL_MAX && coded()))
            && first.is_some_and(|c| c.is_alphanumeric() && !is_combining_mark(c))
            && last.is_some_and(inside)
            && label.chars().all(|c| inside(c) || c == '-')
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
            ("x@भारत.com", "x@भारत.com"),
            ("x@ดी.com", "x@ดी.com"),
            ("x@உதாரணம்.காந்தி", "x@உதாரணம்.காந்தி"),
            ("x@उदाहरण.परीक्षा", "x@उदाहरण.परीक्षा"),
            ("x@xn--mnchen-3ya.de", "x@münchen.de"),
            ("x@MÜNCHEN.de", "x@münchen.de"),
            ("x@ex--ample.org", "x@ex--ample.org"),
            ("x@xn--0.org", "x@xn--0.org"),
            ("x@例え。テスト", "x@例え.テスト"),
        ] {
            assert_eq!(email(text), Ok(normal.to_owned()));
        }
    }

    #[test]
    fn what_is_written_around_an_address_is_no_part_of_it() {
        for text in [
            "[a@b.org](mailto:a@b.org)",
            "[Ann Poe](mailto:a@b.org)",
            "[a@b.org](a@b.org)",
            "Ann Poe <a@b.org>",
            "\"Poe, Ann\" <a@b.org>",
            "'a@b.org' <a@b.org>",
            "<a@b.org>",
            "mailto:a@b.org",
            "MAILTO:a@b.org?subject=Hi",
            "<mailto:a@b.org>",
            "E-Mail: a@b.org",
            "(a@b.org)",
            "`a@b.org`",
            "**a@b.org**",
        ] {
            assert_eq!(email(text), Ok("a@b.org".to_owned()), "{text}");
        }
        for two in ["[c@b.org](mailto:a@b.org)", "c@b.org <a@b.org>", "a@b.org <a>", "<a@b.org> <c@b.org>", "(a@b.org"]
        {
            assert!(email(two).is_err(), "{two}");
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
