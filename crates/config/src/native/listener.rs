//! `[[listener]]`

use evenkeel_plan::{
    Forwarded, ForwardedStyle, Listener, ListenerLimits, ListenerTimeouts, Name, Protocol,
    ProxyMode,
};

use super::row::{Kind, Row, keys, place, read};
use super::value::{Reader, Value};

/// A listener while it is read.
pub(crate) struct Draft {
    pub(crate) plan: Listener,
    pub(crate) named: bool,
    /// Whether an idle time is written; else it depends on the protocol.
    idle: bool,
}

impl Draft {
    pub(crate) fn blank() -> Draft {
        let name = Name::new("unnamed").expect("letters are a valid name");
        Draft { plan: Listener::new(name, Vec::new()), named: false, idle: false }
    }

    /// What waited until the whole table was read: protocol and idle time come in any order.
    pub(crate) fn finish(mut self) -> Listener {
        if !self.idle {
            self.plan.timeouts.idle = ListenerTimeouts::default_idle(self.plan.protocol);
        }
        self.plan
    }
}

const PROTOCOLS: [(&str, Protocol); 3] =
    [("http", Protocol::Http), ("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];

const STYLES: [(&str, ForwardedStyle); 4] = [
    ("x-forwarded", ForwardedStyle::XForwarded),
    ("forwarded", ForwardedStyle::Rfc7239),
    ("both", ForwardedStyle::Both),
    ("off", ForwardedStyle::Off),
];

/// Keys that come in later versions.
pub(crate) const LATER: &[&str] = &["tls", "xdp"];

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
        doc: "Where it accepts: `ip:port`, `[v6]:port` or `unix:/path`, one or several. Port 0 lets the system choose.",
        set: |draft, value, reader| {
            let bind = value.one_or_more(reader, |value, reader| value.address(reader, bind_slip));
            if let Some(bind) = bind {
                if bind.len() > 64 {
                    value.wrong::<()>(reader, "a listener has at most 64 addresses");
                }
                draft.plan.bind = bind;
            }
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
        name: "proxy_protocol",
        kind: Kind::Word(&["off"]),
        default: "off",
        doc: "Whether connections begin with a PROXY header.",
        set: |draft, value, reader| {
            if peek_text(value).is_some_and(|text| text == "accept") {
                reader.not_yet(value.span(), "proxy_protocol \"accept\"");
            } else if let Some(off) = value.one_of(reader, &[("off", ProxyMode::Off)]) {
                draft.plan.proxy_protocol.mode = off;
            }
        },
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
            if let Some(table) = value.table(reader, "{ header = \"10s\" }") {
                let target = &mut draft.plan.timeouts;
                let places = read(TIMEOUTS, &[], "listener.timeouts", table, target, reader);
                draft.idle = place(&places, "idle").is_some();
            }
        },
    },
    Row {
        name: "limits",
        kind: Kind::Table(|| keys(LIMITS)),
        default: "",
        doc: "How much clients may ask.",
        set: |draft, value, reader| {
            if let Some(table) = value.table(reader, "{ body = \"10MB\" }") {
                read(LIMITS, &[], "listener.limits", table, &mut draft.plan.limits, reader);
            }
        },
    },
    Row {
        name: "forwarded",
        kind: Kind::Table(|| keys(FORWARDED)),
        default: "",
        doc: "What members are told about the client, and whose word is taken for it.",
        set: |draft, value, reader| {
            if let Some(table) = value.table(reader, "{ trusted = [\"10.0.0.0/8\"] }") {
                read(
                    FORWARDED,
                    &[],
                    "listener.forwarded",
                    table,
                    &mut draft.plan.forwarded,
                    reader,
                );
            }
        },
    },
];

pub(crate) const TIMEOUTS: &[Row<ListenerTimeouts>] = &[
    Row {
        name: "header",
        kind: Kind::Duration,
        default: "10s",
        doc: "From the first byte of a request's head to its last. Beyond: 408.",
        set: |t, value, reader| t.header = value.positive(reader).unwrap_or(t.header),
    },
    Row {
        name: "idle",
        kind: Kind::Duration,
        default: "1m; tcp: 1h",
        doc: "Between two requests on a connection; for tcp and udp, silence in both directions. Beyond: closed.",
        set: |t, value, reader| t.idle = value.positive(reader).unwrap_or(t.idle),
    },
    Row {
        name: "request",
        kind: Kind::Duration,
        default: "5m",
        doc: "From the first byte of a request to the last of its answer; 0: no limit. Beyond: 408, 504, or closed.",
        set: |t, value, reader| t.request = value.duration(reader).unwrap_or(t.request),
    },
    Row {
        name: "tunnel",
        kind: Kind::Duration,
        default: "1h",
        doc: "Without a byte in either direction of an upgraded connection (WebSocket).",
        set: |t, value, reader| t.tunnel = value.positive(reader).unwrap_or(t.tunnel),
    },
    Row {
        name: "send",
        kind: Kind::Duration,
        default: "1m",
        doc: "Waiting for a client that does not read its answer. Beyond: closed.",
        set: |t, value, reader| t.send = value.positive(reader).unwrap_or(t.send),
    },
];

pub(crate) const LIMITS: &[Row<ListenerLimits>] = &[
    Row {
        name: "header_bytes",
        kind: Kind::Size,
        default: "32KiB",
        doc: "Request line and headers together, 1 KiB to 1 MiB. Beyond: 431.",
        set: |l, value, reader| {
            l.header_bytes = bounded(value, reader, 1 << 10, 1 << 20).unwrap_or(l.header_bytes)
        },
    },
    Row {
        name: "uri_bytes",
        kind: Kind::Size,
        default: "8KiB",
        doc: "The request target, 256 B to 1 MiB. Beyond: 414.",
        set: |l, value, reader| {
            l.uri_bytes = bounded(value, reader, 256, 1 << 20).unwrap_or(l.uri_bytes)
        },
    },
    Row {
        name: "headers",
        kind: Kind::Whole,
        default: "100",
        doc: "Header lines, and trailer lines. Beyond: 431.",
        set: |l, value, reader| {
            l.headers = value.integer(reader, 1..=10_000).map_or(l.headers, |n| n as u32)
        },
    },
    Row {
        name: "body",
        kind: Kind::Size,
        default: "unlimited",
        doc: "The body. Beyond: 413.",
        set: |l, value, reader| l.body = value.size(reader).unwrap_or(l.body),
    },
    Row {
        name: "connections",
        kind: Kind::Whole,
        default: "50000",
        doc: "Open client connections. Beyond: the listener stops accepting until one ends.",
        set: |l, value, reader| {
            l.connections =
                value.integer(reader, 1..=10_000_000).map_or(l.connections, |n| n as u32)
        },
    },
    Row {
        name: "requests_per_connection",
        kind: Kind::Whole,
        default: "0",
        doc: "Requests until a connection is closed in an orderly way; 0: no limit.",
        set: |l, value, reader| {
            l.requests_per_connection = value
                .integer(reader, 0..=u64::from(u32::MAX))
                .map_or(l.requests_per_connection, |n| n as u32);
        },
    },
    Row {
        name: "body_rate_min",
        kind: Kind::Whole,
        default: "100",
        doc: "Bytes a second below which a sender of a body is cut off after 10 s; 0: off. Answer: 408.",
        set: |l, value, reader| {
            l.body_rate_min = value
                .integer(reader, 0..=u64::from(u32::MAX))
                .map_or(l.body_rate_min, |n| n as u32);
        },
    },
];

pub(crate) const FORWARDED: &[Row<Forwarded>] = &[
    Row {
        name: "style",
        kind: Kind::Word(&["x-forwarded", "forwarded", "both", "off"]),
        default: "x-forwarded",
        doc: "Which headers are written: X-Forwarded-For, -Proto and -Host; Forwarded (RFC 7239); both; none.",
        set: |f, value, reader| f.style = value.one_of(reader, &STYLES).unwrap_or(f.style),
    },
    Row {
        name: "trusted",
        kind: Kind::Texts,
        default: "[]",
        doc: "Networks whose forwarding headers and request ids are believed; what others send is removed.",
        set: |f, value, reader| {
            let what = "a network";
            if let Some(trusted) =
                value.one_or_more(reader, |value, reader| value.parsed(reader, what))
            {
                f.trusted = trusted;
            }
        },
    },
    Row {
        name: "via",
        kind: Kind::Boolean,
        default: "true",
        doc: "Whether `Via` is added.",
        set: |f, value, reader| f.via = value.boolean(reader).unwrap_or(f.via),
    },
    Row {
        name: "request_id",
        kind: Kind::Any("a header's name, or false"),
        default: "x-request-id",
        doc: "The header that carries the request id; false: no id.",
        set: |f, value, reader| {
            if value.is_false() {
                f.request_id = None;
            } else if !value.is_string() {
                value.expected::<()>(reader, "a header's name, or false");
            } else if let Some(name) = super::route::header_name(value, reader) {
                f.request_id = Some(name);
            }
        },
    },
];

/// What was probably meant by an address that is none.
pub(crate) fn bind_slip(text: &str) -> Option<String> {
    let port = text.strip_prefix('*').unwrap_or(text);
    let port = port.strip_prefix(':').unwrap_or(port);
    let port: u16 = port.parse().ok()?;
    Some(format!("write \"0.0.0.0:{port}\", or \"[::]:{port}\" for IPv6"))
}

/// The word of a style, for printing.
pub(crate) fn style_word(style: ForwardedStyle) -> &'static str {
    STYLES.iter().find(|(_, known)| *known == style).map_or("x-forwarded", |(word, _)| word)
}

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
