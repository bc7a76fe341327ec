//! Database URLs as SQLAlchemy, Django, Prisma, node-postgres and JDBC write them, in the words of our client.

use secrecy::SecretString;

/// Parameters by which other clients and their pools are set. Ours are settings, its schema is its own, and whether there is a pool
/// in between is looked at; so they have no effect here.
const OF_OTHER_CLIENTS: &[&str] = &[
    // Prisma
    "schema",
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "socket_timeout",
    "statement_cache_size",
    "sslaccept",
    "sslidentity",
    "sslpassword",
    // asyncpg and psycopg, by SQLAlchemy
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "command_timeout",
    "async_fallback",
    // Django
    "conn_max_age",
    "conn_health_checks",
    "disable_server_side_cursors",
    // libpq, which Neon and others have in the URLs that they give
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "target_session_attrs",
    "tcp_user_timeout",
    // node-postgres, JDBC, Doctrine
    "uselibpqcompat",
    "currentSchema",
    "charset",
    "serverVersion",
];

const ALLOWED: &str = "allowed: postgres://user:password@host:5432/database";
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// A PostgreSQL URL, also with the name of a Python driver (`postgresql+asyncpg://`) and with parameters of other clients. It may
/// hold a password, so use it with `hide_env_values = true`.
///
/// # Errors
/// What is allowed.
pub fn parse_database_url(value: &str) -> Result<SecretString, String> {
    let value = value.trim();
    let value = value.strip_prefix("jdbc:").unwrap_or(value);
    let (scheme, rest) = value.split_once("://").ok_or(ALLOWED)?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = format!("{}://{place}", own_scheme(scheme)?);
    let query = own_query(query)?;
    if !query.is_empty() {
        url = format!("{url}?{query}");
    }
    let parsed: Result<sqlx::postgres::PgConnectOptions, _> = url.parse();
    parsed.map_err(|_| format!("{ALLOWED}; special characters in the password are written as %xx"))?;
    Ok(url.into())
}

fn own_scheme(scheme: &str) -> Result<&'static str, String> {
    // What follows the plus is a driver.
    match scheme.split('+').next().unwrap_or_default() {
        "postgres" => Ok("postgres"),
        "postgresql" | "psql" | "pgsql" | "postgis" => Ok("postgresql"),
        "prisma" => Err(format!("{ALLOWED}; this is the address of Prisma's proxy, and the database's own is needed")),
        _ => Err(ALLOWED.into()),
    }
}

fn own_query(query: &str) -> Result<String, String> {
    let pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let names_a_mode = pairs.iter().any(|(name, _)| *name == "sslmode");
    let mut own = Vec::new();
    for (name, value) in pairs {
        match name {
            "ssl" if names_a_mode => {}
            "ssl" | "sslmode" => own.push(format!("sslmode={}", ssl_mode(name, value)?)),
            name if OF_OTHER_CLIENTS.contains(&name) => {}
            name => own.push(format!("{name}={value}")),
        }
    }
    Ok(own.join("&"))
}

/// asyncpg's `ssl` is a mode, that of others a yes or no. What is encrypted without a look at the certificate is `require` here.
fn ssl_mode(name: &str, value: &str) -> Result<&'static str, String> {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "true" | "1" | "on" | "yes" | "no-verify" => Ok("require"),
        "" if name == "ssl" => Ok("require"),
        "false" | "0" | "off" | "no" => Ok("disable"),
        value => {
            let mode = SSL_MODES.into_iter().find(|mode| *mode == value);
            mode.ok_or_else(|| format!("{name} is one of {}; {ALLOWED}?sslmode=verify-full", SSL_MODES.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(url: &str) -> String {
        parse_database_url(url).unwrap_or_else(|problem| panic!("{url}: {problem}")).expose_secret().to_owned()
    }

    #[test]
    fn our_own_urls_stay_as_they_are() {
        for url in [
            "postgres://u:p@h/d",
            "postgresql:///d?host=/tmp",
            "postgres://u:p%40ss@h:5433/d?sslmode=verify-full&sslrootcert=/ca.pem&application_name=x",
            "postgres://u:pa$s@h/d",
        ] {
            assert_eq!(read(url), url);
        }
    }

    #[test]
    fn the_urls_of_other_clients_mean_the_same_place() {
        for (theirs, ours) in [
            ("postgresql+asyncpg://u:p@h:5432/d", "postgresql://u:p@h:5432/d"),
            ("postgresql+psycopg2://u:p@h/d", "postgresql://u:p@h/d"),
            ("postgresql+psycopg://u:p@h/d", "postgresql://u:p@h/d"),
            ("postgres+pg8000://u:p@h/d", "postgres://u:p@h/d"),
            ("postgis://u:p@h/d", "postgresql://u:p@h/d"),
            ("psql://u:p@h/d?conn_max_age=60", "postgresql://u:p@h/d"),
            ("jdbc:postgresql://h:5432/d?user=u&password=p&currentSchema=x", "postgresql://h:5432/d?user=u&password=p"),
            ("postgresql://u:p@h/d?schema=public", "postgresql://u:p@h/d"),
            (
                "postgresql://u:p@h/d?schema=shop&pgbouncer=true&connection_limit=1&pool_timeout=0",
                "postgresql://u:p@h/d",
            ),
            ("postgresql+asyncpg://u:p@h/d?ssl=require", "postgresql://u:p@h/d?sslmode=require"),
            ("postgres://u:p@h/d?ssl=true", "postgres://u:p@h/d?sslmode=require"),
            ("postgres://u:p@h/d?ssl=false", "postgres://u:p@h/d?sslmode=disable"),
            ("postgres://u:p@h/d?ssl=verify-full", "postgres://u:p@h/d?sslmode=verify-full"),
            ("postgres://u:p@h/d?ssl=true&sslmode=verify-full", "postgres://u:p@h/d?sslmode=verify-full"),
            ("postgres://u:p@h/d?sslmode=no-verify", "postgres://u:p@h/d?sslmode=require"),
            ("postgres://u:p@h/d?sslmode=require&channel_binding=require", "postgres://u:p@h/d?sslmode=require"),
            (" postgres://u:p@h/d\t", "postgres://u:p@h/d"),
        ] {
            assert_eq!(read(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for (wrong, told) in [
            ("mysql://u:secret@h/d", "allowed: postgres://"),
            ("sqlite:///secret", "allowed: postgres://"),
            ("u:secret", "allowed: postgres://"),
            ("postgres://u:secret@h:port/d", "written as %xx"),
            ("postgres://u:sec#ret@h/d", "written as %xx"),
            ("postgres://u:p@h/d?sslmode=secret", "sslmode is one of disable, "),
            ("prisma+postgres://accelerate.example/?api_key=secret", "Prisma's proxy"),
        ] {
            let problem = parse_database_url(wrong).unwrap_err();
            assert!(problem.contains(told) && !problem.contains("secret"), "{wrong}: {problem}");
        }
    }
}
