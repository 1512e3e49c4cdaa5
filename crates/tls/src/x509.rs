//! What a certificate says of itself, read from its DER (RFC 5280): the names it is for (`dNSName`s
//! and `iPAddress`es of its subjectAltName, section 4.2.1.6), and its time (section 4.1.2.5).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The object identifier 2.5.29.17.
const ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// The object identifier 2.5.29.35.
const SIGNER: &[u8] = &[0x55, 0x1d, 0x23];

/// When a certificate counts, as Unix time in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Validity {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// The names in lower case; none when there are none or the certificate is malformed.
pub(crate) fn names(certificate: &[u8]) -> Vec<String> {
    let names = extension(certificate, ALT_NAME).and_then(element);
    names.and_then(|(_, names, _)| general_names(names)).unwrap_or_default()
}

/// When it counts; `None` when it is malformed.
pub(crate) fn validity(certificate: &[u8]) -> Option<Validity> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut rest, _) = element(whole)?;
    // `version [0]` may be left out; before the validity come serial number, signature and issuer.
    let (tag, _, after) = element(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, times, _) = element(rest)?;
    let (tag, from, rest) = element(times)?;
    let from = time(tag, from)?;
    let (tag, until, _) = element(rest)?;
    Some(Validity { from, until: time(tag, until)? })
}

/// The serial number and the key identifier of the signer, as they stand, by which an authority
/// knows a certificate (RFC 9773 section 4.1).
pub(crate) fn identity(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut rest, _) = element(whole)?;
    let (tag, _, after) = element(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    let (_, serial, _) = element(rest)?;
    let (_, mut signer, _) = element(extension(certificate, SIGNER)?)?;
    while !signer.is_empty() {
        let (tag, content, after) = element(signer)?;
        if tag == 0x80 {
            return Some((serial, content));
        }
        signer = after;
    }
    None
}

/// `UTCTime` or `GeneralizedTime`, always in seconds and UTC in certificates.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (0x17, 12) => {
            let (year, rest) = text.split_at(2);
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (0x18, 14) => {
            let (year, rest) = text.split_at(4);
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // What was over before 1970 is over.
    let days = days_since_1970(year, month, day).unwrap_or(0);
    Some(days * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

/// Days from 1970-01-01 in the Gregorian calendar; `None` before it. Years begin in March here, so
/// that the day that leap years add is the last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    days.checked_sub(719_468)
}

/// The day of a Unix time, as `2026-01-31`.
pub fn date(unix: u64) -> String {
    let days = unix / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year, if month < 10 { month + 3 } else { month - 9 });
    let year = if month <= 2 { year + 1 } else { year };
    format!("{year:04}-{month:02}-{day:02}")
}

/// The contents of `extensions [3]` in `tbsCertificate`.
fn extensions(certificate: &[u8]) -> Option<&[u8]> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut rest, _) = element(whole)?;
    while !rest.is_empty() {
        let (tag, content, after) = element(rest)?;
        if tag == 0xa3 {
            return element(content).map(|(_, list, _)| list);
        }
        rest = after;
    }
    None
}

/// The value of an extension.
fn extension<'c>(certificate: &'c [u8], wanted: &[u8]) -> Option<&'c [u8]> {
    let mut list = extensions(certificate)?;
    while !list.is_empty() {
        let (_, extension, after) = element(list)?;
        list = after;
        let (_, id, mut rest) = element(extension)?;
        if id != wanted {
            continue;
        }
        // `critical` may stand between.
        let (mut tag, mut content, after) = element(rest)?;
        if tag == 0x01 {
            rest = after;
            (tag, content, _) = element(rest)?;
        }
        return (tag == 0x04).then_some(content);
    }
    None
}

fn general_names(mut list: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !list.is_empty() {
        let (tag, content, after) = element(list)?;
        list = after;
        match (tag, content) {
            (0x82, name) => names.push(String::from_utf8(name.to_vec()).ok()?.to_ascii_lowercase()),
            (0x87, [a, b, c, d]) => names.push(Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            (0x87, bytes) => {
                let bytes: [u8; 16] = bytes.try_into().ok()?;
                names.push(Ipv6Addr::from(bytes).to_string());
            }
            _ => {}
        }
    }
    Some(names)
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        match length {
            0..=127 => [&[tag, length as u8][..], content].concat(),
            _ => [&[tag, 0x82, (length >> 8) as u8, length as u8][..], content].concat(),
        }
    }

    #[test]
    fn names_are_found_and_nonsense_has_none() {
        let names = [
            wrap(0x82, b"Www.Example.com"),
            wrap(0x82, b"*.example.com"),
            wrap(0x87, &[127, 0, 0, 1]),
            wrap(0x81, b"post@example.com"),
        ]
        .concat();
        let value = wrap(0x04, &wrap(0x30, &names));
        let extension = wrap(0x30, &[wrap(0x06, ALT_NAME), wrap(0x01, &[0xff]), value].concat());
        let other = wrap(0x30, &[wrap(0x06, &[0x55, 0x1d, 0x0f]), wrap(0x04, b"x")].concat());
        let signer = wrap(0x30, &[wrap(0x80, &[7, 8]), wrap(0x82, &[9])].concat());
        let signer = wrap(0x30, &[wrap(0x06, SIGNER), wrap(0x04, &signer)].concat());
        let list = wrap(0xa3, &wrap(0x30, &[other, signer, extension].concat()));
        let times = [wrap(0x17, b"700101000001Z"), wrap(0x18, b"20500228235959Z")].concat();
        let parts = [
            wrap(0xa0, &wrap(0x02, &[2])),
            wrap(0x02, &[1]),
            wrap(0x30, &[0; 200]),
            wrap(0x30, &[0; 20]),
            wrap(0x30, &times),
            list,
        ];
        let body = wrap(0x30, &parts.concat());
        let certificate = wrap(0x30, &body);
        assert_eq!(super::names(&certificate), ["www.example.com", "*.example.com", "127.0.0.1"]);
        assert_eq!(identity(&certificate), Some((&[1][..], &[7, 8][..])));
        assert_eq!(validity(&certificate), Some(Validity { from: 1, until: 2_529_705_599 }));
        for end in 0..certificate.len() {
            assert!(super::names(&certificate[..end]).is_empty());
            assert!(validity(&certificate[..end]).is_none());
            assert!(identity(&certificate[..end]).is_none());
        }
        assert!(super::names(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_empty());
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (year, month, day, days, text) in [
            (1970, 1, 1, Some(0), "1970-01-01"),
            (1970, 3, 1, Some(59), "1970-03-01"),
            (2000, 2, 29, Some(11_016), "2000-02-29"),
            (2026, 12, 31, Some(20_818), "2026-12-31"),
            (2100, 3, 1, Some(47_541), "2100-03-01"),
            (1969, 12, 31, None, ""),
        ] {
            assert_eq!(days_since_1970(year, month, day), days);
            if let Some(days) = days {
                assert_eq!(date(days * 86_400 + 7), text);
            }
        }
        assert_eq!(time(0x17, b"701301000001Z"), None);
        assert_eq!(time(0x17, b"70010100000Z"), None);
        assert_eq!(time(0x17, b"+00101000001Z"), None);
        assert_eq!(time(0x18, b"00000101000000Z"), Some(0));
    }
}
