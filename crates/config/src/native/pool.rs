//! `[[pool]]`

mod member;

use std::net::IpAddr;
use std::ops::Range;

use evenkeel_plan::check::nearest;
use evenkeel_plan::{
    HashKey, HostHeader, Member, MemberPort, MemberProtocol, Name, OnDown, Policy, Pool,
    PoolLimits, PoolTimeouts, ProxyVersion, Retry, RetryOn, Source,
};

use super::row::{Kind, Places, Row, keys, read};
use super::value::{Reader, Value};
use member::{MEMBER, member};

/// A member, and where it and its keys stood.
type Placed = (Member, (Range<usize>, Places));

/// A pool while it is read.
pub(crate) struct Draft {
    pub(crate) plan: Pool,
    pub(crate) named: bool,
    /// From the short form; they come first.
    short: Vec<Placed>,
    long: Vec<Placed>,
}

impl Draft {
    pub(crate) fn blank() -> Draft {
        let name = Name::new("unnamed").expect("letters are a valid name");
        Draft { plan: Pool::new(name), named: false, short: Vec::new(), long: Vec::new() }
    }

    /// The pool, and where each member and its keys stood.
    pub(crate) fn finish(mut self) -> (Pool, Vec<(Range<usize>, Places)>) {
        let (members, places) = self.short.into_iter().chain(self.long).unzip();
        self.plan.members = members;
        (self.plan, places)
    }
}

const POLICY_WORDS: &[&str] = &[
    "round-robin",
    "least-requests",
    "least-bytes",
    "least-time",
    "random-two",
    "ring-hash",
    "maglev",
    "source-hash",
    "by-requests",
    "by-traffic",
    "by-busyness",
    "heartbeat",
];

/// Keys that come in later versions.
pub(crate) const LATER: &[&str] = &["discovery"];

pub(crate) const ROWS: &[Row<Draft>] = &[
    Row {
        name: "name",
        kind: Kind::Text,
        default: "",
        doc: "Unique among pools. Required.",
        set: |draft, value, reader| {
            if let Some(name) = value.name(reader) {
                draft.plan.name = name;
                draft.named = true;
            }
        },
    },
    Row {
        name: "policy",
        kind: Kind::Word(POLICY_WORDS),
        default: "round-robin",
        doc: "How members are picked.",
        set: |draft, value, reader| {
            let words = Policy::ALL.map(|(policy, word)| (word, policy));
            draft.plan.policy = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "hash_key",
        kind: Kind::Any("client, uri, path, header:NAME, cookie:NAME or query:NAME"),
        default: "client",
        doc: "What ring-hash and maglev hash.",
        set: |draft, value, reader| {
            draft.plan.hash_key = hash_key(value, reader).unwrap_or_default()
        },
    },
    Row {
        name: "affinity",
        kind: Kind::Table(super::affinity::rows),
        default: "",
        doc: "How requests of one client stay on one member.",
        set: |draft, value, reader| draft.plan.affinity = super::affinity::affinity(value, reader),
    },
    Row {
        name: "retry",
        kind: Kind::Table(|| keys(RETRY)),
        default: "",
        doc: "When a request is tried again.",
        set: |draft, value, reader| {
            if let Some(table) = value.table(reader, "{ attempts = 1 }") {
                read(RETRY, &[], "pool.retry", table, &mut draft.plan.retry, reader);
            }
        },
    },
    Row {
        name: "timeouts",
        kind: Kind::Table(|| keys(TIMEOUTS)),
        default: "",
        doc: "How long members may take.",
        set: |draft, value, reader| {
            if let Some(table) = value.table(reader, "{ response = \"60s\" }") {
                read(TIMEOUTS, &[], "pool.timeouts", table, &mut draft.plan.timeouts, reader);
            }
        },
    },
    Row {
        name: "limits",
        kind: Kind::Table(|| keys(LIMITS)),
        default: "",
        doc: "What the pool holds at most.",
        set: |draft, value, reader| {
            if let Some(table) = value.table(reader, "{ queue = 1024 }") {
                read(LIMITS, &[], "pool.limits", table, &mut draft.plan.limits, reader);
            }
        },
    },
    Row {
        name: "protocol",
        kind: Kind::Word(&["http", "h2"]),
        default: "http",
        doc: "What HTTP members speak: HTTP/1.1, or HTTP/2 (h2) without asking first, with many requests on few connections; gRPC needs it.",
        set: |draft, value, reader| {
            let words = [("http", MemberProtocol::Http), ("h2", MemberProtocol::Http2)];
            draft.plan.protocol = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "grpc_web",
        kind: Kind::Boolean,
        default: "false",
        doc: "Calls of gRPC-Web (application/grpc-web and grpc-web-text, from browsers) become calls of gRPC. For protocol h2.",
        set: |draft, value, reader| {
            draft.plan.grpc_web = value.boolean(reader).unwrap_or(false);
        },
    },
    Row {
        name: "proxy_protocol",
        kind: Kind::Word(&["off", "v1", "v2"]),
        default: "off",
        doc: "The PROXY header that connections to members begin with. Such connections carry one client's data only and are not kept.",
        set: |draft, value, reader| {
            let words =
                [("off", None), ("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))];
            draft.plan.proxy_protocol = value.one_of(reader, &words).flatten();
        },
    },
    Row {
        name: "source",
        kind: Kind::Any("system, client, or an address of this machine"),
        default: "system",
        doc: "The address that members see. client: the client's own (IP_TRANSPARENT), which needs CAP_NET_ADMIN and members whose answers are routed back through this machine.",
        set: |draft, value, reader| draft.plan.source = source(value, reader).unwrap_or_default(),
    },
    Row {
        name: "port",
        kind: Kind::Word(&["own", "listener"]),
        default: "own",
        doc: "own: the port of the member's address. listener: the one that the client came to, for listeners with ranges of ports.",
        set: |draft, value, reader| {
            let words = [("own", MemberPort::Own), ("listener", MemberPort::Listener)];
            draft.plan.port = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "host",
        kind: Kind::Word(&["client", "member"]),
        default: "client",
        doc: "The `Host` that HTTP members get: as the client sent it, or the member's own address.",
        set: |draft, value, reader| {
            let words = [("client", HostHeader::Client), ("member", HostHeader::Member)];
            draft.plan.host = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "on_down",
        kind: Kind::Word(&["keep", "close"]),
        default: "keep",
        doc: "What becomes of relayed connections (layer 4, and HTTP after an upgrade) whose member goes down or is disabled. close: they are reset, so that clients come again and get another member.",
        set: |draft, value, reader| {
            let words = [("keep", OnDown::Keep), ("close", OnDown::Close)];
            draft.plan.on_down = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "tcp",
        kind: Kind::Table(|| keys(super::tcp::POOL)),
        default: "",
        doc: "Options of the TCP connections to members.",
        set: |draft, value, reader| {
            if let Some(table) = value.table(reader, "{ keep_alive = \"2m\" }") {
                read(super::tcp::POOL, &[], "pool.tcp", table, &mut draft.plan.tcp, reader);
            }
        },
    },
    Row {
        name: "tls",
        kind: Kind::Table(|| keys(super::tls::POOL)),
        default: "",
        doc: "TLS to members; `tls = {}` for all the defaults.",
        set: |draft, value, reader| {
            let mut tls = evenkeel_plan::PoolTls::default();
            if let Some(table) = value.table(reader, "{ ca = \"members.pem\" }") {
                read(super::tls::POOL, &[], "pool.tls", table, &mut tls, reader);
            }
            draft.plan.tls = Some(tls);
        },
    },
    Row {
        name: "health",
        kind: Kind::Table(|| keys(super::health::ROWS)),
        default: "",
        doc: "How the pool learns whether members live.",
        set: |draft, value, reader| {
            if let Some(health) = super::health::health(value, reader) {
                draft.plan.health = health;
            }
        },
    },
    Row {
        name: "members",
        kind: Kind::Any("addresses, or tables as below"),
        default: "",
        doc: "The members when an address is all there is to say: `host:port`, `[v6]:port` or `unix:/path`.",
        set: |draft, value, reader| {
            let members = value.one_or_more(reader, member);
            draft.short = members.unwrap_or_default();
        },
    },
    Row {
        name: "member",
        kind: Kind::Tables(|| keys(MEMBER)),
        default: "",
        doc: "The members, a table each. They come after those of `members`.",
        set: |draft, value, reader| {
            let members = value.one_or_more(reader, member);
            draft.long = members.unwrap_or_default();
        },
    },
];

pub(crate) const RETRY: &[Row<Retry>] = &[
    Row {
        name: "attempts",
        kind: Kind::Whole,
        default: "2",
        doc: "Further attempts after the first, 0 to 15.",
        set: |r, value, reader| {
            r.attempts = value.integer(reader, 0..=15).map_or(r.attempts, |n| n as u8)
        },
    },
    Row {
        name: "on",
        kind: Kind::Texts,
        default: "[\"connect\", \"reset-before-response\"]",
        doc: "Causes: connect, reset-before-response, timeout, grpc-unavailable, or a status (429, 500 to 599).",
        set: |r, value, reader| {
            if let Some(on) = value.one_or_more(reader, retry_on) {
                r.on = on;
            }
        },
    },
    Row {
        name: "budget",
        kind: Kind::Text,
        default: "20%",
        doc: "Retries per request over the last ten seconds; ten a second are always allowed.",
        set: |r, value, reader| r.budget = value.percent(reader).unwrap_or(r.budget),
    },
    Row {
        name: "non_idempotent",
        kind: Kind::Boolean,
        default: "false",
        doc: "Whether POST and PATCH too are repeated after their head was sent.",
        set: |r, value, reader| r.non_idempotent = value.boolean(reader).unwrap_or(false),
    },
];

pub(crate) const TIMEOUTS: &[Row<PoolTimeouts>] = &[
    Row {
        name: "connect",
        kind: Kind::Duration,
        default: "1s",
        doc: "Until a connection is made. Beyond: the next attempt, else 504.",
        set: |t, value, reader| t.connect = value.positive(reader).unwrap_or(t.connect),
    },
    Row {
        name: "response",
        kind: Kind::Duration,
        default: "1m",
        doc: "From the end of the request to the head of the answer, and between two pieces of it. Beyond: 504.",
        set: |t, value, reader| t.response = value.positive(reader).unwrap_or(t.response),
    },
    Row {
        name: "idle",
        kind: Kind::Duration,
        default: "1m",
        doc: "How long an idle connection to a member is kept.",
        set: |t, value, reader| t.idle = value.positive(reader).unwrap_or(t.idle),
    },
    Row {
        name: "queue",
        kind: Kind::Duration,
        default: "5s",
        doc: "How long a request waits when every member is at max_requests. Beyond: 503.",
        set: |t, value, reader| t.queue = value.positive(reader).unwrap_or(t.queue),
    },
];

pub(crate) const LIMITS: &[Row<PoolLimits>] = &[
    Row {
        name: "queue",
        kind: Kind::Whole,
        default: "1024",
        doc: "Requests that wait when every member is at max_requests. Beyond: 503.",
        set: |l, value, reader| {
            l.queue = value.integer(reader, 0..=1_000_000).map_or(l.queue, |n| n as u32)
        },
    },
    Row {
        name: "idle_connections",
        kind: Kind::Whole,
        default: "256",
        doc: "Idle connections kept per member and core; 0: none.",
        set: |l, value, reader| {
            l.idle_connections =
                value.integer(reader, 0..=100_000).map_or(l.idle_connections, |n| n as u32);
        },
    },
    Row {
        name: "streams",
        kind: Kind::Whole,
        default: "100",
        doc: "Requests under way on one HTTP/2 connection to a member, 1 to 10000, or what the member allows if that is less. Beyond: another connection.",
        set: |l, value, reader| {
            l.streams = value.integer(reader, 1..=10_000).map_or(l.streams, |n| n as u32);
        },
    },
    Row {
        name: "header_bytes",
        kind: Kind::Size,
        default: "64KiB",
        doc: "Head of an answer, 1 KiB to 1 MiB. Beyond: 502.",
        set: |l, value, reader| {
            l.header_bytes =
                super::listener::bounded(value, reader, 1 << 10, 1 << 20).unwrap_or(l.header_bytes);
        },
    },
    Row {
        name: "headers",
        kind: Kind::Whole,
        default: "200",
        doc: "Header lines of an answer. Beyond: 502.",
        set: |l, value, reader| {
            l.headers = value.integer(reader, 1..=10_000).map_or(l.headers, |n| n as u32)
        },
    },
];

fn source(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Source> {
    let text = value.string(reader)?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    match (text.as_str(), bare.parse::<IpAddr>()) {
        ("system", _) => Some(Source::System),
        ("client", _) => Some(Source::Client),
        (_, Ok(address)) if address.is_unspecified() => {
            value.wrong(reader, "this stands for every address: write source = \"system\"")
        }
        (_, Ok(address)) => Some(Source::Address(address)),
        (text, Err(_)) => {
            let message =
                format!("expected \"system\", \"client\" or an IP address, found \"{text}\"");
            let words = ["system", "client"].into_iter();
            let help = match text.parse::<std::net::SocketAddr>() {
                Ok(address) => Some(format!("leave the port out: \"{}\"", address.ip())),
                Err(_) => nearest(text, words).map(|near| format!("did you mean \"{near}\"?")),
            };
            match help {
                Some(help) => reader.error_help(value.span(), message, "", help),
                None => reader.error(value.span(), message, ""),
            }
            None
        }
    }
}

fn hash_key(value: Value<'_>, reader: &mut Reader<'_>) -> Option<HashKey> {
    let text = value.string(reader)?;
    let (kind, name) = text.split_once(':').unwrap_or((&text, ""));
    let good = !name.is_empty() && name.bytes().all(super::route::is_token);
    match (kind, good) {
        ("client", _) if name.is_empty() => Some(HashKey::Client),
        ("uri", _) if name.is_empty() => Some(HashKey::Uri),
        ("path", _) if name.is_empty() => Some(HashKey::Path),
        ("header", true) => Some(HashKey::Header(name.to_ascii_lowercase())),
        ("cookie", true) => Some(HashKey::Cookie(name.to_owned())),
        ("query", true) => Some(HashKey::Query(name.to_owned())),
        _ => value
            .wrong(reader, "expected client, uri, path, header:NAME, cookie:NAME or query:NAME"),
    }
}

fn retry_on(value: Value<'_>, reader: &mut Reader<'_>) -> Option<RetryOn> {
    let status = |status: u64| {
        (status == 429 || (500..=599).contains(&status)).then_some(RetryOn::Status(status as u16))
    };
    if value.is_integer() {
        let number = value.integer(reader, 100..=599)?;
        return status(number)
            .or_else(|| value.wrong(reader, "only 429 and 500 to 599 are retried"));
    }
    let words = [
        ("connect", RetryOn::Connect),
        ("reset-before-response", RetryOn::ResetBeforeResponse),
        ("timeout", RetryOn::Timeout),
        ("grpc-unavailable", RetryOn::GrpcUnavailable),
    ];
    let text = super::listener::peek_text(value);
    if let Some(number) = text.and_then(|text| text.parse().ok()) {
        return status(number)
            .or_else(|| value.wrong(reader, "only 429 and 500 to 599 are retried"));
    }
    value.one_of(reader, &words)
}
