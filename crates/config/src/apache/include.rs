//! `Include`, `IncludeOptional`: paths, folders, patterns.

use std::path::{Component, Path, PathBuf};

use super::loader::Kind;
use super::reader::{DEPTH_MAX, FILES_MAX, Input, Reader};
use super::{Directive, Place};

impl Reader<'_> {
    /// Reads what an include names, next.
    pub(super) fn include(&mut self, directive: &Directive, optional: bool) {
        let Some(arg) = directive.args.first() else { return };
        let at = Place { span: arg.span.clone(), ..directive.at.clone() };
        let path = self.server_root.join(&arg.text);
        let found = match arg.text.contains(['*', '?', '[']) {
            true => self.fitting(&path, optional),
            false => Ok(vec![path]),
        };
        let mut files = Vec::new();
        let listed = found.and_then(|found| {
            found.into_iter().try_for_each(|path| self.files_of(path, 0, &mut files))
        });
        if let Err(message) = listed {
            return self.error(&at, message, None);
        }
        let depth = self.depth() + 1;
        let waiting = files.into_iter().rev().map(|path| Input::Waiting {
            path,
            optional,
            depth,
            at: Some(at.clone()),
        });
        self.inputs.extend(waiting);
    }

    /// The file, or all files of the folder and of those in it, in the order of their names.
    fn files_of(&self, path: PathBuf, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), String> {
        if out.len() > FILES_MAX || depth > DEPTH_MAX {
            let max = format!("at most {DEPTH_MAX} folders deep and {FILES_MAX} files");
            return Err(format!("{} includes too much: {max}", path.display()));
        }
        if self.options.loader.kind(&path) != Some(Kind::Folder) {
            out.push(path);
            return Ok(());
        }
        let mut names = self.options.loader.list(&path).map_err(|error| {
            format!("Could not open config directory {}: {error}", path.display())
        })?;
        names.sort_unstable();
        names.into_iter().try_for_each(|name| self.files_of(path.join(name), depth + 1, out))
    }

    /// What fits a pattern; each part of the path may be one.
    fn fitting(&self, pattern: &Path, optional: bool) -> Result<Vec<PathBuf>, String> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.components() {
            let text = part.as_os_str().to_string_lossy();
            if !matches!(part, Component::Normal(_)) || !text.contains(['*', '?', '[']) {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            let mut next = Vec::new();
            for folder in &found {
                let mut names = match self.options.loader.list(folder) {
                    Ok(names) => names,
                    Err(_) if optional => continue,
                    Err(error) => {
                        let error = error.to_string();
                        let reason = error.split(" (os error").next().unwrap_or_default();
                        let folder = folder.display();
                        return Err(format!("Could not open directory {folder}: {reason}"));
                    }
                };
                names.retain(|name| fits(&text, name));
                names.sort_unstable();
                if names.is_empty() && !optional {
                    let folder = folder.display();
                    return Err(format!("No matches for the wildcard '{text}' in '{folder}'"));
                }
                next.extend(names.into_iter().map(|name| folder.join(name)));
                if next.len() > FILES_MAX {
                    return Err(format!("more than {FILES_MAX} names fit '{text}'"));
                }
            }
            found = next;
        }
        Ok(found)
    }
}

/// Whether a name fits a pattern of `*`, `?`, `[a-z]`, `[!a-z]` and `\`. As in a shell, a dot at
/// the beginning must be asked for.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when what comes after the last star does not fit: only the last one matters.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(after) = one(&pattern, p, name[n]) {
            p = after;
            n += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            p = after;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Where the pattern goes on after a part that fits one character.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => match set(pattern, at + 1, c) {
            Some((fits, after)) => fits.then_some(after),
            None => (c == '[').then_some(at + 1),
        },
        '\\' if at + 1 < pattern.len() => (pattern[at + 1] == c).then_some(at + 2),
        known => (*known == c).then_some(at + 1),
    }
}

/// Whether a character is in the set that begins here, and where the set ends; `None`: it does not.
fn set(pattern: &[char], mut at: usize, c: char) -> Option<(bool, usize)> {
    let not = matches!(pattern.get(at), Some('!' | '^'));
    at += usize::from(not);
    let begin = at;
    let mut inside = false;
    loop {
        let first = *pattern.get(at)?;
        if first == ']' && at > begin {
            return Some((inside != not, at + 1));
        }
        let last = match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some('-'), Some(last)) if *last != ']' => {
                at += 2;
                *last
            }
            _ => first,
        };
        inside |= (first..=last).contains(&c);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name) in [
            ("*.conf", "a.conf"),
            ("*", "a"),
            ("?.conf", "é.conf"),
            ("[ab]*", "b1"),
            ("[a-c]", "b"),
            ("[!a-c]", "d"),
            ("[]a]", "]"),
            (".*", ".h"),
            ("a*b*c", "axxbyybzc"),
            ("[a", "[a"),
            ("\\*", "*"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", "a.conf~"),
            ("*", ".h"),
            ("?", ""),
            ("?.conf", "ab.conf"),
            ("[a-c]", "d"),
            ("[!a-c]", "b"),
            ("a*b", "axc"),
            ("\\*", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(2000), &"a".repeat(1999)));
    }
}
