//! Phone numbers: kept as they were said, and in E.164 where the digits leave one reading.
//!
//! Owns a short table of countries for national numbers, and the list of assigned calling codes. Does not know which
//! numbers are in service. A ported libphonenumber was tried and left out: with the default region US it read
//! `+44 1632 960123` as `+44632960123`, and a wrong number is worse than none.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{text::line, wrong::Wrong};

const SAID_MAX: usize = 64;

/// How national numbers of a country are written. Lengths are of the national number without the trunk prefix.
struct Plan {
    country: &'static str,
    code: &'static str,
    trunk: Trunk,
    shortest: usize,
    longest: usize,
}

/// What is dialled before a national number within its country.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trunk {
    /// A `0` that is no part of the number. Without it, it is a local number whose area is not known.
    Zero,
    /// Nothing.
    None,
    /// Ten digits by the rules of North America, a `1` before them or not.
    NorthAmerica,
}

const fn plan(country: &'static str, code: &'static str, trunk: Trunk, shortest: usize, longest: usize) -> Plan {
    Plan { country, code, trunk, shortest, longest }
}

/// Lengths: ITU-T national numbering plans. Italy is missing on purpose, since its `0` belongs to the number.
const PLANS: &[Plan] = &[
    plan("US", "1", Trunk::NorthAmerica, 10, 10),
    plan("CA", "1", Trunk::NorthAmerica, 10, 10),
    plan("AT", "43", Trunk::Zero, 7, 13),
    plan("AU", "61", Trunk::Zero, 9, 9),
    plan("BE", "32", Trunk::Zero, 8, 9),
    plan("CH", "41", Trunk::Zero, 9, 9),
    plan("DE", "49", Trunk::Zero, 7, 11),
    plan("DK", "45", Trunk::None, 8, 8),
    plan("ES", "34", Trunk::None, 9, 9),
    plan("FR", "33", Trunk::Zero, 9, 9),
    plan("GB", "44", Trunk::Zero, 9, 10),
    plan("IE", "353", Trunk::Zero, 7, 9),
    plan("IN", "91", Trunk::Zero, 10, 10),
    plan("NL", "31", Trunk::Zero, 9, 9),
    plan("NO", "47", Trunk::None, 8, 8),
    plan("NZ", "64", Trunk::Zero, 8, 10),
    plan("PL", "48", Trunk::None, 9, 9),
    plan("PT", "351", Trunk::None, 9, 9),
    plan("SE", "46", Trunk::Zero, 7, 9),
    plan("ZA", "27", Trunk::Zero, 9, 9),
];

/// The assigned calling codes of more than one digit that is neither 1 nor 7 (ITU-T E.164).
const CALLING_CODES: &str = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 \
    211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 \
    254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 \
    380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 \
    679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 \
    972 973 974 975 976 977 979 992 993 994 995 996 998";

/// A country whose national numbers are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(&'static str);

impl Region {
    /// The ISO 3166 codes that are known.
    pub fn known() -> impl Iterator<Item = &'static str> {
        PLANS.iter().map(|plan| plan.country)
    }

    /// The ISO 3166 code.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    fn plan(self) -> Option<&'static Plan> {
        PLANS.iter().find(|plan| plan.country == self.0)
    }
}

impl Default for Region {
    fn default() -> Self {
        Self("US")
    }
}

/// The text names no country of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRegion;

impl fmt::Display for UnknownRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is no known region; known are {}", Region::known().collect::<Vec<_>>().join(", "))
    }
}

impl std::error::Error for UnknownRegion {}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::known().find(|country| country.eq_ignore_ascii_case(text.trim())).map(Self).ok_or(UnknownRegion)
    }
}

impl TryFrom<String> for Region {
    type Error = UnknownRegion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0.to_owned()
    }
}

/// The number as it was said, on one line.
///
/// # Errors
/// When it has fewer than three digits, or more than 64 characters.
pub fn said(text: &str) -> Result<String, Wrong> {
    let text = line(text)?;
    if text.bytes().filter(u8::is_ascii_digit).count() < 3 {
        return Err(Wrong("contains no phone number", "write its digits, or leave it out"));
    }
    if text.chars().count() > SAID_MAX {
        return Err(Wrong("is longer than 64 characters", "write only the number, or leave it out"));
    }
    Ok(text)
}

/// A number that somebody else has in E.164 already; `None` where it is not in that form.
pub fn read_e164(written: &str) -> Option<String> {
    let digits = written.trim().strip_prefix('+')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| international(digits)).flatten()
}

/// The number in E.164 (`+` and up to 15 digits) if it is international or a whole national number of the region.
pub fn e164(said: &str, region: Region) -> Option<String> {
    let text = said.replace("(0)", " ");
    let punctuation = |c: char| c.is_whitespace() || "-–.()/".contains(c);
    let dialled: String = text.chars().filter(|c| !punctuation(*c)).collect();
    let (plus, digits) = match dialled.strip_prefix('+') {
        Some(digits) => (true, digits),
        None => (false, dialled.as_str()),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let plan = region.plan()?;
    let exit = if plan.trunk == Trunk::NorthAmerica { "011" } else { "00" };
    match (plus, digits.strip_prefix(exit)) {
        (true, _) => international(digits),
        (false, Some(digits)) => international(digits),
        (false, None) => national(digits, plan),
    }
}

fn international(digits: &str) -> Option<String> {
    if !(8..=15).contains(&digits.len()) {
        return None;
    }
    if let Some(rest) = digits.strip_prefix('1') {
        return north_american(rest);
    }
    if let Some(plan) = PLANS.iter().find(|plan| digits.starts_with(plan.code)) {
        let number = digits.strip_prefix(plan.code)?;
        // A zero here is the trunk prefix dialled where it does not belong, or a slip.
        let possible = (plan.shortest..=plan.longest).contains(&number.len()) && !number.starts_with('0');
        return possible.then(|| format!("+{digits}"));
    }
    let assigned = digits.starts_with('7') || CALLING_CODES.split_whitespace().any(|code| digits.starts_with(code));
    assigned.then(|| format!("+{digits}"))
}

fn national(digits: &str, plan: &Plan) -> Option<String> {
    let number = match plan.trunk {
        Trunk::NorthAmerica if digits.len() == 11 => return north_american(digits.strip_prefix('1')?),
        Trunk::NorthAmerica => return north_american(digits),
        Trunk::Zero => digits.strip_prefix('0')?,
        Trunk::None => digits,
    };
    let possible = (plan.shortest..=plan.longest).contains(&number.len()) && !number.starts_with('0');
    possible.then(|| format!("+{}{number}", plan.code))
}

/// Area code and exchange each begin with 2 to 9.
fn north_american(digits: &str) -> Option<String> {
    let leading = |at: usize| digits.as_bytes().get(at).is_some_and(|b| (b'2'..=b'9').contains(b));
    (digits.len() == 10 && leading(0) && leading(3)).then(|| format!("+1{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str, region: &str) -> Option<String> {
        e164(said, region.parse().unwrap())
    }

    #[test]
    fn an_international_number_is_the_same_in_every_region() {
        for region in ["US", "DE", "GB", "ES"] {
            for (said, normal) in [
                ("+1 212 555 0142", "+12125550142"),
                ("+1 (415) 555-0100", "+14155550100"),
                ("+44 1632 960 123", "+441632960123"),
                ("+44 (0)1632 960123", "+441632960123"),
                ("+44 7700 900123", "+447700900123"),
                ("+49 30 23125-123", "+493023125123"),
                ("+49\u{a0}30/23125123", "+493023125123"),
                ("+86 10 1234 5678", "+861012345678"),
                ("+7 912 345-67-89", "+79123456789"),
                ("+39 06 1234 5678", "+390612345678"),
            ] {
                assert_eq!(read(said, region).as_deref(), Some(normal), "{said} in {region}");
            }
        }
        assert_eq!(read("0049 30 23125123", "GB").as_deref(), Some("+493023125123"));
        assert_eq!(read("011 44 1632 960123", "US").as_deref(), Some("+441632960123"));
    }

    #[test]
    fn a_national_number_is_read_by_the_rules_of_its_region() {
        for (said, region, normal) in [
            ("212-555-0142", "US", "+12125550142"),
            ("(212) 555.0142", "us", "+12125550142"),
            ("1-212-555-0142", "CA", "+12125550142"),
            ("2125550142", "US", "+12125550142"),
            ("01632 960123", "GB", "+441632960123"),
            ("07700 900123", "GB", "+447700900123"),
            ("030 23125123", "DE", "+493023125123"),
            ("0151/2312-5123", "DE", "+4915123125123"),
            ("91 123 45 67", "ES", "+34911234567"),
        ] {
            assert_eq!(read(said, region).as_deref(), Some(normal), "{said} in {region}");
        }
    }

    #[test]
    fn what_leaves_a_choice_has_no_e164() {
        for (said, region) in [
            ("555-1234", "US"),
            ("555-1234", "DE"),
            ("555-1234", "GB"),
            ("01632 960123", "US"),
            ("23125123", "DE"),
            ("212-055-0142", "US"),
            ("112-555-0142", "US"),
            ("212-555-0142 ext. 5", "US"),
            ("212-555-0142 or 415-555-0100", "US"),
            ("+1 212 555 01423", "US"),
            ("+999 12345678", "US"),
            ("+49 030 23125123", "DE"),
            ("+4412", "GB"),
            ("+1234567890123456", "US"),
            ("00", "DE"),
            ("+", "DE"),
            ("+49+30 23125123", "DE"),
            ("٢١٢٥٥٥٠١٤٢", "US"),
        ] {
            assert_eq!(read(said, region), None, "{said} in {region}");
        }
    }

    #[test]
    fn a_number_is_kept_as_it_was_said() {
        assert_eq!(said("555-1234"), Ok("555-1234".to_owned()));
        assert_eq!(said("(212)  555-0142 ext. 5"), Ok("(212) 555-0142 ext. 5".to_owned()));
        for bad in ["unknown", "12", "555\n1234", &"1".repeat(65)] {
            assert!(said(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_in_e164_already_is_taken_where_it_can_be_a_number() {
        assert_eq!(read_e164("+12125550142").as_deref(), Some("+12125550142"));
        for other in ["12125550142", "+1 212 555 0142", "+999", "+", "", "+1212555014a"] {
            assert_eq!(read_e164(other), None, "{other}");
        }
    }

    #[test]
    fn a_region_is_known_or_refused_with_the_list() {
        assert_eq!("gb".parse::<Region>().map(Region::as_str), Ok("GB"));
        assert!("XX".parse::<Region>().unwrap_err().to_string().contains("US, CA"));
        assert_eq!(serde_json::from_str::<Region>("\"de\"").map(Region::as_str).unwrap(), "DE");
    }
}
