//! What no single part can tell: problems between parts, and what can be served but is probably
//! not meant.

use std::collections::HashSet;

use evenkeel_plan::check::{self, Place, Problem};
use evenkeel_plan::{Action, HashKey, Name, Policy, Route};

use super::{At, Loaded, Loading};
use crate::diagnostic::{Diagnostic, Severity};
use crate::native::row;

/// Diagnostics that are told; further ones are counted.
const DIAGNOSTICS_MAX: usize = 100;

impl Loading<'_> {
    pub(super) fn finish(mut self) -> Loaded {
        let problems = check::check(&self.plan);
        let told: Vec<Diagnostic> = problems
            .iter()
            .filter(|problem| !self.follows(problem, &problems))
            .map(|problem| self.diagnostic(problem))
            .collect();
        self.diagnostics.extend(told);
        if !self.failed() {
            let warnings = self.warnings();
            self.diagnostics.extend(warnings);
        }
        self.diagnostics.sort_by_key(|d| (d.severity == Severity::Warning, d.file, d.span.start));
        let beyond = self.diagnostics.len().saturating_sub(DIAGNOSTICS_MAX);
        let plan = (!self.failed()).then_some(self.plan);
        if beyond > 0 {
            self.diagnostics.truncate(DIAGNOSTICS_MAX);
            let more = format!("and {beyond} more like these");
            let last = self.diagnostics.last().cloned();
            self.diagnostics.extend(last.map(|last| Diagnostic { message: more, ..last }));
        }
        Loaded { plan, diagnostics: self.diagnostics, sources: self.sources, files: self.files }
    }

    fn failed(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether the problem only follows from an error that is told anyway.
    fn follows(&self, problem: &Problem, all: &[Problem]) -> bool {
        if self.incomplete {
            return true;
        }
        let nameless = |wanted: fn(&Place) -> bool| self.nameless.iter().any(wanted);
        match (problem.place, problem.field) {
            (Place::Plan, "listener") => self.failed(),
            // Two listeners without names on one address: the address is what is wrong.
            (place, "name") => {
                self.nameless.contains(&place)
                    || self.key(place, "name").is_none()
                        && all.iter().any(|other| other.place == place && other.field == "bind")
            }
            (Place::Listener(at), "pool") => {
                let written = self.key(problem.place, "pool").is_some();
                match self.plan.listeners.get(at).is_some_and(|l| l.pool.is_some()) {
                    true => nameless(|place| matches!(place, Place::Pool(_))),
                    false => written || nameless(|place| matches!(place, Place::Listener(_))),
                }
            }
            (_, "pool") => nameless(|place| matches!(place, Place::Pool(_))),
            (_, "listeners") => nameless(|place| matches!(place, Place::Listener(_))),
            _ => false,
        }
    }

    /// Where a key of a part stands.
    fn key(&self, place: Place, field: &str) -> Option<At> {
        let ((file, _), keys) = self.places.get(&place)?;
        row::place(keys, field).map(|span| (*file, span))
    }

    /// Where a key of a part stands, or else its header.
    fn at(&self, place: Place, field: &str) -> At {
        let header = || match place {
            Place::Plan => None,
            _ => self.places.get(&place).map(|(at, _)| at.clone()),
        };
        self.key(place, field).or_else(header).unwrap_or((0, 0..0))
    }

    /// Of a place with several values, the one that is named.
    fn one(&self, (file, span): At, value: &str) -> At {
        let quoted = format!("\"{value}\"");
        let text = self.sources.text(file).get(span.clone()).unwrap_or_default();
        match text.find(&quoted) {
            Some(at) => (file, span.start + at..span.start + at + quoted.len()),
            None => (file, span),
        }
    }

    fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let at = self.at(problem.place, problem.field);
        let (file, span) = match problem.field {
            // Each message names the value: `X is bound twice`, `no listener is named "X"`.
            "bind" => self.one(at, problem.message.split(' ').next().unwrap_or_default()),
            "listeners" => self.one(at, problem.message.split('"').nth(1).unwrap_or_default()),
            _ => at,
        };
        let first = self.first(problem).filter(|first| *first != problem.place);
        let other = first.map(|first| {
            let at = self.line(&self.at(first, problem.field));
            format!("the other stands at {at}")
        });
        let help = match (&problem.help, other) {
            (Some(help), Some(other)) => Some(format!("{other}; {help}")),
            (help, other) => {
                help.clone().or(other).or_else(|| self.known(problem.field, &problem.message))
            }
        };
        Diagnostic {
            severity: Severity::Error,
            file,
            span,
            message: self.twice(problem).unwrap_or_else(|| problem.message.clone()),
            label: String::new(),
            help,
        }
    }

    /// The names there are, when one is asked for that is not.
    fn known(&self, field: &str, message: &str) -> Option<String> {
        let pools = || self.plan.pools.iter().map(|pool| &pool.name);
        let (what, names): (&str, Vec<&Name>) = match field {
            "pool" if message.starts_with("no pool is named") => ("pools", pools().collect()),
            "listeners" => ("listeners", self.plan.listeners.iter().map(|l| &l.name).collect()),
            _ => return None,
        };
        if names.is_empty() {
            return Some(format!("there are no {what}"));
        }
        let some: Vec<&str> = names.iter().take(8).map(|name| name.as_str()).collect();
        let more = if names.len() > some.len() { ", …" } else { "" };
        Some(format!("the {what} are: {}{more}", some.join(", ")))
    }

    /// Two members have one tag because they have one address: that is what to say.
    fn twice(&self, problem: &Problem) -> Option<String> {
        let (Place::Member(pool, at), Some(Place::Member(_, first))) =
            (problem.place, self.first(problem))
        else {
            return None;
        };
        let pool = self.plan.pools.get(pool)?;
        let address = &pool.members.get(at)?.address;
        let same = pool.members.get(first)?.address == *address;
        same.then(|| format!("{address} stands twice in pool \"{}\"", pool.name))
    }

    /// Of two that are the same where they may not: the first.
    fn first(&self, problem: &Problem) -> Option<Place> {
        let plan = &self.plan;
        match (problem.place, problem.field) {
            (Place::Listener(at), "name") => {
                let name = &plan.listeners.get(at)?.name;
                plan.listeners.iter().position(|l| l.name == *name).map(Place::Listener)
            }
            (Place::Route(at), "name") => {
                let name = &plan.routes.get(at)?.name;
                plan.routes.iter().position(|r| r.name == *name).map(Place::Route)
            }
            (Place::Pool(at), "name") => {
                let name = &plan.pools.get(at)?.name;
                plan.pools.iter().position(|p| p.name == *name).map(Place::Pool)
            }
            (Place::Member(pool, at), "tag") => {
                let members = &plan.pools.get(pool)?.members;
                let tag = &members.get(at)?.tag;
                let first = members.iter().position(|m| m.tag == *tag)?;
                Some(Place::Member(pool, first))
            }
            (_, "bind") => {
                let mut listeners = plan.listeners.iter();
                let same = |bind: &evenkeel_plan::BindAddress| {
                    problem.message.strip_prefix(&bind.to_string()).is_some()
                };
                listeners.position(|l| l.bind.iter().any(same)).map(Place::Listener)
            }
            _ => None,
        }
    }

    /// What can be served, but is probably not meant.
    fn warnings(&self) -> Vec<Diagnostic> {
        let mut found: Vec<(Place, &str, String)> = Vec::new();
        self.idle_pools(&mut found);
        self.hidden_routes(&mut found);
        self.idle_hash_keys(&mut found);
        let diagnostic = |(place, field, message): (Place, &str, String)| {
            let (file, span) = self.at(place, field);
            let (label, help) = (String::new(), None);
            Diagnostic { severity: Severity::Warning, file, span, message, label, help }
        };
        found.into_iter().map(diagnostic).collect()
    }

    fn idle_pools(&self, found: &mut Vec<(Place, &'static str, String)>) {
        let listeners = self.plan.listeners.iter().filter_map(|listener| listener.pool.as_ref());
        let routes = self.plan.routes.iter().filter_map(|route| match &route.action {
            Action::Pool(pool) => Some(pool),
            _ => None,
        });
        let used: HashSet<&Name> = listeners.chain(routes).collect();
        for (at, pool) in self.plan.pools.iter().enumerate() {
            let place = Place::Pool(at);
            if !used.contains(&pool.name) {
                let message = format!("no listener and no route uses pool \"{}\"", pool.name);
                found.push((place, "name", message));
            }
            if pool.members.is_empty() {
                let message = format!("pool \"{}\" has no members: it answers 503", pool.name);
                found.push((place, "members", message));
            }
        }
    }

    fn idle_hash_keys(&self, found: &mut Vec<(Place, &'static str, String)>) {
        for (at, pool) in self.plan.pools.iter().enumerate() {
            let hashes = matches!(pool.policy, Policy::RingHash | Policy::Maglev);
            if pool.hash_key != HashKey::Client && !hashes {
                let word = pool.policy.name();
                let message = format!(
                    "`hash_key` has no effect with policy {word}: ring-hash and maglev use it"
                );
                found.push((Place::Pool(at), "hash_key", message));
            }
        }
    }

    fn hidden_routes(&self, found: &mut Vec<(Place, &'static str, String)>) {
        let routes = &self.plan.routes;
        for (at, route) in routes.iter().enumerate() {
            let Some(earlier) = routes[..at].iter().find(|earlier| covers(earlier, route)) else {
                continue;
            };
            let message = format!(
                "route \"{}\" never matches: \"{}\" before it takes all its requests",
                route.name, earlier.name
            );
            found.push((Place::Route(at), "name", message));
        }
    }
}

/// Whether the earlier route takes every request of the later one. Only what is plain to see: a
/// condition that is absent, or the same.
fn covers(earlier: &Route, later: &Route) -> bool {
    (earlier.listeners.is_empty() || earlier.listeners == later.listeners)
        && (earlier.hosts.is_empty() || earlier.hosts == later.hosts)
        && (earlier.paths.is_empty() || earlier.paths == later.paths)
        && (earlier.methods.is_empty() || earlier.methods == later.methods)
}
