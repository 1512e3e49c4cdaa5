//! The PROXY protocol, versions 1 and 2: who the client is, told by the balancer before us, or by
//! us to a member.
//!
//! Whoever can connect could send such a header, so it must be believed only on listeners where it
//! is expected, and there it is required: a connection without one is refused.

mod crc32c;
mod tlv;
mod v1;
mod v2;
mod write;

use std::fmt;
use std::net::SocketAddr;

pub use tlv::{Ssl, Tlv, Tlvs, kind};
pub use write::{V2Writer, write_v1};

/// The longest header of version 1, its line end included.
pub const V1_BYTES: usize = 107;
/// The longest header of version 2 that is accepted, the 16 fixed bytes included. The format
/// allows 65551; senders stay under 1 KiB unless they pass on certificates.
pub const V2_BYTES: usize = 16 << 10;

/// A header as received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// 1 or 2.
    pub version: u8,
    /// Whether the header speaks for itself or for a client.
    pub command: Command,
    /// Whose connection it is; [`Addresses::Unknown`] with [`Command::Local`].
    pub addresses: Addresses,
    /// Length in bytes; the client's own bytes follow.
    pub len: usize,
    /// Where the TLVs begin.
    tlvs: usize,
}

/// Why the sender connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// On its own behalf, such as a health probe: the connection's own addresses count.
    Local,
    /// On behalf of a client.
    Proxy,
}

/// Both ends of the client's connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Addresses {
    /// Not told (`UNKNOWN`, `UNSPEC`): the connection's own addresses count.
    Unknown,
    /// Over TCP.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
    /// Over UDP.
    Udp {
        /// The client.
        source: SocketAddr,
        /// What it sent to.
        destination: SocketAddr,
    },
    /// Over a unix socket; paths up to the first NUL, abstract ones with their leading NUL.
    Unix {
        /// The client's path, often empty.
        source: Vec<u8>,
        /// The path it connected to.
        destination: Vec<u8>,
        /// Whether the socket keeps message boundaries.
        datagram: bool,
    },
}

impl Header {
    /// Reads a header at the start of `buf`; `None` when more bytes are needed. Bytes that cannot
    /// become a header are refused at once.
    ///
    /// # Errors
    /// Any deviation from the specification, a checksum that is not right included.
    pub fn parse(buf: &[u8]) -> Result<Option<Header>, Fault> {
        if begins(buf, v1::START) {
            v1::parse(buf)
        } else if begins(buf, v2::START) {
            v2::parse(buf)
        } else {
            Err(Fault::NoHeader)
        }
    }

    /// The TLVs, in order; `buf` is what the header was parsed from. They were checked when it
    /// was.
    pub fn tlvs<'a>(&self, buf: &'a [u8]) -> Tlvs<'a> {
        Tlvs::new(buf.get(self.tlvs..self.len).unwrap_or_default())
    }
}

/// Why there is no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The first bytes are those of neither version.
    NoHeader,
    /// Longer than [`V1_BYTES`] or [`V2_BYTES`].
    TooLong,
    /// A version 1 line that is malformed.
    BadLine,
    /// Version, command, family or address length of version 2 is malformed.
    BadBlock,
    /// A TLV does not fit its place.
    BadTlv,
    /// The checksum is not that of the header.
    BadChecksum,
}

impl Fault {
    /// Every one.
    pub const ALL: [Fault; 6] = [
        Fault::NoHeader,
        Fault::TooLong,
        Fault::BadLine,
        Fault::BadBlock,
        Fault::BadTlv,
        Fault::BadChecksum,
    ];

    /// A code for logs and searches.
    pub fn cause(self) -> &'static str {
        match self {
            Fault::NoHeader => "proxy-no-header",
            Fault::TooLong => "proxy-too-long",
            Fault::BadLine => "proxy-bad-line",
            Fault::BadBlock => "proxy-bad-block",
            Fault::BadTlv => "proxy-bad-tlv",
            Fault::BadChecksum => "proxy-bad-checksum",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.cause())
    }
}

impl std::error::Error for Fault {}

/// Whether `buf` and `start` agree as far as both go.
fn begins(buf: &[u8], start: &[u8]) -> bool {
    let both = buf.len().min(start.len());
    buf[..both] == start[..both]
}

#[cfg(test)]
mod tests;
