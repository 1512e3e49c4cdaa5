//! What proves to a certificate authority that names are ours: answers to requests (RFC 8555 section
//! 8.3), and certificates shown in handshakes that ask for nothing else (RFC 8737). All cores read
//! it; it is empty but for the moments in which an authority looks.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};

/// The protocol of handshakes that look for a proof (RFC 8737 section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// What can be shown now.
#[derive(Debug, Default)]
pub struct Proofs {
    /// By token.
    answers: ArcSwap<HashMap<String, Arc<str>>>,
    handshakes: Arc<Handshakes>,
    config: OnceLock<Arc<ServerConfig>>,
}

/// By the name that is asked for.
#[derive(Debug, Default)]
struct Handshakes(ArcSwap<HashMap<String, Arc<CertifiedKey>>>);

impl Proofs {
    /// The answer to a request for this token.
    pub fn answer(&self, token: &[u8]) -> Option<Arc<str>> {
        let answers = self.answers.load();
        if answers.is_empty() {
            return None;
        }
        answers.get(str::from_utf8(token).ok()?).cloned()
    }

    /// What a handshake that asks for a proof goes by, if there is one for any name.
    pub fn handshake(&self) -> Option<Arc<ServerConfig>> {
        let some = !self.handshakes.0.load().is_empty();
        some.then(|| self.config.get().cloned()).flatten()
    }

    /// Answers for this token until the proof is dropped.
    pub fn show_answer(self: &Arc<Proofs>, token: &str, answer: &str) -> Proof {
        let answer: Arc<str> = answer.into();
        self.answers.rcu(|old| {
            let mut new = HashMap::clone(old);
            new.insert(token.to_owned(), answer.clone());
            new
        });
        Proof { proofs: self.clone(), key: token.to_owned(), in_handshakes: false }
    }

    /// Shows a certificate for this name to whoever asks for a proof, until the proof is dropped.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn show_certificate(
        self: &Arc<Proofs>,
        name: &str,
        certificate: CertificateDer<'static>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Proof, String> {
        let key = any_supported_type(key).map_err(|why| why.to_string())?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate], key));
        if self.config.get().is_none() {
            let config = proving(self.handshakes.clone())?;
            // Whoever was faster made the same.
            let _ = self.config.set(Arc::new(config));
        }
        let name = name.to_ascii_lowercase();
        self.handshakes.0.rcu(|old| {
            let mut new = HashMap::clone(old);
            new.insert(name.clone(), certified.clone());
            new
        });
        Ok(Proof { proofs: self.clone(), key: name, in_handshakes: true })
    }
}

/// Something is shown as long as this lives.
#[derive(Debug)]
pub struct Proof {
    proofs: Arc<Proofs>,
    key: String,
    in_handshakes: bool,
}

impl Drop for Proof {
    fn drop(&mut self) {
        fn without<V: Clone>(map: &HashMap<String, V>, key: &str) -> HashMap<String, V> {
            let mut new = map.clone();
            new.remove(key);
            new
        }
        match self.in_handshakes {
            true => drop(self.proofs.handshakes.0.rcu(|old| without(old, &self.key))),
            false => drop(self.proofs.answers.rcu(|old| without(old, &self.key))),
        }
    }
}

/// Nothing is agreed on but the protocol of proofs, and nothing is resumed.
fn proving(handshakes: Arc<Handshakes>) -> Result<ServerConfig, String> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(handshakes);
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

impl ResolvesServerCert for Handshakes {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.0.load().get(&name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_given_as_long_as_their_proof_lives() {
        let proofs = Arc::new(Proofs::default());
        assert_eq!(proofs.answer(b"a"), None);
        let one = proofs.show_answer("a", "a.x");
        let other = proofs.show_answer("b", "b.x");
        assert_eq!(proofs.answer(b"a").as_deref(), Some("a.x"));
        drop(one);
        assert_eq!(proofs.answer(b"a"), None);
        assert_eq!(proofs.answer(b"b").as_deref(), Some("b.x"));
        drop(other);
        assert_eq!(proofs.answer(b"b"), None);
        assert!(proofs.handshake().is_none());
    }
}
