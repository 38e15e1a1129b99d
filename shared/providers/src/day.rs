//! Timestamps to accounting days, fast: a zone's offset changes only at whole quarters of an hour, so the day of
//! the last timestamp serves all others of the same quarter.

use chrono::{NaiveDate, NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;

/// Reads timestamps of one zone as days of another.
#[derive(Debug)]
pub struct Days {
    from: Tz,
    to: Tz,
    last: Option<(Quarter, NaiveDate)>,
}

/// `YYYY-MM-DD HH:MM`: what of a timestamp decides its day.
const DECISIVE: usize = 16;

/// Clocks of all zones differ, and change, by whole quarters of an hour.
const QUARTER: u32 = 15;

/// The quarter of an hour that a timestamp lies in: the text up to `HH:`, and which of four.
type Quarter = ([u8; 14], u32);

impl Days {
    /// Timestamps in `from` become days in `to`.
    pub fn new(from: Tz, to: Tz) -> Days {
        Days { from, to, last: None }
    }

    /// The day of `YYYY-MM-DD HH:MM:SS` (a `T` instead of the blank is allowed). A local time that a change of
    /// clocks skips is read as the moment after the gap; one that comes twice as the first, so that the same text
    /// always gives the same day.
    ///
    /// `None` if the text is no such timestamp.
    pub fn day(&mut self, text: &str) -> Option<NaiveDate> {
        let (decisive, rest) = text.as_bytes().split_first_chunk::<DECISIVE>()?;
        let [hour @ .., tens, ones] = *decisive;
        let minute = number(&[tens, ones])?;
        if !seconds(rest) || minute > 59 {
            return None;
        }
        let quarter = (hour, minute / QUARTER);
        if let Some((known, day)) = &self.last
            && *known == quarter
        {
            return Some(*day);
        }
        let mut instant = self.from.from_local_datetime(&local(&hour, minute)?).earliest();
        if instant.is_none() {
            let after_gap = local(&hour, minute)?.checked_add_signed(chrono::Duration::hours(1))?;
            instant = self.from.from_local_datetime(&after_gap).earliest();
        }
        let day = instant?.with_timezone(&self.to).date_naive();
        self.last = Some((quarter, day));
        Some(day)
    }
}

/// The local time of `YYYY-MM-DD HH:` and a minute.
fn local(hour: &[u8; 14], minute: u32) -> Option<NaiveDateTime> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', h1, h2, b':'] = *hour else {
        return None;
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    date.and_hms_opt(number(&[h1, h2])?, minute, 0)
}

/// A number of digits only.
fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

/// `:SS` with an optional fraction, an optional `Z`; nothing is also allowed.
fn seconds(rest: &[u8]) -> bool {
    let rest = rest.strip_suffix(b"Z").unwrap_or(rest);
    match rest {
        [] => true,
        [b':', tens, ones] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        [b':', tens, ones, b'.', fraction @ ..] => {
            tens.is_ascii_digit()
                && ones.is_ascii_digit()
                && !fraction.is_empty()
                && fraction.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn day(text: &str) -> String {
        Days::new(Tz::UTC, Tz::Europe__Oslo).day(text).unwrap().to_string()
    }

    #[test]
    fn fault_102_utc_timestamps_become_days_of_the_company_zone() {
        assert_eq!(day("2025-12-31 22:59:59"), "2025-12-31");
        assert_eq!(day("2025-12-31 23:00:00"), "2026-01-01");
        assert_eq!(day("2024-02-28 23:30:00"), "2024-02-29");
        // The 23-hour day (29 March 2026) begins at 23:00 UTC, the day after it at 22:00 UTC.
        assert_eq!(day("2026-03-28 23:00:00"), "2026-03-29");
        assert_eq!(day("2026-03-29 21:59:59"), "2026-03-29");
        assert_eq!(day("2026-03-29 22:00:00"), "2026-03-30");
        // The 25-hour day (25 October 2026) begins at 22:00 UTC and ends at 23:00 UTC.
        assert_eq!(day("2026-10-24 22:00:00"), "2026-10-25");
        assert_eq!(day("2026-10-25 22:59:59"), "2026-10-25");
        assert_eq!(day("2026-10-25 23:00:00"), "2026-10-26");
    }

    #[test]
    fn local_times_in_a_gap_or_a_fold_have_one_day() {
        let mut days = Days::new(Tz::Europe__Oslo, Tz::UTC);
        assert_eq!(days.day("2026-03-29 02:30:00").unwrap().to_string(), "2026-03-29");
        assert_eq!(days.day("2026-10-25 02:30:00").unwrap().to_string(), "2026-10-25");
    }

    #[test]
    fn midnight_falls_within_an_hour_where_clocks_differ_by_quarters() {
        let mut days = Days::new(Tz::UTC, Tz::Asia__Kathmandu);
        assert_eq!(days.day("2026-05-01T18:14:59Z").unwrap().to_string(), "2026-05-01");
        assert_eq!(days.day("2026-05-01T18:15:00Z").unwrap().to_string(), "2026-05-02");
    }

    #[test]
    fn texts_that_are_no_timestamps_have_no_day() {
        for text in [
            "",
            "2026-01-01",
            "2026-13-01 00:00:00",
            "2026-02-30 10:00:00",
            "01.02.2026 10:00",
            "2026-01-01 10:00:0x",
            "2026-01-01 10:60:00",
            "2026-01-01 24:00:00",
            "+026-01-01 10:00:00",
            "2026-01-01-10:00:00",
        ] {
            assert_eq!(Days::new(Tz::UTC, Tz::UTC).day(text), None, "{text}");
        }
    }
}
