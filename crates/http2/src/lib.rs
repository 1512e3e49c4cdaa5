//! HTTP/2 (RFC 9113) through the `h2` crate. **Law: a stream of HTTP/2 is an HTTP/1.1 byte stream
//! in memory; nothing here knows routes, pools or members, or starts a task.**
//!
//! Towards clients, [`Front`] is a connection that yields an [`Incoming`] for each request, which
//! writes itself as an HTTP/1.1 request and [carries](Admitted::carry) body and answer between the
//! stream and one end of a pipe; whoever holds the other end serves HTTP/1.1 and knows no better.
//! Towards members, a [`Back`] is a connection that many requests share; each comes the same way,
//! as HTTP/1.1 through a pipe.
//!
//! Translating is where requests are smuggled, so what could be read in two ways is refused
//! (RFC 9113 sections 8.2, 8.3 and 10.3).
#![forbid(unsafe_code)]

mod accept_key;
mod answer;
mod back;
mod body;
mod fields;
mod front;
mod guard;
mod heard;
mod incoming;
mod outgoing;
mod outward;
mod request;
mod watched;
mod web;

pub use back::{Back, BackSettings};
pub use front::{Counter, Front, Next, Settings};
pub use guard::FLOODS;
pub use incoming::{Admitted, End, Incoming};
pub use outward::is_grpc;
pub use web::is_grpc_web;

/// What every HTTP/2 connection begins with (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of one stream that wait in each direction between HTTP/2 and HTTP/1.1. Beyond, the sender
/// waits: flow control then holds back the peer.
pub const PIPE_BYTES: usize = 48 * 1024;
