//! `[[pool.member]]`

use evenkeel_plan::{Address, Member, MemberState, Name, Weight};

use super::Placed;
use crate::native::row::{Kind, Places, Row, place, read};
use crate::native::value::{Reader, Value};

/// A member while it is read.
pub(super) struct MemberDraft {
    address: Option<Address>,
    tag: Option<Name>,
    plan: Member,
}

pub(super) const MEMBER: &[Row<MemberDraft>] = &[
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
        name: "quic_id",
        kind: Kind::Text,
        default: "",
        doc: "The server id in the QUIC connection ids that it issues, 1 to 15 bytes in hexadecimal, all of one length in a pool; for listeners with `udp.quic`.",
        set: |m, value, reader| m.plan.quic_id = quic_id(value, reader),
    },
    Row {
        name: "path",
        kind: Kind::Text,
        default: "",
        doc: "What the paths of requests to it begin with: \"/base\".",
        set: |m, value, reader| m.plan.path = base_path(value, reader).unwrap_or_default(),
    },
    Row {
        name: "redirect",
        kind: Kind::Text,
        default: "",
        doc: "The tag of the member that takes over its bound clients while it cannot be used.",
        set: |m, value, reader| m.plan.redirect = value.name(reader),
    },
    Row {
        name: "slow_start",
        kind: Kind::Duration,
        default: "0s",
        doc: "How long its share grows from a tenth to full after it comes up.",
        set: |m, value, reader| m.plan.slow_start = value.duration(reader).unwrap_or_default(),
    },
];

fn base_path(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let path = value.string(reader)?;
    let plain = path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
    if path.starts_with('/') && path.len() <= 1024 && plain {
        Some(path)
    } else {
        value.wrong(reader, "a path like \"/base\", without blanks, `?` and `#`")
    }
}

/// Reads a member: an address, or a table.
pub(super) fn member(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Placed> {
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
    let places = read(MEMBER, &["tls"], "[[pool.member]]", table, &mut draft, reader);
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

fn quic_id(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let bytes = value.hex(reader)?;
    if (1..=15).contains(&bytes.len()) {
        return Some(bytes);
    }
    let length = bytes.len();
    value.wrong(reader, format!("a server id has 1 to 15 bytes, this one has {length}"))
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
