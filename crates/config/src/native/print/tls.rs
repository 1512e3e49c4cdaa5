//! TLS in print.

use std::path::Path;

use evenkeel_plan::{
    Acme, CertificateFiles, Ciphers, ClientCertificates, Hsts, ListenerTls, PoolTls, TlsVersion,
    Verify,
};

use super::parts::one_or_more;
use super::{Keys, duration, quoted};

pub(super) fn listener(tls: &ListenerTls) -> Keys {
    let mut keys = Keys::default();
    let certificates: Vec<String> = tls.certificates.iter().map(files).collect();
    keys.put("certificates", format!("[{}]", certificates.join(", ")));
    keys.unless("min_version", &tls.min_version, &TlsVersion::V12, |v| quoted(v.name()));
    keys.unless("ciphers", &tls.ciphers, &Ciphers::Intermediate, |c| quoted(c.name()));
    if let Some(clients) = &tls.clients {
        keys.table("clients", self::clients(clients));
    }
    if let Some(keys_file) = &tls.ticket_keys {
        keys.put("ticket_keys", path(keys_file));
    }
    keys.unless("early_data", &tls.early_data, &false, bool::to_string);
    if let Some(hsts) = &tls.hsts {
        hsts_keys(hsts, &mut keys);
    }
    keys.unless("misdirected", &tls.refuse_misdirected, &true, |_| quoted("serve"));
    keys
}

fn clients(clients: &ClientCertificates) -> Keys {
    let mut keys = Keys::default();
    keys.put("ca", path(&clients.ca));
    keys.unless("required", &clients.required, &true, bool::to_string);
    keys.unless("crl", &clients.crl, &Vec::new(), |files| one_or_more(files, |file| path(file)));
    keys.unless("forward", &clients.forward, &true, bool::to_string);
    keys
}

fn hsts_keys(hsts: &Hsts, keys: &mut Keys) {
    let age = duration(&hsts.max_age);
    if !hsts.subdomains && !hsts.preload {
        return keys.put("hsts", age);
    }
    let mut inner = Keys::default();
    inner.put("max_age", age);
    inner.unless("subdomains", &hsts.subdomains, &false, bool::to_string);
    inner.unless("preload", &hsts.preload, &false, bool::to_string);
    keys.table("hsts", inner);
}

pub(super) fn pool(tls: &PoolTls) -> Keys {
    let mut keys = Keys::default();
    // The word stands also when it is the usual one, so that the table is never empty.
    keys.put("verify", quoted(Verify::name(tls.verify)));
    if let Some(ca) = &tls.ca {
        keys.put("ca", path(ca));
    }
    if let Some(name) = &tls.server_name {
        keys.put("server_name", quoted(name));
    }
    if let Some(client) = &tls.client {
        keys.put("client", files(client));
    }
    keys
}

fn files(files: &CertificateFiles) -> String {
    if let Some(ordered) = &files.ordered {
        let domains = one_or_more(&ordered.domains, |name| quoted(name));
        return match ordered.authority.as_str() {
            Acme::DEFAULT_NAME => format!("{{ domains = {domains} }}"),
            authority => format!("{{ domains = {domains}, acme = {} }}", quoted(authority)),
        };
    }
    let ocsp = files.ocsp.as_ref().map(|file| format!(", ocsp = {}", path(file)));
    let (cert, key) = (path(&files.cert), path(&files.key));
    format!("{{ cert = {cert}, key = {key}{} }}", ocsp.unwrap_or_default())
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
