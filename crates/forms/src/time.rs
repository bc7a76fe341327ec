//! Times of day as an AI writes them, to the minute.
//!
//! Promises: a text has one reading or none. There is no `24:00` and no leap second: an appointment begins on a minute that
//! every clock shows. Knows nothing of zones: the practice's wall clock is meant.

use chrono::NaiveTime;

use crate::{text, wrong::Wrong};

const FORM: Wrong = Wrong("is no time in a known form", "write it as HH:MM, from 00:00 to 23:59");

const MORNING: [&str; 4] = ["a.m.", "a.m", "am.", "am"];
const AFTERNOON: [&str; 4] = ["p.m.", "p.m", "pm.", "pm"];

/// `9:30`, `14:30:00`, `14:30:00.000`, `2:30 PM`, `2 p.m.`
///
/// # Errors
/// When it is none.
pub fn time(said: &str) -> Result<NaiveTime, Wrong> {
    let text = text::line(said)?.to_ascii_lowercase();
    let joined = text.replace(". ", ".");
    let half = |names: [&str; 4]| names.iter().find_map(|name| joined.strip_suffix(name)).map(str::trim_end);
    let (clock, afternoon) = match (half(MORNING), half(AFTERNOON)) {
        (Some(clock), _) => (clock, Some(false)),
        (_, Some(clock)) => (clock, Some(true)),
        _ => (joined.as_str(), None),
    };
    let mut parts = clock.split(':').map(str::trim);
    let hour = number(parts.next().unwrap_or_default(), 1)?;
    let minute = match parts.next() {
        Some(minute) => number(minute, 2)?,
        None if afternoon.is_some() => 0,
        None => return Err(FORM),
    };
    let second = parts.next().map_or(Ok(0), second)?;
    let hour = match afternoon {
        None => hour,
        Some(afternoon) if (1..=12).contains(&hour) => hour % 12 + if afternoon { 12 } else { 0 },
        Some(_) => return Err(FORM),
    };
    if parts.next().is_some() || second > 59 {
        return Err(FORM);
    }
    NaiveTime::from_hms_opt(hour, minute, 0).ok_or(FORM)
}

/// Computers write a fraction, which is dropped with the second.
fn second(text: &str) -> Result<u32, Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if digits { number(whole, 2) } else { Err(FORM) }
}

/// One or two digits.
fn number(text: &str, shortest: usize) -> Result<u32, Wrong> {
    let digits = (shortest..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().map_err(|_| FORM) } else { Err(FORM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_each_of_its_forms() {
        for (text, normal) in [
            ("10:00", "10:00"),
            ("9:30", "09:30"),
            ("14:30:00", "14:30"),
            ("14:30:59.999", "14:30"),
            ("2:30 PM", "14:30"),
            ("2:30\u{202f}pm", "14:30"),
            ("02:30 p.m.", "14:30"),
            ("2:30 p. m.", "14:30"),
            ("2 PM", "14:00"),
            ("2pm", "14:00"),
            ("12:00 AM", "00:00"),
            ("12:15 pm", "12:15"),
            ("00:00", "00:00"),
            ("23:59", "23:59"),
            ("１０：３０", "10:30"),
        ] {
            assert_eq!(time(text).map(|t| t.format("%H:%M").to_string()), Ok(normal.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        for bad in [
            "25:00",
            "24:00",
            "24:00:00",
            "10:60",
            "10:5",
            "10",
            "14:30 PM",
            "0:30 AM",
            "13 pm",
            "10:00:60",
            "23:59:60",
            "10:00:00:00",
            "10:00:00.",
            "10:00.5",
            "1.0 PM",
            "1.5 pm",
            "2. pm",
            "1.30 pm",
            "1,0 PM",
            "1 0:00",
            "noon",
            "",
            "am",
            "pm",
            "-1:00",
            "+1:00",
            "10h30",
            "10:00Z",
            "10:00+02:00",
            "2 PM PM",
            "2 am pm",
        ] {
            assert_eq!(time(bad), Err(FORM), "{bad}");
        }
    }
}
