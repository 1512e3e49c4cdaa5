//! How texts, sizes, numbers and times are written.

use std::fmt::{self, Display, Formatter, Write};

/// A text between tags or in double quotes, in HTML and XML. ASCII only comes out, so that the
/// page's charset does not matter.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

/// The same in single quotes. (Outside, httpd leaves single quotes alone, and so do we.)
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| escape(out, c))
    }
}

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\'' => out.write_str("&#39;"),
            c => escape(out, c),
        })
    }
}

fn escape(out: &mut Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '&' => out.write_str("&amp;"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '"' => out.write_str("&quot;"),
        ' '..='~' => out.write_char(c),
        // XML has no way to write these: the replacement character stands for them.
        '\u{fffe}' | '\u{ffff}' => out.write_str("&#65533;"),
        c if c.is_control() => out.write_str("&#65533;"),
        c => write!(out, "&#{};", u32::from(c)),
    }
}

/// A path or URL as httpd escapes it, before it goes into an attribute.
pub(crate) fn uri(text: &str) -> String {
    escape_bytes(text, "$-_.+!*'(),:;@&=/~", "%25")
}

/// The value of a parameter in a link: as [`uri`], and so that decoding it twice, as this page
/// does, gives back what it was.
pub(crate) fn parameter(text: &str) -> String {
    escape_bytes(text, "$-_.!*'(),:;@=/~", "%2525")
}

fn escape_bytes(text: &str, kept: &str, percent: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || kept.contains(c) {
            escaped.push(c);
        } else if c == '%' {
            escaped.push_str(percent);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

/// Hundredths with two decimals.
pub(crate) fn factor(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// `On` or `Off`.
pub(crate) fn on_off(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

/// A size in four characters: `  0 `, `1.5K`, ` 12M`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 973 {
        return format!("{bytes:3} ");
    }
    let mut size = bytes;
    for unit in ['K', 'M', 'G', 'T', 'P', 'E'] {
        let rest = size & 1023;
        size >>= 10;
        if size >= 973 {
            continue;
        }
        if size < 9 || (size == 9 && rest < 973) {
            let tenths = (rest * 5 + 256) / 512;
            return match tenths {
                10.. => format!("{}.0{unit}", size + 1),
                _ => format!("{size}.{tenths}{unit}"),
            };
        }
        return format!("{:3}{unit}", size + u64::from(rest >= 512));
    }
    // Not reached: 2^64 bytes are 16 E.
    "****".to_owned()
}

/// A size in a sentence: `7 B`, `5.0 kB`.
pub(crate) fn size_in_words(bytes: f64) -> String {
    const K: f64 = 1024.0;
    match bytes {
        b if b < 5.0 * K => format!("{} B", b as u64),
        b if b < K * K / 2.0 => format!("{:.1} kB", b / K),
        b if b < K * K * K / 2.0 => format!("{:.1} MB", b / K / K),
        b => format!("{:.1} GB", b / K / K / K),
    }
}

/// Kilobytes in a sentence: `7 kB`, `5.0 MB`.
pub(crate) fn kilobytes_in_words(kilobytes: u64) -> String {
    match kilobytes {
        k @ 0..1024 => format!("{k} kB"),
        k @ 1024..1_048_576 => format!("{:.1} MB", k as f64 / 1024.0),
        k => format!("{:.1} GB", k as f64 / 1_048_576.0),
    }
}

/// A number with that many digits, without zeros at its ends: `.166667`, `4778.67`, `4096`.
pub(crate) fn number(value: f64, precision: usize) -> String {
    if !value.is_finite() || value <= 0.0 || precision == 0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match all.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if point < -3 || point - count > 4 {
        let (first, rest) = digits.split_at(1);
        let (sign, power) = if point < 1 { ('-', 1 - point) } else { ('+', point - 1) };
        return format!("{first}.{rest}e{sign}{power:02}");
    }
    if point <= 0 {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return format!(".{zeros}{digits}");
    }
    let point = point.unsigned_abs() as usize;
    match digits.len() <= point {
        true => format!("{digits}{}", "0".repeat(point - digits.len())),
        false => format!("{}.{}", &digits[..point], &digits[point..]),
    }
}

/// How long: ` 1 day 2 hours 3 seconds`, with a blank before each part; nothing for 0.
pub(crate) fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "day"),
        (seconds / 3_600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let mut text = String::new();
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
        let plural = if count == 1 { "" } else { "s" };
        // Writing to a string cannot fail.
        let _ = write!(text, " {count} {unit}{plural}");
    }
    text
}

/// `Tue, 24 Nov 2026 00:03:21 GMT`.
pub(crate) fn date(seconds: u64) -> String {
    let Moment { weekday, day, month, year, time } = Moment::at(seconds);
    format!("{}, {day:02} {month} {year:04} {time} GMT", &weekday[..3])
}

/// `Tuesday, 24-Nov-2026 00:03:21 UTC`.
pub(crate) fn long_date(seconds: u64) -> String {
    let Moment { weekday, day, month, year, time } = Moment::at(seconds);
    format!("{weekday}, {day:02}-{month}-{year:04} {time} UTC")
}

struct Moment {
    weekday: &'static str,
    day: u64,
    month: &'static str,
    year: u64,
    time: String,
}

impl Moment {
    /// Seconds since 1970, up to the end of the year 9999.
    fn at(seconds: u64) -> Moment {
        const WEEKDAYS: [&str; 7] =
            ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
        const MONTHS: [(&str, u64); 12] = [
            ("Jan", 31),
            ("Feb", 28),
            ("Mar", 31),
            ("Apr", 30),
            ("May", 31),
            ("Jun", 30),
            ("Jul", 31),
            ("Aug", 31),
            ("Sep", 30),
            ("Oct", 31),
            ("Nov", 30),
            ("Dec", 31),
        ];
        let seconds = seconds.min(253_402_300_799);
        let days = seconds / 86_400;
        // Four hundred years are 146,097 days, wherever they begin.
        let mut year = 1970 + days / 146_097 * 400;
        let mut left = days % 146_097;
        while left >= 365 + u64::from(leap(year)) {
            left -= 365 + u64::from(leap(year));
            year += 1;
        }
        let mut month = "Dec";
        for (name, length) in MONTHS {
            let length = length + u64::from(name == "Feb" && leap(year));
            if left < length {
                month = name;
                break;
            }
            left -= length;
        }
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        Moment {
            weekday: WEEKDAYS[(days % 7) as usize],
            day: left + 1,
            month,
            year,
            time: format!("{hour:02}:{minute:02}:{second:02}"),
        }
    }
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests;
