//! What no single value can tell: references and conflicts. The door that made the plan knows
//! where each thing was written, so a [`Problem`] names a [`Place`] and the door adds the line.

use std::collections::HashSet;
use std::hash::Hash;

use crate::{BindAddress, Name, Plan, Protocol};

mod acme;
mod layer4;
mod tls;

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
    /// `plan.acme[i]`
    Acme(usize),
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
    let pools = Names::new("pool", plan.pools.iter().map(|pool| &pool.name));
    listeners(plan, &pools, &mut problems);
    routes(plan, &pools, &mut problems);
    members(plan, &mut problems);
    layer4::check(plan, &mut problems);
    tls::check(plan, &mut problems);
    acme::check(plan, &mut problems);
    problems
}

fn unique_names(plan: &Plan, problems: &mut Vec<Problem>) {
    let mut all: Vec<(Place, &'static str, &Name)> = Vec::new();
    all.extend(
        plan.listeners.iter().enumerate().map(|(i, l)| (Place::Listener(i), "listener", &l.name)),
    );
    all.extend(plan.acme.iter().enumerate().map(|(i, a)| (Place::Acme(i), "authority", &a.name)));
    all.extend(plan.routes.iter().enumerate().map(|(i, r)| (Place::Route(i), "route", &r.name)));
    all.extend(plan.pools.iter().enumerate().map(|(i, p)| (Place::Pool(i), "pool", &p.name)));
    for (place, what, name) in repeated(all, |(_, what, name)| (*what, (*name).clone())) {
        problems.push(Problem {
            place,
            field: "name",
            message: match what {
                "authority" => format!("two authorities are named \"{name}\""),
                what => format!("two {what}s are named \"{name}\""),
            },
            help: None,
        });
    }
}

fn listeners(plan: &Plan, pools: &Names<'_>, problems: &mut Vec<Problem>) {
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
    // A route that names no listener is for those that speak HTTP.
    let everywhere = plan.routes.iter().any(|route| route.listeners.is_empty());
    let routed: HashSet<&Name> = plan.routes.iter().flat_map(|route| &route.listeners).collect();
    let mut binds: Vec<(Place, bool, &BindAddress)> = Vec::new();
    for (i, listener) in plan.listeners.iter().enumerate() {
        let place = Place::Listener(i);
        let udp = listener.protocol == Protocol::Udp;
        binds.extend(listener.bind.iter().map(|b| (place, udp, b)));
        if let Some(pool) = &listener.pool {
            pools.know(pool, place, "pool", problems);
        }
        let everywhere =
            (everywhere || plan.sites.is_some()) && listener.protocol == Protocol::Http;
        let udp = listener.protocol == Protocol::Udp;
        let redirects = listener.redirect_https.is_some();
        if listener.pool.is_none()
            && !everywhere
            && !redirects
            && (udp || !routed.contains(&listener.name))
        {
            let (lacks, add) = match udp {
                true => ("has no pool", "add pool = \"NAME\""),
                false => (
                    "has neither a pool nor a route",
                    "add pool = \"NAME\", or a [[route]] for this listener",
                ),
            };
            problems.push(Problem {
                place,
                field: "pool",
                message: format!("listener \"{}\" {lacks}", listener.name),
                help: Some(add.to_owned()),
            });
        }
    }
    if let Some(admin) = &plan.admin {
        binds.push((Place::Plan, false, &admin.bind));
    }
    let fixed = |b: &BindAddress| !matches!(b, BindAddress::Socket(s) if s.port() == 0);
    binds.retain(|(_, _, bind)| fixed(bind));
    for (place, _, bind) in repeated(binds, |(_, udp, bind)| (*udp, (*bind).clone())) {
        problems.push(Problem {
            place,
            field: "bind",
            message: format!("{bind} is bound twice"),
            help: None,
        });
    }
}

fn routes(plan: &Plan, pools: &Names<'_>, problems: &mut Vec<Problem>) {
    let listeners = Names::new("listener", plan.listeners.iter().map(|listener| &listener.name));
    for (i, route) in plan.routes.iter().enumerate() {
        let place = Place::Route(i);
        let field = match route.action {
            crate::Action::Split(_) => "split",
            _ => "pool",
        };
        for pool in route.action.pools() {
            pools.know(pool, place, field, problems);
        }
        for name in &route.listeners {
            listeners.know(name, place, "listeners", problems);
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

/// Problems that get a suggestion; with thousands of names each takes a while.
const SUGGESTED_MAX: usize = 100;

/// The names that a reference may name.
struct Names<'p> {
    what: &'static str,
    names: HashSet<&'p Name>,
    /// The same in file order, so that suggestions do not change from run to run.
    ordered: Vec<&'p Name>,
}

impl<'p> Names<'p> {
    fn new(what: &'static str, names: impl Iterator<Item = &'p Name>) -> Names<'p> {
        let ordered: Vec<&Name> = names.collect();
        Names { what, names: ordered.iter().copied().collect(), ordered }
    }

    /// Reports a name that is not among them.
    fn know(&self, name: &Name, place: Place, field: &'static str, problems: &mut Vec<Problem>) {
        if self.names.contains(name) {
            return;
        }
        let message = format!("no {} is named \"{name}\"", self.what);
        let help = match problems.len() {
            0..SUGGESTED_MAX => nearest(name, self.ordered.iter().map(|known| known.as_str())),
            _ => None,
        };
        let help = help.map(|near| format!("did you mean \"{near}\"?"));
        problems.push(Problem { place, field, message, help });
    }
}

/// Those whose key an earlier one has.
fn repeated<T, K: Eq + Hash>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| !seen.insert(key(item))).collect()
}

/// The candidate that differs least from the text, if the difference is small enough to be a slip
/// (a third of its letters, at least one; transposed letters count once).
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = letters(text);
    let limit = (text.len() / 3).max(1);
    // The distance is at least the difference in length, which is quicker to see.
    let near = |c: &&str| c.chars().take(LETTERS_MAX).count().abs_diff(text.len()) <= limit;
    let scored = candidates.filter(near).map(|c| (distance(&text, &letters(c)), c));
    let scored = scored.filter(|(d, _)| *d <= limit);
    scored.min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Letters of a word that are compared.
const LETTERS_MAX: usize = 64;

/// Optimal string alignment distance (transposed letters count once).
fn distance(a: &[char], b: &[char]) -> usize {
    // Three rows of the table: the one being filled and the two above it.
    let mut above: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, other) in b.iter().enumerate() {
            let change = last[j] + usize::from(letter != other);
            let mut best = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                best = best.min(above[j - 1] + 1);
            }
            row.push(best);
        }
        above = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

fn letters(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).take(LETTERS_MAX).collect()
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
        assert_eq!(nearest("POLICY", words.into_iter()), Some("policy"));
        assert_eq!(nearest("xyz", words.into_iter()), None);
        assert_eq!(nearest("", words.into_iter()), None);
        let long = "long-".repeat(50);
        assert_eq!(nearest(&long, [long.as_str()].into_iter()), Some(long.as_str()));
    }

    #[test]
    fn thousands_of_slips_are_found_in_a_moment() {
        let mut plan = plan();
        plan.pools = (0..5000).map(|n| Pool::new(name(&format!("pool-number-{n}")))).collect();
        let listener = plan.listeners[0].clone();
        plan.listeners = (0..5000)
            .map(|n| Listener {
                name: name(&format!("listener-{n}")),
                bind: Vec::new(),
                pool: Some(name(&format!("pool-nmuber-{n}"))),
                ..listener.clone()
            })
            .collect();
        let problems = check(&plan);
        assert_eq!(problems.len(), 5000);
        assert_eq!(problems[7].help.as_deref(), Some("did you mean \"pool-number-7\"?"));
        assert_eq!(problems[4999].help, None);
    }
}
