//! What a route asks of a request beside host, path and method; and the parts of a split.

use evenkeel_plan::{Condition, Name, ValueMatch};

use super::is_token;
use super::matching::pattern;
use crate::native::row::{Kind, Row, in_file_order, place, read};
use crate::native::value::{Reader, Value};

/// Conditions of one kind.
const CONDITIONS_MAX: usize = 30;
const PARTS_MAX: usize = 100;

/// `{ name = "value" }`, its names checked by `name`, which gives them their usual form.
pub(super) fn named(
    value: Value<'_>,
    reader: &mut Reader<'_>,
    name: fn(&str) -> Result<String, &'static str>,
) -> Vec<Condition> {
    let Some(table) = value.table(reader, "{ x-beta = \"1\" }") else { return Vec::new() };
    let mut conditions: Vec<Condition> = Vec::new();
    for (key, node) in in_file_order(table) {
        let Some(values) = (Value { node }).one_or_more(reader, wanted) else { continue };
        let name = match name(key.get_ref()) {
            Ok(name) => name,
            Err(wrong) => {
                reader.error(key.span(), wrong, "");
                continue;
            }
        };
        if conditions.iter().any(|other| other.name == name) {
            reader.error(key.span(), format!("`{name}` is given twice"), "");
        }
        if values.is_empty() {
            reader.error(node.span(), "name a value, or `true` for any", "");
        }
        conditions.push(Condition { name, values });
    }
    if conditions.len() > CONDITIONS_MAX {
        value.wrong::<()>(reader, format!("at most {CONDITIONS_MAX} names"));
    }
    conditions
}

fn wanted(value: Value<'_>, reader: &mut Reader<'_>) -> Option<ValueMatch> {
    if matches!(value.found(), "true" | "false") {
        let there = value.boolean(reader)?;
        return Some(if there { ValueMatch::Present } else { ValueMatch::Absent });
    }
    let text = value.string_like(reader, "a text, true or false")?;
    match text.strip_prefix('~') {
        Some(regex) => pattern(regex, value, reader).map(ValueMatch::Regex),
        None => Some(ValueMatch::Exact(text)),
    }
}

pub(super) fn header(name: &str) -> Result<String, &'static str> {
    match name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        true => Err("a header's name is made of letters, digits and -_"),
        false if name.eq_ignore_ascii_case("host") => Err("match the host by `host`"),
        false => Ok(name.to_ascii_lowercase()),
    }
}

pub(super) fn cookie(name: &str) -> Result<String, &'static str> {
    match name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        true => Err("a cookie's name is made of letters, digits and -_"),
        false => Ok(name.to_owned()),
    }
}

pub(super) fn parameter(name: &str) -> Result<String, &'static str> {
    match name.is_empty() || name.len() > 128 {
        true => Err("a parameter's name has 1 to 128 bytes"),
        false => Ok(name.to_owned()),
    }
}

/// A part while it is read.
pub(crate) struct Part {
    pool: Option<Name>,
    weight: u16,
}

pub(crate) const PART: &[Row<Part>] = &[
    Row {
        name: "pool",
        kind: Kind::Text,
        default: "",
        doc: "Its name.",
        set: |part, value, reader| part.pool = value.name(reader),
    },
    Row {
        name: "weight",
        kind: Kind::Whole,
        default: "1",
        doc: "Its share, 0 to 65535.",
        set: |part, value, reader| {
            part.weight = value.integer(reader, 0..=65535).map_or(1, |weight| weight as u16);
        },
    },
];

/// The parts of a split.
pub(super) fn parts(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Vec<(Name, u16)>> {
    let before = reader.diagnostics.len();
    let parts: Vec<(Name, u16)> = value.one_or_more(reader, |value, reader| {
        let table = value.table(reader, "{ pool = \"a\", weight = 90 }")?;
        let mut part = Part { pool: None, weight: 1 };
        let since = reader.diagnostics.len();
        let places = read(PART, &[], "route.split", table, &mut part, reader);
        if place(&places, "pool").is_none() && !reader.suggested("pool", since) {
            reader.error(value.span(), "a part of a split needs a `pool`", "");
        }
        Some((part.pool?, part.weight))
    })?;
    if reader.diagnostics.len() > before {
        return None;
    }
    if parts.len() > PARTS_MAX {
        return value.wrong(reader, format!("at most {PARTS_MAX} pools"));
    }
    if parts.iter().all(|(_, weight)| *weight == 0) {
        return value.wrong(reader, "at least one pool needs a weight above 0");
    }
    Some(parts)
}
