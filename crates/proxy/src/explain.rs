//! What would happen to a request: the same reading, routing and reasons as in an exchange, and
//! nothing sent.

use std::net::IpAddr;

use evenkeel_wire::http1::{Limits, Parsed, RequestHead};

use crate::cause::Failure;
use crate::http::asked::Asked;
use crate::http::key;
use crate::snapshot::{ActionRt, ListenerRt, RouteRt, Snapshot};

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
    let wanted = asked.wanted(head.method_span.of(head_bytes));
    let route = snapshot
        .find_redirect(listener, &asked)
        .or_else(|| snapshot.find_route(listener, wanted))
        .ok_or(Failure::NO_ROUTE);
    let key = match route.map(|route| &route.action) {
        Ok(ActionRt::Pool(pool)) => key::of(head_bytes, &head, &asked, pool),
        _ => 0,
    };
    Ok(Explained {
        host: String::from_utf8_lossy(wanted.host).into_owned(),
        path: String::from_utf8_lossy(wanted.path).into_owned(),
        client: asked.client.unwrap_or(peer),
        route,
        key,
    })
}
