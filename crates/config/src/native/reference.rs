//! The JSON Schema and the reference, made from the rows.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::row::{Key, Kind, keys};
use super::top;

/// The tables with their keys, as `name` or `[[name]]`.
fn tables() -> Vec<(&'static str, Vec<Key>)> {
    let mut tables = top::reference();
    tables.push(("listener", keys(super::listener::ROWS)));
    tables.push(("route", keys(super::route::ROWS)));
    tables.push(("pool", keys(super::pool::ROWS)));
    tables
}

/// JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for (name, doc) in top::TABLES {
        let schema = match name {
            "include" => texts(),
            "listener" | "route" | "pool" => {
                let keys =
                    tables().into_iter().find(|(table, _)| *table == name).map(|(_, keys)| keys);
                json!({ "type": "array", "items": object(&keys.unwrap_or_default()) })
            }
            _ => {
                let keys =
                    tables().into_iter().find(|(table, _)| *table == name).map(|(_, keys)| keys);
                object(&keys.unwrap_or_default())
            }
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
        Kind::Whole => json!({ "type": "integer", "minimum": 0 }),
        Kind::Number => json!({ "type": "number", "minimum": 0 }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Table(keys) => json!({ "anyOf": [object(&keys()), { "const": false }] }),
        Kind::Tables(keys) => json!({ "type": "array", "items": object(&keys()) }),
        Kind::Any(what) => json!({ "$comment": what }),
    }
}

fn texts() -> Value {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": ["string", "integer"] } }] })
}

fn described(mut schema: Value, doc: &str, default: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        let default =
            if default.is_empty() { String::new() } else { format!(" Default: {default}.") };
        object.insert("description".to_owned(), Value::String(format!("{doc}{default}")));
    }
    schema
}

/// The reference part of the documentation.
pub fn reference_markdown() -> String {
    let mut out = String::new();
    for (name, keys) in tables() {
        let title = match name {
            "listener" | "route" | "pool" => format!("`[[{name}]]`"),
            _ => format!("`[{name}]`"),
        };
        let _ = writeln!(out, "### {title}\n");
        table(&mut out, &keys);
        for key in keys {
            if let Kind::Table(inner) | Kind::Tables(inner) = key.kind {
                let _ = writeln!(out, "#### `{name}.{}`\n", key.name);
                table(&mut out, &inner());
                nested(&mut out, &format!("{name}.{}", key.name), &inner());
            }
        }
    }
    out
}

fn nested(out: &mut String, path: &str, keys: &[Key]) {
    for key in keys {
        if let Kind::Table(inner) | Kind::Tables(inner) = key.kind {
            let _ = writeln!(out, "#### `{path}.{}`\n", key.name);
            table(out, &inner());
        }
    }
}

fn table(out: &mut String, keys: &[Key]) {
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
            Kind::Any(what) => what.replace('|', "\\|"),
        };
        let default =
            if key.default.is_empty() { "–".to_owned() } else { format!("`{}`", key.default) };
        let _ = writeln!(
            out,
            "| `{}` | {takes} | {default} | {} |",
            key.name,
            key.doc.replace('|', "\\|")
        );
    }
    out.push('\n');
}
