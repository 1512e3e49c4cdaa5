//! What a route matches by: hosts, paths, names in a TLS ClientHello.

use std::net::{Ipv4Addr, Ipv6Addr};

use evenkeel_plan::{HostMatch, HostName, PathMatch};

use super::ascii;
use crate::native::value::{Reader, Value};

/// Compiled size of a pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(super) fn host(value: Value<'_>, reader: &mut Reader<'_>) -> Option<HostMatch> {
    let text = value.string(reader)?.to_ascii_lowercase();
    if text == "*" {
        return value.wrong(reader, "leave `host` out to match every host");
    }
    if text.starts_with('[')
        && text.ends_with(']')
        && text[1..text.len() - 1].parse::<Ipv6Addr>().is_ok()
    {
        return Some(HostMatch::Exact(text));
    }
    if text.contains(':') {
        return value.wrong(reader, "a host is matched without its port: leave the port out");
    }
    if numeric(&text) && text.parse::<Ipv4Addr>().is_err() {
        return value.wrong(reader, format!("\"{text}\" is not a valid IPv4 address"));
    }
    name(&text, value, reader)
}

/// A server name as TLS has it (RFC 6066 section 3): a DNS name and nothing else.
pub(super) fn sni(value: Value<'_>, reader: &mut Reader<'_>) -> Option<HostMatch> {
    let text = value.string(reader)?.to_ascii_lowercase();
    if text == "*" {
        return value.wrong(reader, "leave `sni` out to match every name, and none");
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if numeric(bare) || bare.parse::<Ipv6Addr>().is_ok() {
        return value.wrong(reader, "a TLS server name is a DNS name, never an address");
    }
    if text.contains(':') {
        return value.wrong(reader, "a TLS server name has no port: leave the port out");
    }
    name(&text, value, reader)
}

pub(super) fn alpn(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?;
    if (1..=255).contains(&text.len()) {
        return Some(text);
    }
    let length = text.len();
    value.wrong(reader, format!("a protocol's name has 1 to 255 bytes, this one has {length}"))
}

/// Digits and dots: an address, or a slip of one.
fn numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A DNS name, or `*.` before one.
fn name(text: &str, value: Value<'_>, reader: &mut Reader<'_>) -> Option<HostMatch> {
    let parent = text.strip_prefix("*.");
    let plain = parent.unwrap_or(text);
    if plain.contains('*') {
        let message = "`*` may stand only for the whole beginning of a name, as *.example.com";
        return value.wrong(reader, message);
    }
    if parent.is_some_and(numeric) {
        return value.wrong(reader, "`*` stands for labels of a name; addresses have none");
    }
    match HostName::new(plain) {
        Ok(name) if parent.is_some() => Some(HostMatch::Wildcard(name.as_str().to_owned())),
        Ok(name) => Some(HostMatch::Exact(name.as_str().to_owned())),
        Err(reason) => value.wrong(reader, reason),
    }
}

pub(super) fn path(value: Value<'_>, reader: &mut Reader<'_>) -> Option<PathMatch> {
    let text = value.string(reader)?;
    if let Some(pattern) = text.strip_prefix('~') {
        return regex(pattern, value, reader);
    }
    if !text.starts_with('/') {
        return value.wrong(reader, "a path begins with / (or with ~ for a regular expression)");
    }
    let (plain, prefix) = match text.strip_suffix("/*") {
        Some(plain) => (plain, true),
        None => (text.as_str(), false),
    };
    if plain.contains(['*', '?', '#']) || plain.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return value.wrong(
            reader,
            "a path is exact (\"/x\"), a prefix (\"/x/*\") or a pattern (\"~^/x\")",
        );
    }
    if !ascii(plain, value, reader) || !comes_so(plain, prefix, value, reader) {
        return None;
    }
    let plain = plain.to_owned();
    Some(if prefix { PathMatch::Prefix(plain) } else { PathMatch::Exact(plain) })
}

fn regex(text: &str, value: Value<'_>, reader: &mut Reader<'_>) -> Option<PathMatch> {
    pattern(text, value, reader).map(PathMatch::Regex)
}

/// A regular expression that compiles within its bound; complains if not.
pub(super) fn pattern(text: &str, value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let built = regex::bytes::RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
    let Err(error) = built else { return Some(text.to_owned()) };
    let reason = error.to_string();
    let last = reason.lines().last().unwrap_or_default();
    let last = last.trim_start_matches("error: ").trim_end_matches('.');
    value.wrong(reader, format!("not a regular expression: {last}"))
}

pub(super) fn slashed(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?;
    let good = text.starts_with('/')
        && text.bytes().all(|b| b > b' ' && b != 0x7f && b != b'?' && b != b'#');
    if !good {
        return value.wrong(reader, "expected a path that begins with /");
    }
    ascii(&text, value, reader).then_some(text)
}

/// Whether requests come with such a path. They are compared in one spelling (RFC 3986 section
/// 6.2.2), so another spelling would never match. Complains if not.
pub(super) fn comes_so(
    path: &str,
    prefix: bool,
    value: Value<'_>,
    reader: &mut Reader<'_>,
) -> bool {
    let star = if prefix { "/*" } else { "" };
    match spelling(path) {
        Ok(usual) if usual == path => true,
        Ok(usual) => {
            let message =
                "no request has this path: it is compared after decoding and without dots";
            let usual = if prefix { usual.trim_end_matches('/') } else { &usual };
            reader.error_help(value.span(), message, "", format!("write \"{usual}{star}\""));
            false
        }
        Err(reason) => {
            reader.error(value.span(), format!("no request has this path: {reason}"), "");
            false
        }
    }
}

/// The one spelling of a path, or why requests with it are refused. Beyond RFC 3986, `..` with
/// parameters and beside an encoded slash is refused, as servers disagree about it.
fn spelling(path: &str) -> Result<String, &'static str> {
    let bad = "% stands before two hexadecimal digits, and for itself as %25";
    let mut pieces = path.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..2).and_then(crate::native::units::hex).ok_or(bad)?;
        let byte = digits.first().copied().ok_or(bad)?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            plain.push(char::from(byte));
        } else {
            plain.push_str(&format!("%{byte:02X}"));
        }
        plain.push_str(&piece[2..]);
    }
    let escapes = "such a .. leads out, or servers disagree about it: it is refused";
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = plain.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." if kept.pop().is_none() => return Err(escapes),
            ".." => {}
            _ if hides_dots(segment) => return Err(escapes),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    Ok(kept.iter().map(|segment| format!("/{segment}")).collect())
}

fn hides_dots(segment: &str) -> bool {
    let parts = segment.split("%2F").flat_map(|part| part.split("%5C"));
    parts.map(|part| part.split(';').next()).any(|name| name == Some(".."))
}

#[cfg(test)]
mod tests {
    use super::spelling;

    #[test]
    fn paths_have_one_spelling() {
        for (path, usual) in [
            ("", ""),
            ("/", "/"),
            ("/a//b/", "/a//b/"),
            ("/a/../b", "/b"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/%41%2d%2fx%c3%a9", "/A-%2Fx%C3%A9"),
            ("/a/%2e%2e/b", "/b"),
            ("/...", "/..."),
            ("/a;..", "/a;.."),
        ] {
            assert_eq!(spelling(path), Ok(usual.to_owned()), "{path}");
        }
        for path in
            ["/..", "/a/../../b", "/%zz", "/a%", "/a%4", "/..;x", "/..%2fx", "/a%5c..", "/%é"]
        {
            assert!(spelling(path).is_err(), "{path}");
        }
    }
}
