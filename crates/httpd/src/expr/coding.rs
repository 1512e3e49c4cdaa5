//! Functions of expressions that write texts in another way.

/// Letters of Base64 (RFC 4648 section 4).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What may not stand in a path is escaped; in small letters, as httpd does.
pub(super) fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(*byte),
            _ if b"$-_.+!*'(),:@&=/~".contains(byte) => out.push(*byte),
            _ => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    out
}

/// The text without escapes; `None` when one is bad.
pub(super) fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let digits = str::from_utf8(after.get(..2)?).ok()?;
        out.push(u8::from_str_radix(digits, 16).ok().filter(|byte| *byte > 0)?);
        rest = &after[2..];
    }
    Some(out)
}

/// Base64 with padding.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().div_ceil(3) * 4);
    for three in text.chunks(3) {
        let at = |n: usize| usize::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * n) & 63];
            out.push(if n <= three.len() { letter } else { b'=' });
        }
    }
    out
}

/// What Base64 says; it ends at the first letter that is none of it.
pub(super) fn from_base64(text: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| LETTERS.iter().position(|letter| letter == byte);
    let values: Vec<usize> = text.iter().map_while(value).collect();
    let mut out = Vec::with_capacity(values.len() * 3 / 4);
    for four in values.chunks(4) {
        let bits = (0..4).fold(0, |bits, n| bits << 6 | four.get(n).copied().unwrap_or(0));
        let bytes = [bits >> 16, bits >> 8, bits].map(|bits| (bits & 255) as u8);
        out.extend_from_slice(&bytes[..(four.len() * 3 / 4).min(3)]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_base64() {
        for (text, coded) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj")] {
            assert_eq!(base64(text.as_bytes()), coded.as_bytes());
            assert_eq!(from_base64(coded.as_bytes()), text.as_bytes());
        }
        assert_eq!(from_base64(b"YWJj!YWJj"), b"abc");
    }

    #[test]
    fn escapes_come_and_go() {
        assert_eq!(escaped(b"a b;c/\xff"), b"a%20b%3bc/%ff");
        assert_eq!(unescaped(b"a%20b").as_deref(), Some(&b"a b"[..]));
        assert_eq!(unescaped(b"a%2"), None);
        assert_eq!(unescaped(b"%00"), None);
    }
}
