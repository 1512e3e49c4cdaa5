//! mod_ssl: certificates of servers, and what is believed of members.

use std::path::{Path, PathBuf};

use evenkeel_plan::{
    CertificateFiles, ClientCertificates, Listener, ListenerTls, PoolTls, TlsVersion, Verify,
};

use super::Server;
use super::server::on;
use crate::apache::Directive;

/// What mod_ssl's directives say in one place.
#[derive(Clone, Default)]
pub(super) struct Ssl {
    engine: Option<bool>,
    members: Option<bool>,
    certificates: Vec<PathBuf>,
    keys: Vec<PathBuf>,
    only_13: bool,
    clients: Option<bool>,
    client_ca: Option<PathBuf>,
    verify: Option<bool>,
    ca: Option<PathBuf>,
    check_name: Option<bool>,
    check_cn: Option<bool>,
    machine: Option<PathBuf>,
}

impl Ssl {
    /// Takes a line; false when it is none of mod_ssl's that count here.
    pub(super) fn take(&mut self, directive: &Directive) -> bool {
        let first = directive.args.first().map_or("", |arg| &*arg.text);
        let path = || Some(PathBuf::from(first));
        match &*directive.canonical {
            "SSLEngine" => self.engine = Some(on(first)),
            "SSLCertificateFile" => self.certificates.extend(path()),
            "SSLCertificateKeyFile" => self.keys.extend(path()),
            "SSLProtocol" => {
                let text = directive.raw_args.to_ascii_lowercase();
                let old = ["all", "tlsv1.2", "tlsv1.1", "tlsv1 "];
                let without = text.replace("-all", "");
                self.only_13 = text.contains("tlsv1.3")
                    && !old.iter().any(|word| {
                        without.contains(word) && !without.contains(&format!("-{word}"))
                    });
            }
            "SSLVerifyClient" => {
                self.clients = match &*first.to_ascii_lowercase() {
                    "require" => Some(true),
                    "none" => None,
                    _ => Some(false),
                };
            }
            "SSLCACertificateFile" => self.client_ca = path(),
            // A member always shows one, so that it can be wrong.
            "SSLProxyVerify" => {
                let words = ["require", "optional"];
                self.verify = Some(words.iter().any(|word| first.eq_ignore_ascii_case(word)));
            }
            "SSLProxyCACertificateFile" => self.ca = path(),
            "SSLProxyCheckPeerName" => self.check_name = Some(on(first)),
            "SSLProxyMachineCertificateFile" => self.machine = path(),
            "SSLProxyEngine" => self.members = Some(on(first)),
            // Dates are always looked at where anything is.
            "SSLProxyCheckPeerCN" => self.check_cn = Some(on(first)),
            "SSLProxyCheckPeerExpire" | "SSLCertificateChainFile" => {}
            _ => return false,
        }
        true
    }

    /// `SSLProxyEngine On`.
    pub(super) fn speaks_to_members(&self) -> bool {
        self.members == Some(true)
    }

    /// What is believed of members; `self` counts before `outer`.
    pub(super) fn members(&self, outer: &Ssl) -> PoolTls {
        let require = self.verify.or(outer.verify).unwrap_or(false);
        // Without the one, the other must be asked for.
        let cn = self.check_cn.or(outer.check_cn) == Some(true);
        let name = cn || self.check_name.or(outer.check_name).unwrap_or(true);
        let machine = self.machine.as_ref().or(outer.machine.as_ref());
        PoolTls {
            verify: match (require, name) {
                (true, _) => Verify::Full,
                (false, true) => Verify::Name,
                (false, false) => Verify::Off,
            },
            ca: self.ca.as_ref().or(outer.ca.as_ref()).filter(|_| require).cloned(),
            server_name: None,
            client: machine.map(|path| CertificateFiles::new(path.clone(), path.clone())),
        }
    }
}

/// The certificates of all servers on a port go to its listener; the first server's come first.
pub(super) fn listener<'s>(listener: &mut Listener, servers: impl Iterator<Item = &'s Server>) {
    let mut tls = ListenerTls::default();
    for ssl in servers.map(|server| &server.ssl).filter(|ssl| ssl.engine == Some(true)) {
        for (at, cert) in ssl.certificates.iter().enumerate() {
            // Without a key of its own it is in the same file.
            let key = ssl.keys.get(at).unwrap_or(cert);
            tls.certificates.push(CertificateFiles::new(cert.clone(), key.clone()));
        }
        if ssl.only_13 {
            tls.min_version = TlsVersion::V13;
        }
        if let (Some(required), Some(ca)) = (ssl.clients, &ssl.client_ca) {
            let (ca, crl) = (ca.clone(), Vec::new());
            tls.clients = Some(ClientCertificates { ca, required, crl, forward: false });
        }
    }
    if !tls.certificates.is_empty() {
        listener.tls = Some(tls);
    }
}

/// Paths are relative to the server's root.
pub(super) fn rebase(tls: &mut ListenerTls, root: &Path) {
    crate::native::tls::rebase_listener(tls, root);
}
