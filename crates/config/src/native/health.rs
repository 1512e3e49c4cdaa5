//! `[pool.health]`

use std::time::Duration;

use evenkeel_plan::{
    Check, GrpcCheck, Health, HttpCheck, Passive, StatusRange, TcpCheck, UdpCheck,
};

use super::listener::peek_text;
use super::row::{Kind, Places, Row, keys, place, read};
use super::value::{Reader, Value};

/// Health while it is read: what belongs to one kind of check or another is sorted out at the end.
#[derive(Default)]
pub(crate) struct Draft {
    plan: Health,
    kind: Option<Probe>,
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    status: Option<Vec<StatusRange>>,
    body: Option<String>,
    send: Vec<u8>,
    expect: Vec<u8>,
    service: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Probe {
    Off,
    Http,
    Tcp,
    Udp,
    Grpc,
}

impl Probe {
    const ALL: [(&'static str, Probe); 5] = [
        ("off", Probe::Off),
        ("http", Probe::Http),
        ("tcp", Probe::Tcp),
        ("udp", Probe::Udp),
        ("grpc", Probe::Grpc),
    ];
}

pub(crate) const ROWS: &[Row<Draft>] = &[
    Row {
        name: "check",
        kind: Kind::Word(&["off", "http", "tcp", "udp", "grpc"]),
        default: "off",
        doc: "How members are probed.",
        set: |draft, value, reader| {
            let later = ["smtp", "ftp", "command"];
            if let Some(text) = peek_text(value).filter(|text| later.contains(&text.as_str())) {
                reader.not_yet(value.span(), &format!("check \"{text}\""));
                return;
            }
            draft.kind = value.one_of(reader, &Probe::ALL);
        },
    },
    Row {
        name: "path",
        kind: Kind::Text,
        default: "/",
        doc: "http: path and query asked for.",
        set: |draft, value, reader| {
            let text = value.string(reader);
            let good = |text: &String| {
                text.starts_with('/') && text.bytes().all(|b| b > b' ' && b != 0x7f)
            };
            match &text {
                Some(text) if !good(text) => {
                    value.wrong::<()>(reader, "expected a path that begins with /");
                }
                Some(text) => drop(super::route::ascii(text, value, reader)),
                None => {}
            }
            draft.path = text;
        },
    },
    Row {
        name: "method",
        kind: Kind::Text,
        default: "GET",
        doc: "http: the method.",
        set: |draft, value, reader| {
            let text = value.string(reader);
            if text.as_ref().is_some_and(|t| t.is_empty() || !t.bytes().all(super::route::is_token))
            {
                value.wrong::<()>(reader, "a method is a word like GET");
            }
            draft.method = text;
        },
    },
    Row {
        name: "host",
        kind: Kind::Text,
        default: "the member's address",
        doc: "http: the Host sent.",
        set: |draft, value, reader| {
            let text = value.string(reader);
            if text
                .as_ref()
                .is_some_and(|t| t.is_empty() || !t.bytes().all(|b| b.is_ascii_graphic()))
            {
                value.wrong::<()>(reader, "expected a host");
            }
            draft.host = text;
        },
    },
    Row {
        name: "status",
        kind: Kind::Any("statuses and ranges, as [200, \"300-399\"]"),
        default: "\"200-399\"",
        doc: "http: statuses that pass.",
        set: |draft, value, reader| draft.status = value.statuses(reader),
    },
    Row {
        name: "body",
        kind: Kind::Text,
        default: "",
        doc: "http: text that the first 64 KiB of the body must contain.",
        set: |draft, value, reader| draft.body = value.string(reader),
    },
    Row {
        name: "send",
        kind: Kind::Or("text", || keys(HEX)),
        default: "",
        doc: "tcp: bytes sent after the connection is made, at most 4 KiB. udp: the datagram, at most 1200 bytes.",
        set: |draft, value, reader| draft.send = bytes("send", value, reader).unwrap_or_default(),
    },
    Row {
        name: "expect",
        kind: Kind::Or("text", || keys(HEX)),
        default: "",
        doc: "tcp and udp: bytes that the answer must contain, at most 4 KiB. Without it, udp needs no answer: a member fails when its machine says that nobody listens.",
        set: |draft, value, reader| {
            draft.expect = bytes("expect", value, reader).unwrap_or_default()
        },
    },
    Row {
        name: "service",
        kind: Kind::Text,
        default: "",
        doc: "grpc: the service asked for, at most 127 bytes; without it, the whole server. Needs `protocol = \"h2\"`.",
        set: |draft, value, reader| {
            let text = value.string(reader).unwrap_or_default();
            if text.len() > 127 {
                value.wrong::<()>(reader, "a service has at most 127 bytes");
            }
            draft.service = text;
        },
    },
    Row {
        name: "interval",
        kind: Kind::Duration,
        default: "2s",
        doc: "Between two probes of a member, ± 10 %; at least 100ms.",
        set: |draft, value, reader| {
            if let Some(time) = value.positive(reader) {
                if time < Duration::from_millis(100) {
                    value.wrong::<()>(reader, "an interval is at least 100ms");
                }
                draft.plan.interval = time;
            }
        },
    },
    Row {
        name: "timeout",
        kind: Kind::Duration,
        default: "1s",
        doc: "A probe that takes longer has failed.",
        set: |draft, value, reader| {
            draft.plan.timeout = value.positive(reader).unwrap_or(draft.plan.timeout)
        },
    },
    Row {
        name: "fall",
        kind: Kind::Whole,
        default: "3",
        doc: "Failures in a row until a member is down.",
        set: |draft, value, reader| {
            draft.plan.fall = value.integer(reader, 1..=1000).map_or(3, |n| n as u32)
        },
    },
    Row {
        name: "rise",
        kind: Kind::Whole,
        default: "2",
        doc: "Successes in a row until it is up again.",
        set: |draft, value, reader| {
            draft.plan.rise = value.integer(reader, 1..=1000).map_or(2, |n| n as u32)
        },
    },
    Row {
        name: "passive",
        kind: Kind::Or("false", || keys(PASSIVE)),
        default: "{ errors = 5, window = \"10s\", eject = \"10s\" }",
        doc: "Ejection by what real traffic shows; false turns it off.",
        set: |draft, value, reader| {
            if value.is_false() {
                draft.plan.passive = None;
            } else if let Some(table) = value.table(reader, "{ errors = 5 }") {
                let mut passive = Passive::default();
                read(PASSIVE, &[], "pool.health.passive", table, &mut passive, reader);
                draft.plan.passive = Some(passive);
            }
        },
    },
];

/// Bytes that are no text.
const HEX: &[Row<Vec<u8>>] = &[Row {
    name: "hex",
    kind: Kind::Text,
    default: "",
    doc: "The bytes in hexadecimal.",
    set: |bytes, value, reader| *bytes = value.hex(reader).unwrap_or_default(),
}];

pub(crate) const PASSIVE: &[Row<Passive>] = &[
    Row {
        name: "errors",
        kind: Kind::Whole,
        default: "5",
        doc: "Errors within `window` that eject the member.",
        set: |p, value, reader| {
            p.errors = value.integer(reader, 1..=100_000).map_or(p.errors, |n| n as u32)
        },
    },
    Row {
        name: "window",
        kind: Kind::Duration,
        default: "10s",
        doc: "The time over which errors are counted.",
        set: |p, value, reader| p.window = value.positive(reader).unwrap_or(p.window),
    },
    Row {
        name: "eject",
        kind: Kind::Duration,
        default: "10s",
        doc: "How long the member gets no requests.",
        set: |p, value, reader| p.eject = value.positive(reader).unwrap_or(p.eject),
    },
    Row {
        name: "statuses",
        kind: Kind::Any("statuses and ranges, as [500, \"502-504\"]"),
        default: "[]",
        doc: "Answers that count as errors.",
        set: |p, value, reader| p.statuses = value.statuses(reader).unwrap_or_default(),
    },
    Row {
        name: "only_connect",
        kind: Kind::Boolean,
        default: "false",
        doc: "Only connections that cannot be made, and `statuses`, count as errors; not broken or late answers.",
        set: |p, value, reader| p.only_connect = value.boolean(reader).unwrap_or(false),
    },
];

/// Reads `health = { … }` or `[pool.health]`.
pub(crate) fn health(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Health> {
    let table = value.table(reader, "{ check = \"http\" }")?;
    let mut draft = Draft::default();
    let places = read(ROWS, &[], "pool.health", table, &mut draft, reader);
    let kind = draft.kind.unwrap_or(Probe::Off);
    belongs(&places, &["path", "method", "host", "status", "body"], kind, &[Probe::Http], reader);
    belongs(&places, &["send", "expect"], kind, &[Probe::Tcp, Probe::Udp], reader);
    belongs(&places, &["service"], kind, &[Probe::Grpc], reader);
    let most = if kind == Probe::Udp { 1200 } else { 4096 };
    for (name, bytes, most) in [("send", &draft.send, most), ("expect", &draft.expect, 4096)] {
        let at = place(&places, name).filter(|_| bytes.len() > most);
        if let Some(span) = at {
            let length = bytes.len();
            let message = format!("`{name}` has at most {most} bytes, these are {length}");
            reader.error(span, message, "");
        }
    }
    draft.plan.check = match kind {
        Probe::Off => None,
        Probe::Grpc => Some(Check::Grpc(GrpcCheck { service: draft.service })),
        Probe::Tcp => Some(Check::Tcp(TcpCheck { send: draft.send, expect: draft.expect })),
        Probe::Udp => Some(Check::Udp(UdpCheck { send: draft.send, expect: draft.expect })),
        Probe::Http => {
            let usual = HttpCheck::default();
            Some(Check::Http(HttpCheck {
                method: draft.method.unwrap_or(usual.method),
                path: draft.path.unwrap_or(usual.path),
                host: draft.host,
                status: draft.status.unwrap_or(usual.status),
                body: draft.body,
            }))
        }
    };
    Some(draft.plan)
}

/// Complains about keys that only other kinds of check know.
fn belongs(
    places: &Places,
    names: &[&str],
    kind: Probe,
    wanted: &[Probe],
    reader: &mut Reader<'_>,
) {
    if wanted.contains(&kind) {
        return;
    }
    let words = Probe::ALL.iter().filter(|(_, probe)| wanted.contains(probe));
    let words: Vec<String> = words.map(|(word, _)| format!("check = \"{word}\"")).collect();
    let words = words.join(" or ");
    for (name, span) in places.iter().filter(|(name, _)| names.contains(&name.as_str())) {
        let help = match kind {
            Probe::Off => format!("add {words}"),
            _ => format!("take it out, or write {words}"),
        };
        let message = format!("`{name}` has no effect without {words}");
        reader.error_help(span.clone(), message, "", help);
    }
}

/// Text, or `{ hex = "…" }`.
fn bytes(name: &str, value: Value<'_>, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    if value.is_string() {
        return value.string(reader).map(String::into_bytes);
    }
    let Some(table) = value.as_table() else {
        return value.expected(reader, "text, or bytes like { hex = \"0a1b\" }");
    };
    let mut bytes = Vec::new();
    let before = reader.diagnostics.len();
    let places = read(HEX, &[], &format!("pool.health.{name}"), table, &mut bytes, reader);
    if place(&places, "hex").is_none() && reader.diagnostics.len() == before {
        return value.expected(reader, "{ hex = \"0a1b\" }");
    }
    Some(bytes)
}
