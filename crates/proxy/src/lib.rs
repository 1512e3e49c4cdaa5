//! The data plane. **Law: never names control, admin or config; no files, nothing blocking.**
//!
//! Read it along a request: [`core`] owns one event loop; `accept` takes a connection and makes a
//! session of it; `http/exchange` serves each request: admit → route → key → dial → forward →
//! respond → record. What a plan means at run time is a [`snapshot`], built once per change and
//! shared by all cores.
#![forbid(unsafe_code)]

mod accept;
pub mod cause;
mod client;
mod connections;
pub mod core;
mod detect;
mod dial;
pub mod explain;
pub mod filter;
mod foreign;
mod handshakes;
mod http;
mod http2;
mod key;
mod layer4;
mod preamble;
mod relay;
pub mod route;
mod secure;
mod sessions;
#[cfg(feature = "sim")]
pub mod simulated;
pub mod snapshot;
pub mod targets;
mod tcp;
mod udp;

pub use accept::EXHAUSTED;
pub use cause::{FAILURES, Failure, Side};
