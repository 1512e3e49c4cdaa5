//! The query of a target as HTML forms write it: `name=value&name=value`.

/// The pairs, in order, not decoded; a part without `=` has an empty value, empty parts are
/// skipped.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        match memchr::memchr(b'=', pair) {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &[][..]),
        }
    })
}

/// The value, not decoded, of the first parameter of that name. `name` is compared with the
/// decoded name.
pub fn find<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pairs(query).find(|(have, _)| decoded(have).eq(name.iter().copied())).map(|(_, value)| value)
}

/// Appends the decoded form: `%41` is `A`, `+` is a space, a lone `%` stays.
pub fn decode(value: &[u8], out: &mut Vec<u8>) {
    out.extend(decoded(value));
}

fn decoded(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&byte, tail) = rest.split_first()?;
        if byte == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        rest = tail;
        Some(if byte == b'+' { b' ' } else { byte })
    })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_their_decoded_name() {
        let query = b"a=1&&b=2%20x&c&b=3&d%5B%5D=4&e=%";
        assert_eq!(find(query, b"a"), Some(&b"1"[..]));
        assert_eq!(find(query, b"b"), Some(&b"2%20x"[..]));
        assert_eq!(find(query, b"c"), Some(&b""[..]));
        assert_eq!(find(query, b"d[]"), Some(&b"4"[..]));
        assert_eq!(find(query, b"e"), Some(&b"%"[..]));
        assert_eq!(find(query, b"f"), None);
        assert_eq!(find(b"", b""), None);
    }

    #[test]
    fn decoding_leaves_broken_escapes_alone() {
        let mut out = Vec::new();
        decode(b"a+b%2Bc%zz%4", &mut out);
        assert_eq!(out, b"a b+c%zz%4");
    }
}
