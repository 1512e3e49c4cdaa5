//! TLS in print.

use std::path::Path;

use evenkeel_plan::{CertificateFiles, ListenerTls, PoolTls, TlsVersion, Verify};

use super::{Keys, quoted};

pub(super) fn listener(tls: &ListenerTls) -> Keys {
    let mut keys = Keys::default();
    let certificates: Vec<String> = tls.certificates.iter().map(files).collect();
    keys.put("certificates", format!("[{}]", certificates.join(", ")));
    keys.unless("min_version", &tls.min_version, &TlsVersion::V12, |v| quoted(v.name()));
    if let Some(clients) = &tls.clients {
        let mut inner = Keys::default();
        inner.put("ca", path(&clients.ca));
        inner.unless("required", &clients.required, &true, bool::to_string);
        keys.table("clients", inner);
    }
    keys
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
    format!("{{ cert = {}, key = {} }}", path(&files.cert), path(&files.key))
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
