//! Whole plans that can be served: unique names, binds and tags, references that lead somewhere.

use std::collections::HashSet;

use evenkeel_plan::*;
use proptest::option::of;
use proptest::prelude::*;

use super::{orders, parts, pools};

fn server() -> impl Strategy<Value = Server> {
    let cores = prop_oneof![Just(Cores::Auto), (1_u16..=1024).prop_map(Cores::Count)];
    let io = prop_oneof![Just(Io::Auto), Just(Io::Epoll)];
    let drain = prop_oneof![Just(Server::default().drain_timeout), parts::time()];
    (cores, io, drain).prop_map(|(cores, io, drain_timeout)| Server { cores, io, drain_timeout })
}

fn log() -> impl Strategy<Value = Log> {
    let target = prop_oneof![
        Just(LogTarget::Stdout),
        Just(LogTarget::Stderr),
        "/[a-z${}'\" é]{1,20}".prop_map(|path| LogTarget::File(path.into())),
    ];
    let format = prop_oneof![
        Just(LogFormat::Json),
        Just(LogFormat::Combined),
        "[a-z $'\"é]{0,5}".prop_map(|t| LogFormat::Template(format!("{t}{{status}}{{{{"))),
    ];
    of((target, format)).prop_map(|access| Log {
        access: access.map(|(target, format)| AccessLog { target, format }),
    })
}

fn admin() -> impl Strategy<Value = Option<Admin>> {
    of((parts::bind(), of("[!-~]{1,20}")).prop_map(|(bind, token)| Admin { bind, token }))
}

/// A plan without any error.
pub fn plan() -> impl Strategy<Value = Plan> {
    let some = |n| 0_usize..n;
    (
        server(),
        admin(),
        log(),
        prop::collection::vec(parts::listener(), 1..4),
        prop::collection::vec((parts::route(), any::<prop::sample::Index>()), some(4)),
        prop::collection::vec(pools::pool(), 1..4),
        any::<prop::sample::Index>(),
        any::<bool>(),
        orders::authorities(),
    )
        .prop_map(|(server, admin, log, listeners, routes, pools, index, plain, acme)| {
            let (routes, at): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
            let mut plan = Plan { server, admin, log, acme, listeners, routes, pools, sites: None };
            unique(&mut plan, plain);
            connect(&mut plan, &at, index);
            fit(&mut plan);
            orders::order(&mut plan, index);
            plan
        })
}

fn unique(plan: &mut Plan, plain: bool) {
    for (at, route) in plan.routes.iter_mut().enumerate() {
        let text = if plain { format!("route-{}", at + 1) } else { format!("{}.{at}", route.name) };
        route.name = Name::new(&text).unwrap();
    }
    for (at, pool) in plan.pools.iter_mut().enumerate() {
        pool.name = Name::new(&format!("{}.{at}", pool.name)).unwrap();
        let mut tags = HashSet::new();
        pool.members.retain(|member| tags.insert(member.tag.clone()));
    }
    let mut binds: HashSet<_> = plan.admin.iter().map(|admin| admin.bind.clone()).collect();
    for listener in &mut plan.listeners {
        let udp = listener.protocol == Protocol::Udp;
        listener.bind.retain(|bind| !udp || matches!(bind, BindAddress::Socket(_)));
        listener.bind.retain(|bind| binds.insert(bind.clone()));
    }
    plan.listeners.retain(|listener| !listener.bind.is_empty());
    if plan.listeners.is_empty() {
        let name = Name::new("last").unwrap();
        plan.listeners.push(Listener::new(name, vec!["127.0.0.1:0".parse().unwrap()]));
    }
    for (at, listener) in plan.listeners.iter_mut().enumerate() {
        let text = if plain {
            format!("{}-{}", listener.protocol.name(), listener.bind[0])
        } else {
            format!("{}.{at}", listener.name)
        };
        listener.name = Name::new(&text).unwrap_or_else(|_| Name::new(&format!("l{at}")).unwrap());
    }
    let mut names = HashSet::new();
    plan.listeners.retain(|listener| names.insert(listener.name.clone()));
}

fn connect(plan: &mut Plan, at: &[prop::sample::Index], index: prop::sample::Index) {
    let pools: Vec<Name> = plan.pools.iter().map(|pool| pool.name.clone()).collect();
    let names: Vec<Name> = plan.listeners.iter().map(|listener| listener.name.clone()).collect();
    for listener in &mut plan.listeners {
        listener.pool = Some(index.get(&pools).clone());
    }
    for (route, at) in plan.routes.iter_mut().zip(at) {
        match &mut route.action {
            Action::Pool(pool) => *pool = at.get(&pools).clone(),
            Action::Split(split) => {
                split.parts.iter_mut().for_each(|(pool, _)| *pool = at.get(&pools).clone());
            }
            _ => {}
        }
        route.listeners = names[..at.index(names.len() + 1)].to_vec();
    }
}

fn sees_no_cookies(pool: &mut Pool) {
    if matches!(pool.affinity, Some(Affinity::Cookie(_) | Affinity::Application { .. })) {
        pool.affinity = None;
    }
    pool.protocol = MemberProtocol::Http;
    pool.grpc_web = false;
}

/// Takes out what does not go together: see `evenkeel_plan::check`.
fn fit(plan: &mut Plan) {
    let protocols: Vec<(Name, Protocol)> =
        plan.listeners.iter().map(|l| (l.name.clone(), l.protocol)).collect();
    let of = |name: &Name| protocols.iter().find(|(other, _)| other == name).map(|(_, p)| *p);
    for route in &mut plan.routes {
        let by_hello = !route.sni.is_empty() || !route.alpn.is_empty();
        let wanted = if by_hello { Protocol::Tcp } else { Protocol::Http };
        route.listeners.retain(|name| of(name) == Some(wanted));
        if by_hello && route.listeners.is_empty() {
            route.sni.clear();
            route.alpn.clear();
        } else if by_hello {
            let pool = plan.pools[0].name.clone();
            let plain = Route::new(route.name.clone(), Action::Pool(pool));
            let (listeners, sni) = (route.listeners.clone(), route.sni.clone());
            *route = Route { listeners, sni, alpn: route.alpn.clone(), ..plain };
            sees_no_cookies(&mut plan.pools[0]);
        }
    }
    for listener in &mut plan.listeners {
        let Some(pool) =
            plan.pools.iter_mut().find(|pool| Some(&pool.name) == listener.pool.as_ref())
        else {
            continue;
        };
        if listener.protocol == Protocol::Udp {
            listener.proxy_protocol.mode = ProxyMode::Off;
            pool.proxy_protocol = None;
            pool.members.retain(|member| !matches!(member.address, Address::Unix(_)));
        }
        if listener.protocol != Protocol::Http {
            sees_no_cookies(pool);
        }
    }
    for pool in &mut plan.pools {
        let own = pool.proxy_protocol.is_some() || pool.source == Source::Client;
        if own || pool.port == MemberPort::Listener {
            pool.protocol = MemberProtocol::Http;
            pool.grpc_web = false;
        }
        let mut ids = HashSet::new();
        for member in &mut pool.members {
            member.quic_id = member.quic_id.take().filter(|id| ids.insert(id.clone()));
        }
    }
    for pool in &mut plan.pools {
        if pool.spoken() != MemberProtocol::Http2
            && matches!(pool.health.check, Some(Check::Grpc(_)))
        {
            pool.health.check = None;
        }
    }
}
