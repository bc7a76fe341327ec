//! Settings that come from a file: those of the usual frameworks, and odd lines.

use super::*;

/// The file of a framework's template as the settings of a service.
fn of_file(name: &str, more: &[(&str, &str)]) -> Loaded<All> {
    let path = format!("{}/tests/env-files/{name}.env", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    parse::<All>(&Environment::from_map(more.iter().copied()).with_dotenv(&text)).unwrap()
}

#[test]
fn the_files_of_the_usual_frameworks_work_as_they_are() {
    let url = [("DATABASE_URL", URL)];
    for (name, servers, group) in [
        ("voice", "your-kafka-bootstrap-servers", Some("ai-response-processor")),
        ("leads", "localhost:9092", Some("biznavigate-backend-group")),
        ("events", "[\"localhost:9092\"]", Some("xseven-ai-consumers")),
        ("events-secured", "localhost:9092", None),
        ("records", "kafka:9092", None),
        ("records-settings", "kafka:9092", None),
        ("compose", "kafka:9092", None),
    ] {
        let loaded = of_file(name, &url);
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(loaded.value.kafka.bootstrap_servers, servers, "{name}");
        assert_eq!(loaded.value.kafka.group_id.as_deref(), group, "{name}");
    }
    for (name, servers, url) in [
        ("django", "kafka:9092", "postgres://clinic:s3$cret%231@postgres:5432/clinic"),
        ("nestjs", "localhost:9092,localhost:9093", "postgresql://clinic:changeme@localhost:5432/clinic"),
        (
            "fastapi",
            "[\"localhost:9092\", \"localhost:9093\"]",
            "postgresql://postgres:changethis@localhost:5432/app?sslmode=prefer",
        ),
    ] {
        let loaded = of_file(name, &[]);
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(loaded.value.kafka.bootstrap_servers, servers, "{name}");
        assert_eq!(loaded.value.database.url.as_ref().unwrap().expose_secret(), url, "{name}");
    }
}

#[test]
fn an_odd_line_stops_nobody_who_does_not_need_it() {
    let odd = "not a line\nSOMEBODYS='half\nKAFKA_GROUP_ID=group\n";
    let loaded = parse::<All>(&environment(&[]).with_dotenv(odd)).unwrap();
    assert_eq!(loaded.value.kafka.group_id.as_deref(), Some("group"));
    assert_eq!(
        loaded.warnings,
        [
            ".env, line 1: no `=`; a line is NAME=value, or a comment that starts with #. The line is not read.",
            ".env, line 2: SOMEBODYS: the closing ' is missing, or there is text after it. The line is not read.",
        ]
    );
    let help = with_argv(&["--help"], &Environment::default().with_dotenv("DATABASE_URL='half\nnonsense\n"));
    assert!(matches!(help.unwrap_err(), ConfigError::Usage(_)));
}

#[test]
fn an_odd_line_of_a_setting_refuses_the_start_unless_something_counts_more() {
    let half = |more: &[(&str, &str)]| {
        let text = "KAFKA_SASL_PASSWORD='secret\n";
        parse::<All>(&environment(more).with_dotenv(text)).map(|loaded| loaded.warnings.len())
    };
    let refused = half(&[]).unwrap_err().to_string();
    assert_eq!(refused, ".env, line 1: KAFKA_SASL_PASSWORD: the closing ' is missing, or there is text after it.");
    assert_eq!(half(&[("KAFKA_SASL_PASSWORD", "x")]).unwrap(), 1);
    assert_eq!(half(&[("KAFKA_SASL_PASSWORD_FILE", "")]).unwrap(), 1);
    let database = Environment::default().with_dotenv("DATABASE_URL=\"half\n");
    assert!(with_argv(&["--database-url", URL], &database).is_ok());
    let refused = with_argv(&[], &database).unwrap_err().to_string();
    assert_eq!(refused.lines().count(), 1, "{refused}");
    let alias = environment(&[]).with_dotenv("KAFKA_BROKERS='half\n");
    assert!(parse::<All>(&alias).unwrap_err().to_string().starts_with(".env, line 1: KAFKA_BROKERS: "));
}

#[test]
fn what_is_missing_is_told_with_what_may_be_why() {
    let refused = |text: &str| parse::<All>(&Environment::default().with_dotenv(text)).unwrap_err().to_string();
    let slip = refused("DATABSE_URL=postgres://u:secret@h/d\n");
    assert!(slip.starts_with("DATABASE_URL is not set") && slip.contains("(warning) DATABSE_URL is not"), "{slip}");
    assert!(!slip.contains("secret"), "{slip}");
    let line = refused("postgres://u:secret@h/d\n");
    assert!(line.contains("(warning) .env, line 1: no `=`") && !line.contains("secret"), "{line}");
    let parts = refused("POSTGRES_USER=u\nPOSTGRES_PASSWORD=p\nPOSTGRES_SERVER=h\nPOSTGRES_DB=d\n");
    let joined = "DATABASE_URL=postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@${POSTGRES_SERVER}/${POSTGRES_DB}";
    assert!(parts.contains(joined), "{parts}");
}

#[test]
fn dotenv_is_read_from_the_folder() {
    let dir = scratch("dotenv");
    assert!(Environment::of_process(&dir).unreadable().is_none(), "no .env is no error");
    std::fs::write(dir.join(".env"), "KAFKA_GROUP_ID=from-dotenv\nnonsense\n").unwrap();
    let environment = Environment::of_process(&dir);
    assert_eq!(environment.setting("KAFKA_GROUP_ID").unwrap().value, "from-dotenv");
    let warning = environment.warnings().pop().unwrap();
    assert!(warning.starts_with(&format!("{}, line 2: no `=`", dir.join(".env").display())), "{warning}");
    std::fs::write(dir.join(".env"), b"\xff\xfeK\0A\0F\0K\0A\0_\0T\0O\0P\0I\0C\0=\0t\0\r\0\n\0").unwrap();
    assert_eq!(Environment::of_process(&dir).setting("KAFKA_TOPIC").unwrap().value, "t");
    std::fs::remove_file(dir.join(".env")).unwrap();
    std::fs::create_dir(dir.join(".env")).unwrap();
    assert!(Environment::of_process(&dir).unreadable().is_none(), "a virtual environment of Python");
    std::fs::remove_dir(dir.join(".env")).unwrap();
    std::os::unix::fs::symlink(".env", dir.join(".env")).unwrap();
    let refused = parse::<KafkaConfig>(&Environment::of_process(&dir)).unwrap_err().to_string();
    assert!(refused.contains(".env: cannot be read: "), "{refused}");
    std::fs::remove_file(dir.join(".env")).unwrap();
}
