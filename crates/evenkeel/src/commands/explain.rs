//! `evenkeel explain`: what would happen to a request, and why.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use evenkeel_balance::{Ask, Bound, Micros, Rng, Tried, Why};
use evenkeel_net::clock;
use evenkeel_observe::metrics::Names;
use evenkeel_plan::{BindAddress, Conditions, HostMatch, PathMatch, Plan, Route};
use evenkeel_proxy::explain::{Explained, Outcome, Ruled, explain as ask, explain_rules};
use evenkeel_proxy::snapshot::{ActionRt, ListenerRt, PoolRt, RouteRt, Snapshot};

use crate::cli::Question;
use crate::commands::check;
use crate::output::{complain, say};
use crate::server::{CONFIGURATION, RUNTIME};

pub(crate) fn explain(question: &Question) -> ExitCode {
    let plan = match check::load(&question.source) {
        Ok(plan) => Arc::new(plan),
        Err(code) => return code,
    };
    let built = Snapshot::build(
        plan.clone(),
        &Snapshot::empty(),
        &mut Names::new(),
        &Default::default(),
        clock::now(),
    );
    let snapshot = match built {
        Ok(snapshot) => snapshot,
        Err(bad) => {
            complain(format!("error: route \"{}\": {}", bad.route, bad.reason));
            return ExitCode::from(CONFIGURATION);
        }
    };
    match answer(question, &plan, &snapshot) {
        Ok(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(format!("error: {error}"));
            ExitCode::from(RUNTIME)
        }
    }
}

fn answer(question: &Question, plan: &Plan, snapshot: &Snapshot) -> Result<String, String> {
    let url = Url::read(&question.url)?;
    let listener = find_listener(snapshot, &url)?;
    let mut head =
        format!("{} {} HTTP/1.1\r\nHost: {}\r\n", question.method, url.target, url.authority);
    for header in &question.headers {
        let _ = write!(head, "{header}\r\n");
    }
    head.push_str("\r\n");
    let mut out = String::new();
    let _ = writeln!(out, "listener  {} ({})", listener.plan.name, binds(listener));
    if let Some(ruled) = explain_rules(snapshot, listener, head.as_bytes(), question.client) {
        match ruled {
            Ok(ruled) => tell_rules(&mut out, &ruled),
            Err(failure) => {
                let _ = writeln!(out, "refused   {} {}", failure.status, failure.cause);
            }
        }
        return Ok(out);
    }
    match ask(snapshot, listener, head.as_bytes(), question.client) {
        Err(failure) => {
            let _ = writeln!(out, "refused   {} {}", failure.status, failure.cause);
        }
        Ok(explained) => {
            let _ = writeln!(
                out,
                "request   host {} path {} client {}",
                explained.host, explained.path, explained.client
            );
            tell_route(&mut out, plan, &explained);
        }
    }
    Ok(out)
}

/// What the rules of an httpd configuration come to.
fn tell_rules(out: &mut String, ruled: &Ruled<'_>) {
    let which = match ruled.position {
        0 => "the main server".to_owned(),
        n => format!("virtual host {n}"),
    };
    let _ = writeln!(out, "server    {} ({which})", ruled.server);
    let _ = writeln!(out, "request   path {} client {}", ruled.path, ruled.client);
    for (name, value) in &ruled.variables {
        let _ = writeln!(out, "variable  {name}={value}");
    }
    match &ruled.outcome {
        Outcome::Pool { url, pool, member } => {
            let _ = writeln!(out, "passed    to {url}");
            let _ = writeln!(out, "pool      {} ({})", pool.plan.name, pool.plan.policy.name());
            match member {
                Some((at, why)) => tell_member(out, pool, *at, *why),
                None => tell_nobody(out),
            }
        }
        Outcome::Answer(status, Some(to)) => {
            let _ = writeln!(out, "answer    {status} from the balancer itself, to {to}");
        }
        Outcome::Answer(status, None) => {
            let why = match status {
                403 => ": Require, Allow and Deny refuse it, or a rule does",
                404 => ": no ProxyPass or rule takes it, and files are not served",
                _ => "",
            };
            let _ = writeln!(out, "answer    {status} from the balancer itself{why}");
        }
        Outcome::Page(name) => {
            let _ = writeln!(out, "answer    the page {name}");
        }
    }
}

fn tell_route(out: &mut String, plan: &Plan, explained: &Explained<'_>) {
    let route = match explained.route {
        Err(failure) => {
            let _ = writeln!(out, "route     none: {} {}", failure.status, failure.cause);
            return;
        }
        Ok(route) => route,
    };
    match plan.routes.iter().find(|plan| plan.name == route.name) {
        Some(plan) => {
            let _ = writeln!(
                out,
                "route     {}: the first in file order that matches ({})",
                route.name,
                matchers(plan)
            );
        }
        None => {
            let _ = writeln!(out, "route     none matches; the listener's own pool takes the rest");
        }
    }
    tell_filters(out, route, explained);
    match &route.action {
        ActionRt::Respond(respond) => {
            let _ = writeln!(out, "answer    {} from the balancer itself", respond.status);
        }
        ActionRt::Redirect { status, .. } => {
            let _ = writeln!(out, "answer    {status} redirect from the balancer itself");
        }
        ActionRt::Pool(pool) => tell_pool(out, pool, explained.key),
        ActionRt::Split(split) => {
            let parts =
                split.parts.iter().map(|(pool, weight)| format!("{} {weight}", pool.plan.name));
            let why = match (explained.kept, split.cookie.is_some()) {
                (true, _) => "the client's own, by its cookie",
                (false, true) => "by chance; the client keeps what it gets",
                (false, false) => "by chance, each request anew",
            };
            let _ = writeln!(out, "split     {} ({why})", parts.collect::<Vec<_>>().join(", "));
            if let Some(pool) = explained.pool {
                tell_pool(out, pool, explained.key);
            }
        }
    }
}

fn tell_filters(out: &mut String, route: &RouteRt, explained: &Explained<'_>) {
    if let Some(rule) = &route.rewrite {
        let path = explained.path.as_bytes();
        let rewritten = evenkeel_proxy::filter::rewrite(rule, path).map(|parts| parts.concat());
        let path = rewritten.as_deref().unwrap_or(path);
        let _ = writeln!(
            out,
            "rewrite   {} → {}: path becomes {}",
            rule.prefix,
            rule.to,
            String::from_utf8_lossy(path)
        );
    }
    if !route.request_edits.is_empty() {
        let _ = writeln!(out, "filter    request headers are changed");
    }
    if !route.response_edits.is_empty() {
        let _ = writeln!(out, "filter    answer headers are changed");
    }
}

fn tell_pool(out: &mut String, pool: &PoolRt, key: u64) {
    let _ = writeln!(out, "pool      {} ({})", pool.plan.name, pool.plan.policy.name());
    let tried = Tried::default();
    let asked = Ask { now: Micros(clock::now().0), key, bound: Bound::None, tried: &tried };
    match pool.balance.peek(&asked, &mut Rng::new(1)) {
        Ok((at, why)) => tell_member(out, pool, at, why),
        Err(_) => tell_nobody(out),
    }
}

fn tell_member(out: &mut String, pool: &PoolRt, at: usize, why: Why) {
    let Some(member) = pool.plan.members.get(at) else { return };
    let why = match why {
        Why::Policy if pool.plan.policy.hashes() => "by the hash of its key",
        Why::Policy => "as things stand at start; others take turns",
        Why::Affinity => "by affinity",
        Why::Backup => "no other member of its tier is usable",
        Why::Spare => "it stands in for an unusable member",
        Why::Panic => "all members are ejected, so ejections are ignored",
    };
    let _ = writeln!(out, "member    {} {} ({why})", member.tag, member.address);
}

fn tell_nobody(out: &mut String) {
    let _ = writeln!(out, "member    none is usable: 503 no-member");
}

struct Url {
    authority: String,
    target: String,
    port: u16,
}

impl Url {
    fn read(text: &str) -> Result<Url, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let default = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(format!("{scheme}:// is not served; write http:// or https://")),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        if authority.is_empty() {
            return Err("the URL has no host; write http://HOST/PATH".to_owned());
        }
        let port =
            authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(default);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { authority: authority.to_owned(), target, port })
    }
}

/// The listener on the URL's port; when none has it, the first.
fn find_listener<'a>(snapshot: &'a Snapshot, url: &Url) -> Result<&'a ListenerRt, String> {
    let has_port = |listener: &&ListenerRt| {
        listener
            .plan
            .bind
            .iter()
            .any(|bind| matches!(bind, BindAddress::Socket(s) if s.port() == url.port))
    };
    let found = snapshot.listeners.iter().find(has_port).or_else(|| snapshot.listeners.first());
    found.ok_or_else(|| "the configuration has no listener".to_owned())
}

fn binds(listener: &ListenerRt) -> String {
    listener.plan.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn matchers(route: &Route) -> String {
    let mut parts = Vec::new();
    for host in &route.hosts {
        parts.push(match host {
            HostMatch::Exact(name) => format!("host {name}"),
            HostMatch::Wildcard(parent) => format!("host *.{parent}"),
        });
    }
    for path in &route.paths {
        parts.push(match path {
            PathMatch::Exact(path) => format!("path {path}"),
            PathMatch::Prefix(prefix) => format!("path {prefix}/*"),
            PathMatch::Regex(pattern) => format!("path ~{pattern}"),
        });
    }
    parts.extend(route.methods.iter().map(|method| format!("method {method}")));
    let Conditions { headers, cookies, queries, clients } = &route.conditions;
    for (kind, conditions) in [("header", headers), ("cookie", cookies), ("query", queries)] {
        parts.extend(conditions.iter().map(|condition| format!("{kind} {}", condition.name)));
    }
    parts.extend(clients.iter().map(|network| format!("client {network}")));
    if parts.is_empty() { "every request".to_owned() } else { parts.join(", ") }
}
