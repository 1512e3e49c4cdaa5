//! Handshakes with members: what is believed. Files may be replaced while it serves: each handshake
//! takes what is there when it begins.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use evenkeel_plan::{PoolTls, Verify};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, KeyLog, RootCertStore, SignatureScheme, crypto,
};

use crate::files::{self, Stamp};

/// Sessions of one member that are kept for resumption,
const SESSIONS: usize = 8;
/// and members for which they are kept.
const MEMBERS_MAX: usize = 1024;

/// What handshakes with members go by. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Members(Arc<Inner>);

struct Inner {
    plan: PoolTls,
    alpn: Vec<u8>,
    /// Members whose sessions are kept.
    kept: usize,
    name: Option<ServerName<'static>>,
    key_log: Option<Arc<dyn KeyLog>>,
    config: ArcSwap<ClientConfig>,
    stamps: Vec<Stamp>,
}

impl Members {
    /// For a pool with so many members, which speak that protocol.
    pub(crate) fn new(
        plan: &PoolTls,
        alpn: &str,
        members: usize,
        key_log: &Option<Arc<dyn KeyLog>>,
    ) -> Result<Members, String> {
        let name = plan.server_name.as_ref().map(|name| {
            let parsed = ServerName::try_from(name.clone());
            parsed.map_err(|_| format!("`{name}` is no name of a server"))
        });
        let stamps = stamps(plan);
        let (alpn, kept) = (alpn.as_bytes().to_vec(), members.clamp(1, MEMBERS_MAX));
        let config = config(plan, &alpn, kept, key_log.as_ref())?;
        Ok(Members(Arc::new(Inner {
            plan: plan.clone(),
            alpn,
            kept,
            name: name.transpose()?,
            key_log: key_log.clone(),
            config: ArcSwap::from_pointee(config),
            stamps,
        })))
    }

    /// For rustls, as things stand.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.0.config.load_full()
    }

    /// The name of all members; `None`: the host of each.
    pub fn name(&self) -> Option<ServerName<'static>> {
        self.0.name.clone()
    }

    /// Whether it is the same, to the sessions that can be resumed.
    pub fn is(&self, other: &Members) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it was made of the same, and files have not changed since. What the system believes
    /// is not watched.
    pub(crate) fn is_made_of(&self, plan: &PoolTls, alpn: &str, members: usize) -> bool {
        let Inner { plan: own, alpn: spoken, kept, stamps: known, .. } = &*self.0;
        own == plan
            && spoken == alpn.as_bytes()
            && *kept == members.clamp(1, MEMBERS_MAX)
            && (plan.ca.is_some() || plan.verify != Verify::Full)
            && *known == stamps(plan)
    }

    pub(crate) fn stamps(&self) -> &[Stamp] {
        &self.0.stamps
    }

    pub(crate) fn plan(&self) -> &PoolTls {
        &self.0.plan
    }

    /// Reads the files again, and goes by them from now on.
    pub(crate) fn read_again(&self) -> Result<(), String> {
        let Inner { plan, alpn, kept, key_log, .. } = &*self.0;
        let config = config(plan, alpn, *kept, key_log.as_ref())?;
        self.0.config.store(Arc::new(config));
        Ok(())
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What requests to a certificate authority go by: its own certificate must be signed by `ca`, or
/// else by whom the system believes. HTTP/1.1 only.
///
/// # Errors
/// The file cannot be used.
pub fn authority_client(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let plan = PoolTls { ca: ca.map(Path::to_owned), ..PoolTls::default() };
    believing(&plan)
}

/// The files that a pool names.
pub(crate) fn paths(plan: &PoolTls) -> impl Iterator<Item = &PathBuf> {
    let client = plan.client.iter().flat_map(|files| [&files.cert, &files.key]);
    plan.ca.iter().chain(client)
}

pub(crate) fn stamps(plan: &PoolTls) -> Vec<Stamp> {
    paths(plan).map(|path| files::stamp(path)).collect()
}

fn config(
    plan: &PoolTls,
    alpn: &[u8],
    members: usize,
    key_log: Option<&Arc<dyn KeyLog>>,
) -> Result<ClientConfig, String> {
    let mut config = believing(plan)?;
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::in_memory_sessions(members * SESSIONS);
    if let Some(log) = key_log {
        config.key_log = log.clone();
    }
    Ok(config)
}

fn believing(plan: &PoolTls) -> Result<ClientConfig, String> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    let builder = match plan.verify {
        Verify::Full => {
            let roots = Arc::new(roots(plan)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            builder.with_webpki_verifier(verifier.map_err(|why| why.to_string())?)
        }
        verify => {
            let verifier = Lenient { name: verify == Verify::Name, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    match &plan.client {
        None => Ok(builder.with_no_client_auth()),
        Some(client) => {
            let certified = files::certified(client, files::certificates(&client.cert)?)?;
            let resolver = rustls::sign::SingleCertAndKey::from(Arc::new(certified));
            Ok(builder.with_client_cert_resolver(Arc::new(resolver)))
        }
    }
}

fn roots(plan: &PoolTls) -> Result<RootCertStore, String> {
    if let Some(ca) = &plan.ca {
        return files::roots(ca);
    }
    let mut roots = RootCertStore::empty();
    // A single one that cannot be read is no reason to serve nothing; none at all is.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err("this system believes no certificate authority; name one with `ca`".to_owned()),
        false => Ok(roots),
    }
}

/// Believes whoever has the key of the certificate; perhaps only if the name is right.
#[derive(Debug)]
struct Lenient {
    name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.name {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
