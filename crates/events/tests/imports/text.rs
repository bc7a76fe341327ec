//! The imports of a file, read from its text: `use` trees and paths in the code, also those in strings of attributes.

/// What a file imports, and whether it is more than declarations.
pub struct Source {
    pub imports: Vec<Import>,
    pub has_code: bool,
}

/// A path as it stands, such as `["super", "lane", "Lane"]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    pub path: Vec<String>,
    /// The modules inside the file that it stands in.
    pub within: Vec<String>,
    /// Handed on with `pub use`.
    pub is_public: bool,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let mut reader =
            Reader { tokens: tokens(text), at: 0, modules: Vec::new(), imports: Vec::new(), has_code: false };
        reader.read();
        Self { imports: reader.imports, has_code: reader.has_code }
    }
}

/// Names, and every other character by itself.
fn tokens(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    let after = |at: usize, wanted: &str| wanted.chars().enumerate().all(|(n, c)| characters.get(at + n) == Some(&c));
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(&c) = characters.get(at) {
        let end = |from: usize, found: &dyn Fn(usize) -> bool| (from..characters.len()).find(|at| found(*at));
        if after(at, "//") {
            at = end(at, &|at| characters[at] == '\n').unwrap_or(characters.len());
        } else if after(at, "/*") {
            at = end(at, &|at| after(at, "*/")).map_or(characters.len(), |at| at + 2);
        } else if c == 'r' && (after(at + 1, "\"") || after(at + 1, "#\"")) {
            let close = if after(at + 1, "#") { "\"#" } else { "\"" };
            at = end(at + 1 + close.len(), &|at| after(at, close)).map_or(characters.len(), |at| at + close.len());
        } else if c == '"' {
            let mut close = at + 1;
            while close < characters.len() && characters[close] != '"' {
                close += if characters[close] == '\\' { 2 } else { 1 };
            }
            let content: String = characters[at + 1..close.min(characters.len())].iter().collect();
            if content.contains("::") && content.chars().all(|c| is_name(c) || c == ':') {
                tokens.extend(self::tokens(&content));
            }
            at = close + 1;
        } else if c == '\'' && characters.get(at + 1) == Some(&'\\') {
            at = end(at + 3, &|at| characters[at] == '\'').unwrap_or(characters.len()) + 1;
        } else if c == '\'' && characters.get(at + 2) == Some(&'\'') {
            at += 3;
        } else if is_name(c) {
            let to = end(at, &|at| !is_name(characters[at])).unwrap_or(characters.len());
            tokens.push(characters[at..to].iter().collect());
            at = to;
        } else if after(at, "::") {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
    /// Open braces: the name of a module, or nothing for any other block.
    modules: Vec<Option<String>>,
    imports: Vec<Import>,
    has_code: bool,
}

impl Reader {
    fn token(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn read(&mut self) {
        let (mut is_public, mut is_test) = (false, false);
        while self.at < self.tokens.len() {
            match self.token(0) {
                "#" => {
                    is_test |= (2..7).map(|ahead| self.token(ahead)).eq(["cfg", "(", "test", ")", "]"]);
                    self.attribute();
                    continue;
                }
                "pub" => {
                    is_public = true;
                    self.at += 1;
                    if self.token(0) == "(" {
                        self.skip("(", ")");
                    }
                    continue;
                }
                "use" if self.token(1) == "<" => self.at += 1, // what an `impl Trait` borrows
                "use" if is_test => self.skip("use", ";"),
                "use" => {
                    self.at += 1;
                    self.tree(&[], is_public);
                }
                "mod" if self.token(2) == ";" => self.at += 3,
                "mod" if self.token(2) == "{" && is_test => {
                    self.at += 2;
                    self.skip("{", "}");
                }
                "mod" if self.token(2) == "{" => {
                    self.modules.push(Some(self.token(1).to_owned()));
                    self.has_code = true;
                    self.at += 3;
                }
                "{" => {
                    self.modules.push(None);
                    self.at += 1;
                }
                "}" => {
                    self.modules.pop();
                    self.at += 1;
                }
                name if self.token(1) == "::" && is_name(name) => self.path(),
                _ => {
                    self.has_code |= self.token(0) != ";";
                    self.at += 1;
                }
            }
            (is_public, is_test) = (false, false);
        }
    }

    /// Its paths count, as those of `#[serde(with)]` do.
    fn attribute(&mut self) {
        let begin = self.at;
        while self.token(0) != "[" && self.at < self.tokens.len() {
            self.at += 1;
        }
        self.skip("[", "]");
        let end = std::mem::replace(&mut self.at, begin);
        while self.at < end {
            match self.token(0) {
                name if self.token(1) == "::" && is_name(name) => self.path(),
                _ => self.at += 1,
            }
        }
    }

    fn skip(&mut self, open: &str, close: &str) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            depth += i32::from(self.token(0) == open) - i32::from(self.token(0) == close);
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// A path in the code.
    fn path(&mut self) {
        let mut path = vec![self.token(0).to_owned()];
        self.at += 1;
        while self.token(0) == "::" && is_name(self.token(1)) {
            path.push(self.token(1).to_owned());
            self.at += 2;
        }
        self.has_code = true;
        self.found(path, false);
    }

    /// What follows `use`, or a comma or brace within it.
    fn tree(&mut self, before: &[String], is_public: bool) {
        let mut path = before.to_vec();
        while self.at < self.tokens.len() {
            match self.token(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.token(0), "}" | ";" | "") {
                        self.tree(&path, is_public);
                        if self.token(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                // `a as b` is still what it is.
                "as" => self.at += 2,
                ";" | "," | "}" => break,
                "::" => self.at += 1,
                // `a::{self}` is `a`.
                "self" if !path.is_empty() => self.at += 1,
                name => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
            }
        }
        self.found(path, is_public);
    }

    fn found(&mut self, path: Vec<String>, is_public: bool) {
        let within = self.modules.iter().flatten().cloned().collect();
        self.imports.push(Import { path, within, is_public });
    }
}
