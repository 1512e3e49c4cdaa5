//! `[listener.tls]` and `[pool.tls]`

use std::path::{Path, PathBuf};

use evenkeel_plan::{
    CertificateFiles, ClientCertificates, ListenerTls, PoolTls, TlsVersion, Verify,
};

use super::row::{Kind, Row, keys, read};
use super::value::{Reader, Value};

const VERSIONS: [(&str, TlsVersion); 2] = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];
const VERIFY: [(&str, Verify); 3] =
    [("full", Verify::Full), ("name", Verify::Name), ("off", Verify::Off)];

pub(crate) const LISTENER: &[Row<ListenerTls>] = &[
    Row {
        name: "certificates",
        kind: Kind::Tables(|| keys(FILES)),
        default: "",
        doc: "Certificates with their keys, chosen by the name the client asks for, exactly or by wildcard; ECDSA before RSA where a client can have either. The first is for all others. Required.",
        set: |tls, value, reader| {
            let Some(items) = value.items() else {
                let _ = value.expected::<()>(reader, "an array of { cert = \"…\", key = \"…\" }");
                return;
            };
            tls.certificates = items.filter_map(|item| certificate(item, reader)).collect();
        },
    },
    Row {
        name: "min_version",
        kind: Kind::Word(&["1.2", "1.3"]),
        default: "1.2",
        doc: "The oldest version that is spoken. With 1.2, only cipher suites with forward secrecy and authenticated encryption.",
        set: |tls, value, reader| {
            tls.min_version = value.one_of(reader, &VERSIONS).unwrap_or_default();
        },
    },
    Row {
        name: "clients",
        kind: Kind::Table(|| keys(CLIENTS)),
        default: "",
        doc: "Certificates of clients.",
        set: |tls, value, reader| {
            let mut clients = ClientCertificates { ca: PathBuf::new(), required: true };
            let Some(table) = value.table(reader, "{ ca = \"clients.pem\" }") else { return };
            read(CLIENTS, &[], "listener.tls.clients", table, &mut clients, reader);
            tls.clients = Some(clients);
        },
    },
];

const FILES: &[Row<CertificateFiles>] = &[
    Row {
        name: "cert",
        kind: Kind::Text,
        default: "",
        doc: "A PEM file: the certificate, then those that signed it. Relative to the file it is named in.",
        set: |files, value, reader| files.cert = path(value, reader),
    },
    Row {
        name: "key",
        kind: Kind::Text,
        default: "",
        doc: "A PEM file with the private key.",
        set: |files, value, reader| files.key = path(value, reader),
    },
];

const CLIENTS: &[Row<ClientCertificates>] = &[
    Row {
        name: "ca",
        kind: Kind::Text,
        default: "",
        doc: "A PEM file: whose signatures are believed.",
        set: |clients, value, reader| clients.ca = path(value, reader),
    },
    Row {
        name: "required",
        kind: Kind::Boolean,
        default: "true",
        doc: "Clients without a certificate are turned away.",
        set: |clients, value, reader| clients.required = value.boolean(reader).unwrap_or(true),
    },
];

pub(crate) const POOL: &[Row<PoolTls>] = &[
    Row {
        name: "verify",
        kind: Kind::Word(&["full", "name", "off"]),
        default: "full",
        doc: "What is checked of a member's certificate: who signed it, its name and time; its name only; nothing, so that anybody on the way can pose as the member.",
        set: |tls, value, reader| tls.verify = value.one_of(reader, &VERIFY).unwrap_or_default(),
    },
    Row {
        name: "ca",
        kind: Kind::Text,
        default: "",
        doc: "A PEM file: whose signatures are believed. Without it those that the system believes.",
        set: |tls, value, reader| tls.ca = Some(path(value, reader)),
    },
    Row {
        name: "server_name",
        kind: Kind::Text,
        default: "",
        doc: "The name that members are asked for and must have. Without it the host of each address.",
        set: |tls, value, reader| tls.server_name = value.string(reader),
    },
    Row {
        name: "client",
        kind: Kind::Table(|| keys(FILES)),
        default: "",
        doc: "What is shown to members that want a certificate.",
        set: |tls, value, reader| tls.client = certificate(value, reader),
    },
];

fn certificate(value: Value<'_>, reader: &mut Reader<'_>) -> Option<CertificateFiles> {
    let example = "{ cert = \"site.pem\", key = \"site.key\" }";
    let table = value.table(reader, example)?;
    let mut files = CertificateFiles { cert: PathBuf::new(), key: PathBuf::new() };
    read(FILES, &[], "a certificate", table, &mut files, reader);
    if files.cert.as_os_str().is_empty() || files.key.as_os_str().is_empty() {
        return value.wrong(reader, format!("a certificate needs both files: {example}"));
    }
    Some(files)
}

fn path(value: Value<'_>, reader: &mut Reader<'_>) -> PathBuf {
    value.string(reader).map(PathBuf::from).unwrap_or_default()
}

/// Paths are relative to the folder of the file they are named in.
pub(crate) fn rebase_listener(tls: &mut ListenerTls, folder: &Path) {
    for files in &mut tls.certificates {
        rebase(files, folder);
    }
    if let Some(clients) = &mut tls.clients {
        clients.ca = folder.join(&clients.ca);
    }
}

/// The same for a pool.
pub(crate) fn rebase_pool(tls: &mut PoolTls, folder: &Path) {
    if let Some(ca) = &mut tls.ca {
        *ca = folder.join(&*ca);
    }
    if let Some(files) = &mut tls.client {
        rebase(files, folder);
    }
}

fn rebase(files: &mut CertificateFiles, folder: &Path) {
    files.cert = folder.join(&files.cert);
    files.key = folder.join(&files.key);
}
