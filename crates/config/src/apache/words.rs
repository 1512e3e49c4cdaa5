//! Arguments, as httpd splits them.

use std::ops::Range;

use super::line::is_space;

/// The words of a text from byte `from` on: what each says, and where it stands. A word that
/// begins with a quote runs to the next such quote, where a backslash keeps a quote or a backslash
/// from its meaning; an open quote runs to the end. Any other word runs to the next space, and of
/// two backslashes keeps one.
pub(super) fn split(text: &str, from: usize) -> Vec<(String, Range<usize>)> {
    Words { text, at: from, braces: false }.collect()
}

/// The same, but a word that begins with a brace runs to the brace that closes it.
pub(super) fn split_braced(text: &str, from: usize) -> Vec<(String, Range<usize>)> {
    Words { text, at: from, braces: true }.collect()
}

/// The first word of a text.
pub(super) fn first(text: &str, from: usize) -> Option<(String, Range<usize>)> {
    Words { text, at: from, braces: false }.next()
}

struct Words<'t> {
    text: &'t str,
    at: usize,
    braces: bool,
}

impl Iterator for Words<'_> {
    type Item = (String, Range<usize>);

    fn next(&mut self) -> Option<(String, Range<usize>)> {
        let rest = self.text.get(self.at..)?;
        let word = rest.trim_start_matches(is_space);
        let start = self.at + (rest.len() - word.len());
        let (text, len) = match word.chars().next()? {
            quote @ ('"' | '\'') => quoted(word, quote),
            '{' if self.braces => braced(word),
            _ => bare(word),
        };
        self.at = start + len;
        Some((text, start..self.at))
    }
}

/// What a quoted word says, and how long it is with its quotes.
fn quoted(word: &str, quote: char) -> (String, usize) {
    let mut out = String::new();
    let mut chars = word.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return (out, at + 1);
        }
        match chars.peek() {
            Some((_, next)) if c == '\\' && (*next == quote || *next == '\\') => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    (out, word.len())
}

fn braced(word: &str) -> (String, usize) {
    let mut open = 0_usize;
    for (at, c) in word.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return (word[1..at].to_owned(), at + 1);
        }
    }
    (word[1..].to_owned(), word.len())
}

fn bare(word: &str) -> (String, usize) {
    let len = word.find(is_space).unwrap_or(word.len());
    (word[..len].replace("\\\\", "\\"), len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text, 0).into_iter().map(|(word, _)| word).collect()
    }

    // Each was tried on the real server.
    #[test]
    fn words_are_split_as_by_httpd() {
        assert_eq!(words(" a  b\tc "), ["a", "b", "c"]);
        assert_eq!(words(r#"a\\b"#), [r"a\b"]);
        assert_eq!(words(r#""a\"b \\ c\d""#), [r#"a"b \ c\d"#]);
        assert_eq!(words(r"'it\'s'"), ["it's"]);
        assert_eq!(words(r#""abc def"#), ["abc def"]);
        assert_eq!(words(r#"a"b" c"#), [r#"a"b""#, "c"]);
        assert_eq!(words(r#""a"b"#), ["a", "b"]);
        assert_eq!(words(r#"loadfactor="2 3""#), ["loadfactor=\"2", "3\""]);
        assert_eq!(words(r#""" x"#), ["", "x"]);
        assert_eq!(words(r#"'a"b' "it's""#), ["a\"b", "it's"]);
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("\\"), ["\\"]);
        assert_eq!(words("\"\\"), ["\\"]);
    }

    #[test]
    fn braces_hold_an_expression_together() {
        let text = "name {%{REQUEST_STATUS} =~ /^[23]/} x";
        let words: Vec<String> = split_braced(text, 0).into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ["name", "%{REQUEST_STATUS} =~ /^[23]/", "x"]);
        assert_eq!(split_braced("{a {b", 0)[0].0, "a {b");
        assert_eq!(split_braced("é {é}", 0)[1], ("é".to_owned(), 3..7));
    }

    #[test]
    fn spans_hold_the_quotes() {
        assert_eq!(split("x \"a b\" c", 0)[1], ("a b".to_owned(), 2..7));
    }
}
