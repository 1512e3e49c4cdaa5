//! What is told of text that is not TOML: the first slip of each line, and what most often lies
//! behind it.

use std::ops::Range;

use toml::de::Error;

/// More are not told: they mostly follow from the first.
const TOLD_MAX: usize = 5;

/// Where, what, and what to do.
type Told = (Range<usize>, String, Option<String>);

/// What to tell of the errors of a file, in file order.
pub(super) fn told(errors: &[Error], text: &str) -> Vec<Told> {
    let mut sorted: Vec<(Range<usize>, &str)> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    sorted.sort_by_key(|(span, _)| span.start);
    let mut out: Vec<Told> = Vec::new();
    let mut last = None;
    for (span, message) in sorted {
        let before = text.get(..span.start).unwrap_or(text);
        let number = before.matches('\n').count();
        if last == Some(number) {
            continue;
        }
        last = Some(number);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let rest = line.get(before.len() - start..).unwrap_or_default();
        let help = help(message, line, rest);
        out.push((span, format!("not valid TOML: {message}"), help));
        // An open array swallows what comes after it.
        if message.contains("array elements") || out.len() == TOLD_MAX {
            break;
        }
    }
    out
}

fn help(message: &str, line: &str, rest: &str) -> Option<String> {
    let header = line.trim();
    if message.contains("duplicate key") {
        return Some(if header.starts_with("[[") {
            format!("write {header} above the tables within it, always in double brackets")
        } else if header.starts_with('[') {
            format!("{header} stands above already: put its keys together")
        } else {
            "give each key once; several values stand in an array: [\"a\", \"b\"]".to_owned()
        });
    }
    if message.contains("array elements") {
        return Some("a ] or a comma is missing, maybe on a line above".to_owned());
    }
    if message.contains("basic string") || message.contains("literal string") && rest.is_empty() {
        return Some("a quote is missing at the end of the text".to_owned());
    }
    if rest.starts_with(':') {
        return Some("write = between a key and its value".to_owned());
    }
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next().unwrap_or_default().trim();
    let bare = !value.is_empty() && !value.contains(['"', '\'', '[', ']', '{', '}', ',', '\\']);
    bare.then(|| format!("text stands in quotes: {} = \"{value}\"", key.trim()))
}
