use std::path::PathBuf;
use std::time::Duration;

use crate::Ordered;

/// How a listener speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerTls {
    /// Certificates with their keys, 1 to 10,000. The first is shown to clients that name no server,
    /// or one that no certificate is for.
    pub certificates: Vec<CertificateFiles>,
    /// Which ciphers are spoken; intermediate.
    pub ciphers: Ciphers,
    /// The oldest version that is spoken; 1.2.
    pub min_version: TlsVersion,
    /// Whether clients must show a certificate, and whose are believed.
    pub clients: Option<ClientCertificates>,
    /// Keys for session tickets: 1 to 16 lines of 32 to 80 bytes in hexadecimal, the newest first.
    /// `None`: the process makes its own, and a new one every six hours.
    pub ticket_keys: Option<PathBuf>,
    /// Whether requests are heard that clients send before their handshake is over (0-RTT); off.
    /// Sessions are then kept in this process, and not in tickets.
    pub early_data: bool,
    /// What answers say about coming back by TLS only (RFC 6797). `None`: nothing.
    pub hsts: Option<Hsts>,
    /// Whether a request is answered 421 (RFC 9110 section 15.5.20) when its connection asked for
    /// another server name, and the certificate that was shown is not the one for its host; true.
    pub refuse_misdirected: bool,
}

impl Default for ListenerTls {
    fn default() -> ListenerTls {
        ListenerTls {
            certificates: Vec::new(),
            ciphers: Ciphers::default(),
            min_version: TlsVersion::default(),
            clients: None,
            ticket_keys: None,
            early_data: false,
            hsts: None,
            refuse_misdirected: true,
        }
    }
}

/// Which versions and ciphers are spoken, by the names of Mozilla's lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ciphers {
    /// TLS 1.2 and 1.3; forward secrecy and authenticated encryption only.
    #[default]
    Intermediate,
    /// TLS 1.3 only, whatever the oldest version is.
    Modern,
}

impl Ciphers {
    /// Every list with its name in configuration.
    pub const ALL: [(Ciphers, &'static str); 2] =
        [(Ciphers::Intermediate, "intermediate"), (Ciphers::Modern, "modern")];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(ciphers, _)| *ciphers == self);
        found.map_or("intermediate", |(_, name)| name)
    }
}

/// `Strict-Transport-Security` (RFC 6797 section 6.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hsts {
    /// For how long browsers come back by TLS only; whole seconds count. 0: no longer.
    pub max_age: Duration,
    /// Also to the names below (`includeSubDomains`); off by default.
    pub subdomains: bool,
    /// The name may go into the browsers' own lists (`preload`); off by default.
    pub preload: bool,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that signed it.
    pub cert: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
    /// DER: an OCSP answer (RFC 6960) to staple to the certificate, 16 KiB at most.
    pub ocsp: Option<PathBuf>,
    /// The files are written when the certificate comes from its authority; until then there may
    /// be none.
    pub ordered: Option<Ordered>,
}

impl CertificateFiles {
    /// A certificate and its key, and nothing more.
    pub fn new(cert: PathBuf, key: PathBuf) -> CertificateFiles {
        CertificateFiles { cert, key, ocsp: None, ordered: None }
    }
}

/// Certificates of clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificates {
    /// PEM: whose signatures are believed.
    pub ca: PathBuf,
    /// Clients without one are turned away; otherwise they are served like others.
    pub required: bool,
    /// PEM: lists of revoked certificates, 0 to 100 files. Certificates whose signer has no list
    /// here are not revoked.
    pub crl: Vec<PathBuf>,
    /// Whether members are told the certificate (`Client-Cert`, `Client-Cert-Chain`, RFC 9440).
    pub forward: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), with forward secrecy and authenticated encryption only.
    #[default]
    V12,
    /// TLS 1.3 (RFC 8446).
    V13,
}

impl TlsVersion {
    /// Every version with its name in configuration.
    pub const ALL: [(TlsVersion, &'static str); 2] =
        [(TlsVersion::V12, "1.2"), (TlsVersion::V13, "1.3")];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(version, _)| *version == self).map_or("1.2", |(_, name)| name)
    }
}

/// How members are spoken to by TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolTls {
    /// What is checked of a member's certificate.
    pub verify: Verify,
    /// PEM: whose signatures are believed; `None`: those that the system believes.
    pub ca: Option<PathBuf>,
    /// The name that members must have, and that they are asked for; `None`: the host of their
    /// address.
    pub server_name: Option<String>,
    /// What is shown to members that want a certificate.
    pub client: Option<CertificateFiles>,
}

/// What is checked of a member's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verify {
    /// Who signed it, its name and its time.
    #[default]
    Full,
    /// Its name and its time only, as Apache does unless told otherwise.
    Name,
    /// Nothing: anybody on the way can pose as the member.
    Off,
}

impl Verify {
    /// Every kind with its name in configuration.
    pub const ALL: [(Verify, &'static str); 3] =
        [(Verify::Full, "full"), (Verify::Name, "name"), (Verify::Off, "off")];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(verify, _)| *verify == self).map_or("full", |(_, name)| name)
    }
}

impl Default for PoolTls {
    fn default() -> PoolTls {
        PoolTls { verify: Verify::Full, ca: None, server_name: None, client: None }
    }
}
