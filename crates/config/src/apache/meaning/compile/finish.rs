//! When all is read: balancers become pools, targets find them, servers are laid over the main one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use evenkeel_httpd::access::Access;
use evenkeel_httpd::rewrite::Rewriting;
use evenkeel_httpd::site::{BalancerNames, CheckExpr, HeadLimits, Place, Site, Sites, Target};
use evenkeel_plan::{
    Action, BindAddress, Forwarded, ForwardedStyle, Listener, Name, Plan, Policy, Route, Untold,
};

use super::logs::site_logs;
use super::pass::begins;
use super::{Making, Server, TargetOf, remote, rewriting, tls};
use crate::apache::meaning::Told;
use crate::apache::meaning::pools::{self, Checks, Use};

/// Fields of a head, where the configuration sets no limit.
const FIELDS_MAX: usize = 1000;

impl Making {
    /// The plan of all that was read.
    pub(super) fn finish(mut self, told: &mut Told) -> Plan {
        let mut plan = Plan::default();
        let mut sites = Sites::default();
        let found = self.pools(&mut plan, &mut sites, told);
        for (at, pool) in found.iter().enumerate() {
            let name = Name::new(&format!("rule-{}", at + 1));
            let pool = plan.pools.get(*pool).map(|pool| pool.name.clone());
            if let (Ok(name), Some(pool)) = (name, pool) {
                plan.routes.push(Route::new(name, Action::Pool(pool)));
            }
        }
        let servers = std::mem::take(&mut self.servers);
        if let Some((main, hosts)) = servers.split_first() {
            let nothing = Server::default();
            sites.sites.push(site(&nothing, main, &found));
            sites.sites.extend(hosts.iter().map(|host| site(main, host, &found)));
            for (at, own) in servers.iter().enumerate() {
                sites.sites[at].logs = site_logs(main, own, &self.root, &mut sites, told);
            }
            self.listeners(main, hosts, &mut plan, told);
        }
        sites.arrange();
        for (at, site) in sites.sites.iter_mut().enumerate() {
            site.check_exprs = self.check_exprs(at);
        }
        if sites.sites.iter().any(|site| site.persist) {
            let folder = self.runtime.as_deref().unwrap_or(Path::new("logs"));
            sites.persist = Some(self.root.join(folder).join("evenkeel-balancers.state"));
        }
        sites.pings = self.has("proxy_ajp_module");
        plan.sites = Some(Arc::new(sites));
        plan
    }

    /// Makes the pools; says for each target which it is.
    fn pools(&mut self, plan: &mut Plan, sites: &mut Sites, told: &mut Told) -> Vec<usize> {
        self.give_members();
        self.balancers.sort_by_key(|scoped| scoped.scope);
        let mut of_balancer: HashMap<(usize, String), usize> = HashMap::new();
        let main = self.servers.first();
        let timeout = main.and_then(|main| main.proxy_timeout.or(main.timeout));
        let used = Use { timeout, ..Use::default() };
        for scoped in self.balancers.iter().filter(|scoped| scoped.defined) {
            let key = (scoped.scope, scoped.balancer.name.clone());
            let Some(name) = fresh(plan, &scoped.balancer.name) else { continue };
            // What its members refer to stands where they are defined.
            let home = if scoped.shares { 0 } else { scoped.scope };
            let of_scope = |scope: usize| scope == home;
            let templates = self.templates.iter().filter(|(scope, _, _)| of_scope(*scope));
            let exprs = self.exprs.iter().filter(|(scope, _, _)| of_scope(*scope));
            let checks = Checks {
                templates: templates
                    .map(|(_, name, words)| (name.clone(), words.clone()))
                    .collect(),
                exprs: exprs.map(|(_, name, text)| (name.clone(), text.clone())).collect(),
                no_pings: !self.has("proxy_ajp_module"),
                no_checks: !self.has("proxy_hcheck_module"),
                no_methods: self.missing_methods(),
                untold: self.untold(scoped.ssl.speaks_to_members()),
            };
            // The main server's balancers come first.
            let main = of_balancer.get(&(0, scoped.balancer.name.clone()));
            let main = main.and_then(|at| plan.pools.get(*at)).map(|pool| pool.name.clone());
            let mut own = Told::default();
            let (mut pool, members) =
                pools::balancer(&scoped.balancer, name, &used, &checks, &mut own);
            told.add_new(own);
            pool.source = self.source(scoped.scope);
            let servers = &self.servers;
            let outer = servers.get(scoped.scope).map(|server| server.ssl.clone());
            if let Some(tls) = &mut pool.tls {
                *tls = scoped.ssl.members(&outer.unwrap_or_default());
            }
            if let Some(rules) = &mut pool.rules {
                rules.heartbeat =
                    self.heartbeat.clone().filter(|_| pool.policy == Policy::Heartbeat);
                pool.health.check = None;
                let all = [scoped].into_iter().chain(&self.balancers);
                let mut same = all.filter(|other| other.balancer.name == scoped.balancer.name);
                let path = same.find_map(|other| other.path.clone());
                rules.path = path.unwrap_or_else(|| "/".to_owned());
                rules.shares = main.filter(|_| scoped.shares);
            }
            of_balancer.insert(key, plan.pools.len());
            plan.pools.push(pool);
            let url = format!("balancer://{}", scoped.balancer.name);
            let sticky = scoped.balancer.words.iter().any(|word| word.key == "stickysession");
            let persist = self.servers.get(scoped.scope).is_some_and(|server| server.persist);
            let scope = scoped.scope;
            sites.balancers.push(BalancerNames { url, scope, sticky, persist, members });
        }
        let of_worker = self.worker_pools(plan, sites, &used, told);
        self.led(plan, sites, of_balancer, &of_worker)
    }

    /// Why members of `https://` cannot be spoken to, if they cannot.
    fn untold(&self, here: bool) -> Untold {
        match self.has("ssl_module") {
            false => Untold::Missing,
            true if here || self.speaks_tls => Untold::No,
            true => Untold::Off,
        }
    }

    /// The expressions of a server's checks; `None` without checks.
    fn check_exprs(&self, scope: usize) -> Option<Vec<CheckExpr>> {
        let own = self.exprs.iter().filter(|(of, _, _)| *of == scope);
        let read = own.filter_map(|(_, name, text)| {
            let expr = evenkeel_httpd::expr::expression(text).ok()?;
            Some(CheckExpr { name: name.clone(), text: text.clone(), expr })
        });
        self.has("proxy_hcheck_module").then(|| read.collect())
    }

    /// Workers that rules alone have made, by position: httpd has one for all of them, which keeps
    /// no connections.
    fn shared_worker(&self) -> Vec<usize> {
        let named = |at: &usize| self.workers.get(*at);
        let is_lone = |at: &&usize| {
            let Some((_, url, scope)) = named(at) else { return false };
            let of_rule = url.split(['$', '%']).next().unwrap_or_default();
            let others = self.workers.iter().enumerate();
            let mut others = others.filter(|(other, _)| !self.of_rules.contains(other));
            let configured =
                others.any(|(_, (_, name, of))| (of == scope || *of == 0) && begins(of_rule, name));
            !configured && !self.worker_words.iter().any(|(name, _)| begins(of_rule, name))
        };
        self.of_rules.iter().filter(is_lone).copied().collect()
    }

    /// A pool for each worker of its own.
    fn worker_pools(
        &mut self,
        plan: &mut Plan,
        sites: &mut Sites,
        used: &Use,
        told: &mut Told,
    ) -> Vec<usize> {
        let mut of_worker = Vec::new();
        let checks = Checks { untold: self.untold(false), ..Checks::default() };
        let shared = self.shared_worker();
        let sources: Vec<_> = self.workers.iter().map(|(.., scope)| self.source(*scope)).collect();
        for (at, (line, url, scope)) in self.workers.iter_mut().enumerate() {
            for (start, words) in &self.worker_words {
                if url.starts_with(start.as_str()) || begins(start, url) {
                    line.words.extend(words.iter().cloned());
                }
            }
            of_worker.push(plan.pools.len());
            let name = fresh(plan, &format!("worker-{}", of_worker.len()));
            let Some(name) = name else { continue };
            let (mut pool, mut members) = pools::worker(line, name, used, &checks, told);
            pool.source = sources.get(at).copied().unwrap_or_default();
            if shared.contains(&at) {
                members.iter_mut().for_each(|member| member.once = true);
                pool.limits.idle_connections = 0;
            }
            let server = self.servers.get(*scope);
            let time = server.and_then(|server| server.proxy_timeout);
            members.iter_mut().for_each(|member| member.timeout = member.timeout.or(time));
            if let (Some(tls), Some(server)) = (&mut pool.tls, server) {
                *tls = server.ssl.members(&tls::Ssl::default());
            }
            plan.pools.push(pool);
            sites.balancers.push(BalancerNames { members, ..BalancerNames::default() });
        }
        of_worker
    }

    /// The pool that each target leads to.
    fn led(
        &self,
        plan: &mut Plan,
        sites: &mut Sites,
        mut of_balancer: HashMap<(usize, String), usize>,
        of_worker: &[usize],
    ) -> Vec<usize> {
        // A balancer that nobody defined has no members.
        let mut found = Vec::new();
        for target in &self.targets {
            found.push(match target {
                TargetOf::Worker(at) => {
                    of_worker.get(self.worker_in_use(*at)).copied().unwrap_or(0)
                }
                TargetOf::Balancer(scope, name) => {
                    let inherits = self.servers.get(*scope).is_none_or(|s| s.inherits_off < 2);
                    let outer = if inherits { 0 } else { *scope };
                    let twin = self
                        .balancers
                        .iter()
                        .any(|own| own.shares && own.scope == *scope && own.balancer.name == *name);
                    let first = if twin { *scope } else { outer };
                    let known = [first, *scope]
                        .into_iter()
                        .find_map(|scope| of_balancer.get(&(scope, name.clone())).copied());
                    known.unwrap_or_else(|| {
                        let at = plan.pools.len();
                        let empty = fresh(plan, name).map(evenkeel_plan::Pool::new);
                        plan.pools.extend(empty);
                        let url = format!("balancer://{name}");
                        sites.balancers.push(BalancerNames { url, ..BalancerNames::default() });
                        of_balancer.insert((*scope, name.clone()), at);
                        at
                    })
                }
            });
        }
        found
    }

    /// A worker of the main server serves a virtual host as well, where its URL says no less.
    fn worker_in_use(&self, at: usize) -> usize {
        let Some((_, name, scope)) = self.workers.get(at) else { return at };
        let inherits = self.servers.get(*scope).is_none_or(|server| server.inherits_off < 2);
        if *scope == 0 || !inherits {
            return at;
        }
        let main = self.workers.iter().position(|(_, other, of)| *of == 0 && other == name);
        main.unwrap_or(at)
    }

    /// A virtual host that says something of a balancer of the main server has one of its own with
    /// the same members.
    fn give_members(&mut self) {
        for at in 0..self.balancers.len() {
            let own = &self.balancers[at];
            if own.scope == 0 || !own.balancer.members.is_empty() || !own.defined {
                continue;
            }
            let outer = self.balancers.iter().find(|outer| {
                let named = outer.balancer.name == own.balancer.name;
                outer.scope == 0 && named && !outer.balancer.members.is_empty()
            });
            let Some(outer) = outer else { continue };
            let members = outer.balancer.members.clone();
            let mut words = outer.balancer.words.clone();
            words.extend(own.balancer.words.iter().cloned());
            let ssl = outer.ssl.clone();
            let own = &mut self.balancers[at];
            own.ssl = ssl;
            (own.balancer.members, own.balancer.words, own.shares) = (members, words, true);
        }
    }

    fn listeners(&self, main: &Server, hosts: &[Server], plan: &mut Plan, told: &mut Told) {
        let mut ports: Vec<u16> = self.listens.iter().map(|listen| listen.port).collect();
        ports.sort_unstable();
        ports.dedup();
        if ports.is_empty() {
            let at = crate::apache::Place { file: 0, line: 1, span: 0..0, used_at: None };
            told.error(&at, "no listening sockets available: there is no Listen".to_owned(), None);
        }
        for port in ports {
            let mut bind = Vec::new();
            for listen in self.listens.iter().filter(|listen| listen.port == port) {
                let texts = match &listen.address {
                    Some(address) => vec![format!("{address}:{port}")],
                    None => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
                };
                bind.extend(texts.iter().filter_map(|text| text.parse::<BindAddress>().ok()));
            }
            let Ok(name) = Name::new(&format!("listen-{port}")) else { continue };
            let mut listener = Listener::new(name, bind);
            let networks = ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok());
            listener.forwarded = Forwarded {
                style: ForwardedStyle::Off,
                trusted: networks.collect(),
                via: false,
                request_id: None,
            };
            let serves = |host: &&Server| {
                host.addresses.iter().any(|address| address.port.is_none_or(|own| own == port))
            };
            limits(&mut listener, main, hosts.iter().find(serves).unwrap_or(main));
            tls::listener(&mut listener, [main].into_iter().chain(hosts.iter().filter(serves)));
            if let Some(tls) = &mut listener.tls {
                tls::rebase(tls, &self.root);
            }
            plan.listeners.push(listener);
        }
    }
}

fn head_limits(main: &Server, own: &Server) -> HeadLimits {
    let usual = HeadLimits::default();
    HeadLimits {
        line: own.head_line.or(main.head_line).unwrap_or(usual.line),
        fields: own.head_fields.or(main.head_fields).unwrap_or(usual.fields),
        field: own.head_field.or(main.head_field).unwrap_or(usual.field),
    }
}

/// What the first server on a port says about its connections.
fn limits(listener: &mut Listener, main: &Server, host: &Server) {
    if let Some(time) = host.keep_alive_timeout.or(main.keep_alive_timeout) {
        listener.timeouts.idle = time;
    }
    if let Some(time) = host.timeout.or(main.timeout) {
        listener.timeouts.send = time;
        listener.timeouts.header = time;
        listener.timeouts.tunnel = time.max(host.proxy_timeout.unwrap_or(time));
    }
    // The rules look more closely; a target and a line may be that long at least.
    let head = head_limits(main, host);
    let fields = if head.fields == 0 { FIELDS_MAX } else { head.fields.min(FIELDS_MAX) };
    let most = &mut listener.limits;
    most.headers = 2 * fields as u32;
    most.uri_bytes.0 = most.uri_bytes.0.max(head.line as u64);
    let bytes = (head.line + 2 * head.field) as u64;
    most.header_bytes.0 = most.header_bytes.0.max(bytes);
    listener.timeouts.request = std::time::Duration::ZERO;
    listener.limits.body_rate_min = 0;
    match (
        host.keep_alive.or(main.keep_alive),
        host.keep_alive_requests.or(main.keep_alive_requests),
    ) {
        (Some(false), _) => listener.limits.requests_per_connection = 1,
        (_, requests) => listener.limits.requests_per_connection = requests.unwrap_or(100),
    }
}

/// A name for a pool that no other has.
fn fresh(plan: &Plan, wanted: &str) -> Option<Name> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let clean: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).take(60).collect();
    let names = (1..1000).map(|n| match n {
        1 => clean.clone(),
        n => format!("{clean}-{n}"),
    });
    names
        .filter_map(|name| Name::new(&name).ok())
        .find(|name| !plan.pools.iter().any(|pool| pool.name == *name))
}

/// A server over the main one.
fn site(main: &Server, own: &Server, found: &[usize]) -> Site {
    let mut everywhere = with_access(main);
    everywhere.lay(&with_access(own));
    let name = own.name.clone().or_else(|| main.name.clone()).unwrap_or_default();
    // A host without a name has that of the main server.
    let mut names: Vec<String> =
        own.name.iter().chain(&main.name).take(1).map(|name| bare(name)).collect();
    names.extend(own.names.iter().cloned());
    let joined = |one: &[_], other: &[_]| one.iter().chain(other).cloned().collect::<Vec<_>>();
    let places = |places: Vec<(_, Arc<Place>)>| -> Vec<_> {
        places.into_iter().map(|(matched, place)| (matched, settled(&place, found))).collect()
    };
    let mut passes = joined_passes(main, own);
    passes.iter_mut().filter_map(|pass| pass.to.as_mut()).for_each(|to| settle(to, found));
    let (mut rules, counts) = rewriting::inherited(main, own);
    rules.iter_mut().filter_map(|rule| rule.target.as_mut()).for_each(|to| settle(to, found));
    let rewriting = counts.then(|| Arc::new(Rewriting { rules }));
    let mut proxies = main.proxies.clone();
    proxies.extend(own.proxies.iter().cloned());
    let mut locations = main.locations.clone();
    locations.extend(own.locations.iter().cloned());
    let times = |server: &Server| server.proxy_timeout.or(server.timeout);
    // Redirects are those of the server, not of every location in it.
    let redirects = joined(&everywhere.redirects, &[]);
    everywhere.redirects = Vec::new();
    let named = own.name.as_ref().or(main.name.as_ref());
    let named = named.and_then(|name| name.rsplit_once(':')?.1.parse().ok());
    Site {
        port: named,
        addresses: own.addresses.clone(),
        named_https: if own.name.is_some() { own.named_https } else { main.named_https },
        name,
        names,
        passes,
        rewriting,
        everywhere: Arc::new(everywhere),
        proxies: places(proxies),
        locations: places(locations),
        redirects,
        slashes: own.slashes.or(main.slashes).unwrap_or_default(),
        keep_slashes: own.merge_slashes.or(main.merge_slashes) == Some(false),
        canonical_name: own.canonical_name.or(main.canonical_name) == Some(true),
        via: own.via.or(main.via).unwrap_or_default(),
        set_env_if: main.set_env_if.iter().chain(&own.set_env_if).cloned().collect(),
        remote_ip: remote::merged(main, own),
        timeout: times(own).or_else(|| times(main)),
        max_forwards: own.max_forwards.or(main.max_forwards),
        bad_fields: own.bad_fields.or(main.bad_fields).unwrap_or_default(),
        no_trace: own.trace.or(main.trace) == Some(false),
        limits: head_limits(main, own),
        logs: Vec::new(),
        blocked: joined_words(&main.blocked, &own.blocked),
        persist: own.persist,
        check_exprs: None,
    }
}

fn joined_words(one: &[String], other: &[String]) -> Vec<String> {
    one.iter().chain(other).cloned().collect()
}

fn joined_passes(main: &Server, own: &Server) -> Vec<evenkeel_httpd::site::Pass> {
    let root = own.root.as_ref().or(main.root.as_ref());
    let root = root.map_or("", |root| root.trim_end_matches('/'));
    let files = main.files.iter().chain(&own.files).cloned().map(|mut pass| {
        if let Some(to) = &mut pass.to {
            to.path = root.to_owned();
            to.url.push_str(root);
        }
        pass
    });
    main.passes.iter().chain(&own.passes).cloned().chain(files).collect()
}

fn with_access(server: &Server) -> Place {
    let mut place = server.everywhere.clone();
    if !server.access.is_empty() {
        place.access = Some(Arc::new(Access::Any(server.access.clone())));
    }
    place
}

fn settled(place: &Arc<Place>, found: &[usize]) -> Arc<Place> {
    let mut place = (**place).clone();
    if let Some(to) = place.pass.as_mut().and_then(|pass| pass.to.as_mut()) {
        settle(to, found);
    }
    Arc::new(place)
}

fn settle(to: &mut Target, found: &[usize]) {
    to.balancer = found.get(to.route).copied().unwrap_or(0);
}

/// `host` of `Host:80`, in lower case.
fn bare(name: &str) -> String {
    let bare = match name.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    };
    bare.to_ascii_lowercase()
}
