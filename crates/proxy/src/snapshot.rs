//! A plan made ready to serve: routes indexed, templates and edits compiled, pools joined to the
//! members that survive. Immutable and shared by all cores; a change makes a new one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_balance as balance;
use evenkeel_net::{Micros, connect};
use evenkeel_observe::metrics::Names;
use evenkeel_plan as plan;
use evenkeel_tls::{Loaded, Members, Proofs, Server, ServerName as TlsName};
use evenkeel_wire::http1;

use crate::filter::edits::Edits;
use crate::filter::template::Template;
use crate::http::asked::Asked;
pub use crate::http::split::SplitRt;
use crate::route::{BadPattern, Miss, Router, ServerName, ServerNames, Wanted};
use crate::targets::Targets;
use crate::udp::Ids;

/// A plan made ready to serve.
pub struct Snapshot {
    /// Counts plans that were applied, from 1.
    pub generation: u64,
    /// The plan it was made of.
    pub plan: Arc<plan::Plan>,
    /// In plan order.
    pub listeners: Vec<ListenerRt>,
    /// Positions of listeners by their numbers.
    by_number: Box<[u16]>,
    /// In plan order, then one per listener with a pool of its own.
    pub routes: Vec<RouteRt>,
    /// In plan order.
    pub pools: Vec<Arc<PoolRt>>,
    /// What proves names to certificate authorities.
    proofs: Arc<Proofs>,
}

/// A listener ready to serve.
pub struct ListenerRt {
    /// Its name's number in metrics; the same over reloads.
    pub id: u32,
    /// Its settings.
    pub plan: plan::Listener,
    /// Bounds for request heads.
    pub limits: http1::Limits,
    router: Router,
    /// Of a TCP listener with routes.
    server_names: Option<ServerNames>,
    /// Of a UDP listener for QUIC.
    quic: Option<Arc<Ids>>,
    /// What handshakes with clients go by.
    pub(crate) tls: Option<Arc<Server>>,
    /// The header line that answers carry, by TLS.
    hsts: Box<[u8]>,
    /// The route that sends clients to TLS.
    redirect: Option<u32>,
    /// The route to its own pool, for what no other route takes.
    fallback: Option<u32>,
}

/// A route ready to serve.
pub struct RouteRt {
    /// Its name.
    pub name: plan::Name,
    /// Its name's number in metrics.
    pub id: u32,
    /// What happens.
    pub action: ActionRt,
    /// The change of the path.
    pub rewrite: Option<plan::Rewrite>,
    /// Changes to where answers point.
    pub reverse: Vec<plan::Reverse>,
    /// Changes to the request's headers.
    pub request_edits: Edits,
    /// Changes to the answer's headers.
    pub response_edits: Edits,
}

/// What a route does.
pub enum ActionRt {
    /// A member of the pool serves it.
    Pool(Arc<PoolRt>),
    /// A member of one of several pools serves it.
    Split(SplitRt),
    /// The client is sent elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        to: Template,
    },
    /// A fixed answer.
    Respond(plan::Respond),
}

impl ActionRt {
    fn build(
        route: &plan::Route,
        find: impl Fn(&plan::Name) -> Option<Arc<PoolRt>>,
    ) -> Option<ActionRt> {
        Some(match &route.action {
            plan::Action::Pool(name) => ActionRt::Pool(find(name)?),
            plan::Action::Split(split) => {
                let part = |(name, weight): &(plan::Name, u16)| Some((find(name)?, *weight));
                let parts: Vec<_> = split.parts.iter().filter_map(part).collect();
                if parts.is_empty() {
                    return None;
                }
                ActionRt::Split(SplitRt::new(parts, &route.name, split.sticky))
            }
            plan::Action::Redirect(redirect) => {
                ActionRt::Redirect { status: redirect.status, to: Template::compile(&redirect.to) }
            }
            plan::Action::Respond(respond) => ActionRt::Respond(respond.clone()),
        })
    }
}

/// A pool ready to serve. A pool that a change leaves alone is carried over as it is.
pub struct PoolRt {
    /// Its name's number in metrics.
    pub id: u32,
    /// Who gets the next request.
    pub balance: Arc<balance::Pool>,
    /// Its settings.
    pub plan: plan::Pool,
    /// By the position of the member in the plan.
    pub members: Vec<MemberRt>,
    /// Bounds for answer heads.
    pub limits: http1::Limits,
    /// Whether connections to members carry nothing of a particular client, so that another may
    /// use them later.
    pub shared: bool,
    /// What is special about connections to members.
    pub connect: connect::Options,
    /// What handshakes with members go by.
    pub tls: Option<Members>,
}

/// A member ready to serve.
pub struct MemberRt {
    /// Its tag's number in metrics.
    pub id: u32,
    /// Its address as text.
    pub label: Box<str>,
    /// Where it is reached.
    pub targets: Arc<Targets>,
    /// The name it must have, with TLS.
    pub tls_name: Option<TlsName<'static>>,
}

impl Snapshot {
    /// The snapshot that serves nothing.
    pub fn empty() -> Snapshot {
        Snapshot {
            generation: 0,
            plan: Arc::default(),
            listeners: Vec::new(),
            by_number: Box::default(),
            routes: Vec::new(),
            pools: Vec::new(),
            proofs: Arc::default(),
        }
    }

    /// Makes a checked plan ready. Pools, members and their counters survive from `old` by name
    /// and identity.
    ///
    /// # Errors
    /// A path pattern of a route that does not compile.
    pub fn build(
        plan: Arc<plan::Plan>,
        old: &Snapshot,
        names: &mut Names,
        tls: &Loaded,
        now: Micros,
    ) -> Result<Snapshot, BadPattern> {
        let pools = pools(&plan, old, names, tls, now);
        let by_name: HashMap<&str, &Arc<PoolRt>> = named(&pools);
        let find = |name: &plan::Name| by_name.get(name.as_str()).map(|pool| Arc::clone(pool));
        let mut routes = Vec::new();
        for route in &plan.routes {
            // The plan was checked: its pools exist. Were it not so, the route would be passed over.
            let Some(action) = ActionRt::build(route, find) else { continue };
            routes.push(RouteRt {
                name: route.name.clone(),
                id: names.intern(&route.name),
                action,
                rewrite: route.rewrite.clone(),
                reverse: route.reverse.clone(),
                request_edits: Edits::compile(&route.request_headers),
                response_edits: Edits::compile(&route.response_headers),
            });
        }
        let mut listeners = Vec::new();
        for listener in &plan.listeners {
            let fallback = listener.pool.as_ref().and_then(&find).map(|pool| {
                routes.push(RouteRt::to_pool(listener, pool, names));
                index(routes.len() - 1)
            });
            let redirect = listener.redirect_https.map(|port| {
                routes.push(RouteRt::to_https(listener, port, names));
                index(routes.len() - 1)
            });
            let (kept, ways) = (old.listener_named(&listener.name), (fallback, redirect));
            listeners.push(ListenerRt::build(listener, &plan.routes, kept, ways, names, tls)?);
        }
        drop(by_name);
        let by_number = by_number(&listeners);
        let (generation, proofs) = (old.generation + 1, tls.proofs.clone());
        Ok(Snapshot { generation, plan, listeners, by_number, routes, pools, proofs })
    }

    /// The pool of that name.
    pub fn pool(&self, name: &str) -> Option<&Arc<PoolRt>> {
        self.pools.iter().find(|pool| pool.plan.name == *name)
    }

    fn listener_named(&self, name: &plan::Name) -> Option<&ListenerRt> {
        self.listeners.iter().find(|listener| listener.plan.name == *name)
    }

    /// The listener of that number.
    pub fn listener(&self, id: u32) -> Option<&ListenerRt> {
        self.listeners.get(usize::from(*self.by_number.get(id as usize)?))
    }

    /// The route that takes a connection of a TCP listener by the names in its ClientHello.
    pub fn find_tcp_route(
        &self,
        listener: &ListenerRt,
        wanted: ServerName<'_>,
    ) -> Option<&RouteRt> {
        let number = listener.server_names.as_ref().and_then(|names| names.find(wanted));
        self.routes.get(number.or(listener.fallback)? as usize)
    }

    /// The routes of a TCP listener that come before the one that takes a connection, and why they
    /// do not.
    pub fn missed_tcp_routes(
        &self,
        listener: &ListenerRt,
        wanted: ServerName<'_>,
    ) -> Vec<(&plan::Route, Miss)> {
        let Some(names) = &listener.server_names else { return Vec::new() };
        let own = (0_u32..).zip(&self.plan.routes);
        own.filter(|(_, route)| route.listeners.contains(&listener.plan.name))
            .map_while(|(number, route)| Some((route, names.miss(number, wanted)?)))
            .collect()
    }

    /// The route to the listener's own pool.
    pub fn fallback(&self, listener: &ListenerRt) -> Option<&RouteRt> {
        self.routes.get(listener.fallback? as usize)
    }

    /// The route that sends a request to TLS, if its listener does that. Whoever looks for the proof
    /// of a name (ACME, RFC 8555 section 8.3) comes in clear and is served.
    pub(crate) fn find_redirect(&self, listener: &ListenerRt, asked: &Asked) -> Option<&RouteRt> {
        let redirect = self.routes.get(listener.redirect? as usize);
        let served = asked.https || asked.host().is_empty() || asked.path().starts_with(PROOFS);
        redirect.filter(|_| !served)
    }

    /// The proof that a certificate authority asks for, if it is ours to give: whoever else proves
    /// names from behind us is left to the routes.
    pub(crate) fn find_proof(&self, asked: &Asked) -> Option<Arc<str>> {
        self.proofs.answer(asked.path().strip_prefix(PROOFS)?)
    }

    /// The route that takes a request on the listener.
    pub fn find_route(&self, listener: &ListenerRt, wanted: Wanted<'_>) -> Option<&RouteRt> {
        let number = listener.router.find(wanted).or(listener.fallback)?;
        self.routes.get(number as usize)
    }
}

impl ListenerRt {
    /// `ways`: the positions of the routes to its pool and to TLS.
    fn build(
        plan: &plan::Listener,
        routes: &[plan::Route],
        old: Option<&ListenerRt>,
        (fallback, redirect): (Option<u32>, Option<u32>),
        names: &mut Names,
        tls: &Loaded,
    ) -> Result<ListenerRt, BadPattern> {
        let (router, server_names) = match plan.protocol {
            plan::Protocol::Http => (Router::build(routes, &plan.name)?, None),
            plan::Protocol::Tcp => (Router::default(), ServerNames::build(routes, &plan.name)),
            plan::Protocol::Udp => (Router::default(), None),
        };
        let kept = old.and_then(|old| old.quic.clone());
        Ok(ListenerRt {
            id: names.intern_listener(&plan.name),
            limits: request_limits(&plan.limits),
            router,
            server_names,
            quic: plan.udp.quic.then(|| kept.unwrap_or_default()),
            tls: tls.listeners.get(&plan.name).cloned(),
            hsts: hsts(plan),
            redirect,
            fallback,
            plan: plan.clone(),
        })
    }

    /// What QUIC connection ids tell, if the listener goes by them.
    pub(crate) fn quic(&self) -> Option<&Ids> {
        self.quic.as_deref()
    }

    /// Whether a request for a host came by a connection that asked for another server, and must not
    /// be served on it.
    pub(crate) fn misdirects(&self, server_name: &str, host: &[u8]) -> bool {
        if server_name.is_empty() || server_name.as_bytes() == host {
            return false;
        }
        let host = str::from_utf8(host).unwrap_or_default();
        self.tls.as_ref().is_some_and(|tls| tls.is_misdirected(server_name, host))
    }

    /// Whether clients are asked for certificates.
    pub(crate) fn asks_clients(&self) -> bool {
        self.plan.tls.as_ref().is_some_and(|tls| tls.clients.is_some())
    }

    /// The header line that answers by TLS carry; empty when there is none.
    pub(crate) fn hsts(&self) -> &[u8] {
        &self.hsts
    }

    /// Whether its routes go by the names in the ClientHello.
    pub fn by_hello(&self) -> bool {
        self.server_names.is_some()
    }
}

impl RouteRt {
    /// The one pool it leads to, if any.
    pub fn pool(&self) -> Option<&Arc<PoolRt>> {
        match &self.action {
            ActionRt::Pool(pool) => Some(pool),
            ActionRt::Split(_) | ActionRt::Redirect { .. } | ActionRt::Respond(_) => None,
        }
    }

    /// The route of a listener with a pool of its own.
    fn to_pool(listener: &plan::Listener, pool: Arc<PoolRt>, names: &mut Names) -> RouteRt {
        RouteRt::of_listener(listener, ActionRt::Pool(pool), names)
    }

    /// The route of a listener that sends clients to TLS.
    fn to_https(listener: &plan::Listener, port: u16, names: &mut Names) -> RouteRt {
        let action = ActionRt::Redirect { status: 308, to: Template::to_https(port) };
        RouteRt::of_listener(listener, action, names)
    }

    /// A route that no plan has; named after the listener.
    fn of_listener(listener: &plan::Listener, action: ActionRt, names: &mut Names) -> RouteRt {
        RouteRt {
            name: listener.name.clone(),
            id: names.intern(&listener.name),
            action,
            rewrite: None,
            reverse: Vec::new(),
            request_edits: Edits::default(),
            response_edits: Edits::default(),
        }
    }
}

/// Pools by name; of several, the first.
fn named(pools: &[Arc<PoolRt>]) -> HashMap<&str, &Arc<PoolRt>> {
    pools.iter().rev().map(|pool| (pool.plan.name.as_str(), pool)).collect()
}

/// Positions of listeners by their numbers, since every request asks for its own.
fn by_number(listeners: &[ListenerRt]) -> Box<[u16]> {
    let most = listeners.iter().map(|listener| listener.id as usize + 1).max().unwrap_or(0);
    let mut positions = vec![u16::MAX; most].into_boxed_slice();
    for (at, listener) in listeners.iter().enumerate().rev() {
        positions[listener.id as usize] = u16::try_from(at).unwrap_or(u16::MAX);
    }
    positions
}

/// Pools in plan order; those that share the members of another are made after it.
fn pools(
    plan: &plan::Plan,
    old: &Snapshot,
    names: &mut Names,
    tls: &Loaded,
    now: Micros,
) -> Vec<Arc<PoolRt>> {
    let shares = |pool: &plan::Pool| pool.rules.as_ref().and_then(|rules| rules.shares.clone());
    let before = named(&old.pools);
    let mut made: Vec<(usize, Arc<PoolRt>)> = Vec::new();
    for sharing in [false, true] {
        for (at, pool) in plan.pools.iter().enumerate() {
            let whose = shares(pool);
            if whose.is_some() == sharing {
                let kin = whose.and_then(|whose| {
                    made.iter().map(|(_, made)| made).find(|made| made.plan.name == whose).cloned()
                });
                let old = before.get(pool.name.as_str()).copied();
                made.push((at, PoolRt::build(pool, (old, kin.as_ref()), names, tls, now)));
            }
        }
    }
    made.sort_unstable_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, pool)| pool).collect()
}

impl PoolRt {
    fn build(
        plan: &plan::Pool,
        (old, kin): (Option<&Arc<PoolRt>>, Option<&Arc<PoolRt>>),
        names: &mut Names,
        tls: &Loaded,
        now: Micros,
    ) -> Arc<PoolRt> {
        let tls = tls.pools.get(&plan.name).cloned();
        let same_tls = |old: &PoolRt| match (&old.tls, &tls) {
            (Some(old), Some(new)) => old.is(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if let Some(same) = old.filter(|old| old.plan == *plan && same_tls(old)) {
            return same.clone();
        }
        let old_members = old.filter(|old| old.plan.tls == plan.tls);
        let survivors: HashMap<_, &MemberRt> = old_members
            .iter()
            .flat_map(|old| old.plan.members.iter().zip(&old.members).rev())
            .map(|(member, rt)| ((&member.address, &member.tag), rt))
            .collect();
        let plain = |at: usize| {
            plan.rules.as_ref().and_then(|rules| rules.member(at)).is_some_and(|own| own.plain)
        };
        let mut member_rt = |(at, member): (usize, &plan::Member)| MemberRt {
            id: names.intern(&member.tag),
            label: member.address.to_string().into(),
            targets: match survivors.get(&(&member.address, &member.tag)) {
                Some(old) => old.targets.clone(),
                None => Targets::new(&member.address),
            },
            tls_name: tls
                .as_ref()
                .filter(|_| !plain(at))
                .and_then(|tls| tls.name().or_else(|| name_of(member))),
        };
        let members = plan.members.iter().enumerate().map(&mut member_rt).collect();
        let now = balance::Micros(now.0);
        let (before, kin) = (old.map(|old| &*old.balance), kin.map(|kin| &*kin.balance));
        let balance = balance::Pool::sharing(plan, before, kin, now);
        Arc::new(PoolRt {
            id: names.intern(&plan.name),
            balance: Arc::new(balance),
            plan: plan.clone(),
            members,
            shared: plan.proxy_protocol.is_none()
                && plan.source != plan::Source::Client
                && plan.port == plan::MemberPort::Own,
            connect: connect_options(plan),
            tls: tls.clone(),
            limits: http1::Limits {
                head_bytes: bytes(plan.limits.header_bytes),
                target_bytes: 0,
                fields: plan.limits.headers as usize,
            },
        })
    }
}

/// Where the proofs of names lie.
const PROOFS: &[u8] = b"/.well-known/acme-challenge/";

/// What answers say about coming back by TLS only (RFC 6797 section 6.1).
fn hsts(listener: &plan::Listener) -> Box<[u8]> {
    let Some(hsts) = listener.tls.as_ref().and_then(|tls| tls.hsts.as_ref()) else {
        return Box::default();
    };
    let subdomains = if hsts.subdomains { "; includeSubDomains" } else { "" };
    let preload = if hsts.preload { "; preload" } else { "" };
    let age = hsts.max_age.as_secs();
    format!("Strict-Transport-Security: max-age={age}{subdomains}{preload}\r\n").into_bytes().into()
}

/// The name that a member is asked for, and must have.
fn name_of(member: &plan::Member) -> Option<TlsName<'static>> {
    match &member.address {
        plan::Address::Socket(address) => Some(TlsName::IpAddress(address.ip().into())),
        plan::Address::Name(host, _) => TlsName::try_from(host.as_str().to_owned()).ok(),
        plan::Address::Unix(_) => TlsName::try_from("localhost").ok(),
    }
}

fn connect_options(plan: &plan::Pool) -> connect::Options {
    connect::Options {
        source: match plan.source {
            plan::Source::Address(ip) => Some(SocketAddr::new(ip, 0)),
            // Each client's own comes when it does.
            plan::Source::System | plan::Source::Client => None,
        },
        transparent: plan.source == plan::Source::Client,
        keep_alive: plan.tcp.keep_alive,
        user_timeout: plan.tcp.user_timeout,
    }
}

fn request_limits(limits: &plan::ListenerLimits) -> http1::Limits {
    http1::Limits {
        head_bytes: bytes(limits.header_bytes),
        target_bytes: bytes(limits.uri_bytes),
        fields: limits.headers as usize,
    }
}

fn bytes(bytes: plan::Bytes) -> usize {
    usize::try_from(bytes.0).unwrap_or(usize::MAX)
}

/// Positions of routes; a plan has far fewer than four billion.
fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
