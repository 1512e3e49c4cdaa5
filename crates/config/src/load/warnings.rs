//! What can be served, but is probably not meant.

use std::collections::{HashMap, HashSet};

use evenkeel_plan::check::Place;
use evenkeel_plan::{
    Action, HashKey, HostMatch, Listener, Name, PathMatch, Policy, Protocol, Route,
};

use super::Loading;
use crate::diagnostic::{Diagnostic, Severity};

impl Loading<'_> {
    /// What can be served, but is probably not meant.
    pub(super) fn warnings(&self) -> Vec<Diagnostic> {
        let mut found: Vec<(Place, &str, String)> = Vec::new();
        self.idle_pools(&mut found);
        self.idle_authorities(&mut found);
        self.hidden_routes(&mut found);
        self.idle_hash_keys(&mut found);
        self.idle_keys(&mut found);
        let diagnostic = |(place, field, message): (Place, &str, String)| {
            let (file, span) = self.at(place, field);
            let (label, help) = (String::new(), None);
            Diagnostic { severity: Severity::Warning, file, span, message, label, help }
        };
        found.into_iter().map(diagnostic).collect()
    }

    /// Keys that the listener's protocol does not know.
    fn idle_keys(&self, found: &mut Vec<(Place, &'static str, String)>) {
        for (at, listener) in self.plan.listeners.iter().enumerate() {
            let place = Place::Listener(at);
            for (key, protocols) in ONLY {
                if !protocols.contains(&listener.protocol) && self.key(place, key).is_some() {
                    let protocol = listener.protocol.name();
                    found.push((
                        place,
                        key,
                        format!("`{key}` has no effect for protocol {protocol}"),
                    ));
                }
            }
        }
    }

    fn idle_authorities(&self, found: &mut Vec<(Place, &'static str, String)>) {
        let tls = self.plan.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let ordered = tls.flat_map(|tls| &tls.certificates).filter_map(|c| c.ordered.as_ref());
        let used: HashSet<&Name> = ordered.map(|ordered| &ordered.authority).collect();
        for (at, acme) in self.plan.acme.iter().enumerate() {
            if !used.contains(&acme.name) {
                let message = format!("no certificate is ordered from authority \"{}\"", acme.name);
                found.push((Place::Acme(at), "name", message));
            }
        }
    }

    fn idle_pools(&self, found: &mut Vec<(Place, &'static str, String)>) {
        let listeners = self.plan.listeners.iter().filter_map(|listener| listener.pool.as_ref());
        let routes = self.plan.routes.iter().flat_map(|route| route.action.pools());
        let used: HashSet<&Name> = listeners.chain(routes).collect();
        for (at, pool) in self.plan.pools.iter().enumerate() {
            let place = Place::Pool(at);
            if !used.contains(&pool.name) {
                let message = format!("no listener and no route uses pool \"{}\"", pool.name);
                found.push((place, "name", message));
            }
            if pool.members.is_empty() {
                let then = match self.passed_on(&pool.name).is_some() {
                    true => "nothing is served",
                    false => "it answers 503",
                };
                let message = format!("pool \"{}\" has no members: {then}", pool.name);
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
            } else if pool.hash_key != HashKey::Client
                && let Some(protocol) = self.passed_on(&pool.name)
            {
                let protocol = protocol.name();
                let message = format!(
                    "`hash_key` has no effect for protocol {protocol}: the client's address is used"
                );
                found.push((Place::Pool(at), "hash_key", message));
            }
        }
    }

    /// The protocol, if a listener that knows no HTTP uses the pool.
    fn passed_on(&self, pool: &Name) -> Option<Protocol> {
        let uses = |listener: &&Listener| {
            let by_route = || {
                self.plan.routes.iter().any(|route| {
                    matches!(&route.action, Action::Pool(name) if name == pool)
                        && route.listeners.contains(&listener.name)
                })
            };
            listener.protocol != Protocol::Http
                && (listener.pool.as_ref() == Some(pool) || by_route())
        };
        self.plan.listeners.iter().find(uses).map(|listener| listener.protocol)
    }

    fn hidden_routes(&self, found: &mut Vec<(Place, &'static str, String)>) {
        let routes = &self.plan.routes;
        let http = self.plan.listeners.iter().any(|l| l.protocol == Protocol::Http);
        for (at, route) in routes.iter().enumerate().filter(|_| !http) {
            if route.listeners.is_empty() {
                let message =
                    format!("route \"{}\" serves nothing: no listener speaks HTTP", route.name);
                found.push((Place::Route(at), "name", message));
            }
        }
        let mut before: HashMap<Reach<'_>, Vec<&Route>> = HashMap::new();
        for (at, route) in routes.iter().enumerate() {
            let http = self.http_only(route);
            let covering = |reach: Reach<'_>| {
                let alike = before.get(&reach)?.iter().take(COMPARED_MAX);
                alike.copied().find(|earlier| covers(earlier, route, http))
            };
            if let Some(earlier) = wider(route).into_iter().find_map(covering) {
                let message = format!(
                    "route \"{}\" never matches: \"{}\" before it takes all its requests",
                    route.name, earlier.name
                );
                found.push((Place::Route(at), "name", message));
            }
            before.entry(reach(route)).or_default().push(route);
        }
    }

    /// Whether a route is for listeners that speak HTTP, and no others.
    fn http_only(&self, route: &Route) -> bool {
        let mut named = route.listeners.iter().filter_map(|name| self.plan.listener(name));
        named.all(|listener| listener.protocol == Protocol::Http)
    }
}

/// Keys of listeners that only some protocols know.
const ONLY: [(&str, &[Protocol]); 13] = [
    ("timeouts.header", &[Protocol::Http, Protocol::Tcp]),
    ("timeouts.request", HTTP),
    ("timeouts.tunnel", HTTP),
    ("timeouts.send", &[Protocol::Http, Protocol::Tcp]),
    ("limits.header_bytes", HTTP),
    ("limits.uri_bytes", HTTP),
    ("limits.headers", HTTP),
    ("limits.body", HTTP),
    ("limits.requests_per_connection", HTTP),
    ("limits.body_rate_min", HTTP),
    ("forwarded", HTTP),
    ("tcp", &[Protocol::Http, Protocol::Tcp]),
    ("udp", &[Protocol::Udp]),
];
const HTTP: &[Protocol] = &[Protocol::Http];

/// Hosts, paths and server names of a route.
type Reach<'r> = (&'r [HostMatch], &'r [PathMatch], &'r [HostMatch]);

/// Earlier routes of one reach that a route is compared with, so that thousands take no time.
const COMPARED_MAX: usize = 64;

fn reach(route: &Route) -> Reach<'_> {
    (&route.hosts, &route.paths, &route.sni)
}

/// What a route that takes all requests of this one must reach: the same, or everything.
fn wider(route: &Route) -> [Reach<'_>; 8] {
    let (hosts, paths, sni) = reach(route);
    std::array::from_fn(|n| {
        let hosts = if n & 1 == 0 { hosts } else { &[] };
        let paths = if n & 2 == 0 { paths } else { &[] };
        let sni = if n & 4 == 0 { sni } else { &[] };
        (hosts, paths, sni)
    })
}

/// Whether the earlier route takes every request of the later one, which may be for HTTP only.
/// Only what is plain to see: a condition that is absent, or the same.
fn covers(earlier: &Route, later: &Route, http: bool) -> bool {
    (earlier.listeners.is_empty() && http || earlier.listeners == later.listeners)
        && (earlier.hosts.is_empty() || earlier.hosts == later.hosts)
        && (earlier.paths.is_empty() || earlier.paths == later.paths)
        && (earlier.methods.is_empty() || earlier.methods == later.methods)
        && (earlier.conditions.is_empty() || earlier.conditions == later.conditions)
        && (earlier.sni.is_empty() || earlier.sni == later.sni)
        && (earlier.alpn.is_empty() || earlier.alpn == later.alpn)
}
