//! The `Cookie` request field (RFC 6265 section 4.2), as servers see it in practice.

/// The `name=value` pairs of one field value, in order. Whitespace around names and values and
/// the double quotes around a value are left out; parts without `=` or without a name are
/// skipped. Nothing is decoded.
pub fn pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|&byte| byte == b';').filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let name = pair[..equals].trim_ascii();
        (!name.is_empty()).then(|| (name, unquoted(pair[equals + 1..].trim_ascii())))
    })
}

/// The value of the first cookie of that name (case matters).
pub fn find<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pairs(value).find(|(have, _)| *have == name).map(|(_, value)| value)
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_order_and_odd_parts_are_skipped() {
        let line = b"a=1; b=\"two\" ;; =x; c ; d=e=f;a=2";
        let all: Vec<_> = pairs(line).collect();
        let want: [(&[u8], &[u8]); 4] =
            [(b"a", b"1"), (b"b", b"two"), (b"d", b"e=f"), (b"a", b"2")];
        assert_eq!(all, want);
    }

    #[test]
    fn the_first_of_a_name_counts_and_only_whole_names_match() {
        let line = b"XROUTEID=no; ROUTEID=.a; ROUTEID=.b";
        assert_eq!(find(line, b"ROUTEID"), Some(&b".a"[..]));
        assert_eq!(find(line, b"routeid"), None);
        assert_eq!(find(b"a=\"", b"a"), Some(&b"\""[..]));
        assert_eq!(find(b"", b"a"), None);
    }
}
