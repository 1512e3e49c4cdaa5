//! Certificates that are ordered (ACME).

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{CertificateFiles, Name};

/// An authority that certificates are ordered from (ACME, RFC 8555), and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acme {
    /// Unique among authorities; [`Acme::DEFAULT_NAME`].
    pub name: Name,
    /// The URL of its directory; that of Let's Encrypt.
    pub directory: String,
    /// Whom the authority may write to, as `mailto:` URLs; 0 to 10.
    pub contact: Vec<String>,
    /// PEM: who signed the certificate of the authority's own server. `None`: whom the system
    /// believes.
    pub ca: Option<PathBuf>,
    /// An account elsewhere that this one is bound to (RFC 8555 section 7.3.4).
    pub external: Option<ExternalAccount>,
    /// How names are proved; [`Challenge::TlsAlpn01`].
    pub challenge: Challenge,
    /// What puts records into DNS, for [`Challenge::Dns01`].
    pub dns: Option<DnsHook>,
    /// Where accounts, keys and certificates are kept; [`Acme::DEFAULT_FOLDER`].
    pub folder: PathBuf,
    /// What keys certificates have; [`KeyKind::EcdsaP256`].
    pub key: KeyKind,
    /// The profile that certificates are asked for by; `None`: the authority's own choice.
    pub profile: Option<String>,
    /// How long before its end a certificate is renewed; `None`: when a third of its time is left,
    /// or when the authority says so (RFC 9773).
    pub renew_before: Option<Duration>,
}

impl Acme {
    /// The name of the authority that certificates come from which name none.
    pub const DEFAULT_NAME: &'static str = "default";
    /// The directory of Let's Encrypt.
    pub const DEFAULT_DIRECTORY: &'static str = "https://acme-v02.api.letsencrypt.org/directory";
    /// Where things are kept.
    pub const DEFAULT_FOLDER: &'static str = "/var/lib/evenkeel/acme";
    /// Names of one certificate.
    pub const DOMAINS_MAX: usize = 100;

    /// An authority of that name with all defaults.
    pub fn new(name: Name) -> Acme {
        Acme {
            name,
            directory: Self::DEFAULT_DIRECTORY.to_owned(),
            contact: Vec::new(),
            ca: None,
            external: None,
            challenge: Challenge::default(),
            dns: None,
            folder: PathBuf::from(Self::DEFAULT_FOLDER),
            key: KeyKind::default(),
            profile: None,
            renew_before: None,
        }
    }

    /// The folder of what belongs to the authority's directory: another directory is another
    /// authority, whatever it is called here.
    pub fn home(&self) -> PathBuf {
        let bare = self.directory.trim_start_matches("https://");
        self.folder.join(slug(bare, self.directory.as_bytes()))
    }

    /// Where a certificate for these names is kept: chain and key in one file, so that both are
    /// replaced in one moment.
    pub fn files(&self, domains: Vec<String>) -> CertificateFiles {
        let mut sorted: Vec<&str> = domains.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let profile = self.profile.as_deref().unwrap_or_default();
        let whole = format!("{} {} {profile}", sorted.join(" "), self.key.name());
        let first = domains.first().map(String::as_str).unwrap_or_default();
        let file = self.home().join(format!("{}.pem", slug(first, whole.as_bytes())));
        let ordered = Some(Ordered { authority: self.name.clone(), domains });
        CertificateFiles { cert: file.clone(), key: file, ocsp: None, ordered }
    }
}

/// A certificate that is ordered from an authority.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ordered {
    /// The name of the authority.
    pub authority: Name,
    /// What it is for, in lower case: names, names below a `*.`, and IP addresses; 1 to 100.
    pub domains: Vec<String>,
}

/// How a name is proved to be ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Challenge {
    /// In a handshake on port 443 (RFC 8737).
    #[default]
    TlsAlpn01,
    /// By an answer on port 80 (RFC 8555 section 8.3).
    Http01,
    /// By a record in DNS (RFC 8555 section 8.4); the only way to names below a `*.`.
    Dns01,
}

impl Challenge {
    /// Every kind with its name in configuration.
    pub const ALL: [(Challenge, &'static str); 3] = [
        (Challenge::TlsAlpn01, "tls-alpn-01"),
        (Challenge::Http01, "http-01"),
        (Challenge::Dns01, "dns-01"),
    ];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("tls-alpn-01", |(_, name)| name)
    }
}

/// What keys certificates have. Each certificate gets a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyKind {
    /// ECDSA with P-256.
    #[default]
    EcdsaP256,
    /// ECDSA with P-384.
    EcdsaP384,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 4096 bits.
    Rsa4096,
}

impl KeyKind {
    /// Every kind with its name in configuration.
    pub const ALL: [(KeyKind, &'static str); 4] = [
        (KeyKind::EcdsaP256, "ecdsa-p256"),
        (KeyKind::EcdsaP384, "ecdsa-p384"),
        (KeyKind::Rsa2048, "rsa-2048"),
        (KeyKind::Rsa4096, "rsa-4096"),
    ];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("ecdsa-p256", |(_, name)| name)
    }
}

/// An account that the authority gave out elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The account's name.
    pub key_id: String,
    /// Its secret.
    pub hmac_key: Vec<u8>,
}

/// Without the secret.
impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A program that puts records into DNS and takes them out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsHook {
    /// The program and its first arguments; never empty.
    pub command: Vec<String>,
    /// How long it may take; 1 s to 10 min, 1 min.
    pub timeout: Duration,
    /// How long a new record may take until all servers have it; 0 to 1 h, 10 s.
    pub wait: Duration,
}

impl DnsHook {
    /// That program, with usual times.
    pub fn new(command: Vec<String>) -> DnsHook {
        DnsHook { command, timeout: Duration::from_secs(60), wait: Duration::from_secs(10) }
    }
}

/// What a certificate can be ordered for, in lower case, or why not.
pub fn domain(text: &str) -> Result<String, &'static str> {
    let text = text.to_ascii_lowercase();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let name = text.strip_prefix("*.").unwrap_or(&text);
    if !name.is_ascii() {
        return Err("letters beyond ASCII are written in Punycode: xn--…");
    }
    if name.contains(['/', ':', '@']) {
        return Err("a name stands alone, without scheme, port or path");
    }
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        matches!(label.len(), 1..=63)
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name.len() <= 253 && name.split('.').all(label) {
        true => Ok(text),
        false => Err("a name like shop.example.com, *.example.com, or an IP address is needed"),
    }
}

/// The name of a file for something: its beginning, for people, and a number for the whole of it.
fn slug(text: &str, whole: &[u8]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
    let start: String = text.chars().map(plain).take(100).collect();
    // FNV-1a: the same for ever, and no two certificates of one configuration are likely to meet.
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = whole.iter().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{start}-{sum:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_and_slips_are_told() {
        for (text, taken) in [
            ("Shop.Example.com", Some("shop.example.com")),
            ("*.example.com", Some("*.example.com")),
            ("localhost", Some("localhost")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:DB8:0::1", Some("2001:db8::1")),
            ("https://example.com", None),
            ("example.com:443", None),
            ("a.*.example.com", None),
            ("bücher.example", None),
            ("example..com", None),
            ("example.com.", None),
            ("-a.example", None),
            ("", None),
        ] {
            assert_eq!(domain(text).ok().as_deref(), taken, "{text}");
        }
    }

    #[test]
    fn files_are_the_same_for_the_same_names_and_others_for_others() {
        let acme = Acme::new(Name::new("default").unwrap());
        let of = |names: &[&str]| acme.files(names.iter().map(|n| (*n).to_owned()).collect());
        let one = of(&["a.example", "b.example"]);
        assert_eq!(one.cert, one.key);
        assert!(one.cert.starts_with("/var/lib/evenkeel/acme"));
        assert_ne!(one.cert, of(&["a.example"]).cert);
        assert!(of(&["*.a.example"]).cert.to_str().unwrap().contains("/_.a.example-"));
        let other = Acme { directory: "https://other.example/dir".to_owned(), ..acme.clone() };
        assert_ne!(acme.home(), other.home());
    }
}
