//! The JSON Schema and the reference, made from the rows.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::row::{Key, Kind, keys};
use super::top;

/// A table of the configuration: its path, how its header is written, its keys.
struct Table {
    path: String,
    header: String,
    keys: Vec<Key>,
}

/// Every table, each before those within it.
fn tables() -> Vec<Table> {
    let mut out = Vec::new();
    for (name, keys) in top::reference() {
        table(&mut out, name.to_owned(), format!("[{name}]"), keys);
    }
    for (name, keys) in [
        ("acme", keys(super::acme::ROWS)),
        ("listener", keys(super::listener::ROWS)),
        ("route", keys(super::route::ROWS)),
        ("pool", keys(super::pool::ROWS)),
    ] {
        table(&mut out, name.to_owned(), format!("[[{name}]]"), keys);
    }
    out
}

fn table(out: &mut Vec<Table>, path: String, header: String, keys: Vec<Key>) {
    let inner: Vec<(String, String, Vec<Key>)> = keys
        .iter()
        .filter_map(|key| {
            let path = format!("{path}.{}", key.name);
            match key.kind {
                Kind::Table(keys) | Kind::Or(_, keys) => {
                    let header = format!("[{path}]");
                    Some((path, header, keys()))
                }
                Kind::Tables(keys) => {
                    let header = format!("[[{path}]]");
                    Some((path, header, keys()))
                }
                _ => None,
            }
        })
        .collect();
    out.push(Table { path, header, keys });
    for (path, header, keys) in inner {
        table(out, path, header, keys);
    }
}

/// The tables that have a key of that name, if they are few.
pub(crate) fn home(name: &str) -> Option<String> {
    let homes: Vec<String> = tables()
        .into_iter()
        .filter(|table| table.keys.iter().any(|key| key.name == name))
        .map(|table| table.header)
        .collect();
    match homes.len() {
        1..=3 => Some(homes.join(" and ")),
        _ => None,
    }
}

/// JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Value {
    let tables = tables();
    let mut properties = Map::new();
    for (name, doc) in top::TABLES {
        let table = tables.iter().find(|table| table.path == name);
        let schema = match table {
            None => texts(),
            Some(table) if table.header.starts_with("[[") => {
                json!({ "type": "array", "items": object(&table.keys) })
            }
            Some(table) => object(&table.keys),
        };
        properties.insert(name.to_owned(), described(schema, doc, ""));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evenkeel.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn object(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), described(of(key.kind), key.doc, key.default)))
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn of(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => texts(),
        Kind::Duration => {
            json!({ "type": "string", "pattern": r"^(0|([0-9]+(ms|s|m|h|d))+|.*\$\{.*)$" })
        }
        Kind::Size => json!({ "type": ["string", "integer"], "minimum": 0 }),
        Kind::Whole => json!({ "type": ["integer", "string"], "minimum": 0, "pattern": VARIABLE }),
        Kind::Number => json!({ "type": ["number", "string"], "minimum": 0, "pattern": VARIABLE }),
        Kind::Boolean => json!({ "type": ["boolean", "string"], "pattern": VARIABLE }),
        Kind::Word(words) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": VARIABLE }] })
        }
        Kind::Table(keys) => object(&keys()),
        Kind::Tables(keys) => json!({ "type": "array", "items": object(&keys()) }),
        Kind::Or(_, keys) => {
            json!({ "anyOf": [{ "type": ["string", "integer", "boolean"] }, object(&keys())] })
        }
        Kind::Any(what) => json!({ "$comment": what }),
    }
}

/// A string may stand for another type when a variable is in it.
const VARIABLE: &str = r"\$\{";

fn texts() -> Value {
    json!({ "anyOf": [
        { "type": ["string", "integer"] },
        { "type": "array", "items": { "type": ["string", "integer"] } },
    ] })
}

fn described(mut schema: Value, doc: &str, default: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        let default =
            if default.is_empty() { String::new() } else { format!(" Default: {default}.") };
        object.insert("description".to_owned(), Value::String(format!("{doc}{default}")));
    }
    schema
}

/// The reference part of the documentation: a section for each table, a line for each key.
pub fn reference_markdown() -> String {
    let mut out = String::from("### At the top of a file\n\n| key | what it is |\n|---|---|\n");
    for (name, doc) in top::TABLES {
        let _ = writeln!(out, "| `{name}` | {doc} |");
    }
    out.push('\n');
    for table in tables() {
        let depth = table.path.matches('.').count();
        let _ = writeln!(out, "{} `{}`\n", "#".repeat((3 + depth).min(6)), table.header);
        rows(&mut out, &table.keys);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn rows(out: &mut String, keys: &[Key]) {
    let _ = writeln!(out, "| key | takes | default | what it does |\n|---|---|---|---|");
    for key in keys {
        let takes = match key.kind {
            Kind::Text => "text".to_owned(),
            Kind::Texts => "one or several texts".to_owned(),
            Kind::Duration => "duration".to_owned(),
            Kind::Size => "size".to_owned(),
            Kind::Whole => "whole number".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Boolean => "true, false".to_owned(),
            Kind::Word(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Kind::Table(_) => "table".to_owned(),
            Kind::Tables(_) => "tables".to_owned(),
            Kind::Or(what, _) => format!("{what}, or a table"),
            Kind::Any(what) => what.to_owned(),
        };
        let default = match key.default {
            "" => "–".to_owned(),
            text if text.contains(' ') && !text.contains(['"', '/']) => text.to_owned(),
            text => format!("`{text}`"),
        };
        let cells = [takes, default, key.doc.to_owned()].map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(out, "| `{}` | {} |", key.name, cells.join(" | "));
    }
    out.push('\n');
}
