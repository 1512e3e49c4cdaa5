//! `[[route]]` in its normal form.

use evenkeel_plan::{
    Action, Condition, HeaderEdits, HeaderValue, HostMatch, Name, PathMatch, Route, ValueMatch,
};

use super::parts::{Keys, number, one_or_more, quoted};
use crate::native::route::{blank, default_redirect, default_respond};

pub(super) fn route(route: &Route, at: usize) -> Keys {
    let mut keys = Keys::default();
    keys.unless("name", &route.name, &blank(at + 1).plan.name, |name| quoted(name));
    several(&mut keys, "listeners", &route.listeners, |name| quoted(name));
    several(&mut keys, "host", &route.hosts, host);
    several(&mut keys, "path", &route.paths, path);
    several(&mut keys, "method", &route.methods, |method| quoted(method));
    keys.table("header", conditions(&route.conditions.headers));
    keys.table("cookie", conditions(&route.conditions.cookies));
    keys.table("query", conditions(&route.conditions.queries));
    several(&mut keys, "client", &route.conditions.clients, |network| quoted(&network.to_string()));
    several(&mut keys, "sni", &route.sni, host);
    several(&mut keys, "alpn", &route.alpn, |protocol| quoted(protocol));
    action(&mut keys, &route.action);
    if let Some(rewrite) = &route.rewrite {
        let mut inner = Keys::default();
        inner.put("prefix", quoted(&rewrite.prefix));
        inner.put("to", quoted(&rewrite.to));
        keys.table("rewrite", inner);
    }
    keys.table("request_headers", edits(&route.request_headers));
    keys.table("response_headers", edits(&route.response_headers));
    several(&mut keys, "reverse", &route.reverse, |rule| {
        format!("{{ from = {}, to = {} }}", quoted(&rule.from), quoted(&rule.to))
    });
    keys
}

fn several<T>(keys: &mut Keys, key: &str, items: &[T], show: impl Fn(&T) -> String) {
    if !items.is_empty() {
        keys.put(key, one_or_more(items, show));
    }
}

fn host(host: &HostMatch) -> String {
    match host {
        HostMatch::Exact(name) => quoted(name),
        HostMatch::Wildcard(parent) => quoted(&format!("*.{parent}")),
    }
}

fn path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => quoted(path),
        PathMatch::Prefix(prefix) => quoted(&format!("{prefix}/*")),
        PathMatch::Regex(pattern) => quoted(&format!("~{pattern}")),
    }
}

fn action(keys: &mut Keys, action: &Action) {
    match action {
        Action::Pool(pool) => keys.put("pool", quoted(pool)),
        Action::Split(split) => {
            let part = |(pool, weight): &(Name, u16)| match weight {
                1 => format!("{{ pool = {} }}", quoted(pool)),
                _ => format!("{{ pool = {}, weight = {weight} }}", quoted(pool)),
            };
            keys.put("split", several_of(&split.parts, part));
            keys.unless("sticky", &split.sticky, &true, |sticky| sticky.to_string());
        }
        Action::Redirect(redirect) => {
            let usual = default_redirect();
            if redirect.status == usual.status {
                return keys.put("redirect", quoted(&redirect.to));
            }
            let mut inner = Keys::default();
            inner.put("to", quoted(&redirect.to));
            inner.put("status", number(&redirect.status));
            keys.table("redirect", inner);
        }
        Action::Respond(respond) => {
            let usual = default_respond();
            if respond.body == usual.body && respond.content_type == usual.content_type {
                return keys.put("respond", number(&respond.status));
            }
            let mut inner = Keys::default();
            inner.unless("status", &respond.status, &usual.status, number);
            inner.unless("body", &respond.body, &usual.body, |body| quoted(body));
            inner.unless("content_type", &respond.content_type, &usual.content_type, |text| {
                quoted(text)
            });
            keys.table("respond", inner);
        }
    }
}

fn several_of<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
}

fn conditions(conditions: &[Condition]) -> Keys {
    let mut keys = Keys::default();
    for condition in conditions {
        let value = |value: &ValueMatch| match value {
            ValueMatch::Present => "true".to_owned(),
            ValueMatch::Absent => "false".to_owned(),
            ValueMatch::Exact(text) => quoted(text),
            ValueMatch::Regex(pattern) => quoted(&format!("~{pattern}")),
        };
        keys.put(&condition.name, one_or_more(&condition.values, value));
    }
    keys
}

fn edits(edits: &HeaderEdits) -> Keys {
    let mut keys = Keys::default();
    several(&mut keys, "remove", &edits.remove, |name| quoted(name));
    keys.table("set", pairs(&edits.set));
    keys.table("add", pairs(&edits.add));
    keys
}

/// A key for each name; the values of one name stand together.
fn pairs(pairs: &[(String, HeaderValue)]) -> Keys {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in pairs {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut keys = Keys::default();
    for name in names {
        let values: Vec<&str> =
            pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        keys.put(name, one_or_more(&values, |value| quoted(value)));
    }
    keys
}
