//! Paths as routes see them: one spelling for all that RFC 3986 calls the same.

use super::chars::hex;
use super::refusal::{BAD_PERCENT, PATH_ESCAPE, Refusal};

/// Brings a path to its normal form (RFC 3986 section 6.2.2): encoded letters, digits and `-._~`
/// are decoded, other encodings get capital digits, `.` and `..` segments are resolved. Doubled
/// slashes stay, since they may mean something. Returns `path` itself when it is normal already,
/// which costs one look, else the form built in `scratch`.
///
/// A path that does not begin with `/` (`*`) is returned as it is.
///
/// # Errors
/// `path-escape` when `..` leaves the root, also for the forms that servers disagree about: a
/// `..` with parameters (`..;x`), or next to an encoded slash or backslash (`..%2f`).
/// `bad-percent` for a `%` without two digits.
pub fn normalise<'a>(path: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Refusal> {
    if path.first() != Some(&b'/') || is_normal(path) {
        return Ok(path);
    }
    scratch.clear();
    decode(path, scratch)?;
    refuse_hidden(scratch)?;
    resolve(scratch)?;
    Ok(scratch)
}

/// Whether there is surely nothing to do: no `%` and no segment that begins with a dot.
fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        if byte == b'%' || (byte == b'.' && before == b'/') {
            return false;
        }
        before = byte;
    }
    true
}

fn decode(path: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let [high, low, tail @ ..] = tail else { return Err(BAD_PERCENT) };
        let (Some(h), Some(l)) = (hex(*high), hex(*low)) else { return Err(BAD_PERCENT) };
        rest = tail;
        let decoded = h << 4 | l;
        if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) {
            out.push(decoded);
        } else {
            out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
        }
    }
    Ok(())
}

/// Refuses `..` segments that only some servers would see.
fn refuse_hidden(path: &[u8]) -> Result<(), Refusal> {
    for segment in path.split(|&byte| byte == b'/') {
        if segment.len() < 3 || !segment.windows(2).any(|two| two == b"..") {
            continue;
        }
        let mut rest = segment;
        while !rest.is_empty() {
            let end = part_end(rest);
            let name = rest[..end].split(|&byte| byte == b';').next().unwrap_or_default();
            // The plain segment `..` is shorter than three bytes and not looked at here.
            if name == b".." {
                return Err(PATH_ESCAPE);
            }
            rest = rest.get(end + 3..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Up to the next encoded slash or backslash.
fn part_end(bytes: &[u8]) -> usize {
    bytes.windows(3).position(|three| three == b"%2F" || three == b"%5C").unwrap_or(bytes.len())
}

/// Resolves `.` and `..` in place (RFC 3986 section 5.2.4).
fn resolve(path: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut read = 0;
    let mut write = 0;
    while read < path.len() {
        // `read` is at a slash.
        let start = read + 1;
        let end =
            path[start..].iter().position(|&byte| byte == b'/').map_or(path.len(), |at| start + at);
        let last = end == path.len();
        match &path[start..end] {
            b"." => {}
            b".." if write == 0 => return Err(PATH_ESCAPE),
            b".." => write = path[..write].iter().rposition(|&byte| byte == b'/').unwrap_or(0),
            _ => {
                path.copy_within(read..end, write);
                write += end - read;
                read = end;
                continue;
            }
        }
        // A dot segment at the end leaves its slash.
        if last {
            path[write] = b'/';
            write += 1;
        }
        read = end;
    }
    path.truncate(write);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> Result<String, &'static str> {
        let mut scratch = Vec::new();
        normalise(path.as_bytes(), &mut scratch)
            .map(|path| String::from_utf8(path.to_vec()).unwrap())
            .map_err(|refusal| refusal.cause)
    }

    #[test]
    fn equivalent_spellings_become_one() {
        for (path, want) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b/", "/a//b/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a/..", "/"),
            ("/.", "/"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/%61%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2Fb"),
            ("/%7euser", "/~user"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/.hidden", "/.hidden"),
            ("/a/...", "/a/..."),
            ("/a..b", "/a..b"),
            ("/a//../b", "/a/b"),
            ("/%c3%a9", "/%C3%A9"),
            ("/%252e%252e/x", "/%252e%252e/x"),
            ("/a/.;x/b", "/a/.;x/b"),
            ("*", "*"),
        ] {
            assert_eq!(normal(path), Ok(want.to_owned()), "{path}");
        }
    }

    #[test]
    fn paths_that_leave_the_root_or_hide_that_they_might_are_refused() {
        for path in [
            "/..",
            "/../a",
            "/a/../..",
            "/a/../../b",
            "/%2e%2e/a",
            "/%2e./a",
            "/./../a",
            "/..;/a",
            "/a/..;x=y/b",
            "/a/..%2fb",
            "/a/%2e%2e%2fb",
            "/a%2f..%2fb",
            "/a/b%5c..",
            "/..%5cwin",
        ] {
            assert_eq!(normal(path), Err("path-escape"), "{path}");
        }
        assert_eq!(normal("/%zz"), Err("bad-percent"));
        assert_eq!(normal("/%4"), Err("bad-percent"));
    }

    #[test]
    fn a_normal_path_is_not_copied() {
        let mut scratch = Vec::new();
        let path = b"/a/b.c/d";
        assert_eq!(normalise(path, &mut scratch).unwrap().as_ptr(), path.as_ptr());
    }
}
