//! When people buy: days of sales, weekends, nights, in Japan's time.
//!
//! Sources: the marketplaces' own calendars of sales (days with 5 and 0, a marathon of some days each month, four super sales a
//! year, the end of the year); the hours are those of any shop on the Internet.

use super::chance::{Chance, Shares};
use crate::mail::Timestamp;

pub(super) const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// How far Japan is ahead of UTC.
const JAPAN_MS: i64 = 9 * HOUR_MS;

/// Shares of the hours of a day in Japan, from midnight on.
const HOURS: [u64; 24] =
    [40, 22, 12, 8, 7, 9, 18, 32, 44, 55, 62, 64, 78, 66, 58, 56, 58, 62, 66, 74, 96, 112, 110, 76];
/// The same on the first evening of a sale, which begins at eight.
const SALE_HOURS: [u64; 24] =
    [60, 30, 16, 10, 9, 10, 18, 32, 44, 52, 56, 58, 70, 60, 52, 50, 52, 56, 60, 70, 420, 230, 170, 190];

/// A day, in days since 1970 in Japan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day(pub i64);

impl Day {
    pub fn of(at: Timestamp) -> Self {
        Self((at.as_millis() + JAPAN_MS).div_euclid(DAY_MS))
    }

    /// When it begins, in milliseconds since 1970 in UTC.
    pub fn begins(self) -> i64 {
        self.0 * DAY_MS - JAPAN_MS
    }

    fn date(self) -> (u8, u8, u8) {
        let seconds = self.0.saturating_mul(86_400);
        let date =
            time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        (u8::from(date.month()), date.day(), date.weekday().number_days_from_monday())
    }

    /// Whether a sale begins in the evening.
    pub fn is_first_of_sale(self) -> bool {
        let (month, day, _) = self.date();
        day == 4 || (matches!(month, 3 | 6 | 9 | 12) && day == 1)
    }

    /// How much happens, of 100 on a plain day.
    pub fn weight(self) -> u64 {
        let (month, day, weekday) = self.date();
        let weekend = if weekday >= 5 { 118 } else { 100 };
        let sale = match (month, day) {
            (3 | 6 | 9 | 12, 1..=7) => 260,
            (_, 4..=9) => 170,
            (_, day) if day % 5 == 0 => 145,
            _ => 100,
        };
        let season = match (month, day) {
            (12, 10..=27) => 130,
            (1, 1..=3) => 60,
            (8, 11..=16) => 85,
            _ => 100,
        };
        weekend * sale * season / 10_000
    }

    /// The shares of its hours.
    pub fn hours(self) -> Shares {
        Shares::of(if self.is_first_of_sale() { SALE_HOURS } else { HOURS })
    }

    /// A time of the day, in milliseconds since 1970.
    pub fn time(self, hours: &Shares, chance: &mut Chance) -> i64 {
        let hour = i64::try_from(hours.draw(chance)).unwrap_or(0);
        self.begins() + hour * HOUR_MS + chance.ms(HOUR_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_japan_and_sales_weigh_more() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let day = Day::of(at("2026-06-03T15:00:00Z"));
        assert_eq!(day.begins(), at("2026-06-03T15:00:00Z").as_millis());
        assert_eq!(Day::of(at("2026-06-04T14:59:59Z")), day);
        assert!(day.is_first_of_sale() && day.weight() > 2 * Day(day.0 + 8).weight());
    }
}
