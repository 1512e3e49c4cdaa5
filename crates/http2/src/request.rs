//! The head of a request, from HTTP/2 to HTTP/1.1. What a reader of HTTP/1.1 could take for
//! something else is refused, not mended.

use evenkeel_wire::http1::{Framing, write};
use h2::ext::Protocol;
use http::request::Parts;
use http::{Method, header};

use crate::accept_key::base64;
use crate::fields::{is_of_connection, is_plain};

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

/// Writes the head as HTTP/1.1. `empty`: the request ended with its head; `nonce`: random, for the
/// key of a WebSocket's handshake.
pub(crate) fn write_head(
    parts: &Parts,
    empty: bool,
    nonce: [u8; 16],
    out: &mut Vec<u8>,
) -> Result<Asked, Malformed> {
    let socket = is_socket(parts)?;
    write_line(parts, socket, out)?;
    let host = host(parts)?;
    if let Some(host) = host {
        write::field(out, b"host", host);
    }
    let length = write_fields(parts, out)?;
    let framing = match length {
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
        write::field(out, b"sec-websocket-key", &base64(&nonce));
    }
    out.extend_from_slice(b"\r\n");
    Ok(Asked { framing, head: parts.method == Method::HEAD, socket })
}

/// An extended CONNECT is served for WebSockets only (RFC 8441 section 4).
fn is_socket(parts: &Parts) -> Result<bool, Malformed> {
    match parts.extensions.get::<Protocol>() {
        None => Ok(false),
        Some(protocol) if protocol.as_str() == "websocket" => Ok(true),
        Some(_) => Err(Malformed),
    }
}

fn write_line(parts: &Parts, socket: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let uri = &parts.uri;
    if let Some(scheme) = uri.scheme_str()
        && !scheme.eq_ignore_ascii_case("http")
        && !scheme.eq_ignore_ascii_case("https")
    {
        return Err(Malformed);
    }
    if parts.method == Method::CONNECT && !socket {
        let authority = uri.authority().ok_or(Malformed)?;
        write::request_line(out, b"CONNECT", authority.as_str().as_bytes());
        return Ok(());
    }
    let target = uri.path_and_query().ok_or(Malformed)?.as_str();
    // RFC 9113 section 8.3.1.
    let whole_server = target == "*" && parts.method == Method::OPTIONS;
    if !target.starts_with('/') && !whole_server {
        return Err(Malformed);
    }
    let method = if socket { "GET" } else { parts.method.as_str() };
    write::request_line(out, method.as_bytes(), target.as_bytes());
    Ok(())
}

/// The authority, or the `Host` field of a request without one. Both must say the same
/// (RFC 9113 section 8.3.1).
fn host(parts: &Parts) -> Result<Option<&[u8]>, Malformed> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let field = fields.next().map(|value| value.as_bytes());
    if fields.next().is_some() {
        return Err(Malformed);
    }
    let Some(authority) = parts.uri.authority() else { return Ok(field) };
    let authority = authority.as_str().as_bytes();
    if authority.contains(&b'@') || field.is_some_and(|f| !f.eq_ignore_ascii_case(authority)) {
        return Err(Malformed);
    }
    Ok(Some(authority))
}

/// Writes the fields, `Host` and framing aside; gives the length that was announced.
fn write_fields(parts: &Parts, out: &mut Vec<u8>) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for (name, value) in &parts.headers {
        let bytes = value.as_bytes();
        if is_of_connection(name.as_str().as_bytes()) || !is_plain(bytes) {
            return Err(Malformed);
        }
        match *name {
            header::HOST | header::COOKIE => {}
            header::TE if bytes.eq_ignore_ascii_case(b"trailers") => {
                out.extend_from_slice(b"te: trailers\r\n");
            }
            header::TE => return Err(Malformed),
            header::CONTENT_LENGTH => {
                let given = digits(bytes).ok_or(Malformed)?;
                if length.is_some_and(|known| known != given) {
                    return Err(Malformed);
                }
                length = Some(given);
            }
            _ => write::field(out, name.as_str().as_bytes(), bytes),
        }
    }
    write_cookies(parts, out);
    Ok(length)
}

/// The crumbs of a cookie become one field again (RFC 9113 section 8.2.3).
fn write_cookies(parts: &Parts, out: &mut Vec<u8>) {
    for (at, crumb) in parts.headers.get_all(header::COOKIE).iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"cookie: " } else { b"; " });
        out.extend_from_slice(crumb.as_bytes());
    }
    if parts.headers.contains_key(header::COOKIE) {
        out.extend_from_slice(b"\r\n");
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    let all = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    all.then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Builder;

    use super::*;

    fn written(builder: Builder, empty: bool) -> Result<(String, Asked), Malformed> {
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let mut out = Vec::new();
        let asked = write_head(&parts, empty, [0; 16], &mut out)?;
        Ok((String::from_utf8(out).unwrap(), asked))
    }

    fn get(uri: &str) -> Builder {
        Request::get(uri)
    }

    #[test]
    fn pseudo_fields_become_the_request_line_and_host() {
        let (text, asked) = written(get("http://a.example:8080/x?y=%20z"), true).unwrap();
        assert_eq!(text, "GET /x?y=%20z HTTP/1.1\r\nhost: a.example:8080\r\n\r\n");
        assert_eq!(asked, Asked { framing: Framing::None, head: false, socket: false });
        let (text, _) = written(get("/x").header("host", "b"), true).unwrap();
        assert_eq!(text, "GET /x HTTP/1.1\r\nhost: b\r\n\r\n");
        let (text, _) = written(get("/x"), true).unwrap();
        assert_eq!(text, "GET /x HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn bodies_have_their_length_or_chunks() {
        let post = || Request::post("http://a/");
        let (text, asked) = written(post().header("content-length", "5"), false).unwrap();
        assert!(text.ends_with("content-length: 5\r\n\r\n") && asked.framing == Framing::Length(5));
        let (text, asked) = written(post(), false).unwrap();
        assert!(text.ends_with("transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(asked.framing, Framing::Chunked);
        let (text, _) = written(post().header("content-length", "0"), true).unwrap();
        assert!(text.ends_with("content-length: 0\r\n\r\n"));
        assert!(written(post().header("content-length", "5"), true).is_err());
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let crumbs = get("http://a/").header("cookie", "a=1").header("x", "y");
        let (text, _) = written(crumbs.header("cookie", "b=2"), true).unwrap();
        assert_eq!(text, "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for builder in [
            get("http://a/").header("connection", "close"),
            get("http://a/").header("keep-alive", "1"),
            get("http://a/").header("proxy-connection", "x"),
            get("http://a/").header("transfer-encoding", "chunked"),
            get("http://a/").header("upgrade", "h2c"),
            get("http://a/").header("te", "gzip"),
            get("http://a/").header("x", " lead"),
            get("http://a/").header("x", "trail\t"),
            get("http://a/").header("host", "b"),
            get("http://a/").header("host", "a").header("host", "a"),
            get("http://user@a/"),
            get("ftp://a/"),
            get("*"),
            get("http://a/").header("content-length", "1").header("content-length", "2"),
            get("http://a/").header("content-length", "+1"),
            get("http://a/").header("content-length", "1, 1"),
            get("http://a/").header("content-length", "18446744073709551616"),
            get("http://a/").header("content-length", ""),
        ] {
            let shown = format!("{builder:?}");
            assert_eq!(written(builder, false), Err(Malformed), "{shown}");
        }
    }

    #[test]
    fn a_websocket_is_asked_for_as_http_1_does() {
        let connect = Request::connect("http://a/chat")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        let (text, asked) = written(connect, false).unwrap();
        assert!(text.starts_with("GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n"));
        assert!(
            text.contains("upgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
        );
        assert!(asked.socket);
        let other = Request::connect("http://a/").extension(Protocol::from_static("connect-udp"));
        assert_eq!(written(other, false), Err(Malformed));
    }

    #[test]
    fn connect_names_its_authority() {
        let (text, _) = written(Request::connect("a.example:443"), false).unwrap();
        assert!(text.starts_with("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n"));
    }
}
