//! Reads the text of a `.env` file.
//!
//! A value without quotes is taken as it stands, so that `KAFKA_BOOTSTRAP_SERVERS=["localhost:9092"]` keeps its quotes and a
//! password keeps its `$`; the usual libraries strip the first and substitute the second. A comment after a value starts with
//! ` #`. `'...'` is literal, `"..."` knows `\n`, `\"` and `\\`. Of a name given twice the last one counts.

/// The entries in order, or what is wrong and in which line. The message never contains the value: it may be a secret.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        entries.push(entry(line).map_err(|problem| format!("line {}: {problem}", index + 1))?);
    }
    Ok(entries)
}

fn entry(line: &str) -> Result<(String, String), String> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("no `=`; a line is NAME=value, or a comment that starts with #")?;
    let name = name.trim();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-');
    if name.is_empty() || !plain || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("what stands before the `=` is not a variable's name".into());
    }
    let value = value.trim();
    let value = match value.chars().next() {
        Some('\'') => quoted(name, &value[1..], '\'')?,
        Some('"') => quoted(name, &value[1..], '"')?,
        Some('#') | None => String::new(),
        Some(_) => unquoted(value).to_owned(),
    };
    Ok((name.to_owned(), value))
}

fn unquoted(value: &str) -> &str {
    let comment = value.find(" #").into_iter().chain(value.find("\t#")).min();
    comment.map_or(value, |at| value[..at].trim_end())
}

fn quoted(name: &str, rest: &str, quote: char) -> Result<String, String> {
    let mut value = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => {
                let after = chars.as_str().trim_start();
                if after.is_empty() || after.starts_with('#') {
                    return Ok(value);
                }
                return Err(format!("{name}: there is text after the closing {quote}"));
            }
            '\\' if quote == '"' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(format!("{name}: the closing {quote} is missing (a value ends on its line)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> String {
        parse(line).unwrap().pop().unwrap().1
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        assert_eq!(one(r#"A=["localhost:9092"]"#), r#"["localhost:9092"]"#);
        assert_eq!(one(r#"A=["a:1", "b:2"]"#), r#"["a:1", "b:2"]"#);
        assert_eq!(one("A=p$ss#w\\rd"), "p$ss#w\\rd");
        assert_eq!(one("A = 'kafka:9092'"), "kafka:9092");
        assert_eq!(one("export A=\"a \\\"b\\\"\\n\" # why"), "a \"b\"\n");
        assert_eq!(one("A=two words # comment"), "two words");
        assert_eq!(one("A="), "");
        assert_eq!(one("A= # nothing"), "");
        assert_eq!(one("\u{feff}A=1\r\n"), "1");
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        assert_eq!(parse("# x\n\n  \nA=1\nB=2\n").unwrap().len(), 2);
    }

    #[test]
    fn a_malformed_line_is_named_and_its_value_is_not_shown() {
        for (text, expected) in [
            ("A=1\nsecret", "line 2: no `=`"),
            ("A B=secret", "line 1: what stands before"),
            ("\n\nA='secret", "line 3: A: the closing ' is missing"),
            ("A=\"x\"secret", "line 1: A: there is text after"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with(expected), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
