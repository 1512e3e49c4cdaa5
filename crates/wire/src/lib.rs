//! Bytes in, events out. **Law: no I/O, no clock, no randomness; every module has a fuzz target.**
//!
//! A codec here is a plain struct the caller feeds with the bytes it has. It keeps offsets into
//! the caller's buffer instead of copies, is resumed when more bytes are there, and gives the
//! same verdict however the bytes were cut. Everything a peer can make it store is bounded.
#![forbid(unsafe_code)]

pub mod ajp;
pub mod cookie;
pub mod fastcgi;
pub mod http1;
pub mod http2;
pub mod proxy_protocol;
pub mod query;
pub mod quic;
pub mod tls_hello;
pub mod udp_flow;
