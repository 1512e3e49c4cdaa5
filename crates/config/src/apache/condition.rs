//! `<IfModule>`, `<IfDefine>`, `<IfVersion>`, `<IfFile>`, `<IfDirective>`, `<IfSection>`: settled
//! when they are read.

use std::path::Path;

use super::directives::{self, BUILT_IN};
use super::reader::{Held, Open, Reader};
use super::section::Tag;
use super::{Modules, words};

/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Reader<'_> {
    /// Opens a condition; false when the section is none. `key` is its name in lower case.
    pub(super) fn opened_condition(&mut self, key: &str, tag: &Tag<'_>) -> bool {
        let holds: fn(&Self, &str) -> bool = match key {
            "ifmodule" => Self::is_loaded,
            "ifdefine" => |reader, name| reader.defines.contains_key(name),
            "iffile" => |reader, path| {
                let path = reader.server_root.join(Path::new(path));
                reader.options.loader.kind(&path).is_some()
            },
            "ifdirective" => |_, name| {
                directives::find(name).or_else(|| directives::find(&format!("<{name}"))).is_some()
            },
            "ifsection" => |_, name| directives::find(&format!("<{name}")).is_some(),
            "ifversion" => return self.opened_version(tag),
            _ => return false,
        };
        let text = tag.text().trim_start();
        let (not, text) = match text.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let holds = match words::first(text, 0) {
            Some((word, _)) if !word.is_empty() => holds(self, &word) != not,
            _ => {
                let message = format!("<{}> directive requires additional arguments", tag.name);
                self.error(&tag.place, message, None);
                false
            }
        };
        self.open_condition(tag, holds);
        true
    }

    fn open_condition(&mut self, tag: &Tag<'_>, holds: bool) {
        let kind = if holds { Held::Taken } else { Held::Skipped };
        self.open.push(Open { name: tag.name.clone(), at: tag.place.clone(), kind });
    }

    fn is_loaded(&self, name: &str) -> bool {
        let module = directives::find_module(name);
        let is_named = |known: &str| module.is_some_and(|m| m.file == known || m.id == known);
        match (&self.options.modules, &self.loaded) {
            (Modules::Only(list), _) => list.iter().any(|known| known == name || is_named(known)),
            (Modules::AsLoaded, None) => module.is_some(),
            (Modules::AsLoaded, Some(loaded)) => {
                module.is_some_and(|m| loaded.contains(m.id) || BUILT_IN.contains(&m.id))
            }
        }
    }

    /// `<IfVersion >= 2.4.6>`.
    fn opened_version(&mut self, tag: &Tag<'_>) -> bool {
        let words: Vec<String> = words::split(tag.text(), 0).into_iter().map(|(w, _)| w).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let holds = match words.as_slice() {
            [version] => compared("=", version, self.options.version),
            [operator, version] => compared(operator, version, self.options.version),
            _ => Err("<IfVersion> takes an operator and a version".to_owned()),
        };
        let holds = holds.unwrap_or_else(|message| {
            let help = Some("write <IfVersion >= 2.4.6>".to_owned());
            self.error(&tag.place, message, help);
            false
        });
        self.open_condition(tag, holds);
        true
    }
}

/// Whether the version compares so with the one that is asked for.
fn compared(operator: &str, asked: &str, version: (u32, u32, u32)) -> Result<bool, String> {
    let (not, bare) = match operator.strip_prefix('!') {
        Some(rest) if !rest.is_empty() => (true, rest),
        _ => (false, operator),
    };
    let slashed = asked.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let holds = match (bare, slashed) {
        ("~", _) => fits(asked, version)?,
        ("=" | "==", Some(pattern)) => fits(pattern, version)?,
        ("=" | "==", None) => version == parsed(asked)?,
        (">", _) => version > parsed(asked)?,
        (">=", _) => version >= parsed(asked)?,
        ("<", _) => version < parsed(asked)?,
        ("<=", _) => version <= parsed(asked)?,
        _ => return Err(format!("unrecognized operator '{operator}'")),
    };
    Ok(holds != not)
}

fn fits(pattern: &str, (major, minor, patch): (u32, u32, u32)) -> Result<bool, String> {
    let regex = regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
    let regex = regex.map_err(|_| format!("'{pattern}' is not a regular expression"))?;
    Ok(regex.is_match(&format!("{major}.{minor}.{patch}")))
}

fn parsed(text: &str) -> Result<(u32, u32, u32), String> {
    let mut parts = [0; 3];
    let mut given = text.split('.');
    for part in &mut parts {
        let Some(text) = given.next() else { break };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        *part = match text.parse() {
            Ok(number) if digits => number,
            _ => return Err(no_version(text)),
        };
    }
    match given.next() {
        Some(_) => Err(no_version(text)),
        None => Ok((parts[0], parts[1], parts[2])),
    }
}

fn no_version(text: &str) -> String {
    format!("Version '{text}' must have the format major[.minor[.patch]]")
}
