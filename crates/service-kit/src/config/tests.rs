//! Settings as a service has them: parts of this crate and a part like that of a Kafka client.

mod files;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Command, FromArgMatches};
use secrecy::{ExposeSecret, SecretString};

use super::*;

const URL: &str = "postgres://u:p@localhost/d";

#[derive(Debug, Args)]
struct KafkaConfig {
    /// Brokers
    #[arg(id = "kafka_bootstrap_servers", long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    bootstrap_servers: String,
    #[arg(id = "kafka_group_id", long = "kafka-group-id", env = "KAFKA_GROUP_ID")]
    group_id: Option<String>,
    #[arg(id = "kafka_enabled", long = "kafka-enabled", env = "KAFKA_ENABLED", default_value = "true")]
    #[arg(action = clap::ArgAction::Set, value_parser = parse_bool)]
    enabled: bool,
    #[arg(id = "kafka_ssl_ca_file", long = "kafka-ssl-ca-file", env = "KAFKA_SSL_CA_FILE")]
    ca_file: Option<PathBuf>,
    #[arg(
        id = "kafka_sasl_password",
        long = "kafka-sasl-password",
        env = "KAFKA_SASL_PASSWORD",
        hide_env_values = true
    )]
    password: Option<SecretString>,
    #[arg(id = "kafka_sasl_mechanism", long = "kafka-sasl-mechanism", env = "KAFKA_SASL_MECHANISM")]
    #[arg(value_parser = ["PLAIN", "SCRAM-SHA-512"])]
    mechanism: Option<String>,
    #[arg(id = "poll", long = "poll", env = "KAFKA_CONSUMER_MAX_POLL_RECORDS", default_value_t = 500)]
    poll: u16,
    #[arg(id = "roles", long = "roles", env = "ROLES", value_delimiter = ',')]
    roles: Vec<String>,
    #[arg(id = "verbose", long = "verbose", env = "VERBOSE")]
    verbose: bool,
}

#[derive(Debug, Args)]
struct All {
    #[command(flatten)]
    http: HttpConfig,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    telemetry: TelemetryConfig,
    #[command(flatten)]
    kafka: KafkaConfig,
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from_map([("DATABASE_URL", URL)].iter().chain(variables).copied())
}

fn parsed(variables: &[(&str, &str)]) -> All {
    parse::<All>(&environment(variables)).unwrap().value
}

/// The problems, one a line.
fn refused(variables: &[(&str, &str)]) -> String {
    parse::<All>(&environment(variables)).unwrap_err().to_string()
}

fn with_argv(argv: &[&str], environment: &Environment) -> Result<Loaded<All>, ConfigError> {
    let command = All::augment_args(Command::new("x")).subcommand(Command::new("run"));
    let loaded = load(command, std::iter::once("x").chain(argv.iter().copied()), environment)?;
    Ok(Loaded { value: All::from_arg_matches(&loaded.value)?, settings: loaded.settings, warnings: loaded.warnings })
}

#[test]
fn without_variables_the_defaults_are_in_force() {
    let all = parsed(&[]);
    assert_eq!(all.http.bind.to_string(), "127.0.0.1:8000");
    assert_eq!(all.http.api_tokens_file, None);
    assert_eq!(all.http.body_limit, 1 << 20);
    assert_eq!(all.http.request_timeout, Duration::from_secs(10));
    assert_eq!(all.database.max_connections, 20);
    assert!(all.database.auto_migrate);
    assert_eq!(all.telemetry.rust_log, "info");
    assert_eq!(all.telemetry.log_format, None);
    assert_eq!(all.kafka.bootstrap_servers, "localhost:9092");
    assert!(all.kafka.enabled);
    assert!(all.kafka.roles.is_empty());
    assert!(!all.kafka.verbose);
}

#[test]
fn every_variable_of_the_parts_is_read() {
    let all = parsed(&[
        ("HTTP_BIND", "0.0.0.0:1"),
        ("API_TOKENS_FILE", "/etc/tokens"),
        ("HTTP_BODY_LIMIT", "2MiB"),
        ("HTTP_REQUEST_TIMEOUT", "1m"),
        ("DATABASE_URL", "postgresql://h/e"),
        ("DATABASE_MAX_CONNECTIONS", "7"),
        ("DATABASE_AUTO_MIGRATE", "No"),
        ("RUST_LOG", "debug,sqlx=info"),
        ("LOG_FORMAT", "JSON"),
        ("ROLES", "api,worker"),
        ("VERBOSE", "yes"),
    ]);
    assert_eq!(all.http.bind.port(), 1);
    assert_eq!(all.http.api_tokens_file, Some("/etc/tokens".into()));
    assert_eq!(all.http.body_limit, 2 << 20);
    assert_eq!(all.http.request_timeout, Duration::from_secs(60));
    assert_eq!(all.database.url.as_ref().unwrap().expose_secret(), "postgresql://h/e");
    assert_eq!(all.database.max_connections, 7);
    assert!(!all.database.auto_migrate);
    assert_eq!(all.telemetry.rust_log, "debug,sqlx=info");
    assert_eq!(all.telemetry.log_format, Some(LogFormat::Json));
    assert_eq!(all.kafka.roles, ["api", "worker"]);
    assert!(all.kafka.verbose);
}

#[test]
fn a_json_array_in_dotenv_arrives_as_written() {
    let environment =
        environment(&[]).with_dotenv("KAFKA_BOOTSTRAP_SERVERS=[\"localhost:9092\"]\nKAFKA_ENABLED=True\n");
    let all = parse::<All>(&environment).unwrap().value;
    assert_eq!(all.kafka.bootstrap_servers, "[\"localhost:9092\"]");
    assert!(all.kafka.enabled);
}

#[test]
fn aliases_are_read_and_the_own_name_wins() {
    let all = parsed(&[("KAFKA_BROKERS", "a:1"), ("KAFKA_CONSUMER_GROUP_ID", "g"), ("KAFKA_SSL_CAFILE", "/ca")]);
    assert_eq!(all.kafka.bootstrap_servers, "a:1");
    assert_eq!(all.kafka.group_id.as_deref(), Some("g"));
    assert_eq!(all.kafka.ca_file, Some("/ca".into()));
    let all = parsed(&[("KAFKA_BROKERS", "a:1"), ("KAFKA_BOOTSTRAP_SERVERS", "b:2")]);
    assert_eq!(all.kafka.bootstrap_servers, "b:2");
}

#[test]
fn every_alias_stands_for_a_known_variable() {
    for (alias, name) in ALIASES {
        assert!(KAFKA_VARIABLES.contains(name), "{alias}");
    }
}

#[test]
fn flags_win_over_the_environment_which_wins_over_dotenv_which_wins_over_the_default() {
    let dotenv = "KAFKA_GROUP_ID=dotenv\nRUST_LOG=warn\nHTTP_BIND=127.0.0.1:1\n";
    let environment = environment(&[("KAFKA_GROUP_ID", "process"), ("HTTP_BIND", "127.0.0.1:2")]);
    let environment = environment.with_dotenv(dotenv);
    for argv in
        [&["--http-bind", "127.0.0.1:3"][..], &["run", "--http-bind=127.0.0.1:3"], &["--http-bind=127.0.0.1:3", "run"]]
    {
        let loaded = with_argv(argv, &environment).unwrap();
        assert_eq!(loaded.value.http.bind.port(), 3);
        assert_eq!(loaded.value.kafka.group_id.as_deref(), Some("process"));
        assert_eq!(loaded.value.telemetry.rust_log, "warn");
        assert_eq!(loaded.value.database.max_connections, 20);
        let source = |name| loaded.settings.iter().find(|setting| setting.name == name).unwrap().source.clone();
        assert_eq!(source("HTTP_BIND"), Source::CommandLine);
        assert_eq!(source("KAFKA_GROUP_ID"), Source::Environment);
        assert_eq!(source("RUST_LOG"), Source::DotEnv);
        assert_eq!(source("DATABASE_MAX_CONNECTIONS"), Source::Default);
    }
}

#[test]
fn a_flag_alone_satisfies_a_required_setting() {
    let loaded = with_argv(&["--database-url", URL], &Environment::default()).unwrap();
    assert_eq!(loaded.value.database.url.as_ref().unwrap().expose_secret(), URL);
}

#[test]
fn an_empty_value_is_none() {
    let all =
        parsed(&[("KAFKA_GROUP_ID", ""), ("RUST_LOG", ""), ("KAFKA_ENABLED", ""), ("KAFKA_BOOTSTRAP_SERVERS", "")]);
    assert_eq!(all.kafka.group_id, None);
    assert_eq!(all.telemetry.rust_log, "info");
    assert!(all.kafka.enabled);
    let missing = parse::<All>(&Environment::from_map([("DATABASE_URL", "")])).unwrap_err().to_string();
    assert!(missing.starts_with("DATABASE_URL is not set (The PostgreSQL database"), "{missing}");
    assert!(missing.ends_with("Set DATABASE_URL, DATABASE_URL_FILE or --database-url."), "{missing}");
}

#[test]
fn a_wrong_value_is_refused_by_the_variables_name() {
    assert_eq!(
        refused(&[("KAFKA_ENABLED", "maybe")]),
        "KAFKA_ENABLED: \"maybe\" is not allowed; allowed: true, false, 1, 0, yes, no (any case). Set in environment."
    );
    assert_eq!(
        refused(&[("KAFKA_SASL_MECHANISM", "plain")]),
        "KAFKA_SASL_MECHANISM: \"plain\" is not allowed; allowed: PLAIN, SCRAM-SHA-512. Set in environment."
    );
    assert_eq!(
        refused(&[("DATABASE_MAX_CONNECTIONS", "0")]),
        "DATABASE_MAX_CONNECTIONS: \"0\" is not allowed; allowed: a number in 2..=1000. Set in environment."
    );
    assert_eq!(
        refused(&[("KAFKA_CONSUMER_MAX_POLL_RECORDS", "many")]),
        "KAFKA_CONSUMER_MAX_POLL_RECORDS: \"many\" is not allowed; allowed: a whole number. Set in environment."
    );
    assert!(refused(&[("LOG_FORMAT", "xml")]).contains("allowed: text, json"));
    assert!(refused(&[("VERBOSE", "loud")]).starts_with("VERBOSE: \"loud\" is not allowed; allowed: true"));
    let from_dotenv = environment(&[]).with_dotenv("HTTP_BIND=8001");
    let problem = parse::<All>(&from_dotenv).unwrap_err().to_string();
    assert!(problem.starts_with("HTTP_BIND: \"8001\" is not allowed; allowed: an IP address"), "{problem}");
    assert!(problem.ends_with("Set in .env."), "{problem}");
}

#[test]
fn a_wrong_flag_is_refused_in_the_same_words() {
    let error = with_argv(&["--kafka-enabled", "maybe"], &environment(&[])).unwrap_err().to_string();
    assert!(error.starts_with("KAFKA_ENABLED: \"maybe\" is not allowed; allowed: true"), "{error}");
    assert!(error.ends_with("Set on the command line."), "{error}");
    let error = with_argv(&["--database-url=mysql://secret"], &environment(&[])).unwrap_err().to_string();
    assert!(error.starts_with("DATABASE_URL: *** is not allowed; allowed: postgres://"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    assert!(matches!(with_argv(&["--no-such-flag"], &environment(&[])).unwrap_err(), ConfigError::Usage(_)));
}

#[test]
fn a_wrong_value_under_an_alias_is_refused_by_the_alias() {
    let dir = scratch("alias");
    let path = dir.join("x");
    std::fs::write(&path, "mysql://secret").unwrap();
    let problem =
        parse::<All>(&Environment::from_map([("DATABASE_URL_FILE", path.to_string_lossy())])).unwrap_err().to_string();
    assert!(problem.starts_with("DATABASE_URL_FILE: *** is not allowed"), "{problem}");
    assert!(problem.contains("Set in the file "), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
}

#[test]
fn all_wrong_settings_are_told_at_once() {
    let problems = parse::<All>(&Environment::from_map([("KAFKA_ENABLED", "x"), ("LOG_FORMAT", "y")])).unwrap_err();
    let ConfigError::Wrong(problems) = problems else { panic!("{problems}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn secrets_are_never_shown() {
    let loaded = parse::<All>(&environment(&[("KAFKA_SASL_PASSWORD", "hunter2")])).unwrap();
    let mut out = Vec::new();
    print(&loaded.settings, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(!out.contains("hunter2") && !out.contains(URL), "{out}");
    assert!(out.lines().any(|line| line.starts_with("KAFKA_SASL_PASSWORD ") && line.contains("***")), "{out}");
    let help = All::augment_args(Command::new("x"));
    let ConfigError::Usage(help) =
        load(help, ["x", "--help"], &environment(&[("KAFKA_SASL_PASSWORD", "hunter2")])).unwrap_err()
    else {
        panic!("help is not an error of the settings")
    };
    let help = help.to_string();
    assert!(!help.contains("hunter2") && !help.contains(URL), "{help}");
    assert!(!format!("{:?}", loaded.value).contains("hunter2"));
    assert!(!format!("{:?}", environment(&[("KAFKA_SASL_PASSWORD", "hunter2")])).contains("hunter2"));
}

#[test]
fn help_names_variable_default_and_meaning() {
    let help = load(All::augment_args(Command::new("x")), ["x", "--help"], &environment(&[("RUST_LOG", "error")]));
    let help = help.unwrap_err().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains(
            "--rust-log <FILTER> What is logged, as in `info` or `info,sqlx=debug` [env: RUST_LOG] [default: info]"
        ),
        "{help}"
    );
    assert!(help.contains("[env: DATABASE_URL or DATABASE_URL_FILE] [required]"), "{help}");
    assert!(!help.contains("error"), "the environment is not a default: {help}");
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let dir = scratch("secret");
    let path = dir.join("password");
    std::fs::write(&path, " pass word \r\n").unwrap();
    let path = path.to_string_lossy();
    let loaded = parse::<All>(&environment(&[("KAFKA_SASL_PASSWORD_FILE", &path)])).unwrap();
    assert_eq!(loaded.value.kafka.password.unwrap().expose_secret(), " pass word ");
    let setting = loaded.settings.iter().find(|setting| setting.name == "KAFKA_SASL_PASSWORD").unwrap();
    assert_eq!((setting.value.as_deref(), &setting.source), (Some("***"), &Source::File(path.to_string())));

    let both = refused(&[("KAFKA_SASL_PASSWORD_FILE", &path), ("KAFKA_SASL_PASSWORD", "x")]);
    assert_eq!(both, "KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set; keep one of them.");
    let unreadable = refused(&[("KAFKA_SASL_PASSWORD_FILE", "/no/such/file")]);
    assert!(unreadable.starts_with("KAFKA_SASL_PASSWORD_FILE: cannot read \"/no/such/file\": "), "{unreadable}");
    let missing =
        parse::<All>(&Environment::from_map([("DATABASE_URL_FILE", "/no/such/file")])).unwrap_err().to_string();
    assert_eq!(missing.lines().count(), 1, "{missing}");
}

#[test]
fn an_unknown_kafka_variable_is_a_warning_with_the_nearest_name() {
    let warned = |name| parse::<All>(&environment(&[(name, "x")])).unwrap().warnings;
    assert_eq!(
        warned("KAFKA_BOOTSTRAP_SERVER"),
        ["KAFKA_BOOTSTRAP_SERVER is not a setting and has no effect; did you mean KAFKA_BOOTSTRAP_SERVERS?"]
    );
    assert_eq!(warned("KAFKA_HEAP_OPTS"), ["KAFKA_HEAP_OPTS is not a setting and has no effect"]);
    for known in KAFKA_VARIABLES.iter().filter(|name| !name.ends_with("ENABLED") && !name.ends_with("MECHANISM")) {
        let given = environment(&[(known, "")]);
        assert_eq!(parse::<All>(&given).unwrap().warnings, Vec::<String>::new(), "{known}");
    }
    for harmless in ["KAFKA_BROKERS", "KAFKA_SERVICE_HOST", "KAFKA_PORT_9092_TCP", "OTHER"] {
        assert_eq!(warned(harmless), Vec::<String>::new(), "{harmless}");
    }
}

#[test]
fn a_setting_that_is_a_slip_away_from_one_is_a_warning_and_another_applications_is_not() {
    let warned = |name| parse::<All>(&environment(&[(name, "x")])).unwrap().warnings;
    for (name, meant) in [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("PRACTICE_TIMEZONE", "PRACTICE_TIME_ZONE"),
        ("PHONE_REGIONS", "PHONE_REGION"),
        ("DATE_ORDRE", "DATE_ORDER"),
        ("ROLE", "ROLES"),
        ("API_TOKEN_FILE", "API_TOKENS_FILE"),
        ("LOG_FROMAT", "LOG_FORMAT"),
        ("SCHEMA_REGISTRY_URI", "SCHEMA_REGISTRY_URL"),
        ("OUTBOX_RETENTION_HOUR", "OUTBOX_RETENTION_HOURS"),
        ("REPLAY_SIGNING_KEYFILE", "REPLAY_SIGNING_KEY_FILE"),
        ("DATABASE_URL_FILES", "DATABASE_URL_FILE"),
    ] {
        assert_eq!(warned(name), [format!("{name} is not a setting and has no effect; did you mean {meant}?")]);
    }
    for foreign in [
        "DATABASE_USER",
        "DATABASE_NAME",
        "DATABASE_HOST",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "PORT",
        "LOG_LEVEL",
        "DATE_FORMAT",
        "TZ",
        "POSTGRES_DB",
        "DIRECT_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "RUST_BACKTRACE",
        "OTEL_TRACES_SAMPLER",
        "ROOT",
    ] {
        assert_eq!(warned(foreign), Vec::<String>::new(), "{foreign}");
    }
    for known in known::documented() {
        let loaded = parse::<All>(&environment(&[(known, "")]));
        assert!(loaded.is_err() || loaded.unwrap().warnings.is_empty(), "{known}");
    }
    assert!(known::documented().contains(&"PRACTICE_TIME_ZONE"));
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("service-kit-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
