use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes of one value that a line holds at most; the rest is cut. So a line is bounded whatever
/// clients send.
pub const VALUE_MAX: usize = 4096;

/// What is known about an exchange when it ended. Empty text and `None` mean that there is no
/// such thing; JSON leaves the field out, other formats write `-`.
#[derive(Clone, Debug, Default)]
pub struct Record<'a> {
    /// When the first byte of the request came: milliseconds since 1970 (Unix time).
    pub unix_millis: u64,
    /// The listener's name.
    pub listener: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The pool's name.
    pub pool: &'a str,
    /// The tag of the member that answered, or was tried last.
    pub member: &'a str,
    /// The client's address, after trusted forwarding headers. `None` on a unix socket.
    pub client: Option<IpAddr>,
    /// Who the connection came from. `None` on a unix socket.
    pub peer: Option<SocketAddr>,
    /// The number of the client connection, unique in the process.
    pub connection: u64,
    /// The request's method, as received.
    pub method: &'a [u8],
    /// The request target, as received.
    pub target: &'a [u8],
    /// The request's `Host` or authority.
    pub host: &'a [u8],
    /// `HTTP/1.1`, `HTTP/1.0`, `HTTP/2`.
    pub protocol: &'a str,
    /// What TLS agreed on with the client.
    pub tls: Tls<'a>,
    /// The status the client got; 0 when it left before it got one.
    pub status: u16,
    /// Bytes read from the client for this exchange, head included.
    pub bytes_in: u64,
    /// Bytes written to the client, head included.
    pub bytes_out: u64,
    /// From the first byte of the request to the last byte of the answer.
    pub duration: Duration,
    /// From sending the request to the member until the first byte of its answer; of the last
    /// attempt.
    pub first_byte: Option<Duration>,
    /// How often the request was sent to a member: 0 when none was asked, 2 after one retry.
    pub attempts: u32,
    /// Why the balancer answered by itself or the exchange broke; a cause code.
    pub cause: Option<&'a str>,
    /// Whether affinity bound the client to the member.
    pub affinity: Affinity,
    /// The id that the request was forwarded with.
    pub request_id: &'a [u8],
    /// The request's `User-Agent`.
    pub user_agent: &'a [u8],
    /// The request's `Referer`.
    pub referer: &'a [u8],
}

/// What TLS agreed on; empty where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tls<'a> {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'a str,
    /// The cipher suite's name.
    pub cipher: &'a str,
    /// The server name that the client asked for.
    pub server_name: &'a str,
    /// The session was resumed.
    pub resumed: bool,
}

/// What affinity did for an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// The pool has none, or the client brought and got no binding.
    #[default]
    None,
    /// The client was bound to the member that served it now.
    New,
    /// The client came back to its member.
    Kept,
    /// The client's member could not serve it; another did, and it is bound to that one now.
    Moved,
}

impl Affinity {
    /// The word in the log; empty for [`Affinity::None`].
    pub fn name(self) -> &'static str {
        match self {
            Affinity::None => "",
            Affinity::New => "new",
            Affinity::Kept => "kept",
            Affinity::Moved => "moved",
        }
    }
}
