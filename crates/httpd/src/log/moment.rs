//! `%t` and `%{…}t`, in UTC.

use std::fmt::Write;

use crate::date::{Civil, short};

/// How a moment is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    /// Of the answer's end, not of the request's beginning.
    end: bool,
    form: Form,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    /// `[10/Oct/2000:13:55:36 +0000]`.
    Clf,
    /// Since 1970, in units of that many microseconds.
    Since(u64),
    /// Within the second, with that many digits.
    Fraction(usize),
    /// As `strftime` has it.
    Letters(String),
}

impl Moment {
    /// Reads what stands in the braces.
    pub(super) fn new(text: &str) -> Result<Moment, String> {
        let (end, text) = match text.strip_prefix("end:") {
            Some(text) => (true, text),
            None => (false, text.strip_prefix("begin:").unwrap_or(text)),
        };
        let form = match text {
            "" => Form::Clf,
            "sec" => Form::Since(1_000_000),
            "msec" => Form::Since(1000),
            "usec" => Form::Since(1),
            "msec_frac" => Form::Fraction(3),
            "usec_frac" => Form::Fraction(6),
            letters => {
                // Written once to see that all of it is known.
                with_letters(letters, &Civil::of(0), 0)?;
                Form::Letters(letters.to_owned())
            }
        };
        Ok(Moment { end, form })
    }

    /// The text for a request that began then, and took so long, in microseconds.
    pub(super) fn text(&self, began: u64, took: u64) -> String {
        let micros = if self.end { began.saturating_add(took) } else { began };
        let seconds = micros / 1_000_000;
        match &self.form {
            Form::Clf => {
                let text = with_letters("[%d/%b/%Y:%H:%M:%S %z]", &Civil::of(seconds), seconds);
                text.unwrap_or_default()
            }
            Form::Since(unit) => (micros / unit).to_string(),
            Form::Fraction(3) => format!("{:03}", micros % 1_000_000 / 1000),
            Form::Fraction(_) => format!("{:06}", micros % 1_000_000),
            Form::Letters(letters) => {
                with_letters(letters, &Civil::of(seconds), seconds).unwrap_or_default()
            }
        }
    }
}

fn with_letters(text: &str, at: &Civil, seconds: u64) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    let half = if at.hour.is_multiple_of(12) { 12 } else { at.hour % 12 };
    let noon = if at.hour < 12 { "AM" } else { "PM" };
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        // Writing to a string cannot fail.
        let _ = match chars.next() {
            Some('a') => write!(out, "{}", short(at.day_name())),
            Some('A') => write!(out, "{}", at.day_name()),
            Some('b' | 'h') => write!(out, "{}", short(at.month_name())),
            Some('B') => write!(out, "{}", at.month_name()),
            Some('d') => write!(out, "{:02}", at.day),
            Some('e') => write!(out, "{:2}", at.day),
            Some('D') => write!(out, "{:02}/{:02}/{:02}", at.month, at.day, at.year % 100),
            Some('F') => write!(out, "{:04}-{:02}-{:02}", at.year, at.month, at.day),
            Some('H') => write!(out, "{:02}", at.hour),
            Some('I') => write!(out, "{half:02}"),
            Some('j') => write!(out, "{:03}", at.of_year),
            Some('m') => write!(out, "{:02}", at.month),
            Some('M') => write!(out, "{:02}", at.minute),
            Some('n') => writeln!(out),
            Some('p') => write!(out, "{noon}"),
            Some('R') => write!(out, "{:02}:{:02}", at.hour, at.minute),
            Some('s') => write!(out, "{seconds}"),
            Some('S') => write!(out, "{:02}", at.second),
            Some('t') => write!(out, "\t"),
            Some('T') => write!(out, "{:02}:{:02}:{:02}", at.hour, at.minute, at.second),
            Some('u') => write!(out, "{}", if at.weekday == 0 { 7 } else { at.weekday }),
            Some('w') => write!(out, "{}", at.weekday),
            Some('y') => write!(out, "{:02}", at.year % 100),
            Some('Y') => write!(out, "{}", at.year),
            Some('z') => write!(out, "+0000"),
            Some('Z') => write!(out, "UTC"),
            Some('%') => write!(out, "%"),
            Some(other) => {
                return Err(format!("%{{…%{other}…}}t: there is no `%{other}` in times"));
            }
            None => return Err("%{…%}t: a letter is missing after `%`".to_owned()),
        };
    }
    Ok(out)
}
