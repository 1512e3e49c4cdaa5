//! The grammar of expressions.

use super::{Expr, Order, Part, Word};
use crate::pattern::Pattern;

/// Brackets and negations within each other.
const DEPTH_MAX: u32 = 50;
/// Functions that can be called.
const FUNCTIONS: &[&str] = &[
    "req",
    "http",
    "req_novary",
    "resp",
    "env",
    "reqenv",
    "note",
    "hc",
    "tolower",
    "toupper",
    "escape",
    "unescape",
    "base64",
    "unbase64",
];

/// Variables that httpd's core, HTTP/2 and checks have; those of TLS begin with `SSL_`.
const VARIABLES: &[&str] = &[
    "API_VERSION",
    "AUTH_TYPE",
    "CONN_LOG_ID",
    "CONN_REMOTE_ADDR",
    "CONTENT_TYPE",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "H2PUSH",
    "H2_PUSH",
    "H2_PUSHED",
    "H2_PUSHED_ON",
    "H2_STREAM_ID",
    "H2_STREAM_TAG",
    "HANDLER",
    "HC_BODY",
    "HTTP2",
    "HTTPS",
    "HTTP_ACCEPT",
    "HTTP_COOKIE",
    "HTTP_FORWARDED",
    "HTTP_HOST",
    "HTTP_PROXY_CONNECTION",
    "HTTP_REFERER",
    "HTTP_USER_AGENT",
    "IPV6",
    "IS_SUBREQ",
    "LAST_MODIFIED",
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_FILENAME",
    "REQUEST_LOG_ID",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_STATUS",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_GROUP",
    "SCRIPT_USER",
    "SERVER_ADDR",
    "SERVER_ADMIN",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_PROTOCOL_VERSION",
    "SERVER_PROTOCOL_VERSION_MAJOR",
    "SERVER_PROTOCOL_VERSION_MINOR",
    "SERVER_SOFTWARE",
    "THE_REQUEST",
    "TIME",
    "TIME_DAY",
    "TIME_HOUR",
    "TIME_MIN",
    "TIME_MON",
    "TIME_SEC",
    "TIME_WDAY",
    "TIME_YEAR",
];

/// Reads a condition.
///
/// # Errors
/// What is wrong, in words.
pub fn expression(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text, depth: 0 };
    let expr = parser.or()?;
    parser.blank();
    match parser.rest {
        "" => Ok(expr),
        rest => Err(format!("the expression should end before `{rest}`")),
    }
}

/// Reads a text with `%{NAME}` and `%{function:word}` in it.
///
/// # Errors
/// What is wrong, in words.
pub fn text(text: &str) -> Result<Word, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("%{") {
        plain(&mut parts, &rest[..at]);
        let inner = &rest[at + 2..];
        let end = end_of_place(inner).ok_or("`%{` has no end")?;
        parts.push(place(&inner[..end])?);
        rest = &inner[end + 1..];
    }
    plain(&mut parts, rest);
    Ok(parts)
}

fn plain(parts: &mut Word, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Plain(text.as_bytes().to_vec()));
    }
}

/// Where the brace that ends a place stands; places within it have braces of their own.
fn end_of_place(inner: &str) -> Option<usize> {
    let mut open = 0_u32;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' if inner[..at].ends_with('%') => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// What stands between `%{` and `}`.
fn place(inner: &str) -> Result<Part, String> {
    match inner.split_once(':') {
        None => {
            let name = inner.to_ascii_uppercase();
            match VARIABLES.contains(&&*name) || name.starts_with("SSL_") {
                true => Ok(Part::Variable(name)),
                false => Err(format!("Variable '{inner}' does not exist")),
            }
        }
        Some((name, argument)) => {
            let name = known(name)?;
            // Names cannot be longer than what configurations have lines for: this ends.
            Ok(Part::Function(name, text(argument)?))
        }
    }
}

fn known(name: &str) -> Result<String, String> {
    let name = name.to_ascii_lowercase();
    match FUNCTIONS.contains(&&*name) {
        true => Ok(name),
        false => Err(format!("there is no function `{name}` here")),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: u32,
}

impl Parser<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eats(&mut self, token: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn eats_word(&mut self, word: &str) -> bool {
        self.blank();
        let after = self.rest.get(word.len()..).and_then(|rest| rest.chars().next());
        let ends = !after.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '(');
        ends && self.eats(word)
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut one = self.and()?;
        while self.eats("||") || self.eats_word("or") {
            one = Expr::Or(Box::new(one), Box::new(self.and()?));
        }
        Ok(one)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut one = self.single()?;
        while self.eats("&&") || self.eats_word("and") {
            one = Expr::And(Box::new(one), Box::new(self.single()?));
        }
        Ok(one)
    }

    fn single(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("the expression is nested too deeply".to_owned());
        }
        let single = self.nested();
        self.depth -= 1;
        single
    }

    fn nested(&mut self) -> Result<Expr, String> {
        self.blank();
        let is_mark = self.rest.starts_with('!') && !self.rest.starts_with("!=");
        if is_mark && self.eats("!") || self.eats_word("not") {
            return Ok(Expr::Not(Box::new(self.single()?)));
        }
        if self.eats("(") {
            let inner = self.or()?;
            return match self.eats(")") {
                true => Ok(inner),
                false => Err("`)` is missing".to_owned()),
            };
        }
        if self.rest.starts_with('-') {
            return self.unary();
        }
        for (word, value) in [("true", true), ("false", false)] {
            let end = self.rest.get(word.len()..).and_then(|rest| rest.chars().next());
            if self.rest.starts_with(word) && !end.is_some_and(|c| c.is_alphanumeric()) {
                self.rest = &self.rest[word.len()..];
                return Ok(Expr::Is(value));
            }
        }
        self.comparison()
    }

    /// `-n word` and the like.
    fn unary(&mut self) -> Result<Expr, String> {
        let (op, rest) =
            self.rest.split_at(self.rest.find(char::is_whitespace).unwrap_or(self.rest.len()));
        self.rest = rest;
        let word = self.word()?;
        match op {
            "-n" => Ok(Expr::Not(Box::new(Expr::Empty(word)))),
            "-z" => Ok(Expr::Empty(word)),
            "-T" => Ok(Expr::True(word)),
            "-R" => Ok(Expr::Inside(vec![Part::Variable("REMOTE_ADDR".to_owned())], word)),
            _ => Err(format!("`{op}` cannot be asked here")),
        }
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let word = self.word()?;
        self.blank();
        const OPERATORS: &[&str] = &[
            "==",
            "!=",
            "=~",
            "!~",
            "<=",
            ">=",
            "<",
            ">",
            "=",
            "-eq",
            "-ne",
            "-lt",
            "-le",
            "-gt",
            "-ge",
            "-ipmatch",
            "-strmatch",
            "-strcmatch",
            "-fnmatch",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "-in",
            "in",
        ];
        let found = OPERATORS.iter().find(|op| {
            let after = self.rest.get(op.len()..).and_then(|rest| rest.chars().next());
            let letters = op.ends_with(|c: char| c.is_ascii_alphabetic());
            self.rest.starts_with(**op) && !(letters && after.is_some_and(|c| c.is_alphanumeric()))
        });
        let Some(op) = found else { return Ok(Expr::True(word)) };
        self.rest = &self.rest[op.len()..];
        let not = |expr| Expr::Not(Box::new(expr));
        Ok(match *op {
            "=~" => Expr::Found(word, self.pattern()?),
            "!~" => not(Expr::Found(word, self.pattern()?)),
            "in" | "-in" => Expr::In(word, self.list()?),
            "-ipmatch" => Expr::Inside(word, self.word()?),
            "-strmatch" | "-fnmatch" => Expr::Shell(word, self.word()?, false),
            "-strcmatch" => Expr::Shell(word, self.word()?, true),
            "==" | "=" => Expr::Text(word, Order::Equal, self.word()?),
            "!=" => not(Expr::Text(word, Order::Equal, self.word()?)),
            "<" => Expr::Text(word, Order::Less, self.word()?),
            "<=" => Expr::Text(word, Order::AtMost, self.word()?),
            ">" => not(Expr::Text(word, Order::AtMost, self.word()?)),
            ">=" => not(Expr::Text(word, Order::Less, self.word()?)),
            number => {
                let other = self.word()?;
                match number.trim_start_matches('-') {
                    "eq" => Expr::Number(word, Order::Equal, other),
                    "ne" => not(Expr::Number(word, Order::Equal, other)),
                    "lt" => Expr::Number(word, Order::Less, other),
                    "le" => Expr::Number(word, Order::AtMost, other),
                    "gt" => not(Expr::Number(word, Order::AtMost, other)),
                    _ => not(Expr::Number(word, Order::Less, other)),
                }
            }
        })
    }

    /// `/…/i` or `m#…#i`.
    fn pattern(&mut self) -> Result<Pattern, String> {
        self.blank();
        let body = self.rest.strip_prefix('m').unwrap_or(self.rest);
        let mark = body.chars().next().filter(char::is_ascii_punctuation);
        let mark = mark.ok_or("a pattern should follow, as in `=~ /x/`")?;
        let inner = &body[1..];
        let end = inner.find(mark).ok_or("the pattern has no end")?;
        let after = &inner[end + 1..];
        let flags = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        self.rest = &after[flags..];
        Pattern::new(&inner[..end], after[..flags].contains('i'))
    }

    /// `{ 'a', 'b' }`.
    fn list(&mut self) -> Result<Vec<Word>, String> {
        if !self.eats("{") {
            return Err("a list should follow, as in `in { 'a', 'b' }`".to_owned());
        }
        let mut words = vec![self.word()?];
        while self.eats(",") {
            words.push(self.word()?);
        }
        match self.eats("}") {
            true => Ok(words),
            false => Err("`}` is missing".to_owned()),
        }
    }

    fn word(&mut self) -> Result<Word, String> {
        let mut word = self.piece()?;
        while self.eats(".") {
            word.extend(self.piece()?);
        }
        Ok(word)
    }

    fn piece(&mut self) -> Result<Word, String> {
        self.blank();
        let rest = self.rest;
        let first = rest.chars().next().ok_or("something is missing at the end")?;
        match first {
            '\'' | '"' => {
                let (inner, after) = quoted(&rest[1..], first).ok_or("a quote has no end")?;
                self.rest = after;
                text(&inner)
            }
            '%' if rest.starts_with("%{") => {
                let end = end_of_place(&rest[2..]).ok_or("`%{` has no end")? + 2;
                self.rest = &rest[end + 1..];
                Ok(vec![place(&rest[2..end])?])
            }
            '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.rest = &rest[2..];
                Ok(vec![Part::Group(usize::from(rest.as_bytes()[1] - b'0'))])
            }
            _ => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                if name.is_empty() {
                    return Err(format!("`{rest}` cannot be read"));
                }
                self.rest = after;
                if self.rest.starts_with('(') {
                    self.rest = &self.rest[1..];
                    let argument = self.word()?;
                    return match self.eats(")") {
                        true => Ok(vec![Part::Function(known(name)?, argument)]),
                        false => Err("`)` is missing".to_owned()),
                    };
                }
                // Words stand in quotes; numbers need not.
                match name.bytes().all(|b| b.is_ascii_digit()) {
                    true => Ok(vec![Part::Plain(name.as_bytes().to_vec())]),
                    false => Err(format!("`{name}` should stand in quotes")),
                }
            }
        }
    }
}

/// A quoted text, in which a backslash takes the meaning of what follows, and the rest.
fn quoted(rest: &str, quote: char) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((text, &rest[at + c.len_utf8()..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Scene;

    struct Stage;

    impl Scene for Stage {
        fn variable(&self, name: &str) -> Vec<u8> {
            match name {
                "HTTP_HOST" => b"www.internal.example".to_vec(),
                "REMOTE_ADDR" => b"10.1.2.3".to_vec(),
                "REQUEST_STATUS" => b"204".to_vec(),
                "HC_BODY" => b"all fine".to_vec(),
                _ => Vec::new(),
            }
        }
        fn field(&self, name: &[u8]) -> Vec<u8> {
            if name == b"Upgrade" { b"WebSocket".to_vec() } else { Vec::new() }
        }
        fn answered(&self, _: &[u8]) -> Vec<u8> {
            Vec::new()
        }
        fn environment(&self, name: &str) -> Vec<u8> {
            if name == "CANARY" { b"1".to_vec() } else { Vec::new() }
        }
    }

    #[test]
    fn expressions_hold_or_not() {
        for (text, expected) in [
            ("%{HTTP_HOST} == 'www.internal.example'", true),
            ("%{HTTP_HOST} =~ /internal/", true),
            ("%{HTTP_HOST} =~ m#^WWW#i && $0 == 'www'", true),
            ("%{HTTP:Upgrade} =~ /websocket/i", true),
            ("-R '10.0.0.0/8'", true),
            ("! -R '10.0.0.0/8' || %{REQUEST_STATUS} -lt 300", true),
            ("%{REQUEST_STATUS} =~ /^[23]/", true),
            ("%{REQUEST_STATUS} in { '200', '204' }", true),
            ("hc('body') !~ /maintenance/i", true),
            ("env('CANARY') == '1' && (true && !false)", true),
            ("-n %{REMOTE_USER}", false),
            ("-z req('X')", true),
            ("reqenv('CANARY')", true),
            ("%{HTTP_HOST} -strmatch '*.internal.*'", true),
            ("'a' . 'b' == 'ab'", true),
            ("%{REQUEST_STATUS} -ge 300", false),
        ] {
            let expr = expression(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(expr.holds(&Stage), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for text in ["", "(", "%{X", "'a", "a ==", "x =~ /a", "frob('x')", "a b", "-f '/etc'", "-"]
        {
            assert!(expression(text).is_err(), "{text}");
        }
        let deep = "!".repeat(1000) + "true";
        assert!(expression(&deep).is_err());
    }
}
