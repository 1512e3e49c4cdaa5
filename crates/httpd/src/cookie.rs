//! `RewriteRule … [CO=…]`: cookies that rules set.

use crate::date::{Civil, short};
use crate::headers::clean;

/// A cookie as rules say it: `NAME:VALUE:DOMAIN[:lifetime[:path[:secure[:httponly[:samesite]]]]]`,
/// or with semicolons when it begins with one; lifetime in minutes. `now`: seconds since 1970.
/// Its name, and the value of the `Set-Cookie` line; `None` when something is missing.
pub(crate) fn line(text: &[u8], now: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mark, text) = match text {
        [b';', rest @ ..] => (b';', rest),
        text => (b':', text),
    };
    // Empty parts do not count.
    let mut parts = text.split(|b| *b == mark).filter(|part| !part.is_empty());
    let (name, value, domain) = (parts.next()?, parts.next()?, parts.next()?);
    let minutes = parts.next().and_then(|text| str::from_utf8(text).ok()?.parse().ok());
    let path = parts.next().unwrap_or(b"/");
    let is = |part: Option<&[u8]>, word: &str| {
        part.is_some_and(|part| {
            [word, "true", "1"].iter().any(|one| part.eq_ignore_ascii_case(one.as_bytes()))
        })
    };
    let secure = is(parts.next(), "secure");
    let http_only = is(parts.next(), "httponly");
    let same_site = parts
        .next()
        .filter(|part| !["0", "false"].iter().any(|no| part.eq_ignore_ascii_case(no.as_bytes())));
    let mut out = [name, b"=", value, b"; path=", path, b"; domain=", domain].concat();
    if let Some(minutes) = minutes.filter(|minutes: &u64| *minutes > 0) {
        let end = now.saturating_add(minutes.saturating_mul(60));
        out.extend_from_slice(format!("; expires={}", date(end)).as_bytes());
    }
    if secure {
        out.extend_from_slice(b"; secure");
    }
    if http_only {
        out.extend_from_slice(b"; HttpOnly");
    }
    if let Some(same_site) = same_site {
        out.extend_from_slice(b"; SameSite=");
        out.extend_from_slice(same_site);
    }
    Some((name.to_vec(), clean(out)))
}

/// `Thu, 01-Jan-1970 00:00:00 GMT`.
fn date(seconds: u64) -> String {
    let at = Civil::of(seconds);
    let (weekday, month) = (short(at.day_name()), short(at.month_name()));
    let (day, year) = (at.day, at.year);
    let (hour, minute, second) = (at.hour, at.minute, at.second);
    format!("{weekday}, {day:02}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted() {
        for (seconds, expected) in [
            (0, "Thu, 01-Jan-1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29-Feb-2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29-Feb-2024 23:59:59 GMT"),
            (4_102_444_800, "Fri, 01-Jan-2100 00:00:00 GMT"),
            (u64::MAX, "Fri, 31-Dec-9999 23:59:59 GMT"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn cookies_are_read_from_their_parts() {
        for (text, expected) in [
            ("n:v:d", Some("n=v; path=/; domain=d")),
            ("n:v:d:1", Some("n=v; path=/; domain=d; expires=Thu, 01-Jan-1970 00:01:00 GMT")),
            (
                "n:v:d:0:/p:secure:httponly:Lax",
                Some("n=v; path=/p; domain=d; secure; HttpOnly; SameSite=Lax"),
            ),
            (";n;a:b;d", Some("n=a:b; path=/; domain=d")),
            ("n:v", None),
        ] {
            let line = line(text.as_bytes(), 0).map(|(_, line)| line);
            assert_eq!(line.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
