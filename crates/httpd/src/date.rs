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

/// A date as HTTP writes it today, of one of the forms of old (RFC 9110 section 5.6.7); `None` when
/// it is neither.
pub(crate) fn modern(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split([' ', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match words[..] {
        [_, month, day, time, year] if !text.contains(',') => (day, month, number(year)?, time),
        [_, day, month, year, time, "GMT"] if text.contains('-') => {
            let year = number(year)?;
            // Of two digits, what is before 70 was after 2000.
            let century = if year >= 100 { 0 } else { 1900 + 100 * u64::from(year < 70) };
            (day, month, year + century, time)
        }
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| short(name).eq_ignore_ascii_case(month))?;
    let (year, month, day) = (year, month as u64 + 1, number(day)?);
    let mut parts = time.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let seconds = days_before(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let at = Civil::of(seconds);
    let is_it = (at.year, at.month, at.day, at.hour) == (year, month, day, hour);
    let (weekday, month) = (short(at.day_name()), short(at.month_name()));
    is_it.then(|| {
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    })
}

fn number(text: &str) -> Option<u64> {
    let is_one = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_one)
}

/// Days from 1970 to that day.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    // Counted from the first of March, so that leap days come last.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_old_are_read() {
        for (text, expected) in [
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            ("Sun Nov  6 08:49:37 1994", Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            ("Thu Feb 29 00:00:00 2024", Some("Thu, 29 Feb 2024 00:00:00 GMT")),
            ("Saturday, 01-Jan-00 00:00:00 GMT", Some("Sat, 01 Jan 2000 00:00:00 GMT")),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun Nov 31 08:49:37 1994", None),
            ("0", None),
            ("junk", None),
        ] {
            assert_eq!(modern(text).as_deref(), expected, "{text}");
        }
    }

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
