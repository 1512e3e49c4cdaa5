//! What would happen to a request: the same reading, routing and reasons as in an exchange, and
//! nothing sent.

mod layer4;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use evenkeel_balance::{Ask, Bound, Micros, NoMember, Rng, Tried, Why};
use evenkeel_httpd::{Handler, Times, TlsFacts, Verdict};
use evenkeel_net::clock;
use evenkeel_plan::BindAddress;
use evenkeel_wire::http1::{Limits, Parsed, RequestHead};

use crate::cause::Failure;
use crate::http::asked::Asked;
use crate::http::key::{self, Binding};
use crate::http::passing;
use crate::snapshot::{ActionRt, ListenerRt, PoolRt, RouteRt, Snapshot};

pub use layer4::{Ahead, Arrival, Way, explain_arrival, no_hello, no_proxy_header};

/// What would happen.
pub struct Explained<'a> {
    /// The host that routes are found by.
    pub host: String,
    /// The path that routes are found by.
    pub path: String,
    /// The client's address after trusted forwarding headers.
    pub client: IpAddr,
    /// The route, or why there is none.
    pub route: Result<&'a RouteRt, Failure>,
    /// The pool, if the route leads to one; of a split, the client's own or one that it may get.
    pub pool: Option<&'a Arc<PoolRt>>,
    /// The pool of a split is the client's by its cookie.
    pub kept: bool,
    /// Its member, as things stand, and why; or why there is none.
    pub member: Option<Result<(usize, Why), NoMember>>,
}

/// Explains a request given as the bytes of its head, from a peer, on a listener.
///
/// # Errors
/// The request would be refused before any route is looked for.
pub fn explain<'a>(
    snapshot: &'a Snapshot,
    listener: &'a ListenerRt,
    head_bytes: &[u8],
    peer: IpAddr,
) -> Result<Explained<'a>, Failure> {
    let head = parsed(head_bytes, &listener.limits)?;
    let mut asked = Asked::default();
    asked.read(head_bytes, &head, listener, peer, || 0)?;
    let wanted = asked.wanted(head_bytes, &head);
    let route = snapshot
        .find_redirect(listener, &asked)
        .or_else(|| snapshot.find_route(listener, wanted))
        .ok_or(Failure::NO_ROUTE);
    let (pool, kept) = match route.map(|route| &route.action) {
        Ok(ActionRt::Pool(pool)) => (Some(pool), false),
        Ok(ActionRt::Split(split)) => {
            let (pool, line) = split.choose(head_bytes, &head, 0, false);
            (Some(pool), line.is_none() && split.cookie.is_some())
        }
        _ => (None, false),
    };
    let member = pool.map(|pool| {
        let binding = Binding::of(head_bytes, &head, &asked, pool);
        let key = key::of(head_bytes, &head, &asked, pool);
        peek(pool, key, binding.bound())
    });
    Ok(Explained {
        host: String::from_utf8_lossy(wanted.host).into_owned(),
        path: String::from_utf8_lossy(wanted.path).into_owned(),
        client: asked.client.unwrap_or(peer),
        route,
        pool,
        kept,
        member,
    })
}

/// What the rules of an httpd configuration would make of a request.
pub struct Ruled<'a> {
    /// `ServerName` of the server it is for; empty when it has none.
    pub server: String,
    /// The position of that server: 0 is the main one.
    pub position: usize,
    /// The path, decoded and rewritten.
    pub path: String,
    /// The client's address as rules see it.
    pub client: IpAddr,
    /// Variables that rules set.
    pub variables: Vec<(String, String)>,
    /// What would be done.
    pub outcome: Outcome<'a>,
}

/// What would be done with a request.
pub enum Outcome<'a> {
    /// A member serves it.
    Pool {
        /// The balancer or worker, as the configuration names it, and the path that is asked for.
        url: String,
        /// Its pool.
        pool: &'a PoolRt,
        /// The member, as things stand, and why; `None`: nobody is usable.
        member: Option<(usize, Why)>,
    },
    /// It is answered here, with this status and place to go to.
    Answer(u16, Option<String>),
    /// A page: `balancer-manager` or `server-status`.
    Page(&'static str),
}

/// Explains a request by the rules of an httpd configuration; `None` when there are none.
///
/// # Errors
/// The request would be refused before any rule is looked at.
pub fn explain_rules<'a>(
    snapshot: &'a Snapshot,
    listener: &ListenerRt,
    head_bytes: &[u8],
    peer: IpAddr,
) -> Option<Result<Ruled<'a>, Failure>> {
    let sites = snapshot.plan.sites.as_ref()?;
    let head = match parsed(head_bytes, &listener.limits) {
        Ok(head) => head,
        Err(failure) => return Some(Err(failure)),
    };
    let mut asked = Asked::default();
    if let Err(failure) = asked.read_for_rules(head_bytes, &head, listener, peer) {
        return Some(Err(failure));
    }
    let here = (SocketAddr::new(peer, 0), bound_to(listener));
    let secured = asked.https || listener.plan.tls.is_some();
    let no_tls = TlsFacts::default();
    let way = (asked.path(), secured, &no_tls);
    let passage = passing::through(sites, (head_bytes, &head), way, here, Times::default());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let outcome = match (&passage.verdict, passing::route(&passage, snapshot)) {
        (Verdict::Proxy(toward), Some((_, pool))) => {
            let binding = Binding::of_passage(&passage, pool);
            let names = sites.balancers.get(toward.balancer);
            let url = names.map_or("", |names| match &*names.url {
                "" => names.members.first().map_or("", |member| &member.url),
                url => url,
            });
            Outcome::Pool {
                url: format!("{}{}", url.trim_end_matches('/'), text(&toward.target)),
                pool,
                member: peek(pool, 0, binding.bound()).ok(),
            }
        }
        (Verdict::Page(Handler::Manager), _) => Outcome::Page("balancer-manager"),
        (Verdict::Page(_), _) => Outcome::Page("server-status"),
        (Verdict::Own(status, to), _) => Outcome::Answer(*status, to.as_ref().map(|to| text(to))),
        (Verdict::Proxy(_), None) => Outcome::Answer(503, None),
    };
    let site = sites.sites.get(passage.site());
    Some(Ok(Ruled {
        server: site.map_or(String::new(), |site| site.name.clone()),
        position: passage.site(),
        path: text(&passage.facts.path),
        client: passage.facts.client,
        variables: passage.env.iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        outcome,
    }))
}

/// Who of a pool would be picked.
fn peek(pool: &PoolRt, key: u64, bound: Bound<'_>) -> Result<(usize, Why), NoMember> {
    let tried = Tried::default();
    let ask = Ask { now: Micros(clock::now().0), key, bound, tried: &tried };
    pool.balance.peek(&ask, &mut Rng::new(1))
}

fn parsed(head_bytes: &[u8], limits: &Limits) -> Result<RequestHead, Failure> {
    let mut head = RequestHead::new();
    match head.parse(head_bytes, limits) {
        Ok(Parsed::Complete) => Ok(head),
        Ok(Parsed::Partial) => Err(Failure::HEADER_TIMEOUT),
        Err(refusal) => Err(Failure::refused(refusal.status, refusal.cause)),
    }
}

/// An address that a client would have come to.
fn bound_to(listener: &ListenerRt) -> SocketAddr {
    let mut sockets = listener.plan.bind.iter().filter_map(|bind| match bind {
        BindAddress::Socket(address) => Some(*address),
        _ => None,
    });
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let address = sockets.next().unwrap_or(nowhere);
    match address.ip().is_unspecified() {
        true => SocketAddr::new(nowhere.ip(), address.port()),
        false => address,
    }
}
