//! Which route takes a request. Compiled once per plan: the look-up walks the host's labels and
//! the path's segments through hash tables, so it does not grow with the number of routes (only
//! regular expressions are tried one by one, and only those that could still win).
//!
//! The rule is simple to say: *the first route in file order that matches wins*. Every table
//! therefore yields route numbers in file order, and the smallest one over all tables is taken.

mod conditions;
mod hosts;
mod paths;
mod server_names;

use evenkeel_plan::{HostMatch, Name, Route};

pub use conditions::Facts;
pub use server_names::{Miss, ServerName, ServerNames};

use conditions::Conditions;
use hosts::Hosts;
use paths::Paths;

/// The routes of one listener, indexed.
#[derive(Default)]
pub struct Router {
    hosts: Hosts<Paths>,
    any_host: Paths,
    /// What else each route asks for, by its number.
    further: Vec<Further>,
}

/// What a route asks for beside host and path.
struct Further {
    /// Empty: every method.
    methods: Box<[Box<str>]>,
    conditions: Option<Box<Conditions>>,
}

/// What a look-up depends on.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The host: lower case, without port and trailing dot; empty when the request names none.
    pub host: &'a [u8],
    /// The path after normalisation.
    pub path: &'a [u8],
    /// The method as sent.
    pub method: &'a [u8],
    /// Where conditions look; without it, none of them holds.
    pub facts: Option<Facts<'a>>,
}

/// A regular expression that does not compile within its limit.
#[derive(Debug)]
pub struct BadPattern {
    /// The route it belongs to.
    pub route: Name,
    /// The reason.
    pub reason: String,
}

impl Router {
    /// The routes that apply to the listener. Numbers are positions in `routes`.
    pub fn build(routes: &[Route], listener: &Name) -> Result<Router, BadPattern> {
        let mut router = Router {
            hosts: Hosts::default(),
            any_host: Paths::default(),
            further: Vec::with_capacity(routes.len()),
        };
        for (number, route) in (0_u32..).zip(routes) {
            let conditions = Conditions::compile(&route.conditions)
                .map_err(|reason| BadPattern { route: route.name.clone(), reason })?;
            let methods = route.methods.iter().map(|m| m.as_str().into()).collect();
            router.further.push(Further { methods, conditions: conditions.map(Box::new) });
            if !route.listeners.is_empty() && !route.listeners.contains(listener) {
                continue;
            }
            let bad = |reason| BadPattern { route: route.name.clone(), reason };
            if route.hosts.is_empty() {
                router.any_host.add(number, &route.paths).map_err(bad)?;
            }
            for host in &route.hosts {
                let paths = match host {
                    HostMatch::Exact(name) => router.hosts.exact(name),
                    HostMatch::Wildcard(parent) => router.hosts.below(parent),
                };
                paths.add(number, &route.paths).map_err(bad)?;
            }
        }
        Ok(router)
    }

    /// The number of the first route that takes the request.
    pub fn find(&self, wanted: Wanted<'_>) -> Option<u32> {
        let mut best = u32::MAX;
        let allows = |number: u32| self.allows(number, wanted);
        for paths in self.hosts.matching(wanted.host) {
            paths.find(wanted.path, &mut best, &allows);
        }
        self.any_host.find(wanted.path, &mut best, &allows);
        (best != u32::MAX).then_some(best)
    }

    fn allows(&self, number: u32, wanted: Wanted<'_>) -> bool {
        let Some(further) = self.further.get(number as usize) else { return false };
        let methods = &further.methods;
        (methods.is_empty() || methods.iter().any(|m| m.as_bytes() == wanted.method))
            && match &further.conditions {
                None => true,
                Some(conditions) => wanted.facts.is_some_and(|facts| conditions.hold(facts)),
            }
    }
}

#[cfg(test)]
mod tests;
