//! What the usual files say: line by line, and whole files as the templates of the frameworks write them.

use std::collections::BTreeMap;

use super::*;

fn of(text: &str) -> Dotenv {
    read(text.as_bytes(), &BTreeMap::new())
}

fn one(line: &str) -> String {
    let read = of(line);
    assert_eq!(read.odd, [], "{line}");
    read.values.get("A").or(read.values.values().next()).unwrap().clone()
}

/// The odd lines, as `2 NAME: problem`.
fn odd(text: &str) -> Vec<String> {
    of(text).odd.iter().map(|odd| format!("{} {}", odd.line, odd.problem)).collect()
}

fn file(name: &str) -> Dotenv {
    let path = format!("{}/tests/env-files/{name}.env", env!("CARGO_MANIFEST_DIR"));
    read(&std::fs::read(path).unwrap(), &BTreeMap::new())
}

/// The file says exactly this, and nothing in it is odd.
fn assert_says(name: &str, expected: &[(&str, &str)]) {
    let read = file(name);
    assert_eq!(read.odd, [], "{name}");
    assert_eq!(read.doubts, [], "{name}");
    let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    assert_eq!(read.values, expected.collect(), "{name}");
}

#[test]
fn values_are_taken_as_they_stand() {
    for (line, value) in [
        (r#"A=["localhost:9092"]"#, r#"["localhost:9092"]"#),
        (r#"A=["a:1", "b:2"]"#, r#"["a:1", "b:2"]"#),
        ("A=p$ss#w\\rd", "p$ss#w\\rd"),
        ("A=$NAME$$", "$NAME$$"),
        ("A=#begins", "#begins"),
        ("A=two words # comment", "two words"),
        ("A=two words\t# comment", "two words"),
        ("A=it's", "it's"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=\t# nothing", ""),
        ("A=x=y", "x=y"),
        ("A = 'kafka:9092'", "kafka:9092"),
        ("A: value", "value"),
        ("  A=1  ", "1"),
        ("export A=1", "1"),
        ("export\tA=1", "1"),
        ("export   A=1", "1"),
        ("export=1", "1"),
        ("\u{feff}A=1\r\n", "1"),
        ("A=1\rB=2", "1"),
    ] {
        assert_eq!(one(line), value, "{line}");
    }
}

#[test]
fn quotes_hold_blanks_comments_and_further_lines() {
    for (text, value) in [
        ("A='a # b' # c", "a # b"),
        ("A='a'# c", "a"),
        (r#"export A="a \"b\"\n" # why"#, "a \"b\"\n"),
        (r#"A="t\tr\rn\\n\x""#, "t\tr\rn\\n\\x"),
        (r"A='it\'s'", "it's"),
        (r"A='a\nb'", r"a\nb"),
        (r"A='C:\data\'", r"C:\data\"),
        (r#"A="C:\data\""#, r"C:\data\"),
        ("A=`say \"it's\"`", "say \"it's\""),
        ("A=`half", "`half"),
        ("A=\"-----BEGIN\r\nabc=\r\n-----END\"\r\n", "-----BEGIN\nabc=\n-----END"),
        ("A='one\n# no comment\n\nB=2'", "one\n# no comment\n\nB=2"),
        (r#"A='["a:1","b:2"]'"#, r#"["a:1","b:2"]"#),
        (r#"A="[\"a:1\",\"b:2\"]""#, r#"["a:1","b:2"]"#),
        (r#"A="["a:1","b:2"]""#, r#"["a:1","b:2"]"#),
        ("A=''", ""),
        ("A=\"\"", ""),
    ] {
        assert_eq!(one(text), value, "{text}");
    }
}

#[test]
fn what_follows_a_value_of_several_lines_is_read_and_has_its_number() {
    let read = of("A=\"1\n2\n3\"\nB=4\nnonsense\nC=5");
    assert_eq!(
        read.values,
        BTreeMap::from([("A", "1\n2\n3"), ("B", "4"), ("C", "5")].map(|(k, v)| (k.into(), v.into())))
    );
    assert_eq!(read.odd[0].line, 5);
}

#[test]
fn of_a_name_given_twice_the_last_one_counts() {
    assert_eq!(one("A=1\nA=2"), "2");
}

#[test]
fn a_reference_in_braces_stands_for_the_value() {
    for (text, value) in [
        ("B=b\nA=x${B}y", "xby"),
        ("B=b\nA=\"x${B}y\"", "xby"),
        ("B=b\nA='x${B}y'", "x${B}y"),
        ("B=b\nA=x$B", "x$B"),
        ("B=b\nA=\"x$B\"", "x$B"),
        ("B=b\nA=$B", "b"),
        ("B=b\nA='$B'", "$B"),
        ("B=b\nA=$Bc", "$Bc"),
        ("B=b\nA=\\${B}", "${B}"),
        ("B=b\nA=\"\\${B}\"", "${B}"),
        ("A=${B:-d}", "d"),
        ("A=${B-d}", "d"),
        ("B=\nA=${B:-d}", "d"),
        ("A=${B:-${C:-deep}}!", "deep!"),
        ("A=${B:-}", ""),
        ("B=b\nA=${B:?must be there}", "b"),
        ("A=${B:+other}", "${B:+other}"),
        ("A=${}", "${}"),
        ("A=${1x}", "${1x}"),
        ("A=${open", "${open"),
        ("B=a\nB=${B}:b\nA=${B}", "a:b"),
        ("A={\"x\": \"${B:-d}\"}", "{\"x\": \"d\"}"),
    ] {
        assert_eq!(one(text), value, "{text}");
    }
    // Also one that is only declared below, as Node's libraries have it.
    assert_eq!(of("A=${B}\nB=${C}\nC=1").values["A"], "1");
    assert_eq!(of("A=${B}\nB=${A}").values["A"], "");
}

#[test]
fn the_process_is_asked_before_the_file() {
    let outer = BTreeMap::from([("B".to_owned(), "outer".to_owned())]);
    assert_eq!(read(b"B=inner\nA=${B}", &outer).values["A"], "outer");
}

#[test]
fn a_reference_to_nothing_is_told_with_its_line() {
    let read = of("# x\nA=secret${B}\nC=${B:-d}");
    assert_eq!(read.values["A"], "secret");
    assert_eq!(read.doubts.len(), 1);
    assert_eq!((read.doubts[0].line, read.doubts[0].name.as_deref()), (2, Some("A")));
    assert!(read.doubts[0].problem.starts_with("A: ${B} is not set"), "{}", read.doubts[0].problem);
    assert!(!read.doubts[0].problem.contains("secret"));
}

#[test]
fn an_odd_line_costs_itself_only_and_its_value_is_not_shown() {
    for (text, expected) in [
        ("secret\nZ=1", "1 no `=`"),
        ("export SECRET\nZ=1", "1 no `=`"),
        ("A B=secret\nZ=1", "1 what stands before"),
        ("1A=secret\nZ=1", "1 what stands before"),
        ("=secret\nZ=1", "1 what stands before"),
        ("\n\nA='secret\nZ=1", "3 A: the closing ' is missing"),
        ("A=\"secret\nB=\"other\"\nZ=1", "1 A: the closing \" is missing"),
        ("A=\"x\"secret\nZ=1", "1 A: the closing \" is missing, or there is text"),
        ("A='it\nB=it's secret\nZ=1", "1 A: the closing ' is missing"),
    ] {
        let odd = odd(text);
        assert_eq!(odd.len(), 1, "{text}: {odd:?}");
        assert!(odd[0].starts_with(expected), "{text}: {odd:?}");
        assert!(!odd[0].contains("secret"), "{odd:?}");
        assert_eq!(of(text).values["Z"], "1", "{text}");
    }
}

#[test]
fn other_encodings_are_read() {
    let text = "A=größe\r\nB=2\r\n";
    let sixteen = |bytes: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    for bytes in [
        sixteen(u16::to_le_bytes, true),
        sixteen(u16::to_be_bytes, true),
        sixteen(u16::to_le_bytes, false),
        sixteen(u16::to_be_bytes, false),
        text.as_bytes().to_vec(),
    ] {
        let read = read(&bytes, &BTreeMap::new());
        assert_eq!((read.values["A"].as_str(), read.values["B"].as_str()), ("größe", "2"));
        assert!(read.odd.is_empty() && read.doubts.is_empty());
    }
}

#[test]
fn a_line_in_latin_1_is_read_as_such_and_told_where_it_sets_something() {
    let read = read(b"# gr\xf6\xdfe\nA=\xfc\nB=\xc3\xbc\n", &BTreeMap::new());
    assert_eq!((read.values["A"].as_str(), read.values["B"].as_str()), ("ü", "ü"));
    assert_eq!(read.doubts.len(), 1);
    assert_eq!(read.doubts[0].line, 2);
    assert!(read.doubts[0].problem.starts_with("A is not UTF-8"), "{}", read.doubts[0].problem);
}

#[test]
fn the_files_of_the_earlier_setups_say_what_they_did() {
    assert_says(
        "voice",
        &[
            ("KAFKA_BOOTSTRAP_SERVERS", "your-kafka-bootstrap-servers"),
            ("KAFKA_TOPIC", "ai-responses"),
            ("KAFKA_GROUP_ID", "ai-response-processor"),
            ("KAFKA_SSL_CA_FILE", "/path/to/ca.pem"),
            ("KAFKA_SSL_CERT_FILE", "/path/to/service.cert"),
            ("KAFKA_SSL_KEY_FILE", "/path/to/service.key"),
        ],
    );
    assert_says(
        "leads",
        &[
            ("KAFKA_BROKERS", "localhost:9092"),
            ("KAFKA_CLIENT_ID", "biznavigate-backend"),
            ("KAFKA_GROUP_ID", "biznavigate-backend-group"),
        ],
    );
    assert_says(
        "events",
        &[
            ("KAFKA_BOOTSTRAP_SERVERS", "[\"localhost:9092\"]"),
            ("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
            ("KAFKA_CONSUMER_GROUP_ID", "xseven-ai-consumers"),
            ("SCHEMA_REGISTRY_URL", "http://localhost:8081"),
            ("KAFKA_PRODUCER_ACKS", "all"),
            ("KAFKA_PRODUCER_RETRIES", "3"),
            ("KAFKA_PRODUCER_BATCH_SIZE", "16384"),
            ("KAFKA_PRODUCER_COMPRESSION_TYPE", "gzip"),
            ("KAFKA_CONSUMER_AUTO_OFFSET_RESET", "earliest"),
            ("KAFKA_CONSUMER_ENABLE_AUTO_COMMIT", "false"),
            ("KAFKA_CONSUMER_MAX_POLL_RECORDS", "500"),
            ("ENABLE_EVENT_SOURCING", "true"),
        ],
    );
    assert_says(
        "events-secured",
        &[
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "PLAIN"),
            ("KAFKA_SASL_USERNAME", "your_username"),
            ("KAFKA_SASL_PASSWORD", "your_password"),
            ("KAFKA_SSL_CAFILE", "/path/to/ca-cert"),
            ("KAFKA_SSL_CERTFILE", "/path/to/client-cert"),
            ("KAFKA_SSL_KEYFILE", "/path/to/client-key"),
        ],
    );
    for name in ["records", "records-settings"] {
        let expected = [
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
            ("KAFKA_ENABLED", "True"),
            ("KAFKA_TOPIC_PREFIX", "healthcore"),
        ];
        assert_says(name, &expected);
    }
}

#[test]
fn a_file_of_django_says_what_django_environ_reads() {
    assert_says(
        "django",
        &[
            ("DJANGO_SETTINGS_MODULE", "config.settings.local"),
            ("DJANGO_READ_DOT_ENV_FILE", "True"),
            ("DJANGO_SECRET_KEY", "9$k#w!x2(b^&t_=+l@0z-3u*%qv5)8ha$mn"),
            ("DJANGO_ADMIN_URL", ""),
            ("DJANGO_ALLOWED_HOSTS", ".example.com,localhost"),
            ("EMAIL_HOST", "smtp.example.com"),
            ("USE_DOCKER", "yes"),
            ("REDIS_URL", "redis://redis:6379/0"),
            ("CELERY_BROKER_URL", "redis://redis:6379/0"),
            ("POSTGRES_HOST", "postgres"),
            ("POSTGRES_PORT", "5432"),
            ("POSTGRES_DB", "clinic"),
            ("POSTGRES_USER", "clinic"),
            ("POSTGRES_PASSWORD", "s3$cret#1"),
            ("DATABASE_URL", "postgres://clinic:s3$cret%231@postgres:5432/clinic"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
            ("KAFKA_ENABLED", "True"),
        ],
    );
}

#[test]
fn a_file_of_nestjs_says_what_node_reads() {
    assert_says(
        "nestjs",
        &[
            ("DB_USER", "clinic"),
            ("DB_PASSWORD", "changeme"),
            ("DB_HOST", "localhost"),
            ("DB_PORT", "5432"),
            ("DB_SCHEMA", "public"),
            ("DATABASE_URL", "postgresql://clinic:changeme@localhost:5432/clinic?schema=public&connection_limit=5"),
            ("DIRECT_URL", "postgresql://clinic:changeme@localhost:5432/clinic"),
            ("PORT", "3000"),
            ("NODE_ENV", "development"),
            ("JWT_SECRET", "a#b$c"),
            ("GREETING", "It said \"hello\""),
            (
                "JWT_PRIVATE_KEY",
                "-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8=\n-----END PRIVATE KEY-----",
            ),
            ("KAFKA_BROKERS", "localhost:9092,localhost:9093"),
            ("KAFKA_CLIENT_ID", "clinic"),
            ("KAFKA_CONSUMER_GROUP_ID", "clinic-consumer"),
        ],
    );
}

#[test]
fn a_file_of_fastapi_says_what_pydantic_reads() {
    assert_says(
        "fastapi",
        &[
            ("DOMAIN", "localhost"),
            ("ENVIRONMENT", "local"),
            ("PROJECT_NAME", "Clinic Front Desk"),
            ("BACKEND_CORS_ORIGINS", "http://localhost,http://localhost:5173"),
            ("ALLOWED_ORIGINS", "[\"http://localhost\",\"http://localhost:5173\"]"),
            ("SECRET_KEY", "changethis"),
            ("SMTP_HOST", ""),
            ("SMTP_TLS", "True"),
            ("SMTP_PORT", "587"),
            ("POSTGRES_SERVER", "localhost"),
            ("POSTGRES_PORT", "5432"),
            ("POSTGRES_DB", "app"),
            ("POSTGRES_USER", "postgres"),
            ("POSTGRES_PASSWORD", "changethis"),
            ("DATABASE_URL", "postgresql+asyncpg://postgres:changethis@localhost:5432/app?ssl=prefer"),
            ("kafka_bootstrap_servers", "[\"localhost:9092\", \"localhost:9093\"]"),
            ("KAFKA_SASL_PASSWORD", "not$a#secret"),
        ],
    );
}

#[test]
fn a_file_of_compose_says_what_compose_reads() {
    assert_says(
        "compose",
        &[
            ("COMPOSE_PROJECT_NAME", "clinic"),
            ("TAG", "latest"),
            ("IMAGE", "registry.example.com/clinic:latest"),
            ("BROKER", "kafka"),
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
            ("KAFKA_SASL_PASSWORD", "pa$$w${o}rd"),
            ("NOTE", "Let's go"),
            ("RUST_LOG", "warn"),
        ],
    );
}
