//! What holds for listeners without HTTP, and for what they use.

use std::collections::HashMap;

use super::{Place, Problem};
use crate::{
    Action, Address, Affinity, BindAddress, Check, Listener, MemberPort, MemberProtocol, Name,
    Plan, Pool, Protocol, ProxyMode, Route, Source,
};

pub(super) fn check(plan: &Plan, problems: &mut Vec<Problem>) {
    let pools: HashMap<&Name, (usize, &Pool)> =
        plan.pools.iter().enumerate().map(|(at, pool)| (&pool.name, (at, pool))).collect();
    for (i, listener) in plan.listeners.iter().enumerate() {
        if listener.protocol == Protocol::Udp {
            udp_listener(listener, Place::Listener(i), problems);
        }
        if listener.protocol != Protocol::Http
            && let Some((at, pool)) = listener.pool.as_ref().and_then(|name| pools.get(name))
        {
            layer4_pool(listener, pool, Place::Pool(*at), problems);
        }
    }
    let listeners: HashMap<&Name, &Listener> =
        plan.listeners.iter().map(|listener| (&listener.name, listener)).collect();
    for (i, route) in plan.routes.iter().enumerate() {
        let known = route.listeners.iter().filter_map(|name| listeners.get(name).copied());
        layer4_route(route, known, Place::Route(i), problems);
        let by_tcp = route.listeners.iter().filter_map(|name| listeners.get(name));
        if let Action::Pool(name) = &route.action
            && let Some((at, pool)) = pools.get(name)
            && let Some(listener) = by_tcp.copied().find(|l| l.protocol == Protocol::Tcp)
            && listener.pool.as_ref() != Some(name)
        {
            layer4_pool(listener, pool, Place::Pool(*at), problems);
        }
    }
    for (i, pool) in plan.pools.iter().enumerate() {
        quic_ids(pool, i, problems);
        http2_pool(pool, Place::Pool(i), problems);
    }
}

fn problem(place: Place, field: &'static str, message: String, help: Option<&str>) -> Problem {
    Problem { place, field, message, help: help.map(str::to_owned) }
}

fn udp_listener(listener: &Listener, place: Place, problems: &mut Vec<Problem>) {
    let name = &listener.name;
    if listener.bind.iter().any(|bind| matches!(bind, BindAddress::Unix(_))) {
        let message = format!("listener \"{name}\" speaks UDP, which has no unix sockets here");
        problems.push(problem(place, "bind", message, Some("bind to ip:port")));
    }
    if listener.proxy_protocol.mode != ProxyMode::Off {
        let message = format!("listener \"{name}\" speaks UDP: there is no PROXY header to read");
        problems.push(problem(place, "proxy_protocol", message, None));
    }
}

fn layer4_pool(listener: &Listener, pool: &Pool, place: Place, problems: &mut Vec<Problem>) {
    let (name, protocol) = (&listener.name, listener.protocol.name());
    let mut wrong = |field, message, help| problems.push(problem(place, field, message, help));
    if matches!(pool.affinity, Some(Affinity::Cookie(_) | Affinity::Application { .. })) {
        let message = format!(
            "listener \"{name}\" speaks {protocol}: it sees no cookies, so this affinity cannot hold"
        );
        wrong("affinity", message, Some("write affinity = { client = \"source\" }"));
    }
    if pool.protocol == MemberProtocol::Http2 {
        let message = format!("listener \"{name}\" speaks {protocol}: h2 is for HTTP listeners");
        wrong("protocol", message, Some("leave protocol out: bytes are passed on as they are"));
    }
    if listener.protocol != Protocol::Udp {
        return;
    }
    if pool.proxy_protocol.is_some() {
        let message = format!("listener \"{name}\" speaks UDP: no PROXY header can be sent");
        wrong("proxy_protocol", message, None);
    }
    if pool.members.iter().any(|member| matches!(member.address, Address::Unix(_))) {
        let message = format!("listener \"{name}\" speaks UDP, and a member is a unix socket");
        wrong("member", message, Some("give members as host:port"));
    }
}

fn layer4_route<'p>(
    route: &Route,
    listeners: impl Iterator<Item = &'p Listener>,
    place: Place,
    problems: &mut Vec<Problem>,
) {
    let mut wrong = |field, message, help| problems.push(problem(place, field, message, help));
    let by_hello = !route.sni.is_empty() || !route.alpn.is_empty();
    let field = if route.sni.is_empty() { "alpn" } else { "sni" };
    if by_hello && route.listeners.is_empty() {
        let message = "a route by sni or alpn is for TCP listeners, which it must name".to_owned();
        wrong(field, message, Some("add listeners = [\"NAME\"]"));
    }
    for listener in listeners {
        let name = &listener.name;
        match listener.protocol {
            Protocol::Http if by_hello => {
                let message =
                    format!("listener \"{name}\" speaks http; {field} is for TCP listeners");
                wrong(field, message, Some("use host for HTTP"));
            }
            Protocol::Http => {}
            Protocol::Udp => {
                let message = format!("listener \"{name}\" speaks udp, which knows no routes");
                wrong("listeners", message, Some("give the listener a pool"));
            }
            Protocol::Tcp if asks_for_http(route) => {
                let message = format!("listener \"{name}\" speaks tcp; this route needs HTTP");
                let help = "routes of TCP listeners have sni, alpn and pool";
                wrong("listeners", message, Some(help));
            }
            Protocol::Tcp => {}
        }
    }
}

fn asks_for_http(route: &Route) -> bool {
    !matches!(route.action, Action::Pool(_))
        || !route.hosts.is_empty()
        || !route.paths.is_empty()
        || !route.methods.is_empty()
        || !route.conditions.is_empty()
        || route.rewrite.is_some()
        || !route.reverse.is_empty()
        || !route.request_headers.is_empty()
        || !route.response_headers.is_empty()
}

/// Connections that many requests share carry nothing of one client.
fn http2_pool(pool: &Pool, place: Place, problems: &mut Vec<Problem>) {
    if pool.spoken() != MemberProtocol::Http2 {
        if matches!(pool.health.check, Some(Check::Grpc(_))) {
            let message = "a grpc check speaks HTTP/2, which this pool does not".to_owned();
            problems.push(problem(place, "health", message, Some("add protocol = \"h2\"")));
        }
        if pool.grpc_web {
            let message = "grpc_web is for members that speak h2, as gRPC does".to_owned();
            problems.push(problem(place, "grpc_web", message, Some("add protocol = \"h2\"")));
        }
        return;
    }
    let own = [
        (pool.proxy_protocol.is_some(), "proxy_protocol"),
        (pool.source == Source::Client, "source"),
        (pool.port == MemberPort::Listener, "port"),
    ];
    for (_, field) in own.into_iter().filter(|(wrong, _)| *wrong) {
        let message = format!(
            "members that speak h2 share connections between clients: {field} cannot be as asked"
        );
        problems.push(problem(place, field, message, Some("leave it out, or protocol = \"h2\"")));
    }
}

/// Server ids are found in connection ids by their length.
fn quic_ids(pool: &Pool, at: usize, problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    let mut length = None;
    for (j, member) in pool.members.iter().enumerate() {
        let Some(id) = &member.quic_id else { continue };
        let place = Place::Member(at, j);
        if *length.get_or_insert(id.len()) != id.len() {
            let message = "every quic_id of a pool has the same length".to_owned();
            problems.push(problem(place, "quic_id", message, None));
        }
        if seen.insert(id, j).is_some() {
            let message = "two members have this quic_id".to_owned();
            problems.push(problem(place, "quic_id", message, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CookieAffinity, HostMatch, Member};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn plan(protocol: Protocol) -> Plan {
        let bind = vec!["127.0.0.1:80".parse().unwrap()];
        let mut listener = Listener::new(name("l4"), bind).speaking(protocol);
        listener.pool = Some(name("db"));
        let mut pool = Pool::new(name("db"));
        pool.members.push(Member::new("10.0.0.1:80".parse().unwrap()));
        Plan { listeners: vec![listener], pools: vec![pool], ..Plan::default() }
    }

    fn route(plan: &mut Plan) -> &mut Route {
        plan.routes.push(Route::new(name("r"), Action::Pool(name("db"))));
        let route = plan.routes.last_mut().unwrap();
        route.listeners.push(name("l4"));
        route
    }

    fn fields(plan: &Plan) -> Vec<&'static str> {
        super::super::check(plan).iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn sound_plans_have_no_problems() {
        assert_eq!(fields(&plan(Protocol::Tcp)), [""; 0]);
        assert_eq!(fields(&plan(Protocol::Udp)), [""; 0]);
        let mut by_name = plan(Protocol::Tcp);
        by_name.listeners[0].pool = None;
        route(&mut by_name).sni.push(HostMatch::Exact("a.example".to_owned()));
        assert_eq!(fields(&by_name), [""; 0]);
    }

    #[test]
    fn routes_must_fit_their_listeners() {
        let mut udp = plan(Protocol::Udp);
        route(&mut udp);
        assert_eq!(fields(&udp), ["listeners"]);
        let mut http = plan(Protocol::Http);
        route(&mut http).alpn.push("h2".to_owned());
        assert_eq!(fields(&http), ["alpn"]);
        let mut tcp = plan(Protocol::Tcp);
        route(&mut tcp).methods.push("GET".to_owned());
        assert_eq!(fields(&tcp), ["listeners"]);
        let mut nameless = plan(Protocol::Tcp);
        let by_sni = route(&mut nameless);
        by_sni.sni.push(HostMatch::Exact("a.example".to_owned()));
        by_sni.listeners.clear();
        assert_eq!(fields(&nameless), ["sni"]);
    }

    #[test]
    fn a_route_for_all_http_listeners_serves_no_tcp_listener() {
        let mut plan = plan(Protocol::Tcp);
        plan.listeners[0].pool = None;
        route(&mut plan).listeners.clear();
        assert_eq!(fields(&plan), ["pool"]);
    }

    #[test]
    fn pools_must_fit_their_listeners() {
        let mut plan = plan(Protocol::Udp);
        plan.pools[0].affinity = Some(Affinity::Cookie(CookieAffinity::named("A")));
        plan.pools[0].proxy_protocol = Some(crate::ProxyVersion::V2);
        plan.pools[0].members[0].address = "unix:/run/db.sock".parse().unwrap();
        plan.listeners[0].proxy_protocol.mode = ProxyMode::Accept;
        assert_eq!(fields(&plan), ["proxy_protocol", "affinity", "proxy_protocol", "member"]);
    }

    #[test]
    fn one_port_may_serve_tcp_and_udp() {
        let mut plan = plan(Protocol::Udp);
        let mut tcp = plan.listeners[0].clone().speaking(Protocol::Tcp);
        tcp.name = name("other");
        plan.listeners.push(tcp);
        assert_eq!(fields(&plan), [""; 0]);
    }

    #[test]
    fn server_ids_are_of_one_length_and_unlike() {
        let mut plan = plan(Protocol::Udp);
        let mut member = plan.pools[0].members[0].clone();
        plan.pools[0].members[0].quic_id = Some(vec![1, 2]);
        for (tag, id) in [("b", vec![1, 2]), ("c", vec![1])] {
            member.tag = name(tag);
            member.quic_id = Some(id);
            plan.pools[0].members.push(member.clone());
        }
        assert_eq!(fields(&plan), ["quic_id", "quic_id"]);
    }
}
