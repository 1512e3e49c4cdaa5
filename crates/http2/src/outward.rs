//! The head of a request, from HTTP/1.1 to HTTP/2.

use evenkeel_wire::http1::{Known, RequestHead, TargetForm};
use h2::ext::Protocol;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use crate::fields::put;
use crate::outgoing::Sent;
use crate::web::Web;

/// The request as HTTP/2 has it. `sockets`: the member takes extended CONNECTs (RFC 8441); else a
/// wish for a WebSocket goes unheard. `secured`: there is TLS on the connection. `web`: a call of
/// gRPC-Web becomes one of gRPC. `None`: it has no form in HTTP/2.
pub(crate) fn request(
    buf: &[u8],
    head: &RequestHead,
    sockets: bool,
    (secured, web): (bool, bool),
) -> Option<(Request<()>, Sent)> {
    let upgrade = head.upgrade.map_or(&[][..], |span| span.of(buf));
    let socket = sockets && upgrade.eq_ignore_ascii_case(b"websocket");
    let mut key = Vec::new();
    let mut fields = HeaderMap::with_capacity(head.fields.len());
    for field in &head.fields {
        let name = field.name.of(buf);
        let of_handshake = socket && name.eq_ignore_ascii_case(b"sec-websocket-key");
        if of_handshake {
            key = field.value.of(buf).to_vec();
        } else if !field.drop && !matches!(field.known, Known::Host | Known::Te) {
            put(&mut fields, name, field.value.of(buf));
        }
    }
    if socket {
        fields.remove(header::CONTENT_LENGTH);
    }
    let web = if web { Web::take(&mut fields) } else { None };
    let content = fields.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    let grpc = is_grpc(content);
    // Ours passes trailers on; whether the client takes them is for it to say.
    if grpc || head.te_trailers {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let mut request = Request::new(());
    *request.method_mut() = match socket {
        true => Method::CONNECT,
        false => Method::from_bytes(head.method_span.of(buf)).ok()?,
    };
    *request.uri_mut() = uri(buf, head, secured)?;
    *request.headers_mut() = fields;
    if socket {
        request.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    let was_head = request.method() == Method::HEAD;
    let trailers = grpc || head.te_trailers;
    Some((request, Sent { head: was_head, trailers, socket, key, web }))
}

/// Whether a content type is that of gRPC, gRPC-Web aside, which has no trailers.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

fn uri(buf: &[u8], head: &RequestHead, secured: bool) -> Option<Uri> {
    let host = head.host.map_or(&[][..], |span| span.of(buf));
    let target = match head.form {
        TargetForm::Asterisk => "*",
        _ => str::from_utf8(head.target.of(buf)).ok()?,
    };
    let builder = Uri::builder()
        .scheme(if secured { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(Authority::try_from(host).ok()?)
        .path_and_query(PathAndQuery::try_from(target).ok()?);
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use evenkeel_wire::http1::{Limits, Parsed};

    use super::*;

    fn read(text: &str, sockets: bool) -> (Request<()>, Sent) {
        let mut head = RequestHead::new();
        let parsed = head.parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(parsed, Parsed::Complete);
        request(text.as_bytes(), &head, sockets, (false, false)).unwrap()
    }

    #[test]
    fn host_becomes_the_authority_and_the_connection_is_left_out() {
        let (request, sent) = read(
            "POST /a/b?c HTTP/1.1\r\nHost: x.example:81\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
             X-Kept: 2\r\nTransfer-Encoding: chunked\r\nVia: 1.1 e\r\n\r\n",
            true,
        );
        assert_eq!(request.uri().to_string(), "http://x.example:81/a/b?c");
        assert_eq!(request.method(), Method::POST);
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-kept", "via"]);
        assert_eq!(sent, Sent::default());
    }

    #[test]
    fn grpc_takes_trailers() {
        let text = "POST /s/m HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc+proto\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (request, sent) = read(text, true);
        assert_eq!(request.headers()["te"], "trailers");
        assert!(sent.trailers);
        assert!(is_grpc(b"application/grpc") && is_grpc(b"application/grpc;x"));
        assert!(!is_grpc(b"application/grpc-web") && !is_grpc(b"text/plain"));
    }

    #[test]
    fn a_websocket_becomes_an_extended_connect_where_the_member_takes_it() {
        let text = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let (request, sent) = read(text, true);
        assert_eq!((request.method(), sent.socket), (&Method::CONNECT, true));
        assert!(!request.headers().contains_key("sec-websocket-key"));
        let (request, sent) = read(text, false);
        assert_eq!((request.method(), sent.socket), (&Method::GET, false));
    }
}
