//! What no single part can tell: problems between parts.

use evenkeel_plan::check::{self, Place, Problem};
use evenkeel_plan::{Address, BindAddress, Listener, Name, Protocol};

use super::{At, Loaded, Loading};
use crate::diagnostic::{Diagnostic, Severity};
use crate::native::{self, listener, row};

/// Diagnostics that are told; further ones are counted.
const DIAGNOSTICS_MAX: usize = 100;

impl Loading<'_> {
    pub(super) fn finish(mut self) -> Loaded {
        native::acme::settle(&mut self.plan);
        let problems = check::check(&self.plan);
        let told = problems
            .iter()
            .filter(|problem| !self.follows(problem, &problems))
            .map(|problem| self.diagnostic(problem));
        let told = once_a_range(told);
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
            // Those that stand there are wrong, which is told.
            (place, "tls") if problem.message.ends_with("without a certificate") => {
                self.key(place, "tls.certificates").is_some() && self.failed()
            }
            (_, "pool") => nameless(|place| matches!(place, Place::Pool(_))),
            (_, "listeners") => nameless(|place| matches!(place, Place::Listener(_))),
            _ => false,
        }
    }

    /// Where a key of a part stands.
    pub(super) fn key(&self, place: Place, field: &str) -> Option<At> {
        let ((file, _), keys) = self.places.get(&place)?;
        row::place(keys, field).map(|span| (*file, span))
    }

    /// Where a key of a part stands, or else its header.
    pub(super) fn at(&self, place: Place, field: &str) -> At {
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

    /// The very value that a problem is about.
    fn found(&self, problem: &Problem) -> At {
        let at = self.at(problem.place, problem.field);
        match (problem.place, problem.field) {
            // Each message names the value: `no listener is named "X"`, `listener "X" speaks …`.
            (_, "listeners") => self.one(at, problem.message.split('"').nth(1).unwrap_or_default()),
            (place @ Place::Listener(_), "bind") => {
                let unix = |bind: &&BindAddress| matches!(bind, BindAddress::Unix(_));
                let bind = bound_twice(problem)
                    .or_else(|| self.accepting(place)?.bind.iter().find(unix).cloned());
                bind.and_then(|bind| self.bound(place, &bind)).unwrap_or(at)
            }
            (Place::Pool(pool), "member") if problem.message.contains("unix socket") => {
                let members = self.plan.pools.get(pool).map(|pool| &pool.members);
                let unix = members.and_then(|members| {
                    members.iter().position(|m| matches!(m.address, Address::Unix(_)))
                });
                unix.map_or(at, |unix| self.at(Place::Member(pool, unix), "address"))
            }
            _ => at,
        }
    }

    /// Where an address of a listener stands; if twice, the second.
    fn bound(&self, place: Place, bind: &BindAddress) -> Option<At> {
        let ((file, _), keys) = self.places.get(&place)?;
        row::last_place(keys, &listener::bind_key(bind)).map(|span| (*file, span))
    }

    fn accepting(&self, place: Place) -> Option<&Listener> {
        match place {
            Place::Listener(at) => self.plan.listeners.get(at),
            _ => None,
        }
    }

    fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let (file, span) = self.found(problem);
        let first = self.first(problem).filter(|first| *first != problem.place);
        let other = first.map(|first| {
            let at = bound_twice(problem).and_then(|bind| self.bound(first, &bind));
            let at = self.line(&at.unwrap_or_else(|| self.at(first, problem.field)));
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
            (place, "bind") => {
                let udp = |listener: &Listener| listener.protocol == Protocol::Udp;
                let here = self.accepting(place).is_some_and(udp);
                let bind = bound_twice(problem)?;
                let same = |l: &Listener| udp(l) == here && l.bind.contains(&bind);
                plan.listeners.iter().position(same).map(Place::Listener)
            }
            (Place::Member(pool, at), "quic_id") => {
                let members = &plan.pools.get(pool)?.members;
                let id = members.get(at)?.quic_id.as_ref()?;
                let same = members.iter().position(|m| m.quic_id.as_ref() == Some(id));
                // The first of all, where the length is what is wrong.
                let first = || members.iter().position(|m| m.quic_id.is_some());
                let other = same.filter(|same| *same != at).or_else(first)?;
                Some(Place::Member(pool, other))
            }
            _ => None,
        }
    }
}

/// The address that a problem says is bound twice.
fn bound_twice(problem: &Problem) -> Option<BindAddress> {
    problem.message.strip_suffix(BOUND_TWICE)?.parse().ok()
}

/// What follows the address.
const BOUND_TWICE: &str = " is bound twice";

/// Two ranges that overlap have many addresses in common: the first says it for all.
fn once_a_range(told: impl Iterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut out: Vec<(Diagnostic, usize)> = Vec::new();
    for next in told {
        match out.last_mut() {
            Some((last, more))
                if last.message.ends_with(BOUND_TWICE)
                    && next.message.ends_with(BOUND_TWICE)
                    && (last.file, &last.span) == (next.file, &next.span) =>
            {
                *more += 1;
            }
            _ => out.push((next, 0)),
        }
    }
    let with_count = |(mut diagnostic, more): (Diagnostic, usize)| {
        if more > 0 {
            diagnostic.message.push_str(&format!(", and {more} more of this range"));
        }
        diagnostic
    };
    out.into_iter().map(with_count).collect()
}
