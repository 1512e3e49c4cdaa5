//! `Require`.

use evenkeel_httpd::access::Access;
use evenkeel_httpd::expr::expression;
use evenkeel_httpd::network::Network;

use super::Making;
use crate::apache::meaning::{Fate, Told};
use crate::apache::{Directive, Node, Section};

impl Making {
    /// `<RequireAll>`, `<RequireAny>`, `<RequireNone>`.
    pub(super) fn access_section(&mut self, section: &Section, told: &mut Told) -> Option<Access> {
        let mut rules = Vec::new();
        for node in &section.nodes {
            match node {
                Node::Directive(directive) => match require(directive, told) {
                    Some(rule) => {
                        told.fate(directive, Fate::Honoured);
                        rules.extend(rule);
                    }
                    None => told.unused(directive),
                },
                Node::Section(section) => rules.extend(self.access_section(section, told)),
            }
        }
        match &*section.canonical {
            "RequireAll" => Some(Access::Each(rules)),
            "RequireAny" => Some(Access::Any(rules)),
            "RequireNone" => Some(Access::None(rules)),
            _ => {
                told.not_yet(&section.at, &format!("<{}> here", section.name));
                None
            }
        }
    }
}

/// A `Require` line; outer `None` when it is none.
pub(super) fn require(directive: &Directive, told: &mut Told) -> Option<Option<Access>> {
    if directive.canonical != "Require" {
        return None;
    }
    let at = &directive.at;
    let mut words: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let not = words.first().is_some_and(|word| word.eq_ignore_ascii_case("not"));
    if not {
        words.remove(0);
    }
    let kind = words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let rest = words.get(1..).unwrap_or_default();
    let texts = || rest.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let rule = match (&*kind, rest) {
        ("all", [word]) => Access::All(word.eq_ignore_ascii_case("granted")),
        ("local", []) => Access::Local,
        ("ip", networks) => {
            let mut known = Vec::new();
            for text in networks {
                match Network::read(text) {
                    Some(network) => known.push(network),
                    None => {
                        told.error(at, format!("ip address '{text}' appears to be invalid"), None)
                    }
                }
            }
            Access::From(known)
        }
        ("host" | "forward-dns", _) => {
            let text = format!("Require {kind}: names of clients are not looked up; nobody is");
            told.warning(at, text, Some("name their networks with Require ip".to_owned()));
            Access::Never
        }
        ("method", _) => Access::Method(texts()),
        ("env", _) => Access::Env(texts()),
        ("expr", _) => {
            let text = directive.raw_args.trim();
            let at_expr = text.find("expr").map_or(0, |at| at + 4);
            let text = text[at_expr..].trim();
            let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
            match expression(text) {
                Ok(expr) => Access::Expr(expr),
                Err(why) => {
                    told.error(at, format!("Require expr: {why}"), None);
                    Access::Never
                }
            }
        }
        _ => {
            told.not_yet(at, &format!("Require {kind}"));
            return Some(None);
        }
    };
    Some(Some(if not { Access::Not(Box::new(rule)) } else { rule }))
}
