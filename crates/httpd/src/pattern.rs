//! Regular expressions as httpd has them: over bytes, searched anywhere, groups numbered to 9.

use regex::bytes::{Captures, Regex, RegexBuilder};

/// Bytes of a compiled pattern.
const BYTES_MAX: usize = 1 << 20;

/// A compiled regular expression; equal to another of the same text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    any_case: bool,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text && self.any_case == other.any_case
    }
}

impl Pattern {
    /// Compiles.
    ///
    /// # Errors
    /// In words, when it is no pattern, needs more than 1 MiB, or uses what takes time without
    /// bounds (look-around, references back).
    pub fn new(text: &str, any_case: bool) -> Result<Pattern, String> {
        let built = RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(any_case)
            .size_limit(BYTES_MAX)
            .build();
        match built {
            Ok(regex) => Ok(Pattern { text: text.to_owned(), any_case, regex }),
            Err(error) => {
                let words = error.to_string();
                Err(words.lines().last().unwrap_or_default().trim().to_owned())
            }
        }
    }

    /// The text it was made of.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is found.
    pub fn is_found(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// What its groups hold where it is found first; group 0 is the whole.
    pub fn groups(&self, text: &[u8]) -> Option<Groups> {
        self.regex.captures(text).map(|found| Groups::of(&found))
    }

    /// Names of groups, with their numbers.
    pub fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.regex.capture_names().enumerate().filter_map(|(n, name)| name.map(|name| (n, name)))
    }

    /// The text with the first place, or all, replaced; `None` when there is none. `$1` and `&` in
    /// the replacement stand for groups.
    pub fn replaced(&self, text: &[u8], with: &[u8], all: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut from = 0;
        for found in self.regex.captures_iter(text) {
            let Some(whole) = found.get(0) else { break };
            out.extend_from_slice(&text[from..whole.start()]);
            Groups::of(&found).fill(with, &mut out);
            from = whole.end();
            if !all {
                break;
            }
        }
        (from > 0 || !out.is_empty() || self.regex.find(text).is_some()).then(|| {
            out.extend_from_slice(&text[from..]);
            out
        })
    }
}

/// What the groups of a pattern held.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Groups(Vec<Vec<u8>>);

impl Groups {
    fn of(found: &Captures<'_>) -> Groups {
        let group = |n| found.get(n).map_or(Vec::new(), |text| text.as_bytes().to_vec());
        Groups((0..found.len().min(10)).map(group).collect())
    }

    /// What group `n` held; nothing where there is none.
    pub fn get(&self, n: usize) -> &[u8] {
        self.0.get(n).map_or(&[], Vec::as_slice)
    }

    /// Writes `text` with `$0` to `$9` replaced; `\$` is a dollar.
    pub fn fill(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while let [byte, after @ ..] = rest {
            rest = after;
            match (byte, after) {
                (b'$', [digit @ b'0'..=b'9', after @ ..]) => {
                    out.extend_from_slice(self.get(usize::from(digit - b'0')));
                    rest = after;
                }
                (b'\\', [escaped @ (b'$' | b'&' | b'\\'), after @ ..]) => {
                    out.push(*escaped);
                    rest = after;
                }
                _ => out.push(*byte),
            }
        }
    }
}

/// Whether a text matches a shell pattern: `*` (not across `/` when `paths`), `?`, `[a-z]`.
pub fn shell_match(pattern: &[u8], text: &[u8], paths: bool) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            let most = match paths {
                true => text.iter().position(|b| *b == b'/').unwrap_or(text.len()),
                false => text.len(),
            };
            (0..=most).any(|n| shell_match(rest, &text[n..], paths))
        }
        ([b'?', rest @ ..], [byte, after @ ..]) if !(paths && *byte == b'/') => {
            shell_match(rest, after, paths)
        }
        ([b'[', rest @ ..], [byte, after @ ..]) => {
            let Some(end) = rest.iter().skip(1).position(|b| *b == b']').map(|at| at + 1) else {
                return *byte == b'[' && shell_match(rest, after, paths);
            };
            let (class, rest) = (&rest[..end], &rest[end + 1..]);
            in_class(class, *byte) && shell_match(rest, after, paths)
        }
        ([one, rest @ ..], [byte, after @ ..]) => one == byte && shell_match(rest, after, paths),
        _ => false,
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let (not, mut class) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    while let [first, rest @ ..] = class {
        (found, class) = match rest {
            [b'-', last, rest @ ..] => (found || (*first..=*last).contains(&byte), rest),
            rest => (found || *first == byte, rest),
        };
    }
    found != not
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_filled_in() {
        let pattern = Pattern::new("^/(a|b)/(.*)$", false).expect("a pattern");
        let groups = pattern.groups(b"/a/x").expect("found");
        let mut out = Vec::new();
        groups.fill(b"$2-$1-$9-$x\\$1", &mut out);
        assert_eq!(out, b"x-a--$x$1");
        assert_eq!(pattern.replaced(b"/a/x", b"$1", false).as_deref(), Some(&b"a"[..]));
        assert_eq!(pattern.replaced(b"other", b"$1", false), None);
    }

    #[test]
    fn shells_match_within_segments() {
        for (pattern, text, paths, expected) in [
            ("*", "a/b", false, true),
            ("*", "a/b", true, false),
            ("/a/*/c", "/a/b/c", true, true),
            ("/a?", "/ab", true, true),
            ("[a-c]x", "bx", true, true),
            ("[!a-c]x", "bx", true, false),
            ("*.example", "www.example", false, true),
        ] {
            let got = shell_match(pattern.as_bytes(), text.as_bytes(), paths);
            assert_eq!(got, expected, "{pattern} {text}");
        }
    }
}
