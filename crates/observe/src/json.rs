//! Just enough JSON: text and numbers into a byte buffer, without allocation.

/// Appends a JSON string with its quotes. Bytes that are not UTF-8 are read as Latin-1, so that
/// byte 0xff becomes `\u00ff`: the line stays valid JSON and nothing is lost. Control characters,
/// also those of U+007F to U+009F, are escaped: a terminal that shows the line obeys none.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if text.iter().fold(true, |plain, b| plain & is_plain(*b)) {
        out.extend_from_slice(text);
    } else {
        escaped(out, text);
    }
    out.push(b'"');
}

/// Printable ASCII but quote and backslash.
#[inline]
fn is_plain(b: u8) -> bool {
    (0x20..0x7f).contains(&b) & (b != b'"') & (b != b'\\')
}

#[cold]
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                // Control characters are all below U+0100.
                c if c.is_control() => code(out, c as u8),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for b in chunk.invalid() {
            code(out, *b);
        }
    }
}

fn code(out: &mut Vec<u8>, b: u8) {
    out.extend_from_slice(b"\\u00");
    out.extend_from_slice(&hex(b));
}

/// Two lower-case hexadecimal digits.
pub(crate) fn hex(b: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]
}

/// Appends a number.
pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A digit is below 10.
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_bytes_become_valid_json() {
        assert_eq!(quoted(b"/a?b=c"), r#""/a?b=c""#);
        assert_eq!(quoted(b"a\"b\\c\nd\0"), r#""a\"b\\c\nd\u0000""#);
        assert_eq!(quoted("né\u{9b}x".as_bytes()), r#""né\u009bx""#);
        assert_eq!(quoted(b"\xff\xc3(\x7f"), r#""\u00ff\u00c3(\u007f""#);
    }

    #[test]
    fn a_json_reader_gets_back_the_text_and_latin_1_for_what_is_none() {
        for a in 0..=255_u8 {
            for b in 0..=255_u8 {
                let bytes = [a, b, b'x'];
                let read: String = serde_json::from_str(&quoted(&bytes)).unwrap();
                match std::str::from_utf8(&bytes) {
                    Ok(text) => assert_eq!(read, text),
                    Err(_) => assert!(read.ends_with('x') && read.chars().count() == 3),
                }
            }
        }
    }

    #[test]
    fn numbers_are_decimal() {
        let mut out = Vec::new();
        for n in [0, 7, 10, 1234, u64::MAX] {
            number(&mut out, n);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 1234 18446744073709551615 ");
    }
}
