//! The fields of a request as they come out of their block, checked and kept as lines of HTTP/1.1.
//! What a reader of HTTP/1.1 could take for something else is refused, not mended.

use std::ops::Range;

use evenkeel_wire::http1::{Known, write};
use evenkeel_wire::http2::hpack::Field;

use crate::fields::is_plain;
use crate::priority::Priority;

/// What RFC 9113 section 6.5.2 adds for each field when it counts the size of a head.
pub(crate) const PER_FIELD: usize = 32;

/// How many times as large as it may be a head is read.
const BOMB: usize = 4;

/// One head, or trailers. Reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// Bytes by the count of RFC 9113 section 6.5.2, and how many may be.
    size: usize,
    most: usize,
    trailers: bool,
    malformed: bool,
    /// Fields that are no pseudo-fields have begun.
    regular: bool,
    /// Values of pseudo-fields, and of `Host`.
    values: Vec<u8>,
    pub(crate) pseudo: Pseudo,
    host: Option<Range<usize>>,
    /// The other fields, each a line.
    lines: Vec<u8>,
    /// The crumbs of a cookie, joined (RFC 9113 section 8.2.3).
    cookie: Vec<u8>,
    /// The length that was announced.
    pub(crate) length: Option<u64>,
    /// RFC 9218 section 5.
    pub(crate) priority: Option<Priority>,
}

/// Where the values of pseudo-fields are.
#[derive(Debug, Default)]
pub(crate) struct Pseudo {
    method: Option<Range<usize>>,
    scheme: Option<Range<usize>>,
    authority: Option<Range<usize>>,
    path: Option<Range<usize>>,
    protocol: Option<Range<usize>>,
}

impl Head {
    /// Begins the next one: at most `most` bytes.
    pub(crate) fn begin(&mut self, most: usize, trailers: bool) {
        self.values.clear();
        self.lines.clear();
        self.cookie.clear();
        *self = Head {
            values: std::mem::take(&mut self.values),
            lines: std::mem::take(&mut self.lines),
            cookie: std::mem::take(&mut self.cookie),
            most,
            trailers,
            ..Head::default()
        };
    }

    /// Takes a field; false: no more. Beyond the bound they are only counted, so that what follows
    /// can be read and the request be answered; but not for ever.
    pub(crate) fn take(&mut self, field: &Field<'_>) -> bool {
        self.size += field.name.len() + field.value.len() + PER_FIELD;
        if self.is_too_large() || self.malformed {
            return self.size <= self.most.saturating_mul(BOMB);
        }
        let good = match field.name.first() {
            Some(b':') => self.take_pseudo(field),
            _ => self.take_regular(field),
        };
        self.malformed |= !good;
        true
    }

    /// Whether it is more than may be.
    pub(crate) fn is_too_large(&self) -> bool {
        self.size > self.most
    }

    /// How many times as large as it may be it is.
    pub(crate) fn times_too_large(&self) -> usize {
        self.size / self.most.max(1)
    }

    /// Whether a field could be read in two ways.
    pub(crate) fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// RFC 9113 section 8.3: before all others, each once, none in trailers.
    fn take_pseudo(&mut self, field: &Field<'_>) -> bool {
        let pseudo = &mut self.pseudo;
        let place = match field.name {
            b":method" => &mut pseudo.method,
            b":scheme" => &mut pseudo.scheme,
            b":authority" => &mut pseudo.authority,
            b":path" => &mut pseudo.path,
            b":protocol" => &mut pseudo.protocol,
            _ => return false,
        };
        let word = |b: &u8| *b > b' ' && *b != 0x7f;
        if self.regular || self.trailers || place.is_some() || !field.value.iter().all(word) {
            return false;
        }
        let start = self.values.len();
        self.values.extend_from_slice(field.value);
        *place = Some(start..self.values.len());
        true
    }

    /// RFC 9113 sections 8.2.1 and 8.2.2.
    fn take_regular(&mut self, field: &Field<'_>) -> bool {
        self.regular = true;
        let Field { name, value } = *field;
        if name.is_empty() || !name.iter().all(|b| LOWER[usize::from(*b)]) || !is_plain(value) {
            return false;
        }
        let known = Known::of(name);
        match known {
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade => return false,
            // Of trailers, those that are none are dropped or refused where bodies are read.
            _ if self.trailers => {}
            Known::Te if !value.eq_ignore_ascii_case(b"trailers") => return false,
            Known::Host => return self.take_host(value),
            Known::Cookie => return self.take_crumb(value),
            Known::ContentLength => return self.take_length(value),
            Known::Other if name == b"priority" => self.priority = Some(Priority::read(value)),
            _ => {}
        }
        write::field(&mut self.lines, name, value);
        true
    }

    fn take_host(&mut self, value: &[u8]) -> bool {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.host.replace(start..self.values.len()).is_none()
    }

    fn take_crumb(&mut self, value: &[u8]) -> bool {
        let joint: &[u8] = if self.cookie.is_empty() { b"cookie: " } else { b"; " };
        self.cookie.extend_from_slice(joint);
        self.cookie.extend_from_slice(value);
        true
    }

    fn take_length(&mut self, value: &[u8]) -> bool {
        let given = digits(value);
        let same = self.length.is_none() || self.length == given;
        self.length = given;
        given.is_some() && same
    }

    fn value(&self, place: Option<&Range<usize>>) -> Option<&[u8]> {
        place.map(|range| &self.values[range.clone()])
    }

    pub(crate) fn method(&self) -> Option<&[u8]> {
        self.value(self.pseudo.method.as_ref())
    }

    pub(crate) fn scheme(&self) -> Option<&[u8]> {
        self.value(self.pseudo.scheme.as_ref())
    }

    pub(crate) fn authority(&self) -> Option<&[u8]> {
        self.value(self.pseudo.authority.as_ref())
    }

    pub(crate) fn path(&self) -> Option<&[u8]> {
        self.value(self.pseudo.path.as_ref())
    }

    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.value(self.pseudo.protocol.as_ref())
    }

    pub(crate) fn host(&self) -> Option<&[u8]> {
        self.value(self.host.as_ref())
    }

    /// The fields beside those that have a place of their own.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// `cookie: ` and its crumbs, without the end of the line; empty without cookie.
    pub(crate) fn cookie(&self) -> &[u8] {
        &self.cookie
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    let all = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    all.then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// Bytes of a name: those of a token (RFC 9110 section 5.6.2), without upper case.
pub(crate) const LOWER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&'
            | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn head(trailers: bool, fields: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        head.begin(1000, trailers);
        for (name, value) in fields {
            head.take(&Field { name: name.as_bytes(), value: value.as_bytes() });
        }
        head
    }

    #[test]
    fn fields_find_their_places() {
        let head = head(
            false,
            &[
                (":method", "GET"),
                (":path", "/x"),
                (":scheme", "http"),
                (":authority", "a"),
                ("cookie", "a=1"),
                ("x", "y"),
                ("cookie", "b=2"),
                ("content-length", "5"),
                ("te", "trailers"),
                ("priority", "u=1, i"),
            ],
        );
        assert!(!head.is_malformed() && !head.is_too_large());
        assert_eq!((head.method(), head.path()), (Some(&b"GET"[..]), Some(&b"/x"[..])));
        assert_eq!((head.authority(), head.host()), (Some(&b"a"[..]), None));
        assert_eq!(head.cookie(), b"cookie: a=1; b=2");
        assert_eq!(head.lines(), b"x: y\r\nte: trailers\r\npriority: u=1, i\r\n");
        assert_eq!(head.length, Some(5));
        assert_eq!(head.priority, Some(Priority { urgency: 1, incremental: true }));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        for fields in [
            &[("connection", "close")][..],
            &[("keep-alive", "1")],
            &[("proxy-connection", "x")],
            &[("transfer-encoding", "chunked")],
            &[("upgrade", "h2c")],
            &[("te", "gzip")],
            &[("x", " lead")],
            &[("x", "trail\t")],
            &[("x", "a\r\nb: c")],
            &[("X", "upper")],
            &[("x y", "")],
            &[("", "x")],
            &[("x:", "")],
            &[("host", "a"), ("host", "a")],
            &[("content-length", "1"), ("content-length", "2")],
            &[("content-length", "+1")],
            &[("content-length", "1, 1")],
            &[("content-length", "18446744073709551616")],
            &[("content-length", "")],
            &[(":method", "GET"), (":method", "GET")],
            &[("x", "y"), (":method", "GET")],
            &[(":status", "200")],
            &[(":path", "/ HTTP/1.1")],
            &[(":path", "/\r\nx: y")],
            &[(":authority", "a\0")],
        ] {
            assert!(head(false, fields).is_malformed(), "{fields:?}");
        }
        for fields in [&[(":path", "/")][..], &[("connection", "x")], &[("x", "\n")]] {
            assert!(head(true, fields).is_malformed(), "{fields:?}");
        }
        assert!(!head(true, &[("grpc-status", "0")]).is_malformed());
    }

    #[test]
    fn sizes_are_counted_beyond_the_bound() {
        let value = "v".repeat(500);
        assert!(!head(false, &[("a", &value)]).is_too_large());
        let large = head(false, &[("a", &value), ("b", &value), ("c", &value)]);
        assert!(large.is_too_large() && large.lines().len() < 600);
    }
}
