//! Certificates and rules of TLS.
//!
//! Law: files and a plan in, what a handshake goes by out; no sockets. Everything that can be wrong
//! with a certificate is found here, before anything is served with it.
#![forbid(unsafe_code)]

mod clients;
mod files;
mod keyring;
mod member;
mod server;
mod store;
mod tickets;
mod x509;

pub use keyring::{Change, Expiry, Keyring, Loaded, Spoilt};
pub use member::Members;
pub use rustls::pki_types::{CertificateDer, ServerName};
pub use server::Server;
