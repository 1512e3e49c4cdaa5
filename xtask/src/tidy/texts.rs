//! Documents and other files: links, what must be said, what must not.

use super::{Finding, Tree};

/// What README.md must say: how to see it work.
const README_SAYS: &[&str] = &["cargo run --release -- demo", "curl"];

const WEIGHT_MAX: u64 = 200 * 1024;

/// The machine of whoever built this. In halves, so that this table does not find itself.
const MACHINE_WORDS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/tmp/", "ck"), concat!("/ro", "ot/")];

const LOCK_SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Links from documents to files and headings of this project lead somewhere.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in link_targets(&file.text) {
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && let Err(what) = follow(tree, &file.path, target) {
                found.push(Finding::new(&file.path, line, what));
            }
        }
    }
    found
}

pub(super) fn readme(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file("README.md") else {
        return vec![Finding::new("README.md", 0, "missing")];
    };
    let missing = README_SAYS.iter().filter(|words| !file.text.contains(**words));
    missing.map(|words| Finding::new("README.md", 0, format!("does not say `{words}`"))).collect()
}

pub(super) fn changelog(tree: &Tree) -> Vec<Finding> {
    let heading = |line: &str| line.starts_with("## ") && line.contains("Unreleased");
    match tree.file("CHANGELOG.md") {
        Some(file) if file.text.lines().any(heading) => Vec::new(),
        Some(_) => vec![Finding::new("CHANGELOG.md", 0, "no `## Unreleased` section")],
        None => vec![Finding::new("CHANGELOG.md", 0, "missing")],
    }
}

pub(super) fn weights(tree: &Tree) -> Vec<Finding> {
    let heavy = tree.files.iter().filter(|f| f.size > WEIGHT_MAX && f.path != "Cargo.lock");
    heavy.map(|f| Finding::new(&f.path, 0, format!("{} bytes of {WEIGHT_MAX}", f.size))).collect()
}

pub(super) fn machine_words(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(word) = MACHINE_WORDS.iter().find(|word| line.contains(**word)) {
                let what = format!("{word} is a path of one machine");
                found.push(Finding::new(&file.path, number + 1, what));
            }
        }
    }
    found
}

/// Everything is fetched from crates.io.
pub(super) fn lock_sources(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file("Cargo.lock") else {
        return vec![Finding::new("Cargo.lock", 0, "missing: a binary's versions are committed")];
    };
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let source = line.strip_prefix("source = ").map(|source| source.trim_matches('"'));
        if source.is_some_and(|source| source != LOCK_SOURCE) {
            found.push(Finding::new(&file.path, number + 1, "a source that is not crates.io"));
        }
    }
    found
}

/// The targets of `[text](target)` outside code, with line numbers.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let Some((target, _)) = line[at + 2..].split_once(')').filter(|_| !in_code) else {
                continue;
            };
            let target = target.split(' ').next().unwrap_or_default();
            found.push((number + 1, target.trim_matches(['<', '>'])));
        }
    }
    found
}

fn follow(tree: &Tree, from: &str, target: &str) -> Result<(), String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { Some(from.to_owned()) } else { resolve(from, path) };
    let path = path.ok_or_else(|| format!("{target} leads out of the project"))?;
    if !tree.has(&path) {
        return Err(format!("{target} leads nowhere"));
    }
    match tree.file(&path) {
        Some(file) if !anchor.is_empty() && path.ends_with(".md") => {
            let headings = file.text.lines().filter(|line| line.starts_with('#'));
            let mut slugs = headings.map(|line| slug(line.trim_start_matches('#').trim()));
            let known = slugs.any(|slug| slug == anchor);
            known.then_some(()).ok_or_else(|| format!("{path} has no heading #{anchor}"))
        }
        _ => Ok(()),
    }
}

/// The path of `target` as seen from the folder of the file `from`.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// How a heading is addressed.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
