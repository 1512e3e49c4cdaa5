//! `[[listener]]`

mod bind;
mod proxy;
mod tables;

use evenkeel_plan::{Listener, ListenerTimeouts, Name, Protocol, Versions};

use super::row::{Kind, Places, Row, keys, place, read};
use super::value::{Reader, Value};

pub(crate) use bind::{bind_slip, key as bind_key};
pub(crate) use tables::style_word;
use tables::{FORWARDED, LIMITS, TIMEOUTS, UDP};

/// A listener while it is read.
pub(crate) struct Draft {
    pub(crate) plan: Listener,
    pub(crate) named: bool,
    /// Where the keys of its tables stood, as `limits.body`, and its addresses, as
    /// `bind 0.0.0.0:80`.
    inner: Places,
}

impl Draft {
    pub(crate) fn blank() -> Draft {
        let name = Name::new("unnamed").expect("letters are a valid name");
        Draft { plan: Listener::new(name, Vec::new()), named: false, inner: Places::new() }
    }

    /// The listener, and where the keys of its tables stood. An idle time that is not written
    /// waited for the protocol: keys come in any order.
    pub(crate) fn finish(mut self) -> (Listener, Places) {
        if place(&self.inner, "timeouts.idle").is_none() {
            self.plan.timeouts.idle = ListenerTimeouts::default_idle(self.plan.protocol);
        }
        (self.plan, self.inner)
    }
}

/// Reads one of a listener's tables into its part of the plan.
fn table<T>(
    name: &str,
    rows: &'static [Row<T>],
    (target, inner): (&mut T, &mut Places),
    (value, example): (Value<'_>, &str),
    reader: &mut Reader<'_>,
) {
    let Some(table) = value.table(reader, example) else { return };
    let places = read(rows, &[], &format!("listener.{name}"), table, target, reader);
    inner.extend(places.into_iter().map(|(key, at)| (format!("{name}.{key}"), at)));
}

const PROTOCOLS: [(&str, Protocol); 3] =
    [("http", Protocol::Http), ("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];

const VERSIONS: [(&str, Versions); 3] =
    [("any", Versions::Any), ("1.1", Versions::Http1), ("2", Versions::Http2)];

/// Keys that come in later versions.
pub(crate) const LATER: &[&str] = &["xdp"];

pub(crate) const ROWS: &[Row<Draft>] = &[
    Row {
        name: "name",
        kind: Kind::Text,
        default: "PROTOCOL-ADDRESS",
        doc: "Unique among listeners; used in logs, metrics and routes.",
        set: |draft, value, reader| {
            if let Some(name) = value.name(reader) {
                draft.plan.name = name;
                draft.named = true;
            }
        },
    },
    Row {
        name: "bind",
        kind: Kind::Texts,
        default: "",
        doc: "Where it accepts: `ip:port`, `[v6]:port`, a range of ports `ip:5000-5099` or `unix:/path`, one or several, 1024 addresses at most. Port 0 lets the system choose.",
        set: |draft, value, reader| {
            draft.plan.bind = bind::bind(value, &mut draft.inner, reader);
        },
    },
    Row {
        name: "protocol",
        kind: Kind::Word(&["http", "tcp", "udp"]),
        default: "http",
        doc: "What it speaks. tcp and udp pass on bytes and datagrams as they are.",
        set: |draft, value, reader| {
            let later = ["sctp", "ftp", "smtp"];
            if let Some(text) = peek_text(value).filter(|text| later.contains(&text.as_str())) {
                reader.not_yet(value.span(), &format!("protocol \"{text}\""));
            } else if let Some(protocol) = value.one_of(reader, &PROTOCOLS) {
                draft.plan.protocol = protocol;
            }
        },
    },
    Row {
        name: "versions",
        kind: Kind::Word(&["any", "1.1", "2"]),
        default: "any",
        doc: "Which versions of HTTP, for protocol http: with any, clients choose by ALPN, or in clear by how they begin.",
        set: |draft, value, reader| {
            draft.plan.versions = value.one_of(reader, &VERSIONS).unwrap_or_default();
        },
    },
    Row {
        name: "proxy_protocol",
        kind: Kind::Or("off, accept or require", || keys(proxy::PROXY)),
        default: "off",
        doc: "Whether connections begin with a PROXY header (version 1 or 2) that names the client.",
        set: proxy::proxy_protocol,
    },
    Row {
        name: "pool",
        kind: Kind::Text,
        default: "",
        doc: "The pool for what no route takes.",
        set: |draft, value, reader| draft.plan.pool = value.name(reader),
    },
    Row {
        name: "timeouts",
        kind: Kind::Table(|| keys(TIMEOUTS)),
        default: "",
        doc: "How long clients may take.",
        set: |draft, value, reader| {
            let target = (&mut draft.plan.timeouts, &mut draft.inner);
            table("timeouts", TIMEOUTS, target, (value, "{ header = \"10s\" }"), reader);
        },
    },
    Row {
        name: "limits",
        kind: Kind::Table(|| keys(LIMITS)),
        default: "",
        doc: "How much clients may ask.",
        set: |draft, value, reader| {
            let target = (&mut draft.plan.limits, &mut draft.inner);
            table("limits", LIMITS, target, (value, "{ body = \"10MB\" }"), reader);
        },
    },
    Row {
        name: "forwarded",
        kind: Kind::Table(|| keys(FORWARDED)),
        default: "",
        doc: "What members are told about the client, and whose word is taken for it.",
        set: |draft, value, reader| {
            let target = (&mut draft.plan.forwarded, &mut draft.inner);
            let example = "{ trusted = [\"10.0.0.0/8\"] }";
            table("forwarded", FORWARDED, target, (value, example), reader);
        },
    },
    Row {
        name: "tcp",
        kind: Kind::Table(|| keys(super::tcp::LISTENER)),
        default: "",
        doc: "Options of the clients' TCP connections.",
        set: |draft, value, reader| {
            let target = (&mut draft.plan.tcp, &mut draft.inner);
            let example = "{ keep_alive = \"2m\" }";
            table("tcp", super::tcp::LISTENER, target, (value, example), reader);
        },
    },
    Row {
        name: "tls",
        kind: Kind::Table(|| keys(super::tls::LISTENER)),
        default: "",
        doc: "TLS, ended here; for protocols http and tcp.",
        set: |draft, value, reader| {
            let mut tls = evenkeel_plan::ListenerTls::default();
            let example = "{ certificates = [{ cert = \"site.pem\", key = \"site.key\" }] }";
            let target = (&mut tls, &mut draft.inner);
            table("tls", super::tls::LISTENER, target, (value, example), reader);
            draft.plan.tls = Some(tls);
        },
    },
    Row {
        name: "redirect_https",
        kind: Kind::Any("true, or the port of https"),
        default: "false",
        doc: "Requests are sent to https (status 308), at port 443 or this one, those below /.well-known/acme-challenge/ aside. For protocol http without tls.",
        set: |draft, value, reader| {
            draft.plan.redirect_https = match value.is_integer() {
                true => value.integer(reader, 1..=65_535).and_then(|port| u16::try_from(port).ok()),
                false => value.boolean(reader).unwrap_or(false).then_some(443),
            };
        },
    },
    Row {
        name: "udp",
        kind: Kind::Table(|| keys(UDP)),
        default: "",
        doc: "How flows are told apart and ended; for protocol udp.",
        set: |draft, value, reader| {
            let target = (&mut draft.plan.udp, &mut draft.inner);
            table("udp", UDP, target, (value, "{ responses = 1 }"), reader);
        },
    },
];

pub(crate) fn bounded(
    value: Value<'_>,
    reader: &mut Reader<'_>,
    least: u64,
    most: u64,
) -> Option<evenkeel_plan::Bytes> {
    let size = value.size(reader)?;
    if (least..=most).contains(&size.0) {
        return Some(size);
    }
    let (least, most) = (evenkeel_plan::Bytes(least), evenkeel_plan::Bytes(most));
    value.wrong(reader, format!("expected a size from {least} to {most}, found {size}"))
}

/// The text of a value, if it is one, without any complaint.
pub(crate) fn peek_text(value: Value<'_>) -> Option<String> {
    match value.node.get_ref() {
        toml::de::DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The name of a listener that has none: protocol and first address.
pub(crate) fn default_name(plan: &Listener) -> Option<Name> {
    let bind = plan.bind.first()?.to_string();
    let plain: String = bind
        .chars()
        .filter(|c| c.is_ascii_graphic() && !"\"'\\{}".contains(*c))
        .take(100)
        .collect();
    Name::new(&format!("{}-{plain}", plan.protocol.name())).ok()
}
