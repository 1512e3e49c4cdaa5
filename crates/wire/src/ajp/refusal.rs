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
    // Requests that cannot be said in AJP.
    LONG_REQUEST = 431 "ajp-long-request" "the request's head does not fit one packet of the member"
    BAD_URI = 400 "ajp-bad-uri" "the path is neither * nor begins with /, or has a ? in it"
    // Answers.
    BAD_MAGIC = 502 "ajp-bad-magic" "a packet that does not begin with AB"
    BAD_LENGTH = 502 "ajp-bad-length" "a packet whose length is not that of its content"
    BAD_STRING = 502 "ajp-bad-string" "a string that leaves its packet or does not end with NUL"
    BAD_TYPE = 502 "ajp-bad-type" "a packet of a type that a container does not send"
    LONG_HEAD = 502 "ajp-long-head" "the answer's head is longer than the packet size"
    MANY_FIELDS = 502 "ajp-many-fields" "more fields than the limit"
    BAD_STATUS = 502 "ajp-bad-status" "a status other than 200 to 599"
    BAD_NAME = 502 "ajp-bad-name" "a field name that is no token, or an unknown code"
    BAD_VALUE = 502 "ajp-bad-value" "a control byte in the reason or a field value"
    BAD_CONTENT_LENGTH = 502 "ajp-bad-content-length" "Content-Length twice, or not a decimal number below 2^64"
    OUT_OF_ORDER = 502 "ajp-out-of-order" "a body or an end before the head, or a second head"
    LONG_BODY = 502 "ajp-long-body" "a body longer than Content-Length announced"
    BAD_ASK = 502 "ajp-bad-ask" "a request for a body chunk of no bytes, or before the last one was answered"
}
