//! A metric that code or a document names is in the table of metrics.

use std::collections::BTreeSet;

use super::{Finding, Tree};

const PREFIX: &str = "evenkeel_";
const TABLE: &str = "crates/observe/src/metrics";

/// What Prometheus adds to the name of a histogram.
const SUFFIXES: &[&str] = &["_bucket", "_sum", "_count"];

pub(super) fn names(tree: &Tree) -> Vec<Finding> {
    let table = tree.sources.iter().filter(|source| source.path.starts_with(TABLE));
    let known: BTreeSet<&str> =
        table.flat_map(|source| named(&source.strings)).map(|n| n.1).collect();
    let crates: BTreeSet<String> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix("crates/")?.split('/').next())
        .map(|name| format!("{PREFIX}{}", name.replace('-', "_")))
        .collect();
    let is_known = |name: &str| {
        let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        known.contains(name) || base.is_some_and(|base| known.contains(base))
    };
    let in_code = tree.sources.iter().map(|source| (source.path.as_str(), &source.strings));
    let is_text = |path: &str| [".md", ".toml", ".json", ".yaml"].iter().any(|e| path.ends_with(e));
    let in_texts = tree.files.iter().filter(|file| is_text(&file.path));
    let mut found = Vec::new();
    for (path, text) in in_code.chain(in_texts.map(|file| (file.path.as_str(), &file.text))) {
        if path.starts_with(TABLE) || path.starts_with("xtask/") {
            continue;
        }
        for (line, name) in named(text) {
            if !is_known(name) && !crates.contains(name) {
                found.push(Finding::new(path, line, format!("{name} is not in {TABLE}")));
            }
        }
    }
    found
}

/// The names in a text, with line numbers. A name that ends in `_` is the beginning of several.
fn named(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices(PREFIX) {
            let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let name = line[at..].split(|c| !is_part(c)).next().unwrap_or_default();
            let within_word = line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric());
            if !name.ends_with('_') && !within_word {
                found.push((number + 1, name));
            }
        }
    }
    found
}
