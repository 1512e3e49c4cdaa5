//! Handshakes with members: what is believed.

use std::sync::Arc;

use evenkeel_plan::{PoolTls, Verify};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, crypto};

use crate::files;

pub(crate) fn config(plan: &PoolTls) -> Result<ClientConfig, String> {
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
            let certified = files::certified(client)?;
            let resolver = rustls::sign::SingleCertAndKey::from(certified);
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
