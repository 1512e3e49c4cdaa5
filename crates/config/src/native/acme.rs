//! `[[acme]]`, and certificates that are ordered.

use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_plan::acme::domain;
use evenkeel_plan::{
    Acme, Challenge, DnsHook, ExternalAccount, KeyKind, ListenerTls, Name, Ordered, Plan,
};

use super::row::{Kind, Row, keys, read};
use super::units;
use super::value::{Reader, Value};

/// Directories that have a word.
const DIRECTORIES: [(&str, &str); 4] = [
    ("letsencrypt", Acme::DEFAULT_DIRECTORY),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
    ("zerossl", "https://acme.zerossl.com/v2/DV90"),
    ("google", "https://dv.acme-v02.api.pki.goog/directory"),
];
const CONTACTS_MAX: usize = 10;

pub(crate) fn blank() -> Acme {
    Acme::new(default_name())
}

fn default_name() -> Name {
    Name::new(Acme::DEFAULT_NAME).expect("letters are a valid name")
}

pub(crate) const ROWS: &[Row<Acme>] = &[
    Row {
        name: "name",
        kind: Kind::Text,
        default: "default",
        doc: "Unique among authorities; what certificates name as `acme`.",
        set: |acme, value, reader| {
            if let Some(name) = value.name(reader) {
                acme.name = name;
            }
        },
    },
    Row {
        name: "directory",
        kind: Kind::Any("letsencrypt, letsencrypt-staging, zerossl, google, or a https URL"),
        default: "letsencrypt",
        doc: "The authority: the URL of its ACME directory. Using it is to agree to its terms of service.",
        set: |acme, value, reader| {
            let Some(text) = value.string(reader) else { return };
            let known = DIRECTORIES.iter().find(|(word, _)| *word == text).map(|(_, url)| *url);
            let url = known.unwrap_or(&text);
            let host = url.strip_prefix("https://").unwrap_or_default();
            if host.is_empty() || !url.bytes().all(|b| b.is_ascii_graphic()) {
                let words: Vec<&str> = DIRECTORIES.iter().map(|(word, _)| *word).collect();
                let message = format!("expected {}, or a URL with https://", words.join(", "));
                let _ = value.wrong::<()>(reader, message);
            }
            acme.directory = url.to_owned();
        },
    },
    Row {
        name: "contact",
        kind: Kind::Texts,
        default: "",
        doc: "Addresses of mail, 10 at most, that the authority may write to.",
        set: |acme, value, reader| {
            let contact = value.one_or_more(reader, |value, reader| {
                let text = value.string(reader)?;
                let bare = text.strip_prefix("mailto:").unwrap_or(&text);
                let plain = bare.bytes().all(|b| b.is_ascii_graphic() && b != b',');
                match bare.split_once('@') {
                    Some((user, host)) if plain && !user.is_empty() && !host.is_empty() => {
                        Some(format!("mailto:{bare}"))
                    }
                    _ => value.wrong(reader, "expected an address like \"ops@example.com\""),
                }
            });
            acme.contact = contact.unwrap_or_default();
            if acme.contact.len() > CONTACTS_MAX {
                let _ = value.wrong::<()>(reader, "more than 10 addresses");
            }
        },
    },
    Row {
        name: "ca",
        kind: Kind::Text,
        default: "",
        doc: "A PEM file: who signed the certificate of the authority's own server, where the system does not believe it: a private authority, or one for tests.",
        set: |acme, value, reader| acme.ca = value.string(reader).map(PathBuf::from),
    },
    Row {
        name: "eab",
        kind: Kind::Table(|| keys(EXTERNAL)),
        default: "",
        doc: "External account binding: what some authorities give out for a first order.",
        set: |acme, value, reader| acme.external = external(value, reader),
    },
    Row {
        name: "challenge",
        kind: Kind::Word(&["tls-alpn-01", "http-01", "dns-01"]),
        default: "tls-alpn-01",
        doc: "How names are proved: by a handshake at port 443, by an answer at port 80, or by a record in DNS, which alone can prove `*.` names.",
        set: |acme, value, reader| {
            let words = Challenge::ALL.map(|(challenge, word)| (word, challenge));
            acme.challenge = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "dns",
        kind: Kind::Table(|| keys(DNS)),
        default: "",
        doc: "The program that puts records into DNS; for challenge dns-01.",
        set: |acme, value, reader| acme.dns = dns(value, reader),
    },
    Row {
        name: "folder",
        kind: Kind::Text,
        default: "/var/lib/evenkeel/acme",
        doc: "Where accounts, keys and certificates are kept. It is made if it is missing, and must be for its owner alone (mode 0700).",
        set: |acme, value, reader| {
            acme.folder = value.string(reader).map(PathBuf::from).unwrap_or_default();
            if acme.folder.as_os_str().is_empty() {
                let _ = value.wrong::<()>(reader, "expected the path of a folder");
            }
        },
    },
    Row {
        name: "key",
        kind: Kind::Word(&["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-4096"]),
        default: "ecdsa-p256",
        doc: "What keys certificates have. Each certificate gets a new one.",
        set: |acme, value, reader| {
            let words = KeyKind::ALL.map(|(kind, word)| (word, kind));
            acme.key = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "profile",
        kind: Kind::Text,
        default: "",
        doc: "The profile that certificates are asked for by, like `shortlived`; the authority's directory lists its own.",
        set: |acme, value, reader| {
            let Some(text) = value.string(reader) else { return };
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
                let _ = value.wrong::<()>(reader, "expected the name of a profile");
            }
            acme.profile = Some(text);
        },
    },
    Row {
        name: "renew_before",
        kind: Kind::Duration,
        default: "",
        doc: "How long before its end a certificate is renewed. Without it when a third of its time is left, or when the authority says so (ARI).",
        set: |acme, value, reader| {
            acme.renew_before = within(value, reader, HOUR, 365 * 24 * HOUR);
        },
    },
];

const HOUR: Duration = Duration::from_secs(3600);

const EXTERNAL: &[Row<ExternalAccount>] = &[
    Row {
        name: "key_id",
        kind: Kind::Text,
        default: "",
        doc: "The name of the account.",
        set: |external, value, reader| {
            external.key_id = value.string(reader).unwrap_or_default();
        },
    },
    Row {
        name: "hmac_key",
        kind: Kind::Text,
        default: "",
        doc: "Its secret in base64url, as it is given out; best by an environment variable.",
        set: |external, value, reader| {
            let Some(text) = value.string(reader) else { return };
            match units::base64url(&text).filter(|key| !key.is_empty()) {
                Some(key) => external.hmac_key = key,
                None => drop(value.wrong::<()>(reader, "expected a secret in base64url")),
            }
        },
    },
];

const DNS: &[Row<DnsHook>] = &[
    Row {
        name: "command",
        kind: Kind::Texts,
        default: "",
        doc: "The program and its first arguments. Called with `present` or `cleanup`, the name of the record, and its value.",
        set: |hook, value, reader| {
            let words = value.one_or_more(reader, |value, reader| value.string(reader));
            hook.command = words.unwrap_or_default();
        },
    },
    Row {
        name: "timeout",
        kind: Kind::Duration,
        default: "1m",
        doc: "How long it may take, 1 s to 10 min; then it is killed.",
        set: |hook, value, reader| {
            let most = Duration::from_secs(600);
            let time = within(value, reader, Duration::from_secs(1), most);
            hook.timeout = time.unwrap_or(hook.timeout);
        },
    },
    Row {
        name: "wait",
        kind: Kind::Duration,
        default: "10s",
        doc: "How long a new record may take until all servers of the zone have it, 1 h at most.",
        set: |hook, value, reader| {
            hook.wait = within(value, reader, Duration::ZERO, HOUR).unwrap_or(hook.wait);
        },
    },
];

fn within(
    value: Value<'_>,
    reader: &mut Reader<'_>,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    let time = value.duration(reader)?;
    if (least..=most).contains(&time) {
        return Some(time);
    }
    let [least, most] = [least, most].map(units::print_duration);
    value.wrong(reader, format!("expected a time from {least} to {most}"))
}

fn external(value: Value<'_>, reader: &mut Reader<'_>) -> Option<ExternalAccount> {
    let example = "{ key_id = \"…\", hmac_key = \"…\" }";
    let mut external = ExternalAccount { key_id: String::new(), hmac_key: Vec::new() };
    let before = reader.diagnostics.len();
    read(EXTERNAL, &[], "acme.eab", value.table(reader, example)?, &mut external, reader);
    if external.key_id.is_empty() || external.hmac_key.is_empty() {
        if reader.diagnostics.len() == before {
            let _ = value.wrong::<()>(reader, format!("an account needs both: {example}"));
        }
        return None;
    }
    Some(external)
}

fn dns(value: Value<'_>, reader: &mut Reader<'_>) -> Option<DnsHook> {
    let example = "{ command = \"/path/to/hook\" }";
    let mut hook = DnsHook::new(Vec::new());
    let before = reader.diagnostics.len();
    read(DNS, &[], "acme.dns", value.table(reader, example)?, &mut hook, reader);
    if hook.command.first().is_none_or(String::is_empty) {
        if reader.diagnostics.len() == before {
            let _ = value.wrong::<()>(reader, format!("`dns` needs a command: {example}"));
        }
        return None;
    }
    Some(hook)
}

/// The names of a certificate that is ordered.
pub(crate) fn domains(value: Value<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let read = value.one_or_more(reader, |value, reader| {
        let text = value.string(reader)?;
        match domain(&text) {
            Ok(name) => Some(name),
            Err(why) => value.wrong(reader, format!("no certificate is for \"{text}\": {why}")),
        }
    });
    for name in read.unwrap_or_default() {
        match found.contains(&name) {
            true => drop(value.wrong::<()>(reader, format!("\"{name}\" stands twice"))),
            false => found.push(name),
        }
    }
    found
}

/// A certificate that is ordered, as long as its authority is not known.
pub(crate) fn ordered(authority: Option<Name>, domains: Vec<String>) -> Ordered {
    Ordered { authority: authority.unwrap_or_else(default_name), domains }
}

/// Paths are relative to the folder of the file they are named in; a bare name of a program is
/// looked for where programs are.
pub(crate) fn rebase(acme: &mut Acme, folder: &Path) {
    acme.folder = folder.join(&acme.folder);
    if let Some(ca) = &mut acme.ca {
        *ca = folder.join(&*ca);
    }
    if let Some(program) = acme.dns.as_mut().and_then(|hook| hook.command.first_mut())
        && program.contains('/')
    {
        *program = folder.join(&*program).to_string_lossy().into_owned();
    }
}

/// Says where ordered certificates are kept. The usual authority needs no table.
pub(crate) fn settle(plan: &mut Plan) {
    let is_usual = |name: &Name| name.as_str() == Acme::DEFAULT_NAME;
    let tls = |plan: &Plan| {
        let all = plan.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        all.flat_map(|tls: &ListenerTls| &tls.certificates)
            .filter_map(|files| files.ordered.as_ref())
            .any(|ordered| is_usual(&ordered.authority))
    };
    if tls(plan) && !plan.acme.iter().any(|acme| is_usual(&acme.name)) {
        // The others stay where the file has them.
        plan.acme.push(blank());
    }
    for tls in plan.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut()) {
        for files in &mut tls.certificates {
            let Some(ordered) = files.ordered.take() else { continue };
            match plan.acme.iter().find(|acme| acme.name == ordered.authority) {
                Some(acme) => *files = acme.files(ordered.domains),
                // A check tells that there is no such authority.
                None => files.ordered = Some(ordered),
            }
        }
    }
}
