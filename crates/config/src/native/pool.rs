//! `[[pool]]` and `[[pool.member]]`

use std::ops::Range;

use evenkeel_plan::{
    Address, HashKey, Member, MemberState, Name, Policy, Pool, PoolLimits, PoolTimeouts, Retry,
    RetryOn, Weight,
};

use super::row::{Kind, Places, Row, keys, place, read};
use super::value::{Reader, Value};

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
pub(crate) const LATER: &[&str] = &["tls", "protocol", "discovery", "send_proxy"];

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
            let members = value.one_or_more(reader, |value, reader| member(value, reader));
            draft.short = members.unwrap_or_default();
        },
    },
    Row {
        name: "member",
        kind: Kind::Tables(|| keys(MEMBER)),
        default: "",
        doc: "The members, a table each. They come after those of `members`.",
        set: |draft, value, reader| {
            let members = value.one_or_more(reader, |value, reader| member(value, reader));
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
        doc: "Causes: connect, reset-before-response, timeout, or a status (429, 500 to 599).",
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

/// A member while it is read.
pub(crate) struct MemberDraft {
    address: Option<Address>,
    tag: Option<Name>,
    plan: Member,
}

pub(crate) const MEMBER: &[Row<MemberDraft>] = &[
    Row {
        name: "address",
        kind: Kind::Text,
        default: "",
        doc: "`host:port`, `[v6]:port` or `unix:/path`. Required.",
        set: |m, value, reader| m.address = value.address(reader, address_slip),
    },
    Row {
        name: "weight",
        kind: Kind::Number,
        default: "1",
        doc: "Its share relative to the others, 0.01 to 1000.",
        set: |m, value, reader| {
            let Some(number) = value.number(reader) else { return };
            let hundredths = (number * 100.0).round();
            let weight = if (1.0..=100_000.0).contains(&hundredths) {
                Weight::from_hundredths(hundredths as u32)
            } else {
                None
            };
            match weight {
                Some(weight) => m.plan.weight = weight,
                None => drop(value.wrong::<()>(reader, "expected a weight from 0.01 to 1000")),
            }
        },
    },
    Row {
        name: "tag",
        kind: Kind::Text,
        default: "a short hash of the address",
        doc: "What affinity names it; unique in the pool.",
        set: |m, value, reader| {
            let tag = value.name(reader);
            if tag.as_ref().is_some_and(|tag| tag.contains([';', ',', '='])) {
                value.wrong::<()>(reader, "a tag stands in a cookie: no `;`, `,` or `=`");
            }
            m.tag = tag;
        },
    },
    Row {
        name: "tier",
        kind: Kind::Whole,
        default: "0",
        doc: "Lower tiers first, 0 to 99; higher ones when the lower has no usable member.",
        set: |m, value, reader| m.plan.tier = value.integer(reader, 0..=99).map_or(0, |n| n as u8),
    },
    Row {
        name: "backup",
        kind: Kind::Boolean,
        default: "false",
        doc: "Hot standby: only when its tier has no other usable member.",
        set: |m, value, reader| m.plan.backup = value.boolean(reader).unwrap_or(false),
    },
    Row {
        name: "spare",
        kind: Kind::Boolean,
        default: "false",
        doc: "Hot spare: stands in for one unusable member of its tier.",
        set: |m, value, reader| m.plan.spare = value.boolean(reader).unwrap_or(false),
    },
    Row {
        name: "state",
        kind: Kind::Word(&["ready", "drain", "disabled"]),
        default: "ready",
        doc: "What is ordered at start.",
        set: |m, value, reader| {
            let words = MemberState::ALL.map(|(state, word)| (word, state));
            m.plan.state = value.one_of(reader, &words).unwrap_or_default();
        },
    },
    Row {
        name: "max_requests",
        kind: Kind::Whole,
        default: "no limit",
        doc: "Requests under way at most, over all cores.",
        set: |m, value, reader| {
            m.plan.max_requests = value.integer(reader, 1..=10_000_000).map(|n| n as u32)
        },
    },
    Row {
        name: "slow_start",
        kind: Kind::Duration,
        default: "0s",
        doc: "How long its share grows from a tenth to full after it comes up.",
        set: |m, value, reader| m.plan.slow_start = value.duration(reader).unwrap_or_default(),
    },
];

fn member(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Placed> {
    let span = value.span();
    if value.is_string() {
        let address = value.address(reader, address_slip)?;
        return Some((Member::new(address), (span, Places::new())));
    }
    let Some(table) = value.as_table() else {
        return value
            .expected(reader, "an address like \"10.0.0.11:8080\", or a table with `address`");
    };
    let blank = Member::new(Address::Unix("/unnamed".into()));
    let before = reader.diagnostics.len();
    let mut draft = MemberDraft { address: None, tag: None, plan: blank };
    let places = read(MEMBER, &["tls", "redirect"], "[[pool.member]]", table, &mut draft, reader);
    let Some(address) = draft.address else {
        if place(&places, "address").is_none() && !reader.suggested("address", before) {
            let help = "add address = \"HOST:PORT\"";
            reader.error_help(span, "a member needs an `address`", "", help);
        }
        return None;
    };
    let mut plan = draft.plan;
    plan.tag = draft.tag.unwrap_or_else(|| Member::default_tag(&address));
    plan.address = address;
    Some((plan, (span, places)))
}

/// What was probably meant by an address that is none.
fn address_slip(text: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.split('/').next().unwrap_or_default();
        let port = if scheme == "https" { 443 } else { 80 };
        return Some(match rest.contains(':') {
            true => format!("leave {scheme}:// out: \"{rest}\""),
            false => format!("leave {scheme}:// out and name the port: \"{rest}:{port}\""),
        });
    }
    if text.starts_with('/') {
        return Some(format!("a unix socket is written \"unix:{text}\""));
    }
    let v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    match format!("{text}:80").parse::<Address>() {
        _ if v6 => Some(format!("name the port: \"[{text}]:80\"")),
        Ok(_) if !text.contains(':') => Some(format!("name the port: \"{text}:80\"")),
        _ => None,
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
    ];
    let text = super::listener::peek_text(value);
    if let Some(number) = text.and_then(|text| text.parse().ok()) {
        return status(number)
            .or_else(|| value.wrong(reader, "only 429 and 500 to 599 are retried"));
    }
    value.one_of(reader, &words)
}
