use crate::http1::{Cause, Refusal};

macro_rules! causes {
    ($($name:ident = $status:literal $code:literal $meaning:literal)*) => {
        $(pub(super) const $name: Refusal = Refusal { status: $status, cause: $code };)*

        /// Every cause a refusal here can have, for the documentation and the metrics.
        pub const CAUSES: &[Cause] =
            &[$(Cause { code: $code, status: $status, meaning: $meaning }),*];
    };
}

causes! {
    // Requests that cannot be said.
    LONG_PARAMS = 431 "fastcgi-long-params" "the CGI variables are together longer than the limit"
    // Records.
    BAD_VERSION = 502 "fastcgi-bad-version" "a record of a version other than 1"
    BAD_TYPE = 502 "fastcgi-bad-type" "a record of a type that a responder does not send unasked"
    BAD_ID = 502 "fastcgi-bad-id" "a record for a request that was not sent"
    BAD_END = 502 "fastcgi-bad-end" "an end of the request that is not 8 bytes long or has an unknown status"
    // The head (RFC 3875 section 6).
    LONG_HEAD = 502 "cgi-long-head" "the answer's head is longer than the limit"
    MANY_FIELDS = 502 "cgi-many-fields" "more field lines than the limit"
    BAD_NAME = 502 "cgi-bad-name" "a field name is empty, is not a token, or has no colon"
    BAD_VALUE = 502 "cgi-bad-value" "a control byte in a field value"
    BAD_STATUS = 502 "cgi-bad-status" "Status twice, or not three digits from 200 to 599"
    BAD_LENGTH = 502 "cgi-bad-length" "Content-Length twice, or not a decimal number below 2^64"
}
