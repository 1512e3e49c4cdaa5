//! The normal form: a plan as TOML. Defaults are left out, and where a short form says it all, it
//! is used. Reading it back gives the same plan.

mod parts;
mod pool;
mod route;

use evenkeel_plan::{
    Admin, Cores, Forwarded, Io, Listener, ListenerLimits, ListenerTimeouts, Log, LogFormat,
    LogTarget, Plan, Protocol, Server,
};

use super::listener::{default_name, style_word};
use parts::{Keys, duration, number, one_or_more, quoted, size};

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
    for listener in &plan.listeners {
        sections.push(format!("[[listener]]\n{}", self::listener(listener).lines("listener")));
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

fn listener(listener: &Listener) -> Keys {
    let mut keys = Keys::default();
    if default_name(listener).as_ref() != Some(&listener.name) {
        keys.put("name", quoted(&listener.name));
    }
    keys.put("bind", one_or_more(&listener.bind, |bind| quoted(&bind.to_string())));
    let usual = Listener::new(listener.name.clone(), Vec::new()).speaking(listener.protocol);
    keys.unless("protocol", &listener.protocol, &Protocol::Http, |protocol| {
        quoted(protocol.name())
    });
    if let Some(pool) = &listener.pool {
        keys.put("pool", quoted(pool));
    }
    keys.table("timeouts", timeouts(&listener.timeouts, &usual.timeouts));
    keys.table("limits", limits(&listener.limits));
    keys.table("forwarded", forwarded(&listener.forwarded));
    keys
}

fn timeouts(t: &ListenerTimeouts, usual: &ListenerTimeouts) -> Keys {
    let mut keys = Keys::default();
    keys.unless("header", &t.header, &usual.header, duration);
    keys.unless("idle", &t.idle, &usual.idle, duration);
    keys.unless("request", &t.request, &usual.request, duration);
    keys.unless("tunnel", &t.tunnel, &usual.tunnel, duration);
    keys.unless("send", &t.send, &usual.send, duration);
    keys
}

fn limits(l: &ListenerLimits) -> Keys {
    let usual = ListenerLimits::default();
    let mut keys = Keys::default();
    keys.unless("header_bytes", &l.header_bytes, &usual.header_bytes, size);
    keys.unless("uri_bytes", &l.uri_bytes, &usual.uri_bytes, size);
    keys.unless("headers", &l.headers, &usual.headers, number);
    keys.unless("body", &l.body, &usual.body, size);
    keys.unless("connections", &l.connections, &usual.connections, number);
    keys.unless(
        "requests_per_connection",
        &l.requests_per_connection,
        &usual.requests_per_connection,
        number,
    );
    keys.unless("body_rate_min", &l.body_rate_min, &usual.body_rate_min, number);
    keys
}

fn forwarded(f: &Forwarded) -> Keys {
    let usual = Forwarded::default();
    let mut keys = Keys::default();
    keys.unless("style", &f.style, &usual.style, |style| quoted(style_word(*style)));
    keys.unless("trusted", &f.trusted, &usual.trusted, |trusted| {
        one_or_more(trusted, |network| quoted(&network.to_string()))
    });
    keys.unless("via", &f.via, &usual.via, bool::to_string);
    keys.unless("request_id", &f.request_id, &usual.request_id, |name| match name {
        Some(name) => quoted(name),
        None => "false".to_owned(),
    });
    keys
}
