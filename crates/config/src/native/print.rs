//! The normal form: a plan as TOML. Defaults are left out, and where a short form says it all, it
//! is used. Reading it back gives the same plan.

mod acme;
mod listener;
mod parts;
mod pool;
mod route;
mod tls;

use evenkeel_plan::{Admin, Cores, Io, Log, LogFormat, LogTarget, Plan, Server};

use parts::{Keys, duration, number, quoted};

/// The plan as TOML, in its normal form: no defaults, short forms, one order.
///
/// [`load_str`](crate::load_str) of it gives the same plan, for every plan that
/// [`load`](crate::load) can give.
pub fn print(plan: &Plan) -> String {
    let mut sections = Vec::new();
    let server = server(&plan.server);
    if !server.is_empty() {
        sections.push(format!("[server]\n{}", server.lines("server")));
    }
    if let Some(admin) = &plan.admin {
        sections.push(format!("[admin]\n{}", self::admin(admin).lines("admin")));
    }
    let log = log(&plan.log);
    if !log.is_empty() {
        sections.push(format!("[log]\n{}", log.lines("log")));
    }
    for acme in plan.acme.iter().filter(|acme| !acme::goes_without_saying(acme, plan)) {
        sections.push(format!("[[acme]]\n{}", acme::acme(acme).lines("acme")));
    }
    for listener in &plan.listeners {
        sections.push(format!("[[listener]]\n{}", listener::listener(listener).lines("listener")));
    }
    for (at, route) in plan.routes.iter().enumerate() {
        sections.push(format!("[[route]]\n{}", route::route(route, at).lines("route")));
    }
    for pool in &plan.pools {
        sections.push(pool::pool(pool));
    }
    sections.join("\n")
}

fn server(server: &Server) -> Keys {
    let usual = Server::default();
    let mut keys = Keys::default();
    match server.cores {
        Cores::Auto => {}
        Cores::Count(count) => keys.put("cores", number(&count)),
    }
    match server.io {
        Io::Auto => {}
        Io::Epoll => keys.put("io", quoted("epoll")),
    }
    keys.unless("drain_timeout", &server.drain_timeout, &usual.drain_timeout, duration);
    keys
}

fn admin(admin: &Admin) -> Keys {
    let mut keys = Keys::default();
    keys.put("bind", quoted(&admin.bind.to_string()));
    if let Some(token) = &admin.token {
        keys.put("token", quoted(token));
    }
    keys
}

fn log(log: &Log) -> Keys {
    let mut keys = Keys::default();
    let Some(access) = &log.access else { return keys };
    let target = match &access.target {
        LogTarget::Stdout => quoted("stdout"),
        LogTarget::Stderr => quoted("stderr"),
        LogTarget::File(path) => quoted(&path.to_string_lossy()),
    };
    let format = match &access.format {
        LogFormat::Json => {
            keys.put("access", target);
            return keys;
        }
        LogFormat::Combined => quoted("combined"),
        LogFormat::Template(template) => quoted(template),
    };
    let mut inner = Keys::default();
    inner.put("path", target);
    inner.put("format", format);
    keys.table("access", inner);
    keys
}
