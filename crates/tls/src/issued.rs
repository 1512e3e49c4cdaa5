//! What an authority gave out, looked at before and while it is used.

use evenkeel_plan::CertificateFiles;

use crate::files::Certificate;
use crate::x509;

/// A certificate as an authority knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// Counts from this Unix time on, in seconds.
    pub from: u64,
    /// And until this one.
    pub until: u64,
    /// What it is for, in lower case.
    pub names: Vec<String>,
    /// The DER of its serial number's content.
    pub serial: Vec<u8>,
    /// The key identifier of its signer; `None`: it has none.
    pub signer: Option<Vec<u8>>,
}

impl Issued {
    /// Reads it from its files; `now` is Unix time in seconds.
    ///
    /// # Errors
    /// What is wrong with which file, and what to do.
    pub fn read(files: &CertificateFiles, now: u64) -> Result<Issued, String> {
        let certificate = Certificate::read(files, now)?;
        let file = files.cert.display();
        let validity = certificate.validity.ok_or(format!("{file}: its time cannot be read"))?;
        let first = certificate.key.as_ref().and_then(|key| key.cert.first());
        let identity = first.and_then(|first| x509::identity(first));
        let (serial, signer) = identity.map_or((Vec::new(), None), |(serial, signer)| {
            (serial.to_vec(), Some(signer.to_vec()))
        });
        let names = certificate.names;
        Ok(Issued { from: validity.from, until: validity.until, names, serial, signer })
    }
}
