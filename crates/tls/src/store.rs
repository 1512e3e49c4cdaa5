//! Which certificate is shown to whom: by the name that was asked for, exactly or one label up.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::names;

/// Certificates by name.
#[derive(Debug, Default)]
pub struct Store {
    /// Names in lower case; `*.example.com` stands as it is.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Store {
    /// Adds a certificate under all its names.
    pub fn add(&mut self, certified: Arc<CertifiedKey>) {
        if self.first.is_none() {
            self.first = Some(certified.clone());
        }
        for name in certified.cert.first().map(|cert| names::of(cert)).unwrap_or_default() {
            self.by_name.entry(name).or_default().push(certified.clone());
        }
    }

    /// Names that certificates are known under.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    fn find(&self, name: &str, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let above = || name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let found = self.by_name.get(&name).or_else(|| self.by_name.get(&above()?))?;
        // Elliptic curves cost a handshake less; among equals the first.
        let usable =
            |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        let light =
            |certified: &&Arc<CertifiedKey>| certified.key.algorithm() != SignatureAlgorithm::RSA;
        let best = found.iter().filter(usable).find(light);
        best.or_else(|| found.iter().find(usable)).or(found.first()).cloned()
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name();
        let found = named.and_then(|name| self.find(name, hello.signature_schemes()));
        found.or_else(|| self.first.clone())
    }
}
