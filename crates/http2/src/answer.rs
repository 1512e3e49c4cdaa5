//! The head of an answer, from HTTP/1.1 to HTTP/2.

use evenkeel_wire::http1::{Known, Limits, ResponseHead};
use http::{Response, StatusCode};

use crate::fields::put;

/// Bounds of heads whose sender has already bounded them: beyond what any plan allows.
pub(crate) const LIMITS: Limits = Limits { head_bytes: 4 << 20, target_bytes: 1, fields: 20_000 };

/// The head as HTTP/2 has it. A switch of protocols becomes the 200 of an extended CONNECT
/// (RFC 8441 section 5). `None`: a status that HTTP/2 has no word for.
pub(crate) fn response(buf: &[u8], head: &ResponseHead) -> Option<Response<()>> {
    let switched = head.status == 101;
    let status = StatusCode::from_u16(if switched { 200 } else { head.status }).ok()?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.reserve(head.fields.len());
    for field in &head.fields {
        let name = field.name.of(buf);
        let of_handshake = switched && name.eq_ignore_ascii_case(b"sec-websocket-accept");
        if field.known != Known::TransferEncoding && !of_handshake {
            put(fields, name, field.value.of(buf));
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use evenkeel_wire::http1::Parsed;

    use super::*;

    fn read(text: &str) -> Response<()> {
        let mut head = ResponseHead::new();
        let parsed = head.parse(text.as_bytes(), &LIMITS).unwrap();
        assert_eq!(parsed, Parsed::Complete);
        response(text.as_bytes(), &head).unwrap()
    }

    #[test]
    fn names_are_lower_case_and_the_connection_is_left_out() {
        let answer = read(
            "HTTP/1.1 404 Gone fishing\r\nX-A: 1\r\nx-a: 2\r\nConnection: close, x-b\r\n\
             Transfer-Encoding: chunked\r\nKeep-Alive: 1\r\n\r\n",
        );
        assert_eq!(answer.status(), 404);
        let fields: Vec<_> =
            answer.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(fields, [("x-a", &b"1"[..]), ("x-a", b"2")]);
    }

    #[test]
    fn a_switch_is_a_success() {
        let answer = read(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        );
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers().len(), 1);
    }
}
