//! Certificates, keys and roots from PEM files.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use evenkeel_plan::CertificateFiles;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::told;

/// Bytes of a file.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// A certificate with the key that belongs to it.
pub(crate) fn certified(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, String> {
    let chain = certificates(&files.cert)?;
    let bytes = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| told(&files.key, "there is no private key in it (PEM: BEGIN PRIVATE KEY)"))?;
    let key = any_supported_type(&key)
        .map_err(|why| told(&files.key, &format!("the key cannot be used: {why}")))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(_) => {
            let cert = files.cert.display();
            Err(told(&files.key, &format!("the key does not belong to the certificate {cert}")))
        }
    }
}

/// The certificates of a file, in its order.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(told(path, "there is no certificate in it (PEM: BEGIN CERTIFICATE)")),
    }
}

/// The roots of a file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|why| told(path, &format!("no root: {why}")))?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| told(path, &error.to_string()))?;
    let read = file.take(FILE_MAX).read_to_end(&mut bytes);
    read.map_err(|error| told(path, &error.to_string()))?;
    Ok(bytes)
}
