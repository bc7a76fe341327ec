//! What the surroundings say: the process environment and the `.env` file as one map, with who said what.
//!
//! The process environment comes first, then `.env`; within each a setting's own name comes before its aliases. An empty
//! value is the same as none (in the process environment it also hides the one in `.env`). Nothing is ever written back.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{
    aliases::ALIASES,
    dotenv::{self, Dotenv},
};

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag.
    CommandLine,
    /// The process environment.
    Environment,
    /// The `.env` file of the working folder.
    DotEnv,
    /// The file that the setting's `_FILE` form names.
    File(String),
    /// Nobody gave it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment => f.write_str("environment"),
            Self::DotEnv => f.write_str(".env"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value together with the name under which it was given (its own or an alias) and where.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) source: Source,
}

/// The variables that settings are read from. `Debug` shows names only, as values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    process: BTreeMap<String, String>,
    dotenv: Dotenv,
    /// The `.env` file's path, for messages.
    path: String,
    /// Why the file could not be read at all.
    unreadable: Option<String>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Environment {
    /// The environment of this process and the `.env` file in `folder`, if there is one. What is odd in it is a warning, or, where
    /// it is about a setting that is asked for, an error of [`load`](super::load).
    pub fn of_process(folder: &Path) -> Self {
        // A variable that is not UTF-8 cannot be a setting of ours; what it would set is then reported as missing.
        let process =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let path = if folder == Path::new(".") { ".env".into() } else { folder.join(".env") };
        let environment = Self { process, path: path.display().to_string(), ..Self::default() };
        // A folder of that name is a virtual environment of Python.
        if path.is_dir() {
            return environment;
        }
        match std::fs::read(&path) {
            Ok(bytes) => environment.with_bytes(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => environment,
            Err(error) => {
                Self { unreadable: Some(format!("{}: cannot be read: {error}", path.display())), ..environment }
            }
        }
    }

    /// Exactly these variables, as if the process had them; for tests.
    pub fn from_map<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { process: variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect(), ..Self::default() }
    }

    /// With a `.env` file of this text beneath what is there, in place of another.
    #[must_use]
    pub fn with_dotenv(mut self, text: &str) -> Self {
        self.path = ".env".into();
        self.with_bytes(text.as_bytes())
    }

    fn with_bytes(mut self, bytes: &[u8]) -> Self {
        self.dotenv = dotenv::read(bytes, &self.process);
        self
    }

    /// All names, each once, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let only_dotenv = self.dotenv.values.keys().filter(|name| !self.process.contains_key(*name));
        self.process.keys().chain(only_dotenv).map(String::as_str)
    }

    /// What of `.env` is not as it should be, and stops nobody who does not need it.
    pub(super) fn warnings(&self) -> Vec<String> {
        let odd = self.dotenv.odd.iter().map(|odd| (odd, " The line is not read."));
        let mut all: Vec<_> = odd.chain(self.dotenv.doubts.iter().map(|doubt| (doubt, ""))).collect();
        all.sort_by_key(|(odd, _)| odd.line);
        all.into_iter().map(|(odd, then)| format!("{}, line {}: {}.{then}", self.path, odd.line, odd.problem)).collect()
    }

    /// Why the setting with this name (`secret`: also its `_FILE` form) is not what `.env` was to make it: a line that is not
    /// understood would set it, and nothing that counts more does.
    pub(super) fn spoilt(&self, name: &str, secret: bool) -> Option<String> {
        let names = self.forms(name, secret);
        if names.iter().any(|name| self.process.contains_key(name)) {
            return None;
        }
        let odd = self.dotenv.odd.iter().find(|odd| odd.name.as_ref().is_some_and(|name| names.contains(name)))?;
        Some(format!("{}, line {}: {}.", self.path, odd.line, odd.problem))
    }

    /// How to put a database's URL together, where its parts are there, as most templates have them.
    pub(super) fn hint(&self, name: &str) -> String {
        const USERS: [&str; 5] = ["POSTGRES_USER", "DB_USER", "DB_USERNAME", "DATABASE_USER", "DATABASE_USERNAME"];
        const PASSWORDS: [&str; 3] = ["POSTGRES_PASSWORD", "DB_PASSWORD", "DATABASE_PASSWORD"];
        const HOSTS: [&str; 4] = ["POSTGRES_HOST", "POSTGRES_SERVER", "DB_HOST", "DATABASE_HOST"];
        const PORTS: [&str; 3] = ["POSTGRES_PORT", "DB_PORT", "DATABASE_PORT"];
        const DATABASES: [&str; 4] = ["POSTGRES_DB", "DB_NAME", "DB_DATABASE", "DATABASE_NAME"];
        let first =
            |names: &[&str]| names.iter().find(|name| self.exactly(name).is_some()).map(|name| format!("${{{name}}}"));
        let (true, Some(user), Some(database)) = (name == "DATABASE_URL", first(&USERS), first(&DATABASES)) else {
            return String::new();
        };
        let password = first(&PASSWORDS).map(|password| format!(":{password}")).unwrap_or_default();
        let host = first(&HOSTS).unwrap_or_else(|| "localhost".into());
        let port = first(&PORTS).map(|port| format!(":{port}")).unwrap_or_default();
        format!(
            " Its parts are set: DATABASE_URL=postgres://{user}{password}@{host}{port}/{database} in .env joins them."
        )
    }

    /// Why `.env` could not be read.
    pub(super) fn unreadable(&self) -> Option<String> {
        self.unreadable.clone()
    }

    /// Every name under which a setting can be given.
    fn forms(&self, name: &str, secret: bool) -> Vec<String> {
        let aliases = ALIASES.iter().filter(|(_, canonical)| *canonical == name).map(|(alias, _)| (*alias).to_owned());
        let file = secret.then(|| format!("{name}_FILE"));
        std::iter::once(name.to_owned()).chain(aliases).chain(file).collect()
    }

    /// The value of exactly this variable.
    fn exactly(&self, name: &str) -> Option<Given> {
        let (value, source) = match self.process.get(name) {
            Some(value) => (value, Source::Environment),
            None => (self.in_dotenv(name)?, Source::DotEnv),
        };
        (!value.is_empty()).then(|| Given { name: name.to_owned(), value: value.clone(), source })
    }

    /// pydantic reads the names of its files in any case, so they are found in small letters too.
    fn in_dotenv(&self, name: &str) -> Option<&String> {
        self.dotenv.values.get(name).or_else(|| self.dotenv.values.get(&name.to_ascii_lowercase()))
    }

    /// The value of the setting with this name, under its own name or an alias.
    pub(super) fn setting(&self, name: &str) -> Option<Given> {
        self.forms(name, false).iter().find_map(|name| self.exactly(name))
    }

    /// The same for a secret, which may also stand in the file that `<name>_FILE` names; the file's last line end is not part
    /// of it.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Given>, String> {
        let file_variable = format!("{name}_FILE");
        match (self.setting(name), self.exactly(&file_variable)) {
            (given, None) => Ok(given),
            (Some(given), Some(_)) => {
                Err(format!("{} and {file_variable} are both set; keep one of them.", given.name))
            }
            (None, Some(Given { value: path, source, .. })) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("{file_variable}: cannot read {path:?}: {error}. Set in {source}."))?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let value = text.strip_suffix('\r').unwrap_or(text).to_owned();
                if value.is_empty() {
                    return Err(format!("{file_variable}: {path:?} is empty. Set in {source}."));
                }
                Ok(Some(Given { name: file_variable, value, source: Source::File(path) }))
            }
        }
    }
}
