use std::time::Duration;

/// How a pool learns whether its members live.
#[derive(Clone, PartialEq, Debug)]
pub struct Health {
    /// The active check; `None`: members count as up until traffic says otherwise.
    pub check: Option<Check>,
    /// Time between two probes of one member, start to start; 2 s. Jittered by ±10 %.
    pub interval: Duration,
    /// A probe that takes longer has failed; 1 s.
    pub timeout: Duration,
    /// Failures in a row until a member is down; 3.
    pub fall: u32,
    /// Successes in a row until it is up again; 2.
    pub rise: u32,
    /// What real traffic tells; `None` turns it off.
    pub passive: Option<Passive>,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            check: None,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
            passive: Some(Passive::default()),
        }
    }
}

/// An active check.
#[derive(Clone, PartialEq, Debug)]
pub enum Check {
    /// A connection can be made.
    Tcp(TcpCheck),
    /// An HTTP request is answered as expected: HTTP/2 where the pool speaks it, else HTTP/1.1.
    Http(HttpCheck),
    /// A datagram is answered, or at least not refused.
    Udp(UdpCheck),
    /// A gRPC service says that it serves (grpc.health.v1); for pools that speak HTTP/2.
    Grpc(GrpcCheck),
}

/// A check by gRPC.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GrpcCheck {
    /// The service that is asked for, at most 127 bytes; empty: the whole server.
    pub service: String,
}

/// A check by datagram.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UdpCheck {
    /// The datagram's bytes, at most 1200; none makes it an empty datagram.
    pub send: Vec<u8>,
    /// Bytes that one of the answers must contain. Empty: no answer is needed; the member passes
    /// unless its machine says within the timeout that nobody listens (ICMP unreachable).
    pub expect: Vec<u8>,
}

/// A check by connection, optionally with an exchange of bytes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TcpCheck {
    /// Bytes to send after the connection is made; at most 4 KiB.
    pub send: Vec<u8>,
    /// Bytes that the answer must contain within its first 16 KiB; empty: none needed.
    pub expect: Vec<u8>,
}

/// A check by HTTP request. The connection is new for each probe.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpCheck {
    /// `GET` by default.
    pub method: String,
    /// Path and query; `/` by default.
    pub path: String,
    /// The `Host` sent; the member's address by default.
    pub host: Option<String>,
    /// Statuses that pass; 200 to 399 by default.
    pub status: Vec<StatusRange>,
    /// Text that the first 64 KiB of the body must contain; none by default.
    pub body: Option<String>,
}

impl Default for HttpCheck {
    fn default() -> HttpCheck {
        HttpCheck {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            status: vec![StatusRange { first: 200, last: 399 }],
            body: None,
        }
    }
}

/// A range of status codes, both ends included, within 100..=599.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl StatusRange {
    /// Whether the status lies within.
    pub fn contains(&self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// Ejection by what real traffic shows: failed connects, resets, broken answers, timeouts, and
/// the statuses listed. A pool never ejects its last usable member.
#[derive(Clone, PartialEq, Debug)]
pub struct Passive {
    /// Errors within `window` that eject the member; 5.
    pub errors: u32,
    /// The time over which errors are counted; 10 s.
    pub window: Duration,
    /// How long the member gets no requests; 10 s. It comes back gradually.
    pub eject: Duration,
    /// Answers that count as errors; none by default.
    pub statuses: Vec<StatusRange>,
    /// Only connections that could not be made (and `statuses`) count, not broken or late answers:
    /// so does Apache.
    pub only_connect: bool,
}

impl Default for Passive {
    fn default() -> Passive {
        Passive {
            errors: 5,
            window: Duration::from_secs(10),
            eject: Duration::from_secs(10),
            statuses: Vec::new(),
            only_connect: false,
        }
    }
}
