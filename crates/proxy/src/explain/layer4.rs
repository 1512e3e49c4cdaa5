//! What would happen to a TCP connection or a UDP flow.

use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_balance::{Micros, NoMember, Standing, Why};
use evenkeel_net::clock;
use evenkeel_plan::Route;
use evenkeel_wire::{proxy_protocol, tls_hello};

use crate::cause::Failure;
use crate::key::{client_bound, client_key};
use crate::route::{Miss, ServerName};
use crate::snapshot::{ListenerRt, PoolRt, RouteRt, Snapshot};

/// A connection, or the first datagram of a flow.
pub struct Arrival<'a> {
    /// Who the client is; what a PROXY header names, where one is read.
    pub client: SocketAddr,
    /// The name in its ClientHello; empty without one.
    pub server_name: &'a str,
    /// The protocols in its ClientHello.
    pub alpn: &'a [&'a [u8]],
    /// The connection id of its QUIC packets.
    pub connection_id: Option<&'a [u8]>,
}

/// Where it would go.
pub struct Way<'a> {
    /// Routes that come first and do not take it, and why.
    pub missed: Vec<(&'a Route, Miss)>,
    /// The route, if there is one.
    pub route: Option<&'a RouteRt>,
    /// The pool that it leads to, and what would happen there.
    pub ahead: Option<Ahead<'a>>,
}

/// What would happen in a pool.
pub struct Ahead<'a> {
    /// The pool.
    pub pool: &'a Arc<PoolRt>,
    /// The member, as things stand, and why.
    pub member: Result<(usize, Why), NoMember>,
    /// This client gets no other member as long as these stand as they do. Otherwise the policy
    /// decides each time between those that serve.
    pub is_certain: bool,
    /// How each member stands, in plan order.
    pub standings: Vec<Standing>,
}

/// How a connection ends that does not begin with the PROXY header that it must.
pub fn no_proxy_header() -> Failure {
    Failure::refused(0, proxy_protocol::Fault::NoHeader.cause())
}

/// How a connection ends that does not begin with a ClientHello where one is read.
pub fn no_hello() -> Failure {
    Failure::refused(0, tls_hello::Fault::NoTls.cause())
}

/// Explains an arrival on a TCP or UDP listener.
pub fn explain_arrival<'a>(
    snapshot: &'a Snapshot,
    listener: &'a ListenerRt,
    arrival: &Arrival<'_>,
) -> Way<'a> {
    let name = arrival.server_name.to_ascii_lowercase();
    let wanted = ServerName { name: name.as_bytes(), protocols: arrival.alpn };
    // For UDP, and where no route asks for names, that is the listener's own pool.
    let route = snapshot.find_tcp_route(listener, wanted);
    Way {
        missed: snapshot.missed_tcp_routes(listener, wanted),
        route,
        ahead: route.and_then(RouteRt::pool).map(|pool| ahead(listener, pool, arrival)),
    }
}

fn ahead<'a>(listener: &ListenerRt, pool: &'a Arc<PoolRt>, arrival: &Arrival<'_>) -> Ahead<'a> {
    let now = Micros(clock::now().0);
    let key = client_key(Some(arrival.client.ip()));
    // As a packet with a short header has it (RFC 8999 section 5.2).
    let packet = arrival.connection_id.map(|id| [&[0x40], id].concat());
    let tag = listener.quic().zip(packet).and_then(|(ids, packet)| ids.find(pool, &packet));
    let bound = client_bound(pool, key, tag.as_ref());
    let member = super::peek(pool, key, bound);
    let standings = pool.balance.standings(now);
    let serve = standings.iter().filter(|standing| matches!(standing, Standing::Serves(_))).count();
    let is_bound = member.is_ok_and(|(_, why)| why == Why::Affinity);
    let is_certain = is_bound || pool.plan.policy.hashes() || serve == 1;
    Ahead { pool, member, is_certain, standings }
}
