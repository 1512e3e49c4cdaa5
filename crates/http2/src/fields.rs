//! Field lines, and their way between both versions.

use evenkeel_wire::http1::write;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that speak of one HTTP/1.1 connection (RFC 9113 section 8.2.2).
pub(crate) fn is_of_connection(name: &[u8]) -> bool {
    let names: [&[u8]; 5] =
        [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a value may be written as a field line (RFC 9113 section 8.2.1): no control bytes, no
/// white space at its ends.
pub(crate) fn is_plain(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| byte.is_some_and(|b| matches!(b, b' ' | b'\t'));
    let control = |b: &u8| (*b < 0x20 && *b != b'\t') || *b == 0x7f;
    !blank(value.first()) && !blank(value.last()) && !value.iter().any(control)
}

/// Writes fields as lines; false if one must not be written.
pub(crate) fn write_lines(out: &mut Vec<u8>, fields: &HeaderMap) -> bool {
    for (name, value) in fields {
        if is_of_connection(name.as_str().as_bytes()) || !is_plain(value.as_bytes()) {
            return false;
        }
        write::field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    true
}

/// The names and values of lines. They were checked by the parser they come from; one that is no
/// field all the same, or speaks of the connection, is left out.
pub(crate) fn lines(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        (!is_of_connection(name)).then_some((name, value))
    })
}

/// Reads lines as fields. The lines were checked by the parser they come from; one that is no field
/// all the same is left out.
pub(crate) fn read_lines(lines: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in self::lines(lines) {
        put(&mut fields, name, value);
    }
    fields
}

/// Adds a field, its name in lower case.
pub(crate) fn put(fields: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if is_of_connection(name) {
        return;
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_fields_and_lines_again() {
        let fields = read_lines(b"grpc-status: 0\r\nX-Two:  b \r\nConnection: x\r\nno field\r\n");
        let mut out = Vec::new();
        assert!(write_lines(&mut out, &fields));
        assert_eq!(out, b"grpc-status: 0\r\nx-two: b\r\n");
    }

    #[test]
    fn values_that_could_end_a_line_are_not_plain() {
        for bad in [&b" a"[..], b"a ", b"\ta", b"a\r\nb", b"a\0", b"a\x7f", b"a\n"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
        for good in [&b""[..], b"a b\tc", b"\xc3\xa9"] {
            assert!(is_plain(good), "{good:?}");
        }
    }
}
