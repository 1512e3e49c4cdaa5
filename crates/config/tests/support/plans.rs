//! Whole plans that can be served: unique names, binds and tags, references that lead somewhere.

use std::collections::HashSet;

use evenkeel_plan::*;
use proptest::option::of;
use proptest::prelude::*;

use super::parts;

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
        prop::collection::vec(parts::pool(), 1..4),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(server, admin, log, listeners, routes, pools, index, plain)| {
            let (routes, at): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
            let mut plan = Plan { server, admin, log, listeners, routes, pools };
            unique(&mut plan, plain);
            connect(&mut plan, &at, index);
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
        listener.bind.retain(|bind| binds.insert(bind.clone()));
    }
    plan.listeners.retain(|listener| !listener.bind.is_empty());
    if plan.listeners.is_empty() {
        let name = Name::new("last").unwrap();
        plan.listeners.push(Listener::new(name, vec!["127.0.0.1:0".parse().unwrap()]));
    }
    for (at, listener) in plan.listeners.iter_mut().enumerate() {
        let text = if plain {
            format!("http-{}", listener.bind[0])
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
        if let Action::Pool(pool) = &mut route.action {
            *pool = at.get(&pools).clone();
        }
        route.listeners = names[..at.index(names.len() + 1)].to_vec();
    }
}
