//! `Require`, `<Limit>`, and `Order`, `Allow`, `Deny`, `Satisfy`.

use evenkeel_httpd::access::{Access, Merging, Methods, Old, Order, Who};
use evenkeel_httpd::expr::expression;
use evenkeel_httpd::network::Network;
use evenkeel_httpd::site::Place;

use super::Making;
use crate::apache::meaning::{Fate, Told};
use crate::apache::{Directive, Node, Place as At, Section};

/// What a section says about who may come, while it is read.
#[derive(Default)]
pub(super) struct Admission {
    rules: Vec<Access>,
    old: Option<Old>,
    /// The methods of the `<Limit>` that is being read.
    pub(super) methods: Option<Methods>,
}

impl Admission {
    /// Takes a rule that stands in a section of its own, or in none.
    pub(super) fn add(&mut self, rule: Access, at: &At, told: &mut Told) {
        of_use(&rule, "RequireAny", at, told);
        self.rules.push(match &self.methods {
            Some(methods) => Access::Limited(methods.clone(), Box::new(rule)),
            None => rule,
        });
    }

    /// Reads a line; false when it says nothing about this.
    pub(super) fn line(
        &mut self,
        directive: &Directive,
        place: &mut Place,
        told: &mut Told,
    ) -> bool {
        let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
        let at = &directive.at;
        match (&*directive.canonical, &args[..]) {
            ("AuthMerging", [word]) => {
                place.merging = match &*word.to_ascii_lowercase() {
                    "off" => Some(Merging::Off),
                    "and" => Some(Merging::And),
                    "or" => Some(Merging::Or),
                    _ => {
                        let text = "AuthMerging must be one of: Off | And | Or".to_owned();
                        told.error(at, text, None);
                        None
                    }
                };
            }
            // It matters to those who could log in.
            ("AuthzSendForbiddenOnFailure", _) => {}
            ("Order" | "Satisfy" | "Allow" | "Deny", _) => {
                if let Err(why) = self.old_line(&directive.canonical, &args) {
                    told.error(at, why, None);
                }
                let hosts = args.iter().skip(1).any(|word| who(word) == Who::Never);
                if hosts && matches!(&*directive.canonical, "Allow" | "Deny") {
                    let text = "names of clients are not looked up; such a word is for nobody";
                    let help = Some("write their networks".to_owned());
                    told.warning(at, format!("{}: {text}", directive.name), help);
                }
            }
            _ => return false,
        }
        true
    }

    fn old_line(&mut self, name: &str, args: &[&str]) -> Result<(), String> {
        let methods = self.methods.clone();
        let old = self.old.get_or_insert_default();
        let first = args.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        match name {
            "Order" => old.orders.push(match &*first {
                "deny,allow" => (methods, Order::AllowLast),
                "allow,deny" => (methods, Order::DenyLast),
                "mutual-failure" => (methods, Order::Both),
                _ => return Err("unknown order; there are deny,allow and allow,deny".to_owned()),
            }),
            "Satisfy" => old.any.push(match &*first {
                "any" => (methods, true),
                "all" => (methods, false),
                _ => return Err("Satisfy either 'any' or 'all'.".to_owned()),
            }),
            _ if first != "from" || args.len() < 2 => {
                return Err("allow and deny must be followed by 'from'".to_owned());
            }
            _ => {
                let lines = args[1..].iter().map(|word| (methods.clone(), who(word)));
                match name {
                    "Allow" => old.allowed.extend(lines),
                    _ => old.denied.extend(lines),
                }
            }
        }
        Ok(())
    }

    /// What it comes to.
    pub(super) fn settle(self, place: &mut Place) {
        if !self.rules.is_empty() {
            place.access = Some(Access::Any(self.rules).into());
        }
        place.old_access = self.old.map(Into::into);
    }
}

/// Whom `Allow from` and `Deny from` name.
fn who(word: &str) -> Who {
    let env = word.get(..4).filter(|start| start.eq_ignore_ascii_case("env=")).map(|_| &word[4..]);
    match env {
        Some(name) => match name.strip_prefix('!') {
            Some(name) => Who::Env(name.to_owned(), false),
            None => Who::Env(name.to_owned(), true),
        },
        None if word.eq_ignore_ascii_case("all") => Who::All,
        None => Network::read(word).map_or(Who::Never, Who::From),
    }
}

/// A refusal alone lets nobody in, so httpd takes it for a mistake.
fn of_use(rule: &Access, section: &str, at: &At, told: &mut Told) {
    if rule.only_refuses() {
        let what = match rule {
            Access::None(_) => "<RequireNone>",
            _ => "negative Require",
        };
        let text = format!("{what} directive has no effect in <{section}> directive");
        let help = "put it into <RequireAll> beside `Require all granted`".to_owned();
        told.error(at, text, Some(help));
    }
}

/// The methods of `<Limit>` or `<LimitExcept>`.
pub(super) fn methods(section: &Section, told: &mut Told) -> Methods {
    let names: Vec<String> = section.args.iter().map(|arg| arg.text.clone()).collect();
    if names.iter().any(|name| name == "TRACE") {
        let text = "TRACE cannot be controlled by <Limit>, see TraceEnable".to_owned();
        told.error(&section.at, text, None);
    }
    Methods { names, except: section.canonical == "LimitExcept" }
}

impl Making {
    /// `<RequireAll>`, `<RequireAny>`, `<RequireNone>`.
    pub(super) fn access_section(&mut self, section: &Section, told: &mut Told) -> Option<Access> {
        let mut rules = Vec::new();
        for node in &section.nodes {
            match node {
                Node::Directive(directive) => match require(directive, told) {
                    Some(rule) => {
                        told.fate(directive, Fate::Honoured);
                        rules.extend(rule.map(|rule| (rule, &directive.at)));
                    }
                    None => told.unused(directive),
                },
                Node::Section(inner) => {
                    rules.extend(self.access_section(inner, told).map(|rule| (rule, &inner.at)));
                }
            }
        }
        if section.canonical == "RequireAll" {
            if !rules.is_empty() && rules.iter().all(|(rule, _)| rule.only_refuses()) {
                let text = "<RequireAll> directive contains only negative authorization directives";
                let help = "put `Require all granted` beside them".to_owned();
                told.error(&section.at, text.to_owned(), Some(help));
            }
        } else {
            rules.iter().for_each(|(rule, at)| of_use(rule, &section.canonical, at, told));
        }
        let rules = rules.into_iter().map(|(rule, _)| rule).collect();
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
        ("all", [word]) if word.eq_ignore_ascii_case("granted") => Access::All(true),
        ("all", [word]) if word.eq_ignore_ascii_case("denied") => Access::All(false),
        ("all", _) => {
            let text = "Argument for 'Require all' must be 'granted' or 'denied'".to_owned();
            told.error(at, text, None);
            Access::Never
        }
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
