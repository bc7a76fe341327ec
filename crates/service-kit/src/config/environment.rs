//! What the surroundings say: the process environment and the `.env` file as one map, with who said what.
//!
//! The process environment comes first, then `.env`; within each a setting's own name comes before its aliases. An empty
//! value is the same as none (in the process environment it also hides the one in `.env`). Nothing is ever written back.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{ConfigError, aliases::ALIASES, dotenv};

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
    dotenv: BTreeMap<String, String>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Environment {
    /// The environment of this process and the `.env` file in `folder`, if there is one.
    ///
    /// # Errors
    /// `.env` cannot be read, is not UTF-8 or has a malformed line, which is named by its number.
    pub fn of_process(folder: &Path) -> Result<Self, ConfigError> {
        // A variable that is not UTF-8 cannot be a setting of ours; what it would set is then reported as missing.
        let process =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let path = folder.join(".env");
        let dotenv = match std::fs::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| {
                    ConfigError::one(format!("{}: is not UTF-8 text; save it as UTF-8", path.display()))
                })?;
                let entries = dotenv::parse(&text)
                    .map_err(|problem| ConfigError::one(format!("{}: {problem}", path.display())))?;
                entries.into_iter().collect()
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(ConfigError::one(format!("{}: cannot be read: {error}", path.display()))),
        };
        Ok(Self { process, dotenv })
    }

    /// Exactly these variables, as if the process had them; for tests.
    pub fn from_map<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { process: variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect(), dotenv: BTreeMap::new() }
    }

    /// Adds the entries of a `.env` file's text beneath what is there.
    ///
    /// # Errors
    /// A malformed line, named by its number.
    pub fn with_dotenv(mut self, text: &str) -> Result<Self, ConfigError> {
        let entries = dotenv::parse(text).map_err(|problem| ConfigError::one(format!(".env: {problem}")))?;
        self.dotenv.extend(entries);
        Ok(self)
    }

    /// All names, each once, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let only_dotenv = self.dotenv.keys().filter(|name| !self.process.contains_key(*name));
        self.process.keys().chain(only_dotenv).map(String::as_str)
    }

    /// The value of exactly this variable.
    fn exactly(&self, name: &str) -> Option<Given> {
        let (value, source) = match self.process.get(name) {
            Some(value) => (value, Source::Environment),
            None => (self.dotenv.get(name)?, Source::DotEnv),
        };
        (!value.is_empty()).then(|| Given { name: name.to_owned(), value: value.clone(), source })
    }

    /// The value of the setting with this name, under its own name or an alias.
    pub(super) fn setting(&self, name: &str) -> Option<Given> {
        let aliases = ALIASES.iter().filter(|(_, canonical)| *canonical == name).map(|(alias, _)| *alias);
        std::iter::once(name).chain(aliases).find_map(|name| self.exactly(name))
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
