//! Value parsers for settings. Their messages say what is allowed and never repeat the value.

use std::{net::SocketAddr, time::Duration};

/// `true`, `1`, `yes` and `false`, `0`, `no` in any case; and what django-environ and pydantic take besides. Use with `action = clap::ArgAction::Set`.
///
/// # Errors
/// What is allowed.
pub fn parse_bool(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "on" | "t" => Ok(true),
        "false" | "0" | "no" | "n" | "off" | "f" => Ok(false),
        _ => Err("allowed: true, false, 1, 0, yes, no (any case)".into()),
    }
}

/// A time span: `500ms`, `30s`, `5m`, `24h`, `7d`, or a plain number of seconds. Whole numbers only.
///
/// # Errors
/// What is allowed.
pub fn parse_duration(value: &str) -> Result<Duration, String> {
    let value = value.trim();
    let split = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds)) {
        Some(total) if milliseconds > 0 => Ok(Duration::from_millis(total)),
        _ => {
            Err("allowed: a whole number with a unit, such as 500ms, 30s, 5m, 24h, or a plain number of seconds".into())
        }
    }
}

/// The same, but not zero: for time limits and intervals.
///
/// # Errors
/// What is allowed.
pub fn parse_duration_not_zero(value: &str) -> Result<Duration, String> {
    match parse_duration(value)? {
        Duration::ZERO => Err("allowed: more than zero, such as 500ms, 30s, 5m".into()),
        duration => Ok(duration),
    }
}

/// A number of bytes: a plain number or one with `KiB`, `MiB`, `GiB` (powers of 1024).
///
/// # Errors
/// What is allowed.
pub fn parse_bytes(value: &str) -> Result<usize, String> {
    let value = value.trim();
    let split = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let factor: usize = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => 0,
    };
    match number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(total) if factor > 0 => Ok(total),
        _ => Err("allowed: a number of bytes, such as 1048576, 512KiB or 1MiB".into()),
    }
}

/// An address and a port to listen on; `localhost` stands for 127.0.0.1.
///
/// # Errors
/// What is allowed.
pub fn parse_bind(value: &str) -> Result<SocketAddr, String> {
    let value = value.trim();
    let value = value.strip_prefix("localhost:").map_or_else(|| value.to_owned(), |port| format!("127.0.0.1:{port}"));
    value
        .parse()
        .map_err(|_| "allowed: an IP address and a port, such as 127.0.0.1:8001, 0.0.0.0:8001 or [::]:8001".into())
}

/// The address of an HTTP server.
///
/// # Errors
/// What is allowed.
pub fn parse_http_url(value: &str) -> Result<String, String> {
    match reqwest::Url::parse(value) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(value.to_owned()),
        _ => Err("allowed: an address with its scheme, such as http://localhost:4318".into()),
    }
}

/// What is logged, as in `info` or `info,sqlx=debug`.
///
/// # Errors
/// What is allowed.
pub fn parse_log_filter(value: &str) -> Result<String, String> {
    const ALLOWED: &str = "allowed: error, warn, info, debug, trace, off, or a list such as info,sqlx=debug";
    if tracing_subscriber::EnvFilter::try_new(value).is_err() {
        return Err(ALLOWED.into());
    }
    // A word that is no level is a module, of which everything is logged, and nothing of all others.
    match value.split(',').find_map(|part| misspelt_level(part.trim())) {
        Some(level) => Err(format!("{ALLOWED}; did you mean {level}?")),
        None => Ok(value.to_owned()),
    }
}

fn misspelt_level(word: &str) -> Option<&'static str> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    match word.to_ascii_lowercase().as_str() {
        "warning" => Some("warn"),
        "information" => Some("info"),
        word => LEVELS.into_iter().find(|level| strsim::damerau_levenshtein(level, word) == 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_in_any_case() {
        for yes in ["true", "True", "TRUE", "1", "yes", "Yes", "on", "On", "y", "t"] {
            assert_eq!(parse_bool(yes), Ok(true), "{yes}");
        }
        for no in ["false", "False", "0", "no", "NO", "off", "n", "F"] {
            assert_eq!(parse_bool(no), Ok(false), "{no}");
        }
        for neither in ["", "maybe", "2", "ok"] {
            assert!(parse_bool(neither).is_err(), "{neither}");
        }
    }

    #[test]
    fn a_level_that_is_misspelt_is_no_module() {
        for filter in ["info", "INFO", "info,sqlx=debug", "sqlx", "warn,events::kafka=trace", "off", "3"] {
            assert_eq!(parse_log_filter(filter), Ok(filter.to_owned()));
        }
        for (filter, meant) in [("inf", "info"), ("sqlx=info,debg", "debug"), ("Warning", "warn"), ("eror", "error")] {
            let refused = parse_log_filter(filter).unwrap_err();
            assert!(refused.ends_with(&format!("did you mean {meant}?")), "{filter}: {refused}");
        }
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("0", 0),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "s", "-1s", "1.5s", "1 y", "99999999999999999999", "9999999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert!(parse_duration_not_zero("0s").is_err());
    }

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        assert_eq!(parse_bytes("1048576"), Ok(1 << 20));
        assert_eq!(parse_bytes("1MiB"), Ok(1 << 20));
        assert!(parse_bytes("1MB").is_err());
        assert!(parse_bytes("-1").is_err());
    }

    #[test]
    fn addresses_need_a_port() {
        assert_eq!(parse_bind("localhost:8001"), Ok(SocketAddr::from(([127, 0, 0, 1], 8001))));
        assert!(parse_bind("[::1]:0").is_ok());
        for wrong in ["8001", "localhost", "example.org:80", "127.0.0.1"] {
            assert!(parse_bind(wrong).is_err(), "{wrong}");
        }
    }
}
