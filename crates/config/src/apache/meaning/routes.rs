//! Sites as listeners and routes, in the order in which Apache would look.

use evenkeel_plan::{
    Action, BindAddress, Forwarded, ForwardedStyle, HostMatch, Listener, Name, PathMatch, Plan,
    Respond, Reverse, Rewrite, Route,
};

use super::Told;
use super::pools::{self, Use};
use super::sites::{Gathered, Location, Matched, MemberLine, Pass, Settings, Site};
use super::sites::{balancer_name, is_balancer};
use crate::apache::Place;

/// The plan of all that was gathered.
pub(super) fn plan(all: &Gathered, told: &mut Told) -> Plan {
    let mut making = Making { all, plan: Plan::default(), used: Vec::new(), told };
    making.listeners();
    for balancer in &all.balancers {
        // Also those that nobody asks are shown and probed.
        let known = making.used.iter().any(|(name, _, _)| *name == balancer.name);
        if !known && !balancer.members.is_empty() {
            making.pool_of(&balancer.name, &Use::of(&all.main.own));
        }
    }
    making.plan
}

struct Making<'a> {
    all: &'a Gathered,
    plan: Plan,
    /// Pools made of balancers: the balancer, how it is used, the pool.
    used: Vec<(String, Use, Name)>,
    told: &'a mut Told,
}

impl Making<'_> {
    fn listeners(&mut self) {
        let mut ports: Vec<u16> = self.all.listens.iter().map(|listen| listen.port).collect();
        ports.dedup();
        ports.sort_unstable();
        ports.dedup();
        for port in ports {
            let here = self.all.listens.iter().filter(|listen| listen.port == port);
            let mut bind = Vec::new();
            for listen in here {
                let texts = match &listen.address {
                    Some(address) => vec![format!("{address}:{port}")],
                    None => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
                };
                let addresses = texts.iter().filter_map(|text| text.parse::<BindAddress>().ok());
                bind.extend(addresses);
            }
            let Ok(name) = Name::new(&format!("listen-{port}")) else { continue };
            let mut listener = Listener::new(name.clone(), bind);
            listener.forwarded = self.forwarded();
            self.plan.listeners.push(listener);
            self.sites(&name, port);
        }
    }

    fn forwarded(&self) -> Forwarded {
        let adds = self.all.main.own.add_headers.unwrap_or(true);
        let networks = ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok());
        Forwarded {
            style: if adds { ForwardedStyle::Apache } else { ForwardedStyle::Off },
            // What clients say is passed on; nobody here goes by it.
            trusted: if adds { Vec::new() } else { networks.collect() },
            via: false,
            request_id: None,
        }
    }

    /// Named virtual hosts, each closed by a 404 of its own; then the default.
    fn sites(&mut self, listener: &Name, port: u16) {
        let serves = |site: &&Site| {
            site.addresses.iter().any(|address| {
                let end = address.rsplit_once(':').map_or("*", |(_, port)| port);
                end == "*" || end == port.to_string()
            })
        };
        let all = self.all;
        let hosts: Vec<&Site> = all.hosts.iter().filter(serves).collect();
        let addressed =
            |site: &&Site| site.addresses.iter().any(|address| !address.starts_with(['*', '_']));
        if hosts.iter().any(addressed) {
            self.told.carried(&nowhere(), "virtual hosts by address");
        }
        for site in hosts.iter() {
            // A host without a name has that of the main server.
            let names = if site.names.is_empty() { &all.main.names } else { &site.names };
            if !names.is_empty() {
                self.site(Some(site), names.clone(), listener);
                self.nothing(names.clone(), listener);
            }
        }
        self.site(hosts.first().copied(), Vec::new(), listener);
    }

    /// Locations that say something about paths which no rule of their own takes.
    fn loose_locations(&mut self, host: Option<&Site>) {
        let main = &self.all.main;
        let sites = [Some(main), host].into_iter().flatten();
        let passes: Vec<&Pass> = sites.clone().flat_map(|site| &site.passes).collect();
        for location in sites.flat_map(|site| &site.locations) {
            let Matched::Prefix(front) = &location.path else { continue };
            let within = |pass: &&Pass| match &pass.path {
                Matched::Prefix(path) => path.starts_with(front.as_str()),
                Matched::Pattern(_) => false,
            };
            if location.pass.is_none() && location.said && !passes.iter().all(within) {
                self.told.carried(&nowhere(), &format!("<Location {front}> without a ProxyPass"));
            }
        }
    }

    fn site(&mut self, host: Option<&Site>, names: Vec<HostMatch>, listener: &Name) {
        self.loose_locations(host);
        let main = &self.all.main;
        let own = host.map_or_else(|| main.own.clone(), |host| merged(&main.own, &host.own));
        // Later locations first: the last that matches and has a rule wins.
        let inner = host.map_or(&[][..], |host| &host.locations[..]);
        let locations = inner.iter().rev().chain(main.locations.iter().rev());
        for location in locations {
            if let Some(pass) = &location.pass {
                self.pass(pass, &merged(&own, &location.own), &names, listener);
            }
        }
        let outer = main.passes.iter();
        for pass in outer.chain(host.map_or(&[][..], |host| &host.passes[..])) {
            let own = self.within(pass, &own, main, host);
            self.pass(pass, &own, &names, listener);
        }
    }

    /// A rule of the server, with what the locations that hold all of its path say.
    fn within(&self, pass: &Pass, own: &Settings, main: &Site, host: Option<&Site>) -> Settings {
        let Matched::Prefix(path) = &pass.path else { return own.clone() };
        let holds = |location: &&Location| match &location.path {
            Matched::Prefix(front) => location.pass.is_none() && path.starts_with(&**front),
            Matched::Pattern(_) => false,
        };
        let inner = host.map_or(&[][..], |host| &host.locations[..]);
        let locations = main.locations.iter().chain(inner).filter(holds);
        locations.fold(own.clone(), |own, location| merged(&own, &location.own))
    }

    fn pass(&mut self, pass: &Pass, own: &Settings, names: &[HostMatch], listener: &Name) {
        let Some(name) = self.fresh_name() else { return };
        let path = match &pass.path {
            Matched::Prefix(path) => front(path),
            Matched::Pattern(pattern) => {
                let target = pass.to.as_ref().and_then(|to| to.split_once("://"));
                if target.is_some_and(|(_, rest)| rest.trim_end_matches('/').contains(['/', '$'])) {
                    self.told.carried(&pass.at, "a pattern with a path or groups as its target");
                }
                PathMatch::Regex(pattern.clone())
            }
        };
        let mut route = Route::new(name, respond(404));
        route.listeners = vec![listener.clone()];
        route.hosts = names.to_vec();
        route.paths = vec![path];
        if let Some(to) = &pass.to {
            let Some((pool, target)) = self.target(pass, to, own) else { return };
            route.action = Action::Pool(pool);
            if let Matched::Prefix(path) = &pass.path {
                route.rewrite = self.rewrite(pass, path, &target);
            }
            route.request_headers = own.request_headers.clone();
            route.response_headers = own.response_headers.clone();
            route.reverse = self.reverses(own);
        }
        self.plan.routes.push(route);
    }

    /// The pool of a URL, and the path in it.
    fn target(&mut self, pass: &Pass, to: &str, own: &Settings) -> Option<(Name, String)> {
        let used = Use::of(own);
        if is_balancer(to) {
            let rest = to.get("balancer://".len()..).unwrap_or_default();
            let path = rest.find('/').map_or("", |slash| &rest[slash..]).to_owned();
            return Some((self.pool_of(&balancer_name(to), &used)?, path));
        }
        super::members::url(to, &pass.at, self.told)?;
        let path = to.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let path = path.unwrap_or_default().to_owned();
        let name = Name::new(&format!("worker-{}", self.plan.pools.len() + 1)).ok()?;
        let line =
            MemberLine { url: to.to_owned(), words: pass.words.clone(), at: pass.at.clone() };
        let pool = pools::worker(&line, name.clone(), &used, &self.all.checks, self.told).0;
        self.plan.pools.push(pool);
        Some((name, path))
    }

    fn pool_of(&mut self, balancer: &str, used: &Use) -> Option<Name> {
        let known = self.used.iter().find(|(name, how, _)| name == balancer && how == used);
        if let Some((_, _, pool)) = known {
            return Some(pool.clone());
        }
        let again = self.used.iter().filter(|(name, _, _)| name == balancer).count();
        let text =
            if again == 0 { balancer.to_owned() } else { format!("{balancer}-{}", again + 1) };
        let found = self.all.balancers.iter().find(|other| other.name == balancer)?;
        let name = match Name::new(&text) {
            Ok(name) => name,
            Err(why) => {
                if let Some(line) = found.members.first() {
                    self.told.error(&line.at, format!("balancer `{balancer}`: {why}"), None);
                }
                return None;
            }
        };
        // What is wrong with a balancer is told once.
        let mut quiet = Told::default();
        let told = if again == 0 { &mut *self.told } else { &mut quiet };
        let pool = pools::balancer(found, name.clone(), used, &self.all.checks, told).0;
        self.plan.pools.push(pool);
        self.used.push((balancer.to_owned(), used.clone(), name.clone()));
        Some(name)
    }

    /// Apache joins what follows the rule's path to the target's path as they are.
    fn rewrite(&mut self, pass: &Pass, path: &str, target: &str) -> Option<Rewrite> {
        let joined_well = path.ends_with('/') == target.ends_with('/');
        if !joined_well && (!target.is_empty() || path.ends_with('/')) {
            let doubled = !path.ends_with('/');
            let theirs = if doubled { "a double slash" } else { "an address that does not exist" };
            let message = format!("httpd would make {theirs} of `{path}` and `{target}`");
            let help = "end both with a slash, or neither; here one slash is used".to_owned();
            self.told.warning(&pass.at, message, Some(help));
        }
        let prefix = path.trim_end_matches('/').to_owned();
        let to = target.trim_end_matches('/').to_owned();
        if prefix == to {
            return None;
        }
        let to = if to.is_empty() { "/".to_owned() } else { to };
        let prefix = if prefix.is_empty() { "/".to_owned() } else { prefix };
        Some(Rewrite { prefix, to })
    }

    fn reverses(&self, own: &Settings) -> Vec<Reverse> {
        let mut rules = Vec::new();
        for (path, target) in &own.reverses {
            if !is_balancer(target) {
                rules.push(Reverse { from: target.clone(), to: path.clone() });
                continue;
            }
            let name = balancer_name(target);
            let rest = target.get("balancer://".len()..).unwrap_or_default();
            let inner = rest.find('/').map_or("", |slash| &rest[slash..]);
            let members = self.all.balancers.iter().filter(|other| other.name == name);
            for line in members.flat_map(|balancer| &balancer.members) {
                let start = line.url.trim_end_matches('/');
                let slash = if path.ends_with('/') && !inner.ends_with('/') { "/" } else { "" };
                let from = format!("{start}{inner}{slash}");
                rules.push(Reverse { from, to: path.clone() });
            }
        }
        rules
    }

    /// What no rule of a virtual host takes is not found.
    fn nothing(&mut self, names: Vec<HostMatch>, listener: &Name) {
        let Some(name) = self.fresh_name() else { return };
        let mut route = Route::new(name, respond(404));
        route.listeners = vec![listener.clone()];
        route.hosts = names;
        self.plan.routes.push(route);
    }

    fn fresh_name(&self) -> Option<Name> {
        Name::new(&format!("rule-{}", self.plan.routes.len() + 1)).ok()
    }
}

fn nowhere() -> Place {
    Place { file: 0, line: 1, span: 0..0, used_at: None }
}

/// `/app` is itself and all below it, `/app/` only what is below.
fn front(path: &str) -> PathMatch {
    match path.trim_end_matches('/') {
        "" => PathMatch::Prefix(String::new()),
        short if short.len() == path.len() => PathMatch::Prefix(short.to_owned()),
        short => {
            let escaped = short.chars().fold(String::from("^"), |mut out, c| {
                if !c.is_ascii_alphanumeric() && !matches!(c, '/' | '-' | '_') && c.is_ascii() {
                    out.push('\\');
                }
                out.push(c);
                out
            });
            PathMatch::Regex(escaped + "/")
        }
    }
}

fn respond(status: u16) -> Action {
    let content_type = "text/plain; charset=utf-8".to_owned();
    Action::Respond(Respond { status, body: "Not Found\n".to_owned(), content_type })
}

/// What is said inside counts; lists are joined, outer first.
fn merged(outer: &Settings, inner: &Settings) -> Settings {
    let mut own = outer.clone();
    own.preserve_host = inner.preserve_host.or(own.preserve_host);
    own.add_headers = inner.add_headers.or(own.add_headers);
    own.timeout = inner.timeout.or(own.timeout);
    own.proxy_timeout = inner.proxy_timeout.or(own.proxy_timeout);
    own.reverses.extend(inner.reverses.iter().cloned());
    own.announced.extend(inner.announced.iter().cloned());
    for (edits, more) in [
        (&mut own.request_headers, &inner.request_headers),
        (&mut own.response_headers, &inner.response_headers),
    ] {
        edits.remove.extend(more.remove.iter().cloned());
        edits.set.extend(more.set.iter().cloned());
        edits.add.extend(more.add.iter().cloned());
    }
    own
}
