//! A Rust file taken apart as far as the rules need: code, string contents, test lines,
//! functions.

/// One Rust file. `code` and `strings` are as long as `text` and have its line ends; everything
/// that is not code, or not inside a string literal, is blank there.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) code: String,
    pub(super) strings: String,
    /// For each line: whether only tests compile it.
    test_lines: Vec<bool>,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// From 1.
    pub(super) line: usize,
    /// From `fn` to the closing brace.
    pub(super) lines: usize,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        let (code, strings) = split(text);
        let lines = text.lines().count();
        let test_lines =
            if is_test_file(path) { vec![true; lines] } else { test_lines(&code, lines) };
        Source { path: path.to_owned(), text: text.to_owned(), code, strings, test_lines }
    }

    /// Whether only tests compile that line (from 1).
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line.wrapping_sub(1)).copied().unwrap_or(false)
    }

    /// Lines (from 1) of the code in which the needle stands as a word.
    pub(super) fn lines_with(&self, needle: &str) -> Vec<usize> {
        let lines = self.code.lines().enumerate();
        lines.filter(|(_, line)| has_word(line, needle)).map(|(at, _)| at + 1).collect()
    }

    pub(super) fn functions(&self) -> Vec<Function> {
        let bytes = self.code.as_bytes();
        let mut found = Vec::new();
        for at in words(&self.code, "fn") {
            let rest = self.code[at + 2..].trim_start();
            let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
            let Some(open) = body_of(bytes, at).filter(|_| !name.is_empty()) else { continue };
            let close = closing(bytes, open);
            let lines = line_of(&self.code, close) - line_of(&self.code, at) + 1;
            found.push(Function { name, line: line_of(&self.code, at), lines });
        }
        found
    }
}

/// Whether the text has the needle, with no letter, digit or underscore continuing it on a side
/// where it has one itself.
pub(super) fn has_word(text: &str, needle: &str) -> bool {
    !words(text, needle).is_empty()
}

fn words(text: &str, needle: &str) -> Vec<usize> {
    let continues = |edge: Option<char>, beyond: Option<char>| {
        edge.is_some_and(is_word) && beyond.is_some_and(is_word)
    };
    let whole = |at: &usize| {
        let (before, rest) = text.split_at(*at);
        let after = &rest[needle.len()..];
        !continues(needle.chars().next(), before.chars().next_back())
            && !continues(needle.chars().next_back(), after.chars().next())
    };
    text.match_indices(needle).map(|(at, _)| at).filter(whole).collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Tests, and what only a developer runs.
fn is_test_file(path: &str) -> bool {
    let folders = ["/tests/", "/examples/", "/benches/"];
    folders.iter().any(|folder| path.contains(folder)) || path.ends_with("/tests.rs")
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Marks the items after `#[cfg(test)]`.
fn test_lines(code: &str, lines: usize) -> Vec<bool> {
    let mut marked = vec![false; lines];
    let bytes = code.as_bytes();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let from = line_of(code, at);
        let end = body_of(bytes, at).map_or(at, |open| closing(bytes, open));
        let to = line_of(code, end).min(lines);
        marked[from - 1..to].fill(true);
    }
    marked
}

/// Where the braces of the item that begins at `from` open; `None` when it ends without any.
fn body_of(code: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Where the brace that opens at `open` closes.
fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len().saturating_sub(1)
}

/// What a byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Text,
}

/// The code alone, and the contents of string literals alone, both blanked elsewhere.
fn split(text: &str) -> (String, String) {
    let parts = parts(text.as_bytes());
    let only = |wanted: Part| {
        let kept = text.bytes().zip(&parts).map(|(byte, part)| match byte {
            b'\n' => '\n',
            byte if *part == wanted && byte.is_ascii() => char::from(byte),
            _ => ' ',
        });
        kept.collect()
    };
    (only(Part::Code), only(Part::Text))
}

fn parts(text: &[u8]) -> Vec<Part> {
    let mut parts = vec![Part::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (length, part) = if rest.starts_with(b"//") {
            (line_length(rest), Part::Comment)
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), Part::Comment)
        } else if let Some(length) = raw_string(text, at) {
            (length, Part::Text)
        } else if rest[0] == b'"' {
            (quoted(rest, b'"'), Part::Text)
        } else if rest[0] == b'\'' && is_char_literal(rest) {
            (quoted(rest, b'\''), Part::Text)
        } else {
            (1, Part::Code)
        };
        let end = (at + length.max(1)).min(text.len());
        parts[at..end].fill(part);
        at = end;
    }
    parts
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, with `b` or `c` before it, if one begins here.
fn raw_string(text: &[u8], at: usize) -> Option<usize> {
    let within_word = at > 0 && is_word(char::from(text[at - 1]));
    let rest = &text[at..];
    let skip = match rest {
        [b'r', ..] => 1,
        [b'b' | b'c', b'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[skip..].iter().take_while(|byte| **byte == b'#').count();
    if within_word || rest.get(skip + hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = &rest[skip + hashes + 1..];
    let close = body.windows(end.len()).position(|window| window == end);
    Some(close.map_or(rest.len(), |close| skip + hashes + 1 + close + end.len()))
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 1,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    rest.len()
}

/// `'a'` and `'\n'` are literals, `'a` is a lifetime.
fn is_char_literal(rest: &[u8]) -> bool {
    let text = &rest[1..rest.len().min(8)];
    let first = match text.first() {
        Some(b'\\') => return true,
        Some(byte) if byte.is_ascii() => 1,
        Some(_) => text.iter().position(|byte| *byte == b'\'').unwrap_or(0),
        None => return false,
    };
    first > 0 && text.get(first) == Some(&b'\'')
}
