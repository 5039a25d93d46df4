//! Moments and calendar months, always UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds of one hour.
pub const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MS_MAX: i64 = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z

/// A text or number that is no moment between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time between 1970 and 9999 in RFC 3339 form")]
pub struct InvalidTimestamp;

/// A moment in milliseconds since 1970-01-01T00:00:00Z. Shown as ISO-8601 UTC with milliseconds and `Z` (D11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Builds a moment from milliseconds, clamped to the years 1970 to 9999.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(if ms < 0 {
            0
        } else if ms > MS_MAX {
            MS_MAX
        } else {
            ms
        })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Whole hours since 1970.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0 / HOUR_MS
    }

    /// The moment `days` times 24 hours earlier.
    #[must_use]
    pub const fn minus_days(self, days: i64) -> Self {
        Self::from_ms(self.0 - days * DAY_MS)
    }

    /// The moment `days` times 24 hours later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self::from_ms(self.0 + days * DAY_MS)
    }

    /// The moment `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0 + ms)
    }

    /// 00:00Z of the same UTC day.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        Self(self.0 - self.0 % DAY_MS)
    }

    /// The next full UTC hour after this moment.
    #[must_use]
    pub const fn next_hour(self) -> Self {
        Self::from_ms((self.hour() + 1) * HOUR_MS)
    }

    /// The UTC calendar month of this moment.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.utc();
        let year = u32::try_from(date.year()).expect("clamped to the years 1970 to 9999");
        Month(year * 12 + u32::from(u8::from(date.month())) - 1)
    }

    /// The last moment of the same UTC calendar month, rounded down to a day: days left after today.
    #[must_use]
    pub fn days_left_in_month(self) -> i64 {
        let date = self.utc();
        i64::from(date.month().length(date.year())) - i64::from(date.day())
    }

    /// The UTC day as `YYYY-MM-DD`.
    #[must_use]
    pub fn iso_date(self) -> String {
        let date = self.utc();
        format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
    }

    /// The UTC day as `M/D/YYYY`, whatever the server's locale is.
    #[must_use]
    pub fn us_date(self) -> String {
        let date = self.utc();
        format!("{}/{}/{}", u8::from(date.month()), date.day(), date.year())
    }

    fn utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).expect("clamped to the years 1970 to 9999")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.utc();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    /// Reads RFC 3339; fractions below a millisecond are cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
        match i64::try_from(ms) {
            Ok(ms) if (0..=MS_MAX).contains(&ms) => Ok(Self(ms)),
            _ => Err(InvalidTimestamp),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A UTC calendar month, shown as `yyyy-mm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u32);

impl Month {
    /// The month `index` months after January of year 0.
    #[must_use]
    pub const fn from_index(index: u32) -> Self {
        Self(index)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

impl FromStr for Month {
    type Err = InvalidTimestamp;
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
        match text.split_once('-') {
            Some((year, month)) if year.len() == 4 && month.len() == 2 => match (digits(year), digits(month)) {
                (Some(year @ 1970..), Some(month @ 1..=12)) => Ok(Self(year * 12 + month - 1)),
                _ => Err(InvalidTimestamp),
            },
            _ => Err(InvalidTimestamp),
        }
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        for (given, shown) in [
            ("2026-03-04T10:15:02.12Z", "2026-03-04T10:15:02.120Z"),
            ("2026-03-04T10:15:02+02:00", "2026-03-04T08:15:02.000Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), shown);
        }
        for bad in ["", "yesterday", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "2026-03-04", "2026-03-04T10:15:02"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn days_are_those_of_utc() {
        let at = "2026-03-04T23:30:00-02:00".parse::<Timestamp>().unwrap();
        assert_eq!((at.iso_date().as_str(), at.us_date().as_str()), ("2026-03-05", "3/5/2026"));
    }

    #[test]
    fn months_follow_the_utc_calendar() {
        let last = "2026-02-28T23:59:59.999Z".parse::<Timestamp>().unwrap();
        assert_eq!(last.month().to_string(), "2026-02");
        assert_eq!(last.plus_ms(1).month().to_string(), "2026-03");
        assert_eq!((last.days_left_in_month(), last.plus_ms(1).days_left_in_month()), (0, 30));
        for month in ["1970-01", "2026-12", "5462-01", "9999-12"] {
            assert_eq!(month.parse::<Month>().unwrap().to_string(), month);
            assert_eq!(format!("{month}-01T00:00:00Z").parse::<Timestamp>().unwrap().month().to_string(), month);
        }
        for bad in ["2026-13", "2026-00", "26-01", "2026-1", "2026-+1", "x"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
