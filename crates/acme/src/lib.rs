//! Orders certificates from authorities (ACME, RFC 8555).
//!
//! Law: names in, certificates in files out. The only code that talks to certificate authorities;
//! it knows no listener and no core, and starts nothing by itself: whoever asks says when.
#![forbid(unsafe_code)]

mod account;
mod authority;
mod client;
pub mod due;
mod failure;
mod folder;
mod hook;
mod proof;

pub use authority::{Authority, Done, Window};
pub use failure::Failure;
pub use folder::{Failures, check, prepare};
