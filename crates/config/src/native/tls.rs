//! `[listener.tls]` and `[pool.tls]`

use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_plan::{
    CertificateFiles, Ciphers, ClientCertificates, Hsts, ListenerTls, Name, PoolTls, TlsVersion,
    Verify,
};

use super::acme;
use super::row::{Kind, Row, keys, read};
use super::value::{Reader, Value};

const VERSIONS: [(&str, TlsVersion); 2] = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];
const VERIFY: [(&str, Verify); 3] =
    [("full", Verify::Full), ("name", Verify::Name), ("off", Verify::Off)];

pub(crate) const LISTENER: &[Row<ListenerTls>] = &[
    Row {
        name: "certificates",
        kind: Kind::Tables(|| keys(LISTED)),
        default: "",
        doc: "Certificates with their keys, from files or ordered, 10000 at most, chosen by the name the client asks for, exactly or by wildcard; ECDSA before RSA where a client can have either. The first is for all others. Required.",
        set: |tls, value, reader| {
            let Some(items) = value.items() else {
                let _ = value.expected::<()>(
                    reader,
                    "an array of { cert = \"…\", key = \"…\" } or { domains = \"…\" }",
                );
                return;
            };
            tls.certificates = items.filter_map(|item| listed(item, reader)).collect();
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
        name: "ciphers",
        kind: Kind::Word(&["intermediate", "modern"]),
        default: "intermediate",
        doc: "Mozilla's lists: intermediate (TLS 1.2 and 1.3, forward secrecy and authenticated encryption only) or modern (TLS 1.3 only).",
        set: |tls, value, reader| {
            let words = Ciphers::ALL.map(|(ciphers, word)| (word, ciphers));
            tls.ciphers = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "clients",
        kind: Kind::Table(|| keys(CLIENTS)),
        default: "",
        doc: "Certificates of clients.",
        set: |tls, value, reader| tls.clients = clients(value, reader),
    },
    Row {
        name: "ticket_keys",
        kind: Kind::Text,
        default: "",
        doc: "A file of keys for session tickets, for several processes: 32 to 80 bytes in hexadecimal in a line, the newest first, 16 at most. Without it the process makes its own, a new one every six hours.",
        set: |tls, value, reader| tls.ticket_keys = Some(path(value, reader)),
    },
    Row {
        name: "early_data",
        kind: Kind::Boolean,
        default: "false",
        doc: "Requests are heard that clients send before their handshake is over (0-RTT), 16 KiB at most: GET, HEAD and OPTIONS go on at once with Early-Data: 1, others wait. Sessions are then kept in this process. For protocol http.",
        set: |tls, value, reader| tls.early_data = value.boolean(reader).unwrap_or(false),
    },
    Row {
        name: "hsts",
        kind: Kind::Or("a duration like \"180d\"", || keys(HSTS)),
        default: "",
        doc: "Answers say Strict-Transport-Security for so long; what members say of it is replaced. For protocol http.",
        set: |tls, value, reader| tls.hsts = hsts(value, reader),
    },
    Row {
        name: "misdirected",
        kind: Kind::Word(&["refuse", "serve"]),
        default: "refuse",
        doc: "Requests on a connection that asked for another server name, for a host that has another certificate on this listener: 421, or served.",
        set: |tls, value, reader| {
            let words = [("refuse", true), ("serve", false)];
            tls.refuse_misdirected = value.one_of(reader, &words).unwrap_or(true);
        },
    },
];

const HSTS: &[Row<Hsts>] = &[
    Row {
        name: "max_age",
        kind: Kind::Duration,
        default: "180d",
        doc: "For how long browsers come back by TLS only; 0 ends it.",
        set: |hsts, value, reader| hsts.max_age = age(value, reader).unwrap_or(hsts.max_age),
    },
    Row {
        name: "subdomains",
        kind: Kind::Boolean,
        default: "false",
        doc: "Also to all names below (includeSubDomains).",
        set: |hsts, value, reader| hsts.subdomains = value.boolean(reader).unwrap_or(false),
    },
    Row {
        name: "preload",
        kind: Kind::Boolean,
        default: "false",
        doc: "The name may go into the lists that browsers come with.",
        set: |hsts, value, reader| hsts.preload = value.boolean(reader).unwrap_or(false),
    },
];

const FILES: &[Row<CertificateFiles>] = &[CERT, KEY, OCSP];

/// What stands for a certificate while it is read.
struct Listed {
    files: CertificateFiles,
    domains: Option<Vec<String>>,
    acme: Option<Name>,
}

const LISTED: &[Row<Listed>] = &[
    Row {
        name: CERT.name,
        kind: CERT.kind,
        default: CERT.default,
        doc: CERT.doc,
        set: |listed, value, reader| (CERT.set)(&mut listed.files, value, reader),
    },
    Row {
        name: KEY.name,
        kind: KEY.kind,
        default: KEY.default,
        doc: KEY.doc,
        set: |listed, value, reader| (KEY.set)(&mut listed.files, value, reader),
    },
    Row {
        name: OCSP.name,
        kind: OCSP.kind,
        default: OCSP.default,
        doc: OCSP.doc,
        set: |listed, value, reader| (OCSP.set)(&mut listed.files, value, reader),
    },
    Row {
        name: "domains",
        kind: Kind::Texts,
        default: "",
        doc: "In the place of files: the names and IP addresses, 100 at most, that a certificate is ordered for and renewed by itself.",
        set: |listed, value, reader| listed.domains = Some(acme::domains(value, reader)),
    },
    Row {
        name: "acme",
        kind: Kind::Text,
        default: "default",
        doc: "The [[acme]] that it is ordered from. The one named `default` is Let's Encrypt where no table says otherwise.",
        set: |listed, value, reader| listed.acme = value.name(reader),
    },
];

const CERT: Row<CertificateFiles> = Row {
    name: "cert",
    kind: Kind::Text,
    default: "",
    doc: "A PEM file: the certificate, then those that signed it. Relative to the file it is named in.",
    set: |files, value, reader| files.cert = path(value, reader),
};

const KEY: Row<CertificateFiles> = Row {
    name: "key",
    kind: Kind::Text,
    default: "",
    doc: "A PEM file with the private key.",
    set: |files, value, reader| files.key = path(value, reader),
};

const OCSP: Row<CertificateFiles> = Row {
    name: "ocsp",
    kind: Kind::Text,
    default: "",
    doc: "A DER file with an OCSP answer, 16 KiB at most, stapled to the certificate of a listener. Something else must renew it.",
    set: |files, value, reader| files.ocsp = Some(path(value, reader)),
};

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
    Row {
        name: "crl",
        kind: Kind::Texts,
        default: "",
        doc: "PEM files with lists of revoked certificates, 100 at most. Who signed no list has revoked nothing.",
        set: |clients, value, reader| {
            let files = value.one_or_more(reader, |value, reader| value.string(reader));
            clients.crl = files.unwrap_or_default().into_iter().map(PathBuf::from).collect();
        },
    },
    Row {
        name: "forward",
        kind: Kind::Boolean,
        default: "true",
        doc: "Members are told the client's certificate: Client-Cert and Client-Cert-Chain (RFC 9440).",
        set: |clients, value, reader| clients.forward = value.boolean(reader).unwrap_or(true),
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

fn clients(value: Value<'_>, reader: &mut Reader<'_>) -> Option<ClientCertificates> {
    let (ca, crl) = (PathBuf::new(), Vec::new());
    let mut clients = ClientCertificates { ca, required: true, crl, forward: true };
    let table = value.table(reader, "{ ca = \"clients.pem\" }")?;
    let before = reader.diagnostics.len();
    let places = read(CLIENTS, &[], "listener.tls.clients", table, &mut clients, reader);
    if clients.ca.as_os_str().is_empty() {
        let told = places.iter().any(|(key, _)| key == "ca") || reader.suggested("ca", before);
        if !told {
            let help = "add ca = \"clients.pem\": whose signatures are believed";
            reader.error_help(value.span(), "`clients` needs a `ca`", "", help);
        }
        return None;
    }
    Some(clients)
}

fn hsts(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Hsts> {
    let mut hsts =
        Hsts { max_age: Duration::from_secs(180 * 86_400), subdomains: false, preload: false };
    if let Some(table) = value.as_table() {
        read(HSTS, &[], "listener.tls.hsts", table, &mut hsts, reader);
    } else {
        hsts.max_age = age(value, reader)?;
    }
    Some(hsts)
}

fn age(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
    let age = value.duration(reader)?;
    match age.subsec_nanos() > 0 {
        true => value.wrong(reader, "expected whole seconds"),
        false => Some(age),
    }
}

const EXAMPLE: &str = "{ cert = \"site.pem\", key = \"site.key\" }";

/// A certificate of a listener: from files, or ordered.
fn listed(value: Value<'_>, reader: &mut Reader<'_>) -> Option<CertificateFiles> {
    let table = value.table(reader, EXAMPLE)?;
    let files = CertificateFiles::new(PathBuf::new(), PathBuf::new());
    let mut listed = Listed { files, domains: None, acme: None };
    let before = reader.diagnostics.len();
    read(LISTED, &[], "a certificate", table, &mut listed, reader);
    let Listed { mut files, domains, acme } = listed;
    let named = [&files.cert, &files.key].into_iter().filter(|path| !path.as_os_str().is_empty());
    let named = named.count();
    let Some(domains) = domains else {
        if named == 2 && acme.is_none() {
            return Some(files);
        }
        if reader.diagnostics.len() > before {
            return None;
        }
        let message = match acme {
            Some(_) => "a certificate is ordered for names: add domains = [\"example.com\"]".into(),
            None => format!("a certificate needs both files: {EXAMPLE}"),
        };
        return value.wrong(reader, message);
    };
    if named > 0 || files.ocsp.is_some() {
        return value.wrong(reader, "a certificate is from files or is ordered, not both");
    }
    files.ordered = Some(acme::ordered(acme, domains));
    // What was wrong with the names is told; that none is left then is not.
    (reader.diagnostics.len() == before).then_some(files)
}

fn certificate(value: Value<'_>, reader: &mut Reader<'_>) -> Option<CertificateFiles> {
    let example = EXAMPLE;
    let table = value.table(reader, example)?;
    let mut files = CertificateFiles::new(PathBuf::new(), PathBuf::new());
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
        clients.crl.iter_mut().for_each(|path| *path = folder.join(&*path));
    }
    if let Some(path) = &mut tls.ticket_keys {
        *path = folder.join(&*path);
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
    if files.ordered.is_some() {
        return;
    }
    files.cert = folder.join(&files.cert);
    files.key = folder.join(&files.key);
    if let Some(path) = &mut files.ocsp {
        *path = folder.join(&*path);
    }
}
