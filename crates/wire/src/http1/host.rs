use std::net::Ipv6Addr;
use std::str::FromStr;

use super::chars::is_host;
use super::refusal::{BAD_HOST, Refusal};

/// The longest host name accepted (RFC 1035 section 2.3.4, with some room).
const HOST_BYTES: usize = 255;

/// Checks `host[:port]` (RFC 9110 section 7.2) and says how long the host part is, and the port.
///
/// The host is a name of letters, digits, `-`, `.`, `_`, `~` without empty labels (one final dot
/// is fine), an IPv4 address, or an IPv6 address in brackets. An empty port (`host:`) is allowed
/// by RFC 3986 and means the default one. No userinfo, no percent-encoding, no zone.
pub(super) fn authority(bytes: &[u8]) -> Result<(usize, Option<u16>), Refusal> {
    let host = match bytes {
        [b'[', ..] => bracketed(bytes).ok_or(BAD_HOST)?,
        _ => name(bytes).ok_or(BAD_HOST)?,
    };
    let port = match &bytes[host..] {
        [] | [b':'] => None,
        [b':', digits @ ..] => Some(port(digits).ok_or(BAD_HOST)?),
        _ => return Err(BAD_HOST),
    };
    Ok((host, port))
}

fn name(bytes: &[u8]) -> Option<usize> {
    let mut label = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at)
        && is_host(byte)
    {
        label += 1;
        if byte == b'.' {
            if label == 1 {
                return None;
            }
            label = 0;
        }
        at += 1;
    }
    (1..=HOST_BYTES).contains(&at).then_some(at)
}

fn bracketed(bytes: &[u8]) -> Option<usize> {
    let close = bytes.iter().take(48).position(|&byte| byte == b']')?;
    let text = std::str::from_utf8(&bytes[1..close]).ok()?;
    Ipv6Addr::from_str(text).ok()?;
    Some(close + 1)
}

fn port(digits: &[u8]) -> Option<u16> {
    let mut value = 0u16;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn hosts_with_and_without_ports_are_split() {
        for (text, want) in [
            ("a", (1, None)),
            ("example.com", (11, None)),
            ("example.com.", (12, None)),
            ("example.com:", (11, None)),
            ("a:0", (1, Some(0))),
            ("a:65535", (1, Some(65535))),
            ("10.0.0.1:80", (8, Some(80))),
            ("[::1]", (5, None)),
            ("[2001:db8::1]:8443", (13, Some(8443))),
            ("under_score-9~", (14, None)),
        ] {
            assert_eq!(authority(text.as_bytes()), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":80",
            ".",
            ".a",
            "a..b",
            "a,b",
            "a b",
            "a/b",
            "a\\b",
            "u@a",
            "u:p@a",
            "a:b",
            "a:8x",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:99999999999",
            "a:80:80",
            "[::1",
            "[::1]x",
            "[]",
            "[::g]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "::1",
            "a%2e",
            "a\"b",
            "caf\u{e9}",
            "a?b",
            "a#b",
            "a;b",
        ] {
            assert!(authority(text.as_bytes()).is_err(), "{text}");
        }
        assert!(authority(&[b'a'; 256]).is_err());
    }
}
