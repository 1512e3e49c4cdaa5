use crate::Bytes;

/// What a client may ask of an HTTP listener. What is beyond is answered as said and counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerLimits {
    /// Request line and headers together; 32 KiB. Beyond: 431.
    pub header_bytes: Bytes,
    /// The request target; 8 KiB. Beyond: 414.
    pub uri_bytes: Bytes,
    /// Header lines (and trailer lines); 100. Beyond: 431.
    pub headers: u32,
    /// The body; unlimited by default. Beyond: 413.
    pub body: Bytes,
    /// Open client connections over all cores; 50000. Beyond: the listener stops accepting until
    /// one ends, so that the kernel's queue holds the rest.
    pub connections: u32,
    /// TLS handshakes under way over all cores; 4096. Beyond, those that take longer than a second
    /// give way, and new ones wait. Clients that have not yet said what they want do not count.
    pub handshakes: u32,
    /// Requests on one connection before it is closed in an orderly way; 0 (default): no limit.
    pub requests_per_connection: u32,
    /// Requests that an HTTP/2 client may have under way on one connection
    /// (SETTINGS_MAX_CONCURRENT_STREAMS), 1 to 10000; 100. Beyond: the stream is refused, and the
    /// client may send the request again.
    pub streams: u32,
    /// Bytes a second below which a sender of a head or body is cut off after a grace of 10 s;
    /// 100 by default, 0 turns it off. Answer: 408.
    pub body_rate_min: u32,
}

impl Default for ListenerLimits {
    fn default() -> ListenerLimits {
        ListenerLimits {
            header_bytes: Bytes::kib(32),
            uri_bytes: Bytes::kib(8),
            headers: 100,
            body: Bytes::UNLIMITED,
            connections: 50_000,
            handshakes: 4096,
            requests_per_connection: 0,
            streams: 100,
            body_rate_min: 100,
        }
    }
}

/// What a pool holds at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolLimits {
    /// Requests that wait when every member is at `max_requests`; 1024. Beyond: 503.
    pub queue: u32,
    /// Idle connections kept per member and core; 256. Beyond: the oldest is closed.
    pub idle_connections: u32,
    /// Requests under way on one HTTP/2 connection to a member, 1 to 10000; 100, or what the member
    /// allows if that is less. Beyond: another connection is made.
    pub streams: u32,
    /// Head of an answer; 64 KiB. Beyond: 502.
    pub header_bytes: Bytes,
    /// Header lines of an answer; 200. Beyond: 502.
    pub headers: u32,
}

impl Default for PoolLimits {
    fn default() -> PoolLimits {
        PoolLimits {
            queue: 1024,
            idle_connections: 256,
            streams: 100,
            header_bytes: Bytes::kib(64),
            headers: 200,
        }
    }
}
