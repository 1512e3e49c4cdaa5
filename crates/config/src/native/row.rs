//! A row per key: what it is called, what it takes, what it means.

use std::ops::Range;

use evenkeel_plan::check::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Reader, Value};

/// A key of a table that is read into a `T`.
pub(crate) struct Row<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The default, as one would write it; empty: none.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) set: fn(&mut T, Value<'_>, &mut Reader<'_>),
}

/// What a key takes, for the schema and the reference.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Texts,
    Duration,
    Size,
    Whole,
    Number,
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Another table.
    Table(fn() -> Vec<Key>),
    /// An array of tables.
    Tables(fn() -> Vec<Key>),
    /// Several shapes, described in words.
    Any(&'static str),
}

/// A row without its reading.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

pub(crate) fn keys<T>(rows: &'static [Row<T>]) -> Vec<Key> {
    rows.iter()
        .map(|row| Key { name: row.name, kind: row.kind, default: row.default, doc: row.doc })
        .collect()
}

/// Where each key of a table stood.
pub(crate) type Places = Vec<(String, Range<usize>)>;

/// Reads a table by its rows. `table_name` is for messages; `later` are keys of the contract that
/// come in later versions.
pub(crate) fn read<T>(
    rows: &'static [Row<T>],
    later: &[&str],
    table_name: &str,
    table: &DeTable<'_>,
    target: &mut T,
    reader: &mut Reader<'_>,
) -> Places {
    let mut places = Places::new();
    for (key, node) in table.iter() {
        let name: &str = key.get_ref();
        places.push((name.to_owned(), node_span(key.span(), node)));
        if let Some(row) = rows.iter().find(|row| row.name == name) {
            (row.set)(target, Value { node }, reader);
        } else if later.contains(&name) {
            reader.not_yet(key.span(), &format!("`{name}` in {table_name}"));
        } else {
            unknown(rows.iter().map(|row| row.name), table_name, name, key.span(), reader);
        }
    }
    places
}

fn node_span(key: Range<usize>, node: &Spanned<DeValue<'_>>) -> Range<usize> {
    match node.get_ref() {
        // The span of a table is all of it; its name is what one looks for.
        DeValue::Table(_) => key,
        _ => node.span(),
    }
}

pub(crate) fn unknown(
    known: impl Iterator<Item = &'static str> + Clone,
    table_name: &str,
    name: &str,
    span: Range<usize>,
    reader: &mut Reader<'_>,
) {
    let message = format!("unknown key `{name}` in {table_name}");
    let listed = known.clone().collect::<Vec<_>>().join(", ");
    match nearest(name, known) {
        Some(near) => reader.error_help(
            span,
            message,
            "not a key of this table",
            format!("did you mean `{near}`?"),
        ),
        None => reader.error_help(
            span,
            message,
            "not a key of this table",
            format!("known keys: {listed}"),
        ),
    }
}
