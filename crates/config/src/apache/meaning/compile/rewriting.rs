//! `RewriteRule` and `RewriteCond`.

use evenkeel_httpd::expr::expression;
use evenkeel_httpd::pattern::Pattern;
use evenkeel_httpd::rewrite::{Condition, Flags, Rule, Test};

use super::server::on;
use super::{Making, Server};
use crate::apache::Directive;
use crate::apache::meaning::Told;

impl Making {
    pub(super) fn rewriting_line(
        &mut self,
        directive: &Directive,
        scope: usize,
        server: &mut Server,
        told: &mut Told,
    ) {
        let args = words(&directive.raw_args);
        let args: Vec<&str> = args.iter().map(|arg| &**arg).collect();
        let at = &directive.at;
        match (&*directive.canonical, &args[..]) {
            ("RewriteEngine", [word]) => server.rewrite_engine = Some(on(word)),
            ("RewriteCond", [subject, test, flags @ ..]) => {
                match condition(subject, test, flags.first().copied()) {
                    Ok(condition) => server.conditions.push(condition),
                    Err(why) => told.error(at, format!("RewriteCond: {why}"), None),
                }
            }
            ("RewriteRule", [pattern, to, flags @ ..]) => {
                let conditions = std::mem::take(&mut server.conditions);
                match rule(pattern, to, flags.first().copied(), conditions) {
                    Ok(mut rule) => {
                        if rule.flags.proxy {
                            let Some(to) = rule.to.clone() else {
                                told.not_yet(at, "[P] without a URL");
                                return;
                            };
                            let known = self.workers.len();
                            rule.target = self.target(&to, Vec::new(), scope, at, told);
                            // Its URL depends on the request as a matter of course.
                            self.workers[known..].iter_mut().for_each(|own| own.0.words.clear());
                            self.of_rules.extend(known..self.workers.len());
                        }
                        server.rewriting.push(rule);
                    }
                    Err(why) => told.error(at, format!("RewriteRule: {why}"), None),
                }
            }
            ("RewriteOptions", words) => {
                let options = server.rewrite_options.get_or_insert_default();
                for word in words {
                    if !options.take(word) {
                        let text = format!("RewriteOptions: unknown option '{word}'");
                        told.error(at, text, None);
                    }
                }
            }
            _ => told.error(at, format!("{}: arguments are missing", directive.name), None),
        }
    }
}

/// `RewriteOptions`, as far as they matter to servers.
#[derive(Clone, Copy, Default)]
pub(super) struct Options {
    inherit: bool,
    inherit_before: bool,
    down: bool,
    down_before: bool,
    ignore: bool,
}

impl Options {
    /// Takes a word; false when there is none such.
    fn take(&mut self, word: &str) -> bool {
        match &*word.to_ascii_lowercase() {
            "inherit" => self.inherit = true,
            "inheritbefore" => self.inherit_before = true,
            "inheritdown" => self.down = true,
            "inheritdownbefore" => self.down_before = true,
            "ignoreinherit" => self.ignore = true,
            // About folders and files.
            "allownoslash"
            | "allowanyuri"
            | "mergebase"
            | "ignorecontextinfo"
            | "legacyprefixdocroot"
            | "longurloptimization"
            | "unsafeallow3f"
            | "unsafeprefixstat" => {}
            _ => return false,
        }
        true
    }
}

/// The rules of a virtual host with those of the main server, as far as they are inherited, and
/// whether they count.
pub(super) fn inherited(main: &Server, own: &Server) -> (Vec<Rule>, bool) {
    let options = own.rewrite_options.or(main.rewrite_options).unwrap_or_default();
    let outer = main.rewrite_options.unwrap_or_default();
    let joined = |one: &[Rule], other: &[Rule]| one.iter().chain(other).cloned().collect();
    let rules = if options.inherit || (outer.down && !options.ignore) {
        joined(&own.rewriting, &main.rewriting)
    } else if options.inherit_before || (outer.down_before && !options.ignore) {
        joined(&main.rewriting, &own.rewriting)
    } else {
        own.rewriting.clone()
    };
    (rules, own.rewrite_engine.or(main.rewrite_engine) == Some(true))
}

/// The arguments as mod_rewrite takes them apart: a backslash keeps a blank in its word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quote = Some(first).filter(|c| matches!(c, '"' | '\''));
        let mut word = String::new();
        let mut chars = rest.char_indices().skip(usize::from(quote.is_some())).peekable();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            match (quote, c) {
                (Some(quote), c) if c == quote => {
                    end = at + c.len_utf8();
                    break;
                }
                (None, c) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                (Some(quote), '\\') if next == Some(quote) => {}
                (None, '\\') if next.is_some_and(char::is_whitespace) => {
                    word.extend(chars.next().map(|(_, blank)| blank));
                }
                (_, c) => word.push(c),
            }
        }
        words.push(word);
        rest = rest[end..].trim_start();
    }
    words
}

/// `[A,B=c]` as words.
fn flag_words(flags: Option<&str>) -> Result<Vec<(String, String)>, String> {
    let Some(flags) = flags else { return Ok(Vec::new()) };
    let inner = flags.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("bad flag delimiters in `{flags}`"))?;
    let words = inner.split(',').map(str::trim).filter(|word| !word.is_empty());
    let split = words.map(|word| match word.split_once('=') {
        Some((name, value)) => (name.to_ascii_uppercase(), value.to_owned()),
        None => (word.to_ascii_uppercase(), String::new()),
    });
    Ok(split.collect())
}

fn condition(subject: &str, test: &str, flags: Option<&str>) -> Result<Condition, String> {
    let mut any_case = false;
    let mut or_next = false;
    for (name, _) in flag_words(flags)? {
        match &*name {
            "NC" | "NOCASE" => any_case = true,
            "OR" | "ORNEXT" => or_next = true,
            "NV" | "NOVARY" => {}
            _ => return Err(format!("unknown flag `{name}`")),
        }
    }
    let (not, text) = match test.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, test),
    };
    let number = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];
    let test = match text {
        _ if subject == "expr" => Test::Expr(expression(test)?),
        "-f" | "-F" | "-d" | "-s" | "-l" | "-L" | "-h" | "-x" | "-U" => Test::Never,
        _ if text.starts_with('=') => Test::Is(text[1..].trim_matches('"').to_owned(), any_case),
        _ if text.starts_with('<') => Test::Before(text[1..].to_owned()),
        _ if text.starts_with('>') => Test::After(text[1..].to_owned()),
        _ => match number.into_iter().find(|op| text.starts_with(*op)) {
            Some(op) => Test::Number(op, text[op.len()..].trim().parse().unwrap_or(0)),
            None => Test::Found(Pattern::new(text, any_case)?),
        },
    };
    let not = not && subject != "expr";
    Ok(Condition { subject: subject.to_owned(), test, not, or_next })
}

fn rule(
    pattern: &str,
    to: &str,
    flags: Option<&str>,
    conditions: Vec<Condition>,
) -> Result<Rule, String> {
    let mut flags_read = Flags::default();
    let mut any_case = false;
    for (name, value) in flag_words(flags)? {
        let flags = &mut flags_read;
        match &*name {
            "P" | "PROXY" => flags.proxy = true,
            "L" | "LAST" | "END" => flags.last = true,
            "PT" | "PASSTHROUGH" => flags.through = true,
            "UNSAFEALLOW3F" => flags.unsafe_3f = true,
            "R" | "REDIRECT" => {
                flags.redirect = Some(match &*value.to_ascii_lowercase() {
                    "" | "temp" => 302,
                    "permanent" => 301,
                    "seeother" => 303,
                    number => {
                        let status = number.parse().ok().filter(|s| (100..600).contains(s));
                        status.ok_or_else(|| {
                            format!("invalid HTTP response code '{number}' for flag 'R'")
                        })?
                    }
                });
            }
            "F" | "FORBIDDEN" => flags.redirect = Some(403),
            "G" | "GONE" => flags.redirect = Some(410),
            "QSA" | "QSAPPEND" => flags.append_query = true,
            "QSD" | "QSDISCARD" => flags.discard_query = true,
            "NE" | "NOESCAPE" => flags.plain = true,
            "NC" | "NOCASE" => any_case = true,
            "N" | "NEXT" => flags.again = true,
            "C" | "CHAIN" => flags.chain = true,
            "S" | "SKIP" => flags.skip = value.parse().map_err(|_| "S needs a number")?,
            "B" => flags.escape = true,
            "CO" | "COOKIE" => flags.cookies.push(value.trim_matches('"').to_owned()),
            "E" | "ENV" => {
                let value = value.trim_matches('"');
                flags.env.push(match (value.strip_prefix('!'), value.split_once(':')) {
                    (Some(name), _) => (name.to_owned(), None),
                    (None, Some((name, value))) => (name.to_owned(), Some(value.to_owned())),
                    (None, None) => (value.to_owned(), Some(String::new())),
                });
            }
            "BNP" | "BACKREFNOPLUS" => flags.no_plus = true,
            "UNSAFEPREFIXSTAT" | "NS" | "NOSUBREQ" | "QSL" | "T" | "TYPE" | "H" | "DPI" => {}
            _ => return Err(format!("unknown flag `{name}`")),
        }
    }
    let (not, text) = match pattern.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, pattern),
    };
    Ok(Rule {
        conditions,
        pattern: Pattern::new(text, any_case)?,
        not,
        to: (to != "-").then(|| to.to_owned()),
        flags: flags_read,
        target: None,
    })
}
