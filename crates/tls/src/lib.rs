//! Certificates and rules of TLS.
//!
//! Law: files and a plan in, what a handshake goes by out; no sockets. Everything that can be wrong
//! with a certificate is found here, before anything is served with it.
#![forbid(unsafe_code)]

mod files;
mod member;
mod names;
mod store;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use evenkeel_plan::{ListenerTls, MemberProtocol, Name, Plan, PoolTls, TlsVersion};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

pub use rustls::pki_types::ServerName;
pub use store::Store;

/// What a listener's handshakes go by.
pub type Server = Arc<ServerConfig>;

/// What handshakes with members go by.
#[derive(Clone, Debug)]
pub struct Members {
    /// For rustls.
    pub config: Arc<ClientConfig>,
    /// The name of all members; `None`: the host of each.
    pub name: Option<ServerName<'static>>,
}

/// A listener's certificates and rules. `alpn`: protocols it speaks, the best first.
///
/// # Errors
/// Every problem in words, with the file it is about.
pub fn server(plan: &ListenerTls, alpn: &[&str]) -> Result<Server, Vec<String>> {
    let mut problems = Vec::new();
    let mut store = Store::default();
    for files in &plan.certificates {
        match files::certified(files) {
            Ok(certified) => store.add(certified),
            Err(why) => problems.push(why),
        }
    }
    if plan.certificates.is_empty() {
        problems.push("TLS without a certificate".to_owned());
    }
    let builder = ServerConfig::builder_with_protocol_versions(versions(plan.min_version));
    let builder = match &plan.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let roots = files::roots(&clients.ca).map_err(|why| vec![why])?;
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
            let verifier = match clients.required {
                true => verifier.build(),
                false => verifier.allow_unauthenticated().build(),
            };
            match verifier {
                Ok(verifier) => builder.with_client_cert_verifier(verifier),
                Err(why) => return Err(vec![told(&clients.ca, &why.to_string())]),
            }
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut config = builder.with_cert_resolver(Arc::new(store));
    config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
    // Keys for tickets change every six hours; a session can be resumed for twelve.
    if let Ok(tickets) = rustls::crypto::aws_lc_rs::Ticketer::new() {
        config.ticketer = tickets;
    }
    // Two are enough for a browser's first connections; each costs bytes and work.
    config.send_tls13_tickets = 2;
    Ok(Arc::new(config))
}

/// The rules for a pool's members, which speak that protocol.
///
/// # Errors
/// Every problem in words, with the file it is about.
pub fn members(plan: &PoolTls, alpn: &str) -> Result<Members, Vec<String>> {
    let name = plan.server_name.as_ref().map(|name| {
        let parsed = ServerName::try_from(name.clone());
        parsed.map_err(|_| vec![format!("`{name}` is no name of a server")])
    });
    let mut config = member::config(plan).map_err(|why| vec![why])?;
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Ok(Members { config: Arc::new(config), name: name.transpose()? })
}

static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static FROM_13: [&SupportedProtocolVersion; 1] = [&TLS13];

fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match least {
        TlsVersion::V12 => &FROM_12,
        TlsVersion::V13 => &FROM_13,
    }
}

/// What all listeners and pools of a plan go by, by their names.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Of listeners with TLS.
    pub listeners: HashMap<Name, Server>,
    /// Of pools with TLS.
    pub pools: HashMap<Name, Members>,
}

/// Loads all that a plan names.
///
/// # Errors
/// Every problem in words.
pub fn load(plan: &Plan) -> Result<Loaded, Vec<String>> {
    let (mut loaded, mut problems) = (Loaded::default(), Vec::new());
    for listener in &plan.listeners {
        let Some(tls) = &listener.tls else { continue };
        match server(tls, &["h2", "http/1.1"]) {
            Ok(server) => drop(loaded.listeners.insert(listener.name.clone(), server)),
            Err(more) => problems.extend(
                more.into_iter().map(|why| format!("listener \"{}\": {why}", listener.name)),
            ),
        }
    }
    for pool in &plan.pools {
        let Some(tls) = &pool.tls else { continue };
        let alpn = if pool.spoken() == MemberProtocol::Http2 { "h2" } else { "http/1.1" };
        match members(tls, alpn) {
            Ok(members) => drop(loaded.pools.insert(pool.name.clone(), members)),
            Err(more) => problems
                .extend(more.into_iter().map(|why| format!("pool \"{}\": {why}", pool.name))),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// A problem with a file.
fn told(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}
