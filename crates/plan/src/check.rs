//! What no single value can tell: references and conflicts. The door that made the plan knows
//! where each thing was written, so a [`Problem`] names a [`Place`] and the door adds the line.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::{Action, BindAddress, Name, Plan};

/// Something wrong between two parts of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What it is about.
    pub place: Place,
    /// The key in that place, as configuration spells it.
    pub field: &'static str,
    /// What is wrong, in words.
    pub message: String,
    /// The nearest right thing, if one is near.
    pub help: Option<String>,
}

/// A part of a plan, by position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// The plan as a whole.
    Plan,
    /// `plan.listeners[i]`
    Listener(usize),
    /// `plan.routes[i]`
    Route(usize),
    /// `plan.pools[i]`
    Pool(usize),
    /// `plan.pools[i].members[j]`
    Member(usize, usize),
}

/// Every problem of the plan, in file order of the places; empty when it can be served.
pub fn check(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    unique_names(plan, &mut problems);
    listeners(plan, &mut problems);
    routes(plan, &mut problems);
    members(plan, &mut problems);
    problems
}

fn unique_names(plan: &Plan, problems: &mut Vec<Problem>) {
    let mut all: Vec<(Place, &'static str, &Name)> = Vec::new();
    all.extend(
        plan.listeners.iter().enumerate().map(|(i, l)| (Place::Listener(i), "listener", &l.name)),
    );
    all.extend(plan.routes.iter().enumerate().map(|(i, r)| (Place::Route(i), "route", &r.name)));
    all.extend(plan.pools.iter().enumerate().map(|(i, p)| (Place::Pool(i), "pool", &p.name)));
    for (place, what, name) in repeated(all, |(_, what, name)| (*what, (*name).clone())) {
        problems.push(Problem {
            place,
            field: "name",
            message: format!("two {what}s are named \"{name}\""),
            help: None,
        });
    }
}

fn listeners(plan: &Plan, problems: &mut Vec<Problem>) {
    if plan.listeners.is_empty() {
        problems.push(Problem {
            place: Place::Plan,
            field: "listener",
            message: "no listener: nothing would be served".to_owned(),
            help: Some(
                "add [[listener]] with bind = \"0.0.0.0:8080\" and pool = \"NAME\"".to_owned(),
            ),
        });
    }
    let mut binds: Vec<(Place, &BindAddress)> = Vec::new();
    for (i, listener) in plan.listeners.iter().enumerate() {
        let place = Place::Listener(i);
        binds.extend(listener.bind.iter().map(|b| (place, b)));
        if let Some(pool) = &listener.pool {
            known_pool(plan, place, pool, problems);
        }
        let routed = plan
            .routes
            .iter()
            .any(|r| r.listeners.is_empty() || r.listeners.contains(&listener.name));
        if listener.pool.is_none() && !routed {
            problems.push(Problem {
                place,
                field: "pool",
                message: format!("listener \"{}\" has neither a pool nor a route", listener.name),
                help: Some("add pool = \"NAME\", or a [[route]] for this listener".to_owned()),
            });
        }
    }
    if let Some(admin) = &plan.admin {
        binds.push((Place::Plan, &admin.bind));
    }
    let fixed = |b: &BindAddress| !matches!(b, BindAddress::Socket(s) if s.port() == 0);
    binds.retain(|(_, bind)| fixed(bind));
    for (place, bind) in repeated(binds, |(_, bind)| (*bind).clone()) {
        problems.push(Problem {
            place,
            field: "bind",
            message: format!("{bind} is bound twice"),
            help: None,
        });
    }
}

fn routes(plan: &Plan, problems: &mut Vec<Problem>) {
    for (i, route) in plan.routes.iter().enumerate() {
        let place = Place::Route(i);
        if let Action::Pool(pool) = &route.action {
            known_pool(plan, place, pool, problems);
        }
        for name in &route.listeners {
            if plan.listener(name).is_none() {
                let names = plan.listeners.iter().map(|l| &l.name);
                problems.push(unknown(place, "listeners", "listener", name, names));
            }
        }
    }
}

fn members(plan: &Plan, problems: &mut Vec<Problem>) {
    for (i, pool) in plan.pools.iter().enumerate() {
        let tags =
            pool.members.iter().enumerate().map(|(j, m)| (Place::Member(i, j), &m.tag)).collect();
        for (place, tag) in repeated(tags, |(_, tag)| (*tag).clone()) {
            problems.push(Problem {
                place,
                field: "tag",
                message: format!("two members of pool \"{}\" have the tag \"{tag}\"", pool.name),
                help: Some("give each member its own tag, or list the address once".to_owned()),
            });
        }
        if pool.members.len() > usize::from(u16::MAX) {
            problems.push(Problem {
                place: Place::Pool(i),
                field: "member",
                message: format!("{} members; a pool has at most 65535", pool.members.len()),
                help: None,
            });
        }
    }
}

fn known_pool(plan: &Plan, place: Place, pool: &Name, problems: &mut Vec<Problem>) {
    if plan.pool(pool).is_none() {
        problems.push(unknown(place, "pool", "pool", pool, plan.pools.iter().map(|p| &p.name)));
    }
}

fn unknown<'a>(
    place: Place,
    field: &'static str,
    what: &str,
    name: &Name,
    names: impl Iterator<Item = &'a Name>,
) -> Problem {
    let help =
        nearest(name, names.map(Name::as_str)).map(|near| format!("did you mean \"{near}\"?"));
    Problem { place, field, message: format!("no {what} is named \"{name}\""), help }
}

/// Those whose key an earlier one has.
fn repeated<T, K: Eq + Hash>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| !seen.insert(key(item))).collect()
}

/// The candidate that differs least from the text, if the difference is small enough to be a slip
/// (a third of its letters, at least one; transposed letters count once).
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (text.chars().count() / 3).max(1);
    let scored = candidates.map(|c| (distance(text, c), c)).filter(|(d, _)| *d <= limit);
    scored.min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Optimal string alignment distance, letters compared without case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut cells: HashMap<(usize, usize), usize> = HashMap::new();
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = |i: usize, j: usize| cells.get(&(i, j)).copied().unwrap_or(0);
            let mut best = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let change = usize::from(a[i - 1] != b[j - 1]);
                    (at(i - 1, j) + 1).min(at(i, j - 1) + 1).min(at(i - 1, j - 1) + change)
                }
            };
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(at(i - 2, j - 2) + 1);
            }
            cells.insert((i, j), best);
        }
    }
    cells.get(&(a.len(), b.len())).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Listener, Member, Pool};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn plan() -> Plan {
        let mut listener = Listener::new(name("web"), vec!["127.0.0.1:80".parse().unwrap()]);
        listener.pool = Some(name("app"));
        let mut pool = Pool::new(name("app"));
        pool.members.push(Member::new("10.0.0.1:80".parse().unwrap()));
        Plan { listeners: vec![listener], pools: vec![pool], ..Plan::default() }
    }

    #[test]
    fn a_sound_plan_has_no_problems() {
        assert_eq!(check(&plan()), []);
    }

    #[test]
    fn an_unknown_pool_is_found_and_the_near_one_named() {
        let mut plan = plan();
        plan.listeners[0].pool = Some(name("ap"));
        let problems = check(&plan);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place, Place::Listener(0));
        assert_eq!(problems[0].help.as_deref(), Some("did you mean \"app\"?"));
    }

    #[test]
    fn repeated_names_addresses_and_tags_are_found() {
        let mut plan = plan();
        plan.listeners.push(plan.listeners[0].clone());
        let member = plan.pools[0].members[0].clone();
        plan.pools[0].members.push(member);
        let fields: Vec<_> = check(&plan).iter().map(|p| (p.place, p.field)).collect();
        let expected = [
            (Place::Listener(1), "name"),
            (Place::Listener(1), "bind"),
            (Place::Member(0, 1), "tag"),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn slips_find_their_word() {
        let words = ["policy", "members", "affinity"];
        assert_eq!(nearest("polcy", words.into_iter()), Some("policy"));
        assert_eq!(nearest("memebrs", words.into_iter()), Some("members"));
        assert_eq!(nearest("xyz", words.into_iter()), None);
    }
}
