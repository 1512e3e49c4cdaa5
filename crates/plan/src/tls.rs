use std::path::PathBuf;

/// How a listener speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListenerTls {
    /// Certificates with their keys, 1 to 10,000. The first is shown to clients that name no server,
    /// or one that no certificate is for.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken; 1.2.
    pub min_version: TlsVersion,
    /// Whether clients must show a certificate, and whose are believed.
    pub clients: Option<ClientCertificates>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that signed it.
    pub cert: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
}

/// Certificates of clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificates {
    /// PEM: whose signatures are believed.
    pub ca: PathBuf,
    /// Clients without one are turned away; otherwise they are served like others.
    pub required: bool,
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
