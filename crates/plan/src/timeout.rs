use std::time::Duration;

use crate::Protocol;

/// How long a client may take. All are measured by the listener's core clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerTimeouts {
    /// From the first byte of a head to its last; 10 s. Beyond: 408. Also for a PROXY header and a
    /// TLS ClientHello that is read for its names: beyond, the connection is closed.
    pub header: Duration,
    /// Between two requests on a connection; 60 s. For TCP and UDP: silence in both directions;
    /// 1 h and 60 s. Beyond: closed.
    pub idle: Duration,
    /// From the first byte of a request to the last byte of its answer; 5 min. Beyond: 408 or 504
    /// when nothing was answered yet, else the connection is closed. 0: no limit.
    pub request: Duration,
    /// Between two bytes in either direction of a tunnel (after Upgrade); 1 h.
    pub tunnel: Duration,
    /// Waiting for a client that does not read its answer; 60 s. Beyond: closed.
    pub send: Duration,
}

impl ListenerTimeouts {
    /// The idle time that a listener of the protocol has unless told otherwise.
    pub fn default_idle(protocol: Protocol) -> Duration {
        match protocol {
            Protocol::Http | Protocol::Udp => Duration::from_secs(60),
            Protocol::Tcp => Duration::from_secs(3600),
        }
    }
}

impl Default for ListenerTimeouts {
    fn default() -> ListenerTimeouts {
        ListenerTimeouts {
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            request: Duration::from_secs(300),
            tunnel: Duration::from_secs(3600),
            send: Duration::from_secs(60),
        }
    }
}

/// How long members may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolTimeouts {
    /// Until a connection is made; 1 s. Beyond: the next attempt, else 504.
    pub connect: Duration,
    /// From the end of the request to the head of the answer, and between two pieces of its
    /// body; 60 s. Beyond: 504 when nothing was answered yet.
    pub response: Duration,
    /// How long an idle connection to a member is kept; 60 s.
    pub idle: Duration,
    /// How long a request waits for a member when all are at `max_requests`; 5 s. Beyond: 503.
    pub queue: Duration,
}

impl Default for PoolTimeouts {
    fn default() -> PoolTimeouts {
        PoolTimeouts {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            queue: Duration::from_secs(5),
        }
    }
}
