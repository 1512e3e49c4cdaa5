//! Durations, sizes and bytes as text.

use std::time::Duration;

use evenkeel_plan::Bytes;

const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Longer times are refused: nobody means them, and sums of them could overflow.
const MILLIS_MAX: u64 = 10 * 365 * 86_400_000;

/// `250ms`, `10s`, `1m30s`; `0` needs no unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut millis = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after;
    }
    (!text.is_empty() && millis <= MILLIS_MAX).then(|| Duration::from_millis(millis))
}

/// The same back.
pub(crate) fn print_duration(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(MILLIS_MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let (unit, factor) =
        TIMES.iter().rev().find(|(_, factor)| millis.is_multiple_of(*factor)).unwrap_or(&TIMES[0]);
    format!("{}{unit}", millis / factor)
}

/// The digits of base64url (RFC 4648 section 5).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes from base64url, also with the padding that some write.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    if text.len() % 4 == 1 {
        return None;
    }
    let digit = |b: u8| DIGITS.iter().position(|digit| *digit == b);
    let mut out = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let mut whole = 0;
        for at in 0..4 {
            let value = four.get(at).map_or(Some(0), |b| digit(*b))?;
            whole = whole << 6 | value;
        }
        let bytes = [16, 8, 0].map(|shift| (whole >> shift & 0xff) as u8);
        out.extend_from_slice(&bytes[..four.len() - 1]);
    }
    Some(out)
}

/// The same back, without padding.
pub(crate) fn print_base64url(bytes: &[u8]) -> String {
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let at = |n: usize| usize::from(three.get(n).copied().unwrap_or(0));
        let whole = at(0) << 16 | at(1) << 8 | at(2);
        let digits = [18, 12, 6, 0].map(|shift| char::from(DIGITS[whole >> shift & 63]));
        out.extend(&digits[..=three.len()]);
    }
    out
}

/// `512B`, `64KiB`, `10MB`.
pub(crate) fn size(text: &str) -> Option<Bytes> {
    const SIZES: [(&str, u64); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    if text == "unlimited" {
        return Some(Bytes::UNLIMITED);
    }
    let (number, factor) =
        SIZES.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(*factor).map(Bytes)
}

/// `0a1b`, in small or capital letters.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// The same back.
pub(crate) fn print_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_the_same() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)));
            assert_eq!(print_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        for bad in
            ["", "10", "s", "-1s", "1.5s", "1x", "99999999999999999999s", "99999999d", "1s 2s"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn bytes_read_and_print_the_same() {
        for (text, bytes) in [("", vec![]), ("00ff", vec![0, 255]), ("0a1b2c", vec![10, 27, 44])] {
            assert_eq!(hex(text), Some(bytes.clone()));
            assert_eq!(print_hex(&bytes), text);
        }
        assert_eq!(hex("0A"), Some(vec![10]));
        for bad in ["0", "0x0a", "0a 1b", "0a1", "é", "+1", "gg"] {
            assert_eq!(hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("64KiB"), Some(Bytes(65_536)));
        assert_eq!(size("10MB"), Some(Bytes(10_000_000)));
        assert_eq!(size("512B"), Some(Bytes(512)));
        assert_eq!(size("unlimited"), Some(Bytes::UNLIMITED));
        for bad in
            ["", "10", "KiB", "-1KB", "1.5MB", "99999999999999999999GB", "18446744073709551615KB"]
        {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
