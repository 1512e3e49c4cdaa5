//! What would happen to a request: the same reading, routing and reasons as in an exchange, and
//! nothing sent.

use std::net::IpAddr;
use std::sync::Arc;

use evenkeel_wire::http1::{Limits, Parsed, RequestHead};

use crate::cause::Failure;
use crate::http::asked::Asked;
use crate::http::key;
use crate::snapshot::{ActionRt, ListenerRt, PoolRt, RouteRt, Snapshot};

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
    /// The hash that a hashing policy would pick by.
    pub key: u64,
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
    let mut head = RequestHead::new();
    let limits: &Limits = &listener.limits;
    match head.parse(head_bytes, limits) {
        Ok(Parsed::Complete) => {}
        Ok(Parsed::Partial) => return Err(Failure::HEADER_TIMEOUT),
        Err(refusal) => return Err(Failure::refused(refusal.status, refusal.cause)),
    }
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
    let key = pool.map_or(0, |pool| key::of(head_bytes, &head, &asked, pool));
    Ok(Explained {
        host: String::from_utf8_lossy(wanted.host).into_owned(),
        path: String::from_utf8_lossy(wanted.path).into_owned(),
        client: asked.client.unwrap_or(peer),
        route,
        pool,
        kept,
        key,
    })
}
