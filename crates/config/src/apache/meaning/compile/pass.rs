//! `ProxyPass` and where it leads.

use evenkeel_httpd::pattern::Pattern;
use evenkeel_httpd::site::{Matched, Pass, PassPath, Target};

use super::server::split_balancer;
use super::{Making, TargetOf};
use crate::apache::meaning::Told;
use crate::apache::meaning::sites::{MemberLine, Word, is_balancer, words};
use crate::apache::{Directive, Place as At};

impl Making {
    /// `ProxyPass [path] url [words]` and `ProxyPassMatch`; in a location the path is its own.
    pub(super) fn pass(
        &mut self,
        directive: &Directive,
        within: Option<&Matched>,
        scope: usize,
        told: &mut Told,
    ) -> Option<Pass> {
        let (at, mut args) = (&directive.at, &directive.args[..]);
        let mut is_match = directive.canonical == "ProxyPassMatch";
        let path = match within {
            Some(Matched::Start(path)) => PassPath::Start(path.clone()),
            // A location by pattern: only with its groups, or as a match of its own.
            Some(Matched::Found(pattern)) => PassPath::Found(pattern.clone(), true),
            // httpd compares the pattern itself with the path, so it never matches.
            Some(Matched::Shell(pattern)) => PassPath::Start(pattern.clone()),
            None => {
                let (first, rest) = args.split_first()?;
                args = rest;
                let mut text = &*first.text;
                if text == "~" {
                    let (second, rest) = args.split_first()?;
                    (text, args, is_match) = (&second.text, rest, true);
                }
                match is_match {
                    false => PassPath::Start(text.to_owned()),
                    true => match Pattern::new(text, false) {
                        Ok(pattern) => PassPath::Found(pattern, false),
                        Err(why) => {
                            told.error(at, format!("ProxyPassMatch {text}: {why}"), None);
                            return None;
                        }
                    },
                }
            }
        };
        let (url, rest) = args.split_first()?;
        self.names_path(&url.text, &path, directive, scope);
        let (mut words, flags) = words(rest, at);
        let mapping =
            words.iter().position(|word| word.key == "mapping").map(|at| words.remove(at));
        let has = |name: &str| flags.iter().any(|flag| flag.eq_ignore_ascii_case(name));
        let mapping = mapping.map(|word| word.value.to_ascii_lowercase()).unwrap_or_default();
        for flag in &flags {
            let known = ["nocanon", "interpolate", "noquery"];
            if !known.iter().any(|known| flag.eq_ignore_ascii_case(known)) {
                let help = format!("`{flag}` must be in the form key=value");
                told.error(at, format!("ProxyPass|ProxyPassMatch: {help}"), None);
            } else if flag.eq_ignore_ascii_case("interpolate") {
                told.warning(at, "`interpolate` has no effect yet".to_owned(), None);
            }
        }
        let to = match &*url.text {
            "!" => None,
            url => Some(self.target(url, words, scope, at, told)?),
        };
        let filled = to.as_ref().is_some_and(|to| to.path.contains('$'));
        let path = match path {
            PassPath::Found(pattern, of_location) => {
                if of_location && !filled && !is_match && to.is_some() {
                    let text = "such a ProxyPass in a location by pattern never matches".to_owned();
                    told.warning(at, text, Some("use ProxyPassMatch, or $1".to_owned()));
                    return None;
                }
                PassPath::Found(pattern, filled)
            }
            start => start,
        };
        let raw = has("nocanon");
        Some(Pass { path, to, raw, encoded: mapping == "encoded", servlet: mapping == "servlet" })
    }

    /// The path of a rule is shown with its balancer.
    fn names_path(&mut self, url: &str, path: &PassPath, line: &Directive, scope: usize) {
        if is_balancer(url) {
            self.balancer(url, scope).path = match path {
                PassPath::Start(path) => Some(path.clone()),
                PassPath::Found(..) => line.args.first().map(|arg| arg.text.clone()),
            };
        }
    }

    /// A URL as a target. Words on a rule to a balancer are the balancer's.
    pub(super) fn target(
        &mut self,
        url: &str,
        words: Vec<Word>,
        scope: usize,
        at: &At,
        told: &mut Told,
    ) -> Option<Target> {
        let (of, url, path) = if is_balancer(url) {
            let (name, path) = split_balancer(url);
            if name.contains('$') {
                told.not_yet(at, "a balancer that depends on the request");
                return None;
            }
            let scoped = self.balancer(url, scope);
            scoped.defined |= !words.is_empty();
            scoped.balancer.words.extend(words);
            let whole = format!("balancer://{name}{path}");
            (TargetOf::Balancer(scope, name), whole, path.to_owned())
        } else {
            let plain = url.split_once('|').map_or(url, |(_, rest)| rest);
            let after = plain.find("://").map(|at| at + 3);
            let Some(after) = after else {
                told.error(at, format!("`{url}` is no URL"), Some("write http://host:port".into()));
                return None;
            };
            let ends = |text: &str| text.find(['/', '$']).into_iter().chain(text.find("%{")).min();
            let slash = ends(&plain[after..]).map_or(plain.len(), |slash| after + slash);
            let path = &plain[slash..];
            // `http://b$1` is fine when the group begins with a slash; `http://$1` and
            // `http://b$1.example/` name hosts.
            let more = path.strip_prefix('$').and_then(|rest| rest.chars().nth(1));
            if slash == after || more.is_some_and(|next| next != '/') {
                told.not_yet(at, "a host that depends on the request");
                return None;
            }
            let line =
                MemberLine { url: url[..url.len() - path.len()].to_owned(), words, at: at.clone() };
            self.workers.push((line, plain.to_owned(), scope));
            let of = TargetOf::Worker(self.workers.len() - 1);
            (of, plain.to_owned(), path.to_owned())
        };
        self.targets.push(of);
        // Positions of route and pool are filled in when all are known.
        let route = self.targets.len() - 1;
        Some(Target { route, balancer: 0, url, path })
    }
}
