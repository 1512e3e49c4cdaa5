//! gRPC-Web: calls from browsers, which see no trailers, and where some can only read text. Towards
//! the member they are calls of gRPC: the same messages under another name, in base64 where that is
//! asked for, and what gRPC says in trailers as one more message at the end.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, header};

use crate::fields::write_lines;
use crate::outward::is_grpc;

const GRPC: &[u8] = b"application/grpc";
const WEB: &[u8] = b"application/grpc-web";
const TEXT: &[u8] = b"application/grpc-web-text";
/// The first byte of the message that holds trailers.
const TRAILERS: u8 = 0x80;

/// How a call of gRPC-Web is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Web {
    /// What comes is base64,
    pub(crate) asks_in_text: bool,
    /// and what goes back.
    pub(crate) answers_in_text: bool,
}

/// No base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Garbled;

/// Whether a content type is that of gRPC-Web.
pub fn is_grpc_web(content_type: &[u8]) -> bool {
    read(content_type).is_some()
}

/// Whether it is text, and what follows.
fn read(content_type: &[u8]) -> Option<(bool, &[u8])> {
    let text = content_type.strip_prefix(TEXT).map(|rest| (true, rest));
    let (text, rest) = text.or_else(|| Some((false, content_type.strip_prefix(WEB)?)))?;
    matches!(rest.first(), None | Some(b'+' | b';' | b' ')).then_some((text, rest))
}

impl Web {
    /// Makes the head of a call of gRPC-Web one of gRPC. `None`: it is none.
    pub(crate) fn take(fields: &mut HeaderMap) -> Option<Web> {
        let content = fields.get(header::CONTENT_TYPE)?.as_bytes();
        let (text, rest) = read(content)?;
        let value = HeaderValue::from_bytes(&[GRPC, rest].concat()).ok()?;
        let accepts = fields.get_all(header::ACCEPT).iter().any(|accepted| {
            accepted.as_bytes().windows(TEXT.len()).any(|part| part.eq_ignore_ascii_case(TEXT))
        });
        fields.insert(header::CONTENT_TYPE, value);
        if text {
            // That of the text.
            fields.remove(header::CONTENT_LENGTH);
        }
        Some(Web { asks_in_text: text, answers_in_text: text || accepts })
    }

    /// Makes the head of an answer of gRPC one of gRPC-Web; false when it is none.
    pub(crate) fn give(self, fields: &mut HeaderMap) -> bool {
        let Some(content) = fields.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) else {
            return false;
        };
        if !is_grpc(content) {
            return false;
        }
        let kind = if self.answers_in_text { TEXT } else { WEB };
        let value = HeaderValue::from_bytes(&[kind, &content[GRPC.len()..]].concat());
        if let Ok(value) = value {
            fields.insert(header::CONTENT_TYPE, value);
        }
        fields.remove(header::CONTENT_LENGTH);
        true
    }

    /// Bytes of the answer as the client reads them.
    pub(crate) fn write(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.answers_in_text {
            true => encode(bytes, out),
            false => out.extend_from_slice(bytes),
        }
    }
}

/// Trailers as a message; `None` when one of them cannot be written.
pub(crate) fn message(trailers: &HeaderMap) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    if !write_lines(&mut lines, trailers) {
        return None;
    }
    let length = u32::try_from(lines.len()).ok()?.to_be_bytes();
    Some([&[TRAILERS][..], &length, &lines].concat())
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding. Pieces may follow each other: readers of gRPC-Web take them one by one.
fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for three in bytes.chunks(3) {
        let at = |n: usize| usize::from(three.get(n).copied().unwrap_or(0));
        let whole = at(0) << 16 | at(1) << 8 | at(2);
        let digits = [18, 12, 6, 0].map(|shift| DIGITS[whole >> shift & 63]);
        out.extend_from_slice(&digits[..=three.len()]);
        out.extend_from_slice(&b"=="[..3 - three.len()]);
    }
}

/// Reads base64 piece by piece; padding may come within.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoder {
    digits: u32,
    count: u8,
    padding: u8,
}

impl Decoder {
    pub(crate) fn decode(&mut self, text: &[u8], out: &mut BytesMut) -> Result<(), Garbled> {
        for byte in text {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if self.count >= 2 => {
                    self.padding += 1;
                    0
                }
                _ => return Err(Garbled),
            };
            if self.padding > 0 && *byte != b'=' {
                return Err(Garbled);
            }
            self.digits = self.digits << 6 | u32::from(digit);
            self.count += 1;
            if self.count == 4 {
                let [_, bytes @ ..] = self.digits.to_be_bytes();
                out.extend_from_slice(&bytes[..3 - usize::from(self.padding.min(2))]);
                *self = Decoder::default();
            }
        }
        Ok(())
    }

    /// Whether it ends here.
    pub(crate) fn is_whole(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        of.iter().map(line).collect()
    }

    #[test]
    fn calls_are_known_by_their_content_type() {
        for (text, web) in [
            ("application/grpc-web", true),
            ("application/grpc-web+proto", true),
            ("application/grpc-web-text;charset=x", true),
            ("application/grpc-web-text+proto", true),
            ("application/grpc-website", false),
            ("application/grpc-web-texts", false),
            ("application/grpc", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_grpc_web(text.as_bytes()), web, "{text}");
        }
    }

    #[test]
    fn heads_change_their_names_there_and_back() {
        let mut asked =
            fields(&[("content-type", "application/grpc-web-text+proto"), ("content-length", "8")]);
        let web = Web::take(&mut asked).unwrap();
        assert_eq!(asked, fields(&[("content-type", "application/grpc+proto")]));
        assert_eq!(web, Web { asks_in_text: true, answers_in_text: true });
        let mut answer =
            fields(&[("content-type", "application/grpc+proto"), ("content-length", "8")]);
        assert!(web.give(&mut answer));
        assert_eq!(answer, fields(&[("content-type", "application/grpc-web-text+proto")]));
        let mut page = fields(&[("content-type", "text/html")]);
        assert!(!web.give(&mut page));
        let mut binary = fields(&[
            ("content-type", "application/grpc-web"),
            ("content-length", "8"),
            ("accept", "application/grpc-web-text"),
        ]);
        let web = Web::take(&mut binary).unwrap();
        assert_eq!(web, Web { asks_in_text: false, answers_in_text: true });
        assert_eq!(binary["content-length"], "8");
    }

    #[test]
    fn text_is_read_in_any_pieces_and_nonsense_is_not() {
        let mut text = Vec::new();
        encode(b"hello", &mut text);
        encode(b"!", &mut text);
        assert_eq!(text, b"aGVsbG8=IQ==");
        for size in 1..=text.len() {
            let (mut decoder, mut out) = (Decoder::default(), BytesMut::new());
            text.chunks(size).for_each(|piece| decoder.decode(piece, &mut out).unwrap());
            assert!(decoder.is_whole());
            assert_eq!(&out[..], b"hello!");
        }
        for bad in [&b"=AAA"[..], b"A=AA", b"AA=A", b"AA\r\nAA", b"====", b"AA-_"] {
            let (mut decoder, mut out) = (Decoder::default(), BytesMut::new());
            assert_eq!(decoder.decode(bad, &mut out), Err(Garbled), "{bad:?}");
        }
        let (mut decoder, mut out) = (Decoder::default(), BytesMut::new());
        decoder.decode(b"AAA", &mut out).unwrap();
        assert!(!decoder.is_whole());
    }

    #[test]
    fn trailers_are_a_message_of_their_own() {
        let trailers = fields(&[("grpc-status", "0"), ("grpc-message", "ok")]);
        let message = message(&trailers).unwrap();
        assert_eq!(&message[..5], [0x80, 0, 0, 0, 34]);
        assert_eq!(&message[5..], b"grpc-status: 0\r\ngrpc-message: ok\r\n");
    }
}
