//! A row per key: what it is called, what it takes, what it means.

use std::ops::Range;

use evenkeel_plan::check::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

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
    /// A short form, described in words, or a table.
    Or(&'static str, fn() -> Vec<Key>),
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

/// Where each key of a table stood, in file order.
pub(crate) type Places = Vec<(String, Range<usize>)>;

/// Where a key stood, if it did.
pub(crate) fn place(places: &Places, name: &str) -> Option<Range<usize>> {
    places.iter().find(|(known, _)| known == name).map(|(_, span)| span.clone())
}

/// Where the last of several stood.
pub(crate) fn last_place(places: &Places, name: &str) -> Option<Range<usize>> {
    places.iter().rfind(|(known, _)| known == name).map(|(_, span)| span.clone())
}

/// The keys of a table as they stand in the file.
pub(crate) fn in_file_order<'a>(
    table: &'a DeTable<'a>,
) -> Vec<(&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

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
    for (key, node) in in_file_order(table) {
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

/// What other balancers call it, and people by habit.
const HABITS: [(&str, &[&str]); 25] = [
    ("listen", &["bind"]),
    ("port", &["bind", "address"]),
    ("address", &["bind"]),
    ("addr", &["address", "bind"]),
    ("url", &["address", "to"]),
    ("host", &["address"]),
    ("server", &["address", "members"]),
    ("servers", &["members"]),
    ("backends", &["members"]),
    ("targets", &["members"]),
    ("endpoints", &["members"]),
    ("backend", &["pool"]),
    ("upstream", &["pool"]),
    ("cluster", &["pool"]),
    ("default_backend", &["pool"]),
    ("algorithm", &["policy"]),
    ("balance", &["policy"]),
    ("lbmethod", &["policy"]),
    ("sticky", &["affinity"]),
    ("uri", &["path"]),
    ("target", &["to"]),
    ("route", &["tag"]),
    ("send_proxy", &["proxy_protocol"]),
    ("accept_proxy", &["proxy_protocol"]),
    ("transparent", &["source"]),
];

fn unknown(
    known: impl Iterator<Item = &'static str> + Clone,
    table_name: &str,
    name: &str,
    span: Range<usize>,
    reader: &mut Reader<'_>,
) {
    let message = format!("unknown key `{name}` in {table_name}");
    let habit = HABITS
        .iter()
        .filter(|(habit, _)| *habit == name)
        .flat_map(|(_, keys)| keys.iter().copied())
        .find(|key| known.clone().any(|known| known == *key));
    let help = if let Some(near) = habit.or_else(|| nearest(name, known.clone())) {
        format!("did you mean `{near}`?")
    } else if let Some(longer) = known.clone().find(|k| name.len() >= 3 && k.starts_with(name)) {
        format!("did you mean `{longer}`?")
    } else if let Some(home) = super::reference::home(name) {
        let inner = home.trim_matches(['[', ']']).to_owned() + ".";
        match table_name.trim_matches(['[', ']']).starts_with(&inner) {
            true => format!("`{name}` is a key of {home}: put it above this table"),
            false => format!("`{name}` is a key of {home}: put it there"),
        }
    } else {
        format!("known keys: {}", known.collect::<Vec<_>>().join(", "))
    };
    reader.error_help(span, message, "", help);
}

/// Complains about a name at the top of a file. Gives the table that was meant, if one is near.
pub(crate) fn unknown_table(
    known: impl Iterator<Item = &'static str> + Clone,
    name: &str,
    span: Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<&'static str> {
    const HABITS: [(&str, &str); 10] = [
        ("frontend", "listener"),
        ("bind", "listener"),
        ("backend", "pool"),
        ("upstream", "pool"),
        ("cluster", "pool"),
        ("balancer", "pool"),
        ("location", "route"),
        ("rule", "route"),
        ("global", "server"),
        ("logging", "log"),
    ];
    let singular = name.strip_suffix('s').unwrap_or(name);
    let habit = HABITS.iter().find(|(habit, _)| *habit == singular).map(|(_, table)| *table);
    let near = habit
        .or_else(|| nearest(name, known.clone()).and_then(|n| known.clone().find(|k| *k == n)));
    let brackets = |name: &str| match name {
        "include" => "include = [\"FILE\"]".to_owned(),
        "acme" | "listener" | "route" | "pool" => format!("[[{name}]]"),
        _ => format!("[{name}]"),
    };
    let help = match (near, super::reference::home(name)) {
        (Some(near), _) => format!("did you mean {}?", brackets(near)),
        (None, Some(home)) => format!("`{name}` is a key of {home}: put it there"),
        (None, None) => {
            format!("known here: {}", known.map(brackets).collect::<Vec<_>>().join(", "))
        }
    };
    reader.error_help(span, format!("unknown key `{name}` at the top of a file"), "", help);
    near
}
