//! HTTP/2 (RFC 9113). **Law: a stream of HTTP/2 is an HTTP/1.1 byte stream in memory; nothing here
//! knows routes, pools or members, or starts a task.**
//!
//! Towards clients, [`Front`] is a connection that yields an [`Incoming`] for each request: its head
//! as HTTP/1.1 text, and a stream that takes the answer as HTTP/1.1 text and turns it into frames as
//! it is written. Whoever serves it knows no better. The engine beneath is our own, without I/O.
//! Towards members, a [`Back`] is a connection (of the `h2` crate) that many requests share; each
//! comes as HTTP/1.1 through a pipe.
//!
//! Translating is where requests are smuggled, so what could be read in two ways is refused
//! (RFC 9113 sections 8.2, 8.3 and 10.3).
#![forbid(unsafe_code)]

mod accept_key;
mod answer;
mod back;
mod body;
mod debts;
mod engine;
mod fields;
mod front;
mod guard;
mod head;
mod heard;
mod lane;
mod outgoing;
mod outward;
mod priority;
mod request;
mod settling;
mod web;

pub use back::{Back, BackSettings};
pub use debts::Debts;
pub use engine::Settings;
#[cfg(feature = "exercise")]
pub use engine::exercise::exercise;
pub use evenkeel_wire::http2::frame::PREFACE;
pub use front::{Front, Incoming, Next};
pub use guard::FLOODS;
pub use outgoing::MALFORMED;
pub use outward::is_grpc;
pub use web::is_grpc_web;

/// Bytes of one request to a member that wait in each direction between HTTP/2 and HTTP/1.1. Beyond, the sender
/// waits: flow control then holds back the peer.
pub const PIPE_BYTES: usize = 48 * 1024;
