//! `evenkeel explain`: what would happen to a request, a connection or a flow, and why.

mod layer4;
mod live;
mod place;

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use evenkeel_balance::{NoMember, Why};
use evenkeel_net::clock;
use evenkeel_observe::metrics::Names;
use evenkeel_plan::{Conditions, HostMatch, PathMatch, Plan, Protocol, Route};
use evenkeel_proxy::Failure;
use evenkeel_proxy::explain::{Explained, Outcome, Ruled, explain as ask, explain_rules};
use evenkeel_proxy::snapshot::{ActionRt, PoolRt, RouteRt, Snapshot};

use crate::cli::Question;
use crate::commands::check;
use crate::output::{complain, say};
use crate::server::{CONFIGURATION, RUNTIME};

/// The words of the command line do not make a question, as with other commands.
const USAGE: u8 = 2;

pub(crate) fn explain(question: &Question) -> ExitCode {
    let asked = match Asked::read(question) {
        Ok(asked) => asked,
        Err((error, code)) => {
            complain(format!("error: {error}"));
            return ExitCode::from(code);
        }
    };
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
    let answered = live::imitate(&snapshot, question).and_then(|notes| {
        let mut text = match &asked {
            Asked::Request { method, url } => answer(question, method, url, &plan, &snapshot)?,
            Asked::Arrival { protocol, place } => {
                layer4::answer(question, *protocol, place, &snapshot)?
            }
        };
        for note in notes {
            let _ = writeln!(text, "note      {note}");
        }
        Ok(text)
    });
    match answered {
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

/// What is asked about.
enum Asked<'a> {
    Request { method: &'a str, url: Url },
    Arrival { protocol: Protocol, place: &'a str },
}

impl Asked<'_> {
    /// Reads the question; what is wrong with it, and the code to exit with.
    fn read(question: &Question) -> Result<Asked<'_>, (String, u8)> {
        let (method, url) = match &question.what[..] {
            [method, url] => (Some(&**method), &**url),
            [url] => (None, &**url),
            _ => return Err(("what is to be explained?".to_owned(), USAGE)),
        };
        let arrivals = [("tcp://", Protocol::Tcp), ("udp://", Protocol::Udp)];
        let arrival = arrivals.into_iter().find_map(|(scheme, protocol)| {
            let (start, place) = url.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some((protocol, place.trim_end_matches('/')))
        });
        let misfit = |words: &str| Err((words.to_owned(), RUNTIME));
        let by_hello = question.sni.is_some() || !question.alpn.is_empty();
        match (arrival, method) {
            (None, None) => {
                let words = format!("the method is missing: evenkeel explain GET {url}");
                Err((words, USAGE))
            }
            (None, Some(_)) if by_hello || question.connection_id.is_some() => misfit(
                "--sni, --alpn and --connection-id are for tcp:// and udp://; a request has its host in the URL",
            ),
            (None, Some(method)) => match Url::read(url) {
                Ok(url) => Ok(Asked::Request { method, url }),
                Err(words) => Err((words, RUNTIME)),
            },
            (Some(_), Some(method)) => {
                misfit(&format!("a connection has no method: leave out {method}"))
            }
            (Some(_), None) if !question.headers.is_empty() => {
                misfit("--header is for requests; at this layer no header is read")
            }
            (Some((Protocol::Udp, _)), None) if by_hello => {
                misfit("--sni and --alpn are for tcp://; a UDP listener reads no ClientHello")
            }
            (Some((Protocol::Tcp, _)), None) if question.connection_id.is_some() => {
                misfit("--connection-id is for udp://; a TCP listener knows no QUIC")
            }
            (Some((protocol, place)), None) => Ok(Asked::Arrival { protocol, place }),
        }
    }
}

fn answer(
    question: &Question,
    method: &str,
    url: &Url,
    plan: &Plan,
    snapshot: &Snapshot,
) -> Result<String, String> {
    let listener = place::of_request(snapshot, url.port)?;
    let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", url.target, url.authority);
    for header in &question.headers {
        let _ = write!(head, "{header}\r\n");
    }
    head.push_str("\r\n");
    let client = question.client.ip();
    let mut out = String::new();
    let _ = writeln!(out, "listener  {} ({})", listener.plan.name, place::binds(listener));
    if let Some(ruled) = explain_rules(snapshot, listener, head.as_bytes(), client) {
        match ruled {
            Ok(ruled) => tell_rules(&mut out, &ruled),
            Err(failure) => {
                let _ = writeln!(out, "refused   {} {}", failure.status, failure.cause);
            }
        }
        return Ok(out);
    }
    match ask(snapshot, listener, head.as_bytes(), client) {
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
        ActionRt::Pool(pool) => tell_pool(out, pool, explained),
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
                tell_pool(out, pool, explained);
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

fn tell_pool(out: &mut String, pool: &PoolRt, explained: &Explained<'_>) {
    let _ = writeln!(out, "pool      {} ({})", pool.plan.name, pool.plan.policy.name());
    match explained.member {
        Some(Ok((at, why))) => tell_member(out, pool, at, why),
        Some(Err(NoMember::AllBusy)) => {
            let (wait, most) = (pool.plan.timeouts.queue, pool.plan.limits.queue);
            let (late, full) = (Failure::QUEUE_TIMEOUT, Failure::QUEUE_FULL);
            let _ = writeln!(
                out,
                "member    every one is at its max_requests: the request waits up to {wait:?}, then {} {}; \
                 when {most} wait already, at once, {} {}",
                late.status, late.cause, full.status, full.cause
            );
        }
        Some(Err(_)) | None => tell_nobody(out),
    }
}

fn tell_member(out: &mut String, pool: &PoolRt, at: usize, why: Why) {
    let Some(member) = pool.plan.members.get(at) else { return };
    let why = match why {
        Why::Policy if pool.plan.policy.hashes() => "by the hash of its key",
        Why::Policy => "as things stand; others take turns",
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
            _ => {
                return Err(format!(
                    "{scheme}:// is not served; write http://, https://, tcp:// or udp://"
                ));
            }
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
