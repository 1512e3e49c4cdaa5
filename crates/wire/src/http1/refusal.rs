use std::fmt;

/// Why a message is not accepted, and the status that says so.
///
/// The connection is of no further use: where the next message begins is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The status a client is answered with.
    pub status: u16,
    /// A code of [`CAUSES`], for logs and searches.
    pub cause: &'static str,
}

impl Refusal {
    /// The same cause when the message came from a member: the client gets a 502.
    #[must_use]
    pub fn of_member(self) -> Refusal {
        Refusal { status: 502, cause: self.cause }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.cause, self.status)
    }
}

impl std::error::Error for Refusal {}

/// One row of [`CAUSES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// The code, as in [`Refusal::cause`].
    pub code: &'static str,
    /// The status of a request refused for it; an answer of a member is always a 502.
    pub status: u16,
    /// What it means, in one line.
    pub meaning: &'static str,
}

macro_rules! causes {
    ($($name:ident = $status:literal $code:literal $meaning:literal)*) => {
        $(pub(crate) const $name: Refusal = Refusal { status: $status, cause: $code };)*

        /// Every cause a refusal can have, for the documentation and the metrics.
        pub const CAUSES: &[Cause] =
            &[$(Cause { code: $code, status: $status, meaning: $meaning }),*];
    };
}

causes! {
    // The start line.
    BAD_START_LINE = 400 "bad-start-line" "start line without its three parts, or parts not separated by exactly one space (RFC 9112 3, 4)"
    LEADING_EMPTY_LINES = 400 "leading-empty-lines" "more than one empty line before the request (RFC 9112 2.2)"
    TLS_IN_CLEAR = 400 "tls-in-clear" "the first byte is that of a TLS handshake, on a listener without TLS"
    BAD_METHOD = 400 "bad-method" "the method is not a token (RFC 9110 9.1)"
    LONG_METHOD = 501 "long-method" "the method is longer than 32 bytes (RFC 9112 3)"
    CONNECT = 501 "connect" "CONNECT asks for a tunnel, which a reverse proxy does not give (RFC 9110 9.3.6)"
    LONG_TARGET = 414 "long-target" "the request target is longer than the limit (RFC 9110 15.5.15)"
    BAD_TARGET = 400 "bad-target" "the request target has a byte or a form that is not allowed (RFC 9112 3.2)"
    BAD_PERCENT = 400 "bad-percent" "the path has a % without two hexadecimal digits, or %00 (RFC 3986 2.1)"
    BAD_SCHEME = 400 "bad-scheme" "the request target has a scheme other than http and https"
    PATH_ESCAPE = 400 "path-escape" "the path leaves the root by .. segments, plain or encoded (RFC 3986 5.2.4)"
    BAD_VERSION = 400 "bad-version" "the version is not HTTP/ and two digits, or is missing as in HTTP/0.9 (RFC 9112 2.3)"
    OTHER_VERSION = 505 "other-version" "a major version other than 1 (RFC 9110 15.6.6)"
    HTTP2_PREFACE = 505 "http2-preface" "an HTTP/2 client on a connection read as HTTP/1 (RFC 9113 3.4)"
    BAD_STATUS = 502 "bad-status" "the status is not three digits from 100 to 599 (RFC 9110 15)"
    // Lines and fields.
    BARE_LF = 400 "bare-lf" "a line ends with LF alone (RFC 9112 2.2)"
    BARE_CR = 400 "bare-cr" "a CR that is not followed by LF (RFC 9112 2.2)"
    CONTROL_BYTE = 400 "control-byte" "a control byte such as NUL where text must stand (RFC 9110 5.5)"
    OBS_FOLD = 400 "obs-fold" "a field line begins with whitespace: line folding (RFC 9112 5.2)"
    LEADING_SPACE = 400 "leading-space" "whitespace between the start line and the first field (RFC 9112 2.2)"
    SPACE_BEFORE_COLON = 400 "space-before-colon" "whitespace in or after a field name (RFC 9112 5.1)"
    BAD_FIELD_NAME = 400 "bad-field-name" "a field name is empty, is not a token, or has no colon (RFC 9110 5.1)"
    LONG_HEAD = 431 "long-head" "start line and fields are together longer than the limit (RFC 6585 5)"
    MANY_FIELDS = 431 "many-fields" "more field lines than the limit (RFC 6585 5)"
    // Where the body ends.
    BAD_LENGTH = 400 "bad-length" "Content-Length is not one decimal number below 2^64 (RFC 9110 8.6)"
    TWO_LENGTHS = 400 "two-lengths" "more than one Content-Length, equal or not (RFC 9112 6.3)"
    LENGTH_AND_CHUNKED = 400 "length-and-chunked" "Content-Length together with Transfer-Encoding (RFC 9112 6.1)"
    TWO_CODINGS = 400 "two-codings" "more than one Transfer-Encoding line (RFC 9112 6.1)"
    BAD_CODING = 400 "bad-coding" "Transfer-Encoding is not a list of coding names, or has chunked twice (RFC 9112 6.1)"
    CHUNKED_NOT_LAST = 400 "chunked-not-last" "Transfer-Encoding whose last coding is not chunked: the end is unknown (RFC 9112 6.3)"
    UNKNOWN_CODING = 501 "unknown-coding" "a transfer coding other than chunked (RFC 9112 6.1)"
    CODING_IN_HTTP10 = 400 "coding-in-http10" "Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1)"
    BODY_FORBIDDEN = 502 "body-forbidden" "an interim answer (1xx) that announces a body (RFC 9110 8.6)"
    // Host, Connection, Expect.
    NO_HOST = 400 "no-host" "an HTTP/1.1 request without Host (RFC 9112 3.2)"
    TWO_HOSTS = 400 "two-hosts" "more than one Host, equal or not (RFC 9112 3.2)"
    BAD_HOST = 400 "bad-host" "Host or the target's authority is empty or not a host and port (RFC 9112 3.2)"
    BAD_CONNECTION = 400 "bad-connection" "Connection is not a list of up to 64 tokens, or names Host or a framing field (RFC 9110 7.6.1)"
    UNKNOWN_EXPECTATION = 417 "unknown-expectation" "Expect other than 100-continue (RFC 9110 10.1.1)"
    // Bodies.
    BAD_CHUNK = 400 "bad-chunk" "a chunk size that is not 1 to 16 hexadecimal digits, or its line or end is malformed (RFC 9112 7.1)"
    LONG_CHUNK = 400 "long-chunk" "a chunk of more than 2^60 bytes"
    BAD_EXTENSION = 400 "bad-extension" "a malformed chunk extension (RFC 9112 7.1.1)"
    LONG_EXTENSIONS = 400 "long-extensions" "more than 4 KiB of chunk extensions in one message (RFC 9112 7.1.1)"
    BAD_TRAILER = 400 "bad-trailer" "a framing, routing or connection field in the trailers (RFC 9110 6.5.1)"
    LONG_TRAILERS = 431 "long-trailers" "trailers beyond the limits of a head"
    EARLY_EOF = 400 "early-eof" "the connection ended before the body did (RFC 9112 8)"
}

#[cfg(test)]
mod tests {
    use super::CAUSES;

    #[test]
    fn codes_are_unique_lower_case_words() {
        for (i, cause) in CAUSES.iter().enumerate() {
            assert!(
                cause
                    .code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
            );
            assert!((400..600).contains(&cause.status), "{}", cause.code);
            assert!(CAUSES[..i].iter().all(|other| other.code != cause.code), "{}", cause.code);
        }
    }
}
