//! `Range` on answers that a member gave whole: httpd cuts them itself (RFC 9110 section 14).

use crate::headers::{Fields, joined};
use crate::passage::Passage;

/// Ranges of one request.
const RANGES_MAX: usize = 200;

/// What of a body the client gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// These bytes: first and last.
    One(u64, u64),
    /// Several, one after the other.
    Several(Vec<(u64, u64)>),
    /// Nothing of what was asked for is there.
    Nothing,
}

impl Passage {
    /// What the client gets of an answer of status 200 with these fields and a body of that length;
    /// `None`: all of it.
    pub fn part(&self, fields: &Fields, length: u64) -> Option<Part> {
        let value = self.facts.field(b"range")?;
        let text = str::from_utf8(&value).ok()?;
        let list = text.get(.."bytes=".len()).filter(|unit| unit.eq_ignore_ascii_case("bytes="))?;
        let list = &text[list.len()..];
        if length == 0 || joined(fields, b"content-range").is_some() || !self.still(fields) {
            return None;
        }
        let (mut found, mut outside) = (Vec::new(), false);
        for range in list.split(',') {
            match bounds(range.trim(), length)? {
                (first, last) if first <= last && first < length => {
                    found.push((first, last.min(length - 1)));
                }
                _ => outside = true,
            }
        }
        match found[..] {
            [] => outside.then_some(Part::Nothing),
            [(first, last)] => Some(Part::One(first, last)),
            _ if found.len() > RANGES_MAX => None,
            _ => Some(Part::Several(found)),
        }
    }

    /// `If-Range`: the answer is the one of which the client has a part.
    fn still(&self, fields: &Fields) -> bool {
        let Some(asked) = self.facts.field(b"if-range") else { return true };
        let of_answer: &[u8] = if asked.starts_with(b"\"") { b"etag" } else { b"last-modified" };
        joined(fields, of_answer).is_some_and(|value| value == asked)
    }
}

/// First and last byte of a range; `None` when it is none, and the whole header does not count.
fn bounds(range: &str, length: u64) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    if first.is_empty() {
        let count = number(last)?;
        // No byte at the end is outside.
        let first = if count == 0 { length } else { length.saturating_sub(count) };
        return Some((first, length - 1));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, expected) in [
            ("0-1", Some((0, 1))),
            ("2-", Some((2, u64::MAX))),
            ("-3", Some((7, 9))),
            ("-30", Some((0, 9))),
            ("-0", Some((10, 9))),
            ("5-2", None),
            ("a-b", None),
            ("5", None),
            ("", None),
            ("+1-2", None),
        ] {
            assert_eq!(bounds(text, 10), expected, "{text}");
        }
    }
}
