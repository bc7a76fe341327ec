//! Dates and times as an AI writes them, as real days and minutes.
//!
//! Promises: a text has one reading or none. Years have four digits, so that nobody is born a century off. Knows nothing
//! of zones: a practice's wall clock is meant.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::fields::Wrong;

/// How a date with slashes is read when both ways would be real.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// `01/15/1985`
    #[default]
    MonthFirst,
    /// `15/01/1985`
    DayFirst,
}

const FORM: Wrong = Wrong("is no date in a known form", "write it as YYYY-MM-DD");
const UNREAL: Wrong = Wrong("is no day of the calendar", "ask for the right day and write it as YYYY-MM-DD");
const TIME_FORM: Wrong = Wrong("is no time in a known form", "write it as HH:MM, from 00:00 to 23:59");

/// `2027-01-15`, `01/15/2027` by `order` (the other way where only that can be meant), `15.01.2027`.
pub(super) fn date(text: &str, order: DateOrder) -> Result<NaiveDate, Wrong> {
    let (year, month, day) = if let Some([year, month, day]) = parts(text, '-') {
        (number(year, 4, 4)?, number(month, 1, 2)?, number(day, 1, 2)?)
    } else if let Some([day, month, year]) = parts(text, '.') {
        (number(year, 4, 4)?, number(month, 1, 2)?, number(day, 1, 2)?)
    } else if let Some([first, second, year]) = parts(text, '/') {
        let (first, second) = (number(first, 1, 2)?, number(second, 1, 2)?);
        let day_first = match order {
            DateOrder::MonthFirst => first > 12 && second <= 12,
            DateOrder::DayFirst => !(second > 12 && first <= 12),
        };
        let (month, day) = if day_first { (second, first) } else { (first, second) };
        (number(year, 4, 4)?, month, day)
    } else {
        return Err(FORM);
    };
    i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day)).ok_or(UNREAL)
}

/// `9:30`, `14:30:00`, `2:30 PM`, `2 p.m.`, to the minute.
pub(super) fn time(text: &str) -> Result<NaiveTime, Wrong> {
    let compact: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '.').collect::<String>().to_ascii_lowercase();
    let (clock, afternoon) = match (compact.strip_suffix("am"), compact.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(false)),
        (_, Some(clock)) => (clock, Some(true)),
        _ => (compact.as_str(), None),
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next().unwrap_or_default(), 1, 2).map_err(|_| TIME_FORM)?;
    let minute = match parts.next() {
        Some(minute) => number(minute, 2, 2).map_err(|_| TIME_FORM)?,
        None if afternoon.is_some() => 0,
        None => return Err(TIME_FORM),
    };
    let second = parts.next().map_or(Ok(0), |second| number(second, 2, 2)).map_err(|_| TIME_FORM)?;
    let hour = match afternoon {
        None => hour,
        Some(afternoon) if (1..=12).contains(&hour) => hour % 12 + if afternoon { 12 } else { 0 },
        Some(_) => return Err(TIME_FORM),
    };
    if parts.next().is_some() || second > 59 {
        return Err(TIME_FORM);
    }
    NaiveTime::from_hms_opt(hour, minute, 0).ok_or(TIME_FORM)
}

fn parts(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = text.split(separator).map(str::trim);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn number(text: &str, shortest: usize, longest: usize) -> Result<u32, Wrong> {
    let digits = (shortest..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().map_err(|_| FORM) } else { Err(FORM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_each_of_its_forms() {
        for (text, iso) in [
            ("01/15/1985", "1985-01-15"),
            ("1/5/1985", "1985-01-05"),
            ("03/04/1985", "1985-03-04"),
            ("15/01/1985", "1985-01-15"),
            ("15.01.1985", "1985-01-15"),
            ("5. 1. 1985", "1985-01-05"),
            ("1985-01-15", "1985-01-15"),
            ("2024-02-29", "2024-02-29"),
        ] {
            assert_eq!(date(text, DateOrder::MonthFirst).map(|d| d.to_string()), Ok(iso.to_owned()), "{text}");
        }
        for (text, iso) in [("03/04/1985", "1985-04-03"), ("01/15/1985", "1985-01-15"), ("31/12/1985", "1985-12-31")] {
            assert_eq!(date(text, DateOrder::DayFirst).map(|d| d.to_string()), Ok(iso.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_date_without_one_reading_is_refused() {
        for unreal in ["02/31/1990", "31.02.1990", "2023-02-29", "13/13/1990", "00/10/1990", "1990-00-01", "0000-13-01"]
        {
            assert_eq!(date(unreal, DateOrder::MonthFirst), Err(UNREAL), "{unreal}");
        }
        for unknown in [
            "",
            "01/15/85",
            "15 Jan 1985",
            "1985/01/15",
            "1985-01-15T00:00:00",
            "01-15-1985",
            "1/1/1/1990",
            "٠١/١٥/١٩٨٥",
            "+1/+1/1990",
        ] {
            assert_eq!(date(unknown, DateOrder::MonthFirst), Err(FORM), "{unknown}");
        }
    }

    #[test]
    fn a_time_is_read_in_each_of_its_forms() {
        for (text, normal) in [
            ("10:00", "10:00"),
            ("9:30", "09:30"),
            ("14:30:00", "14:30"),
            ("2:30 PM", "14:30"),
            ("2:30\u{202f}pm", "14:30"),
            ("02:30 p.m.", "14:30"),
            ("2 PM", "14:00"),
            ("12:00 AM", "00:00"),
            ("12:15 pm", "12:15"),
            ("00:00", "00:00"),
            ("23:59", "23:59"),
        ] {
            assert_eq!(time(text).map(|t| t.format("%H:%M").to_string()), Ok(normal.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        for bad in [
            "25:00",
            "24:00",
            "10:60",
            "10:5",
            "10",
            "14:30 PM",
            "0:30 AM",
            "10:00:60",
            "10:00:00:00",
            "noon",
            "",
            "am",
            "-1:00",
            "10h30",
        ] {
            assert_eq!(time(bad), Err(TIME_FORM), "{bad}");
        }
    }
}
