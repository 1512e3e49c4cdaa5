//! Certificates and rules of TLS.
//!
//! Law: files and a plan in, what a handshake goes by out; no sockets. Everything that can be wrong
//! with a certificate is found here, before anything is served with it.
#![forbid(unsafe_code)]

mod clients;
mod files;
mod issued;
mod keyring;
mod member;
mod p521;
mod proofs;
mod provider;
mod records;
mod server;
mod store;
mod tickets;
mod x509;

pub use issued::Issued;
pub use keyring::{Change, Expiry, Keyring, Loaded, Spoilt};
pub use member::{Members, authority_client};
pub use proofs::{ACME_TLS, Proof, Proofs};
pub use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
pub use rustls::{ClientConfig, ServerConfig};
pub use server::Server;
pub use x509::date;
