//! What is read from PEM files: certificates with their keys, roots, lists of what was revoked; and
//! how to see without reading that a file is another one than before.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use evenkeel_plan::CertificateFiles;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::x509::{self, Validity};

/// Bytes of a file.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of an OCSP answer: it goes into each handshake.
const OCSP_MAX: usize = 16 * 1024;
/// A certificate that ends sooner is worth a word.
const ENDS_SOON: u64 = 14 * 86_400;

/// What tells one state of a file from another; `None`: it cannot be seen.
pub(crate) type Stamp = Option<[i64; 6]>;

/// The state of a file. A symbolic link counts as what it leads to.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let seen = fs::metadata(path).ok()?;
    let id = [seen.ino() as i64, seen.dev() as i64, seen.len() as i64];
    Some([id[0], id[1], id[2], seen.mtime(), seen.mtime_nsec(), seen.ctime()])
}

/// A certificate with the key that belongs to it, as it was in files.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) files: CertificateFiles,
    /// Of certificate, key and OCSP answer, before they were read.
    pub(crate) stamps: Vec<Stamp>,
    /// `None`: it has not come from its authority yet.
    pub(crate) key: Option<Arc<CertifiedKey>>,
    pub(crate) names: Vec<String>,
    pub(crate) validity: Option<Validity>,
    /// What is not good, and yet no reason not to use it.
    pub(crate) warnings: Vec<String>,
}

impl Certificate {
    /// Reads a certificate; `now` is Unix time in seconds.
    pub(crate) fn read(files: &CertificateFiles, now: u64) -> Result<Certificate, String> {
        let stamps = stamps(files);
        let chain = certificates(&files.cert)?;
        let mut key = certified(files, chain)?;
        if let Some(path) = &files.ocsp {
            key.ocsp = Some(ocsp(path)?);
        }
        let (first, validity) =
            (key.cert.first(), key.cert.first().and_then(|c| x509::validity(c)));
        let names = first.map(|certificate| x509::names(certificate)).unwrap_or_default();
        let mut certificate = Certificate {
            files: files.clone(),
            stamps,
            key: Some(Arc::new(key)),
            names,
            validity,
            warnings: Vec::new(),
        };
        certificate.warn(now);
        Ok(certificate)
    }

    /// One that has not come from its authority yet; nothing is shown for its names.
    pub(crate) fn to_come(files: &CertificateFiles) -> Certificate {
        Certificate {
            files: files.clone(),
            stamps: stamps(files),
            key: None,
            names: files.ordered.iter().flat_map(|ordered| ordered.domains.clone()).collect(),
            validity: None,
            warnings: Vec::new(),
        }
    }

    /// Its time is over.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.validity.is_some_and(|validity| validity.until < now)
    }

    /// It ends within two weeks, or has ended: when. One that is ordered is renewed in its time,
    /// and is worth a word only once it has ended.
    pub(crate) fn ends_soon(&self, now: u64) -> Option<u64> {
        let soon = if self.files.ordered.is_some() { 0 } else { ENDS_SOON };
        self.validity.map(|v| v.until).filter(|until| *until < now.saturating_add(soon))
    }

    /// What makes an end that is near, or past, good again.
    pub(crate) fn renewing(&self) -> &'static str {
        match self.files.ordered {
            None => "renew it; the file is taken when it changes",
            Some(_) => "it could not be renewed: the log says why",
        }
    }

    fn warn(&mut self, now: u64) {
        let (cert, key) = (&self.files.cert, &self.files.key);
        let mut warnings = Vec::new();
        let mut warn = |path: &Path, why: &str, help: &str| warnings.push(told(path, why, help));
        match self.validity {
            None => warn(cert, "the time of the certificate cannot be read", "make it anew"),
            Some(v) if v.until < now => {
                let why = format!("the certificate ended on {}", x509::date(v.until));
                warn(cert, &why, &format!("clients turn away from it: {}", self.renewing()));
            }
            Some(v) if v.from > now => {
                let why = format!("the certificate counts only from {} on", x509::date(v.from));
                warn(
                    cert,
                    &why,
                    "look at the clock of this machine, and of the one that signed it",
                );
            }
            Some(v) if self.ends_soon(now).is_some() => {
                let why = format!("the certificate ends on {}", x509::date(v.until));
                warn(cert, &why, self.renewing());
            }
            Some(_) => {}
        }
        if self.names.is_empty() {
            let why = "the certificate is for no name (it has no subjectAltName)";
            warn(
                cert,
                why,
                "clients look at nothing else; make it with -addext subjectAltName=DNS:NAME",
            );
        }
        if let Some(warning) = open_to_others(key) {
            warnings.push(warning);
        }
        self.warnings = warnings;
    }
}

/// A warning when others than its owner can read a file that holds secrets.
pub(crate) fn open_to_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    let help = format!("chmod 600 {}", path.display());
    let why = format!("others than its owner can use this key (mode {mode:04o})");
    (mode & 0o077 != 0).then(|| told(path, &why, &help))
}

/// The states of all files of a certificate.
pub(crate) fn stamps(files: &CertificateFiles) -> Vec<Stamp> {
    [&files.cert, &files.key].into_iter().chain(&files.ocsp).map(|path| stamp(path)).collect()
}

/// A chain with the key of its first.
pub(crate) fn certified(
    files: &CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
) -> Result<CertifiedKey, String> {
    let bytes = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let why = "there is no private key in it (PEM: BEGIN PRIVATE KEY)";
        told(
            &files.key,
            why,
            "keys with a pass phrase cannot be used: openssl pkey -in OLD -out NEW",
        )
    })?;
    let key = any_supported_type(&key).map_err(|why| {
        let why = format!("the key cannot be used: {why}");
        told(
            &files.key,
            &why,
            "RSA of 2048 to 8192 bits, ECDSA of P-256, P-384 or P-521, or Ed25519",
        )
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(_) => {
            let why =
                format!("the key does not belong to the certificate {}", files.cert.display());
            let help = "name the key that the certificate was asked for with; the certificate of the server comes first in its file";
            Err(told(&files.key, &why, help))
        }
    }
}

/// The certificates of a file, in its order.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(told(
            path,
            "there is no certificate in it (PEM: BEGIN CERTIFICATE)",
            "a DER file becomes PEM by openssl x509 -inform der -in OLD -out NEW",
        )),
    }
}

/// The roots of a file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|why| {
            told(path, &format!("no root: {why}"), "it takes certificates of authorities")
        })?;
    }
    Ok(roots)
}

/// The revocation lists of a file.
pub(crate) fn revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let bytes = read(path)?;
    let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        _ => Err(told(
            path,
            "there is no revocation list in it (PEM: BEGIN X509 CRL)",
            "a DER file becomes PEM by openssl crl -inform der -in OLD -out NEW",
        )),
    }
}

/// An OCSP answer (RFC 6960) in DER, looked at no further.
fn ocsp(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read(path)?;
    match bytes.first() {
        Some(0x30) if bytes.len() <= OCSP_MAX => Ok(bytes),
        _ => Err(told(
            path,
            "this is no OCSP answer in DER of at most 16 KiB",
            "openssl ocsp -issuer CA -cert CERT -url URL -respout FILE writes one",
        )),
    }
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let why = |error: io::Error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "paths are relative to the file they are named in",
            io::ErrorKind::PermissionDenied => "the user that this process runs as must read it",
            _ => "it must be a file that can be read",
        };
        told(path, &error.to_string(), help)
    };
    // Opening a pipe would wait for whoever writes to it.
    if !fs::metadata(path).map_err(why)?.is_file() {
        return Err(told(path, "this is no regular file", "it must be a file that can be read"));
    }
    let file = File::open(path).map_err(why)?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(why)?;
    match bytes.len() as u64 > FILE_MAX {
        true => Err(told(path, "the file has more than 4 MiB", "it takes PEM")),
        false => Ok(bytes),
    }
}

/// A problem with a file, and what to do.
pub(crate) fn told(path: &Path, why: &str, help: &str) -> String {
    format!("{}: {why}\n  help: {help}", path.display())
}
