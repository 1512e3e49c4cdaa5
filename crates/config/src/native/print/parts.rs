//! The pieces of the normal form: keys, values, quoting.

use std::fmt::{Display, Write};
use std::time::Duration;

use evenkeel_plan::Bytes;

use crate::native::units;

/// Longer lines are broken up.
const LINE_MAX: usize = 96;

/// Keys with their values as they will be written.
#[derive(Default)]
pub(super) struct Keys(Vec<(String, Entry)>);

enum Entry {
    Value(String),
    Table(Keys),
}

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn put(&mut self, key: &str, value: String) {
        self.0.push((self::key(key), Entry::Value(value)));
    }

    /// Writes what is not as usual.
    pub(super) fn unless<T: PartialEq>(
        &mut self,
        key: &str,
        value: &T,
        usual: &T,
        show: impl FnOnce(&T) -> String,
    ) {
        if value != usual {
            self.put(key, show(value));
        }
    }

    /// Writes a table, if it says anything.
    pub(super) fn table(&mut self, key: &str, inner: Keys) {
        if !inner.is_empty() {
            self.0.push((self::key(key), Entry::Table(inner)));
        }
    }

    /// `{ a = 1, b = 2 }`
    pub(super) fn inline(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(key, entry)| line(key, entry)).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }

    /// A line for each; tables that would make a long line follow under headers of their own.
    /// `path` is the name of the table that the keys belong to.
    pub(super) fn lines(&self, path: &str) -> String {
        let mut out = String::new();
        let mut sections = String::new();
        for (key, entry) in &self.0 {
            let line = line(key, entry);
            match entry {
                Entry::Table(inner) if line.len() > LINE_MAX => {
                    let path = format!("{path}.{key}");
                    let inner = inner.lines(&path);
                    // A table that only holds other tables needs no header.
                    if !inner.starts_with('\n') {
                        sections.push_str(&format!("\n[{path}]\n"));
                    }
                    sections.push_str(&inner);
                }
                _ => {
                    out.push_str(&line);
                    out.push('\n');
                }
            }
        }
        out + &sections
    }
}

fn line(key: &str, entry: &Entry) -> String {
    match entry {
        Entry::Value(value) => format!("{key} = {value}"),
        Entry::Table(inner) => format!("{key} = {}", inner.inline()),
    }
}

/// A bare key where TOML allows it.
fn key(text: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !text.is_empty() && text.bytes().all(bare) { text.to_owned() } else { string(text) }
}

/// A string value; `${` is written `$${`, so that reading it asks for no environment variable.
pub(super) fn quoted(text: &str) -> String {
    string(&text.replace("${", "$${"))
}

/// A TOML string: literal quotes where they spare backslashes, as regular expressions have them.
fn string(text: &str) -> String {
    let plain = !text.contains('\'') && !text.chars().any(char::is_control);
    if plain && text.contains(['\\', '"']) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `"a"` for one, `["a", "b"]` for none or several.
pub(super) fn one_or_more<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    match items {
        [one] => show(one),
        _ => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

/// An array in one line, or in a line for each item when that would be too long.
pub(super) fn list(key: &str, items: &[String]) -> String {
    let line = format!("[{}]", items.join(", "));
    if line.len() + key.len() + " = ".len() <= LINE_MAX {
        return line;
    }
    format!("[\n{}]", items.iter().map(|item| format!("    {item},\n")).collect::<String>())
}

pub(super) fn duration(time: &Duration) -> String {
    quoted(&units::print_duration(*time))
}

pub(super) fn size(bytes: &Bytes) -> String {
    quoted(&bytes.to_string())
}

pub(super) fn number<T: Display>(value: &T) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_reading_expects_them() {
        for (text, expected) in [
            ("plain", r#""plain""#),
            (r"~^/v\d+/", r"'~^/v\d+/'"),
            (r#"say "hi""#, r#"'say "hi"'"#),
            ("it's \\", r#""it's \\""#),
            ("a\nb\u{7}", r#""a\nb\u0007""#),
            ("${HOME} $x", r#""$${HOME} $x""#),
            ("", r#""""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(key("x-beta"), "x-beta");
        assert_eq!(key("x.beta"), "\"x.beta\"");
    }
}
