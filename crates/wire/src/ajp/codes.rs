//! The tables of the protocol: one-byte methods, two-byte field names, attributes.

/// The method's code; `None` when it must be spelt out as an attribute.
pub(super) fn method(name: &[u8]) -> Option<u8> {
    // Methods are case-sensitive (RFC 9110 section 9.1).
    METHODS.iter().position(|known| known.as_bytes() == name).map(|at| at as u8 + 1)
}

/// The code of a request's field name.
pub(super) fn request_field(name: &[u8]) -> Option<u16> {
    if !(4..=15).contains(&name.len()) {
        return None;
    }
    let at = REQUEST_FIELDS.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
    Some(0xA001 + at as u16)
}

/// The name that a code means in an answer.
pub(super) fn answer_field(code: u16) -> Option<&'static str> {
    ANSWER_FIELDS.get(usize::from(code.checked_sub(0xA001)?)).copied()
}

/// Codes 1 to 27.
const METHODS: [&str; 27] = [
    "OPTIONS",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "ACL",
    "REPORT",
    "VERSION-CONTROL",
    "CHECKIN",
    "CHECKOUT",
    "UNCHECKOUT",
    "SEARCH",
    "MKWORKSPACE",
    "UPDATE",
    "LABEL",
    "MERGE",
    "BASELINE-CONTROL",
    "MKACTIVITY",
];

/// Codes 0xA001 to 0xA00E.
const REQUEST_FIELDS: [&str; 14] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-type",
    "content-length",
    "cookie",
    "cookie2",
    "host",
    "pragma",
    "referer",
    "user-agent",
];

/// Codes 0xA001 to 0xA00B.
const ANSWER_FIELDS: [&str; 11] = [
    "Content-Type",
    "Content-Language",
    "Content-Length",
    "Date",
    "Last-Modified",
    "Location",
    "Set-Cookie",
    "Set-Cookie2",
    "Servlet-Engine",
    "Status",
    "WWW-Authenticate",
];

/// The method when it has no code of its own; an attribute tells it.
pub(super) const STORED_METHOD: u8 = 0xFF;

/// The codes of a request's attributes.
pub(super) mod attribute {
    pub(in super::super) const QUERY: u8 = 5;
    pub(in super::super) const ROUTE: u8 = 6;
    pub(in super::super) const TLS_CERTIFICATE: u8 = 7;
    pub(in super::super) const TLS_CIPHER: u8 = 8;
    pub(in super::super) const TLS_SESSION: u8 = 9;
    /// A name and a value follow.
    pub(in super::super) const NAMED: u8 = 10;
    /// Two bytes follow, not a string.
    pub(in super::super) const TLS_KEY_BITS: u8 = 11;
    pub(in super::super) const SECRET: u8 = 12;
    pub(in super::super) const METHOD: u8 = 13;
    pub(in super::super) const END: u8 = 0xFF;
}
