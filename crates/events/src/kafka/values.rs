//! The values of Kafka settings: how they are written, and which are refused with the reason.

use std::{fs::File, io::Read, path::PathBuf, str::FromStr};

use clap::ValueEnum;

use crate::contract::replay::ReplayKey;

/// The brokers to begin with, as `host:port,host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapServers(String);

impl FromStr for BootstrapServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "allowed: host:port, a comma list of them, or a JSON array such as [\"localhost:9092\"]";
        let hosts: Vec<String> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text).map_err(|_| format!("this is no JSON array of strings; {ALLOWED}"))?
        } else {
            text.split(',').map(str::to_owned).collect()
        };
        let hosts: Vec<_> = hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty()).collect();
        let sound = |host: &&str| {
            let port = host.rsplit_once(':').map_or(Ok(0), |(_, port)| port.parse::<u16>());
            port.is_ok() && !host.contains(char::is_whitespace) && !host.starts_with(':')
        };
        if hosts.is_empty() || !hosts.iter().all(sound) {
            return Err(ALLOWED.to_owned());
        }
        Ok(Self(hosts.join(",")))
    }
}

impl std::fmt::Display for BootstrapServers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a schema registry is: `http` or `https`, with the path of its Confluent interface where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryUrl(reqwest::Url);

impl FromStr for RegistryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "allowed: http://host:port or https://host:port, with a path where the registry has one";
        let url: reqwest::Url = text.trim().parse().map_err(|problem| format!("{problem}; {ALLOWED}"))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(ALLOWED.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "set SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD instead of putting them here: this \
                        address is shown in logs"
                    .to_owned(),
            );
        }
        Ok(Self(url))
    }
}

impl RegistryUrl {
    /// The address of what stands at these names below it.
    pub(super) fn at(&self, names: &[&str]) -> reqwest::Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(names);
        }
        url
    }
}

impl std::fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// How the connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecurityProtocol {
    /// No TLS, no log-in.
    #[value(name = "PLAINTEXT")]
    Plaintext,
    /// TLS; with a certificate of its own the client is known by it.
    #[value(name = "SSL")]
    Ssl,
    /// Log-in without TLS.
    #[value(name = "SASL_PLAINTEXT")]
    SaslPlaintext,
    /// Log-in over TLS.
    #[value(name = "SASL_SSL")]
    SaslSsl,
}

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// Name and password as they are; only over TLS.
    #[value(name = "PLAIN")]
    Plain,
    /// A challenge; the password is not sent.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with the longer hash.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// As they are.
    None,
    /// Small; the default, because it is the one that every client can read.
    Gzip,
    /// Fast.
    Snappy,
    /// Fast: the choice where all readers have it.
    Lz4,
    /// Small, and fast enough for most.
    Zstd,
}

/// Where a group without a committed offset begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OffsetReset {
    /// With the oldest record that is kept; nothing is missed.
    Earliest,
    /// With what comes from then on; what was there before is never handled.
    Latest,
    /// Not at all: the consumer says so and waits for a person.
    Error,
}

pub(super) fn name_of<V: ValueEnum>(value: V) -> String {
    value.to_possible_value().map(|possible| possible.get_name().to_owned()).unwrap_or_default()
}

/// Reads `true`, `1`, `yes`, `on` and their opposites, in any case.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("allowed: true, false, 1, 0, yes, no, on, off".to_owned()),
    }
}

pub(super) fn no_auto_commit(text: &str) -> Result<bool, String> {
    match boolean(text)? {
        false => Ok(false),
        true => Err("allowed: false; a commit by the clock loses the record in hand at a crash, so offsets are \
                     committed when their effects are"
            .to_owned()),
    }
}

pub(super) fn acks(text: &str) -> Result<String, String> {
    match text.trim() {
        "all" | "-1" => Ok("all".to_owned()),
        _ => {
            Err("allowed: all; a record of the outbox counts as published once every in-sync replica has it".to_owned())
        }
    }
}

pub(super) fn topic_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 200 || !text.chars().all(allowed) {
        return Err("allowed: 1 to 200 letters, digits, dots, underscores and hyphens".to_owned());
    }
    Ok(text.to_owned())
}

/// Ends with a separator: where it has none, a dot follows, so that `eu` and `eu2` have no name in common.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let name = topic_name(text)?;
    Ok(if name.ends_with(['.', '-', '_']) { name } else { name + "." })
}

pub(super) fn group_id(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > 249 || text.chars().any(char::is_control) {
        return Err("allowed: 1 to 249 characters, no control characters".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn readable_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(problem) => Err(format!("allowed: the path of a readable PEM file; this one: {problem}")),
    }
}

/// The secret that a file holds; the newline behind it, which editors put there, is not a part of it.
pub(super) fn replay_key(text: &str) -> Result<ReplayKey, String> {
    const ALLOWED: &str = "allowed: the path of a readable file with 32 to 4096 bytes, as random as those of \
                           `openssl rand -hex 32`";
    const LONGEST: u64 = 4096;
    let mut secret = Vec::new();
    let read = File::open(text).and_then(|file| file.take(LONGEST + 2).read_to_end(&mut secret));
    read.map_err(|problem| format!("{ALLOWED}; this one: {problem}"))?;
    let secret = secret.strip_suffix(b"\n").unwrap_or(&secret);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    let key = ReplayKey::new(secret).filter(|_| secret.len() as u64 <= LONGEST);
    key.ok_or_else(|| format!("{ALLOWED}; this one has {} bytes", secret.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_a_list_or_a_json_array() {
        for text in ["a:9092,b:9093", "[\"a:9092\", \"b:9093\"]", " a:9092 , b:9093,"] {
            assert_eq!(text.parse::<BootstrapServers>().map(|servers| servers.to_string()), Ok("a:9092,b:9093".into()));
        }
        for text in ["", "a:port", "[1]", "a b:1"] {
            assert!(text.parse::<BootstrapServers>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_namespace_ends_with_a_separator() {
        for (given, used) in [("", ""), ("eu", "eu."), ("eu.", "eu."), ("eu-", "eu-"), ("eu_", "eu_"), ("a.b", "a.b.")]
        {
            assert_eq!(namespace(given).as_deref(), Ok(used), "{given}");
            assert_eq!(namespace(used).as_deref(), Ok(used), "what is used may be given again");
        }
        for wrong in ["e u", "eu/", "\u{e9}", &"x".repeat(201)] {
            assert!(namespace(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_registry_is_an_address_without_credentials() {
        let url: RegistryUrl = "http://localhost:8081/apis/ccompat/v7/".parse().unwrap();
        assert_eq!(url.to_string(), "http://localhost:8081/apis/ccompat/v7");
        assert_eq!(url.at(&["subjects", "a/b"]).as_str(), "http://localhost:8081/apis/ccompat/v7/subjects/a%2Fb");
        let url: RegistryUrl = "http://localhost:8081".parse().unwrap();
        assert_eq!(url.at(&["config"]).as_str(), "http://localhost:8081/config");
        for text in ["", "localhost:8081", "ftp://localhost", "http://me:secret@localhost"] {
            let problem = text.parse::<RegistryUrl>().unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
