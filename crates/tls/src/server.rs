//! What the handshakes of a listener go by. Certificates and lists may be replaced while it serves:
//! each handshake takes what is there when it begins.

use std::sync::Arc;

use arc_swap::ArcSwap;
use evenkeel_plan::{Ciphers, ListenerTls, Name, TlsVersion};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::version::{TLS12, TLS13};
use rustls::{KeyLog, ServerConfig, SignatureScheme, SupportedProtocolVersion};

use crate::clients;
use crate::files::{self, Certificate, Stamp};
use crate::proofs::Proofs;
use crate::provider::provider;
use crate::store::Store;
use crate::tickets::{Secrets, Ticketer};

/// Sessions of a listener that hears what clients send before their handshake is over.
const SESSIONS: usize = 10_000;
/// Bytes that a client may send so.
const EARLY_MAX: u32 = 16 * 1024;
/// Bytes of records to pass over where such data is not heard (RFC 8446 section 4.2.10): a client
/// may still have a ticket that allows it [`EARLY_MAX`]. The engine counts a record again with each
/// piece that comes after it.
const PASSED_MAX: u32 = 128 * 1024;

/// What a listener's handshakes go by.
pub struct Server {
    pub(crate) name: Name,
    pub(crate) plan: ListenerTls,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) secrets: Arc<Secrets>,
    /// Of the file of ticket keys.
    pub(crate) tickets_stamps: Vec<Stamp>,
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
    proofs: Arc<Proofs>,
    /// Where data is heard before the end of handshakes.
    sessions: Option<Arc<ServerSessionMemoryCache>>,
    serving: ArcSwap<Serving>,
}

/// What can be replaced.
pub(crate) struct Serving {
    config: Arc<ServerConfig>,
    store: Arc<Store>,
    pub(crate) clients: Option<Clients>,
    pub(crate) certificates: Vec<Arc<Certificate>>,
}

/// What certificates of clients are measured by.
#[derive(Clone)]
pub(crate) struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    /// Of authorities and lists, before they were read.
    pub(crate) stamps: Vec<Stamp>,
}

/// What a server is made of that does not change while it serves.
pub(crate) struct Parts<'a> {
    pub(crate) name: &'a Name,
    pub(crate) plan: &'a ListenerTls,
    pub(crate) alpn: &'a [&'a str],
    /// For tickets, unless a file has others.
    pub(crate) own: &'a Arc<Secrets>,
    pub(crate) key_log: &'a Option<Arc<dyn KeyLog>>,
    pub(crate) proofs: &'a Arc<Proofs>,
}

impl Server {
    /// A server with these certificates, which stand in the order of the plan.
    pub(crate) fn new(
        parts: &Parts<'_>,
        certificates: Vec<Arc<Certificate>>,
    ) -> Result<Server, String> {
        let &Parts { name, plan, alpn, own, key_log, proofs } = parts;
        let tickets_stamps = plan.ticket_keys.iter().map(|path| files::stamp(path)).collect();
        let secrets = plan.ticket_keys.as_ref().map(|path| Secrets::read(path)).transpose()?;
        let secrets = secrets.unwrap_or_else(|| own.clone());
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
        let clients = read_clients(plan)?;
        let log = key_log.as_ref();
        // Each is good for one handshake: what was sent ahead with it cannot be heard again.
        let sessions = plan.early_data.then(|| ServerSessionMemoryCache::new(SESSIONS));
        let kept = (&secrets, sessions.as_ref());
        let serving = Serving::new((name, plan, &alpn), kept, log, clients, certificates)?;
        Ok(Server {
            name: name.clone(),
            plan: plan.clone(),
            alpn,
            secrets,
            tickets_stamps,
            key_log: key_log.clone(),
            proofs: proofs.clone(),
            sessions,
            serving: ArcSwap::from_pointee(serving),
        })
    }

    /// For rustls, as things stand.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.serving.load().config.clone()
    }

    /// For rustls, where a client asks for nothing but the proof of a name: while there is one.
    pub fn proving(&self) -> Option<Arc<ServerConfig>> {
        self.proofs.handshake()
    }

    /// Whether a request for `host` came by a connection whose client asked for the server `named`,
    /// and another certificate of this listener is the one for that host. Both in lower case, hosts
    /// without port.
    pub fn is_misdirected(&self, named: &str, host: &str) -> bool {
        self.plan.refuse_misdirected && self.serving.load().store.misdirected(named, host)
    }

    /// Whether a client of TLS 1.3 that asks for the server `named` and knows these signature schemes
    /// can be shown a certificate. In lower case; empty: none.
    pub fn can_show(&self, named: &str, schemes: impl Iterator<Item = u16>) -> bool {
        let schemes: Vec<_> = schemes.map(SignatureScheme::from).collect();
        self.serving.load().store.can_show(named, schemes)
    }

    /// Whether the client of a resumed session would still be let in. Its certificate was looked at
    /// when the session began; since then it may have ended or been revoked.
    pub fn still_admits(&self, chain: &[CertificateDer<'static>]) -> bool {
        let serving = self.serving.load();
        let Some(clients) = &serving.clients else { return true };
        match chain {
            [] => !clients.verifier.client_auth_mandatory(),
            [own, others @ ..] => {
                clients.verifier.verify_client_cert(own, others, UnixTime::now()).is_ok()
            }
        }
    }

    /// Whether members are told who clients are.
    pub fn tells_clients(&self) -> bool {
        self.plan.clients.as_ref().is_some_and(|clients| clients.forward)
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// Serves by other certificates from now on.
    pub(crate) fn replace_certificates(
        &self,
        certificates: Vec<Arc<Certificate>>,
    ) -> Result<(), String> {
        let clients = self.serving().clients.clone();
        self.replace(clients, certificates)
    }

    /// Reads whose certificates clients may show, and goes by that from now on.
    pub(crate) fn read_clients_again(&self) -> Result<(), String> {
        let clients = read_clients(&self.plan)?;
        self.replace(clients, self.serving().certificates.clone())
    }

    fn replace(
        &self,
        clients: Option<Clients>,
        certificates: Vec<Arc<Certificate>>,
    ) -> Result<(), String> {
        let about = (&self.name, &self.plan, &self.alpn[..]);
        let log = self.key_log.as_ref();
        let kept = (&self.secrets, self.sessions.as_ref());
        let serving = Serving::new(about, kept, log, clients, certificates)?;
        self.serving.store(Arc::new(serving));
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Serving {
    fn new(
        (name, plan, alpn): (&Name, &ListenerTls, &[Vec<u8>]),
        (secrets, sessions): (&Arc<Secrets>, Option<&Arc<ServerSessionMemoryCache>>),
        key_log: Option<&Arc<dyn KeyLog>>,
        clients: Option<Clients>,
        certificates: Vec<Arc<Certificate>>,
    ) -> Result<Serving, String> {
        if certificates.is_empty() {
            return Err("TLS without a certificate".to_owned());
        }
        let mut store = Store::default();
        for certificate in &certificates {
            store.add(certificate.key.as_ref(), &certificate.names);
        }
        let store = Arc::new(store);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(plan))
            .map_err(|error| error.to_string())?;
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients.verifier.clone()),
        };
        let mut config = builder.with_cert_resolver(store.clone());
        config.alpn_protocols = alpn.to_vec();
        config.ignore_client_order = true;
        if let Some(sessions) = sessions {
            // The engine hears data ahead only in sessions that it can forget when they are used.
            config.session_storage = sessions.clone();
            config.max_early_data_size = EARLY_MAX;
            // Else the answer would wait for what the client's haste was to spare.
            config.send_half_rtt_data = true;
        } else {
            let bound = bound(name, plan);
            config.ticketer = Arc::new(Ticketer { secrets: secrets.clone(), bound });
            // With tickets the engine hears nothing ahead, nor says that it would.
            config.max_early_data_size = PASSED_MAX;
            // Whoever cannot keep a ticket shakes hands again: no memory and no lock for them here.
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        // Two are enough for a browser's first connections; each costs bytes and work.
        config.send_tls13_tickets = 2;
        if let Some(log) = key_log {
            config.key_log = log.clone();
        }
        Ok(Serving { config: Arc::new(config), store, clients, certificates })
    }
}

/// What a session depends on beside the name that the client asked for.
fn bound(name: &Name, plan: &ListenerTls) -> Vec<u8> {
    let mut bound = name.as_str().as_bytes().to_vec();
    if let Some(clients) = &plan.clients {
        bound.push(0);
        bound.extend(clients.ca.as_os_str().as_encoded_bytes());
        bound.extend([0, u8::from(clients.required)]);
    }
    bound
}

fn read_clients(plan: &ListenerTls) -> Result<Option<Clients>, String> {
    let Some(clients) = &plan.clients else { return Ok(None) };
    let stamps = stamps(plan);
    Ok(Some(Clients { verifier: clients::verifier(clients)?, stamps }))
}

/// The states of authorities and lists now.
pub(crate) fn stamps(plan: &ListenerTls) -> Vec<Stamp> {
    let clients = plan.clients.iter();
    let paths = clients.flat_map(|clients| [&clients.ca].into_iter().chain(&clients.crl));
    paths.map(|path| files::stamp(path)).collect()
}

static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static FROM_13: [&SupportedProtocolVersion; 1] = [&TLS13];

/// The versions that are spoken. The cipher suites and groups are those of Mozilla's
/// intermediate list, without finite-field Diffie-Hellman; TLS 1.3 alone is its modern one.
fn versions(plan: &ListenerTls) -> &'static [&'static SupportedProtocolVersion] {
    match (plan.ciphers, plan.min_version) {
        (Ciphers::Intermediate, TlsVersion::V12) => &FROM_12,
        (Ciphers::Modern, _) | (_, TlsVersion::V13) => &FROM_13,
    }
}
