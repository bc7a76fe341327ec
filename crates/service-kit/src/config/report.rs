//! How settings are told to people: what is wrong, by the variable's name, and what is in force. Secrets are masked in both.

use std::{error::Error as _, io::Write};

use clap::{
    Arg,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{ConfigError, Source};

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The variable's name.
    pub name: String,
    /// The value, `***` for a secret, none when it is not set and has no default.
    pub value: Option<String>,
    /// Who gave it.
    pub source: Source,
}

/// Writes one line per setting: name, value, source.
///
/// # Errors
/// The output cannot be written to.
pub fn print(settings: &[Setting], out: &mut impl Write) -> std::io::Result<()> {
    let width =
        |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max().unwrap_or(0).min(60);
    let shown = |setting: &Setting| setting.value.clone().unwrap_or_else(|| "-".into());
    let names = width(&mut settings.iter().map(|setting| setting.name.as_str()));
    let values: Vec<String> = settings.iter().map(shown).collect();
    let widest = width(&mut values.iter().map(String::as_str));
    for (setting, value) in settings.iter().zip(&values) {
        writeln!(out, "{:names$}  {value:widest$}  {}", setting.name, setting.source)?;
    }
    Ok(())
}

/// `KAFKA_ENABLED: "maybe" is not allowed; allowed: true, false. Set in .env.`
pub(super) fn wrong(arg: &Arg, name: &str, value: &str, allowed: &str, source: &Source) -> String {
    let secret = arg.is_hide_env_values_set();
    let shown = if secret { HIDDEN.to_owned() } else { format!("{value:?}") };
    // A parser from elsewhere may repeat the value in its message.
    let allowed = if secret && !value.is_empty() { allowed.replace(value, HIDDEN) } else { allowed.to_owned() };
    let joint = if allowed.starts_with("allowed") { ";" } else { ":" };
    let from = match source {
        Source::CommandLine => "Set on the command line".to_owned(),
        Source::File(path) => format!("Set in the file {path}"),
        source => format!("Set in {source}"),
    };
    format!("{name}: {shown} is not allowed{joint} {allowed}. {from}.")
}

pub(super) fn missing(arg: &Arg, name: &str) -> String {
    let meaning =
        arg.get_help().map(|help| format!(" ({})", help.to_string().trim_end_matches('.'))).unwrap_or_default();
    let file = if arg.is_hide_env_values_set() { format!(", {name}_FILE") } else { String::new() };
    format!("{name} is not set{meaning}. Set {name}{file} or --{}.", arg.get_long().unwrap_or_default())
}

/// What the value parser allows, from its error.
pub(super) fn allowed(error: &clap::Error, value: &str) -> String {
    if let Some(ContextValue::Strings(possible)) = error.get(ContextKind::ValidValue)
        && !possible.is_empty()
    {
        return format!("allowed: {}", possible.join(", "));
    }
    let message = error.source().map(ToString::to_string).unwrap_or_else(|| "this value is not understood".into());
    match message.as_str() {
        "invalid digit found in string" => "allowed: a whole number".into(),
        "number too large to fit in target type" | "number too small to fit in target type" => {
            "the number is out of range".into()
        }
        // clap's range messages: `70000 is not in 0..=65535`.
        message => match message.strip_prefix(value).and_then(|rest| rest.strip_prefix(" is not in ")) {
            Some(range) => format!("allowed: a number in {range}"),
            None => message.trim_end_matches('.').to_owned(),
        },
    }
}

/// The variable's name of a setting.
pub(super) fn variable(arg: &Arg) -> String {
    arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// clap's refusal of a flag's value in the same words as that of a variable; everything else as clap says it.
pub(super) fn by_variable(error: clap::Error, known: &[Arg]) -> ConfigError {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return error.into();
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (flag, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let flag = flag.split([' ', '=']).next().unwrap_or_default();
    match known.iter().find(|arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long))) {
        Some(arg) => {
            ConfigError::one(wrong(arg, &variable(arg), &value, &allowed(&error, &value), &Source::CommandLine))
        }
        None => error.into(),
    }
}
