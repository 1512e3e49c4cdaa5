//! Days and times of day from seconds since 1970, in UTC.

/// Names of days, from Sunday on.
pub(crate) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Names of months.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The last second of the year 9999.
const SECOND_MAX: u64 = 253_402_300_799;

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Civil {
    pub(crate) year: u64,
    /// From 1.
    pub(crate) month: u64,
    /// From 1.
    pub(crate) day: u64,
    /// From 0: Sunday.
    pub(crate) weekday: u64,
    /// From 1.
    pub(crate) of_year: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

impl Civil {
    /// The moment that many seconds after 1970 began; the last of the year 9999 for later ones.
    pub(crate) fn of(seconds: u64) -> Civil {
        let seconds = seconds.min(SECOND_MAX);
        let (days, time) = (seconds / 86_400, seconds % 86_400);
        // Counted from the first of March of the year 0, so that leap days come last.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let since_march = of_era - (365 * years + years / 4 - years / 100);
        let from_march = (5 * since_march + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + years + u64::from(month <= 2);
        let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        Civil {
            year,
            month,
            day: since_march - (153 * from_march + 2) / 5 + 1,
            weekday: (days + 4) % 7,
            of_year: match month {
                1 | 2 => since_march - 305,
                _ => since_march + 60 + u64::from(is_leap),
            },
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
        }
    }

    /// The name of the day.
    pub(crate) fn day_name(&self) -> &'static str {
        DAYS.get(self.weekday as usize).unwrap_or(&"")
    }

    /// The name of the month.
    pub(crate) fn month_name(&self) -> &'static str {
        MONTHS.get(self.month as usize - 1).unwrap_or(&"")
    }
}

/// The first three letters of a name.
pub(crate) fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted() {
        for (seconds, year, month, day, weekday, of_year) in [
            (0, 1970, 1, 1, 4, 1),
            (951_782_400, 2000, 2, 29, 2, 60),
            (951_868_800, 2000, 3, 1, 3, 61),
            (1_735_603_200, 2024, 12, 31, 2, 366),
            (1_767_139_200, 2025, 12, 31, 3, 365),
            (u64::MAX, 9999, 12, 31, 5, 365),
        ] {
            let civil = Civil::of(seconds);
            let got = (civil.year, civil.month, civil.day, civil.weekday, civil.of_year);
            assert_eq!(got, (year, month, day, weekday, of_year), "{seconds}");
        }
    }
}
