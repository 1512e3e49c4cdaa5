use crate::json;

/// Dates as text, made once a second.
#[derive(Debug)]
pub(super) struct Dates {
    second: u64,
    /// `2000-10-10T13:55:36`
    rfc3339: Vec<u8>,
    /// `10/Oct/2000:13:55:36 +0000`
    clf: Vec<u8>,
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// The last second of the year 9999.
const SECOND_MAX: u64 = 253_402_300_799;

impl Dates {
    pub(super) fn new() -> Dates {
        let mut dates = Dates { second: 0, rfc3339: Vec::new(), clf: Vec::new() };
        dates.render(0);
        dates
    }

    /// RFC 3339 with milliseconds, UTC.
    pub(super) fn rfc3339(&mut self, out: &mut Vec<u8>, unix_millis: u64) {
        self.to(unix_millis);
        out.extend_from_slice(&self.rfc3339);
        let millis = unix_millis % 1000;
        out.push(b'.');
        padded(out, millis, 100);
        out.push(b'Z');
    }

    /// The date of the common log format, UTC, without brackets.
    pub(super) fn clf(&mut self, out: &mut Vec<u8>, unix_millis: u64) {
        self.to(unix_millis);
        out.extend_from_slice(&self.clf);
    }

    fn to(&mut self, unix_millis: u64) {
        let second = (unix_millis / 1000).min(SECOND_MAX);
        if second != self.second {
            self.render(second);
        }
    }

    fn render(&mut self, second: u64) {
        self.second = second;
        let (year, month, day) = civil(second / 86_400);
        let time = [second / 3600 % 24, second / 60 % 60, second % 60];

        self.rfc3339.clear();
        padded(&mut self.rfc3339, year, 1000);
        self.rfc3339.push(b'-');
        padded(&mut self.rfc3339, month, 10);
        self.rfc3339.push(b'-');
        padded(&mut self.rfc3339, day, 10);
        for (part, before) in time.into_iter().zip(*b"T::") {
            self.rfc3339.push(before);
            padded(&mut self.rfc3339, part, 10);
        }

        self.clf.clear();
        padded(&mut self.clf, day, 10);
        self.clf.push(b'/');
        self.clf.extend_from_slice(MONTHS[(month - 1) as usize]);
        self.clf.push(b'/');
        json::number(&mut self.clf, year);
        for part in time {
            self.clf.push(b':');
            padded(&mut self.clf, part, 10);
        }
        self.clf.extend_from_slice(b" +0000");
    }
}

/// A number with leading zeros; `unit` is the value of its first digit.
fn padded(out: &mut Vec<u8>, value: u64, mut unit: u64) {
    while unit > 0 {
        // A digit is below 10.
        out.push(b'0' + (value / unit % 10) as u8);
        unit /= 10;
    }
}

/// Year, month (1 to 12) and day of the Gregorian calendar from days since 1970. Years begin in
/// March here, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since the first of March of the year 0
    let era = days / 146_097; // of 400 years
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(unix_millis: u64) -> (String, String) {
        let mut dates = Dates::new();
        let (mut rfc, mut clf) = (Vec::new(), Vec::new());
        dates.rfc3339(&mut rfc, unix_millis);
        dates.clf(&mut clf, unix_millis);
        (String::from_utf8(rfc).unwrap(), String::from_utf8(clf).unwrap())
    }

    #[test]
    fn dates_are_right_at_the_edges() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
            (971_186_136_007, "2000-10-10T13:55:36.007Z", "10/Oct/2000:13:55:36 +0000"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z", "29/Feb/2000:00:00:00 +0000"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z", "31/Dec/2024:23:59:59 +0000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z", "01/Mar/2100:00:00:00 +0000"),
            (u64::MAX, "9999-12-31T23:59:59.615Z", "31/Dec/9999:23:59:59 +0000"),
        ];
        for (millis, rfc, clf) in cases {
            assert_eq!(both(millis), (rfc.to_owned(), clf.to_owned()));
        }
    }
}
