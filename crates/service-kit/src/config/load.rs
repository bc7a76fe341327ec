//! Gives clap the values of an [`Environment`] instead of letting it read the process environment, so that `.env`, aliases and
//! `_FILE` forms are values like any other and tests see nothing but their own map.

use std::{collections::BTreeMap, ffi::OsString};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, builder::StyledStr, parser::ValueSource};

use super::{
    ConfigError, Environment, Setting, Source,
    environment::Given,
    known::unknown_variables,
    report::{self, HIDDEN, variable},
    values::parse_bool,
};

/// What loading yields.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings (or, from [`load`], clap's matches, for a command line with subcommands).
    pub value: T,
    /// What is in force, in the order of the parts, secrets masked.
    pub settings: Vec<Setting>,
    /// Sentences for the log: lines of `.env` that are not read, variables without effect.
    pub warnings: Vec<String>,
}

/// The settings `C` from `environment` alone, as the tests of a service want it.
///
/// # Errors
/// Everything that is wrong or missing, by the variable's name.
pub fn parse<C: Args>(environment: &Environment) -> Result<Loaded<C>, ConfigError> {
    let command = C::augment_args(Command::new("settings"));
    let loaded = load(command, ["settings"], environment)?;
    Ok(Loaded { value: C::from_arg_matches(&loaded.value)?, settings: loaded.settings, warnings: loaded.warnings })
}

/// Whether what is asked for can be done without a setting that has no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It cannot.
    Needed,
    /// It can, and tells that the setting is missing.
    MayBeMissing,
    /// It can, and what is wrong with the setting is none of its business.
    Unneeded,
}

/// The settings and the command of `argv` (with the program's name), where each setting is needed.
///
/// # Errors
/// As [`load_for`].
pub fn load<I, S>(command: Command, argv: I, environment: &Environment) -> Result<Loaded<ArgMatches>, ConfigError>
where
    I: IntoIterator<Item = S>,
    S: Into<OsString> + Clone,
{
    load_for(command, argv, environment, |_, _| Need::Needed)
}

/// Parses `argv` (with the program's name) by `command`, whose top-level arguments with `env` are the settings. They may also
/// be given after a subcommand. `need` says of a setting, by its id, what the command that was asked for needs of it.
///
/// # Errors
/// Everything that is wrong or missing in the environment at once; else the first thing that clap does not understand.
pub fn load_for<I, S>(
    command: Command,
    argv: I,
    environment: &Environment,
    need: impl Fn(&ArgMatches, &str) -> Need,
) -> Result<Loaded<ArgMatches>, ConfigError>
where
    I: IntoIterator<Item = S>,
    S: Into<OsString> + Clone,
{
    let known = command.get_arguments().filter(|arg| is_setting(arg)).cloned().collect::<Vec<_>>();
    let mut wrong = Vec::new();
    let mut given = BTreeMap::new();
    for arg in &known {
        match value_of(arg, environment) {
            Ok(Some(value)) => _ = given.insert(arg.get_id().clone(), value),
            Ok(None) => {}
            Err(problem) => wrong.push((arg, problem)),
        }
    }
    let command = command.mut_args(|arg| if is_setting(&arg) { prepared(arg, &given) } else { arg });
    let matches = command.try_get_matches_from(argv).map_err(|error| report::by_variable(error, &known))?;
    let given_in = |arg: &Arg| match matches.value_source(arg.get_id().as_str()) {
        Some(ValueSource::CommandLine) => Source::CommandLine,
        _ => given.get(arg.get_id()).map_or(Source::Default, |given| given.source.clone()),
    };
    for arg in known.iter().filter(|arg| given_in(arg) != Source::CommandLine) {
        if let Some(problem) = environment.spoilt(&variable(arg), arg.is_hide_env_values_set()) {
            wrong.push((arg, problem));
        }
    }
    let need = |arg: &Arg| need(&matches, arg.get_id().as_str());
    let own: Vec<String> = known.iter().flat_map(names).collect();
    let mut warnings = environment.warnings();
    warnings.extend(unknown_variables(environment, &own));
    for arg in known.iter().filter(|arg| arg.is_required_set()) {
        let is_missing = matches.get_raw(arg.get_id().as_str()).is_none();
        if !is_missing || wrong.iter().any(|(of, _)| of.get_id() == arg.get_id()) {
            continue;
        }
        let name = variable(arg);
        let problem = report::missing(arg, &name) + &environment.hint(&name);
        match need(arg) {
            Need::Needed => wrong.push((arg, problem)),
            Need::MayBeMissing => warnings.push(problem),
            Need::Unneeded => {}
        }
    }
    wrong.retain(|(arg, _)| need(arg) != Need::Unneeded);
    let of_settings = wrong.into_iter().map(|(_, problem)| problem);
    let mut wrong: Vec<String> = environment.unreadable().into_iter().chain(of_settings).collect();
    if !wrong.is_empty() {
        // A line that is not read or a mistyped name is often why another one is missing.
        warnings.retain(|warning| !wrong.iter().any(|problem| warning.starts_with(problem)));
        wrong.extend(warnings.into_iter().map(|warning| format!("(warning) {warning}")));
        return Err(ConfigError::Wrong(wrong));
    }
    let settings = known.iter().map(|arg| Setting {
        name: variable(arg),
        value: matches.get_raw(arg.get_id().as_str()).map(|values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            if arg.is_hide_env_values_set() { HIDDEN.to_owned() } else { values.join(",") }
        }),
        source: given_in(arg),
    });
    let settings = settings.collect();
    Ok(Loaded { settings, warnings, value: matches })
}

fn is_setting(arg: &Arg) -> bool {
    arg.get_env().is_some() && arg.get_long().is_some()
}

fn names(arg: &Arg) -> Vec<String> {
    let name = variable(arg);
    if arg.is_hide_env_values_set() { vec![format!("{name}_FILE"), name] } else { vec![name] }
}

fn value_of(arg: &Arg, environment: &Environment) -> Result<Option<Given>, String> {
    let name = variable(arg);
    let given = if arg.is_hide_env_values_set() { environment.secret(&name)? } else { environment.setting(&name) };
    let Some(mut given) = given else { return Ok(None) };
    if is_switch(arg) {
        // clap takes only `true` and `false` as the default of a switch.
        let switched = parse_bool(&given.value)
            .map_err(|allowed| report::wrong(arg, &given.name, &given.value, &allowed, &given.source))?;
        given.value = switched.to_string();
    } else {
        // clap refuses a wrong default by a panic in debug builds, so each value is tried on its own; this also finds all of them.
        let alone = bare(arg.clone()).default_value(clap::builder::Resettable::Reset);
        let alone = Command::new("alone").no_binary_name(true).disable_help_flag(true).arg(alone);
        let flag = format!("--{}={}", arg.get_long().unwrap_or_default(), given.value);
        if let Err(error) = alone.try_get_matches_from([flag]) {
            let allowed = report::allowed(&error, &given.value);
            return Err(report::wrong(arg, &given.name, &given.value, &allowed, &given.source));
        }
    }
    Ok(Some(given))
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

fn bare(arg: Arg) -> Arg {
    arg.env(clap::builder::Resettable::Reset).required(false)
}

/// The argument with the environment's value as its default, and a help text that names variable and own default.
fn prepared(arg: Arg, given: &BTreeMap<clap::Id, Given>) -> Arg {
    let mut note = format!("[env: {}", variable(&arg));
    if arg.is_hide_env_values_set() {
        note.push_str(" or ");
        note.push_str(&variable(&arg));
        note.push_str("_FILE");
    }
    note.push(']');
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if defaults.iter().any(|value| !value.is_empty()) && !is_switch(&arg) {
        note.push_str(&format!(" [default: {}]", defaults.join(",")));
    } else if arg.is_required_set() {
        note.push_str(" [required]");
    }
    let with_note = |text: Option<&StyledStr>| text.map(|text| format!("{text} {note}"));
    let (help, long_help) = (with_note(arg.get_help()), with_note(arg.get_long_help()));
    let heading = arg.get_help_heading().unwrap_or("Settings").to_owned();
    let mut arg = bare(arg).help(help.unwrap_or(note)).global(true).help_heading(heading);
    if let Some(long_help) = long_help {
        arg = arg.long_help(long_help);
    }
    if !is_switch(&arg) {
        arg = arg.hide_default_value(true);
    }
    match given.get(arg.get_id()) {
        Some(given) => arg.default_value(given.value.clone()),
        None => arg,
    }
}
