//! Days as an AI writes them.
//!
//! Promises: a text has one reading or none. Years have four digits, so that nobody is born a century off.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{text, wrong::Wrong};

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

/// The text names no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownDateOrder;

impl fmt::Display for UnknownDateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no known order; known are month-first, day-first")
    }
}

impl std::error::Error for UnknownDateOrder {}

impl FromStr for DateOrder {
    type Err = UnknownDateOrder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "month-first" => Ok(Self::MonthFirst),
            "day-first" => Ok(Self::DayFirst),
            _ => Err(UnknownDateOrder),
        }
    }
}

const FORM: Wrong = Wrong("is no date in a known form", "write it as YYYY-MM-DD");
const UNREAL: Wrong = Wrong("is no day of the calendar", "ask for the right day and write it as YYYY-MM-DD");
/// Nobody who calls was born earlier.
const EARLIEST_BIRTH: i32 = 1900;
/// The years of appointments. What is further away is a slip, and four digits are what every reader of events takes.
const APPOINTMENTS: RangeInclusive<i32> = 2000..=2099;

/// `2027-01-15`, `01/15/2027` by `order` (the other way where only that can be meant), `15.01.2027`.
///
/// # Errors
/// When it is no day of the calendar, which has no year 0, or in no such form.
pub fn date(said: &str, order: DateOrder) -> Result<NaiveDate, Wrong> {
    let text = text::line(said)?;
    let (year, month, day) = if let Some([year, month, day]) = parts(&text, '-') {
        (number(year, 4, 4)?, number(month, 1, 2)?, number(day, 1, 2)?)
    } else if let Some([day, month, year]) = parts(&text, '.') {
        (number(year, 4, 4)?, number(month, 1, 2)?, number(day, 1, 2)?)
    } else if let Some([first, second, year]) = parts(&text, '/') {
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
    i32::try_from(year)
        .ok()
        .filter(|year| *year > 0)
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .ok_or(UNREAL)
}

/// A day of birth: from 1900 to today.
///
/// # Errors
/// When it is none.
pub fn birth(said: &str, order: DateOrder, today: NaiveDate) -> Result<NaiveDate, Wrong> {
    let date = date(said, order)?;
    if date > today {
        return Err(Wrong("is in the future", "ask for the right date of birth"));
    }
    if date.year() < EARLIEST_BIRTH {
        return Err(Wrong("is before 1900", "ask for the right date of birth"));
    }
    Ok(date)
}

/// The day of an appointment: in this century.
///
/// # Errors
/// When it is none.
pub fn appointment(said: &str, order: DateOrder) -> Result<NaiveDate, Wrong> {
    let date = date(said, order)?;
    if !APPOINTMENTS.contains(&date.year()) {
        return Err(Wrong("is not in the years 2000 to 2099", "ask for the right day"));
    }
    Ok(date)
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
        for unreal in [
            "02/31/1990",
            "31.02.1990",
            "2023-02-29",
            "13/13/1990",
            "00/10/1990",
            "1990-00-01",
            "0000-13-01",
            "0000-01-01",
        ] {
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
    fn a_year_that_cannot_be_is_refused() {
        let today = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let born = |text: &str| birth(text, DateOrder::MonthFirst, today).map_err(|Wrong(problem, _)| problem);
        assert!(born("2026-12-01").is_ok() && born("01/01/1900").is_ok());
        assert_eq!(born("2026-12-02"), Err("is in the future"));
        assert_eq!(born("12/31/1899"), Err("is before 1900"));
        let booked = |text: &str| appointment(text, DateOrder::MonthFirst);
        assert!(booked("2000-01-01").is_ok() && booked("2099-12-31").is_ok());
        for year in ["0000", "0001", "0202", "1999", "2100", "9999"] {
            assert!(booked(&format!("{year}-01-01")).is_err(), "{year}");
        }
        assert!(booked("12027-01-01").is_err() && booked("-2027-01-01").is_err());
    }

    #[test]
    fn an_order_is_known_by_its_name() {
        assert_eq!("Day-First".parse(), Ok(DateOrder::DayFirst));
        assert!("dmy".parse::<DateOrder>().unwrap_err().to_string().contains("month-first"));
    }
}
