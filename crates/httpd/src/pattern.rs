//! Regular expressions as httpd has them: over bytes, searched anywhere, groups numbered to 9.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a compiled pattern.
const BYTES_MAX: usize = 1 << 20;
/// Steps back that a pattern with look-around may take over one text; httpd has a limit as well.
const STEPS_MAX: usize = 100_000;
/// Groups that are told: the whole and nine of its parts.
const GROUPS: usize = 10;

/// A compiled regular expression; equal to another of the same text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    any_case: bool,
    engine: Engine,
}

/// What looks for it.
#[derive(Clone, Debug)]
enum Engine {
    /// In a time that grows with the text only.
    Linear(Regex),
    /// With look-around, references back and the like: step by step, and not without end.
    Stepwise(fancy_regex::Regex),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text && self.any_case == other.any_case
    }
}

impl Pattern {
    /// Compiles.
    ///
    /// One that looks around, or back at its own groups, is taken too; over a text for which it
    /// needs more than 100,000 steps it is not found.
    ///
    /// # Errors
    /// In words, when it is no pattern, or needs more than 1 MiB.
    pub fn new(text: &str, any_case: bool) -> Result<Pattern, String> {
        let built = RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(any_case)
            .size_limit(BYTES_MAX)
            .build();
        let engine = match built {
            Ok(regex) => Engine::Linear(regex),
            Err(error) => stepwise(text, any_case).ok_or_else(|| {
                let words = error.to_string();
                words.lines().last().unwrap_or_default().trim().to_owned()
            })?,
        };
        Ok(Pattern { text: text.to_owned(), any_case, engine })
    }

    /// The text it was made of.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is found.
    pub fn is_found(&self, text: &[u8]) -> bool {
        match &self.engine {
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Stepwise(regex) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// What its groups hold where it is found first; group 0 is the whole.
    pub fn groups(&self, text: &[u8]) -> Option<Groups> {
        self.found_from(text, 0).map(|(groups, _)| groups)
    }

    /// The groups of the first place at or after `from`, and where it is.
    fn found_from(&self, text: &[u8], from: usize) -> Option<(Groups, Range<usize>)> {
        let mut groups = Vec::new();
        let mut whole = None;
        match &self.engine {
            Engine::Linear(regex) => {
                let found = regex.captures_at(text, from)?;
                for group in found.iter().take(GROUPS) {
                    whole = whole.or(group.map(|group| group.range()));
                    groups.push(group.map_or(Vec::new(), |group| group.as_bytes().to_vec()));
                }
            }
            Engine::Stepwise(regex) => {
                let found = regex.captures_from_pos(text, from).ok()??;
                for n in 0..found.len().min(GROUPS) {
                    let group = found.get(n).map(|group| group.range());
                    whole = whole.or(group.clone());
                    groups.push(group.map_or(Vec::new(), |range| text[range].to_vec()));
                }
            }
        }
        Some((Groups(groups), whole?))
    }

    /// Names of groups, with their numbers.
    pub fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        let (linear, stepwise) = match &self.engine {
            Engine::Linear(regex) => (Some(regex.capture_names()), None),
            Engine::Stepwise(regex) => (None, Some(regex.capture_names())),
        };
        let all = linear.into_iter().flatten().chain(stepwise.into_iter().flatten());
        all.enumerate().filter_map(|(n, name)| name.map(|name| (n, name)))
    }

    /// The text with the first place, or all, replaced; `None` when there is none. `$1` and `&` in
    /// the replacement stand for groups.
    pub fn replaced(&self, text: &[u8], with: &[u8], all: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        // What was written, and where to look on.
        let (mut done, mut from, mut any) = (0, 0, false);
        while from <= text.len()
            && let Some((groups, place)) = self.found_from(text, from)
        {
            out.extend_from_slice(&text[done..place.start]);
            groups.fill(with, &mut out);
            (done, any) = (place.end, true);
            // An empty place is not found twice.
            from = if place.is_empty() { place.end + 1 } else { place.end };
            if !all {
                break;
            }
        }
        any.then(|| {
            out.extend_from_slice(&text[done..]);
            out
        })
    }
}

fn stepwise(text: &str, any_case: bool) -> Option<Engine> {
    let built = fancy_regex::RegexBuilder::new(text)
        .bytes_mode(fancy_regex::BytesMode::Ascii)
        .case_insensitive(any_case)
        .backtrack_limit(STEPS_MAX)
        .delegate_size_limit(BYTES_MAX)
        .build();
    built.ok().map(Engine::Stepwise)
}

/// What the groups of a pattern held.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Groups(Vec<Vec<u8>>);

impl Groups {
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
    fn patterns_look_around_and_back() {
        for (pattern, text, expected) in [
            ("^/(?!static/)(.*)$", "/x/y", Some("x/y")),
            ("^/(?!static/)(.*)$", "/static/y", None),
            (r"^/(\w+)/\1$", "/a/a", Some("a")),
            (r"^/(\w+)/\1$", "/a/b", None),
            ("(?<=x)(y)", "xy", Some("y")),
            ("^(?>a+)(b)", "aab", Some("b")),
            ("(?=(.))", "\u{e4}", Some("")),
        ] {
            let pattern = Pattern::new(pattern, false).expect("a pattern");
            let groups = pattern.groups(text.as_bytes());
            assert_eq!(groups.is_some(), expected.is_some(), "{text}");
            assert_eq!(pattern.is_found(text.as_bytes()), expected.is_some(), "{text}");
            if let (Some(groups), Some(expected)) = (groups, expected)
                && !expected.is_empty()
            {
                assert_eq!(groups.get(1), expected.as_bytes());
            }
        }
        let names = Pattern::new("(?=x)(?<one>x)", false).expect("a pattern");
        assert_eq!(names.names().collect::<Vec<_>>(), [(1, "one")]);
        assert_eq!(names.replaced(b"axbx", b"[$1]", true).as_deref(), Some(&b"a[x]b[x]"[..]));
        assert!(Pattern::new("(?!", false).is_err());
        // Too many steps are as good as none.
        let slow = Pattern::new("^(?=a)(a|aa)+$", false).expect("a pattern");
        assert!(!slow.is_found(&[&[b'a'; 60][..], b"b"].concat()));
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
