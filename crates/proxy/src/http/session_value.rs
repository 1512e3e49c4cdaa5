//! Where Apache looks for a session: exactly its rules, which pools with its policies keep.

/// The value of a session in the request's target, path and query: what follows the first `NAME=`
/// anywhere, up to `?` or `&`.
pub(super) fn in_target<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut from = 0;
    while let Some(at) = target[from..].windows(name.len().max(1)).position(|w| w == name) {
        from += at + name.len();
        let Some(value) = target[from..].strip_prefix(b"=") else { continue };
        let end = value.iter().position(|b| matches!(b, b'?' | b'&'));
        let value = &value[..end.unwrap_or(value.len())];
        if !value.is_empty() {
            return Some(value);
        }
    }
    None
}

/// The value of a session in a `Cookie` field: after the first `NAME` that stands at its start or
/// after `;`, `,` or a blank, and is followed by `=`; up to `;` or `,`.
pub(super) fn in_cookie<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut from = 0;
    while let Some(at) = line[from..].windows(name.len().max(1)).position(|w| w == name) {
        let start = from + at;
        from = start + name.len();
        if start > 0 && !matches!(line[start - 1], b';' | b',' | b' ' | b'\t') {
            continue;
        }
        let Some(value) = line[from..].trim_ascii_start().strip_prefix(b"=") else { continue };
        let end = value.iter().position(|b| matches!(b, b';' | b','));
        let value = &value[..end.unwrap_or(value.len())];
        // The first cookie of the name decides, also when it says nothing.
        return (!value.is_empty()).then_some(value);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_searched_as_apache_does() {
        let cases = [
            ("/p;JSESSIONID=x.b", Some("x.b")),
            ("/p;JSESSIONID=x.b/more", Some("x.b/more")),
            ("/p;JSESSIONID=x.b;v=1", Some("x.b;v=1")),
            ("/?XJSESSIONID=x.b&c", Some("x.b")),
            ("/JSESSIONID=x.b?q", Some("x.b")),
            ("/a?JSESSIONID=&JSESSIONID=x.b", Some("x.b")),
            ("/a?jsessionid=x.b", None),
            ("/JSESSIONID", None),
        ];
        for (target, expected) in cases {
            let got = in_target(target.as_bytes(), b"JSESSIONID");
            assert_eq!(got, expected.map(str::as_bytes), "{target}");
        }
    }

    #[test]
    fn cookies_are_searched_as_apache_does() {
        let cases = [
            ("JSESSIONID=x.b", Some("x.b")),
            ("a=b; JSESSIONID = x.b; c=d", Some(" x.b")),
            ("a=b,JSESSIONID=x.b,c", Some("x.b")),
            ("XJSESSIONID=x.b", None),
            ("JSESSIONID=\"x.b\"", Some("\"x.b\"")),
            ("JSESSIONIDX=x.b; JSESSIONID=y.a", Some("y.a")),
            ("JSESSIONID=", None),
        ];
        for (line, expected) in cases {
            let got = in_cookie(line.as_bytes(), b"JSESSIONID");
            assert_eq!(got, expected.map(str::as_bytes), "{line}");
        }
    }
}
