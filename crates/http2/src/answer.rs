//! The head of an answer, from HTTP/1.1 to HTTP/2.

use evenkeel_wire::http1::{Known, Limits, ResponseHead};
use evenkeel_wire::http2::hpack::Encoder;

/// Bounds of heads whose sender has already bounded them: beyond what any plan allows.
pub(crate) const LIMITS: Limits = Limits { head_bytes: 4 << 20, target_bytes: 1, fields: 20_000 };

/// Writes the head as HTTP/2 has it. A switch of protocols becomes the 200 of an extended CONNECT
/// (RFC 8441 section 5).
pub(crate) fn encode(buf: &[u8], head: &ResponseHead, encoder: &mut Encoder, out: &mut Vec<u8>) {
    let switched = head.status == 101;
    encoder.status(if switched { 200 } else { head.status }, out);
    for field in &head.fields {
        let name = field.name.of(buf);
        match field.known {
            // They speak of one HTTP/1.1 connection (RFC 9113 section 8.2.2).
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade => {}
            // It answers a key that we made.
            Known::Other if switched && name.eq_ignore_ascii_case(b"sec-websocket-accept") => {}
            _ => encoder.field(name, field.value.of(buf), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_wire::http1::Parsed;
    use evenkeel_wire::http2::hpack::Decoder;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let mut head = ResponseHead::new();
        let parsed = head.parse(text.as_bytes(), &LIMITS).unwrap();
        assert_eq!(parsed, Parsed::Complete);
        let (mut out, mut fields) = (Vec::new(), Vec::new());
        let mut encoder = Encoder::new();
        encoder.begin(&mut out);
        encode(text.as_bytes(), &head, &mut encoder, &mut out);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let each = |f: evenkeel_wire::http2::hpack::Field<'_>| {
            fields.push((text(f.name), text(f.value)));
        };
        Decoder::new(4096).decode(&out, each).unwrap();
        fields
    }

    #[test]
    fn names_are_lower_case_and_the_connection_is_left_out() {
        let fields = read(
            "HTTP/1.1 404 Gone fishing\r\nX-A: 1\r\nx-a: 2\r\nConnection: close, x-b\r\n\
             Transfer-Encoding: chunked\r\nKeep-Alive: 1\r\n\r\n",
        );
        let expected = [(":status", "404"), ("x-a", "1"), ("x-a", "2")];
        assert_eq!(fields, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_switch_is_a_success() {
        let fields = read(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        );
        let expected = [(":status", "200"), ("sec-websocket-protocol", "chat")];
        assert_eq!(fields, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
