//! What stands for nothing by its signs, whatever its words: templates, brackets, zeros.

/// What a template engine left: `{{name}}`, `${name}`, `%(name)s`.
pub(super) fn has_template(line: &str) -> bool {
    ["{{", "${", "%("].iter().any(|open| line.contains(open))
}

/// What is beside it.
pub(super) fn without_templates(line: &str) -> String {
    let mut rest = line;
    let mut outside = String::new();
    while let Some(next) = rest.chars().next() {
        let after = [("{{", '}', "}}"), ("${", '}', "}"), ("%(", ')', ")")].iter().find_map(|(open, end, close)| {
            let inside = rest.strip_prefix(open)?;
            inside[inside.find(*end)?..].strip_prefix(close)
        });
        rest = match after {
            // The letter of `%(name)s`.
            Some(after) if rest.starts_with('%') => {
                after.strip_prefix(|c: char| c.is_ascii_lowercase()).unwrap_or(after)
            }
            Some(after) => after,
            None => {
                outside.push(next);
                &rest[next.len_utf8()..]
            }
        };
    }
    outside
}

/// Words in brackets and nothing else: `<full name>`, `[FIRST] [LAST]`. A mail address or a number in brackets is said.
pub(super) fn bracketed(text: &str) -> bool {
    let pair = text.starts_with(['<', '[', '{']) && text.ends_with(['>', ']', '}']);
    let said = |c: char| c == '@' || c.is_numeric();
    let mut depth = 0_i32;
    let outside = text.chars().any(|c| {
        match c {
            '<' | '[' | '{' => depth += 1,
            '>' | ']' | '}' => depth -= 1,
            other => return depth == 0 && other != ' ',
        }
        false
    });
    pair && !outside && !text.contains(said)
}

/// `k.A.`, `o. A.`: without their full stops they would be names.
pub(super) fn initials(line: &str) -> bool {
    let tight: String = line.chars().filter(|c| *c != ' ').flat_map(char::to_lowercase).collect();
    ["k.a.", "k.a", "k/a", "o.a.", "o.a", "o/a"].contains(&tight.as_str())
}

/// `0000-00-00`: the day or the number that a table has where it has none. `00:00` is a time.
pub(super) fn zeros(line: &str) -> bool {
    let digits = line.chars().filter(|c| c.is_ascii_digit()).count();
    digits >= 6 && !line.contains(':') && line.chars().all(|c| c == '0' || !c.is_alphanumeric())
}

/// `1985-01-XX`: a day of which a part is left open.
pub(super) fn crossed_out(line: &str) -> bool {
    let open = |part: &str| {
        let signs = part.chars().all(|c| matches!(c, 'x' | '?' | '*' | '_' | '#' | '-'));
        signs || ["dd", "d", "tt", "t", "jj", "mm", "m", "yyyy", "yy", "jjjj", "aaaa"].contains(&part)
    };
    let parts: Vec<String> = line.split(['-', '.', '/']).map(|part| part.trim().to_lowercase()).collect();
    let known = |part: &String| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(|part| open(part) || known(part)) && !parts.iter().all(known)
}
