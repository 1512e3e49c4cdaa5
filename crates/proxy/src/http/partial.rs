//! A part of an answer's body that was asked for, cut out as httpd does it.

use evenkeel_httpd::Part;
use evenkeel_wire::http1::{Known, ResponseHead};

/// What goes to the client: lines of the head, and the body.
pub(crate) struct Cut {
    /// The line that says which bytes these are, or of what type several parts are.
    pub(crate) line: Vec<u8>,
    /// The member's own type does not count any more.
    pub(crate) retyped: bool,
    pub(crate) body: Vec<u8>,
}

/// Cuts `part` out of `body`. `mark`: what stands between several parts.
pub(crate) fn cut(part: &Part, body: &[u8], answer: &ResponseHead, buf: &[u8], mark: u64) -> Cut {
    let length = body.len();
    let bytes = |first: u64, last: u64| {
        let end = usize::try_from(last).unwrap_or(length).saturating_add(1).min(length);
        &body[usize::try_from(first).unwrap_or(end).min(end)..end]
    };
    let ranges = match part {
        Part::One(first, last) => {
            let line = format!("Content-Range: bytes {first}-{last}/{length}\r\n").into_bytes();
            return Cut { line, retyped: false, body: bytes(*first, *last).to_vec() };
        }
        Part::Several(ranges) => &ranges[..],
        Part::Nothing => &[],
    };
    let given = answer.find(Known::ContentType).map(|field| field.value.of(buf));
    let mut out = Vec::new();
    for (first, last) in ranges {
        out.extend_from_slice(format!("\r\n--{mark:016x}\r\n").as_bytes());
        if let Some(given) = given {
            out.extend_from_slice(b"Content-type: ");
            out.extend_from_slice(given);
            out.extend_from_slice(b"\r\n");
        }
        let range = format!("Content-range: bytes {first}-{last}/{length}\r\n\r\n");
        out.extend_from_slice(range.as_bytes());
        out.extend_from_slice(bytes(*first, *last));
    }
    out.extend_from_slice(format!("\r\n--{mark:016x}--\r\n").as_bytes());
    let line = format!("Content-Type: multipart/byteranges; boundary={mark:016x}\r\n");
    Cut { line: line.into_bytes(), retyped: true, body: out }
}
