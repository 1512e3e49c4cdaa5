//! Paths as httpd sees them: decoded, slashes merged, dot segments gone; and encoded again for a
//! member.

use crate::site::EncodedSlashes;

/// Why a path is refused: with this status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused(pub u16);

/// What a server makes of the path of a request.
///
/// # Errors
/// 400 for a bad escape or a way above the root, 404 for an encoded slash or NUL.
pub fn decoded(raw: &[u8], slashes: EncodedSlashes, merge: bool) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (high, low) = match after {
            [high, low, ..] => (hex(*high), hex(*low)),
            _ => (None, None),
        };
        let (Some(high), Some(low)) = (high, low) else { return Err(Refused(400)) };
        match (high * 16 + low, slashes) {
            (0, _) | (b'/', EncodedSlashes::Off) => return Err(Refused(404)),
            (b'/', EncodedSlashes::NoDecode) => out.extend_from_slice(&[b'%', after[0], after[1]]),
            (byte, _) => out.push(byte),
        }
        rest = &after[2..];
    }
    normal(&out, merge)
}

/// Removes dot segments and, if asked, repeated slashes.
fn normal(path: &[u8], merge: bool) -> Result<Vec<u8>, Refused> {
    if !path.starts_with(b"/") {
        return Ok(path.to_vec());
    }
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path[1..].split(|b| *b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => {
                let at = out.iter().rposition(|b| *b == b'/').ok_or(Refused(400))?;
                out.truncate(at);
            }
            b"" if merge && !last => continue,
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        // What ends in a dot segment is a folder.
        if last {
            out.push(b'/');
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Ok(out)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|digit| digit as u8)
}

/// The path as a URL has it: everything that may not stand there is escaped. With `NoDecode`, a
/// slash that was left encoded stays so.
pub fn encoded(path: &[u8], slashes: EncodedSlashes) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(*byte),
            _ if b"~$-_.+!*'(),;:@&=/".contains(byte) => out.push(*byte),
            b'%' if slashes == EncodedSlashes::NoDecode
                && matches!(after, [b'2', b'f' | b'F', ..]) =>
            {
                out.push(b'%');
            }
            _ => out.extend_from_slice(&[
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]),
        }
    }
    out
}

/// A path that stays encoded: only what needs no escape is decoded, and it is made normal.
pub fn plain(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, after @ ..] = rest {
        rest = after;
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        match escaped {
            Some(decoded) if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            _ => out.push(*byte),
        }
    }
    normal(&out, true).unwrap_or(out)
}

/// What follows `rule` in `path`, as `ProxyPass` compares them: any run of slashes equals any other,
/// and the rule must end at a slash or at the end.
pub fn after_rule<'p>(rule: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let (mut r, mut p) = (0, 0);
    while r < rule.len() {
        if rule[r] == b'/' {
            if path.get(p) != Some(&b'/') {
                return None;
            }
            while rule.get(r) == Some(&b'/') {
                r += 1;
            }
            while path.get(p) == Some(&b'/') {
                p += 1;
            }
        } else {
            if path.get(p) != Some(&rule[r]) {
                return None;
            }
            r += 1;
            p += 1;
        }
    }
    let whole = rule.last() == Some(&b'/') || p == path.len() || path[p] == b'/';
    whole.then(|| &path[p..])
}

/// Whether a `<Location>` of that path holds the request's: by segment.
pub fn is_within(location: &[u8], path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(location) else { return false };
    location.last() == Some(&b'/') || rest.is_empty() || rest[0] == b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_and_made_normal() {
        for (raw, expected) in [
            ("/a//b/./c", Ok("/a/b/c")),
            ("/a/../b", Ok("/b")),
            ("/a/b/..", Ok("/a/")),
            ("/a/.", Ok("/a/")),
            ("/%41%20x", Ok("/A x")),
            ("/a//", Ok("/a/")),
            ("/", Ok("/")),
            ("//", Ok("/")),
            ("*", Ok("*")),
            ("/..", Err(Refused(400))),
            ("/%zz", Err(Refused(400))),
            ("/%4", Err(Refused(400))),
            ("/a%2Fb", Err(Refused(404))),
            ("/a%00b", Err(Refused(404))),
        ] {
            let got = decoded(raw.as_bytes(), EncodedSlashes::Off, true);
            assert_eq!(got, expected.map(|text| text.as_bytes().to_vec()), "{raw}");
        }
        let kept = decoded(b"/a%2fb", EncodedSlashes::NoDecode, true);
        assert_eq!(kept, Ok(b"/a%2fb".to_vec()));
        assert_eq!(encoded(b"/a%2fb %", EncodedSlashes::NoDecode), b"/a%2fb%20%25");
        assert_eq!(decoded(b"/a%2fb", EncodedSlashes::On, true), Ok(b"/a/b".to_vec()));
        assert_eq!(decoded(b"/a//b", EncodedSlashes::On, false), Ok(b"/a//b".to_vec()));
    }

    #[test]
    fn rules_end_at_slashes() {
        for (rule, path, rest) in [
            ("/app", "/app", Some("")),
            ("/app", "/app/x", Some("/x")),
            ("/app", "/appx", None),
            ("/app/", "/app/x", Some("x")),
            ("/app/", "/app", None),
            ("/", "/x", Some("x")),
            ("//a", "/a/b", Some("/b")),
        ] {
            let got = after_rule(rule.as_bytes(), path.as_bytes());
            assert_eq!(got, rest.map(str::as_bytes), "{rule} {path}");
        }
    }
}
