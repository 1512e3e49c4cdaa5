//! The engine's cryptography as listeners use it.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, SupportedCipherSuite};

use crate::p521::P521;
use crate::records;

/// The suites in our order: of those that are equally safe, the one that costs least first. Clients
/// write the longer key first by habit, not by need.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        let rank = |suite: &SupportedCipherSuite| match suite.suite() {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
            CipherSuite::TLS13_AES_256_GCM_SHA384 => 1,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => 2,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 3,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 4,
            _ => 5,
        };
        provider.cipher_suites.sort_by_key(rank);
        let suites = provider.cipher_suites.into_iter().map(records::strict);
        provider.cipher_suites = suites.collect();
        provider.kx_groups.push(&P521);
        Arc::new(provider)
    };
    PROVIDER.get_or_init(make).clone()
}
