//! The tables of a listener: times, limits, what is told about clients, flows.

use evenkeel_plan::{Forwarded, ForwardedStyle, ListenerLimits, ListenerTimeouts, Udp};

use super::bounded;
use crate::native::row::{Kind, Row};

const STYLES: [(&str, ForwardedStyle); 5] = [
    ("x-forwarded", ForwardedStyle::XForwarded),
    ("forwarded", ForwardedStyle::Rfc7239),
    ("both", ForwardedStyle::Both),
    ("off", ForwardedStyle::Off),
    ("apache", ForwardedStyle::Apache),
];

pub(super) const TIMEOUTS: &[Row<ListenerTimeouts>] = &[
    Row {
        name: "header",
        kind: Kind::Duration,
        default: "10s",
        doc: "From the first byte of a request's head to its last. Beyond: 408. Also for a PROXY header, and for a TLS handshake; beyond: closed.",
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

pub(super) const LIMITS: &[Row<ListenerLimits>] = &[
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
        doc: "Open client connections. Beyond: the listener stops accepting until one ends. For udp: flows.",
        set: |l, value, reader| {
            l.connections =
                value.integer(reader, 1..=10_000_000).map_or(l.connections, |n| n as u32)
        },
    },
    Row {
        name: "handshakes",
        kind: Kind::Whole,
        default: "4096",
        doc: "TLS handshakes under way, over all cores. Beyond, those that take longer than a second give way (tls-crowded), and new ones wait. Clients that have not yet said what they want do not count.",
        set: |l, value, reader| {
            l.handshakes = value.integer(reader, 1..=1_000_000).map_or(l.handshakes, |n| n as u32)
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
        name: "streams",
        kind: Kind::Whole,
        default: "100",
        doc: "Requests under way on one HTTP/2 connection, 1 to 10000. Beyond: refused, and the client may send them again.",
        set: |l, value, reader| {
            l.streams = value.integer(reader, 1..=10_000).map_or(l.streams, |n| n as u32);
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

pub(super) const FORWARDED: &[Row<Forwarded>] = &[
    Row {
        name: "style",
        kind: Kind::Word(&["x-forwarded", "forwarded", "both", "off", "apache"]),
        default: "x-forwarded",
        doc: "Which headers are written: X-Forwarded-For, -Proto and -Host; Forwarded (RFC 7239); both; none; apache: X-Forwarded-For, -Host and -Server, each after what the client sent, believed or not.",
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
            } else if let Some(name) = crate::native::route::header_name(value, reader) {
                f.request_id = Some(name);
            }
        },
    },
];

pub(super) const UDP: &[Row<Udp>] = &[
    Row {
        name: "responses",
        kind: Kind::Whole,
        default: "",
        doc: "Datagrams from the member for each one from the client, 1 to 65535; when they have come, the flow ends (DNS: 1). Without it, flows end by silence only.",
        set: |udp, value, reader| {
            udp.responses = value.integer(reader, 1..=65_535).map(|n| n as u32);
        },
    },
    Row {
        name: "quic",
        kind: Kind::Boolean,
        default: "false",
        doc: "The datagrams are QUIC: a client whose address changes stays with its member, as far as connection ids tell.",
        set: |udp, value, reader| udp.quic = value.boolean(reader).unwrap_or(false),
    },
];

/// The word of a style, for printing.
pub(crate) fn style_word(style: ForwardedStyle) -> &'static str {
    STYLES.iter().find(|(_, known)| *known == style).map_or("x-forwarded", |(word, _)| word)
}
