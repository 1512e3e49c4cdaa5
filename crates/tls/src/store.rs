//! Which certificate is shown to whom: by the name that was asked for, exactly or one label up.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

/// Schemes that no handshake of TLS 1.3 is signed by (RFC 8446 section 4.2.3).
const BEFORE_TLS13: [SignatureScheme; 5] = [
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

/// Certificates by name.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Names in lower case; `*.example.com` stands as it is.
    by_name: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    first: Option<Arc<CertifiedKey>>,
    /// A name of the first: certificates that share it stand in for it.
    first_name: Box<str>,
}

impl Store {
    /// Adds a certificate under its names, which are in lower case. The first is for all other names.
    /// One that has not come yet (`None`) keeps its names from being shown another.
    pub(crate) fn add(&mut self, certified: Option<&Arc<CertifiedKey>>, names: &[String]) {
        if self.first.is_none() && certified.is_some() {
            self.first = certified.cloned();
            self.first_name = names.first().map_or("", String::as_str).into();
        }
        for name in names {
            self.by_name.entry(name.as_str().into()).or_default().extend(certified.cloned());
        }
    }

    /// Whether a request for `host` came by a connection whose client asked for `named`, and another
    /// certificate would have been shown to one that asks for `host`. Both in lower case.
    pub(crate) fn misdirected(&self, named: &str, host: &str) -> bool {
        if named == host {
            return false;
        }
        // A host that has no certificate of its own is served under any.
        let Some(wanted) = self.of(host) else { return false };
        let shown = self.of(named).unwrap_or_else(|| self.usual());
        !wanted.iter().any(|one| shown.iter().any(|other| Arc::ptr_eq(one, other)))
    }

    /// Whether one of the certificates for a name, in lower case, has a key that signs by one of
    /// these schemes in TLS 1.3. Also when the certificates are still to come.
    pub(crate) fn can_show(&self, named: &str, mut schemes: Vec<SignatureScheme>) -> bool {
        schemes.retain(|scheme| !BEFORE_TLS13.contains(scheme));
        let found = self.of(named).unwrap_or_else(|| self.usual());
        found.is_empty() || found.iter().any(|one| one.key.choose_scheme(&schemes).is_some())
    }

    /// The certificates for a name; none of them when they are to come.
    fn of(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let own = self.by_name.get(name).map(Vec::as_slice);
        if own.is_some_and(|own| !own.is_empty()) {
            return own;
        }
        let above = || name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let wild = above().and_then(|name| self.by_name.get(name.as_str())).map(Vec::as_slice);
        wild.or(own)
    }

    /// The certificates for those who ask for no name, or for one that nobody has.
    fn usual(&self) -> &[Arc<CertifiedKey>] {
        self.by_name.get(&self.first_name).map_or(self.first.as_slice(), Vec::as_slice)
    }
}

/// Elliptic curves cost a handshake less; among equals the first. One that the client has no scheme
/// for is better than none: it will say so.
fn best(of: &[Arc<CertifiedKey>], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
    let usable = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
    let light =
        |certified: &&Arc<CertifiedKey>| certified.key.algorithm() != SignatureAlgorithm::RSA;
    let best = of.iter().filter(usable).find(light);
    best.or_else(|| of.iter().find(usable)).or(of.first()).cloned()
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().map(str::to_ascii_lowercase);
        let found = named.and_then(|name| self.of(&name)).unwrap_or_else(|| self.usual());
        best(found, hello.signature_schemes())
    }
}
