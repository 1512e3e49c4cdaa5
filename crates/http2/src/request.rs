//! The head of a request, from HTTP/2 to HTTP/1.1.

use evenkeel_wire::http1::{Framing, write};

use crate::accept_key::base64;
use crate::head::{Head, LOWER};

/// What must be known of a request to carry it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// How its body is framed.
    pub(crate) framing: Framing,
    /// It is a HEAD: the answer has no body.
    pub(crate) head: bool,
    /// It asks for a WebSocket (RFC 8441).
    pub(crate) socket: bool,
}

/// Why a request is not carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// Writes the head as HTTP/1.1. `empty`: the request ended with its head. Where a WebSocket is asked
/// for, [`write_key`] must follow.
pub(crate) fn write_head(head: &Head, empty: bool, out: &mut Vec<u8>) -> Result<Asked, Malformed> {
    let method = head.method().ok_or(Malformed)?;
    let socket = is_socket(head, method)?;
    write_line(head, method, socket, out)?;
    if let Some(host) = host(head)? {
        write::field(out, b"host", host);
    }
    out.extend_from_slice(head.lines());
    if !head.cookie().is_empty() {
        out.extend_from_slice(head.cookie());
        out.extend_from_slice(b"\r\n");
    }
    let framing = match head.length {
        _ if socket => Framing::None,
        Some(length) if length > 0 && empty => return Err(Malformed),
        Some(length) => Framing::Length(length),
        None if empty => Framing::None,
        None => Framing::Chunked,
    };
    match framing {
        Framing::Length(length) => write::number_field(out, b"content-length", length),
        Framing::Chunked => write::field(out, b"transfer-encoding", b"chunked"),
        Framing::None | Framing::UntilClose => {}
    }
    if socket {
        out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n");
    } else {
        out.extend_from_slice(b"\r\n");
    }
    Ok(Asked { framing, head: method == b"HEAD", socket })
}

/// Ends the head of a wish for a WebSocket, with a key made of the nonce (RFC 6455 section 4.1).
pub(crate) fn write_key(nonce: [u8; 16], out: &mut Vec<u8>) {
    write::field(out, b"sec-websocket-key", &base64(&nonce));
    out.extend_from_slice(b"\r\n");
}

/// An extended CONNECT is served for WebSockets only (RFC 8441 section 4).
fn is_socket(head: &Head, method: &[u8]) -> Result<bool, Malformed> {
    match head.protocol() {
        None => Ok(false),
        Some(b"websocket") if method == b"CONNECT" => Ok(true),
        Some(_) => Err(Malformed),
    }
}

fn write_line(
    head: &Head,
    method: &[u8],
    socket: bool,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let known = |scheme: &[u8]| {
        scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
    };
    if method == b"CONNECT" && !socket {
        // RFC 9113 section 8.5: the authority, and neither scheme nor path.
        let authority = head.authority().filter(|text| !text.is_empty()).ok_or(Malformed)?;
        if head.scheme().is_some() || head.path().is_some() {
            return Err(Malformed);
        }
        write::request_line(out, b"CONNECT", authority);
        return Ok(());
    }
    if !head.scheme().is_some_and(known) || !is_method(method) {
        return Err(Malformed);
    }
    let target = head.path().ok_or(Malformed)?;
    // RFC 9113 section 8.3.1.
    let whole_server = target == b"*" && method == b"OPTIONS";
    if !target.starts_with(b"/") && !whole_server {
        return Err(Malformed);
    }
    write::request_line(out, if socket { b"GET" } else { method }, target);
    Ok(())
}

fn is_method(method: &[u8]) -> bool {
    !method.is_empty() && method.iter().all(|b| LOWER[usize::from(b.to_ascii_lowercase())])
}

/// The authority, or the `Host` field of a request without one. Both must say the same
/// (RFC 9113 section 8.3.1).
fn host(head: &Head) -> Result<Option<&[u8]>, Malformed> {
    let Some(authority) = head.authority() else { return Ok(head.host()) };
    let same = head.host().is_none_or(|host| host.eq_ignore_ascii_case(authority));
    if authority.is_empty() || authority.contains(&b'@') || !same {
        return Err(Malformed);
    }
    Ok(Some(authority))
}

#[cfg(test)]
mod tests {
    use evenkeel_wire::http2::hpack::Field;

    use super::*;

    fn written(fields: &[(&str, &str)], empty: bool) -> Result<(String, Asked), Malformed> {
        let mut head = Head::default();
        head.begin(10_000, false);
        for (name, value) in fields {
            head.take(&Field { name: name.as_bytes(), value: value.as_bytes() });
        }
        assert!(!head.is_malformed(), "{fields:?}");
        let mut out = Vec::new();
        let asked = write_head(&head, empty, &mut out)?;
        if asked.socket {
            write_key([0; 16], &mut out);
        }
        Ok((String::from_utf8(out).unwrap(), asked))
    }

    fn with<'a>(
        method: &'a str,
        authority: &'a str,
        path: &'a str,
        more: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![(":method", method), (":scheme", "http"), (":path", path)];
        if !authority.is_empty() {
            fields.push((":authority", authority));
        }
        fields.extend(more);
        fields
    }

    #[test]
    fn pseudo_fields_become_the_request_line_and_host() {
        let (text, asked) =
            written(&with("GET", "a.example:8080", "/x?y=%20z", &[]), true).unwrap();
        assert_eq!(text, "GET /x?y=%20z HTTP/1.1\r\nhost: a.example:8080\r\n\r\n");
        assert_eq!(asked, Asked { framing: Framing::None, head: false, socket: false });
        let (text, _) = written(&with("GET", "", "/x", &[("host", "b")]), true).unwrap();
        assert_eq!(text, "GET /x HTTP/1.1\r\nhost: b\r\n\r\n");
        let (text, _) = written(&with("GET", "", "/x", &[]), true).unwrap();
        assert_eq!(text, "GET /x HTTP/1.1\r\n\r\n");
        let (_, asked) = written(&with("HEAD", "a", "/", &[]), true).unwrap();
        assert!(asked.head);
        let (text, _) = written(&with("OPTIONS", "a", "*", &[]), true).unwrap();
        assert!(text.starts_with("OPTIONS * HTTP/1.1\r\n"));
    }

    #[test]
    fn bodies_have_their_length_or_chunks() {
        let post = |more: &[(&'static str, &'static str)], empty| {
            written(&with("POST", "a", "/", more), empty)
        };
        let (text, asked) = post(&[("content-length", "5")], false).unwrap();
        assert!(text.ends_with("content-length: 5\r\n\r\n") && asked.framing == Framing::Length(5));
        let (text, asked) = post(&[], false).unwrap();
        assert!(text.ends_with("transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(asked.framing, Framing::Chunked);
        let (text, _) = post(&[("content-length", "0")], true).unwrap();
        assert!(text.ends_with("content-length: 0\r\n\r\n"));
        assert!(post(&[("content-length", "5")], true).is_err());
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let crumbs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")];
        let (text, _) = written(&with("GET", "a", "/", &crumbs), true).unwrap();
        assert_eq!(text, "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for fields in [
            with("GET", "a", "/", &[("host", "b")]),
            with("GET", "user@a", "/", &[]),
            with("GET", "a", "*", &[]),
            with("GET", "a", "x", &[]),
            with("GET", "a", "", &[]),
            with("", "a", "/", &[]),
            with("G(T", "a", "/", &[]),
            vec![(":method", "GET"), (":scheme", "ftp"), (":path", "/"), (":authority", "a")],
            vec![(":method", "GET"), (":path", "/"), (":authority", "a")],
            vec![(":method", "GET"), (":scheme", "http"), (":authority", "a")],
            vec![(":scheme", "http"), (":path", "/"), (":authority", "a")],
            vec![(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "")],
            vec![(":method", "CONNECT"), (":scheme", "http"), (":authority", "a")],
            vec![(":method", "CONNECT")],
        ] {
            assert_eq!(written(&fields, false), Err(Malformed), "{fields:?}");
        }
    }

    #[test]
    fn a_websocket_is_asked_for_as_http_1_does() {
        let wish = |method, protocol| {
            let mut fields = vec![(":protocol", protocol)];
            fields.extend(with(method, "a", "/chat", &[("sec-websocket-version", "13")]));
            written(&fields, false)
        };
        let (text, asked) = wish("CONNECT", "websocket").unwrap();
        assert!(text.starts_with("GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n"));
        assert!(text.ends_with(
            "upgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ));
        assert!(asked.socket);
        assert_eq!(wish("CONNECT", "connect-udp"), Err(Malformed));
        assert_eq!(wish("GET", "websocket"), Err(Malformed));
    }

    #[test]
    fn connect_names_its_authority() {
        let fields = [(":method", "CONNECT"), (":authority", "a.example:443")];
        let (text, _) = written(&fields, false).unwrap();
        assert!(text.starts_with("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n"));
    }
}
