//! Why an exchange failed: the only place that maps failures to statuses and cause codes.

/// Who is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The client.
    Downstream,
    /// The member, or the way to it.
    Upstream,
    /// We, or the configuration.
    Internal,
}

/// A failure: what the client is told, and the word to search for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The status sent when nothing was sent yet; 0: nothing can be sent, the connection ends.
    pub status: u16,
    /// The code in access log, metrics and answer.
    pub cause: &'static str,
    /// Who is at fault.
    pub side: Side,
}

macro_rules! failures {
    ($($name:ident = $status:literal $cause:literal $side:ident, $doc:literal;)*) => {
        impl Failure {
            $(#[doc = $doc] pub const $name: Failure =
                Failure { status: $status, cause: $cause, side: Side::$side };)*
        }
        /// Every failure beyond those of the parsers, with what it means; a row each in the
        /// documentation.
        pub const FAILURES: &[(Failure, &str)] = &[$((Failure::$name, $doc)),*];
    };
}

failures! {
    NO_ROUTE = 404 "no-route" Internal, "No route takes this request.";
    NO_ROUTE_TCP = 0 "no-route-tcp" Internal, "No route of the TCP listener takes a connection with this server name and ALPN, and it has no pool.";
    LOOKALIKE = 400 "lookalike-field" Downstream, "A header name that some servers take for Content-Length or Transfer-Encoding.";
    METHOD = 405 "method-refused" Downstream, "CONNECT and TRACE are not served.";
    TLS_HANDSHAKE = 0 "tls-handshake" Downstream, "The client broke the rules of TLS in its handshake.";
    TLS_GONE = 0 "tls-gone" Downstream, "The client closed or reset within its TLS handshake.";
    TLS_ALERT = 0 "tls-alert" Downstream, "The client broke the TLS handshake off with an alert: it does not believe the certificate, or cannot go on.";
    TLS_UNSHARED = 0 "tls-unshared" Downstream, "The client has no version, cipher suite or signature scheme of TLS in common with the listener.";
    TLS_NO_CERTIFICATE = 0 "tls-no-certificate" Downstream, "The client showed no certificate, and clients is required.";
    TLS_BAD_CERTIFICATE = 0 "tls-bad-certificate" Downstream, "The client's certificate is not believed: its signer is unknown, its time is over, or it was revoked.";
    TLS_NOT_ISSUED = 0 "tls-not-issued" Downstream, "The certificate for the name that the client asked for has not come from its authority yet.";
    TLS_PROOF = 0 "tls-proof" Downstream, "A certificate authority looked at the proof of a name in a handshake (tls-alpn-01), and got it; such a connection carries nothing else.";
    TLS_CROWDED = 0 "tls-crowded" Downstream, "limits.handshakes was reached, and the client's TLS handshake, older than a second, gave way.";
    MISDIRECTED = 421 "misdirected" Downstream, "The connection asked for another server name, and this host has another certificate on the listener.";
    TLS_TIMEOUT = 0 "tls-timeout" Downstream, "The client's TLS handshake did not end within timeouts.header.";
    MEMBER_TLS = 502 "member-tls" Upstream, "The TLS handshake with the member failed, or its certificate is not believed.";
    BODY_TOO_LARGE = 413 "body-too-large" Downstream, "The request body is larger than limits.body.";
    HEADER_TIMEOUT = 408 "header-timeout" Downstream, "The request head did not arrive within timeouts.header.";
    BODY_TOO_SLOW = 408 "body-too-slow" Downstream, "The request body came slower than limits.body_rate_min.";
    REQUEST_TIMEOUT_DOWN = 408 "request-timeout" Downstream, "The request did not arrive whole within timeouts.request.";
    REQUEST_TIMEOUT_UP = 504 "request-timeout" Upstream, "The exchange did not end within timeouts.request.";
    CALL_TIMEOUT = 504 "call-timeout" Internal, "The time that the caller of a gRPC call gives it (grpc-timeout) was over; no fault of the member.";
    CLIENT_GONE = 0 "client-gone" Downstream, "The client closed or reset before its answer was complete.";
    CLIENT_STALLED = 0 "client-stalled" Downstream, "The client did not read its answer within timeouts.send.";
    NO_MEMBER = 503 "no-member" Upstream, "The pool has no usable member.";
    QUEUE_FULL = 503 "queue-full" Upstream, "Every member is at max_requests and the queue is full.";
    QUEUE_TIMEOUT = 503 "queue-timeout" Upstream, "No member became free within timeouts.queue.";
    PLACES_TAKEN = 503 "places-taken" Upstream, "Every place that an Apache configuration gives the member (max) was taken for as long as one waits for one (acquire).";
    NO_CONTINUE = 503 "no-continue" Upstream, "The member did not ask for the body within the time that an Apache configuration gives it (ping).";
    MEMBER_LINE = 502 "member-line-too-long" Upstream, "A line of the head of the member's answer is longer than an Apache configuration allows (responsefieldsize, 8192 bytes by default).";
    UNRESOLVED = 503 "name-unresolved" Upstream, "The member's name has no address.";
    CONNECT_REFUSED = 503 "connect-refused" Upstream, "The member refused the connection.";
    CONNECT_FAILED = 503 "connect-failed" Upstream, "No connection to the member could be made.";
    CONNECT_TIMEOUT = 504 "connect-timeout" Upstream, "No connection to the member within timeouts.connect.";
    LOCAL_LIMIT = 503 "local-limit" Internal, "This machine ran out of descriptors, ports or memory.";
    MEMBER_CLOSED = 502 "member-closed" Upstream, "The member closed before its answer began.";
    MEMBER_RESET = 502 "member-reset" Upstream, "The member reset the connection before its answer began.";
    MEMBER_HTTP2 = 502 "member-http2" Upstream, "The member broke the rules of HTTP/2 before its answer began, or the answer's head is larger than the pool's limits.header_bytes.";
    MEMBER_REFUSED = 502 "member-refused" Upstream, "The member refused a stream of HTTP/2, or said goodbye, before it did anything about the request.";
    MEMBER_TIMEOUT = 504 "member-timeout" Upstream, "The member did not begin its answer within timeouts.response.";
    LATE_CONTAINER = 504 "late-container" Upstream, "A member that speaks AJP answered a ping, and then did not begin its answer in time.";
    MEMBER_STALLED = 504 "member-stalled" Upstream, "The member paused within its answer for longer than timeouts.response.";
    MEMBER_CUT = 502 "member-cut" Upstream, "The member closed or reset within its answer.";
    OVERRIDDEN = 502 "status-overridden" Upstream, "The member answered a status for which the configuration (ProxyErrorOverride) has a page of its own.";
    MEMBER_UNAVAILABLE = 503 "member-unavailable" Upstream, "The member answered a call of gRPC with UNAVAILABLE and nothing else, which is retried.";
    MEMBER_STATUS = 502 "member-status" Upstream, "The member answered a status that is retried.";
    BAD_UPGRADE = 502 "bad-upgrade" Upstream, "The member switched to a protocol that was not asked for.";
    CLIENT_RESET = 0 "client-reset" Downstream, "The client reset a relayed connection; the member was sent a reset too.";
    MEMBER_BROKE = 0 "member-broke" Upstream, "The member reset a relayed connection; the client was sent a reset too.";
    MEMBER_OUT = 0 "member-out" Internal, "The member of a relayed connection went down or was disabled, and the pool's on_down ends its connections.";
    IDLE_TIMEOUT = 0 "idle-timeout" Internal, "Nothing moved in either direction of a relayed connection for timeouts.idle (after an upgrade, timeouts.tunnel).";
    UDP_REFUSED = 0 "udp-refused" Upstream, "Nobody listens at the member's port (ICMP port unreachable); further datagrams of the client go to another member.";
    UNANSWERED = 0 "unanswered" Upstream, "A UDP flow that expects responses got none within timeouts.idle.";
    FLOW_EVICTED = 0 "flow-evicted" Internal, "The UDP flow gave way to a newer one: limits.connections was reached.";
    PROXY_TIMEOUT = 0 "proxy-timeout" Downstream, "The PROXY header did not arrive whole within timeouts.header.";
    PROXY_UNTRUSTED = 0 "proxy-untrusted" Downstream, "A PROXY header is required, and the connection comes from a network that is not trusted to send one.";
    HELLO_TIMEOUT = 0 "tls-hello-timeout" Downstream, "The TLS ClientHello did not arrive whole within timeouts.header.";
    HTTP2_MALFORMED = 0 "http2-malformed" Downstream, "A request of HTTP/2 could be read in two ways (RFC 9113 sections 8.2 and 8.3); its stream was reset.";
    HTTP2_STREAM = 0 "http2-stream" Downstream, "A client of HTTP/2 broke the rules of one stream: frames after its end, or more than its window takes; it was reset.";
    HTTP2_REFUSED = 0 "http2-refused" Downstream, "A client of HTTP/2 had limits.streams requests open and began another; its stream was refused.";
    HTTP2_CUT = 0 "http2-cut" Internal, "An answer to a client of HTTP/2 ended too early; its stream was reset.";
    HTTP2_PROTOCOL = 0 "http2-protocol" Downstream, "A client broke the rules of HTTP/2; its connection was closed.";
    HTTP2_RESETS = 0 "http2-resets" Downstream, "A client of HTTP/2 reset too many streams (CVE-2023-44487); its connection was closed.";
    HTTP2_PINGS = 0 "http2-pings" Downstream, "A client of HTTP/2 sent too many PING frames; its connection was closed.";
    HTTP2_SETTINGS = 0 "http2-settings" Downstream, "A client of HTTP/2 sent too many SETTINGS frames; its connection was closed.";
    HTTP2_EMPTY = 0 "http2-empty-frames" Downstream, "A client of HTTP/2 sent too many DATA frames without data; its connection was closed.";
    HTTP2_CONTINUATIONS = 0 "http2-continuations" Downstream, "A client of HTTP/2 spread heads over too many CONTINUATION frames; its connection was closed.";
    HTTP2_HEADS = 0 "http2-heads" Downstream, "A client of HTTP/2 sent too many heads that are far beyond limits.header_bytes; its connection was closed.";
    HTTP2_IDLE = 0 "http2-idle-frames" Downstream, "A client of HTTP/2 sent too many frames that mean nothing here (PRIORITY, WINDOW_UPDATE, unknown ones); its connection was closed.";
    NO_RANGE = 416 "no-range" Internal, "Nothing of the range that was asked for is in the member's answer (only where httpd's rules decide).";
    TOO_MANY_INTERIM = 502 "too-many-interim" Upstream, "The member sent more than ten interim answers.";
}

impl Failure {
    /// A request that the parser refused.
    pub fn refused(status: u16, cause: &'static str) -> Failure {
        Failure { status, cause, side: Side::Downstream }
    }

    /// Whether the client's connection is in order all the same.
    pub fn keeps_connection(&self) -> bool {
        self.side != Side::Downstream
    }

    /// The head of an answer that the parser refused. For httpd, a bad field is an error of its own.
    pub fn bad_head(cause: &'static str, head: &[u8], ruled: bool) -> Failure {
        let of_field = ["space-before-colon", "bad-field-name", "control-byte"].contains(&cause);
        let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).skip(1);
        let all_fields = lines.by_ref().take_while(|line| !line.is_empty());
        let own = ruled && of_field && all_fields.into_iter().all(|line| line.contains(&b':'));
        Failure { status: if own { 500 } else { 502 }, cause, side: Side::Upstream }
    }

    /// An answer that the parser refused.
    pub fn bad_answer(cause: &'static str) -> Failure {
        Failure { status: 502, cause, side: Side::Upstream }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_words_and_statuses_are_errors() {
        for (failure, meaning) in FAILURES {
            assert!(failure.cause.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            assert!(failure.status == 0 || (400..600).contains(&failure.status));
            assert!(meaning.ends_with('.'));
        }
    }
}
