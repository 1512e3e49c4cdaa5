//! HTTP/1.1 and HTTP/1.0 after RFC 9110 and RFC 9112, read strictly.
//!
//! Two parsers that read one message differently are a security hole, so whatever the RFCs let a
//! recipient repair (folded lines, bare line feeds, repeated lengths, a length next to a coding)
//! is refused here. Every refusal has a cause from [`CAUSES`].
//!
//! Heads are compact: a [`RequestHead`] or [`ResponseHead`] holds [`Span`]s into the buffer it was
//! parsed from, relative to its start, and is reused for the next message.

mod body;
pub(crate) mod chars;
mod chunked;
mod field;
mod framing;
mod host;
mod known;
mod lines;
mod method;
pub mod path;
mod refusal;
mod request;
mod response;
mod span;
mod target;
mod trailer;
pub mod write;

pub use body::{BodyReader, Piece};
pub use field::{Field, find, values};
pub use framing::Framing;
pub use known::Known;
pub use method::Method;
pub use refusal::{CAUSES, Cause, Refusal};
pub use request::RequestHead;
pub use response::ResponseHead;
pub use span::Span;
pub use target::{Scheme, TargetForm};

/// What a head (and a trailer section) may hold at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Start line and fields together, in bytes; 32 KiB. Beyond: 431. Never more than 16 MiB.
    pub head_bytes: usize,
    /// The request target, in bytes; 8 KiB. Beyond: 414.
    pub target_bytes: usize,
    /// Field lines; 100. Beyond: 431.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head_bytes: 32 << 10, target_bytes: 8 << 10, fields: 100 }
    }
}

impl Limits {
    /// The most bytes a head may have; offsets then fit a [`Span`].
    fn most(&self) -> usize {
        self.head_bytes.min(16 << 20)
    }

    /// The part of the buffer a head may fill.
    fn window<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        &buf[..buf.len().min(self.most())]
    }
}

/// How far a head was parsed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Parsed {
    /// The head is whole; it fills the first `len` bytes of the buffer.
    Complete,
    /// More bytes are needed; call again with the same buffer grown.
    Partial,
}

/// The version of a message, as it is treated (`HTTP/1.2` and above within 1 count as 1.1,
/// RFC 9110 section 2.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Version {
    /// `HTTP/1.0`.
    H10,
    /// `HTTP/1.1`.
    #[default]
    H11,
}
